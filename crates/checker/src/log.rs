//! Acknowledgements against the log: what producers were told, held against
//! what the observer found at every offset. Knows nothing of consumer groups
//! or databases.
//!
//! While events arrive they are only filed: bits by sequence for each
//! producer, placements (record at offset) for each partition. Everything is
//! settled when the history is over, partition by partition in offset order,
//! so the sources of a history may be interleaved, or merged, in any order.

mod absence;
mod imported;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;

use model::anomaly::Anomaly;
use model::event::{Body, Content, Outcome};
use model::ids::{Offset, PartitionRef, ProducerIx, RecordId, TopicIx};

use crate::background::Background;
use crate::finding::{Docket, Scope, Watch};
use crate::roster::Roster;
use crate::sparse_set::SparseSet;
use absence::Absence;

/// Clean records at each end of a partition that calibration may choose from,
/// at most.
const VICTIMS_PER_END: usize = 24;
/// Partitions that calibration chooses from, at most.
const VICTIM_PARTITIONS_MAX: usize = 16;

/// What a producer was told of its records, by sequence.
#[derive(Default)]
struct Sends {
    sent: SparseSet,
    acknowledged: SparseSet,
    failed: SparseSet,
}

/// A record at an offset, as somebody said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Placement {
    offset: Offset,
    record: RecordId,
}

/// Everything that was said of one partition.
#[derive(Default)]
pub(crate) struct PartitionLog {
    pinned: Option<Range<Offset>>,
    read: bool,
    acknowledged: Vec<Placement>,
    stored: Vec<Placement>,
    processed: Vec<Placement>,
    /// Offsets at which a record stands, whatever it is.
    data: SparseSet,
    /// Offsets at which somebody saw a record that nobody sent there.
    phantom: SparseSet,
    /// Offsets at which somebody saw a damaged record.
    corrupt: SparseSet,
    /// Offsets at which the log itself holds a damaged record.
    damaged: SparseSet,
    /// Offsets among the data that only an acknowledgement names.
    only_acknowledged: u64,
}

impl PartitionLog {
    /// Whether the observer read it to its pinned end.
    pub(crate) const fn is_read(&self) -> bool {
        self.read && self.pinned.is_some()
    }

    /// The offset after the last record, as pinned.
    pub(crate) fn end(&self) -> Option<Offset> {
        self.pinned.as_ref().map(|range| range.end)
    }

    fn extent(&self) -> Extent {
        let last = self.data.last();
        let end = self.end().map_or(0, Offset::get);
        Extent {
            read: self.is_read(),
            last: last.filter(|last| *last < end).map(Offset::new),
            fresh: Offset::new(end.max(last.unwrap_or(-1).saturating_add(1))),
        }
    }

    /// Offsets of data records inside the pinned range, from `first` up to
    /// and not including `end`, in order. Nothing where it was not pinned.
    pub(crate) fn data(&self, first: i64, end: i64) -> impl Iterator<Item = i64> + '_ {
        let pinned = self.pinned.clone().unwrap_or_default();
        self.data.range(
            first.max(pinned.start.get()),
            end.min(pinned.end.get()).max(first),
        )
    }
}

/// What is known of the log, before it is settled.
#[derive(Default)]
pub(crate) struct Ledger {
    producers: BTreeMap<ProducerIx, Sends>,
    partitions: BTreeMap<PartitionRef, PartitionLog>,
    traffic_ended: bool,
}

