//! Sends that stand in a history behind a poll of their record: the record was sent before
//! it was polled, whatever the order of operations says. One conversion finds them, and the
//! next puts them in their place. Knows nothing of operations.

use std::collections::{BTreeMap, BTreeSet};

use model::ids::{RecordId, TransactionRef};

use super::identities::Partition;

/// A send that a poll came before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sending {
    pub(super) transaction: TransactionRef,
    /// Everything that its operation sends, in order.
    pub(super) records: Vec<(RecordId, Partition)>,
}

/// The partition and value of a record that was polled before its send.
type Early = BTreeMap<(Partition, Box<[u8]>), RecordId>;

/// Such sends, as the conversion before found them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Foreseen {
    records: Early,
    sendings: BTreeMap<TransactionRef, Sending>,
    by_record: BTreeMap<RecordId, TransactionRef>,
}

impl Foreseen {
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The record of a value whose send is still to come.
    pub(super) fn record(&self, partition: Partition, value: &[u8]) -> Option<RecordId> {
        if self.is_empty() {
            return None;
        }
        self.records.get(&(partition, value.into())).copied()
    }

    /// The operation that sends a record.
    pub(super) fn sending(&self, record: RecordId) -> Option<&Sending> {
        self.sendings.get(self.by_record.get(&record)?)
    }
}

/// Finds such sends during a conversion.
#[derive(Debug, Default)]
pub(super) struct Lookout {
    /// Polled, and not sent so far.
    unknown: BTreeSet<(Partition, Box<[u8]>)>,
    found: Foreseen,
}

impl Lookout {
    /// A value was polled that is not sent so far.
    pub(super) fn polled(&mut self, partition: Partition, value: &[u8]) {
        self.unknown.insert((partition, value.into()));
    }

    /// A value is being sent in an operation; whether it was polled before.
    pub(super) fn sent(&mut self, partition: Partition, value: &[u8], record: RecordId) -> bool {
        if self.unknown.is_empty() {
            return false;
        }
        let key = (partition, value.into());
        let early = self.unknown.remove(&key);
        if early {
            self.found.records.insert(key, record);
        }
        early
    }

    /// All sends of an operation, one of which was polled before.
    pub(super) fn sends(&mut self, sending: Sending) {
        for (record, _) in &sending.records {
            self.found.by_record.insert(*record, sending.transaction);
        }
        self.found.sendings.insert(sending.transaction, sending);
    }

    pub(super) fn take(&mut self) -> Foreseen {
        std::mem::take(&mut self.found)
    }
}
