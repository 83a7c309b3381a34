//! A Kafka broker, which is a controller too (KRaft, combined).
//!
//! It listens three times: CLIENT is for the clients under test and may be
//! advertised as another address, a proxy's; DIRECT is for whoever must see
//! the truth, and for the brokers among themselves, and never goes through a
//! proxy; CONTROLLER is for the quorum. Knows nothing of faults and scenarios.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::jvm::JvmSpec;
use crate::ports::ReservedPort;
use crate::service::{Probe, Service, ServiceError};

/// What a broker logs last when it starts.
const STARTED: &str = "Kafka Server started";

/// What went wrong with a broker's files.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// They could not be written, read or removed.
    #[error("cannot access {path} of broker {broker}", path = path.display())]
    Io {
        /// Which broker.
        broker: u8,
        /// Which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The process is in the way.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

/// The ports of one broker.
#[derive(Debug)]
pub(crate) struct BrokerPorts {
    pub(crate) client: ReservedPort,
    pub(crate) direct: ReservedPort,
    pub(crate) controller: ReservedPort,
}

/// What all brokers of a cluster share.
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    pub(crate) id: String,
    pub(crate) size: u8,
    /// `1@127.0.0.1:PORT,...`
    pub(crate) voters: String,
    /// The user's own settings: they win over ours.
    pub(crate) config: BTreeMap<String, String>,
}

/// A directory that was deleted.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct WipedDir {
    /// Where it was.
    pub path: PathBuf,
    /// What it held, in bytes.
    pub bytes: u64,
}

/// One broker.
#[derive(Debug)]
pub struct Broker {
    id: u8,
    ports: BrokerPorts,
    advertised: SocketAddr,
    data_dir: PathBuf,
    config: BTreeMap<String, String>,
    service: Service,
}

impl Broker {
    /// Writes its settings and an empty, formatted log directory under `dir`.
    pub(crate) fn prepare(
        id: u8,
        dir: &Path,
        cluster: &Cluster,
        ports: BrokerPorts,
        advertised: Option<SocketAddr>,
        mut jvm: JvmSpec,
    ) -> Result<Self, BrokerError> {
        let io_error = |path: &Path| {
            let path = path.to_owned();
            move |source| BrokerError::Io {
                broker: id,
                path,
                source,
            }
        };
        let advertised = advertised.unwrap_or(ports.client.addr());
        let data_dir = dir.join(format!("data/broker-{id}"));
        fs::create_dir_all(&data_dir).map_err(io_error(&data_dir))?;
        let config = settings(id, cluster, &ports, advertised, &data_dir);
        let properties = dir.join(format!("config/broker-{id}.properties"));
        fs::write(&properties, java_properties(&config)).map_err(io_error(&properties))?;
        // What `kafka-storage.sh format` would write, at the cost of a whole
        // JVM's start. The directory's id must be fresh and random: two
        // brokers with one id never form a cluster, and low ids are reserved.
        let meta = data_dir.join("meta.properties");
        let meta_text = format!(
            "version=1\ncluster.id={}\nnode.id={id}\ndirectory.id={}\n",
            cluster.id,
            random_id()
        );
        fs::write(&meta, meta_text).map_err(io_error(&meta))?;

        jvm.args = vec![properties.into()];
        let probe = Probe::LogAndPort {
            wanted: STARTED,
            addr: ports.client.addr(),
        };
        let service = Service::new(format!("broker {id}"), jvm.child(), probe);
        Ok(Self {
            id,
            ports,
            advertised,
            data_dir,
            config,
            service,
        })
    }

    /// Its node id, from 1.
    pub fn id(&self) -> u8 {
        self.id
    }

    /// Its process: to stop, kill, freeze and start again.
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// Where it really listens for clients.
    pub fn client_addr(&self) -> SocketAddr {
        self.ports.client.addr()
    }

    /// Where it tells clients to find it: its own address or a proxy's.
    pub fn advertised_addr(&self) -> SocketAddr {
        self.advertised
    }

    /// Where whoever must not be disturbed by a proxy finds it.
    pub fn direct_addr(&self) -> SocketAddr {
        self.ports.direct.addr()
    }

    /// The settings it was given.
    pub fn config(&self) -> &BTreeMap<String, String> {
        &self.config
    }

    /// Where its logs are.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// The directories of a topic's partitions on this broker, sorted.
    ///
    /// # Errors
    /// [`BrokerError::Io`].
    pub fn partition_dirs(&self, topic: &str) -> Result<Vec<PathBuf>, BrokerError> {
        let mut dirs = Vec::new();
        for entry in fs::read_dir(&self.data_dir).map_err(self.io_error(&self.data_dir))? {
            let entry = entry.map_err(self.io_error(&self.data_dir))?;
            if is_partition_of(&entry.file_name().to_string_lossy(), topic) {
                dirs.push(entry.path());
            }
        }
        dirs.sort();
        Ok(dirs)
    }

    /// Deletes what this broker holds of a topic's records, as a lost disk
    /// would, and leaves the cluster's metadata alone. Says what is gone.
    ///
    /// # Errors
    /// [`ServiceError::Running`]: a broker that runs keeps files open and
    /// would go on as if nothing had happened.
    pub fn wipe_partitions(&self, topic: &str) -> Result<Vec<WipedDir>, BrokerError> {
        if self.service.is_running() {
            return Err(BrokerError::Service(ServiceError::Running {
                name: self.service.name().to_owned(),
            }));
        }
        let mut wiped = Vec::new();
        for path in self.partition_dirs(topic)? {
            let mut bytes = 0;
            for entry in fs::read_dir(&path).map_err(self.io_error(&path))? {
                let file = entry.and_then(|it| it.metadata());
                let file = file.map_err(self.io_error(&path))?;
                // Indexes are created in their full size and are mostly
                // holes: what counts is what is on the disk.
                bytes += std::os::unix::fs::MetadataExt::blocks(&file) * 512;
            }
            fs::remove_dir_all(&path).map_err(self.io_error(&path))?;
            wiped.push(WipedDir { path, bytes });
        }
        Ok(wiped)
    }

