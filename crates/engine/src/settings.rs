//! Where and with what a run is carried out. Knows nothing of what is run.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use model::plan::ScenarioPlan;
use model::scenario::NamedReleases;
use secret::Secrets;
use tokio::sync::Semaphore;
use wire::ClientSecurity;

use crate::clients::Clients;
use crate::containers::ComposeBrokers;

/// What the embedded stack is made of.
#[derive(Clone, Debug)]
pub struct Embedded {
    /// Kafka, Connect, Debezium, `PostgreSQL`.
    pub artefacts: stack::artefacts::Artefacts,
    /// What makes them start faster, as far as there is any.
    pub archives: stack::archive::Archives,
    /// The same of other releases, for the scenarios that name one.
    pub others: BTreeMap<NamedReleases, (stack::artefacts::Artefacts, stack::archive::Archives)>,
    /// What runs them.
    pub java: stack::java::Java,
    /// Whether they are to start fast or to run fast.
    pub compiler: stack::jvm::Compiler,
}

/// Where and with what to run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The run directory; exists.
    pub out: PathBuf,
    /// How many scenarios at once, over all runs that share them.
    pub slots: Slots,
    /// The program that becomes a subject when started as `PROGRAM drive-client`.
    pub subject: PathBuf,
    /// The clients that scenarios name.
    pub clients: Clients,
    /// Where the brokers are.
    pub brokers: Brokers,
    /// The Prometheus server whose alerts are watched (`http://HOST:PORT`), if any.
    pub prometheus: Option<String>,
}

impl Settings {
    /// What must not be shown of how a scenario's brokers and clients are reached and set.
    pub(crate) fn secrets(&self, plan: &ScenarioPlan) -> Secrets {
        let own = plan.scenario.secrets();
        match &self.brokers {
            Brokers::Embedded(_) => own,
            Brokers::Cluster(cluster) => own.and(cluster.security.secrets()),
        }
    }
}

/// Places for scenarios that run at once. Runs with clones of the same slots
/// share them.
#[derive(Clone, Debug)]
pub struct Slots {
    pub(crate) count: NonZeroUsize,
    pub(crate) free: Arc<Semaphore>,
}

impl Slots {
    /// So many.
    pub fn new(count: NonZeroUsize) -> Self {
        Self {
            count,
            free: Arc::new(Semaphore::new(count.get())),
        }
    }
}

/// Where the brokers are.
#[derive(Clone, Debug)]
pub enum Brokers {
    /// They are started for each scenario.
    Embedded(Box<Embedded>),
    /// The user runs them.
    Cluster(UserCluster),
}

/// The user's cluster.
#[derive(Clone, Debug, Default)]
pub struct UserCluster {
    /// Its bootstrap addresses.
    pub bootstrap: Vec<proxy::HostPort>,
    /// How the user's clients reach it.
    pub security: ClientSecurity,
    /// Its brokers' containers, where ackproof has a hold over them.
    pub containers: Option<ComposeBrokers>,
}
