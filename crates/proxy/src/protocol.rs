//! What connections have to know of the cluster that they belong to. Knows
//! nothing of how it is known.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Weak;

use crate::address::HostPort;
use crate::addresses::{Directory, NoListener};
use crate::inspect::{Addresses, CloseReason};

/// What is made of the bytes of a connection.
#[derive(Clone, Debug)]
pub(crate) enum Protocol {
    /// Nothing.
    Opaque,
    /// Kafka's requests and responses. The cluster is gone when the proxy stops.
    Kafka(Weak<dyn Cluster>),
}

/// The brokers and topics that responses are rewritten by, and where the proxy
/// says what it does.
pub(crate) trait Cluster: fmt::Debug + Send + Sync {
    /// What becomes of addresses in responses.
    fn addresses(&self) -> Addresses;

    /// What to tell clients in place of the broker's own address.
    fn instead_of(&self, node: i32, address: HostPort) -> Result<HostPort, NoListener>;

    /// A topic's id, which newer requests name in place of the topic.
    fn topic(&self, id: [u8; 16], name: &str);

    /// The topic of that id, once a response has named it.
    fn topic_name(&self, id: [u8; 16]) -> Option<String>;

    /// A connection was closed by the proxy.
    fn report(&self, client: SocketAddr, upstream: &HostPort, reason: &CloseReason);

    /// Connections have to wait.
    fn no_room(&self, upstream: &HostPort, reason: String);
}

impl Directory for &dyn Cluster {
    fn instead_of(&mut self, node: i32, address: HostPort) -> Result<HostPort, NoListener> {
        Cluster::instead_of(*self, node, address)
    }

    fn topic(&mut self, id: [u8; 16], name: &str) {
        Cluster::topic(*self, id, name);
    }
}
