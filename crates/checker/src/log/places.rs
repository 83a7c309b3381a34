//! What a partition's producers were told, and in which order its places come,
//! where another tool recorded the history. Knows nothing of what is wrong with
//! either.

use std::collections::BTreeMap;

use model::ids::{Offset, PartitionRef, ProducerIx, RecordId, Sequence};

use crate::log::stored_records::{PlacedRecord, StoredRecords};
use crate::sets::record_set::RecordSet;
use crate::sets::table::Table;
use crate::txn::tracker::Transactions;

/// What a partition's producers were told, in the order in which they were, and
/// what is expected of the order of their records.
#[derive(Default)]
pub(super) struct Sending {
    /// Of each producer, the latest acknowledgement.
    latest: Table<Option<(Sequence, Offset)>>,
    /// Whether one did not lie behind the one before, in both numberings.
    pub(super) is_unordered: bool,
    /// Sequences from which on the order begins anew.
    forgotten: BTreeMap<ProducerIx, Vec<Sequence>>,
}

impl Sending {
    #[inline]
    pub(super) fn acknowledged(&mut self, record: RecordId, offset: Offset) {
        let latest = self.latest.entry(record.producer.get().into());
        let here = (record.sequence, offset);
        if let Some((sequence, before)) = latest {
            self.is_unordered |= here.0 <= *sequence || here.1 <= *before;
        }
        *latest = Some(here);
    }

    pub(super) fn forget(&mut self, producer: ProducerIx, next: Sequence) {
        self.forgotten.entry(producer).or_default().push(next);
    }

    /// Which of a producer's records are expected to be in order: those with
    /// the same number.
    fn era(&self, record: RecordId) -> (ProducerIx, usize) {
        let forgotten = self.forgotten.get(&record.producer);
        let era = forgotten.map_or(0, |next| {
            next.partition_point(|next| *next <= record.sequence)
        });
        (record.producer, era)
    }
}

/// The order of a partition's places, met from the lowest offset on.
#[derive(Default)]
pub(super) struct PlaceOrder {
    latest: BTreeMap<(ProducerIx, usize), PlacedRecord>,
    /// Records of which a place was met here.
    met: RecordSet,
}

impl PlaceOrder {
    /// A record's first place counts.
    pub(super) fn meet(
        &mut self,
        sending: &Sending,
        (partition, offset, record): (PartitionRef, Offset, RecordId),
        stored_records: &mut StoredRecords,
        transactions: &Transactions,
    ) {
        if !self.met.insert(record) {
            return;
        }
        let here = PlacedRecord { offset, record };
        let latest = self.latest.entry(sending.era(record)).or_insert(here);
        if latest.record.sequence <= record.sequence {
            *latest = here;
            return;
        }
        stored_records.find_disorder(partition, here, *latest, transactions);
    }
}
