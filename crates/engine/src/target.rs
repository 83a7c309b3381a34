//! Where the brokers are: the embedded stack, or the user's
//! cluster; with fault proxies before it and within it where the scenario asks for
//! them. Knows nothing of what is sent.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::plan::ScenarioPlan;
use model::scenario::{Consequence, Link};
use proxy::{ClusterProxy, ClusterSettings, HostPort, ProxyEvent, ProxyEventSink, ProxySecurity};
use stack::archive::Archives;
use stack::artefacts::Artefacts;
use stack::broker::LocalBroker;
use stack::connect::Connect;
use stack::embedded::{Cdc, CdcSpec, Stack, StackSpec};
use stack::ports::ReservedPort;
use stack::postgres::Postgres;
use wire::{ClientSecurity, Topics};

use crate::connect::{Direct, connect};
use crate::containers::{ComposeBrokers, ContainerBroker};
use crate::error::EngineError;
use crate::logs::logs_in;
use crate::processes::Processes;
use crate::settings::{Brokers, Embedded, UserCluster};
use crate::wait::{Wait, Waits};

/// Evidence has been read by then: nothing hangs on a clean end.
const STOP_GRACE: Duration = Duration::from_millis(500);
/// How often brokers note how far their logs were forced to disk.
const CHECKPOINT_INTERVAL: &str = "log.flush.offset.checkpoint.interval.ms";
/// How often brokers that are to come are looked for.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// What the proxies have to say of connections that they closed.
const PROXY_LOG: &str = "proxy.log";

/// A running target.
pub(crate) struct Target {
    home: Home,
    /// The containers that they run in, where we have a hold over them.
    containers: Option<ComposeBrokers>,
    /// Before the brokers, where clients go through one.
    clients: Option<ClusterProxy>,
    /// Between the brokers, where they replicate through one.
    between: Option<ClusterProxy>,
    /// How subjects reach whatever stands before the brokers.
    subjects: ClientSecurity,
}

enum Home {
    Embedded(Box<Stack>),
    /// The user's.
    Cluster(Direct),
}

impl Target {
    /// Starts what the scenario's topology asks for, or goes to the cluster
    /// that is given.
    pub(crate) async fn start(
        plan: &ScenarioPlan,
        brokers: &Brokers,
        folder: &Path,
    ) -> Result<Self, EngineError> {
        match brokers {
            Brokers::Embedded(embedded) => Self::start_stack(plan, embedded, folder).await,
            Brokers::Cluster(cluster) => Self::go_to(plan, cluster, folder).await,
        }
    }

    async fn start_stack(
        plan: &ScenarioPlan,
        embedded: &Embedded,
        folder: &Path,
    ) -> Result<Self, EngineError> {
        let topology = &plan.scenario.topology;
        let mut spec = StackSpec::new(folder);
        let (artefacts, archives) = files_for(plan, embedded)?;
        spec.archives = archives.clone();
        spec.compiler = embedded.compiler;
        spec.brokers = topology.brokers;
        spec.broker_config = topology.config.plain();
        if plan.scenario.leads_to(Consequence::PowerLost) {
            // What was forced to disk is then known to a tenth of a second.
            spec.broker_config
                .entry(CHECKPOINT_INTERVAL.to_owned())
                .or_insert_with(|| "100".to_owned());
        }
        spec.features.clone_from(&topology.features);
        spec.secrets = plan.scenario.secrets();
        spec.cdc = plan.scenario.capture.as_ref().map(|capture| CdcSpec {
            worker_config: capture.worker_config.plain(),
            database_config: capture.database_config.plain(),
            ..CdcSpec::default()
        });
        let numbers = 1..=topology.brokers;
        let clients = match topology.link {
            Link::Direct => None,
            Link::Proxy => {
                let ports = reserved(numbers.clone())?;
                let upstreams = ports.values().map(|port| port.addr().into()).collect();
                let security = ProxySecurity::default();
                let proxy = before(upstreams, security, notes(folder)?).await?;
                spec.client_ports = ports;
                Some(proxy)
            }
        };
        let between = match topology.replication_link {
            Link::Direct => None,
            Link::Proxy => {
                let ports = reserved(numbers.clone())?;
                let upstreams = ports
                    .iter()
                    .map(|(id, port)| (i32::from(*id), port.addr().into()))
                    .collect();
                let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
                let proxy = ClusterProxy::between_brokers(ip, upstreams, notes(folder)?).await?;
                for id in numbers {
                    if let Some(address) = proxy.listens_for(i32::from(id)) {
                        spec.replication_advertise.insert(id, address);
                    }
                }
                spec.replication_ports = ports;
                Some(proxy)
            }
        };
        let stack = Stack::start(artefacts, &embedded.java, spec, |_| {}).await?;
        let target = Self {
            home: Home::Embedded(Box::new(stack)),
            containers: None,
            clients,
            between,
            subjects: ClientSecurity::default(),
        };
        target.discover_brokers().await?;
        Ok(target)
    }

