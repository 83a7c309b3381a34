//! The whole stack: brokers, and PostgreSQL and Connect when changes are to be
//! captured, in one directory.
//!
//! Knows what needs what to start and to stop; not what it is used for.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use secret::Secrets;
use tokio::task::JoinSet;

use crate::archive::{Archives, Program};
use crate::artefacts::Artefacts;
use crate::broker::{BrokerError, BrokerPorts, Cluster, LocalBroker, ReplicationPort};
use crate::connect::{Connect, ConnectSetup, ConnectWorkerError};
use crate::encoding::random_id;
use crate::format::{Features, Format, FormatError};
use crate::java::Java;
use crate::jvm::{Compiler, JvmSpec, LOG4J2};
use crate::ports::{NoPort, ReservedPort};
use crate::postgres::{Postgres, PostgresError};
use crate::process::elapsed_ms;
use crate::service::{Service, ServiceError, Started};
use crate::temp_dir::TempDir;

/// Why there is no stack.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// The number of brokers is out of range.
    #[error("{brokers} brokers asked for: 1 to 3 can be started")]
    BrokerCount {
        /// What was asked for.
        brokers: u8,
    },
    /// Change data capture was asked for, and its files were not.
    #[error("the stack is to capture changes, and Debezium and PostgreSQL were not fetched")]
    NoCdcArtefacts,
    /// Its directory could not be written.
    #[error("cannot write to the stack's directory {path}", path = path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// No ports are left.
    #[error(transparent)]
    NoPort(#[from] NoPort),
    /// A broker's files.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// Kafka's own tool did not format a log directory.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// Connect's files.
    #[error(transparent)]
    Connect(#[from] ConnectWorkerError),
    /// PostgreSQL's set-up.
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    /// A process did not start.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The start was cancelled.
    #[error("the start of the stack was given up")]
    GivenUp,
}

/// What to start.
#[derive(Debug)]
pub struct StackSpec {
    /// Where data, settings and logs go: a real disk, `data/`, `config/`,
    /// `logs/`.
    pub dir: PathBuf,
    /// How many brokers, 1 to 3.
    pub brokers: u8,
    /// Broker settings in Kafka's names; they win over ours.
    pub broker_config: BTreeMap<String, String>,
    /// Features that the log directories are formatted with, where they are not
    /// to be those of a new cluster of this Kafka.
    pub features: Features,
    /// What a broker's CLIENT listener advertises, when not its own address.
    pub advertise: BTreeMap<u8, SocketAddr>,
    /// Ports taken before, for CLIENT listeners: a proxy in front can so be
    /// told its upstream before there is one.
    pub client_ports: BTreeMap<u8, ReservedPort>,
    /// Ports taken before, for listeners that brokers alone use among
    /// themselves: followers' fetches, transaction markers, checks with a
    /// transaction's coordinator. One here or in `replication_advertise`
    /// gives every broker such a listener; without any, the brokers use
    /// DIRECT. What they tell the controllers, and their heartbeats, goes to
    /// CONTROLLER either way: a link cut here does not end a broker's session.
    pub replication_ports: BTreeMap<u8, ReservedPort>,
    /// What a broker tells the others to find it at, when not its own address.
    /// A broker has one address for all of them: a proxy that is to tell one
    /// link from another must know who connects by the client id
    /// (`broker-ID-fetcher-N`) of the requests.
    pub replication_advertise: BTreeMap<u8, SocketAddr>,
    /// PostgreSQL and Connect, if wanted.
    pub cdc: Option<CdcSpec>,
    /// What must not get into logs and settings under `dir`. Where there are
    /// any, what brokers store (the configurations of topics and connectors
    /// among it) is elsewhere, and goes with the stack.
    pub secrets: Secrets,
    /// Whether the JVMs are to start fast or to run fast.
    pub compiler: Compiler,
    /// Start-up archives, as far as there are any.
    pub archives: Archives,
}

/// What to start for change data capture: one Connect worker with Debezium,
/// one PostgreSQL server.
#[derive(Debug, Default)]
pub struct CdcSpec {
    /// Worker settings in Connect's names; they win over ours.
    pub worker_config: BTreeMap<String, String>,
    /// Settings of the PostgreSQL server; they win over ours.
    pub database_config: BTreeMap<String, String>,
    /// The port of Connect's REST interface; any, if none is given.
    pub connect_port: Option<ReservedPort>,
    /// The port of PostgreSQL; any, if none is given.
    pub postgres_port: Option<ReservedPort>,
}

impl StackSpec {
    /// One broker in `dir`, without anything special.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            brokers: 1,
            broker_config: BTreeMap::new(),
            features: Features::new(),
            advertise: BTreeMap::new(),
            client_ports: BTreeMap::new(),
            replication_ports: BTreeMap::new(),
            replication_advertise: BTreeMap::new(),
            cdc: None,
            secrets: Secrets::default(),
            compiler: Compiler::FastStart,
            archives: Archives::default(),
        }
    }
}

