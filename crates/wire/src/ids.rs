//! Kafka's ids, as its messages carry them.

use std::fmt;

use kafka_protocol::messages::BrokerId as WireBrokerId;
use model::ids::BrokerId;
use uuid::Uuid;

/// Kafka writes "no broker" as -1.
pub(crate) fn broker_id(id: WireBrokerId) -> Option<BrokerId> {
    (id.0 >= 0).then_some(BrokerId::new(id.0))
}

/// A topic's identity (KIP-516): a deleted and re-created topic has a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicId(Uuid);

impl TopicId {
    /// Brokers without topic ids answer with zeros.
    pub(crate) fn from_wire(id: Uuid) -> Option<Self> {
        (!id.is_nil()).then_some(Self(id))
    }

    pub(crate) fn to_wire(self) -> Uuid {
        self.0
    }
}

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