    async fn go_to(
        plan: &ScenarioPlan,
        cluster: &UserCluster,
        folder: &Path,
    ) -> Result<Self, EngineError> {
        let UserCluster {
            bootstrap,
            security,
            containers,
        } = cluster;
        let (clients, subjects) = match plan.scenario.topology.link {
            Link::Direct => (None, security.clone()),
            Link::Proxy => {
                let listens = IpAddr::V4(Ipv4Addr::LOCALHOST);
                let both = ProxySecurity::of(security, listens, None)?;
                let subjects = both.as_client().clone();
                let proxy = before(bootstrap.clone(), both, notes(folder)?).await?;
                (Some(proxy), subjects)
            }
        };
        let target = Self {
            home: Home::Cluster(Direct {
                servers: bootstrap.iter().map(HostPort::to_string).collect(),
                security: security.clone(),
            }),
            containers: containers.clone(),
            clients,
            between: None,
            subjects,
        };
        target.all_there().await?;
        target.discover_brokers().await?;
        Ok(target)
    }

    /// Waits until every broker in a container is there: one that the scenario before ended may
    /// just have been started.
    async fn all_there(&self) -> Result<(), EngineError> {
        let Some(containers) = self.containers() else {
            return Ok(());
        };
        let waiting = Waits::default().begin(Wait::Restored, "all brokers");
        for broker in containers {
            broker.locate().await?;
        }
        let mut cluster = connect(&self.direct()).await?;
        loop {
            let found = cluster.metadata(Topics::Named(&[])).await?.brokers.len();
            if found >= containers.len() {
                return Ok(());
            }
            waiting.pause_or_fail(LOOK_INTERVAL).await?;
        }
    }

    /// Lets the proxy before the brokers learn which broker is which.
    async fn discover_brokers(&self) -> Result<(), EngineError> {
        match &self.clients {
            Some(proxy) => Ok(proxy.discover_brokers().await?),
            None => Ok(()),
        }
    }

    /// Has its processes looked after, as far as they are ours.
    pub(crate) fn watch(&self, processes: &Processes) {
        let Home::Embedded(stack) = &self.home else {
            return;
        };
        for broker in stack.brokers() {
            processes.add_service(broker, LocalBroker::service);
        }
        if let Some(cdc) = stack.cdc() {
            processes.add_service(cdc.connect(), Connect::service);
            processes.add_service(cdc.postgres(), Postgres::service);
        }
    }

    /// `bootstrap.servers` for subjects.
    pub(crate) fn bootstrap(&self) -> String {
        let servers: Vec<String> = match (&self.clients, &self.home) {
            (Some(proxy), _) => proxy
                .brokers()
                .iter()
                .map(|broker| broker.advertised.to_string())
                .collect(),
            (None, Home::Embedded(stack)) => stack
                .bootstrap_servers()
                .iter()
                .map(SocketAddr::to_string)
                .collect(),
            (None, Home::Cluster(direct)) => direct.servers.clone(),
        };
        servers.join(",")
    }

    /// The addresses that no fault stands before.
    pub(crate) fn direct(&self) -> Direct {
        match &self.home {
            Home::Embedded(stack) => Direct {
                servers: stack
                    .direct_servers()
                    .iter()
                    .map(SocketAddr::to_string)
                    .collect(),
                security: ClientSecurity::default(),
            },
            Home::Cluster(direct) => direct.clone(),
        }
    }

    /// How subjects reach what they are given as `bootstrap.servers`.
    pub(crate) fn subject_security(&self) -> &ClientSecurity {
        &self.subjects
    }

    /// Where each broker, by its node id, answers with no fault before it.
    pub(crate) async fn addresses(&self) -> Result<Vec<(i32, String)>, EngineError> {
        match &self.home {
            Home::Embedded(stack) => Ok(stack
                .brokers()
                .iter()
                .map(|broker| (i32::from(broker.id()), broker.direct_addr().to_string()))
                .collect()),
            Home::Cluster(direct) => {
                let cluster = connect(direct).await?;
                let brokers = cluster.brokers();
                Ok(brokers
                    .map(|broker| (broker.id.get(), broker.address.clone()))
                    .collect())
            }
        }
    }