/// What settling the log came to, apart from findings.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settled {
    pub(crate) sent: u64,
    pub(crate) acknowledged: u64,
    pub(crate) failed: u64,
    pub(crate) stored: u64,
    pub(crate) distinct: u64,
    /// Copies beyond the first.
    pub(crate) extra_copies: u64,
    /// Acknowledgements of which it could be told whether the record is
    /// stored.
    pub(crate) looked_for: u64,
    /// Acknowledged below the log start and not there: retention may have
    /// taken it.
    pub(crate) expired: u64,
    /// A damaged record stands where the acknowledgement says.
    pub(crate) damaged: u64,
    /// Acknowledged and in a hole of a compacted topic: a later record of its
    /// key may have replaced it.
    pub(crate) compacted: u64,
    /// Acknowledged records of transactions that are lost.
    pub(crate) lost: Vec<RecordId>,
    /// The highest of the lost records of each partition that were
    /// acknowledged at or above its end.
    pub(crate) gone: BTreeMap<PartitionRef, (Offset, RecordId)>,
    /// First copies with a predecessor of the same producer in the same
    /// partition.
    pub(crate) ordered_pairs: u64,
    /// Partitions that were pinned, or written to, and not read to the end.
    pub(crate) unread: Vec<PartitionRef>,
    /// Records without a blemish, for calibration to plant anomalies on.
    pub(crate) victims: Vec<Victim>,
    /// How far each partition reaches.
    pub(crate) extents: BTreeMap<PartitionRef, Extent>,
}

/// How far a partition reaches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    /// Whether the observer read it to its pinned end.
    pub(crate) read: bool,
    /// The last data record inside the pinned range.
    pub(crate) last: Option<Offset>,
    /// An offset behind everything that was stored or pinned.
    pub(crate) fresh: Offset,
}

/// A record that was acknowledged once, stands there, and nowhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Victim {
    pub(crate) partition: PartitionRef,
    pub(crate) offset: Offset,
    pub(crate) record: RecordId,
}

impl Ledger {
    pub(crate) fn observe(&mut self, body: &Body) {
        match body {
            Body::SendInvoked { record, .. } => {
                self.sends(*record).sent.insert(sequence(*record));
            }
            Body::SendCompleted { record, outcome } => self.completed(*record, outcome),
            Body::Processed {
                from,
                offset,
                content,
                ..
            } => {
                let log = self.partitions.entry(*from).or_default();
                match content {
                    Content::Ours(record) => log.processed.push(Placement {
                        offset: *offset,
                        record: *record,
                    }),
                    Content::Misplaced(_) | Content::Foreign => {
                        log.phantom.insert(offset.get());
                    }
                    Content::Corrupt => {
                        log.corrupt.insert(offset.get());
                    }
                }
            }
            Body::Pinned {
                partition,
                log_start,
                end,
            } => {
                self.partitions.entry(*partition).or_default().pinned = Some(*log_start..*end);
            }
            Body::Stored {
                partition,
                offset,
                content,
            } => {
                let log = self.partitions.entry(*partition).or_default();
                log.data.insert(offset.get());
                match content {
                    Content::Ours(record) => log.stored.push(Placement {
                        offset: *offset,
                        record: *record,
                    }),
                    Content::Misplaced(_) | Content::Foreign => {
                        log.phantom.insert(offset.get());
                    }
                    Content::Corrupt => {
                        log.corrupt.insert(offset.get());
                        log.damaged.insert(offset.get());
                    }
                }
            }
            Body::PartitionRead { partition } => {
                self.partitions.entry(*partition).or_default().read = true;
            }
            Body::TrafficEnded => self.traffic_ended = true,
            _ => {}
        }
    }

    fn completed(&mut self, record: RecordId, outcome: &Outcome) {
        let sends = self.sends(record);
        match outcome {
            Outcome::Acknowledged { at, offset } => {
                sends.acknowledged.insert(sequence(record));
                let log = self.partitions.entry(*at).or_default();
                log.acknowledged.push(Placement {
                    offset: *offset,
                    record,
                });
            }
            Outcome::Failed { .. } => {
                sends.failed.insert(sequence(record));
            }
            Outcome::Unknown { .. } => {}
        }
    }

    fn sends(&mut self, record: RecordId) -> &mut Sends {
        self.producers.entry(record.producer).or_default()
    }

    pub(crate) fn partition(&self, partition: PartitionRef) -> Option<&PartitionLog> {
        self.partitions.get(&partition)
    }

