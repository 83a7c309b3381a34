//! The brokers that are known, and the listener before each: what answers are
//! rewritten by. Knows nothing of faults.
//!
//! An answer is read while the gate of a link is held. So the lock here is the
//! innermost: its holder waits for nothing.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::Notify;

use crate::address::HostPort;
use crate::addresses::NoListener;
use crate::broker_proxy::Proxy;
use crate::inspect::{Addresses, CloseReason};
use crate::listener::Listener;
use crate::protocol::{Cluster, Protocol};
use crate::secured::ProxySecurity;

/// The most listeners. Clusters are smaller; an answer that names more is not
/// one of theirs.
pub const BROKERS_MAX: usize = 1024;

/// The most topics whose ids are remembered, at some 100 bytes each.
const TOPICS_MAX: usize = 100_000;

/// An event of the proxy's work.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ProxyEvent {
    /// A broker was seen for the first time, and has a listener.
    Broker {
        /// Its id, unless it is a bootstrap address.
        node: Option<i32>,
        /// Where it is.
        upstream: HostPort,
        /// Where clients find it.
        advertised: HostPort,
    },
    /// The proxy closed a connection.
    Closed {
        /// The client.
        client: SocketAddr,
        /// The broker.
        upstream: HostPort,
        /// Why.
        reason: CloseReason,
    },
    /// Connections wait in the listener's backlog from now on, until others
    /// close. Told once for each time that it begins.
    NoRoom {
        /// The broker that they are for.
        upstream: HostPort,
        /// Why.
        reason: String,
    },
}

/// Receives the events.
pub type ProxyEventSink = Arc<dyn Fn(ProxyEvent) + Send + Sync>;

/// A broker behind the proxy.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) node: Option<i32>,
    pub(crate) upstream: HostPort,
    pub(crate) advertised: HostPort,
    pub(crate) link: Proxy,
}

pub(crate) struct AddressMap {
    me: Weak<AddressMap>,
    addresses: Addresses,
    /// Where listeners are made.
    ip: IpAddr,
    /// What clients are told in place of that.
    advertised_host: Option<String>,
    security: ProxySecurity,
    notes: ProxyEventSink,
    /// There is a new listener, or another id to one: faults have to be put in
    /// force, and connections may be accepted then.
    pub(crate) news: Notify,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    entries: Vec<Entry>,
    /// What is left for listeners whose port is not given; any where it is none.
    ports: Option<RangeInclusive<u16>>,
    topics: HashMap<[u8; 16], String>,
    closed: bool,
}

impl std::fmt::Debug for AddressMap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AddressMap")
            .field("entries", &self.lock().entries)
            .finish_non_exhaustive()
    }
}

impl AddressMap {
    pub(crate) fn new(
        addresses: Addresses,
        ip: IpAddr,
        ports: Option<RangeInclusive<u16>>,
        advertised_host: Option<String>,
        security: ProxySecurity,
        notes: ProxyEventSink,
    ) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            me: me.clone(),
            addresses,
            ip,
            advertised_host,
            security,
            notes,
            news: Notify::new(),
            state: Mutex::new(State {
                ports,
                ..State::default()
            }),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How clients and brokers are spoken to.
    pub(crate) fn security(&self) -> &ProxySecurity {
        &self.security
    }

    /// All brokers, in the order in which they were seen.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.lock().entries.clone()
    }

    /// Makes no more listeners, and forgets the ones there are.
    pub(crate) fn close(&self) -> Vec<Entry> {
        let mut state = self.lock();
        state.closed = true;
        std::mem::take(&mut state.entries)
    }

    /// Puts a listener on this port before an address from the settings.
    pub(crate) fn begin(
        &self,
        node: Option<i32>,
        upstream: HostPort,
        port: u16,
    ) -> Result<HostPort, NoListener> {
        let mut state = self.lock();
        self.enter(&mut state, node, upstream, port)
    }

    fn enter(
        &self,
        state: &mut State,
        node: Option<i32>,
        upstream: HostPort,
        port: u16,
    ) -> Result<HostPort, NoListener> {
        let failed = |reason: String| NoListener {
            address: upstream.clone(),
            reason,
        };
        if state.closed {
            return Err(failed("the proxy is stopping".to_owned()));
        }
        if state.entries.len() >= BROKERS_MAX {
            return Err(failed(format!("there are {BROKERS_MAX} already")));
        }
        let listener = match (port, &mut state.ports) {
            (0, Some(ports)) => {
                let used_up = || failed("the ports for listeners are used up".to_owned());
                let port = ports.next().ok_or_else(used_up)?;
                Listener::bind(SocketAddr::new(self.ip, port))
                    .map_err(|error| failed(format!("port {port}: {error}")))?
            }
            (port, _) => Listener::bind(SocketAddr::new(self.ip, port))
                .map_err(|error| failed(error.to_string()))?,
        };
        let address = listener.address();
        let me: Weak<dyn Cluster> = self.me.clone();
        let link = Proxy::before(
            listener,
            upstream.clone(),
            Protocol::Kafka(me),
            self.security.clone(),
        );
        let advertised = HostPort {
            host: match &self.advertised_host {
                Some(host) => host.clone(),
                None => address.ip().to_string(),
            },
            port: address.port(),
        };
        state.entries.push(Entry {
            node,
            upstream: upstream.clone(),
            advertised: advertised.clone(),
            link,
        });
        self.news.notify_one();
        (self.notes)(ProxyEvent::Broker {
            node,
            upstream,
            advertised: advertised.clone(),
        });
        Ok(advertised)
    }
}

impl Cluster for AddressMap {
    fn addresses(&self) -> Addresses {
        self.addresses
    }

    fn topic_name(&self, id: [u8; 16]) -> Option<String> {
        self.lock().topics.get(&id).cloned()
    }

    fn report(&self, client: SocketAddr, upstream: &HostPort, reason: &CloseReason) {
        (self.notes)(ProxyEvent::Closed {
            client,
            upstream: upstream.clone(),
            reason: reason.clone(),
        });
    }

    fn no_room(&self, upstream: &HostPort, reason: String) {
        (self.notes)(ProxyEvent::NoRoom {
            upstream: upstream.clone(),
            reason,
        });
    }

    fn instead_of(&self, node: i32, address: HostPort) -> Result<HostPort, NoListener> {
        let mut state = self.lock();
        // A broker may have been told itself to advertise its listener here.
        let known = state
            .entries
            .iter_mut()
            .find(|it| it.upstream == address || it.advertised == address);
        let Some(entry) = known else {
            return self.enter(&mut state, Some(node), address, 0);
        };
        if entry.node != Some(node) {
            entry.node = Some(node);
            self.news.notify_one();
        }
        Ok(entry.advertised.clone())
    }

    fn topic(&self, id: [u8; 16], name: &str) {
        let mut state = self.lock();
        if name.is_empty() || (state.topics.len() >= TOPICS_MAX && !state.topics.contains_key(&id))
        {
            return;
        }
        state.topics.entry(id).or_insert_with(|| name.to_owned());
    }
}
