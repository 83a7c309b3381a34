//! The run directory: how a new one is claimed, where what is in it, and how
//! its results are written so that they are whole or not there. Knows nothing
//! of what the files say.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use model::plan::{RunPlan, SCHEMA, ScenarioPlan};
use model::scenario::Config;

use crate::failure::Failure;
use crate::version::version;

const PLAN: &str = "plan.json";
const VERDICT: &str = "verdict.json";
const REPORT: &str = "report.md";
const PAGE: &str = "report.html";
const JUNIT: &str = "junit.xml";
const BADGE: &str = "badge.json";

/// Why a run directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunDirError {
    #[error("{} is not empty", path.display())]
    NotEmpty { path: PathBuf },
    #[error("{} is not a directory", path.display())]
    NotADirectory { path: PathBuf },
    #[error("cannot write to {}", path.display())]
    NotWritable { path: PathBuf, source: io::Error },
    #[error(
        "a scenario cannot be named `{name}`: its folder in the run directory would not be its own"
    )]
    Folder { name: String },
    #[error("{} is not a run directory: there is no {PLAN} in it", path.display())]
    NoPlan { path: PathBuf },
    #[error("cannot read {}", path.display())]
    NotReadable { path: PathBuf, source: io::Error },
    #[error("{} is not a plan", path.display())]
    BadPlan {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error("{} was written by another version of ackproof{by}", path.display())]
    OtherVersion {
        path: PathBuf,
        by: String,
        source: serde_json::Error,
    },
    #[error("{} is of format `{found}`, and this ackproof reads `{SCHEMA}`", path.display())]
    OtherSchema { path: PathBuf, found: String },
    #[error("the run in {} is still going on", path.display())]
    Running { path: PathBuf },
    #[error("cannot write the plan as JSON")]
    Json(#[from] serde_json::Error),
}

impl RunDirError {
    /// The failure of a command that reads a run directory.
    pub(crate) fn into_failure(self) -> Failure {
        Failure::usage(&self).hint(match self {
            Self::OtherVersion { .. } | Self::OtherSchema { .. } => {
                "repeat the run, or use the version of ackproof that wrote the plan"
            }
            _ => "name a directory that `ackproof run` has written",
        })
    }
}

/// The results of a run, as text.
pub(crate) struct Results {
    pub(crate) verdict: String,
    pub(crate) page: String,
    pub(crate) report: String,
    pub(crate) junit: String,
    pub(crate) badge: String,
}

/// What the benchmarks of a run measured, as text.
pub(crate) struct Performance {
    pub(crate) json: String,
    pub(crate) page: String,
    pub(crate) report: String,
}

/// A directory that holds, or is to hold, a run.
#[derive(Clone, Debug)]
pub(crate) struct RunDir {
    path: PathBuf,
}

/// The process that holds it works for the run of a directory. The kernel
/// releases it with the process, however that ends (flock(2)).
#[derive(Debug)]
pub(crate) struct Hold {
    _dir: File,
}

impl RunDir {
    /// Makes sure that a new run can be written there, and makes the
    /// directory. What is in a directory that is refused stays as it was.
    pub(crate) fn claim(path: &Path) -> Result<Self, RunDirError> {
        let path = path.to_owned();
        match fs::read_dir(&path) {
            Ok(mut entries) => {
                if entries.next().is_some() {
                    return Err(RunDirError::NotEmpty { path });
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                return Err(RunDirError::NotADirectory { path });
            }
            Err(source) => return Err(RunDirError::NotWritable { path, source }),
        }
        // Permissions say little on some file systems: trying says it all.
        let probe = path.join(".ackproof-probe");
        fs::create_dir_all(&path)
            .and_then(|()| File::create_new(&probe))
            .and_then(|_| fs::remove_file(&probe))
            .map_err(|source| RunDirError::NotWritable {
                path: path.clone(),
                source,
            })?;
        Ok(Self { path })
    }

    /// Gives a claimed directory back in which nothing was written.
    pub(crate) fn abandon(&self) {
        // It is removed only when it is empty, which is all that is wanted.
        let _ = fs::remove_dir(&self.path);
    }

    /// A directory that a run has been written to.
    pub(crate) fn open(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
        }
    }