/// What happens while starting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StackProgress {
    /// A process is ready.
    Ready {
        /// Which.
        name: String,
        /// From its start, in milliseconds.
        ready_ms: u64,
    },
}

/// What captures changes.
#[derive(Debug)]
pub struct Cdc {
    connect: Arc<Connect>,
    postgres: Arc<Postgres>,
}

impl Cdc {
    /// The Connect worker.
    pub fn connect(&self) -> &Arc<Connect> {
        &self.connect
    }

    /// The database.
    pub fn postgres(&self) -> &Arc<Postgres> {
        &self.postgres
    }
}

/// A running stack. Dropping it kills all of it.
#[derive(Debug)]
pub struct Stack {
    dir: PathBuf,
    brokers: Vec<Arc<LocalBroker>>,
    cdc: Option<Cdc>,
    ready_ms: u64,
    // The last to go.
    _hidden: Option<TempDir>,
}

impl Stack {
    /// Starts everything, as much of it at once as can be, and waits until all
    /// of it is ready.
    ///
    /// # Errors
    /// The first thing that failed; nothing is left running then.
    pub async fn start(
        artefacts: &Artefacts,
        java: &Java,
        mut spec: StackSpec,
        mut progress: impl FnMut(StackProgress),
    ) -> Result<Self, StackError> {
        if !(1..=3).contains(&spec.brokers) {
            return Err(StackError::BrokerCount {
                brokers: spec.brokers,
            });
        }
        let since = Instant::now();
        let mut layout = Layout::create(&spec.dir)?;
        if !spec.secrets.is_empty() {
            layout.hide_data(artefacts)?;
        }
        let format = Format::of(artefacts, java, &spec.features).await?;
        let brokers = prepare_brokers(&mut spec, &layout, format, |spec, id| {
            broker_jvm(artefacts, java, spec, &layout, id)
        })?;

        let mut starting = JoinSet::new();
        for broker in &brokers {
            let broker = Arc::clone(broker);
            starting.spawn(async move { start(broker.service()).await });
        }
        let cdc = async {
            let cdc = match spec.cdc.take() {
                None => None,
                Some(cdc) => Some(
                    begin_cdc(
                        artefacts,
                        java,
                        &spec,
                        cdc,
                        &brokers,
                        &layout,
                        &mut starting,
                    )
                    .await?,
                ),
            };
            while let Some(started) = starting.join_next().await {
                let (name, started) = started.map_err(|_| StackError::GivenUp)??;
                progress(StackProgress::Ready {
                    name,
                    ready_ms: started.ready_ms,
                });
            }
            Ok(cdc)
        }
        .await;
        match cdc {
            Ok(cdc) => Ok(Self {
                dir: layout.dir,
                _hidden: layout.hidden,
                brokers,
                cdc,
                ready_ms: elapsed_ms(since),
            }),
            Err(error) => {
                // What is still starting holds on to its process.
                starting.shutdown().await;
                Err(error)
            }
        }
    }

    /// Where its data, settings and logs are.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// All brokers, by id.
    pub fn brokers(&self) -> &[Arc<LocalBroker>] {
        &self.brokers
    }

    /// The broker of this id, from 1.
    pub fn broker(&self, id: u8) -> Option<&Arc<LocalBroker>> {
        self.brokers.iter().find(|it| it.id() == id)
    }

    /// PostgreSQL and Connect, if they were asked for.
    pub fn cdc(&self) -> Option<&Cdc> {
        self.cdc.as_ref()
    }

    /// `bootstrap.servers` for clients under test.
    pub fn bootstrap_servers(&self) -> Vec<SocketAddr> {
        advertised(&self.brokers)
    }

