//! What this machine has of what the stack needs, and what to do about the
//! rest. Fetches nothing.
//!
//! Knows what to look at; not how it is shown.

use std::path::Path;
use std::time::Duration;

use crate::archive::{Archives, Program};
use crate::artefacts::{
    ArtefactRequest, Artefacts, Part, PartKind, Pinning, find_maven, look, present,
};
use crate::cache::Cache;
use crate::format::is_formatted;
use crate::java::{Java, find_java};
use crate::postgres::unprivileged_owner;
use crate::process::ChildSpec;

/// Below this a run may fill the disk.
const COMFORTABLE_FREE_BYTES: u64 = 4 << 30;
/// Below this the stack itself does not fit.
const LEAST_FREE_BYTES: u64 = 512 << 20;

/// A broker has its jars open, its logs and their indexes, and connections.
pub const LEAST_OPEN_FILES: u64 = 1024;

/// How one thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// All is well.
    Good,
    /// It works, slower or with a download first.
    Degraded,
    /// It does not work.
    Bad,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Diagnosis {
    /// What: `java`, `maven`, ...
    pub subject: String,
    /// How it is.
    pub health: Health,
    /// What was found.
    pub found: String,
    /// What to do about it.
    pub advice: Option<String>,
}

impl Diagnosis {
    fn new(subject: &str, health: Health, found: impl Into<String>) -> Self {
        Self {
            subject: subject.to_owned(),
            health,
            found: found.into(),
            advice: None,
        }
    }

    fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }
}

/// Looks at everything. `work_dir` is where runs will be written.
pub async fn diagnose(cache: &Cache, request: &ArtefactRequest, work_dir: &Path) -> Vec<Diagnosis> {
    let java = find_java();
    let mut all = vec![match &java {
        Ok(java) => java_found(java),
        Err(error) => Diagnosis::new("java", Health::Bad, error.to_string()),
    }];
    let parts = match look(cache, request) {
        Ok(parts) => parts,
        Err(error) => {
            all.push(Diagnosis::new("artefacts", Health::Bad, error.to_string()));
            Vec::new()
        }
    };
    let all_present = !parts.is_empty() && parts.iter().all(|(_, part)| part.is_some());
    all.push(maven(all_present));
    for (kind, part) in &parts {
        let subject = kind.to_string().to_lowercase();
        if let Some(part) = part {
            all.push(part_found(&subject, part));
            continue;
        }
        let version = match kind {
            PartKind::Kafka | PartKind::KafkaClients | PartKind::Librdkafka => {
                &request.versions.kafka
            }
            PartKind::Debezium => &request.versions.debezium,
            PartKind::Postgres => &request.versions.postgres,
        };
        let found = format!("{version}, not in the cache");
        let missing = Diagnosis::new(&subject, Health::Degraded, found);
        all.push(missing.advise(
            "`ackproof stack fetch` with the same options fetches it, if it is published; the \
             first run does too",
        ));
    }
    let artefacts = present(cache, request);
    if let (Ok(java), Some(artefacts)) = (&java, &artefacts) {
        all.push(archives(cache, artefacts, java));
    }
    if let Some(cdc) = artefacts.as_ref().and_then(|it| it.cdc.as_ref()) {
        all.push(postgres_runs(&cdc.postgres).await);
    }
    let formatted = artefacts.as_ref().is_some_and(is_formatted);
    all.push(cache_serves(cache, all_present && formatted));
    all.push(open_files());
    all.push(user());
    for (subject, path) in [
        ("disk of the cache", cache.root()),
        ("disk of the runs", work_dir),
    ] {
        all.push(disk(subject, path));
    }
    all
}

fn java_found(java: &Java) -> Diagnosis {
    let found = format!("{} at {}", java.version, java.binary.display());
    if java.version.major >= 25 {
        Diagnosis::new("java", Health::Good, found)
    } else {
        Diagnosis::new("java", Health::Good, found).advise("Java 25 starts the stack faster")
    }
}

fn maven(needed_for_nothing: bool) -> Diagnosis {
    match find_maven() {
        Some(maven) => Diagnosis::new("maven", Health::Good, maven.binary().display().to_string()),
        None if needed_for_nothing => Diagnosis::new(
            "maven",
            Health::Good,
            "not in PATH, and nothing is to be fetched",
        ),
        None => Diagnosis::new("maven", Health::Bad, "not in PATH")
            .advise("install Maven (Debian, Ubuntu: apt-get install maven)"),
    }
}

fn part_found(subject: &str, part: &Part) -> Diagnosis {
    let pinning = match part.pinning {
        Pinning::Verified => "verified",
        Pinning::Unpinned => "not checked against sums of this program",
    };
    let found = format!("{}, {pinning}, {}", part.version, part.path.display());
    Diagnosis::new(subject, Health::Good, found)
}

