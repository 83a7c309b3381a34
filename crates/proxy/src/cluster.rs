//! The proxy before a whole cluster: one listener per broker, and the faults
//! that are switched on. Knows nothing of bytes, nor of the callers that switch faults.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;

use serde::Serialize;
use tokio::sync::{Mutex, mpsc};

use crate::active_fault::ActiveFault;
use crate::address::HostPort;
use crate::address_map::{AddressMap, Entry, ProxyEventSink};
use crate::broker_proxy::{Break, Cut, Forgotten, ProxyError};
use crate::counters::ProxyStats;
use crate::evidence::{TrafficEvidence, now_us};
use crate::fault::{FaultDataError, FaultEffect, ProxyFault};
use crate::greeting::{GreetingError, greet};
use crate::inspect::Addresses;
use crate::link::{ClientBreak, Faults, Never};
use crate::secured::ProxySecurity;

/// The most faults at once: each request is held against all of them.
pub const FAULTS_MAX: usize = 256;

/// The healed faults whose evidence is still told.
const HEALED_MAX: usize = 1024;

/// What to put the proxy before, and where.
#[derive(Clone, Debug)]
pub struct ClusterSettings {
    /// One broker of the cluster or more; each gets a listener at once. The
    /// others follow as answers name them.
    pub bootstrap: Vec<HostPort>,
    /// Where the first listener is; the others are on `ports` of the same
    /// address.
    pub listen: SocketAddr,
    /// The ports of the other listeners, in the order in which brokers are seen; any free
    /// ones where it is none.
    pub ports: Option<RangeInclusive<u16>>,
    /// What clients are told in place of that address, where it is not the one
    /// by which they reach it.
    pub advertised_host: Option<String>,
    /// TLS and SASL on both sides, if any.
    pub security: ProxySecurity,
}

/// Why a cluster's proxy cannot do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// A listener cannot be made.
    #[error("cannot listen on {address} before {upstream}: {reason}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// The broker.
        upstream: HostPort,
        /// The system's reason.
        reason: String,
    },
    /// A listener on all addresses says nothing of where clients find it.
    #[error("clients cannot be told to connect to {0}; say by which host they reach the proxy")]
    NothingToAdvertise(SocketAddr),
    /// No broker was given.
    #[error("at least one bootstrap address is needed")]
    NoBootstrap,
    /// The fault cannot be.
    #[error(transparent)]
    Data(#[from] FaultDataError),
    /// There are too many.
    #[error("there are {FAULTS_MAX} faults already; heal some first")]
    TooMany,
    /// A link cannot be broken like that now.
    #[error(transparent)]
    Link(#[from] ProxyError),
}

/// A fault's number, from 1; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct FaultId(pub u64);

/// A fault, and what it has met.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FaultReport {
    /// Its number.
    pub id: FaultId,
    /// What it is.
    pub fault: ProxyFault,
    /// Since when, in microseconds since 1970.
    pub since_us: u64,
    /// When it was healed, if it was.
    pub healed_us: Option<u64>,
    /// What it has met.
    pub evidence: TrafficEvidence,
}

/// A broker behind the proxy.
#[derive(Clone, Debug)]
pub struct BrokerReport {
    /// Its id, once an answer has named it.
    pub node: Option<i32>,
    /// Where it is.
    pub upstream: HostPort,
    /// Where clients find it.
    pub advertised: HostPort,
    /// Where the proxy listens for it.
    pub listens: SocketAddr,
    /// What has gone through.
    pub stats: ProxyStats,
}

/// A running proxy before a cluster. It ends with [`Self::stop`], or when the
/// last clone is dropped.
#[derive(Clone, Debug)]
pub struct ClusterProxy {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    addresses: Arc<AddressMap>,
    /// Never locked while the gate of a link is held.
    switchboard: Mutex<Switchboard>,
    settling: std::sync::Mutex<Option<tokio::task::JoinHandle<()>>>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Ok(Some(settling)) = self.settling.get_mut().map(Option::take) {
            settling.abort();
        }
    }
}

#[derive(Debug, Default)]
struct Switchboard {
    last_id: u64,
    active: BTreeMap<FaultId, Switched>,
    healed: VecDeque<FaultReport>,
}

/// A fault that is switched on.
#[derive(Debug)]
struct Switched {
    active: Arc<ActiveFault>,
    since_us: u64,
    reach: Reach,
}