    /// The partitions that anything was said of.
    pub(crate) fn partitions(&self) -> impl Iterator<Item = PartitionRef> + '_ {
        self.partitions.keys().copied()
    }

    /// Whether anything was acknowledged in a partition.
    pub(crate) fn was_acknowledged(&self, partition: PartitionRef) -> bool {
        let log = self.partition(partition);
        log.is_some_and(|log| !log.acknowledged.is_empty())
    }

    pub(crate) fn is_read(&self, partition: PartitionRef) -> bool {
        self.partition(partition).is_some_and(PartitionLog::is_read)
    }

    /// Whether every partition of a topic, as declared or written to, was
    /// read: only then is a record that was not met nowhere.
    pub(crate) fn topic_is_read(&self, topic: TopicIx, roster: &Roster) -> bool {
        roster
            .partitions_of(topic)
            .all(|partition| self.is_read(partition))
            && self
                .partitions
                .iter()
                .filter(|(partition, _)| partition.topic == topic)
                .all(|(_, log)| log.is_read())
    }

    fn was_sent(&self, record: RecordId) -> bool {
        self.producers
            .get(&record.producer)
            .is_some_and(|sends| sends.sent.contains(sequence(record)))
    }

    /// Finds what is wrong with the log.
    pub(crate) fn settle(&mut self, background: Background<'_>, docket: &mut Docket) -> Settled {
        let roster = background.roster;
        let mut settled = self.count();
        for log in self.partitions.values_mut() {
            for placements in [&mut log.acknowledged, &mut log.stored, &mut log.processed] {
                placements.sort_unstable();
                placements.dedup();
            }
        }
        let copies = self.find_duplicates(docket, &mut settled);
        let disordered = self.find_disorder(background, docket, &mut settled);
        let misplaced =
            self.hold_acknowledgements_to_the_log(background, &copies, docket, &mut settled);
        let contradicted = self.find_inconsistent_offsets(misplaced, roster, docket);
        settled.victims.retain(|victim| {
            !contradicted.contains(&victim.record) && !disordered.contains(&victim.record)
        });
        self.find_failed_and_stored(&copies, docket);
        self.find_strangers(background, docket);
        settled
    }

    fn count(&self) -> Settled {
        let sum = |of: fn(&Sends) -> u64| self.producers.values().map(of).sum();
        let failed_only = |sends: &Sends| {
            let acknowledged = &sends.acknowledged;
            let failed = sends.failed.iter();
            failed.filter(|at| !acknowledged.contains(*at)).count() as u64
        };
        Settled {
            sent: sum(|sends| sends.sent.len()),
            acknowledged: sum(|sends| sends.acknowledged.len()),
            failed: self.producers.values().map(failed_only).sum(),
            stored: self
                .partitions
                .values()
                .map(|log| log.data.len() - log.only_acknowledged)
                .sum(),
            unread: self
                .partitions
                .iter()
                .filter(|(_, log)| !log.is_read())
                .map(|(partition, _)| *partition)
                .collect(),
            extents: self
                .partitions
                .iter()
                .map(|(partition, log)| (*partition, log.extent()))
                .collect(),
            ..Settled::default()
        }
    }

    /// duplicate: one identity at two or more offsets; each copy beyond the
    /// first counts.
    fn find_duplicates(&self, docket: &mut Docket, settled: &mut Settled) -> Copies {
        let mut copies = Copies::default();
        for (partition, log) in &self.partitions {
            for placement in &log.stored {
                if copies.add(placement.record) {
                    continue;
                }
                settled.extra_copies += 1;
                docket.add_record(Anomaly::Duplicate, placement.record, || {
                    let what = format!("{} is stored more than once", placement.record);
                    let here = Watch::Position(*partition, placement.offset);
                    (what, vec![Watch::Record(placement.record), here])
                });
            }
        }
        settled.distinct = copies.stored.values().map(SparseSet::len).sum();
        copies
    }

    /// nonmonotonic-send: of each record's first copy in a partition, in
    /// offset order, those count that stand behind a record which the same
    /// producer sent later. Later copies say nothing about order. Where both,
    /// the latest that stands before it and the record, were sent in one
    /// transaction, it is int-nonmonotonic-send. Returns the records on either
    /// side.
    fn find_disorder(
        &self,
        background: Background<'_>,
        docket: &mut Docket,
        settled: &mut Settled,
    ) -> BTreeSet<RecordId> {
        let transactions = &background.fates.transactions;
        let mut involved = BTreeSet::new();
        for (partition, log) in &self.partitions {
            let mut met: BTreeMap<ProducerIx, Met> = BTreeMap::new();
            for placement in &log.stored {
                let record = placement.record;
                let Some(before) = met.get_mut(&record.producer) else {
                    let mut sequences = SparseSet::default();
                    sequences.insert(sequence(record));
                    let latest = *placement;
                    met.insert(record.producer, Met { sequences, latest });
                    continue;
                };
                if !before.sequences.insert(sequence(record)) {
                    continue;
                }
                settled.ordered_pairs += 1;
                if record.sequence > before.latest.record.sequence {
                    before.latest = *placement;
                    continue;
                }
                let later = before.latest;
                involved.extend([record, later.record]);
                let anomaly = match transactions.of_both(record, later.record) {
                    Some(_) => Anomaly::IntNonmonotonicSend,
                    None => Anomaly::NonmonotonicSend,
                };
                docket.add_record(anomaly, record, || {
                    let what = format!("{record} stands behind {}, sent later", later.record);
                    let watch = vec![
                        Watch::Record(record),
                        Watch::Position(*partition, placement.offset),
                        Watch::Record(later.record),
                        Watch::Position(*partition, later.offset),
                    ];
                    (what, watch)
                });
            }
        }
        involved
    }

    /// lost-write, and what an acknowledgement says against what stands
    /// there. Returns the records whose acknowledgement names an offset at
    /// which they do not stand.
    fn hold_acknowledgements_to_the_log(
        &self,
        background: Background<'_>,
        copies: &Copies,
        docket: &mut Docket,
        settled: &mut Settled,
    ) -> BTreeSet<RecordId> {
        let roster = background.roster;
        let mut contradicted = BTreeSet::new();
        let mut partitions_chosen = 0;
        for (partition, log) in &self.partitions {
            let topic_is_read = self.topic_is_read(partition.topic, roster);
            let mut victims = Ends::default();
            let mut stored = log.stored.as_slice();
            for acks in log.acknowledged.chunk_by(|a, b| a.offset == b.offset) {
                let offset = acks[0].offset;
                while stored.first().is_some_and(|first| first.offset < offset) {
                    stored = &stored[1..];
                }
                let standing: Vec<RecordId> = stored
                    .iter()
                    .take_while(|placement| placement.offset == offset)
                    .map(|placement| placement.record)
                    .collect();
                let mut absent: Vec<RecordId> = acks
                    .iter()
                    .map(|ack| ack.record)
                    .filter(|record| !standing.contains(record))
                    .collect();
                let elsewhere = |record: &RecordId| log.is_read() && copies.has(*record);
                for record in &absent {
                    if elsewhere(record) && offset.get() >= 0 {
                        contradicted.insert(*record);
                    }
                    if copies.has(*record) || !topic_is_read {
                        continue;
                    }
                    let absence = Absence::of(*record, (*partition, offset), log, background);
                    let anomaly = match absence {
                        Absence::Damaged => {
                            settled.damaged += 1;
                            continue;
                        }
                        Absence::Expired => {
                            settled.expired += 1;
                            continue;
                        }
                        Absence::Compacted => {
                            settled.compacted += 1;
                            continue;
                        }
                        Absence::Invisible => continue,
                        Absence::Unseen => Anomaly::Unseen,
                        Absence::Lost => {
                            settled.looked_for += 1;
                            settled.lose(*record, (*partition, offset), log, background);
                            Anomaly::LostWrite
                        }
                    };
                    docket.add_record(anomaly, *record, || {
                        let what = format!(
                            "{record}, acknowledged at {}@{offset}",
                            roster.partition(*partition)
                        );
                        let here = Watch::Position(*partition, offset);
                        (what, vec![Watch::Record(*record), here])
                    });
                }
                settled.looked_for +=
                    acks.iter().filter(|ack| copies.has(ack.record)).count() as u64;
                if acks.len() > 1 && offset.get() >= 0 {
                    // One of them may rightly have been there once.
                    if absent.len() == acks.len()
                        && let Some(spared) = absent.iter().position(|record| !elsewhere(record))
                    {
                        absent.remove(spared);
                    }
                    contradicted.extend(absent);
                } else if let [record] = standing[..]
                    && acks[0].record == record
                    && copies.has_one(record)
                    && self.was_sent(record)
                {
                    victims.offer(Victim {
                        partition: *partition,
                        offset,
                        record,
                    });
                }
            }
            if partitions_chosen < VICTIM_PARTITIONS_MAX {
                partitions_chosen += 1;
                settled.victims.extend(victims.finish());
            }
        }
        contradicted
    }

    /// inconsistent-offsets: records that do not stand, or were not read,
    /// where somebody said they are, or share their offset with another.
    fn find_inconsistent_offsets(
        &self,
        mut contradicted: BTreeSet<RecordId>,
        roster: &Roster,
        docket: &mut Docket,
    ) -> BTreeSet<RecordId> {
        for log in self.partitions.values() {
            for standing in log.stored.chunk_by(|a, b| a.offset == b.offset) {
                contradicted.extend(standing[1..].iter().map(|placement| placement.record));
            }
            let mut stored = log.stored.as_slice();
            for read in &log.processed {
                while stored
                    .first()
                    .is_some_and(|first| first.offset < read.offset)
                {
                    stored = &stored[1..];
                }
                let mut standing = stored
                    .iter()
                    .take_while(|placement| placement.offset == read.offset)
                    .peekable();
                if standing.peek().is_some() && !standing.any(|there| there.record == read.record) {
                    contradicted.insert(read.record);
                }
            }
        }
        for record in contradicted.iter().copied() {
            docket.add_record(Anomaly::InconsistentOffsets, record, || {
                let (partition, said) = self.said_at(record);
                let what = match said {
                    Some(offset) => {
                        format!("{record} at {}@{offset}", roster.partition(partition))
                    }
                    None => format!("{record} shares its offset with another record"),
                };
                let mut watch = vec![Watch::Record(record)];
                watch.extend(said.map(|offset| Watch::Position(partition, offset)));
                (what, watch)
            });
        }
        contradicted
    }

    /// Where an acknowledgement, or else a reader, placed a record.
    fn said_at(&self, record: RecordId) -> (PartitionRef, Option<Offset>) {
        let of = |placements: &[Placement]| {
            let mut placements = placements.iter();
            placements
                .find(|placement| placement.record == record)
                .map(|at| at.offset)
        };
        let found = self.partitions.iter().find_map(|(partition, log)| {
            let offset = of(&log.acknowledged).or_else(|| of(&log.processed))?;
            Some((*partition, Some(offset)))
        });
        found.unwrap_or_default()
    }

    /// failed-write-visible: certainly not written, and stored.
    fn find_failed_and_stored(&self, copies: &Copies, docket: &mut Docket) {
        for (producer, sends) in &self.producers {
            let Some(stored) = copies.stored.get(producer) else {
                continue;
            };
            let visible = sends
                .failed
                .iter()
                .filter(|at| !sends.acknowledged.contains(*at) && stored.contains(*at));
            for at in visible {
                let record = RecordId {
                    producer: *producer,
                    sequence: model::ids::Sequence::new(at.cast_unsigned()),
                };
                docket.add_record(Anomaly::FailedWriteVisible, record, || {
                    let what = format!("{record} was reported as not written");
                    (what, vec![Watch::Record(record)])
                });
            }
        }
    }

    /// phantom and corrupt, by the offset at which somebody saw them. That a
    /// record was never sent is known only when all sending was recorded.
    fn find_strangers(&mut self, background: Background<'_>, docket: &mut Docket) {
        let Background {
            roster, provenance, ..
        } = background;
        if self.traffic_ended || provenance.is_imported() {
            let unsent: Vec<(PartitionRef, Offset)> = self
                .partitions
                .iter()
                .flat_map(|(partition, log)| {
                    let seen = log.stored.iter().chain(&log.processed);
                    seen.map(move |placement| (*partition, *placement))
                })
                .filter(|(_, placement)| {
                    !self.was_sent(placement.record)
                        && provenance.announces(placement.record.producer)
                })
                .map(|(partition, placement)| (partition, placement.offset))
                .collect();
            for (partition, offset) in unsent {
                let log = self.partitions.entry(partition).or_default();
                log.phantom.insert(offset.get());
            }
        }
        for (partition, log) in &self.partitions {
            let strangers = [
                (Anomaly::Phantom, &log.phantom, "nobody sent what stands"),
                (Anomaly::Corrupt, &log.corrupt, "a damaged record stands"),
            ];
            for (anomaly, offsets, what) in strangers {
                for offset in offsets.iter() {
                    docket.add(anomaly, Scope::Partition(*partition), offset, || {
                        let what = format!("{what} at {}@{offset}", roster.partition(*partition));
                        (what, vec![Watch::Position(*partition, Offset::new(offset))])
                    });
                }
            }
        }
    }
}

