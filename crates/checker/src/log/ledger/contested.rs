//! What single claims come to, of contested blocks and of acknowledgements without
//! an offset: lost-write, unseen and inconsistent-offsets. Knows nothing of how
//! they were collected.

use std::collections::BTreeSet;

use model::anomaly::Anomaly;
use model::ids::{Offset, PartitionRef, RecordId, TopicIx};

use crate::context::Context;
use crate::finding::{FindingCollector, Watch};
use crate::log::absence::Absence;
use crate::log::collect::{Claim, ClaimKind};
use crate::log::ledger::{Ledger, Lost};
use crate::log::partition_log::PartitionLog;
use crate::log::targets::Target;
use crate::log::witness::Witness;
use crate::names::Names;

impl Ledger {
    /// Acknowledgements without an offset: their record stands somewhere, or
    /// nowhere.
    pub(super) fn settle_unplaced(
        &mut self,
        read: &BTreeSet<TopicIx>,
        context: &Context,
        collector: &mut FindingCollector,
    ) {
        let partitions = self.partitions.iter();
        let partitions: Vec<PartitionRef> = partitions.map(|(partition, _)| partition).collect();
        for partition in partitions {
            let unplaced = std::mem::take(&mut self.partitions.entry(partition).unplaced);
            for record in unplaced.iter() {
                if self.stored_records.stored.contains(record) {
                    self.settled.looked_for += 1;
                    continue;
                }
                let claim = Claim {
                    partition,
                    offset: Offset::NONE,
                    kind: ClaimKind::Acknowledged,
                    record,
                };
                self.settle_missing(claim, read, context, collector);
            }
            self.partitions.entry(partition).unplaced = unplaced;
        }
    }

    /// What it means that an acknowledged record stands nowhere, where its
    /// topic was read: lost-write, unless something else explains it.
    pub(super) fn settle_missing(
        &mut self,
        claim: Claim,
        read: &BTreeSet<TopicIx>,
        context: &Context,
        collector: &mut FindingCollector,
    ) {
        let Claim {
            partition,
            offset,
            record,
            ..
        } = claim;
        let Some(log) = self.partitions.get(partition) else {
            return;
        };
        if !read.contains(&partition.topic) {
            return;
        }
        let place = (partition, offset, self.followed.below(record));
        let settled = &mut self.settled;
        let anomaly = match Absence::of(record, place, log, context) {
            Absence::Damaged => {
                settled.damaged += 1;
                return;
            }
            Absence::Expired => {
                settled.expired += 1;
                settled.deleted += u64::from(context.names.deletes(partition.topic));
                return;
            }
            Absence::Compacted => {
                settled.compacted += 1;
                return;
            }
            Absence::Replaced => {
                settled.replaced += 1;
                settled.looked_for += 1;
                return;
            }
            Absence::Invisible => return,
            Absence::Unseen => Anomaly::Unseen,
            Absence::Lost => {
                settled.looked_for += 1;
                self.lost.add(record, (partition, offset), log, context);
                let log = self.partitions.entry(partition);
                if log.has(offset.get()) {
                    log.cut(offset);
                }
                Anomaly::LostWrite
            }
        };
        collector.add_record(anomaly, record, || {
            let name = context.names.partition(partition);
            if !offset.is_given() {
                let what = format!("{record}, reported as a success in {name} without an offset");
                return (what, vec![Watch::Record(record)]);
            }
            let what = format!("{record}, acknowledged at {name}@{offset}");
            let here = Watch::Position(partition, offset);
            (what, vec![Watch::Record(record), here])
        });
    }