/// What a fault that breaks connections off has broken off.
#[derive(Debug)]
enum Reach {
    /// Whole links, by where they listen.
    Links(BTreeMap<SocketAddr, Cut>),
    /// Some clients' connections, on links that stay open; the channel closes
    /// when these are gone.
    Clients(Arc<ClientBreak>, mpsc::Receiver<Never>),
}

impl ClusterProxy {
    /// Listens before each bootstrap address. The cluster need not be there
    /// yet. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`ClusterError::Listen`], [`ClusterError::NothingToAdvertise`] and
    /// [`ClusterError::NoBootstrap`].
    pub async fn start(
        settings: ClusterSettings,
        notes: ProxyEventSink,
    ) -> Result<Self, ClusterError> {
        let ClusterSettings {
            bootstrap,
            listen,
            ports,
            advertised_host,
            security,
        } = settings;
        if listen.ip().is_unspecified() && advertised_host.is_none() {
            return Err(ClusterError::NothingToAdvertise(listen));
        }
        if bootstrap.is_empty() {
            return Err(ClusterError::NoBootstrap);
        }
        let addresses = AddressMap::new(
            Addresses::Rewritten,
            listen.ip(),
            ports,
            advertised_host,
            security,
            notes,
        );
        let mut address = listen;
        for upstream in bootstrap {
            begin(&addresses, None, upstream, address)?;
            address.set_port(0);
        }
        Ok(Self::with(addresses).await)
    }

    /// Listens, on any free ports of this address, before the listeners that
    /// brokers have for each other, by node id; the ports are known when this
    /// returns, so that brokers can be told to advertise them. The brokers need
    /// not be there yet. Must be called within a tokio runtime.
    ///
    /// Nothing is rewritten: the addresses that brokers tell each other are
    /// those of other listeners. So there are never more than these listeners,
    /// and no topic is known by its name.
    ///
    /// # Errors
    /// [`ClusterError::Listen`] and [`ClusterError::NoBootstrap`].
    pub async fn between_brokers(
        ip: IpAddr,
        upstreams: BTreeMap<i32, HostPort>,
        notes: ProxyEventSink,
    ) -> Result<Self, ClusterError> {
        if upstreams.is_empty() {
            return Err(ClusterError::NoBootstrap);
        }
        let addresses = AddressMap::new(
            Addresses::Kept,
            ip,
            None,
            None,
            ProxySecurity::default(),
            notes,
        );
        for (node, upstream) in upstreams {
            begin(&addresses, Some(node), upstream, SocketAddr::new(ip, 0))?;
        }
        Ok(Self::with(addresses).await)
    }

    async fn with(addresses: Arc<AddressMap>) -> Self {
        let proxy = Self {
            shared: Arc::new(Shared {
                addresses: Arc::clone(&addresses),
                switchboard: Mutex::default(),
                settling: std::sync::Mutex::default(),
            }),
        };
        proxy.settle().await;
        let shared = Arc::downgrade(&proxy.shared);
        let settling = tokio::spawn(async move {
            loop {
                addresses.news.notified().await;
                let Some(shared) = shared.upgrade() else {
                    return;
                };
                Self { shared }.settle().await;
            }
        });
        if let Ok(mut place) = proxy.shared.settling.lock() {
            *place = Some(settling);
        }
        proxy
    }

    /// Where the proxy listens for this broker, if it is known.
    pub fn listens_for(&self, node: i32) -> Option<SocketAddr> {
        let entries = self.shared.addresses.entries().into_iter();
        let mut of_node = entries.filter(|it| it.node == Some(node));
        of_node.next().map(|it| it.link.addr())
    }

    /// Asks each bootstrap address for the cluster's brokers, so that all have
    /// a listener. It needs one that answers.
    ///
    /// # Errors
    /// [`GreetingError`] of the last that did not.
    pub async fn discover_brokers(&self) -> Result<(), GreetingError> {
        let as_client = self.shared.addresses.security().as_client();
        let mut outcome = Ok(());
        for entry in self.shared.addresses.entries() {
            match greet(entry.link.addr(), as_client).await {
                Ok(()) => return Ok(()),
                Err(reason) => {
                    outcome = Err(GreetingError {
                        upstream: entry.upstream.to_string(),
                        reason,
                    });
                }
            }
        }
        outcome
    }

