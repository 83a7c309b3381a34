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

use tokio::task::JoinSet;

use crate::artefacts::Artefacts;
use crate::broker::{Broker, BrokerError, BrokerPorts, Cluster, random_id};
use crate::java::Java;
use crate::jvm::{Compiler, JvmSpec, LOG4J2};
use crate::ports::{NoPort, ReservedPort};
use crate::process::elapsed_ms;
use crate::service::{Service, ServiceError, Started};

/// Why there is no stack.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// The number of brokers is out of range.
    #[error("{brokers} brokers asked for: 1 to 3 can be started")]
    BrokerCount {
        /// What was asked for.
        brokers: u8,
    },
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
    /// What a broker's CLIENT listener advertises, when not its own address.
    pub advertise: BTreeMap<u8, SocketAddr>,
    /// Ports taken before, for CLIENT listeners: a proxy in front can so be
    /// told its upstream before there is one.
    pub client_ports: BTreeMap<u8, ReservedPort>,
    /// Whether the brokers are to start fast or to run fast.
    pub compiler: Compiler,
}

impl StackSpec {
    /// One broker in `dir`, without anything special.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            brokers: 1,
            broker_config: BTreeMap::new(),
            advertise: BTreeMap::new(),
            client_ports: BTreeMap::new(),
            compiler: Compiler::FastStart,
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

/// A running stack. Dropping it kills all of it.
#[derive(Debug)]
pub struct Stack {
    dir: PathBuf,
    brokers: Vec<Arc<Broker>>,
    ready_ms: u64,
}

impl Stack {
    /// Starts everything and waits until all of it is ready.
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
        let layout = Layout::create(&spec.dir)?;
        let brokers = prepare_brokers(artefacts, java, &mut spec, &layout)?;

        let mut starting = JoinSet::new();
        for broker in &brokers {
            let broker = Arc::clone(broker);
            starting.spawn(async move { start_named(broker.service()).await });
        }
        while let Some(started) = starting.join_next().await {
            let (name, started) = started.map_err(|_| StackError::GivenUp)??;
            progress(StackProgress::Ready {
                name,
                ready_ms: started.ready_ms,
            });
        }
        Ok(Self {
            dir: layout.dir,
            brokers,
            ready_ms: elapsed_ms(since),
        })
    }

    /// Where its data, settings and logs are.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// All brokers, by id.
    pub fn brokers(&self) -> &[Arc<Broker>] {
        &self.brokers
    }

    /// The broker of this id, from 1.
    pub fn broker(&self, id: u8) -> Option<&Arc<Broker>> {
        self.brokers.iter().find(|it| it.id() == id)
    }

    /// What clients under test are to be given as `bootstrap.servers`.
    pub fn bootstrap_servers(&self) -> Vec<SocketAddr> {
        self.brokers.iter().map(|it| it.advertised_addr()).collect()
    }

    /// The same for whoever must see the truth.
    pub fn direct_servers(&self) -> Vec<SocketAddr> {
        self.brokers.iter().map(|it| it.direct_addr()).collect()
    }

    /// From the beginning until all was ready, in milliseconds.
    pub fn ready_ms(&self) -> u64 {
        self.ready_ms
    }

    /// Asks everything to end, all at once, and kills what has not after
    /// `grace`. Frozen processes end too.
    pub async fn stop(self, grace: Duration) {
        let mut stopping = JoinSet::new();
        for broker in &self.brokers {
            let broker = Arc::clone(broker);
            stopping.spawn(async move { broker.service().stop(grace).await });
        }
        // One that had ended before is as good.
        while stopping.join_next().await.is_some() {}
    }

    fn services(&self) -> impl Iterator<Item = &Service> {
        self.brokers.iter().map(|it| it.service())
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // All at once: each child's own drop would wait for its end in turn.
        for service in self.services() {
            service.kill_now();
        }
    }
}

async fn start_named(service: &Service) -> Result<(String, Started), StackError> {
    Ok((service.name().to_owned(), service.start().await?))
}

/// The stack's directory.
struct Layout {
    dir: PathBuf,
    log4j: PathBuf,
}

impl Layout {
    fn create(dir: &Path) -> Result<Self, StackError> {
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
        Ok(Self { dir, log4j })
    }

    fn log(&self, name: &str) -> PathBuf {
        self.dir.join("logs").join(format!("{name}.log"))
    }
}

fn prepare_brokers(
    artefacts: &Artefacts,
    java: &Java,
    spec: &mut StackSpec,
    layout: &Layout,
) -> Result<Vec<Arc<Broker>>, StackError> {
    let mut ports = Vec::new();
    for id in 1..=spec.brokers {
        let client = match spec.client_ports.remove(&id) {
            Some(port) => port,
            None => ReservedPort::take()?,
        };
        ports.push(BrokerPorts {
            client,
            direct: ReservedPort::take()?,
            controller: ReservedPort::take()?,
        });
    }
    let voters: Vec<String> = (1..=spec.brokers)
        .zip(&ports)
        .map(|(id, ports)| format!("{id}@{}", ports.controller.addr()))
        .collect();
    let cluster = Cluster {
        id: random_id(),
        size: spec.brokers,
        voters: voters.join(","),
        config: spec.broker_config.clone(),
    };
    let mut brokers = Vec::new();
    for (id, ports) in (1..=spec.brokers).zip(ports) {
        let log = layout.log(&format!("broker-{id}"));
        let mut jvm = JvmSpec::new(java, artefacts, "kafka.Kafka", &layout.log4j, &log);
        jvm.compiler = spec.compiler;
        let advertised = spec.advertise.get(&id).copied();
        brokers.push(Arc::new(Broker::prepare(
            id,
            &layout.dir,
            &cluster,
            ports,
            advertised,
            jvm,
        )?));
    }
    Ok(brokers)
}
