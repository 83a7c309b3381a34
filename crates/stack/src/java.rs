//! Which Java runs the stack: the best one found on this machine.
//!
//! The choice is a pure function over what was found. Knows nothing of what
//! Java is to run.

use std::collections::BTreeSet;
use std::env;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Kafka 4 needs Java 17 for brokers and Connect (Kafka documentation,
/// "Java Version").
pub const OLDEST_MAJOR: u32 = 17;

/// Long-term versions that the stack was tried with, best first.
const KNOWN_GOOD_MAJORS: [u32; 3] = [25, 21, 17];

const INSTALL: &str = "install Java 25, or at least 17 (Debian, Ubuntu: apt-get install openjdk-17-jre-headless), or set JAVA_HOME";

/// Why no Java can be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum JavaError {
    /// There is none.
    #[error("no Java found in JAVA_HOME, PATH or the usual places: {INSTALL}")]
    NoJava,
    /// All that were found are too old.
    #[error(
        "Java {OLDEST_MAJOR} or newer is needed, the newest found is {version} at {binary}: {INSTALL}",
        binary = found.binary.display(), version = found.version.text
    )]
    TooOld {
        /// The newest that was found.
        found: Java,
    },
}

/// A Java version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JavaVersion {
    /// 25 for `25.0.1`, 8 for `1.8.0_292`.
    pub major: u32,
    /// In full.
    pub text: String,
    /// Its vendor, if it says.
    pub vendor: Option<String>,
}

impl JavaVersion {
    /// Reads a version such as `25.0.1+8`, `17-ea` or `1.8.0_292`.
    fn parse(text: &str, vendor: Option<String>) -> Option<Self> {
        let mut numbers = text.split(|it: char| !it.is_ascii_digit());
        let first: u32 = numbers.next()?.parse().ok()?;
        let major = if first == 1 {
            numbers.next()?.parse().ok()?
        } else {
            first
        };
        Some(Self {
            major,
            text: text.to_owned(),
            vendor,
        })
    }
}

impl fmt::Display for JavaVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        match &self.vendor {
            Some(vendor) => write!(f, " ({vendor})"),
            None => Ok(()),
        }
    }
}

/// A Java on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Java {
    /// The `java` program.
    pub binary: PathBuf,
    /// What `JAVA_HOME` would be.
    pub home: PathBuf,
    /// Its version.
    pub version: JavaVersion,
}

/// Finds the best Java of `JAVA_HOME`, `PATH` and the usual places.
pub fn find_java() -> Result<Java, JavaError> {
    choose(all_javas())
}

/// The best of `candidates`, the earlier of equals: the highest long-term
/// version known to be good, else the newest that is new enough.
fn choose(candidates: Vec<Java>) -> Result<Java, JavaError> {
    let rank = |java: &Java| {
        let major = java.version.major;
        let known_good = KNOWN_GOOD_MAJORS.contains(&major);
        (major >= OLDEST_MAJOR, known_good, major)
    };
    let best = candidates
        .into_iter()
        .reduce(|best, next| {
            if rank(&next) > rank(&best) {
                next
            } else {
                best
            }
        })
        .ok_or(JavaError::NoJava)?;
    if best.version.major < OLDEST_MAJOR {
        return Err(JavaError::TooOld { found: best });
    }
    Ok(best)
}

/// Every Java that [`find_java`] chooses from, in the order it was found.
pub fn all_javas() -> Vec<Java> {
    let mut seen = BTreeSet::new();
    candidate_homes()
        .into_iter()
        .filter_map(|home| home.canonicalize().ok())
        .filter(|home| seen.insert(home.clone()))
        .filter_map(inspect)
        .collect()
}

