//! The containers of a Compose project, found by its file: Compose writes into labels of
//! each container which file and which service it is of. Reads nothing of the file itself.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use super::docker::{Container, ContainerError, Docker, Listed};

const PROJECT: &str = "com.docker.compose.project";
const FILES: &str = "com.docker.compose.project.config_files";
const FOLDER: &str = "com.docker.compose.project.working_dir";
pub(super) const SERVICE: &str = "com.docker.compose.service";
/// Names the project, as for Compose itself.
const NAME_VARIABLE: &str = "COMPOSE_PROJECT_NAME";

/// There is not exactly one project of the file.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// The file is not there.
    #[error("cannot read {}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No container is of this file.
    #[error(
        "no container is of {0}: start it with `docker compose -f {0} up -d`{1}", file.display(),
        others(projects)
    )]
    None {
        /// The file.
        file: PathBuf,
        /// The projects that there are.
        projects: Vec<String>,
    },
    /// Several projects are of this file.
    #[error(
        "{} is of several projects ({}): say with {NAME_VARIABLE} which one is meant",
        file.display(), projects.join(", ")
    )]
    Several {
        /// The file.
        file: PathBuf,
        /// Their names.
        projects: Vec<String>,
    },
    /// The engine.
    #[error(transparent)]
    Container(#[from] ContainerError),
}

fn others(projects: &[String]) -> String {
    match projects {
        [] => " (the container engine has no Compose project)".to_owned(),
        projects => format!(" (the projects there are: {})", projects.join(", ")),
    }
}

/// A Compose project.
#[derive(Clone, Debug)]
pub(super) struct Project {
    pub(super) name: String,
    pub(super) containers: Vec<Container>,
}

impl Project {
    /// The one whose file this is.
    pub(super) async fn of_file(docker: &Docker, file: &Path) -> Result<Self, ProjectError> {
        let whole = file.canonicalize().map_err(|source| ProjectError::File {
            file: file.to_owned(),
            source,
        })?;
        let listed = docker.of_compose().await?;
        let wanted = std::env::var(NAME_VARIABLE).ok();
        let name = choose(file, &whole, &listed, wanted.as_deref())?;
        let mut containers = Vec::new();
        for one in listed {
            if one.labels.get(PROJECT) == Some(&name) {
                containers.push(docker.inspect(&one.id).await?);
            }
        }
        containers.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(Self { name, containers })
    }
}

/// The name of the project that a file is of.
fn choose(
    file: &Path,
    whole: &Path,
    listed: &[Listed],
    wanted: Option<&str>,
) -> Result<String, ProjectError> {
    let names = |of_file: bool| {
        let listed = listed.iter();
        let listed = listed.filter(|it| !of_file || is_of(&it.labels, whole));
        let names = listed.filter_map(|it| it.labels.get(PROJECT).cloned());
        names.collect::<BTreeSet<String>>()
    };
    let mut projects = names(true);
    if let Some(wanted) = wanted {
        projects.retain(|it| it == wanted);
    }
    let file = file.to_owned();
    match (projects.pop_first(), projects.is_empty()) {
        (Some(only), true) => Ok(only),
        (Some(first), false) => Err(ProjectError::Several {
            file,
            projects: [first].into_iter().chain(projects).collect(),
        }),
        (None, _) => Err(ProjectError::None {
            file,
            projects: names(false).into_iter().collect(),
        }),
    }
}

/// Whether a container was made from this file. Older versions of Compose name it as it was
/// typed.
fn is_of(labels: &BTreeMap<String, String>, whole: &Path) -> bool {
    let Some(files) = labels.get(FILES) else {
        return false;
    };
    let folder = labels.get(FOLDER).map_or(Path::new("/"), Path::new);
    files.split(',').any(|file| {
        let file = folder.join(file.trim());
        file.canonicalize().unwrap_or(file) == whole
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(project: &str, folder: &str, files: &str) -> Listed {
        let labels = [(PROJECT, project), (FOLDER, folder), (FILES, files)];
        let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
        Listed {
            id: project.to_owned(),
            labels: labels.into_iter().collect(),
        }
    }

    #[test]
    fn a_project_is_known_by_its_file() {
        let all = [
            listed("shop", "/srv/shop", "/srv/shop/docker-compose.yml"),
            listed("old", "/srv/old", "docker-compose.yml"),
            listed("test", "/srv/old", "docker-compose.yml,/srv/override.yml"),
        ];
        let choose = |file: &str, wanted: Option<&str>| {
            let file = Path::new(file);
            choose(file, file, &all, wanted)
        };
        assert_eq!(
            choose("/srv/shop/docker-compose.yml", None).unwrap(),
            "shop"
        );
        assert_eq!(choose("/srv/override.yml", None).unwrap(), "test");
        let several = choose("/srv/old/docker-compose.yml", None).unwrap_err();
        assert!(several.to_string().contains("(old, test)"), "{several}");
        let one = choose("/srv/old/docker-compose.yml", Some("old"));
        assert_eq!(one.unwrap(), "old");
        let none = choose("/srv/none.yml", None).unwrap_err().to_string();
        assert!(
            none.contains("docker compose -f /srv/none.yml up -d"),
            "{none}"
        );
        assert!(none.contains("old, shop, test"), "{none}");
    }
}