    /// The same for the observer: never a proxy's addresses.
    pub fn direct_servers(&self) -> Vec<SocketAddr> {
        self.brokers.iter().map(|it| it.direct_addr()).collect()
    }

    /// From the beginning until all was ready, in milliseconds.
    pub fn ready_ms(&self) -> u64 {
        self.ready_ms
    }

    /// Every process.
    pub fn services(&self) -> impl Iterator<Item = &Service> {
        let cdc = self.cdc.iter();
        let cdc = cdc.flat_map(|it| [it.connect.service(), it.postgres.service()]);
        self.brokers.iter().map(|it| it.service()).chain(cdc)
    }

    /// Asks everything to end, all at once, and kills what has not after
    /// `grace`. Frozen processes end too. The data stays where it is.
    pub async fn stop(self, grace: Duration) {
        let mut stopping = JoinSet::new();
        for broker in &self.brokers {
            let broker = Arc::clone(broker);
            stopping.spawn(async move { broker.stop(grace).await.ok() });
        }
        if let Some(cdc) = &self.cdc {
            let (connect, postgres) = (Arc::clone(&cdc.connect), Arc::clone(&cdc.postgres));
            stopping.spawn(async move { connect.service().stop(grace).await.ok() });
            stopping.spawn(async move { postgres.service().stop(grace).await.ok() });
        }
        // One that had ended before is as good.
        while stopping.join_next().await.is_some() {}
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // All at once: each child's own drop would wait for its end in turn.
        // PostgreSQL's own drop is kinder to it.
        for broker in &self.brokers {
            broker.service().kill_now();
        }
        if let Some(cdc) = &self.cdc {
            cdc.connect.service().kill_now();
        }
    }
}

async fn start(service: &Service) -> Result<(String, Started), ServiceError> {
    Ok((service.name().to_owned(), service.start().await?))
}

type Starting = JoinSet<Result<(String, Started), ServiceError>>;

/// Begins to start Connect and PostgreSQL.
async fn begin_cdc(
    artefacts: &Artefacts,
    java: &Java,
    spec: &StackSpec,
    mut cdc: CdcSpec,
    brokers: &[Arc<LocalBroker>],
    layout: &Layout,
    starting: &mut Starting,
) -> Result<Cdc, StackError> {
    let postgres_port = cdc.postgres_port.take();
    let database_config = std::mem::take(&mut cdc.database_config);
    let files = artefacts.cdc.as_ref().ok_or(StackError::NoCdcArtefacts)?;
    let jvm = connect_jvm(artefacts, java, spec, layout);
    let plugins = &files.debezium.path;
    let connect = Arc::new(prepare_connect(spec, cdc, plugins, brokers, layout, jvm)?);
    let connect_there = Arc::clone(&connect);
    // The worker looks for its brokers until they are there.
    starting.spawn(async move { start(connect_there.service()).await });

    let log = layout.log("postgresql");
    let port = postgres_port.map_or_else(ReservedPort::take, Ok)?;
    let postgres =
        Postgres::prepare(&files.postgres, &layout.dir, &log, port, &database_config).await?;
    let postgres = Arc::new(postgres);
    let postgres_there = Arc::clone(&postgres);
    starting.spawn(async move { start(postgres_there.service()).await });
    Ok(Cdc { connect, postgres })
}

fn advertised(brokers: &[Arc<LocalBroker>]) -> Vec<SocketAddr> {
    brokers.iter().map(|it| it.advertised_addr()).collect()
}

/// The stack's directory.
pub(crate) struct Layout {
    dir: PathBuf,
    log4j: PathBuf,
    /// Where brokers store what they are given.
    data: PathBuf,
    hidden: Option<TempDir>,
}

impl Layout {
    pub(crate) fn create(dir: &Path) -> Result<Self, StackError> {
        let io_error = |path: &Path| {
            let path = path.to_owned();
            move |source| StackError::Io { path, source }
        };
        for child in ["data", "config", "logs"] {
            let path = dir.join(child);
            fs::create_dir_all(&path).map_err(io_error(&path))?;
        }
        // Settings name paths, and processes may run elsewhere.
        let dir = dir.canonicalize().map_err(io_error(dir))?;
        let log4j = dir.join("config/log4j2.properties");
        fs::write(&log4j, LOG4J2).map_err(io_error(&log4j))?;
        Ok(Self {
            data: dir.join("data"),
            hidden: None,
            dir,
            log4j,
        })
    }