fn candidate_homes() -> Vec<PathBuf> {
    let mut homes: Vec<PathBuf> = env::var_os("JAVA_HOME")
        .map(PathBuf::from)
        .into_iter()
        .collect();
    let path = env::var_os("PATH").unwrap_or_default();
    for dir in env::split_paths(&path) {
        // What is in PATH is mostly a link: follow it home.
        let binary = dir.join("java").canonicalize();
        homes.extend(
            binary
                .ok()
                .and_then(|it| Some(it.parent()?.parent()?.to_owned())),
        );
    }
    let user_home = env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let usual = [
        PathBuf::from("/usr/lib/jvm"),
        PathBuf::from("/usr/java"),
        PathBuf::from("/opt"),
        PathBuf::from("/opt/java"),
        user_home.join(".sdkman/candidates/java"),
        user_home.join(".jdks"),
        user_home.join(".local/share/mise/installs/java"),
        user_home.join(".asdf/installs/java"),
    ];
    for parent in usual {
        let mut children: Vec<_> = fs::read_dir(parent)
            .into_iter()
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path()))
            .collect();
        children.sort();
        homes.extend(children);
    }
    homes
}

fn inspect(home: PathBuf) -> Option<Java> {
    let binary = home.join("bin").join("java");
    if !binary.is_file() {
        return None;
    }
    // The file costs microseconds, a JVM's start a tenth of a second.
    let version = fs::read_to_string(home.join("release"))
        .ok()
        .and_then(|text| version_in_release_file(&text))
        .or_else(|| version_by_asking(&binary))?;
    Some(Java {
        binary,
        home,
        version,
    })
}

fn version_in_release_file(text: &str) -> Option<JavaVersion> {
    let value = |key: &str| {
        text.lines()
            .filter_map(|line| line.split_once('='))
            .find(|(found, _)| found.trim() == key)
            .map(|(_, value)| value.trim().trim_matches('"').to_owned())
    };
    JavaVersion::parse(&value("JAVA_VERSION")?, value("IMPLEMENTOR"))
}

fn version_by_asking(binary: &Path) -> Option<JavaVersion> {
    let output = Command::new(binary)
        .arg("-version")
        .stdin(Stdio::null())
        .output()
        .ok()?;
    version_in_banner(&String::from_utf8_lossy(&output.stderr))
}

fn version_in_banner(banner: &str) -> Option<JavaVersion> {
    let quoted = banner.split('"').nth(1)?;
    JavaVersion::parse(quoted, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn java(text: &str) -> Java {
        Java {
            binary: PathBuf::from(format!("/jvm/{text}/bin/java")),
            home: PathBuf::from(format!("/jvm/{text}")),
            version: JavaVersion::parse(text, None).unwrap(),
        }
    }

    #[track_caller]
    fn check(found: &[&str], expected: Result<&str, JavaError>) {
        let chosen = choose(found.iter().map(|text| java(text)).collect());
        assert_eq!(
            chosen.map(|it| it.version.text),
            expected.map(ToOwned::to_owned)
        );
    }

    #[test]
    fn the_highest_long_term_version_wins_else_the_newest() {
        check(&["17.0.15", "25.0.1", "21.0.2"], Ok("25.0.1"));
        check(&["26", "17.0.15"], Ok("17.0.15"));
        check(&["18.0.1", "26", "11.0.2"], Ok("26"));
        check(&["11.0.2", "17.0.15"], Ok("17.0.15"));
    }

    #[test]
    fn of_two_with_one_major_version_the_one_found_first_wins() {
        check(&["25.0.1", "25.0.2"], Ok("25.0.1"));
    }

    #[test]
    fn none_and_only_old_ones_are_different_errors() {
        check(&[], Err(JavaError::NoJava));
        check(
            &["1.8.0_292", "11.0.2"],
            Err(JavaError::TooOld {
                found: java("11.0.2"),
            }),
        );
    }

    #[test]
    fn versions_are_read_in_every_form_they_come_in() {
        let major = |text| JavaVersion::parse(text, None).map(|it| it.major);
        assert_eq!(major("25"), Some(25));
        assert_eq!(major("17-ea"), Some(17));
        assert_eq!(major("1.8.0_292"), Some(8));
        assert_eq!(major("unknown"), None);
        let release = "IMPLEMENTOR=\"Eclipse Adoptium\"\nJAVA_VERSION=\"25.0.1\"\n";
        let version = version_in_release_file(release).unwrap();
        assert_eq!(version.to_string(), "25.0.1 (Eclipse Adoptium)");
        let banner = "openjdk version \"11.0.2\" 2019-01-15\nOpenJDK Runtime Environment\n";
        assert_eq!(version_in_banner(banner).unwrap().major, 11);
    }
}
