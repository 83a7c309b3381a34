//! Transactions as the log tells of them: which stretches of a partition one
//! producer id wrote in one transaction, and the marker that closed it. Knows
//! nothing of what producers were told.
//!
//! A marker closes whatever its producer id wrote before it. That may be of two
//! transactions: a record that comes late becomes part of the next one, before
//! brokers checked it (KIP-890). A batch is of one: its producer begins none
//! before everything of the last was sent.
//!
//! Held: one entry for each transaction in each partition, and one for each
//! stretch of its batches that other data batches interrupt; nothing for each
//! record. Where the log is told before the sending, one for each batch.

use std::collections::{BTreeMap, HashMap};

use model::event::{BatchKind, Body, Content};
use model::ids::{Offset, PartitionRef, RecordId};

use crate::txn::tracker::Transactions;

/// What the log says of a transaction in one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// No marker closes it.
    Open,
    Committed,
    Aborted,
}

/// Consecutive data batches of one part, and of one transaction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stretch {
    pub(crate) first: i64,
    pub(crate) last: i64,
    part: u32,
    /// One of its records, by which the transaction is known.
    pub(crate) record: Option<RecordId>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct MarkedPartition {
    /// What closes each part: what one producer id wrote up to a marker.
    parts: Vec<Mark>,
    /// In the order of the log.
    pub(crate) stretches: Vec<Stretch>,
    /// By producer id.
    open: HashMap<i64, u32>,
    /// Whether another data batch came behind the last stretch.
    interrupted: bool,
}

/// The batch whose first record is going to name its transaction:
/// the last stretch of its partition.
#[derive(Clone, Copy, Debug)]
struct Unnamed {
    first: Offset,
    last: Offset,
    /// Nothing stands between it and the stretch before.
    adjoins: Adjoins,
}

/// What a batch stands behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Adjoins {
    ItsPart,
    Another,
}

/// The transactions in the log of a history.
#[derive(Clone, Debug, Default)]
pub(crate) struct Markers {
    partitions: BTreeMap<PartitionRef, MarkedPartition>,
    unnamed: HashMap<PartitionRef, Unnamed>,
}

impl Markers {
    /// To be shown an event after the transactions have seen it.
    pub(crate) fn observe(&mut self, body: &Body, transactions: &Transactions) {
        match body {
            Body::StoredBatch {
                partition,
                base_offset,
                last_offset,
                producer_id,
                kind,
                ..
            } => self.batch(
                *partition,
                (*base_offset, *last_offset),
                *producer_id,
                *kind,
            ),
            Body::Stored {
                partition,
                offset,
                content: Content::Ours(record),
            } if !self.unnamed.is_empty() => {
                self.stored(*partition, *offset, *record, transactions);
            }
            _ => {}
        }
    }

    fn batch(
        &mut self,
        partition: PartitionRef,
        (first, last): (Offset, Offset),
        producer_id: i64,
        kind: BatchKind,
    ) {
        if !self.unnamed.is_empty() {
            self.unnamed.remove(&partition);
        }
        if kind == BatchKind::Plain && !self.partitions.contains_key(&partition) {
            return;
        }
        let marked = self.partitions.entry(partition).or_default();
        let mark = match kind {
            BatchKind::Plain => {
                marked.interrupted = true;
                return;
            }
            BatchKind::Transactional => {
                let adjoins = marked.add(first.get(), last.get(), producer_id);
                let unnamed = Unnamed {
                    first,
                    last,
                    adjoins,
                };
                self.unnamed.insert(partition, unnamed);
                return;
            }
            BatchKind::Control => return,
            BatchKind::CommitMarker => Mark::Committed,
            BatchKind::AbortMarker => Mark::Aborted,
        };
        if let Some(part) = marked.open.remove(&producer_id) {
            marked.parts[part as usize] = mark;
        }
    }

    fn stored(
        &mut self,
        partition: PartitionRef,
        offset: Offset,
        record: RecordId,
        transactions: &Transactions,
    ) {
        let Some(unnamed) = self.unnamed.get(&partition) else {
            return;
        };
        if (unnamed.first..=unnamed.last).contains(&offset) {
            let adjoins = unnamed.adjoins;
            self.unnamed.remove(&partition);
            if let Some(marked) = self.partitions.get_mut(&partition) {
                marked.name(record, adjoins, transactions);
            }
        }
    }

    /// The partitions that transactions wrote to, or that hold markers.
    pub(crate) fn partitions(&self) -> impl Iterator<Item = (PartitionRef, &MarkedPartition)> {
        self.partitions
            .iter()
            .map(|(partition, marked)| (*partition, marked))
    }
}

impl MarkedPartition {
    /// Which marker closes a stretch.
    pub(crate) fn mark(&self, stretch: &Stretch) -> Mark {
        self.parts[stretch.part as usize]
    }

    /// Adds a batch as a stretch of its own.
    fn add(&mut self, first: i64, last: i64, producer_id: i64) -> Adjoins {
        let next = u32::try_from(self.parts.len()).unwrap_or(u32::MAX);
        let part = *self.open.entry(producer_id).or_insert(next);
        if part == next {
            self.parts.push(Mark::Open);
        }
        let interrupted = std::mem::take(&mut self.interrupted);
        let adjoins = match self.stretches.last() {
            Some(before) if before.part == part && !interrupted => Adjoins::ItsPart,
            _ => Adjoins::Another,
        };
        self.stretches.push(Stretch {
            first,
            last,
            part,
            record: None,
        });
        adjoins
    }

    /// Names the transaction of the last stretch. Where the one before is known to be of
    /// the same transaction, they are one.
    fn name(&mut self, record: RecordId, adjoins: Adjoins, transactions: &Transactions) {
        let Some((last, before)) = self.stretches.split_last_mut() else {
            return;
        };
        last.record = Some(record);
        let before = before.last_mut().filter(|_| adjoins == Adjoins::ItsPart);
        let Some(before) = before else {
            return;
        };
        let named = before.record;
        if named.is_some_and(|named| transactions.of_both(named, record).is_some()) {
            before.last = last.last;
            self.stretches.pop();
        }
    }
}
