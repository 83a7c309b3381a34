//! Downloads through the user's own `pip`, with the user's settings: no index is
//! named in this project.
//!
//! Knows how to run pip and what its complaints mean; not what the packages
//! are.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::complaint::{Cause, Language};
use crate::process::{ChildSpec, Exit, ProcessError};

/// A slow line needs minutes for 20 MB; a hanging one must end some day.
const BOUND: Duration = Duration::from_mins(10);

/// Why nothing was downloaded.
#[derive(Debug, thiserror::Error)]
pub enum PipError {
    /// No `python3` in `PATH`.
    #[error(
        "`python3` is not in PATH: install it with pip (Debian, Ubuntu: apt-get install python3-pip)"
    )]
    NoPython,
    /// A Python without pip.
    #[error("`{python} -m pip` does not run: install pip (Debian, Ubuntu: apt-get install python3-pip)", python = python.display())]
    NoPip {
        /// Which.
        python: PathBuf,
    },
    /// The index answers, and does not have it.
    #[error(
        "the package index has no such version for this machine (pip's output: {log})",
        log = log.display()
    )]
    NotInIndex {
        /// pip's own words.
        complaint: String,
        /// All of its output.
        log: PathBuf,
    },
    /// The index does not answer.
    #[error(
        "the package index cannot be reached and the cache does not hold this yet: {complaint} (check the network, or the proxy and index in pip's configuration; pip's output: {log})",
        log = log.display()
    )]
    Unreachable {
        /// pip's own words.
        complaint: String,
        /// All of its output.
        log: PathBuf,
    },
    /// Something else.
    #[error("pip failed: {complaint} (its output: {log})", log = log.display())]
    Failed {
        /// pip's own words.
        complaint: String,
        /// All of its output.
        log: PathBuf,
    },
    /// It never ended.
    #[error("pip did not end within {bound_s} s (its output: {log})", log = log.display())]
    Late {
        /// The bound, in seconds.
        bound_s: u64,
        /// All of its output.
        log: PathBuf,
    },
    /// It could not be run.
    #[error("cannot run pip")]
    Process(#[from] ProcessError),
    /// Its log could not be written.
    #[error("cannot prepare a run of pip in {path}", path = path.display())]
    Prepare {
        /// Where.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// A Python that may have pip.
#[derive(Clone, Debug)]
pub struct Pip {
    python: PathBuf,
    extra_args: Vec<OsString>,
}

/// A package to download: as a wheel, which runs no code when it is fetched.
pub(crate) struct Wheel<'w> {
    /// Its name.
    pub(crate) package: &'w str,
    /// Its version.
    pub(crate) version: &'w str,
    /// For which Python, such as `3.8`: not the one that runs pip.
    pub(crate) python: &'w str,
    /// For which machine, any of these.
    pub(crate) platforms: &'w [String],
}

impl Pip {
    /// Looks `python3` up in the directories of `path`, a value of `PATH`.
    pub fn find(path: Option<&OsStr>) -> Option<Self> {
        let python = env::split_paths(path?)
            .map(|dir| dir.join("python3"))
            .find(|it| it.is_file())?;
        Some(Self {
            python,
            extra_args: Vec::new(),
        })
    }

    /// Further arguments, such as `--index-url URL`.
    #[must_use]
    pub fn with_args(mut self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.extra_args.extend(args.into_iter().map(Into::into));
        self
    }

    /// The Python.
    pub(crate) fn python(&self) -> &Path {
        &self.python
    }

    /// Downloads a wheel into a directory. All output goes to `log`.
    pub(crate) fn download(
        &self,
        wheel: &Wheel<'_>,
        into: &Path,
        log: &Path,
    ) -> Result<(), PipError> {
        match fs::remove_file(log) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                let path = log.to_owned();
                return Err(PipError::Prepare { path, source });
            }
            _ => {}
        }
        let spec = ChildSpec::new(&self.python, log)
            .args(["-m", "pip", "download", "--no-input", "--no-deps"])
            .args(["--disable-pip-version-check", "--no-color"])
            .args(["--progress-bar", "off", "--retries", "2"])
            .args(["--only-binary=:all:", "--implementation", "cp"])
            .args(["--python-version", wheel.python])
            .args(wheel.platforms.iter().map(|it| format!("--platform={it}")))
            .args(self.extra_args.iter().cloned())
            .arg("--dest")
            .arg(into)
            .arg(format!("{}=={}", wheel.package, wheel.version));
        let child = spec.spawn()?;
        match child.wait_blocking(BOUND) {
            Some(exit) if exit.is_success() => Ok(()),
            Some(exit) => Err(self.explain(exit, log)),
            None => Err(PipError::Late {
                bound_s: BOUND.as_secs(),
                log: log.to_owned(),
            }),
        }
    }

    fn explain(&self, exit: Exit, log: &Path) -> PipError {
        let said = LANGUAGE.explain(exit, log);
        let (complaint, log) = (said.words, log.to_owned());
        match said.cause {
            _ if said.output.contains("No module named pip") => PipError::NoPip {
                python: self.python.clone(),
            },
            Cause::NotFound => PipError::NotInIndex { complaint, log },
            Cause::Unreachable => PipError::Unreachable { complaint, log },
            Cause::Other => PipError::Failed { complaint, log },
        }
    }
}

/// To pip, an index that does not answer is one without any version, too.
const LANGUAGE: Language = Language {
    unreachable: &["connection broken by", "Max retries exceeded", "ProxyError"],
    not_found: &["No matching distribution found"],
    line: complaint,
};

/// The one useful line of pip's output.
fn complaint(output: &str) -> Option<String> {
    let of_connection = |line: &&str| LANGUAGE.unreachable.iter().any(|it| line.contains(it));
    let error = || output.lines().find_map(|line| line.strip_prefix("ERROR: "));
    let line = output.lines().find(of_connection).or_else(error)?;
    // After its cause comes what was asked for.
    let line = line.rsplit_once(": /").map_or(line, |(line, _)| line);
    Some(line.trim_start_matches("WARNING: ").trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(output: &str, expected_cause: Cause, expected_line: &str) {
        assert_eq!(LANGUAGE.classify(output), expected_cause);
        assert_eq!(complaint(output).as_deref(), Some(expected_line));
    }

    #[test]
    fn a_missing_version_is_told_from_a_missing_network() {
        check(
            "ERROR: Could not find a version that satisfies the requirement p==9 (from versions: \
             1.0, 2.0)\nERROR: No matching distribution found for p==9\n",
            Cause::NotFound,
            "Could not find a version that satisfies the requirement p==9 (from versions: 1.0, 2.0)",
        );
        check(
            "WARNING: Retrying (Retry(total=1)) after connection broken by \
             'NewConnectionError('refused')': /simple/p/\nERROR: Could not find a version that \
             satisfies the requirement p==9 (from versions: none)\nERROR: No matching \
             distribution found for p==9\n",
            Cause::Unreachable,
            "Retrying (Retry(total=1)) after connection broken by 'NewConnectionError('refused')'",
        );
        check(
            "ERROR: no such option: -x\n",
            Cause::Other,
            "no such option: -x",
        );
    }
}
