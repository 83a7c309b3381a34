//! The truth of a history that another tool recorded. No observer read it, so
//! what the readers were given stands for it, up to the highest offset that
//! any reader was given of each partition. Knows nothing of the tools.
//!
//! A record exists at an offset when a reader was given it there, or when an
//! acknowledgement names the place and its transaction, if it was sent in one,
//! has committed.
//!
//! A success without an offset names no place. But its producer was told it
//! before it was told of a record that it sent later, to the same partition:
//! one connection is answered in the order in which it stores, and what is
//! stored before that record lies below its offset.

use std::collections::BTreeMap;
use std::ops::Range;

use model::ids::{Offset, PartitionRef, ProducerIx, RecordId};

use super::{Ledger, PartitionLog};
use crate::names::Names;
use crate::passes::limits::Limits;
use crate::provenance::Provenance;
use crate::sets::sparse_set::SparseSet;
use crate::txn::outcomes::{TxnOutcome, TxnOutcomes};

/// Who tells what stands in the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Witness {
    /// An observer, when the traffic was over.
    #[default]
    Observer,
    /// The readers.
    Readers,
    /// The readers, and the producers of what was sent in transactions.
    ReadersAndProducers,
}

/// What was said of a partition, where everything is kept.
#[derive(Default)]
pub(super) struct Told(Vec<(Offset, RecordId)>);

impl Told {
    pub(super) fn add(&mut self, offset: Offset, record: RecordId) {
        if self.0.len() == self.0.capacity() {
            self.sort();
        }
        self.0.push((offset, record));
    }

    fn sort(&mut self) {
        self.0.sort_unstable();
        self.0.dedup();
    }
}

/// Successes without an offset that are followed, at most; of others nobody
/// can tell whether they are lost.
const FOLLOWED_MAX: usize = 1 << 16;

/// Successes without an offset, and what the same producers were told next.
#[derive(Default)]
pub(super) struct Followed {
    /// Of which no record that was sent later was acknowledged so far.
    open: BTreeMap<(PartitionRef, ProducerIx), Vec<RecordId>>,
    /// The offset of such a record, below which they lie if they were stored.
    below: BTreeMap<RecordId, Offset>,
    len: usize,
}

impl Followed {
    /// A producer was told success of a record, at an offset.
    pub(super) fn hear(&mut self, partition: PartitionRef, record: RecordId, offset: Offset) {
        if self.open.is_empty() {
            return;
        }
        let from = (partition, record.producer);
        if let Some(open) = self.open.get_mut(&from) {
            open.retain(|before| {
                let later = before.sequence < record.sequence;
                if later {
                    self.below.insert(*before, offset);
                }
                !later
            });
            if open.is_empty() {
                self.open.remove(&from);
            }
        }
    }

    /// A producer was told success of a record, without an offset.
    pub(super) fn hear_unplaced(&mut self, partition: PartitionRef, record: RecordId) {
        if self.len < FOLLOWED_MAX {
            self.len += 1;
            let from = (partition, record.producer);
            self.open.entry(from).or_default().push(record);
        }
    }

    /// The offset below which a record lies, if it is stored.
    pub(super) fn below(&self, record: RecordId) -> Option<Offset> {
        self.below.get(&record).copied()
    }
}

impl Ledger {
    /// For a history of which it is known who its witnesses are.
    pub(crate) fn told_by(witness: Witness, limits: Limits) -> Self {
        Self {
            witness,
            ..Self::within(limits)
        }
    }

    /// Whether something was told before it was known whose word would count.
    pub(crate) fn has_missed(&self, witness: Witness) -> bool {
        self.is_late || self.witness != witness
    }

    /// Learns that others are witnesses, too.
    pub(super) fn learn(&mut self, witness: Witness) {
        if self.witness < witness {
            self.witness = witness;
            self.is_late |= self.partitions.values().next().is_some();
        }
    }

    /// Takes what the readers were given for what the log holds.
    pub(crate) fn stand_in(&mut self, names: &Names) {
        for topic in names.topics.keys() {
            for partition in names.partitions_of(*topic) {
                self.partitions.entry(partition);
            }
        }
        for log in self.partitions.values_mut() {
            log.told.sort();
            let end = log.data.last().map_or(0, |last| last.saturating_add(1));
            log.pinned = Some(Offset::new(0)..Offset::new(end.max(0)));
            log.read = true;
        }
    }

    /// Lets what was acknowledged exist, now that it is known what became of
    /// the transactions.
    pub(crate) fn believe_acknowledgements(
        &mut self,
        txn_outcomes: &TxnOutcomes,
        provenance: &Provenance,
    ) {
        let witness = self.witness;
        let all: Vec<PartitionRef> = self.partitions().collect();
        for partition in all {
            let log = self.partitions.entry(partition);
            let taken = |offset| provenance.is_replaceable(partition, offset);
            if witness == Witness::ReadersAndProducers {
                log.believe_committed(txn_outcomes, taken);
            } else {
                log.believe_all(taken);
            }
        }
    }

    /// What was acknowledged or read in a partition, in the order of offsets;
    /// after [`Ledger::stand_in`].
    pub(crate) fn stored_records(
        &self,
        partition: PartitionRef,
    ) -> impl Iterator<Item = (Offset, RecordId)> + '_ {
        let log = self.partitions.get(partition);
        log.into_iter().flat_map(|log| log.told.0.iter().copied())
    }
}

impl PartitionLog {
    /// Notes that a member processed what stands at an offset.
    #[inline]
    pub(super) fn processed_at(&mut self, offset: Offset) {
        let behind = Offset::new(offset.get().saturating_add(1));
        let read = self.processed.get_or_insert(offset..behind);
        read.start = read.start.min(offset);
        read.end = read.end.max(behind);
    }

    /// From the lowest offset that anybody processed to behind the highest.
    pub(super) const fn processed(&self) -> Option<&Range<Offset>> {
        self.processed.as_ref()
    }

    /// Offsets of what was acknowledged above everything that anybody was given,
    /// and that nothing may have taken.
    pub(crate) const fn beyond(&self) -> &SparseSet {
        &self.beyond
    }

    fn believe_all(&mut self, taken: impl Fn(Offset) -> bool) {
        let (first, end) = self.inside(i64::MIN, i64::MAX);
        let acknowledged = self.acknowledged.at();
        let all = acknowledged.range(first.max(0), i64::MAX);
        for offset in all.filter(|offset| !taken(Offset::new(*offset))) {
            if offset >= end {
                self.beyond.insert(offset);
            } else if self.data.insert(offset) || self.unprocessed.contains(offset) {
                self.only_acknowledged.insert(offset);
            }
        }
    }

    fn believe_committed(&mut self, txn_outcomes: &TxnOutcomes, taken: impl Fn(Offset) -> bool) {
        let pinned = self.pinned.clone().unwrap_or_default();
        for (offset, record) in &self.told.0 {
            let outcome = txn_outcomes.outcome_of(*record);
            let is_visible = matches!(outcome, None | Some(TxnOutcome::Committed));
            if !is_visible || offset.get() < 0 || taken(*offset) {
                continue;
            }
            if *offset >= pinned.end {
                self.beyond.insert(offset.get());
            } else if self.data.insert(offset.get()) || self.unprocessed.contains(offset.get()) {
                self.only_acknowledged.insert(offset.get());
            }
        }
    }
}
