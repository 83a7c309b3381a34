//! What a fresh log directory holds, as `kafka-storage.sh format` makes it:
//! its cluster and node, and the levels of the features that a cluster of this
//! Kafka begins with.
//!
//! A broker starts without the second, and its cluster then has every feature
//! but `metadata.version` switched off: no eligible leader replicas (KIP-966),
//! transactions of the first protocol (before KIP-890), no consumer groups of
//! KIP-848. Users format their disks, so such a cluster would prove things of a
//! Kafka that no user runs. The tool is asked once for each set of jars, since
//! it takes a whole JVM's start; its answer names neither node nor cluster and
//! is kept in the cache. Knows nothing of what is done with the directory.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::artefacts::Artefacts;
use crate::cache::CacheError;
use crate::checksums::hex;
use crate::encoding::{java_properties, random_id};
use crate::java::Java;
use crate::jvm::{JvmSpec, LOG4J2};
use crate::logtail::LogTail;
use crate::process::{Exit, ProcessError};
use crate::temp_dir::{TempDir, lock_file};

/// Levels of features by Kafka's names, where they are not a new cluster's own.
pub type Features = BTreeMap<String, i16>;

/// The features' levels, as records of the cluster's metadata (KIP-778).
const CHECKPOINT: &str = "bootstrap.checkpoint";
/// The cluster and the node that a log directory belongs to.
const META: &str = "meta.properties";

/// Long enough on a busy machine.
const TOOL_BOUND: Duration = Duration::from_mins(1);

/// Why log directories cannot be formatted.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// No place to keep the answer.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The cache could not be written.
    #[error("cannot write to the cache at {path}", path = path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The tool could not be started.
    #[error("cannot start Kafka's storage tool")]
    Process(#[from] ProcessError),
    /// The tool made nothing of use.
    #[error("Kafka's storage tool ({exit}) made no {CHECKPOINT}; {tail}")]
    NotMade {
        /// How it ended.
        exit: Exit,
        /// What it said last.
        tail: LogTail,
    },
}

/// How a cluster of one Kafka begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Format {
    checkpoint: Vec<u8>,
}

impl Format {
    /// With these features, and else the defaults of these jars: from the
    /// cache, else as their tool says. Waits if another ackproof asks it.
    pub(crate) async fn of(
        artefacts: &Artefacts,
        java: &Java,
        features: &Features,
    ) -> Result<Self, FormatError> {
        let place = place_of(artefacts, features);
        if let Ok(checkpoint) = fs::read(&place) {
            return Ok(Self { checkpoint });
        }
        let lock = artefacts.cache.lock("formats")?;
        let io_error = |path: &Path| {
            let path = path.to_owned();
            move |source| FormatError::Io { path, source }
        };
        let turn = lock_file(&lock).map_err(io_error(&lock))?;
        // The other's tool takes seconds: not on a thread of the runtime.
        let turn = tokio::task::spawn_blocking(move || turn.lock().map(|()| turn))
            .await
            .map_err(io::Error::other)
            .flatten()
            .map_err(io_error(&lock))?;
        // The last holder of the lock may have asked it.
        if !place.is_file() {
            let parent = artefacts.cache.scratch();
            let scratch = TempDir::create(&parent).map_err(io_error(&parent))?;
            let made = ask_tool(artefacts, java, features, scratch.path()).await?;
            if let Some(parent) = place.parent() {
                fs::create_dir_all(parent).map_err(io_error(parent))?;
            }
            fs::rename(&made, &place).map_err(io_error(&place))?;
        }
        let checkpoint = fs::read(&place).map_err(io_error(&place))?;
        drop(turn);
        Ok(Self { checkpoint })
    }

    /// Formats an empty log directory for this node of this cluster. Its own
    /// id is fresh and random, as Kafka demands: two brokers with one id never
    /// form a cluster, and low ids are reserved.
    ///
    /// # Errors
    /// With the file that could not be written.
    pub(crate) fn write(
        &self,
        log_dir: &Path,
        cluster: &str,
        node: u8,
    ) -> Result<(), (PathBuf, io::Error)> {
        let meta = format!(
            "version=1\ncluster.id={cluster}\nnode.id={node}\ndirectory.id={}\n",
            random_id()
        );
        for (name, content) in [(META, meta.as_bytes()), (CHECKPOINT, &self.checkpoint)] {
            let path = log_dir.join(name);
            fs::write(&path, content).map_err(|source| (path, source))?;
        }
        Ok(())
    }
}

/// Whether the tool's answer for these jars is known.
pub(crate) fn is_formatted(artefacts: &Artefacts) -> bool {
    place_of(artefacts, &Features::new()).is_file()
}

/// By version, to be found, and by jars: a user's own build has its own.
fn place_of(artefacts: &Artefacts, features: &Features) -> PathBuf {
    let mut key = Sha256::new();
    artefacts.add_jars_to(&mut key);
    for (name, level) in features {
        key.update(format!("{name}={level}\n"));
    }
    let key = hex(&key.finalize());
    let name = format!("kafka-{}-{}", artefacts.kafka.version, &key[..16]);
    artefacts.cache.formats().join(name)
}

/// Has Kafka's tool format a directory under `work`; the file that it made.
async fn ask_tool(
    artefacts: &Artefacts,
    java: &Java,
    features: &Features,
    work: &Path,
) -> Result<PathBuf, FormatError> {
    let io_error = |path: &Path| {
        let path = path.to_owned();
        move |source| FormatError::Io { path, source }
    };
    let log_dir = work.join("formatted");
    // No port of these is opened: the tool only wants them to make sense.
    let settings = [
        ("process.roles", "broker,controller"),
        ("node.id", "1"),
        ("controller.quorum.voters", "1@127.0.0.1:9093"),
        (
            "listeners",
            "CLIENT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093",
        ),
        (
            "listener.security.protocol.map",
            "CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        ),
        ("inter.broker.listener.name", "CLIENT"),
        ("controller.listener.names", "CONTROLLER"),
    ];
    let mut settings: BTreeMap<_, _> = settings
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    settings.insert("log.dirs".to_owned(), log_dir.display().to_string());
    let properties = work.join("format.properties");
    fs::write(&properties, java_properties(&settings)).map_err(io_error(&properties))?;
    let log4j = work.join("log4j2.properties");
    fs::write(&log4j, LOG4J2).map_err(io_error(&log4j))?;
    let log = artefacts.cache.log("storage-tool.log");
    let mut jvm = JvmSpec::new(java, artefacts, "kafka.tools.StorageTool", &log4j, &log);
    jvm.args = ["format", "--cluster-id"].map(Into::into).to_vec();
    jvm.args.extend([
        random_id().into(),
        "--config".into(),
        properties.into_os_string(),
    ]);
    for (name, level) in features {
        jvm.args
            .extend(["--feature".into(), format!("{name}={level}").into()]);
    }
    let child = jvm.child().spawn()?;
    let exit = tokio::time::timeout(TOOL_BOUND, child.wait())
        .await
        .unwrap_or(Exit::Unknown);
    let made = log_dir.join(CHECKPOINT);
    if exit.is_success() && made.is_file() {
        Ok(made)
    } else {
        Err(FormatError::NotMade {
            exit,
            tail: LogTail::of(&log),
        })
    }
}