fn archives(cache: &Cache, artefacts: &Artefacts, java: &Java) -> Diagnosis {
    let archives = Archives::find(cache, artefacts, java);
    let state = |program| {
        if archives.has(program) {
            "trained"
        } else {
            "not trained"
        }
    };
    let broker = format!("broker {}", state(Program::Broker));
    let (found, complete) = if artefacts.cdc.is_some() {
        (
            format!("{broker}, connect {}", state(Program::Connect)),
            archives.has(Program::Broker) && archives.has(Program::Connect),
        )
    } else {
        (broker, archives.has(Program::Broker))
    };
    if complete {
        Diagnosis::new("start-up archives", Health::Good, found)
    } else {
        Diagnosis::new("start-up archives", Health::Degraded, found)
            .advise("`ackproof stack fetch` trains them; the first run does too, in the background")
    }
}

async fn postgres_runs(part: &Part) -> Diagnosis {
    const SUBJECT: &str = "postgresql runs";
    let spec = ChildSpec {
        owner: unprivileged_owner(),
        cwd: Some(part.path.clone()),
        ..ChildSpec::new(
            part.path.join("bin/postgres"),
            // A cache that holds everything need not be writable.
            "/dev/null",
        )
    };
    let bad = |found: String| {
        Diagnosis::new(SUBJECT, Health::Bad, found).advise(
            "its files must be on a disk that allows programs (no `noexec`) and be readable for the user it runs as",
        )
    };
    let child = match spec.arg("--version").spawn() {
        Ok(child) => child,
        Err(error) => return bad(chain(&error)),
    };
    match tokio::time::timeout(Duration::from_secs(10), child.wait()).await {
        Ok(exit) if exit.is_success() => {
            let user = match unprivileged_owner() {
                Some(owner) => format!("yes, as uid {}", owner.uid),
                None => "yes, as this user".to_owned(),
            };
            Diagnosis::new(SUBJECT, Health::Good, user)
        }
        Ok(exit) => bad(format!("`postgres --version` ended with {exit}")),
        Err(_) => bad("`postgres --version` did not end".to_owned()),
    }
}

/// Whether a run can do with the cache what it has to.
fn cache_serves(cache: &Cache, holds_all: bool) -> Diagnosis {
    const SUBJECT: &str = "cache";
    let root = cache.root();
    match cache.try_to_write() {
        Ok(()) => Diagnosis::new(SUBJECT, Health::Good, root.display().to_string()),
        Err(error) if holds_all => {
            let found = format!(
                "{}; {}, and nothing has to be",
                root.display(),
                chain(&error)
            );
            Diagnosis::new(SUBJECT, Health::Good, found)
        }
        Err(error) => Diagnosis::new(SUBJECT, Health::Bad, chain(&error))
            .advise("make it writable, or name another directory with XDG_CACHE_HOME"),
    }
}

/// How many files a process may open, where that is too few for a broker.
pub fn too_few_files() -> Option<u64> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    // A JVM raises its own limit as far as it may.
    limit.maximum.filter(|limit| *limit < LEAST_OPEN_FILES)
}

fn open_files() -> Diagnosis {
    const SUBJECT: &str = "open files";
    match too_few_files() {
        None => Diagnosis::new(SUBJECT, Health::Good, "enough (ulimit -Hn)"),
        Some(limit) => Diagnosis::new(SUBJECT, Health::Bad, format!("{limit} (ulimit -Hn)"))
            .advise(format!(
                "a broker needs {LEAST_OPEN_FILES}: raise the limit"
            )),
    }
}

fn user() -> Diagnosis {
    let uid = rustix::process::geteuid().as_raw();
    let found = if uid == 0 {
        "root; PostgreSQL is run as an unprivileged user".to_owned()
    } else {
        format!("uid {uid}")
    };
    Diagnosis::new("user", Health::Good, found)
}

fn disk(subject: &str, path: &Path) -> Diagnosis {
    // What does not exist yet will be made on the disk of its parent.
    let existing = path.ancestors().find(|it| it.exists()).unwrap_or(path);
    let stat = match rustix::fs::statvfs(existing) {
        Ok(stat) => stat,
        Err(error) => return Diagnosis::new(subject, Health::Bad, error.to_string()),
    };
    let free_bytes = stat.f_bavail.saturating_mul(stat.f_frsize);
    let health = if free_bytes >= COMFORTABLE_FREE_BYTES {
        Health::Good
    } else if free_bytes >= LEAST_FREE_BYTES {
        Health::Degraded
    } else {
        Health::Bad
    };
    let found = format!("{} MiB free at {}", free_bytes >> 20, existing.display());
    match health {
        Health::Good => Diagnosis::new(subject, health, found),
        _ => Diagnosis::new(subject, health, found)
            .advise("free some space, or choose another place"),
    }
}

/// An error with its causes, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |it| it.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