    /// Has brokers store their data where only this user can read it.
    fn hide_data(&mut self, artefacts: &Artefacts) -> Result<(), StackError> {
        let parent = artefacts.cache.scratch();
        let hidden = TempDir::private(&parent).map_err(|source| StackError::Io {
            path: parent,
            source,
        })?;
        hidden.path().clone_into(&mut self.data);
        self.hidden = Some(hidden);
        Ok(())
    }

    fn log(&self, name: &str) -> PathBuf {
        self.dir.join("logs").join(format!("{name}.log"))
    }
}

pub(crate) fn prepare_brokers(
    spec: &mut StackSpec,
    layout: &Layout,
    format: Format,
    jvm: impl Fn(&StackSpec, u8) -> JvmSpec,
) -> Result<Vec<Arc<LocalBroker>>, StackError> {
    // All brokers have it or none: they agree on one listener's name.
    let replicates_apart =
        !spec.replication_ports.is_empty() || !spec.replication_advertise.is_empty();
    let mut ports = Vec::new();
    for id in 1..=spec.brokers {
        let replication = if replicates_apart {
            let port = given_or_taken(&mut spec.replication_ports, id)?;
            let advertised = spec.replication_advertise.get(&id).copied();
            Some(ReplicationPort {
                advertised: advertised.unwrap_or(port.addr()),
                port,
            })
        } else {
            None
        };
        ports.push(BrokerPorts {
            client: given_or_taken(&mut spec.client_ports, id)?,
            direct: ReservedPort::take()?,
            controller: ReservedPort::take()?,
            replication,
        });
    }
    let voters: Vec<String> = (1..=spec.brokers)
        .zip(&ports)
        .map(|(id, ports)| format!("{id}@{}", ports.controller.addr()))
        .collect();
    let cluster = Cluster {
        id: random_id(),
        format: Arc::new(format),
        size: spec.brokers,
        voters: voters.join(","),
        config: spec.broker_config.clone(),
    };
    let mut brokers = Vec::new();
    for (id, ports) in (1..=spec.brokers).zip(ports) {
        let advertised = spec.advertise.get(&id).copied();
        let jvm = jvm(spec, id);
        let broker = LocalBroker::prepare(
            id,
            &layout.dir,
            &layout.data,
            &cluster,
            ports,
            advertised,
            jvm,
        )?;
        brokers.push(Arc::new(broker));
    }
    Ok(brokers)
}

fn given_or_taken(
    given: &mut BTreeMap<u8, ReservedPort>,
    broker: u8,
) -> Result<ReservedPort, NoPort> {
    given.remove(&broker).map_or_else(ReservedPort::take, Ok)
}

pub(crate) fn broker_jvm(
    artefacts: &Artefacts,
    java: &Java,
    spec: &StackSpec,
    layout: &Layout,
    id: u8,
) -> JvmSpec {
    let log = layout.log(&format!("broker-{id}"));
    JvmSpec {
        secrets: spec.secrets.clone(),
        compiler: spec.compiler,
        archive_options: spec.archives.options(Program::Broker),
        ..JvmSpec::new(java, artefacts, "kafka.Kafka", &layout.log4j, &log)
    }
}

pub(crate) fn prepare_connect(
    spec: &StackSpec,
    cdc: CdcSpec,
    plugin_path: &Path,
    brokers: &[Arc<LocalBroker>],
    layout: &Layout,
    jvm: JvmSpec,
) -> Result<Connect, StackError> {
    let setup = ConnectSetup {
        bootstrap: advertised(brokers),
        brokers: spec.brokers,
        plugin_path,
        overrides: &cdc.worker_config,
        port: cdc.connect_port.map_or_else(ReservedPort::take, Ok)?,
    };
    Ok(Connect::prepare(&layout.dir, setup, jvm)?)
}

pub(crate) fn connect_jvm(
    artefacts: &Artefacts,
    java: &Java,
    spec: &StackSpec,
    layout: &Layout,
) -> JvmSpec {
    let main_class = "org.apache.kafka.connect.cli.ConnectDistributed";
    let log = layout.log("connect");
    JvmSpec {
        secrets: spec.secrets.clone(),
        compiler: spec.compiler,
        archive_options: spec.archives.options(Program::Connect),
        ..JvmSpec::new(java, artefacts, main_class, &layout.log4j, &log)
    }
}
