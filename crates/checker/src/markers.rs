//! Transactions as the log tells of them: which stretches of a partition one
//! producer id wrote in one transaction, and the marker that closed it. Knows
//! nothing of what producers were told.
//!
//! Held: one entry for each transaction in each partition, and one for each
//! stretch of its batches that other data batches interrupt; nothing for each
//! record.

use std::collections::{BTreeMap, HashMap};

use model::event::{BatchKind, Body, Content};
use model::ids::{Offset, PartitionRef, RecordId};

/// What the log says of a transaction in one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// No marker closes it.
    Open,
    Committed,
    Aborted,
}

/// What one transaction wrote in one partition.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    /// One of its records, by which the transaction is known.
    pub(crate) record: Option<RecordId>,
    pub(crate) mark: Mark,
}

/// Consecutive data batches of one part.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stretch {
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) part: u32,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct MarkedPartition {
    pub(crate) parts: Vec<Part>,
    /// In the order of the log.
    pub(crate) stretches: Vec<Stretch>,
    /// By producer id.
    open: HashMap<i64, u32>,
    /// Whether another data batch came behind the last stretch.
    interrupted: bool,
}

/// The batch whose first record is going to say whose transaction it is of.
#[derive(Clone, Copy, Debug)]
struct Unnamed {
    part: u32,
    first: Offset,
    last: Offset,
}

/// The transactions in the log of a history.
#[derive(Clone, Debug, Default)]
pub(crate) struct Markers {
    partitions: BTreeMap<PartitionRef, MarkedPartition>,
    unnamed: HashMap<PartitionRef, Unnamed>,
}

impl Markers {
    pub(crate) fn observe(&mut self, body: &Body) {
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
            } if !self.unnamed.is_empty() => self.stored(*partition, *offset, *record),
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
                let part = marked.add(first.get(), last.get(), producer_id);
                if marked.parts[part as usize].record.is_none() {
                    self.unnamed
                        .insert(partition, Unnamed { part, first, last });
                }
                return;
            }
            BatchKind::Control => return,
            BatchKind::CommitMarker => Mark::Committed,
            BatchKind::AbortMarker => Mark::Aborted,
        };
        if let Some(part) = marked.open.remove(&producer_id) {
            marked.parts[part as usize].mark = mark;
        }
    }

    fn stored(&mut self, partition: PartitionRef, offset: Offset, record: RecordId) {
        let Some(unnamed) = self.unnamed.get(&partition) else {
            return;
        };
        if (unnamed.first..=unnamed.last).contains(&offset) {
            let part = unnamed.part as usize;
            self.unnamed.remove(&partition);
            if let Some(marked) = self.partitions.get_mut(&partition) {
                marked.parts[part].record = Some(record);
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
    fn add(&mut self, first: i64, last: i64, producer_id: i64) -> u32 {
        let next = u32::try_from(self.parts.len()).unwrap_or(u32::MAX);
        let part = *self.open.entry(producer_id).or_insert(next);
        if part == next {
            self.parts.push(Part {
                record: None,
                mark: Mark::Open,
            });
        }
        let interrupted = std::mem::take(&mut self.interrupted);
        match self.stretches.last_mut() {
            Some(before) if before.part == part && !interrupted => before.last = last,
            _ => self.stretches.push(Stretch { first, last, part }),
        }
        part
    }
}