    /// A broker whose process is ours.
    pub(crate) fn broker(&self, id: u8) -> Result<Arc<LocalBroker>, EngineError> {
        let found = match &self.home {
            Home::Embedded(stack) => stack.broker(id).cloned(),
            Home::Cluster(_) => None,
        };
        found.ok_or_else(|| EngineError::Lacking {
            what: format!("broker {id} to have a hold over"),
        })
    }

    /// All brokers whose processes are ours.
    pub(crate) fn brokers(&self) -> Vec<Arc<LocalBroker>> {
        match &self.home {
            Home::Embedded(stack) => stack.brokers().to_vec(),
            Home::Cluster(_) => Vec::new(),
        }
    }

    /// The brokers' containers, where they run in some that we have a hold over.
    pub(crate) fn containers(&self) -> Option<&[ContainerBroker]> {
        self.containers.as_ref().map(|it| &*it.brokers)
    }

    /// Change data capture, if there is any.
    pub(crate) fn cdc(&self) -> Option<&Cdc> {
        match &self.home {
            Home::Embedded(stack) => stack.cdc(),
            Home::Cluster(_) => None,
        }
    }

    /// The proxy between clients and brokers.
    pub(crate) fn clients_proxy(&self) -> Result<&ClusterProxy, EngineError> {
        self.clients.as_ref().ok_or_else(|| EngineError::Lacking {
            what: "proxy between clients and brokers".to_owned(),
        })
    }

    /// The proxy between the brokers.
    pub(crate) fn between_proxy(&self) -> Result<&ClusterProxy, EngineError> {
        self.between.as_ref().ok_or_else(|| EngineError::Lacking {
            what: "proxy between the brokers".to_owned(),
        })
    }

    /// Ends what is ours. What the logs say stays; the data goes, which is
    /// large and which the history has read.
    pub(crate) async fn stop(self) {
        if let Home::Embedded(stack) = self.home {
            let data = stack.dir().join("data");
            stack.stop(STOP_GRACE).await;
            // A folder that stays costs space and nothing else.
            let _ = tokio::fs::remove_dir_all(data).await;
        }
        for proxy in [self.clients, self.between].into_iter().flatten() {
            proxy.stop().await;
        }
    }
}

/// The run's files, or those of the releases that the scenario names.
fn files_for<'e>(
    plan: &ScenarioPlan,
    embedded: &'e Embedded,
) -> Result<(&'e Artefacts, &'e Archives), EngineError> {
    let named = plan.scenario.named_releases();
    if named.is_empty() {
        return Ok((&embedded.artefacts, &embedded.archives));
    }
    let (artefacts, archives) =
        embedded
            .others
            .get(&named)
            .ok_or_else(|| EngineError::Lacking {
                what: "release that the scenario names".to_owned(),
            })?;
    Ok((artefacts, archives))
}

/// A port for each broker, taken before there is one: a proxy in front is so
/// told its upstream.
fn reserved(brokers: impl Iterator<Item = u8>) -> Result<BTreeMap<u8, ReservedPort>, EngineError> {
    brokers.map(|id| Ok((id, ReservedPort::take()?))).collect()
}

async fn before(
    bootstrap: Vec<HostPort>,
    security: ProxySecurity,
    notes: ProxyEventSink,
) -> Result<ClusterProxy, EngineError> {
    let settings = ClusterSettings {
        bootstrap,
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        ports: None,
        advertised_host: None,
        security,
    };
    Ok(ClusterProxy::start(settings, notes).await?)
}

/// Writes down which connections the proxies closed by themselves, and why.
fn notes(folder: &Path) -> Result<ProxyEventSink, EngineError> {
    let path = logs_in(folder)?.join(PROXY_LOG);
    let file = OpenOptions::new().create(true).append(true).open(&path);
    let file: File = file.map_err(|source| EngineError::Write { path, source })?;
    let file = Mutex::new(file);
    Ok(Arc::new(move |note| {
        if let ProxyEvent::Closed {
            client,
            upstream,
            reason,
        } = note
        {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            // The log is for people; no verdict rests on it.
            let _ = writeln!(file, "{client} to {upstream} was closed: {reason}");
        }
    }))
}