    /// Everything that was said of one contested offset, against what stands
    /// there; sorted by kind.
    pub(super) fn settle_place(
        &mut self,
        claims: &[Claim],
        read: &BTreeSet<TopicIx>,
        context: &Context,
        collector: &mut FindingCollector,
    ) {
        if self.witness != Witness::Observer {
            let absent = |ledger: &mut Self, claim, collector: &mut FindingCollector| {
                ledger.settle_missing(claim, read, context, collector);
            };
            self.settle_told_place(claims, absent, context, collector);
            return;
        }
        let (partition, offset) = (claims[0].partition, claims[0].offset);
        let acknowledged = claims.partition_point(|claim| claim.kind < ClaimKind::Stored);
        let (acknowledged, rest) = claims.split_at(acknowledged);
        let stored_records = rest.partition_point(|claim| claim.kind < ClaimKind::Read);
        let (stored_records, readings) = rest.split_at(stored_records);
        // Sorted by record, as all claims of one kind are.
        let stands = |claim: &Claim| {
            let found = stored_records.binary_search_by_key(&claim.record, |there| there.record);
            found.is_ok()
        };
        let is_read = self.is_read(partition);

        let mut absent: Vec<Claim> = acknowledged.to_vec();
        absent.retain(|claim| !stands(claim));
        for claim in &absent {
            if !self.stored_records.stored.contains(claim.record) {
                self.settle_missing(*claim, read, context, collector);
            }
        }
        let stored = |claim: &Claim| self.stored_records.stored.contains(claim.record);
        let looked_for = acknowledged.iter().filter(|claim| stored(claim)).count();
        // It was acknowledged here, and stands elsewhere; but where a copy may
        // have been taken from here, it says nothing that the other is there.
        let log = self.partitions.get(partition);
        let taken = log.is_some_and(|log| log.is_emptied(partition, offset, &context.names));
        let elsewhere = |claim: &Claim| is_read && !taken && stored(claim);
        let mut contradicted: Vec<RecordId> = Vec::new();
        if offset.get() >= 0 {
            let elsewhere = absent.iter().filter(|claim| elsewhere(claim));
            contradicted.extend(elsewhere.map(|claim| claim.record));
        }
        // Two records stand at one offset.
        contradicted.extend(stored_records.iter().skip(1).map(|claim| claim.record));
        if !stored_records.is_empty() {
            let others: Vec<Claim> = readings
                .iter()
                .filter(|claim| !stands(claim))
                .copied()
                .collect();
            self.use_again(stored_records, &others);
        }
        let target = match (acknowledged, stored_records) {
            ([told], [there]) if told.record == there.record => Some(Target::of(*there)),
            _ => None,
        };

        self.settled.looked_for += looked_for as u64;
        if let Some(target) = target
            && let Some(log) = self.partitions.get_mut(partition)
        {
            log.candidates.offer_settled(target);
        }
        for record in contradicted {
            self.contradict(record, partition, offset, &context.names, collector);
        }
    }

    /// Notes that other records were read at an offset than the one that
    /// stands there.
    fn use_again(&mut self, stored_records: &[Claim], others: &[Claim]) {
        let Some(first) = others.first() else {
            return;
        };
        let place = (first.partition, first.offset);
        self.past
            .use_again(place, stored_records.iter().map(|claim| claim.record));
        for claim in others {
            let stands = self.stored_records.stored.contains(claim.record);
            self.past.displace(place, claim.record, stands);
            if stands {
                self.moved.push(*claim);
            } else {
                self.partitions.entry(claim.partition).cut(claim.offset);
            }
        }
    }

    /// Holds readings of records that stand elsewhere against the log, once it
    /// is known from where on it was cut: in an earlier life of the log the
    /// record may have been there.
    pub(super) fn settle_moved(&mut self, names: &Names, collector: &mut FindingCollector) {
        for claim in std::mem::take(&mut self.moved) {
            let log = self.partitions.get(claim.partition);
            let cut_from = log.and_then(|log| log.cut_from);
            let is_cut = cut_from.is_some_and(|from| from <= claim.offset.get());
            if self.witness != Witness::Observer || !is_cut {
                self.contradict(
                    claim.record,
                    claim.partition,
                    claim.offset,
                    names,
                    collector,
                );
            }
        }
    }

    /// inconsistent-offsets: a record that does not stand, or was not read,
    /// where it is said to be in this life of the log, or that shares its
    /// offset with another.
    pub(super) fn contradict(
        &mut self,
        record: RecordId,
        partition: PartitionRef,
        offset: Offset,
        names: &Names,
        collector: &mut FindingCollector,
    ) {
        if !self.contradicted.insert(record) {
            return;
        }
        collector.add_record(Anomaly::InconsistentOffsets, record, || {
            let what = format!("{record} at {}@{offset}", names.partition(partition));
            let here = Watch::Position(partition, offset);
            (what, vec![Watch::Record(record), here])
        });
    }
}

impl Lost {
    /// Notes a lost record where others care about it.
    fn add(
        &mut self,
        record: RecordId,
        (partition, offset): (PartitionRef, Offset),
        log: &PartitionLog,
        context: &Context,
    ) {
        if context.txn_outcomes.transactions.of(record).is_some() {
            self.of_transactions.push(record);
        }
        if log.end().is_some_and(|end| offset >= end) {
            let highest = self.above_end.entry(partition).or_insert((offset, record));
            *highest = (*highest).max((offset, record));
        }
    }
}