impl Settled {
    /// Files a lost record with those that care.
    fn lose(
        &mut self,
        record: RecordId,
        (partition, offset): (PartitionRef, Offset),
        log: &PartitionLog,
        background: Background<'_>,
    ) {
        if background.fates.transactions.of(record).is_some() {
            self.lost.push(record);
        }
        if log.end().is_some_and(|end| offset >= end) {
            let highest = self.gone.entry(partition).or_insert((offset, record));
            *highest = (*highest).max((offset, record));
        }
    }
}

/// The first few and the last few clean records of a partition.
#[derive(Default)]
struct Ends {
    first: Vec<Victim>,
    last: VecDeque<Victim>,
}

impl Ends {
    fn offer(&mut self, victim: Victim) {
        if self.first.len() < VICTIMS_PER_END {
            self.first.push(victim);
            return;
        }
        if self.last.len() == VICTIMS_PER_END {
            self.last.pop_front();
        }
        self.last.push_back(victim);
    }

    fn finish(self) -> impl Iterator<Item = Victim> {
        self.first.into_iter().chain(self.last)
    }
}

/// What one producer's records in a partition have come to, in offset order.
struct Met {
    sequences: SparseSet,
    /// The one that was sent last.
    latest: Placement,
}

/// Which records are stored, and which of them more than once.
#[derive(Default)]
struct Copies {
    stored: BTreeMap<ProducerIx, SparseSet>,
    again: BTreeMap<ProducerIx, SparseSet>,
}

impl Copies {
    /// Files a copy; whether it is the first.
    fn add(&mut self, record: RecordId) -> bool {
        let stored = self.stored.entry(record.producer).or_default();
        let first = stored.insert(sequence(record));
        if !first {
            let again = self.again.entry(record.producer).or_default();
            again.insert(sequence(record));
        }
        first
    }

    fn has(&self, record: RecordId) -> bool {
        let stored = self.stored.get(&record.producer);
        stored.is_some_and(|stored| stored.contains(sequence(record)))
    }

    fn has_one(&self, record: RecordId) -> bool {
        let again = self.again.get(&record.producer);
        self.has(record) && !again.is_some_and(|again| again.contains(sequence(record)))
    }
}

/// A sequence as a member of a set.
const fn sequence(record: RecordId) -> i64 {
    record.sequence.get().cast_signed()
}