    fn io_error(&self, path: &Path) -> impl FnOnce(io::Error) -> BrokerError + use<> {
        let (broker, path) = (self.id, path.to_owned());
        move |source| BrokerError::Io {
            broker,
            path,
            source,
        }
    }
}

/// `topic-0`, but not `topic-x-0`, nor `topic-0.ID-delete`.
fn is_partition_of(dir_name: &str, topic: &str) -> bool {
    dir_name.rsplit_once('-').is_some_and(|(name, partition)| {
        name == topic && !partition.is_empty() && partition.bytes().all(|it| it.is_ascii_digit())
    })
}

/// A random id in the form Kafka wants: 16 bytes in URL-safe base 64.
pub(crate) fn random_id() -> String {
    URL_SAFE_NO_PAD.encode(uuid::Uuid::new_v4().as_bytes())
}

fn settings(
    id: u8,
    cluster: &Cluster,
    ports: &BrokerPorts,
    advertised: SocketAddr,
    data_dir: &Path,
) -> BTreeMap<String, String> {
    let (client, direct, controller) = (
        ports.client.addr(),
        ports.direct.addr(),
        ports.controller.addr(),
    );
    let replicas = cluster.size.min(3);
    let in_sync = if replicas == 3 { 2 } else { 1 };
    let ours = [
        ("process.roles", "broker,controller".to_owned()),
        ("node.id", id.to_string()),
        ("controller.quorum.voters", cluster.voters.clone()),
        (
            "listeners",
            format!("CLIENT://{client},DIRECT://{direct},CONTROLLER://{controller}"),
        ),
        (
            "advertised.listeners",
            format!("CLIENT://{advertised},DIRECT://{direct}"),
        ),
        (
            "listener.security.protocol.map",
            "CLIENT:PLAINTEXT,DIRECT:PLAINTEXT,CONTROLLER:PLAINTEXT".to_owned(),
        ),
        ("inter.broker.listener.name", "DIRECT".to_owned()),
        ("controller.listener.names", "CONTROLLER".to_owned()),
        ("log.dirs", data_dir.display().to_string()),
        // A topic that a typing error makes would hide a lost one.
        ("auto.create.topics.enable", "false".to_owned()),
        // Every partition of these costs files and start-up time.
        ("offsets.topic.num.partitions", "4".to_owned()),
        ("offsets.topic.replication.factor", replicas.to_string()),
        ("transaction.state.log.num.partitions", "4".to_owned()),
        (
            "transaction.state.log.replication.factor",
            replicas.to_string(),
        ),
        ("transaction.state.log.min.isr", in_sync.to_string()),
        (
            "share.coordinator.state.topic.num.partitions",
            "4".to_owned(),
        ),
        (
            "share.coordinator.state.topic.replication.factor",
            replicas.to_string(),
        ),
        ("share.coordinator.state.topic.min.isr", in_sync.to_string()),
        ("default.replication.factor", replicas.to_string()),
        // Meant for groups of many members that start together; here it is
        // waiting for nobody.
        ("group.initial.rebalance.delay.ms", "0".to_owned()),
        // All controllers are on this machine: an answer that takes longer
        // than this will not come.
        ("controller.quorum.election.timeout.ms", "300".to_owned()),
        ("controller.quorum.fetch.timeout.ms", "600".to_owned()),
        (
            "controller.quorum.election.backoff.max.ms",
            "100".to_owned(),
        ),
    ];
    let mut settings: BTreeMap<String, String> = ours
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
    settings.extend(cluster.config.clone());
    settings
}

/// The text of a Java properties file.
pub(crate) fn java_properties(settings: &BTreeMap<String, String>) -> String {
    let mut text = String::from("# Written by ackproof.\n");
    for (key, value) in settings {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}={}", escaped(key), escaped(value));
    }
    text
}

/// As java.util.Properties reads it: a backslash escapes.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for (index, char) in text.chars().enumerate() {
        match char {
            '\n' => escaped.push_str("\\n"),
            '\\' | '=' | ':' | '#' | '!' => escaped.extend(['\\', char]),
            ' ' if index == 0 => escaped.push_str("\\ "),
            _ => escaped.push(char),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_whose_name_ends_like_a_partition_is_another_topic() {
        assert!(is_partition_of("orders-0", "orders"));
        assert!(is_partition_of("orders-1-12", "orders-1"));
        assert!(!is_partition_of("orders-1-12", "orders"));
        assert!(!is_partition_of("orders-0.ab-delete", "orders"));
        assert!(!is_partition_of("orders-", "orders"));
        assert!(!is_partition_of("__cluster_metadata-0", "orders"));
    }

    #[test]
    fn property_values_survive_what_the_format_gives_a_meaning_to() {
        let settings = BTreeMap::from([("a".to_owned(), " x=y:z\\".to_owned())]);
        assert!(java_properties(&settings).ends_with("\na=\\ x\\=y\\:z\\\\\n"));
    }

    #[test]
    fn random_ids_are_sixteen_bytes_and_differ() {
        assert_eq!(random_id().len(), 22);
        assert_ne!(random_id(), random_id());
    }
}
