//! What faults have broken outside and not yet healed: by commands of the user's, with the
//! command that heals it, and in containers that were ended or frozen. Kept as files in the
//! scenario's folder, so that it is known to the run however the fault ended, and to
//! `ackproof cleanup` after a run that was killed.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::plan::RunPlan;
use model::scenario::Command;
use serde::{Deserialize, Serialize};

use crate::app::end_all;
use crate::cleanup::Removal;
use crate::containers::{ContainerError, ContainerToRestore};
use crate::created::{Leftover, Resource};
use crate::error::EngineError;
use crate::user_command::{self, UserCommandError};

const PREFIX: &str = "to-heal-";
/// The log of a scenario's commands, in its folder.
const LOG: &str = "logs/commands.log";

/// What is needed to mend something.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum ToHeal {
    /// A command of the user's.
    Command {
        title: String,
        heal: String,
        limit_ms: u64,
    },
    /// A container that ran.
    Container {
        title: String,
        container: ContainerToRestore,
    },
}

impl ToHeal {
    fn title(&self) -> &str {
        match self {
            Self::Command { title, .. } | Self::Container { title, .. } => title,
        }
    }

    /// What mends it, in words.
    fn words(&self) -> String {
        match self {
            Self::Command { heal, .. } => format!("`{}`", secret::redacted(heal)),
            Self::Container { container, .. } => format!("start of {}", container.name()),
        }
    }
}

