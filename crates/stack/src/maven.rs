//! Downloads through the `mvn` client, with the user's own settings: no
//! repository is named in this project.
//!
//! Knows how to run Maven and what its complaints mean; not what the
//! artefacts are.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::complaint::{Cause, Language};
use crate::process::{ChildSpec, Exit, ProcessError};

/// The project that lists the stack's parts, one Maven profile each.
const POM: &str = include_str!("pom.xml");

/// Named in full: the short name `dependency:` would make Maven ask the
/// network for the plugin's newest version on each run.
const COPY: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";

/// A slow line needs minutes for 75 MB; a hanging one must end some day.
const BOUND: Duration = Duration::from_mins(30);

/// Why nothing was resolved.
#[derive(Debug, thiserror::Error)]
pub enum MavenError {
    /// No `mvn` in `PATH`.
    #[error("`mvn` is not in PATH: install Maven (Debian, Ubuntu: apt-get install maven)")]
    NotInstalled,
    /// The repository answers, and does not have it.
    #[error(
        "the Maven repository has no such version (choose one that is published in full; Maven's output: {log})",
        log = log.display()
    )]
    NotInRepository {
        /// Maven's own words.
        complaint: String,
        /// All of its output.
        log: PathBuf,
    },
    /// The repository does not answer.
    #[error(
        "the Maven repository cannot be reached and the cache does not hold this yet: {complaint} (check the network, or the proxy and mirror in ~/.m2/settings.xml; Maven's output: {log})",
        log = log.display()
    )]
    Unreachable {
        /// Maven's own words.
        complaint: String,
        /// All of its output.
        log: PathBuf,
    },
    /// Something else.
    #[error("`mvn` failed: {complaint} (its output: {log})", log = log.display())]
    Failed {
        /// Maven's own words.
        complaint: String,
        /// All of its output.
        log: PathBuf,
    },
    /// It never ended.
    #[error("`mvn` did not end within {bound_s} s (its output: {log})", log = log.display())]
    Late {
        /// The bound, in seconds.
        bound_s: u64,
        /// All of its output.
        log: PathBuf,
    },
    /// It could not be run.
    #[error("cannot run Maven")]
    Process(#[from] ProcessError),
    /// Its project file or log could not be written.
    #[error("cannot prepare a Maven run in {path}", path = path.display())]
    Prepare {
        /// Where.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// The Maven client.
#[derive(Clone, Debug)]
pub struct Maven {
    binary: PathBuf,
    java_home: Option<PathBuf>,
    extra_args: Vec<OsString>,
}

impl Maven {
    /// Looks `mvn` up in the directories of `path`, a value of `PATH`.
    pub fn find(path: Option<&OsStr>) -> Option<Self> {
        let binary = env::split_paths(path?)
            .map(|dir| dir.join("mvn"))
            .find(|it| it.is_file())?;
        Some(Self {
            binary,
            java_home: None,
            extra_args: Vec::new(),
        })
    }

    /// Lets Maven run on this Java, for when it would find none by itself.
    #[must_use]
    pub(crate) fn with_java_home(mut self, home: PathBuf) -> Self {
        self.java_home = Some(home);
        self
    }

    /// Further arguments, such as `--offline` or `--settings FILE`.
    #[must_use]
    pub fn with_args(mut self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.extra_args.extend(args.into_iter().map(Into::into));
        self
    }

    /// The client's path.
    pub fn binary(&self) -> &Path {
        &self.binary
    }

    /// Copies what `profile` lists, with `properties` set, into `into`. The
    /// project file is written to `work`, all output to `log`.
    pub(crate) fn copy(
        &self,
        profile: &str,
        properties: &[(&str, &str)],
        into: &Path,
        work: &Path,
        log: &Path,
    ) -> Result<(), MavenError> {
        let prepare = |source| MavenError::Prepare {
            path: work.to_owned(),
            source,
        };
        let pom = work.join("pom.xml");
        fs::write(&pom, POM).map_err(prepare)?;
        match fs::remove_file(log) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(prepare(error)),
            _ => {}
        }
        let mut output_directory = OsString::from("-DoutputDirectory=");
        output_directory.push(into);
        let mut spec = ChildSpec::new(&self.binary, log)
            .args(["-q", "-B", "-Dstyle.color=never"])
            // Ask again for what was missing last time: Maven remembers
            // failures, and a network that is back would go unnoticed.
            .arg("-U")
            .arg("-f")
            .arg(pom)
            .arg(format!("-P{profile}"))
            .args(
                properties
                    .iter()
                    .map(|(key, value)| format!("-D{key}={value}")),
            )
            .args(self.extra_args.iter().cloned())
            .arg(COPY)
            .arg(output_directory);
        if let Some(home) = &self.java_home {
            spec = spec.env("JAVA_HOME", home);
        }
        let child = spec.spawn()?;
        match child.wait_blocking(BOUND) {
            Some(exit) if exit.is_success() => Ok(()),
            Some(exit) => Err(explain(exit, log)),
            None => Err(MavenError::Late {
                bound_s: BOUND.as_secs(),
                log: log.to_owned(),
            }),
        }
    }
}

fn explain(exit: Exit, log: &Path) -> MavenError {
    let said = LANGUAGE.explain(exit, log);
    let (complaint, log) = (said.words, log.to_owned());
    match said.cause {
        Cause::NotFound => MavenError::NotInRepository { complaint, log },
        Cause::Unreachable => MavenError::Unreachable { complaint, log },
        Cause::Other => MavenError::Failed { complaint, log },
    }
}

const LANGUAGE: Language = Language {
    unreachable: &[
        "Could not transfer",
        "in offline mode",
        "Unknown host",
        "Connection refused",
        "timed out",
        "Network is unreachable",
    ],
    not_found: &["Could not find artifact", "was not found in"],
    line: complaint,
};

/// The one useful line of Maven's output, without what surrounds it.
fn complaint(output: &str) -> Option<String> {
    let line = output
        .lines()
        .find_map(|line| line.split_once("[ERROR] ").map(|(_, rest)| rest))?;
    let line = line.split(" -> [Help").next().unwrap_or(line);
    let line = line
        .split_once("embedded-stack:pom:1: ")
        .map_or(line, |(_, rest)| rest);
    Some(line.trim().to_owned())
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
            "[ERROR] Failed to execute goal on project embedded-stack: Could not resolve \
             dependencies for project ackproof:embedded-stack:pom:1: Could not find artifact a:b:9 \
             in central -> [Help 1]\n[ERROR] \n",
            Cause::NotFound,
            "Could not find artifact a:b:9 in central",
        );
        check(
            "[ERROR] Plugin p or one of its dependencies could not be resolved: Could not transfer \
             artifact p from/to central: Connection refused -> [Help 1]\n",
            Cause::Unreachable,
            "Plugin p or one of its dependencies could not be resolved: Could not transfer \
             artifact p from/to central: Connection refused",
        );
        check(
            "\u{1b}[0m[ERROR] The specified user settings file does not exist: x\n",
            Cause::Other,
            "The specified user settings file does not exist: x",
        );
    }
}