    /// Works for the run, alone.
    ///
    /// Where the file system knows no locks, no other process is kept away.
    pub(crate) fn hold(&self) -> Result<Hold, RunDirError> {
        let path = || self.path.clone();
        let dir = File::open(&self.path).map_err(|source| RunDirError::NotReadable {
            path: path(),
            source,
        })?;
        match dir.try_lock() {
            Err(TryLockError::WouldBlock) => Err(RunDirError::Running { path: path() }),
            Ok(()) | Err(TryLockError::Error(_)) => Ok(Hold { _dir: dir }),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is the directory at that place.
    pub(crate) fn is_at(&self, place: Option<&Path>) -> bool {
        let this = self.path.canonicalize();
        place.is_some_and(|place| this.is_ok_and(|this| this == place))
    }

    /// Where the report is that opens in a browser.
    pub(crate) fn page(&self) -> PathBuf {
        self.path.join(PAGE)
    }

    /// Where the verdict is.
    pub(crate) fn verdict(&self) -> PathBuf {
        self.path.join(VERDICT)
    }

    /// Where a scenario's history is.
    pub(crate) fn history(&self, scenario: &ScenarioPlan) -> PathBuf {
        self.path.join(scenario.folder()).join(history::FILE_NAME)
    }

    /// Where the logs of a scenario's processes are.
    pub(crate) fn logs(&self, scenario: &ScenarioPlan) -> PathBuf {
        self.path.join(scenario.folder()).join("logs")
    }

    /// Writes the plan, before anything starts.
    pub(crate) fn write_plan(&self, plan: &RunPlan) -> Result<(), RunDirError> {
        let mut text = serde_json::to_string_pretty(plan)?;
        text.push('\n');
        self.write(PLAN, &text)
    }

    /// Reads the plan.
    pub(crate) fn plan(&self) -> Result<RunPlan, RunDirError> {
        let path = self.path.join(PLAN);
        let text = fs::read_to_string(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => RunDirError::NoPlan {
                path: self.path.clone(),
            },
            _ => RunDirError::NotReadable {
                path: path.clone(),
                source,
            },
        })?;
        let bad = |source| RunDirError::BadPlan {
            path: path.clone(),
            source,
        };
        // Another format is told from a broken file before its fields are asked for.
        let value: serde_json::Value = serde_json::from_str(&text).map_err(bad)?;
        if let Some(found) = value.get("schema").and_then(|schema| schema.as_str())
            && found != SCHEMA
        {
            return Err(RunDirError::OtherSchema {
                path,
                found: found.to_owned(),
            });
        }
        let has_schema = value["schema"] == SCHEMA;
        let writer = value["versions"]["ackproof"].as_str();
        let writer = writer.filter(|writer| *writer != version());
        let by = writer.map_or_else(String::new, |writer| format!(", {writer}"));
        let plan: RunPlan = serde_json::from_value(value).map_err(|source| {
            if has_schema {
                let path = path.clone();
                RunDirError::OtherVersion { path, by, source }
            } else {
                bad(source)
            }
        })?;
        check_folders(&plan)?;
        Ok(plan)
    }

    /// Writes what came out.
    pub(crate) fn write_results(&self, results: &Results) -> Result<(), RunDirError> {
        self.write(PAGE, &results.page)?;
        self.write(REPORT, &results.report)?;
        self.write(JUNIT, &results.junit)?;
        self.write(BADGE, &results.badge)?;
        self.write(VERDICT, &results.verdict)
    }

    /// Writes a comparison of the runs in it.
    pub(crate) fn write_matrix(&self, markdown: &str, json: &str) -> Result<(), RunDirError> {
        self.write("matrix.md", markdown)?;
        self.write("matrix.json", json)
    }

    /// Writes what its benchmarks measured.
    pub(crate) fn write_performance(&self, results: &Performance) -> Result<(), RunDirError> {
        self.write("performance.html", &results.page)?;
        self.write("performance.md", &results.report)?;
        self.write("performance.json", &results.json)
    }

    /// The configurations in force, as far as the run recorded them, by whose
    /// they are.
    pub(crate) fn configurations(&self, plan: &RunPlan) -> BTreeMap<String, Config> {
        plan.scenarios
            .iter()
            .filter_map(|scenario| {
                let folder = scenario.folder();
                let path = self.path.join(&folder).join(engine::CONFIGS_FILE_NAME);
                // A scenario that was given up has none.
                let text = fs::read_to_string(path).ok()?;
                let by_whom: BTreeMap<String, Config> = serde_json::from_str(&text).ok()?;
                Some((folder, by_whom))
            })
            .flat_map(|(folder, by_whom)| {
                by_whom
                    .into_iter()
                    .map(move |(who, config)| (format!("{folder}: {who}"), config))
            })
            .collect()
    }

    /// Writes a file so that it is there whole or not at all.
    fn write(&self, name: &str, text: &str) -> Result<(), RunDirError> {
        let temporary = self.path.join(format!(".{name}.part"));
        let place = self.path.join(name);
        let written = File::create(&temporary)
            .and_then(|mut file| {
                file.write_all(text.as_bytes())?;
                file.sync_all()
            })
            .and_then(|()| fs::rename(&temporary, &place));
        written.map_err(|source| {
            // Half a file on a full disk is of no use.
            let _ = fs::remove_file(&temporary);
            RunDirError::NotWritable {
                path: place.clone(),
                source,
            }
        })
    }
}

/// Refuses a plan in which two scenarios, or a scenario and a file of ours,
/// would share a name, or a folder would lie elsewhere.
pub(crate) fn check_folders(plan: &RunPlan) -> Result<(), RunDirError> {
    let ours = [PLAN, VERDICT, PAGE, REPORT, JUNIT, BADGE];
    let mut taken: Vec<String> = ours.map(str::to_owned).into();
    for scenario in &plan.scenarios {
        let folder = scenario.folder();
        if folder.starts_with('.') || folder.contains('/') || taken.contains(&folder) {
            return Err(RunDirError::Folder { name: folder });
        }
        taken.push(folder);
    }
    Ok(())
}
