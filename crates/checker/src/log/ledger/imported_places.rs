//! Places of records in a history that another tool recorded: where a reader was
//! given a record, and where a producer was told it is. No observer tells which
//! of the two is right, so each is a place. Knows nothing of the tools.
//!
//! - *duplicate*: a record with two places or more; each beyond the first.
//! - *inconsistent-offsets*: a place with two records or more; each beyond the
//!   first counts once.
//! - *nonmonotonic-send*, *int-nonmonotonic-send*: as in a log, by the first
//!   place of each record in a partition.
//!
//! Where everything that was acknowledged was read in its place, in the order of
//! sending, nothing of this is looked at: only contested blocks are.

use model::anomaly::Anomaly;
use model::ids::{Offset, RecordId};

use crate::context::Context;
use crate::finding::{FindingCollector, Watch};
use crate::log::claims::Blocks;
use crate::log::collect::{Claim, ClaimKind};
use crate::log::{Ledger, PartitionLog};
use crate::txn::outcomes::TxnOutcome;

impl PartitionLog {
    /// Contests every block of which anything was said.
    pub(super) fn contest_everything(&mut self, blocks: Blocks) {
        let said = self.acknowledged.blocks();
        let read = self.all.iter().map(|(block, _)| block);
        let glimpsed = self.glimpsed.iter();
        let glimpsed = glimpsed.map(|offset| blocks.holding(Offset::new(offset)));
        for block in said.chain(read).chain(glimpsed) {
            self.contested.acknowledgements.insert(block);
        }
    }

    /// Contests the blocks of what was read and never acknowledged there, where
    /// something else was acknowledged and not read.
    pub(super) fn contest_unacknowledged(&mut self, blocks: Blocks) {
        if self.contested.acknowledgements.is_empty() {
            return;
        }
        let acknowledged = self.acknowledged.at();
        let unacknowledged = self.data.range_without(acknowledged, i64::MIN, i64::MAX);
        for offset in unacknowledged {
            let block = blocks.holding(Offset::new(offset));
            self.contested.readings.insert(block);
        }
    }
}

impl Ledger {
    /// Finds the blocks whose places have to be looked at one by one, and drops
    /// what readings alone have said of their order.
    pub(super) fn contest_places(&mut self) {
        let blocks = self.blocks();
        let stored_records = &mut self.stored_records;
        let unclean = !stored_records.again.is_empty() || !stored_records.disordered.is_empty();
        stored_records.forget_disorder();
        for log in self.partitions.values_mut() {
            if unclean || log.sending.is_unordered || !log.glimpsed.is_empty() {
                log.contest_everything(blocks);
            } else {
                log.contest_unacknowledged(blocks);
            }
        }
    }

    /// A place at which a record was not read: not its first, if it was read
    /// elsewhere, or is said to be elsewhere too.
    fn count_unread_place(&mut self, record: RecordId, collector: &mut FindingCollector) {
        if self.stored_records.stored.contains(record) || !self.unread_places.insert(record) {
            collector.add_record(Anomaly::Duplicate, record, || {
                let what = format!("{record} has more than one place");
                (what, vec![Watch::Record(record)])
            });
        }
    }

    /// The only record that is said to be at an offset, where nothing of the
    /// partition was read.
    pub(super) fn settle_lone_place(
        &mut self,
        claim: Claim,
        context: &Context,
        collector: &mut FindingCollector,
    ) {
        let outcome = context.txn_outcomes.outcome_of(claim.record);
        if claim.offset.get() >= 0 && matches!(outcome, None | Some(TxnOutcome::Committed)) {
            self.count_unread_place(claim.record, collector);
        }
    }

    /// Every record that is said to be at one offset: acknowledged, read,
    /// glimpsed; sorted by kind.
    pub(super) fn settle_told_place(
        &mut self,
        claims: &[Claim],
        absent: impl Fn(&mut Self, Claim, &mut FindingCollector),
        context: &Context,
        collector: &mut FindingCollector,
    ) {
        let Some(Claim {
            partition, offset, ..
        }) = claims.first().copied()
        else {
            return;
        };
        let of = |kind: ClaimKind| claims.iter().filter(move |claim| claim.kind == kind);
        let visible = |claim: &&Claim| {
            let outcome = context.txn_outcomes.outcome_of(claim.record);
            matches!(outcome, None | Some(TxnOutcome::Committed))
        };
        let mut here: Vec<RecordId> = of(ClaimKind::Stored).map(|claim| claim.record).collect();
        let read = here.len();
        for claim in of(ClaimKind::Acknowledged) {
            if self.stored_records.stored.contains(claim.record) {
                self.settled.looked_for += 1;
            } else {
                absent(self, *claim, collector);
            }
        }
        let acknowledged = of(ClaimKind::Acknowledged).filter(visible);
        let acknowledged = acknowledged.filter(|claim| claim.offset.get() >= 0);
        for claim in of(ClaimKind::Glimpsed).chain(acknowledged) {
            if !here.contains(&claim.record) {
                here.push(claim.record);
            }
        }
        for record in here.iter().skip(read) {
            self.count_unread_place(*record, collector);
        }
        for record in here.iter().skip(1) {
            self.contradict(*record, partition, offset, &context.names, collector);
        }
        here.sort_unstable();
        let Some(log) = self.partitions.get_mut(partition) else {
            return;
        };
        for record in here {
            log.places.meet(
                &log.sending,
                (partition, offset, record),
                &mut self.stored_records,
                &context.txn_outcomes.transactions,
            );
        }
    }
}
