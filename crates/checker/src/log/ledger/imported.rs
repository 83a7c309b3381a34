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

use model::ids::{Offset, PartitionRef, RecordId};

use crate::limits::Limits;
use crate::log::ledger::Ledger;
use crate::log::partition_log::PartitionLog;
use crate::log::witness::Witness;
use crate::names::Names;
use crate::provenance::Provenance;
use crate::txn::outcomes::{TxnOutcome, TxnOutcomes};

impl Ledger {
    /// For a history whose witnesses are known.
    pub(crate) fn with_witness(witness: Witness, limits: Limits) -> Self {
        Self {
            witness,
            ..Self::within(limits)
        }
    }

    /// Whether there were records before the witness was known.
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
    pub(crate) fn take_reads_for_log(&mut self, names: &Names) {
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
    pub(crate) fn take_acknowledgements_for_log(
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
                log.take_committed(txn_outcomes, taken);
            } else {
                log.take_all_acknowledged(taken);
            }
        }
    }

    /// What was acknowledged or read in a partition, in the order of offsets;
    /// after [`Ledger::take_reads_for_log`].
    pub(crate) fn stored_records(
        &self,
        partition: PartitionRef,
    ) -> impl Iterator<Item = (Offset, RecordId)> + '_ {
        let log = self.partitions.get(partition);
        log.into_iter().flat_map(|log| log.told.0.iter().copied())
    }
}

impl PartitionLog {
    fn take_all_acknowledged(&mut self, taken: impl Fn(Offset) -> bool) {
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

    fn take_committed(&mut self, txn_outcomes: &TxnOutcomes, taken: impl Fn(Offset) -> bool) {
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