    /// The brokers that are known, in the order in which they were seen.
    pub fn brokers(&self) -> Vec<BrokerReport> {
        let entries = self.shared.addresses.entries().into_iter();
        entries
            .map(|entry| BrokerReport {
                node: entry.node,
                upstream: entry.upstream,
                advertised: entry.advertised,
                listens: entry.link.addr(),
                stats: entry.link.stats(),
            })
            .collect()
    }

    /// Switches a fault on. When this returns it is in force before all brokers
    /// that are known, and each open connection that it breaks off has been
    /// counted; a broker that is seen later has it from the beginning.
    ///
    /// # Errors
    /// [`ClusterError::Data`], [`ClusterError::TooMany`], and
    /// [`ClusterError::Link`] where a link is cut already; nothing is changed
    /// then.
    pub async fn add(&self, fault: ProxyFault) -> Result<FaultId, ClusterError> {
        fault.validate()?;
        let mut board = self.shared.switchboard.lock().await;
        if board.active.len() >= FAULTS_MAX {
            return Err(ClusterError::TooMany);
        }
        board.last_id += 1;
        let id = FaultId(board.last_id);
        let switched = Switched::new(Arc::new(ActiveFault::new(id.0, fault)));
        board.active.insert(id, switched);
        match board.put_in_force(&self.shared.addresses) {
            Ok(before) => {
                forgotten(before).await;
                Ok(id)
            }
            Err(error) => {
                let switched = board.active.remove(&id);
                // What was in force before was possible before.
                let _ = board.put_in_force(&self.shared.addresses);
                if let Some(switched) = switched {
                    switched.heal().await;
                }
                Err(error.into())
            }
        }
    }

    /// Makes a cut of one way a cut of both, without a moment in which anything
    /// passes. Of no effect on other faults.
    pub async fn complete(&self, id: FaultId) {
        let board = self.shared.switchboard.lock().await;
        if let Some(Reach::Links(cuts)) = board.active.get(&id).map(|it| &it.reach) {
            cuts.values().for_each(Cut::complete);
        }
    }

    /// Heals a fault, and says what it has met; `None` when there is no such
    /// fault, or none any longer. Connections that met a cut are reset; all
    /// others go on as if nothing had been.
    pub async fn heal(&self, id: FaultId) -> Option<FaultReport> {
        let mut board = self.shared.switchboard.lock().await;
        board.heal(id, &self.shared.addresses).await
    }

    /// Heals all faults: the proxy is transparent again.
    pub async fn heal_all(&self) -> Vec<FaultReport> {
        let mut board = self.shared.switchboard.lock().await;
        let ids: Vec<FaultId> = board.active.keys().copied().collect();
        let mut healed = Vec::new();
        for id in ids {
            healed.extend(board.heal(id, &self.shared.addresses).await);
        }
        healed
    }

    /// Every fault that is switched on, and the last ones that were healed, by
    /// number.
    pub async fn faults(&self) -> Vec<FaultReport> {
        let board = self.shared.switchboard.lock().await;
        let mut all: Vec<FaultReport> = board.healed.iter().cloned().collect();
        all.extend(board.active.values().map(Switched::report));
        all.sort_by_key(|it| it.id);
        all
    }

    /// One of them.
    pub async fn fault(&self, id: FaultId) -> Option<FaultReport> {
        self.faults().await.into_iter().find(|it| it.id == id)
    }

    /// Stops listening, resets every connection and waits until all are closed.
    pub async fn stop(&self) {
        for entry in self.shared.addresses.close() {
            entry.link.stop().await;
        }
    }

    /// Puts what is switched on in force before brokers that are new, or whose
    /// id is, and lets connections to them in.
    async fn settle(&self) {
        let mut board = self.shared.switchboard.lock().await;
        // A link that is cut already stays cut; no caller waits for an error.
        let _ = board.put_in_force(&self.shared.addresses);
        for entry in self.shared.addresses.entries() {
            entry.link.begin();
        }
    }
}

impl Switchboard {
    /// Makes every link as the active faults want it.
    fn put_in_force(&mut self, addresses: &AddressMap) -> Result<Vec<Forgotten>, ProxyError> {
        let entries = addresses.entries();
        // Every link is told, also after one that cannot be.
        let told: Vec<_> = entries
            .iter()
            .map(|entry| self.put_in_force_before(entry))
            .collect();
        told.into_iter().collect()
    }

