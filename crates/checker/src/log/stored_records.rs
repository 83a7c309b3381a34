//! Which records stand in the log, which of them more than once, and in which
//! order, told partition by partition in the order of offsets. Knows nothing of
//! acknowledgements or readers.
//!
//! Order is told from each producer's latest record in each partition alone.
//! That does not tell whether a record that stands behind a later one is the
//! first copy of a record out of order, or a second copy of one in order, when
//! it is known to stand somewhere else too. A few of those are looked up in
//! another reading; where there are many, the log is told again, and this time
//! it is known which records have copies.

use std::collections::BTreeMap;

use model::anomaly::Anomaly;
use model::ids::{Offset, PartitionRef, RecordId};

use crate::finding::{FindingCollector, Watch};
use crate::sets::record_set::RecordSet;
use crate::sets::table::Table;
use crate::txn::tracker::Transactions;

/// The records that stand in the log.
#[derive(Default)]
pub(crate) struct StoredRecords {
    pub(crate) stored: RecordSet,
    /// Of these, how many are row changes.
    pub(crate) changes: u64,
    /// Those that stand at more than one place.
    pub(crate) again: RecordSet,
    /// Copies beyond the first.
    pub(crate) extra_copies: u64,
    /// First copies with a predecessor of the same producer in the same
    /// partition.
    pub(crate) ordered_pairs: u64,
    /// Those out of order, and those before which they should stand.
    pub(crate) disordered: RecordSet,
    /// What was found out of order.
    pub(crate) collector: FindingCollector,
    /// Records that stand behind a later one, and somewhere else too.
    doubtful: BTreeMap<(PartitionRef, RecordId), Doubtful>,
    doubtful_max: usize,
    /// Whether there are too many of them.
    pub(crate) is_unclear: bool,
    /// Every record that may stand at more than one place, once it is known.
    copied: Option<RecordSet>,
}

/// The order in which one partition holds its records.
#[derive(Default)]
pub(crate) struct Order {
    last: Option<Offset>,
    /// Of each producer, the record that was sent last.
    latest: Table<Option<PlacedRecord>>,
    /// The records with copies that were met here.
    met: RecordSet,
}

/// A record that was met, and where.
#[derive(Clone, Copy)]
pub(crate) struct PlacedRecord {
    pub(crate) offset: Offset,
    pub(crate) record: RecordId,
}

/// A record that may be out of order.
struct Doubtful {
    offset: Offset,
    later: PlacedRecord,
    copy: CopyKind,
}

/// Whether a record was met in this partition before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum CopyKind {
    First,
    Later,
    Unknown,
}

impl Order {
    /// Whether an offset lies behind all that came before it.
    pub(crate) fn goes_on(&mut self, offset: Offset) -> bool {
        let on = self.last.is_none_or(|last| last < offset);
        self.last = self.last.max(Some(offset));
        on
    }
}

impl Order {
    /// Of each producer, the record that stands here and was sent last.
    pub(crate) fn latest(&self) -> impl Iterator<Item = (Offset, RecordId)> + '_ {
        let latest = self.latest.values().flatten();
        latest.map(|latest| (latest.offset, latest.record))
    }
}

impl StoredRecords {
    /// Nothing stands anywhere yet; so many records may be looked up later.
    pub(crate) fn doubting(doubtful_max: usize) -> Self {
        Self {
            doubtful_max,
            ..Self::default()
        }
    }

    /// For a second telling of the same log.
    pub(crate) fn told_again(self) -> Self {
        Self {
            copied: Some(self.again),
            ..Self::default()
        }
    }

