//! The brokers that are known, and the listener before each: what answers are
//! rewritten by. Knows nothing of faults.
//!
//! Whoever looks into an answer holds the gate of a link. So the lock here is
//! the innermost there is: nobody waits for anything while holding it.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::Notify;

use crate::address::HostPort;
use crate::addresses::{Directory, NoListener};
use crate::inspect::{Addresses, CloseReason};
use crate::listener::Listener;
use crate::proxy::Proxy;
use crate::relay::Protocol;

/// The most listeners. Clusters are smaller; an answer that names more is not
/// one of theirs.
pub const BROKERS_MAX: usize = 1024;

/// The most topics whose ids are remembered, at some 100 bytes each.
const TOPICS_MAX: usize = 100_000;

/// What the proxy has to say of its work.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Note {
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

/// Who hears the notes.
pub type Notes = Arc<dyn Fn(Note) + Send + Sync>;

/// A broker behind the proxy.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) node: Option<i32>,
    pub(crate) upstream: HostPort,
    pub(crate) advertised: HostPort,
    pub(crate) link: Proxy,
}

pub(crate) struct AddressBook {
    me: Weak<AddressBook>,
    addresses: Addresses,
    /// Where listeners are made.
    ip: IpAddr,
    /// What clients are told in place of that.
    advertised_host: Option<String>,
    notes: Notes,
    /// There is a new listener, or another id to one: faults have to be put in
    /// force, and connections may be accepted then.
    pub(crate) news: Notify,
    pages: Mutex<Pages>,
}

#[derive(Default)]
struct Pages {
    entries: Vec<Entry>,
    topics: HashMap<[u8; 16], String>,
    closed: bool,
}

impl std::fmt::Debug for AddressBook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AddressBook")
            .field("entries", &self.lock().entries)
            .finish_non_exhaustive()
    }
}

impl AddressBook {
    pub(crate) fn new(
        addresses: Addresses,
        ip: IpAddr,
        advertised_host: Option<String>,
        notes: Notes,
    ) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            me: me.clone(),
            addresses,
            ip,
            advertised_host,
            notes,
            news: Notify::new(),
            pages: Mutex::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What becomes of addresses in answers.
    pub(crate) fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// All brokers, in the order in which they were seen.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.lock().entries.clone()
    }

    /// Makes no more listeners, and forgets the ones there are.
    pub(crate) fn close(&self) -> Vec<Entry> {
        let mut pages = self.lock();
        pages.closed = true;
        std::mem::take(&mut pages.entries)
    }

    /// Puts a listener before an address that nobody had to name, on this port.
    pub(crate) fn begin(
        &self,
        node: Option<i32>,
        upstream: HostPort,
        port: u16,
    ) -> Result<HostPort, NoListener> {
        let mut pages = self.lock();
        self.enter(&mut pages, node, upstream, port)
    }

    pub(crate) fn topic_name(&self, id: [u8; 16]) -> Option<String> {
        self.lock().topics.get(&id).cloned()
    }

    pub(crate) fn report(&self, client: SocketAddr, upstream: &HostPort, reason: &CloseReason) {
        (self.notes)(Note::Closed {
            client,
            upstream: upstream.clone(),
            reason: reason.clone(),
        });
    }

    pub(crate) fn no_room(&self, upstream: &HostPort, reason: String) {
        (self.notes)(Note::NoRoom {
            upstream: upstream.clone(),
            reason,
        });
    }

    fn enter(
        &self,
        pages: &mut Pages,
        node: Option<i32>,
        upstream: HostPort,
        port: u16,
    ) -> Result<HostPort, NoListener> {
        let failed = |reason: String| NoListener {
            address: upstream.clone(),
            reason,
        };
        if pages.closed {
            return Err(failed("the proxy is stopping".to_owned()));
        }
        if pages.entries.len() >= BROKERS_MAX {
            return Err(failed(format!("there are {BROKERS_MAX} already")));
        }
        let listener = Listener::bind(SocketAddr::new(self.ip, port))
            .map_err(|error| failed(error.to_string()))?;
        let address = listener.address();
        let link = Proxy::before(listener, upstream.clone(), Protocol::Kafka(self.me.clone()));
        let advertised = HostPort {
            host: match &self.advertised_host {
                Some(host) => host.clone(),
                None => address.ip().to_string(),
            },
            port: address.port(),
        };
        pages.entries.push(Entry {
            node,
            upstream: upstream.clone(),
            advertised: advertised.clone(),
            link,
        });
        self.news.notify_one();
        (self.notes)(Note::Broker {
            node,
            upstream,
            advertised: advertised.clone(),
        });
        Ok(advertised)
    }
}

impl Directory for &AddressBook {
    fn instead_of(&mut self, node: i32, address: HostPort) -> Result<HostPort, NoListener> {
        let mut pages = self.lock();
        // A broker may have been told itself to advertise its listener here.
        let known = pages
            .entries
            .iter_mut()
            .find(|it| it.upstream == address || it.advertised == address);
        let Some(entry) = known else {
            return self.enter(&mut pages, Some(node), address, 0);
        };
        if entry.node != Some(node) {
            entry.node = Some(node);
            self.news.notify_one();
        }
        Ok(entry.advertised.clone())
    }

    fn topic(&mut self, id: [u8; 16], name: &str) {
        let mut pages = self.lock();
        if name.is_empty() || (pages.topics.len() >= TOPICS_MAX && !pages.topics.contains_key(&id))
        {
            return;
        }
        pages.topics.entry(id).or_insert_with(|| name.to_owned());
    }
}
