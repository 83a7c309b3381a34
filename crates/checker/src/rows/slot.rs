//! The replication slot and the write-ahead log: which transactions the connector
//! has confirmed. Knows nothing of events.

use std::collections::BTreeMap;

use model::ids::{Lsn, PartitionRef, TxId};

use crate::names::Names;

/// Which transactions the connector has confirmed. They are known by how many
/// had been completed before.
#[derive(Default)]
pub(super) struct Wal {
    /// Of each transaction, how many were completed before it.
    pub(super) order: BTreeMap<TxId, u64>,
    /// How many had been completed when the connector was created.
    pub(super) began: u64,
    /// How many had been completed where the log had got to each place.
    pub(super) reached: Vec<(Lsn, u64)>,
    pub(super) slot: Slot,
    /// What was known of the slot when each partition began to be read: what
    /// is confirmed later may be in a topic behind what was read of it.
    pub(super) pinned: Vec<(PartitionRef, Slot)>,
}

/// What is known of the replication slot.
#[derive(Clone, Copy, Default)]
pub(super) struct Slot {
    pub(super) confirmed: Lsn,
    /// There is none any more that anything could come from.
    pub(super) gone: bool,
}

impl Wal {
    pub(super) fn completed(&mut self, tx: TxId) {
        let before = self.order.len() as u64;
        self.order.entry(tx).or_insert(before);
    }

    /// What counts of the slot: what was known before the first change topic
    /// was read.
    pub(super) fn settle(&mut self, names: &Names) {
        let is_change = |topic| names.tables.values().any(|table| table.topic == topic);
        let mut pinned = self.pinned.iter();
        if let Some((_, slot)) = pinned.find(|(at, _)| is_change(at.topic)) {
            self.slot = *slot;
        }
    }

    /// How many transactions were completed before a place that is confirmed.
    pub(super) fn confirmed(&self) -> u64 {
        let reached = self.reached.iter();
        let confirmed = reached.filter(|(lsn, _)| *lsn <= self.slot.confirmed);
        confirmed.map(|(_, before)| *before).max().unwrap_or(0)
    }

    /// Whether it was completed before the connector was created.
    pub(super) fn precedes_capture(&self, tx: TxId) -> bool {
        self.order.get(&tx).is_some_and(|at| *at < self.began)
    }
}
