//! What all passes came to: counts, records to plant mutants on, and the findings
//! that need no single claims (duplicate, failed-write-visible, phantom, corrupt).

use std::collections::BTreeSet;

use model::anomaly::Anomaly;
use model::ids::{Offset, PartitionRef, RecordId, TopicIx};

use crate::context::Context;
use crate::finding::{FindingCollector, Scope, Watch};
use crate::invariants::without;
use crate::log::ledger::{Ledger, Settled};
use crate::log::partition_log::PartitionLog;
use crate::log::targets::{Confidence, TARGET_PARTITIONS_MAX, Target};
use crate::log::witness::Witness;
use crate::names::Names;

impl Ledger {
    /// Puts together what all readings came to.
    pub(super) fn put_together(
        &mut self,
        context: &Context,
        collector: &mut FindingCollector,
    ) -> Settled {
        assert!(
            self.is_settled(),
            "the log is put together before it is settled"
        );
        let mut settled = std::mem::take(&mut self.settled);
        self.count(&mut settled, &context.names);
        settled.targets = self.choose_targets(&context.names);
        settled.other_records = self.choose_other_records(&context.names);
        self.find_duplicates(collector);
        collector.absorb(std::mem::take(&mut self.stored_records.collector));
        self.find_failed_and_stored(collector);
        self.find_unidentified(&context.names, collector);
        settled
    }

    pub(super) fn count(&self, settled: &mut Settled, names: &Names) {
        settled.sent = self.sent.len();
        settled.acknowledged = self.acknowledged.len();
        let failed = self.failed.iter();
        let failed_only = failed.filter(|record| !self.acknowledged.contains(*record));
        settled.failed = failed_only.count() as u64;
        let unacknowledged = self.sent.without(&self.acknowledged);
        settled.unacknowledged = unacknowledged.count() as u64;
        settled.untold = self.untold().count() as u64;
        settled.untold_first = self.untold().next();
        let logs = self.partitions.iter();
        settled.stored = logs
            .filter(|(at, _)| !names.holds_changes(at.topic))
            .map(|(_, log)| {
                let only = log.only_acknowledged.len();
                without(
                    log.data.len(),
                    only,
                    "offsets only acknowledged, of those with data",
                )
            })
            .sum();
        settled.distinct = without(
            self.stored_records.stored.len(),
            self.stored_records.changes,
            "row changes, of the stored events",
        );
        // Without an observer it is only known whether there are any: places are
        // met more than once.
        settled.ordered_pairs = match self.witness {
            Witness::Observer => self.stored_records.ordered_pairs,
            Witness::Readers | Witness::ReadersAndProducers => {
                self.stored_records.ordered_pairs.min(1)
            }
        };
        let partitions = self.partitions.iter();
        settled.unread = partitions
            .filter(|(_, log)| !log.is_read())
            .map(|(partition, _)| partition)
            .collect();
        let partitions = self.partitions.iter();
        settled.extents = partitions
            .map(|(partition, log)| (partition, log.extent(self.witness)))
            .collect();
    }

    /// Partitions of topics that were read: of others nothing can be called
    /// lost, or misplaced, and what is planted there would be missed.
    fn in_view(&self, names: &Names) -> impl Iterator<Item = (PartitionRef, &PartitionLog)> {
        let topics: BTreeSet<TopicIx> = self.partitions.iter().map(|(of, _)| of.topic).collect();
        let topics = topics.into_iter();
        let read: BTreeSet<TopicIx> = topics
            .filter(|topic| self.topic_is_read(*topic, names))
            .collect();
        let partitions = self.partitions.iter();
        partitions
            .filter(move |(partition, _)| read.contains(&partition.topic))
            .take(TARGET_PARTITIONS_MAX)
    }

    /// Records that were acknowledged once, where they stand or without an
    /// offset, and of which nothing else is wrong.
    fn choose_targets(&self, names: &Names) -> Vec<Target> {
        let blocks = self.blocks();
        let mut targets = Vec::new();
        for (_, log) in self.in_view(names) {
            let contested = &log.contested.acknowledgements;
            targets.extend(log.candidates.choose(|target, known| {
                let fit = match known {
                    Confidence::Surely => true,
                    Confidence::Likely => !contested.contains(blocks.holding(target.offset)),
                    // Where retention may have taken it, it could not be lost.
                    Confidence::Unplaced => log.start() == 0,
                };
                let sent = target.record.is_change() || self.sent.contains(target.record);
                fit && sent
                    && !self.stored_records.again.contains(target.record)
                    && !self.stored_records.disordered.contains(target.record)
                    && !self.contradicted.contains(target.record)
                    && !self.past.is_below(target.record)
            }));
        }
        targets
    }

    /// One record of each partition that stands there and was sent.
    fn choose_other_records(&self, names: &Names) -> Vec<Target> {
        let some = self.in_view(names).filter_map(|(partition, log)| {
            let mut latest = log.order.latest();
            let (offset, record) = latest.find(|(_, record)| self.sent.contains(*record))?;
            Some(Target {
                partition,
                offset,
                record,
            })
        });
        some.collect()
    }

    /// duplicate: one identity at two or more offsets; each copy beyond the
    /// first counts.
    fn find_duplicates(&self, collector: &mut FindingCollector) {
        let mut copies = 0;
        // That an event came twice is for the capture to find.
        for record in self
            .stored_records
            .again
            .iter()
            .filter(|it| !it.is_change())
        {
            copies += 1;
            collector.add_record(Anomaly::Duplicate, record, || {
                let what = format!("{record} is stored more than once");
                (what, vec![Watch::Record(record)])
            });
        }
        // A third copy has the same name as the second.
        let named_already = self.stored_records.extra_copies - copies;
        collector.add_unnamed(Anomaly::Duplicate, named_already);
    }

    /// failed-write-visible: certainly not written, and stored.
    fn find_failed_and_stored(&self, collector: &mut FindingCollector) {
        let visible = self.failed.iter().filter(|record| {
            !self.acknowledged.contains(*record) && self.stored_records.stored.contains(*record)
        });
        for record in visible {
            collector.add_record(Anomaly::FailedWriteVisible, record, || {
                let what = format!("{record} was reported as not written");
                (what, vec![Watch::Record(record)])
            });
        }
    }

    /// Records that were sent and of which there is no outcome of any kind.
    pub(super) fn untold(&self) -> impl Iterator<Item = RecordId> + '_ {
        let told = |record| self.failed.contains(record) || self.unknown.contains(record);
        let unacknowledged = self.sent.without(&self.acknowledged);
        unacknowledged.filter(move |record| !told(*record))
    }

    /// phantom and corrupt, by the offset at which they were seen.
    fn find_unidentified(&self, names: &Names, collector: &mut FindingCollector) {
        for (partition, log) in self.partitions.iter() {
            let unidentified = [
                (
                    Anomaly::Phantom,
                    &log.phantom,
                    "no producer sent the stored record",
                ),
                (Anomaly::Corrupt, &log.corrupt, "a damaged record stands"),
            ];
            for (anomaly, offsets, what) in unidentified {
                for offset in offsets.iter() {
                    // The capture has found what is damaged in its topic itself.
                    if names.holds_changes(partition.topic) && log.damaged.contains(offset) {
                        continue;
                    }
                    collector.add(anomaly, Scope::Partition(partition), offset, || {
                        let what = format!("{what} at {}@{offset}", names.partition(partition));
                        (what, vec![Watch::Position(partition, Offset::new(offset))])
                    });
                }
            }
        }
    }
}
