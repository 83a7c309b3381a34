//! A Kafka broker, which is a controller too (KRaft, combined).
//!
//! It listens three times: CLIENT is for the clients under test and may be
//! advertised as another address, a proxy's; DIRECT is for the observer and
//! for the brokers among themselves, and never goes through a proxy; CONTROLLER is for the quorum. Where the links between brokers are to
//! go through a proxy, there is a fourth, REPLICATION, which takes the brokers'
//! traffic from DIRECT. Knows nothing of faults and scenarios.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::format::Format;
use crate::jvm::JvmSpec;
use crate::ports::ReservedPort;
use crate::service::{Probe, Service, ServiceError, Stopped};

pub mod full_disk;
pub mod power_loss;

/// What a broker logs last when it starts.
const STARTED: &str = "Kafka Server started";

/// Where a broker says that it has closed its logs in order (Kafka's
/// `CleanShutdownFileHandler`). It is gone while the broker runs.
const CLOSED_CLEANLY: &str = ".kafka_cleanshutdown";

/// How long a broker may take to end after it has closed its logs: enough for
/// two other controllers to elect a leader in its place.
const QUORUM_GRACE: Duration = Duration::from_millis(1500);
const POLL: Duration = Duration::from_millis(10);

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
    /// It holds nothing of the topic.
    #[error("broker {broker} has no partition of {topic}")]
    NoPartition {
        /// Which broker.
        broker: u8,
        /// Which topic.
        topic: String,
    },
    /// The limit on its files could not be changed.
    #[error("cannot change how long the files of broker {broker} may be")]
    Limit {
        /// Which broker.
        broker: u8,
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
    pub(crate) replication: Option<ReplicationPort>,
}

/// Where the other brokers find one that has a listener for them alone.
#[derive(Debug)]
pub(crate) struct ReplicationPort {
    pub(crate) port: ReservedPort,
    /// Its own address, or a proxy's.
    pub(crate) advertised: SocketAddr,
}

/// What all brokers of a cluster share.
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    pub(crate) id: String,
    /// How its log directories begin.
    pub(crate) format: Arc<Format>,
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
pub struct LocalBroker {
    id: u8,
    ports: BrokerPorts,
    advertised: SocketAddr,
    data_dir: PathBuf,
    cluster_id: String,
    format: Arc<Format>,
    config: BTreeMap<String, String>,
    service: Service,
}