    /// Notes that a record stands at an offset. Each partition's are told in
    /// their order, and each once.
    #[inline]
    pub(crate) fn meet(
        &mut self,
        order: &mut Order,
        partition: PartitionRef,
        offset: Offset,
        record: RecordId,
        transactions: &Transactions,
    ) {
        let new = self.stored.insert(record);
        if record.is_change() {
            // Their order and their copies are for the capture to find.
            self.changes += u64::from(new);
            if !new {
                self.again.insert(record);
            }
            return;
        }
        if !new {
            self.again.insert(record);
            self.extra_copies += 1;
        }
        let copy = match &self.copied {
            Some(copied) if copied.contains(record) => {
                if order.met.insert(record) {
                    CopyKind::First
                } else {
                    CopyKind::Later
                }
            }
            None if !new => CopyKind::Unknown,
            _ => CopyKind::First,
        };
        let here = PlacedRecord { offset, record };
        let latest = order.latest.entry(record.producer.get().into());
        let Some(later) = *latest else {
            *latest = Some(here);
            return;
        };
        if record.sequence > later.record.sequence {
            self.ordered_pairs += 1;
            *latest = Some(here);
            return;
        }
        if copy == CopyKind::Later || record == later.record {
            return;
        }
        if copy == CopyKind::Unknown {
            self.doubt(partition, here, later);
            return;
        }
        self.find_disorder(partition, here, later, transactions);
    }

    fn doubt(&mut self, partition: PartitionRef, here: PlacedRecord, later: PlacedRecord) {
        if self.doubtful.len() == self.doubtful_max {
            self.is_unclear = true;
            return;
        }
        let doubtful = self.doubtful.entry((partition, here.record));
        doubtful.or_insert(Doubtful {
            offset: here.offset,
            later,
            copy: CopyKind::First,
        });
    }

    /// Whether any record has to be looked up.
    pub(crate) fn has_doubts(&self) -> bool {
        !self.doubtful.is_empty()
    }

    /// Takes in what stands in the log once more, for what is in doubt.
    #[inline]
    pub(crate) fn look_up(&mut self, partition: PartitionRef, offset: Offset, record: RecordId) {
        if !self.doubtful.is_empty()
            && let Some(doubtful) = self.doubtful.get_mut(&(partition, record))
            && offset < doubtful.offset
        {
            doubtful.copy = CopyKind::Later;
        }
    }

    /// Settles what was in doubt, when all was looked up.
    pub(crate) fn settle_doubts(&mut self, transactions: &Transactions) {
        for ((partition, record), doubtful) in std::mem::take(&mut self.doubtful) {
            let offset = doubtful.offset;
            if doubtful.copy == CopyKind::First {
                let here = PlacedRecord { offset, record };
                self.find_disorder(partition, here, doubtful.later, transactions);
            }
        }
    }

    /// Forgets what was found out of order, and what may be: it is told anew. That
    /// there are two records of one producer in one partition is not.
    pub(crate) fn forget_disorder(&mut self) {
        self.ordered_pairs += u64::from(self.is_unclear || !self.doubtful.is_empty());
        self.collector = FindingCollector::default();
        self.disordered = RecordSet::default();
        self.doubtful.clear();
    }

    /// nonmonotonic-send: of each record's first copy in a partition, in
    /// offset order, those count that stand behind a record which the same
    /// producer sent later. Later copies say nothing about order. Where both
    /// were sent in one transaction, it is int-nonmonotonic-send.
    pub(crate) fn find_disorder(
        &mut self,
        partition: PartitionRef,
        here: PlacedRecord,
        later: PlacedRecord,
        transactions: &Transactions,
    ) {
        let record = here.record;
        self.ordered_pairs += 1;
        self.disordered.insert(record);
        self.disordered.insert(later.record);
        let anomaly = match transactions.of_both(record, later.record) {
            Some(_) => Anomaly::IntNonmonotonicSend,
            None => Anomaly::NonmonotonicSend,
        };
        self.collector.add_record(anomaly, record, || {
            let what = format!("{record} stands behind {}, sent later", later.record);
            let watch = vec![
                Watch::Record(record),
                Watch::Position(partition, here.offset),
                Watch::Record(later.record),
                Watch::Position(partition, later.offset),
            ];
            (what, watch)
        });
    }
}