    fn put_in_force_before(&mut self, entry: &Entry) -> Result<Forgotten, ProxyError> {
        let mut conditions = Faults::default();
        let mut refuses = false;
        for switched in self.active.values_mut() {
            let active = &switched.active;
            if !concerns(&active.fault, entry) {
                continue;
            }
            let broken = match &active.fault.effect {
                FaultEffect::Cut { ways } => Some(Break::Cut(*ways)),
                FaultEffect::Reset => Some(Break::Reset),
                FaultEffect::Refuse => {
                    refuses = true;
                    None
                }
                FaultEffect::SlowClose { .. }
                | FaultEffect::Latency { .. }
                | FaultEffect::Bandwidth { .. } => {
                    conditions.shaping.push(Arc::clone(active));
                    None
                }
                FaultEffect::DropAnswer { .. }
                | FaultEffect::Delay { .. }
                | FaultEffect::Late { .. }
                | FaultEffect::Error { .. } => {
                    conditions.protocol.push(Arc::clone(active));
                    None
                }
            };
            let Some(how) = broken else { continue };
            let at = entry.link.addr();
            match &mut switched.reach {
                Reach::Clients(of_clients, _) => conditions.breaks.push(Arc::clone(of_clients)),
                Reach::Links(cuts) if cuts.contains_key(&at) => {}
                Reach::Links(cuts) => {
                    cuts.insert(at, entry.link.break_off(how, Some(active))?);
                }
            }
        }
        let before = entry.link.set_conditions(conditions);
        entry.link.set_refusing(refuses)?;
        Ok(before)
    }

    async fn heal(&mut self, id: FaultId, addresses: &AddressMap) -> Option<FaultReport> {
        let switched = self.active.remove(&id)?;
        // Less is in force than was possible before.
        if let Ok(before) = self.put_in_force(addresses) {
            forgotten(before).await;
        }
        let mut report = switched.report();
        let active = Arc::clone(&switched.active);
        switched.heal().await;
        for entry in addresses.entries() {
            entry.link.begin();
            entry.link.obeyed().await;
        }
        report.evidence = active.evidence.evidence();
        report.healed_us = Some(now_us());
        if self.healed.len() >= HEALED_MAX {
            self.healed.pop_front();
        }
        self.healed.push_back(report.clone());
        Some(report)
    }
}

impl Switched {
    fn new(active: Arc<ActiveFault>) -> Self {
        let reach = if active.fault.clients.is_empty() {
            Reach::Links(BTreeMap::new())
        } else {
            let (of_clients, gone) = ClientBreak::new(Arc::clone(&active));
            Reach::Clients(of_clients, gone)
        };
        Self {
            active,
            since_us: now_us(),
            reach,
        }
    }

    fn report(&self) -> FaultReport {
        FaultReport {
            id: FaultId(self.active.id),
            fault: self.active.fault.clone(),
            since_us: self.since_us,
            healed_us: None,
            evidence: self.active.evidence.evidence(),
        }
    }

    /// Once it is in force nowhere, returns when all that it broke off is gone.
    async fn heal(self) {
        match self.reach {
            Reach::Links(cuts) => {
                for (_, cut) in cuts {
                    cut.heal().await;
                }
            }
            Reach::Clients(of_clients, mut gone) => {
                drop(of_clients);
                gone.recv().await;
            }
        }
    }
}

/// Returns when each connection has looked at what is in force now.
async fn forgotten(before: Vec<Forgotten>) {
    for conditions in before {
        conditions.by_all().await;
    }
}

fn begin(
    addresses: &AddressMap,
    node: Option<i32>,
    upstream: HostPort,
    address: SocketAddr,
) -> Result<(), ClusterError> {
    addresses
        .begin(node, upstream, address.port())
        .map(drop)
        .map_err(|error| ClusterError::Listen {
            address,
            upstream: error.address,
            reason: error.reason,
        })
}

/// Whether a fault is meant for this broker.
fn concerns(fault: &ProxyFault, entry: &Entry) -> bool {
    fault.brokers.is_empty() || entry.node.is_some_and(|node| fault.brokers.contains(&node))
}