impl LocalBroker {
    /// Writes its settings under `dir`, and an empty, formatted log directory
    /// under `data`.
    pub(crate) fn prepare(
        id: u8,
        dir: &Path,
        data: &Path,
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
        let data_dir = data.join(format!("broker-{id}"));
        fs::create_dir_all(&data_dir).map_err(io_error(&data_dir))?;
        let config = settings(id, cluster, &ports, advertised, (dir, &data_dir));
        let properties = dir.join(format!("config/broker-{id}.properties"));
        jvm.set_properties(&properties, &config)
            .map_err(io_error(&properties))?;
        cluster
            .format
            .write(&data_dir, &cluster.id, id)
            .map_err(|(path, source)| io_error(&path)(source))?;

        let probe = Probe::LogAndPort {
            wanted: STARTED,
            addr: ports.client.addr(),
        };
        let mut spec = jvm.child();
        spec.cwd = Some(dir.to_owned());
        let service = Service::new(format!("broker {id}"), spec, probe);
        Ok(Self {
            id,
            ports,
            advertised,
            data_dir,
            cluster_id: cluster.id.clone(),
            format: Arc::clone(&cluster.format),
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

    /// Asks it to end in order (SIGTERM), and kills it after `grace`, which
    /// the exit then shows.
    ///
    /// One that has closed its logs ([`Self::is_closed_cleanly`]) is killed a
    /// little later, if it has not ended: a controller that leads waits 5 s for
    /// another leader (`KafkaRaftClient`), and when all controllers are to end,
    /// there will be none.
    ///
    /// # Errors
    /// [`ServiceError::NotRunning`].
    pub async fn stop(&self, grace: Duration) -> Result<Stopped, ServiceError> {
        let lingers = async {
            while !self.is_closed_cleanly() {
                tokio::time::sleep(POLL).await;
            }
            tokio::time::sleep(QUORUM_GRACE).await;
        };
        self.service.stop_until(grace, lingers).await
    }

    /// Whether it has closed its logs in order: what it holds needs no
    /// recovery, and is all that it had. While it runs, it has not.
    pub fn is_closed_cleanly(&self) -> bool {
        self.data_dir.join(CLOSED_CLEANLY).exists()
    }

    /// Where it really listens for clients.
    pub fn client_addr(&self) -> SocketAddr {
        self.ports.client.addr()
    }

    /// Where it tells clients to find it: its own address or a proxy's.
    pub(crate) fn advertised_addr(&self) -> SocketAddr {
        self.advertised
    }

    /// The address of DIRECT, which never goes through a proxy.
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
        self.dirs(|path| {
            let name = path.file_name().unwrap_or_default();
            is_partition_of(&name.to_string_lossy(), topic)
        })
    }

    /// Deletes what this broker holds of a topic's records, as a lost disk
    /// would, and leaves the cluster's metadata alone. Says what is gone.
    ///
    /// # Errors
    /// [`ServiceError::Running`]: a broker that runs keeps files open and
    /// would go on as if nothing had happened.
    pub fn wipe_partitions(&self, topic: &str) -> Result<Vec<WipedDir>, BrokerError> {
        self.check_down()?;
        let dirs = self.partition_dirs(topic)?;
        dirs.into_iter().map(|it| self.wipe(it)).collect()
    }

    /// Deletes all that this broker holds, the cluster's metadata too, and
    /// formats its log directory anew under a fresh id: a lost disk that was
    /// replaced. Says what is gone, directory by directory.
    ///
    /// Since a broker here is a controller too, its vote is gone with what it
    /// had voted for. Kafka promises nothing then (KIP-853): a quorum whose
    /// other voters are up recovers it, and one of a single voter begins again
    /// from nothing, with the same cluster id.
    ///
    /// # Errors
    /// [`ServiceError::Running`], as [`Self::wipe_partitions`].
    pub fn wipe_all(&self) -> Result<Vec<WipedDir>, BrokerError> {
        self.check_down()?;
        let dirs = self.dirs(Path::is_dir)?.into_iter();
        let wiped = dirs.map(|it| self.wipe(it)).collect::<Result<_, _>>()?;
        fs::remove_dir_all(&self.data_dir).map_err(self.io_error(&self.data_dir))?;
        fs::create_dir(&self.data_dir).map_err(self.io_error(&self.data_dir))?;
        self.format
            .write(&self.data_dir, &self.cluster_id, self.id)
            .map_err(|(path, source)| self.io_error(&path)(source))?;
        Ok(wiped)
    }

    /// What fits of the log directory, sorted.
    fn dirs(&self, fits: impl Fn(&Path) -> bool) -> Result<Vec<PathBuf>, BrokerError> {
        let mut dirs = Vec::new();
        for entry in fs::read_dir(&self.data_dir).map_err(self.io_error(&self.data_dir))? {
            let path = entry.map_err(self.io_error(&self.data_dir))?.path();
            if fits(&path) {
                dirs.push(path);
            }
        }
        dirs.sort();
        Ok(dirs)
    }

    fn check_down(&self) -> Result<(), BrokerError> {
        if self.service.is_running() {
            return Err(BrokerError::Service(ServiceError::Running {
                name: self.service.name().to_owned(),
            }));
        }
        Ok(())
    }

    fn wipe(&self, dir: PathBuf) -> Result<WipedDir, BrokerError> {
        let mut bytes = 0;
        for entry in fs::read_dir(&dir).map_err(self.io_error(&dir))? {
            let file = entry.and_then(|it| it.metadata());
            let file = file.map_err(self.io_error(&dir))?;
            // Indexes are created in their full size and are mostly
            // holes: what counts is what is on the disk.
            bytes += std::os::unix::fs::MetadataExt::blocks(&file) * 512;
        }
        fs::remove_dir_all(&dir).map_err(self.io_error(&dir))?;
        Ok(WipedDir { path: dir, bytes })
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

fn settings(
    id: u8,
    cluster: &Cluster,
    ports: &BrokerPorts,
    advertised: SocketAddr,
    (dir, data_dir): (&Path, &Path),
) -> BTreeMap<String, String> {
    let (client, direct, controller) = (
        ports.client.addr(),
        ports.direct.addr(),
        ports.controller.addr(),
    );
    let mut listeners = format!("CLIENT://{client},DIRECT://{direct},CONTROLLER://{controller}");
    let mut advertised = format!("CLIENT://{advertised},DIRECT://{direct}");
    let mut protocols = "CLIENT:PLAINTEXT,DIRECT:PLAINTEXT,CONTROLLER:PLAINTEXT".to_owned();
    let mut between_brokers = "DIRECT";
    if let Some(replication) = &ports.replication {
        between_brokers = "REPLICATION";
        // Writing to a String cannot fail.
        let _ = write!(listeners, ",REPLICATION://{}", replication.port.addr());
        let _ = write!(advertised, ",REPLICATION://{}", replication.advertised);
        protocols.push_str(",REPLICATION:PLAINTEXT");
    }
    let replicas = cluster.size.min(3);
    let in_sync = if replicas == 3 { 2 } else { 1 };
    let ours = [
        ("process.roles", "broker,controller".to_owned()),
        ("node.id", id.to_string()),
        ("controller.quorum.voters", cluster.voters.clone()),
        ("listeners", listeners),
        ("advertised.listeners", advertised),
        ("listener.security.protocol.map", protocols),
        ("inter.broker.listener.name", between_brokers.to_owned()),
        ("controller.listener.names", "CONTROLLER".to_owned()),
        ("log.dirs", log_dirs(dir, data_dir)),
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
        // Meant for groups of many members that start together.
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
    let ours = ours.map(|(key, value)| (key.to_owned(), value));
    ours.into_iter().chain(cluster.config.clone()).collect()
}

/// Where the logs are, for a broker that runs in `dir`: Kafka takes a comma for
/// the end of a directory's name.
fn log_dirs(dir: &Path, data_dir: &Path) -> String {
    let whole = data_dir.display().to_string();
    match data_dir.strip_prefix(dir) {
        Ok(rest) if whole.contains(',') => rest.display().to_string(),
        _ => whole,
    }
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
    fn a_directory_with_a_comma_is_named_from_where_the_broker_runs() {
        let named = |dir: &str| log_dirs(Path::new(dir), &Path::new(dir).join("data/broker-2"));
        assert_eq!(named("/a"), "/a/data/broker-2");
        assert_eq!(named("/a,b"), "data/broker-2");
    }
}