/// Why something could not be mended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HealError {
    #[error(transparent)]
    Command(#[from] UserCommandError),
    #[error(transparent)]
    Container(#[from] ContainerError),
}

/// Something that is broken, or is about to be.
#[derive(Debug)]
pub(crate) struct Unhealed {
    file: PathBuf,
    to_heal: ToHeal,
    log: PathBuf,
}

/// Where the commands of a scenario write what they complain of.
pub(crate) fn log_in(folder: &Path) -> PathBuf {
    folder.join(LOG)
}

impl Unhealed {
    /// Notes what mends it, on the disk, before it is broken. None where nothing does.
    ///
    /// # Errors
    /// [`EngineError::Write`].
    pub(crate) fn note(folder: &Path, command: &Command) -> Result<Option<Self>, EngineError> {
        let Some(heal) = &command.heal else {
            return Ok(None);
        };
        let to_heal = ToHeal::Command {
            title: command.title.clone(),
            heal: heal.clone(),
            limit_ms: command.limit_ms,
        };
        Self::write(folder, to_heal).map(Some)
    }

    /// The same of a container that is ended or frozen.
    ///
    /// # Errors
    /// [`EngineError::Write`].
    pub(crate) fn note_container(
        folder: &Path,
        container: ContainerToRestore,
    ) -> Result<Self, EngineError> {
        let title = format!("container {}", container.name());
        Self::write(folder, ToHeal::Container { title, container })
    }

    fn write(folder: &Path, to_heal: ToHeal) -> Result<Self, EngineError> {
        let free = (1u32..).map(|number| folder.join(format!("{PREFIX}{number}.json")));
        for file in free {
            match File::create_new(&file) {
                Ok(mut open) => {
                    let text = serde_json::to_vec(&to_heal).map_err(io::Error::from);
                    let written = text.and_then(|text| {
                        open.write_all(&text)?;
                        open.sync_all()
                    });
                    written.map_err(|source| EngineError::Write {
                        path: file.clone(),
                        source,
                    })?;
                    let log = log_in(folder);
                    return Ok(Self { file, to_heal, log });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(EngineError::Write { path: file, source }),
            }
        }
        unreachable!("there are more numbers than files")
    }

    /// Mends it. It stays noted if that fails.
    ///
    /// # Errors
    /// Those of the command, or of the container engine.
    pub(crate) async fn heal(self) -> Result<(), HealError> {
        match &self.to_heal {
            ToHeal::Command { heal, limit_ms, .. } => {
                let limit = Duration::from_millis(*limit_ms);
                user_command::succeed(heal, limit, &self.log).await?;
            }
            ToHeal::Container { container, .. } => container.restore().await?,
        }
        // A file that stays has it mended twice.
        let _ = fs::remove_file(&self.file);
        Ok(())
    }

    fn all_in(folder: &Path) -> Vec<Self> {
        let files = fs::read_dir(folder).into_iter().flatten().flatten();
        let files = files.map(|it| it.path()).filter(|path| {
            let name = path.file_name().and_then(|it| it.to_str());
            name.is_some_and(|it| it.starts_with(PREFIX))
        });
        let mut files: Vec<PathBuf> = files.collect();
        files.sort();
        let noted = files.into_iter().filter_map(|file| {
            let to_heal = serde_json::from_slice(&fs::read(&file).ok()?).ok()?;
            let log = log_in(folder);
            Some(Self { file, to_heal, log })
        });
        noted.collect()
    }
}

/// Mends what a scenario has left broken in its folder. Nothing is, where it ended as
/// planned.
pub(crate) async fn heal_all(folder: &Path) -> Removal {
    let mut healing = Removal::default();
    for unhealed in Unhealed::all_in(folder) {
        let thing = Resource::Fault(unhealed.to_heal.title().to_owned());
        let by = unhealed.to_heal.words();
        match unhealed.heal().await {
            Ok(()) => healing.removed.push(thing),
            Err(error) => healing.left.push(Leftover {
                thing,
                reason: format!("{by}: {error}"),
            }),
        }
    }
    healing
}

/// Mends what a run that was killed has left broken, by commands of its scenarios or in
/// containers, and ends what it left of an application.
pub async fn heal_after(run_dir: &Path, plan: &RunPlan) -> Removal {
    let mut healing = Removal::default();
    for scenario in &plan.scenarios {
        if end_all(scenario) {
            let group = scenario.scenario.app.iter().map(|app| app.group.clone());
            healing.removed.extend(group.map(Resource::Application));
        }
        let one = heal_all(&run_dir.join(scenario.folder())).await;
        healing.removed.extend(one.removed);
        healing.left.extend(one.left);
    }
    healing
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(folder: &Path, heal: &str) -> Command {
        Command {
            title: "a file is made".to_owned(),
            inject: format!("touch {}/broken", folder.display()),
            heal: Some(heal.to_owned()),
            evidence: "true".to_owned(),
            for_ms: 1,
            limit_ms: 10_000,
        }
    }

    #[tokio::test]
    async fn what_is_noted_is_mended_once() {
        let dir = tempfile::tempdir().unwrap();
        let broken = dir.path().join("broken");
        File::create(&broken).unwrap();
        let heal = format!("rm {}", broken.display());
        // As after a run that was killed: nothing but the file is left.
        Unhealed::note(dir.path(), &command(dir.path(), &heal)).unwrap();
        let healing = heal_all(dir.path()).await;
        assert_eq!(healing.left, []);
        assert_eq!(
            healing.removed,
            [Resource::Fault("a file is made".to_owned())]
        );
        assert!(!broken.exists());
        assert_eq!(heal_all(dir.path()).await, Removal::default());
    }

    #[tokio::test]
    async fn what_cannot_be_mended_stays_noted_and_the_command_says_why() {
        let dir = tempfile::tempdir().unwrap();
        let command = command(dir.path(), "echo no rights >&2; exit 1");
        let unhealed = Unhealed::note(dir.path(), &command).unwrap().unwrap();
        assert!(unhealed.heal().await.is_err());
        for _ in 0..2 {
            let left = heal_all(dir.path()).await.left;
            assert_eq!(left.len(), 1);
            let told = left[0].to_string();
            assert!(told.ends_with("exit code 1: no rights"), "{told}");
        }
    }

    #[test]
    fn nothing_is_noted_of_what_mends_itself() {
        let dir = tempfile::tempdir().unwrap();
        let mut command = command(dir.path(), "true");
        command.heal = None;
        assert!(Unhealed::note(dir.path(), &command).unwrap().is_none());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
