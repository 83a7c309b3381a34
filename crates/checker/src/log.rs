//! Acknowledgements against the log: what producers were told, held against
//! what the observer found at every offset. Knows nothing of consumer groups
//! or databases.
//!
//! A healthy log is checked in one reading, in bits and fingerprints: bits by
//! sequence for each producer, bits by offset for each partition, and for each
//! block of offsets the fingerprints of what was said and of what stands there.
//! Whatever is not as a healthy log would have it is read again: a log that
//! was not told in the order of its offsets, as a whole; blocks that do not
//! agree, claim by claim, as many at a time as the limits allow.

pub(crate) mod claims;
pub(crate) mod cleaning;
pub(crate) mod past;
pub(crate) mod stored_records;

mod absence;
mod imported;
mod places;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use model::anomaly::Anomaly;
use model::event::{Body, ChangeContent, Content, Outcome};
use model::ids::{Offset, PartitionRef, RecordId, Sequence, TopicIx};

use crate::calibration::targets::{Ends, Known, VICTIM_PARTITIONS_MAX, Victim};
use crate::context::Context;
use crate::log::claims::{Blocks, Claims};
use crate::log::past::Past;
use crate::log::stored_records::{Order, StoredRecords};
use crate::names::Names;
use crate::passes::collect::{Claim, Collector, Kind};
use crate::passes::limits::Limits;
use crate::proof::finding::{FindingCollector, Scope, Watch};
use crate::provenance::Provenance;
use crate::sets::fingerprint::Fingerprint;
use crate::sets::record_set::RecordSet;
use crate::sets::sparse_set::SparseSet;
use crate::sets::table::{PartitionTable, Table};
use crate::txn::tracker::Transactions;
use absence::Absence;
pub(crate) use imported::Witness;
use imported::{Followed, Told};
use places::{Places, Sending};

/// Readings of one offset that are held in bits, at most; where there are
/// more, they are looked at one by one.
const READINGS_MAX: usize = 16;
/// Records whose order is looked up in another reading, at most.
const DOUBTFUL_MAX: usize = 4096;

/// Everything that was said of one partition.
#[derive(Default)]
pub(crate) struct PartitionLog {
    pinned: Option<Range<Offset>>,
    read: bool,
    /// Offsets at which a record stands, whatever it is.
    data: SparseSet,
    /// Offsets at which somebody saw a record that nobody sent there.
    phantom: SparseSet,
    /// Offsets at which somebody saw a damaged record.
    corrupt: SparseSet,
    /// Offsets at which the log itself holds a damaged record.
    damaged: SparseSet,
    /// Offsets among the data that only an acknowledgement names.
    only_acknowledged: SparseSet,
    told: Told,
    /// What readers processed, where no observer read the log.
    processed: Option<Range<Offset>>,
    /// Offsets of what a poll gave out that was taken back.
    glimpsed: SparseSet,
    /// Of these, those that nobody processed.
    unprocessed: SparseSet,
    /// Acknowledged above everything that anybody was given, where no observer
    /// read the log.
    beyond: SparseSet,
    sending: Sending,
    places: Places,
    acknowledged: Claims,
    /// By block, everything that stands there; where readers tell what does,
    /// which may be before anything was said of it.
    all: Table<Fingerprint>,
    /// Offsets that more than one acknowledgement names.
    crowded: SparseSet,
    /// Records whose acknowledgement names no offset.
    unplaced: RecordSet,
    /// The first reading of each offset, the second, and so on.
    readings: Vec<Claims>,
    order: Order,
    /// Whether the log was not told in the order of its offsets.
    out_of_order: bool,
    contested: Contested,
    ends: Ends,
    /// The lowest offset at which a record stands and another was acknowledged
    /// or read that stands nowhere: from there on the log was cut.
    cut_from: Option<i64>,
}

/// Blocks that are looked at claim by claim.
#[derive(Default)]
struct Contested {
    /// Those where acknowledgements and the log do not agree.
    acknowledgements: SparseSet,
    /// Those where readings and the log do not agree.
    readings: SparseSet,
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

    /// Whether two witnesses name different records for one offset.
    pub(crate) fn is_disputed(&self) -> bool {
        let contested = &self.contested;
        !contested.acknowledgements.is_empty() || !contested.readings.is_empty()
    }

    /// Whether only an acknowledgement says that a record stands at an offset.
    pub(crate) fn is_only_acknowledged(&self, offset: i64) -> bool {
        self.only_acknowledged.contains(offset)
    }

    /// Somebody saw a record there that carries no identity.
    fn meet_stranger(&mut self, offset: Offset, content: Content) {
        match content {
            Content::Misplaced(_) | Content::Foreign => {
                self.phantom.insert(offset.get());
            }
            Content::Corrupt => {
                self.corrupt.insert(offset.get());
            }
            Content::Ours(_) | Content::Change(_) | Content::Nameless => {}
        }
    }

    /// From this offset on, or before it, the log was cut, and has grown again.
    fn cut(&mut self, offset: Offset) {
        let lower = |from: i64| from.min(offset.get());
        self.cut_from = Some(self.cut_from.map_or(offset.get(), lower));
    }

    /// Whether a record stands at an offset.
    pub(crate) fn has(&self, offset: i64) -> bool {
        self.data.contains(offset)
    }

    /// Whether somebody saw a record there.
    pub(crate) fn saw(&self, offset: i64) -> bool {
        self.has(offset) && !self.only_acknowledged.contains(offset)
    }

    fn extent(&self, witness: Witness) -> Extent {
        let last = self.data.last();
        let end = self.end().map_or(0, Offset::get);
        let mut said = self.readings.iter().map(Claims::at).map(SparseSet::last);
        let said = said.next().flatten().max(self.acknowledged.at().last());
        let strangers = self.phantom.last().max(self.corrupt.last());
        let said = said.filter(|_| witness == Witness::Observer);
        let farthest = said.max(strangers).max(last);
        Extent {
            read: self.is_read(),
            last: last.filter(|last| *last < end).map(Offset::new),
            fresh: Offset::new(end.max(farthest.unwrap_or(-1).saturating_add(1))),
        }
    }

    /// The part of a range of offsets that lies inside the pinned range;
    /// nothing where it was not pinned.
    fn inside(&self, first: i64, end: i64) -> (i64, i64) {
        let pinned = self.pinned.clone().unwrap_or_default();
        (first.max(pinned.start.get()), end.min(pinned.end.get()))
    }

    /// Offsets of data records inside the pinned range, from `first` up to
    /// and not including `end`, in order. Nothing where it was not pinned.
    pub(crate) fn data(&self, first: i64, end: i64) -> impl Iterator<Item = i64> + '_ {
        let (first, end) = self.inside(first, end);
        self.data.range(first, end)
    }

    /// Whether retention or compaction may have taken a record from here.
    fn is_emptied(&self, here: PartitionRef, offset: Offset, names: &Names) -> bool {
        let pinned = self.pinned.clone().unwrap_or_default();
        let compacts = names.compacts(here.topic);
        (Offset::new(0)..pinned.start).contains(&offset)
            || (compacts && offset < pinned.end && !self.has(offset.get()))
    }

    /// How many of these there are.
    pub(crate) fn data_count(&self, first: i64, end: i64) -> u64 {
        let (first, end) = self.inside(first, end);
        self.data.count(first, end)
    }

    /// The first offset that was still there; 0 where it was not pinned.
    pub(crate) fn start(&self) -> i64 {
        self.pinned.as_ref().map_or(0, |range| range.start.get())
    }

    /// Offsets below the log start that were acknowledged and that the other
    /// set lacks, in order.
    pub(crate) fn expired_without<'s>(
        &'s self,
        other: &'s SparseSet,
    ) -> impl Iterator<Item = i64> + 's {
        let acknowledged = self.acknowledged.at();
        acknowledged.range_without(other, 0, self.start())
    }

    /// How many offsets below the log start, and below `end`, were neither
    /// acknowledged nor are in the other set: nobody knows whether a record
    /// stood there.
    pub(crate) fn unknown_below_start(&self, other: &SparseSet, end: i64) -> u64 {
        let end = self.start().min(end).max(0);
        let acknowledged = self.acknowledged.at();
        let others = other.range_without(acknowledged, 0, end).count() as u64;
        let known = acknowledged.count(0, end) + others;
        end.cast_unsigned().saturating_sub(known)
    }

    /// Those of these that the other set lacks.
    pub(crate) fn data_without<'s>(
        &'s self,
        other: &'s SparseSet,
        first: i64,
        end: i64,
    ) -> impl Iterator<Item = i64> + 's {
        let (first, end) = self.inside(first, end);
        self.data.range_without(other, first, end)
    }

    /// Those of these offsets at which a data record inside the pinned range
    /// stands.
    pub(crate) fn data_in<'s>(&'s self, offsets: &'s SparseSet) -> impl Iterator<Item = i64> + 's {
        let (first, end) = self.inside(i64::MIN, i64::MAX);
        let shared = offsets.shared(&self.data);
        shared.filter(move |offset| (first..end).contains(offset))
    }

    #[inline]
    fn acknowledge(&mut self, blocks: Blocks, offset: Offset, record: RecordId) {
        if !offset.is_given() {
            self.unplaced.insert(record);
            return;
        }
        let block = blocks.holding(offset);
        let placed = Fingerprint::of(offset, record);
        if !self.acknowledged.say(offset, block, placed) {
            self.crowded.insert(offset.get());
            self.contested.acknowledgements.insert(block);
        }
    }

    #[inline]
    fn process(&mut self, blocks: Blocks, offset: Offset, record: RecordId) {
        let block = blocks.holding(offset);
        let placed = Fingerprint::of(offset, record);
        for reading in &mut self.readings {
            if reading.say(offset, block, placed) {
                return;
            }
        }
        if self.readings.len() == READINGS_MAX {
            self.contested.readings.insert(block);
            return;
        }
        let mut reading = Claims::default();
        reading.say(offset, block, placed);
        self.readings.push(reading);
    }

    /// Holds a record that stands here against what was said so far. The next
    /// one stands behind it.
    #[inline]
    fn find(
        &mut self,
        (witness, blocks): (Witness, Blocks),
        stored_records: &mut StoredRecords,
        transactions: &Transactions,
        victim: Victim,
    ) {
        let Victim {
            partition,
            offset,
            record,
        } = victim;
        stored_records.meet(&mut self.order, partition, offset, record, transactions);
        let block = blocks.holding(offset);
        let placed = Fingerprint::of(offset, record);
        if self.acknowledged.find(offset, block, placed) || record.is_change() {
            self.ends.offer(victim);
        } else if self.unplaced.contains(record) {
            self.ends.offer_unplaced(victim);
        }
        if witness != Witness::Observer {
            self.all.entry(block).add(placed);
        }
        for reading in &mut self.readings {
            reading.find(offset, block, placed);
        }
    }

    /// Forgets what stands here, to be told again.
    fn forget_what_stands(&mut self) {
        self.order = Order::default();
        self.ends = Ends::default();
        self.all = Table::default();
        for claims in self.readings.iter_mut().chain([&mut self.acknowledged]) {
            claims.forget_what_stands();
        }
    }

    /// Contests the blocks in which something was said that is not so. A
    /// reading of an offset at which nothing stands contradicts nothing.
    fn contest(&mut self, blocks: Blocks) {
        for block in self.acknowledged.disagreeing(&self.all) {
            self.contested.acknowledgements.insert(block);
        }
        for reading in &self.readings {
            for block in reading.disagreeing(&self.all) {
                let (first, end) = blocks.range(block);
                let mut said = reading.at().range(first, end);
                if said.any(|offset| self.data.contains(offset)) {
                    self.contested.readings.insert(block);
                }
            }
        }
    }

    /// Whether an acknowledgement is looked at by itself.
    fn is_contested(&self, block: i64) -> bool {
        self.contested.acknowledgements.contains(block)
    }
}

/// What is known of the log.
#[derive(Default)]
pub(crate) struct Ledger {
    limits: Limits,
    witness: Witness,
    /// Whether something was told before all witnesses were known.
    is_late: bool,
    sent: RecordSet,
    acknowledged: RecordSet,
    failed: RecordSet,
    /// Records of which the producer was told that nobody knows.
    unknown: RecordSet,
    followed: Followed,
    /// Records that were seen before they were known to have been sent.
    early: RecordSet,
    partitions: PartitionTable<PartitionLog>,
    stored_records: StoredRecords,
    traffic_ended: bool,
    /// Whether something was said of an offset after what stands there.
    belated: bool,
    reading: Reading,
    settled: Settled,
    contradicted: RecordSet,
    /// What was read in earlier lives of the logs.
    past: Past,
    /// Readings of records where another one stands, of which the record stands
    /// elsewhere. Where the log was cut they contradict nothing.
    moved: Vec<Claim>,
    /// Records that are said to be where nobody read them.
    unread_places: RecordSet,
}

/// What the history is being read for.
#[derive(Default)]
enum Reading {
    /// Bits and fingerprints.
    #[default]
    First,
    /// What stands in the log, once more. Of partitions that were not told in
    /// the order of their offsets it is collected, to be sorted.
    StoredRecords(Collector),
    /// The claims of contested blocks.
    Claims {
        collected: Collector,
        /// Records that were seen and that nobody sent.
        unsent: RecordSet,
        read: BTreeSet<TopicIx>,
    },
    /// Nothing any more.
    Done,
}

/// Whether a history has to be read once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Everything is settled.
    Nothing,
    /// Once more.
    Reading,
}

/// What settling the log came to, apart from findings.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settled {
    pub(crate) sent: u64,
    pub(crate) acknowledged: u64,
    pub(crate) failed: u64,
    /// Records that were sent and not acknowledged.
    pub(crate) unacknowledged: u64,
    /// Records that were sent and of which there is no outcome of any kind.
    pub(crate) untold: u64,
    /// The first of them.
    pub(crate) untold_first: Option<RecordId>,
    pub(crate) stored: u64,
    pub(crate) distinct: u64,
    /// Acknowledgements of which it could be told whether the record is
    /// stored.
    pub(crate) looked_for: u64,
    /// Acknowledged below the log start and not there: retention may have
    /// taken it.
    pub(crate) expired: u64,
    /// Acknowledged inside the pinned range of a topic that compacts, and not
    /// there: a later record of its key may have replaced it.
    pub(crate) compacted: u64,
    /// Acknowledged there, and a later record of its key stands behind it.
    pub(crate) replaced: u64,
    /// Of those below the log start, how many are of a topic that deletes.
    pub(crate) deleted: u64,
    /// A damaged record stands where the acknowledgement says.
    pub(crate) damaged: u64,
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
    /// Records that were sent and stand, whatever else is wrong with them.
    pub(crate) bystanders: Vec<Victim>,
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
    /// An offset behind everything that was stored or pinned and, where an
    /// observer read it, behind everything that was said.
    pub(crate) fresh: Offset,
}

impl Ledger {
    pub(crate) fn within(limits: Limits) -> Self {
        Self {
            limits,
            stored_records: StoredRecords::doubting(limits.claims_max.min(DOUBTFUL_MAX)),
            ..Self::default()
        }
    }

    const fn blocks(&self) -> Blocks {
        Blocks::of_size(self.limits.block)
    }

    /// Takes in the next event of the first reading, after the transactions
    /// have seen it.
    pub(crate) fn observe(&mut self, body: &Body, transactions: &Transactions) {
        match body {
            Body::SendInvoked { record, .. } => {
                self.sent.insert(*record);
            }
            Body::SendCompleted { record, outcome } => match outcome {
                Outcome::Acknowledged { at, offset } => {
                    self.acknowledged.insert(*record);
                    if self.witness != Witness::Observer {
                        // Other tools may tell of nothing but outcomes, in the
                        // order in which the client told them.
                        let told_only = self.sent.insert(*record);
                        if offset.is_given() {
                            self.followed.hear(*at, *record, *offset);
                        } else if told_only {
                            self.followed.hear_unplaced(*at, *record);
                        }
                    }
                    let blocks = self.blocks();
                    let log = self.partitions.entry(*at);
                    self.belated |= log.data.contains(offset.get());
                    log.acknowledge(blocks, *offset, *record);
                    if self.witness != Witness::Observer && offset.is_given() {
                        log.sending.acknowledged(*record, *offset);
                    }
                    if self.witness == Witness::ReadersAndProducers {
                        log.told.add(*offset, *record);
                    }
                }
                Outcome::Failed { .. } => {
                    self.failed.insert(*record);
                }
                Outcome::Unknown { .. } => {
                    self.unknown.insert(*record);
                }
            },
            Body::Processed {
                from,
                offset,
                content,
                ..
            } if self.witness != Witness::Observer => {
                self.found(*from, *offset, *content, transactions);
            }
            Body::Glimpsed {
                from,
                offset,
                content,
                ..
            } if self.witness != Witness::Observer => self.glimpsed(*from, *offset, *content),
            Body::OrderForgotten {
                producer,
                partition,
            } if self.witness != Witness::Observer => {
                if let Some(last) = self.sent.last_of(*producer) {
                    let next = Sequence::new(last.get().saturating_add(1));
                    let log = self.partitions.entry(*partition);
                    log.sending.forget(*producer, next);
                }
            }
            Body::Processed {
                from,
                offset,
                content,
                ..
            } => {
                let blocks = self.blocks();
                let log = self.partitions.entry(*from);
                match content.identity() {
                    Some(record) => {
                        self.belated |= log.data.contains(offset.get());
                        log.process(blocks, *offset, record);
                        self.notice(record);
                    }
                    None => log.meet_stranger(*offset, *content),
                }
            }
            Body::Pinned {
                partition,
                log_start,
                end,
            } => self.partitions.entry(*partition).pinned = Some(*log_start..*end),
            Body::Stored {
                partition,
                offset,
                content,
            } => {
                self.found(*partition, *offset, *content, transactions);
                if *content == Content::Corrupt {
                    let log = self.partitions.entry(*partition);
                    log.damaged.insert(offset.get());
                }
            }
            Body::PartitionRead { partition } => self.partitions.entry(*partition).read = true,
            Body::TrafficEnded => self.traffic_ended = true,
            Body::Imported { .. } => self.learn(Witness::Readers),
            Body::TransactionBegun { .. } if self.witness == Witness::Readers => {
                self.learn(Witness::ReadersAndProducers);
            }
            _ => {}
        }
    }

    /// A witness says what stands at an offset.
    fn found(
        &mut self,
        partition: PartitionRef,
        offset: Offset,
        content: Content,
        transactions: &Transactions,
    ) {
        let told = (self.witness, self.blocks());
        let log = self.partitions.entry(partition);
        log.data.insert(offset.get());
        if told.0 != Witness::Observer {
            log.processed_at(offset);
            if !log.unprocessed.is_empty() {
                log.unprocessed.remove(offset.get());
            }
            if content == Content::Corrupt {
                log.damaged.insert(offset.get());
            }
        }
        match content.identity() {
            Some(record) => {
                log.out_of_order |= !log.order.goes_on(offset);
                let victim = Victim {
                    partition,
                    offset,
                    record,
                };
                log.find(told, &mut self.stored_records, transactions, victim);
                if self.witness == Witness::ReadersAndProducers {
                    log.told.add(offset, record);
                }
                self.notice(record);
            }
            None => log.meet_stranger(offset, content),
        }
    }

    /// What the log of a change topic holds at an offset. That it is damaged is
    /// for the capture to find.
    pub(crate) fn holds_event(
        &mut self,
        partition: PartitionRef,
        offset: Offset,
        content: Content,
        transactions: &Transactions,
    ) {
        let content = match content {
            Content::Corrupt => {
                let log = self.partitions.entry(partition);
                log.damaged.insert(offset.get());
                Content::Nameless
            }
            content => content,
        };
        self.found(partition, offset, content, transactions);
    }

    /// A poll that was taken back gave somebody what stands at an offset.
    fn glimpsed(&mut self, from: PartitionRef, offset: Offset, content: Content) {
        let log = self.partitions.entry(from);
        if log.data.insert(offset.get()) {
            log.unprocessed.insert(offset.get());
        }
        log.glimpsed.insert(offset.get());
        match content.identity() {
            Some(record) => {
                if self.witness == Witness::ReadersAndProducers {
                    log.told.add(offset, record);
                }
                self.notice(record);
            }
            None => log.meet_stranger(offset, content),
        }
    }

    /// A record was seen; that it was never sent is known only at the end.
    #[inline]
    fn notice(&mut self, record: RecordId) {
        // That a change was never made is for the capture to find.
        if !record.is_change() && !self.sent.contains(record) {
            self.early.insert(record);
        }
    }

    pub(crate) fn partition(&self, partition: PartitionRef) -> Option<&PartitionLog> {
        self.partitions.get(partition)
    }

    /// The partitions that anything was said of.
    pub(crate) fn partitions(&self) -> impl Iterator<Item = PartitionRef> + '_ {
        self.partitions.iter().map(|(partition, _)| partition)
    }

    /// Whether everything that a topic ever held may still be there.
    pub(crate) fn begins_at_zero(&self, topic: TopicIx) -> bool {
        let mut logs = self.partitions.iter().filter(|(at, _)| at.topic == topic);
        let starts = |log: &PartitionLog| log.pinned.as_ref().map(|range| range.start.get());
        logs.all(|(_, log)| starts(log).is_none_or(|start| start == 0))
    }

    /// Whether a record stands anywhere.
    pub(crate) fn holds(&self, record: RecordId) -> bool {
        self.stored_records.stored.contains(record)
    }

    /// Whether any offset of a partition was acknowledged.
    pub(crate) fn was_acknowledged(&self, partition: PartitionRef) -> bool {
        let log = self.partition(partition);
        log.is_some_and(|log| !log.acknowledged.at().is_empty())
    }

    pub(crate) fn is_read(&self, partition: PartitionRef) -> bool {
        self.partition(partition).is_some_and(PartitionLog::is_read)
    }

    /// Whether it is settled which records stand; not so while the log is
    /// being told again.
    pub(crate) const fn knows_what_stands(&self) -> bool {
        matches!(self.reading, Reading::Claims { .. } | Reading::Done)
    }

    /// Whether everything that was said of the log is settled.
    pub(crate) const fn is_settled(&self) -> bool {
        matches!(self.reading, Reading::Done)
    }

    /// What was read in earlier lives of the logs; known once the log is
    /// settled.
    pub(crate) const fn past(&self) -> &Past {
        &self.past
    }

    /// Gives away what was read in earlier lives, when all is settled.
    pub(crate) fn take_past(&mut self) -> Past {
        std::mem::take(&mut self.past)
    }

    /// Whether a record stands at more than one place.
    pub(crate) fn holds_twice(&self, record: RecordId) -> bool {
        self.stored_records.again.contains(record)
    }

    /// Whether any record stands at more than one place.
    pub(crate) fn holds_copies(&self) -> bool {
        !self.stored_records.again.is_empty()
    }

    /// Whether an observer read the log.
    pub(crate) fn is_observed(&self) -> bool {
        self.witness == Witness::Observer
    }

    /// Whether a record stands anywhere.
    pub(crate) fn is_stored(&self, record: RecordId) -> bool {
        self.stored_records.stored.contains(record)
    }

    /// Whether a record was acknowledged.
    pub(crate) fn is_acknowledged(&self, record: RecordId) -> bool {
        self.acknowledged.contains(record)
    }

    /// Whether retention or compaction may have taken records out of a topic.
    pub(crate) fn may_have_taken(&self, topic: TopicIx, names: &Names) -> bool {
        let begins_later = |partition| {
            let log = self.partition(partition);
            let pinned = log.and_then(|log| log.pinned.as_ref());
            pinned.is_some_and(|pinned| pinned.start > Offset::new(0))
        };
        names.compacts(topic) || names.partitions_of(topic).any(begins_later)
    }

    /// Whether every partition of a topic, as declared or written to, was
    /// read: only then is a record that was not met nowhere.
    pub(crate) fn topic_is_read(&self, topic: TopicIx, names: &Names) -> bool {
        names
            .partitions_of(topic)
            .all(|partition| self.is_read(partition))
            && self
                .partitions
                .iter()
                .filter(|(partition, _)| partition.topic == topic)
                .all(|(_, log)| log.is_read())
    }

    /// Takes in the next event of another reading of the same history.
    pub(crate) fn observe_again(
        &mut self,
        body: &Body,
        context: Context<'_>,
        collector: &mut FindingCollector,
    ) {
        let (partition, offset, kind, record) = match body {
            Body::SendCompleted {
                record,
                outcome: Outcome::Acknowledged { at, offset },
            } => (*at, *offset, Kind::Acknowledged, *record),
            Body::Stored {
                partition,
                offset,
                content: Content::Ours(record),
            } => (*partition, *offset, Kind::Stored, *record),
            Body::ChangeEvent {
                partition,
                offset,
                content: ChangeContent::Ours(change),
                ..
            } if context.names.is_read(partition.topic) => {
                let record = RecordId::of_change(*change);
                (*partition, *offset, Kind::Stored, record)
            }
            Body::Processed {
                from,
                offset,
                content,
                ..
            } => {
                let Some(record) = content.identity() else {
                    return;
                };
                let kind = match self.witness {
                    Witness::Observer => Kind::Read,
                    Witness::Readers | Witness::ReadersAndProducers => Kind::Stored,
                };
                (*from, *offset, kind, record)
            }
            Body::Glimpsed {
                from,
                offset,
                content: Content::Ours(record),
                ..
            } if self.witness != Witness::Observer => (*from, *offset, Kind::Glimpsed, *record),
            _ => return,
        };
        let claim = Claim {
            partition,
            offset,
            kind,
            record,
        };
        match std::mem::replace(&mut self.reading, Reading::Done) {
            Reading::StoredRecords(mut collected) => {
                if kind == Kind::Stored {
                    self.stands(claim, &mut collected, context);
                }
                self.reading = Reading::StoredRecords(collected);
            }
            Reading::Claims {
                mut collected,
                unsent,
                read,
            } => {
                let is_first = collected.is_first();
                if is_first && kind == Kind::Stored {
                    self.stored_records.look_up(partition, offset, record);
                }
                if is_first && kind != Kind::Acknowledged && unsent.contains(record) {
                    let log = self.partitions.entry(partition);
                    log.phantom.insert(offset.get());
                }
                self.contested(claim, &mut collected, &read, context, collector);
                self.reading = Reading::Claims {
                    collected,
                    unsent,
                    read,
                };
            }
            Reading::First | Reading::Done => {}
        }
    }

    fn stands(&mut self, claim: Claim, collected: &mut Collector, context: Context<'_>) {
        let told = (self.witness, self.blocks());
        let Some(log) = self.partitions.get_mut(claim.partition) else {
            return;
        };
        if log.out_of_order {
            collected.offer(claim);
        } else if collected.is_first() {
            let transactions = &context.txn_outcomes.transactions;
            log.find(
                told,
                &mut self.stored_records,
                transactions,
                Victim::of(claim),
            );
        }
    }

    /// Collects a claim where it is contested. An acknowledgement of a record
    /// that stands nowhere can be settled right away, where it is the only one
    /// of its offset.
    fn contested(
        &mut self,
        claim: Claim,
        collected: &mut Collector,
        read: &BTreeSet<TopicIx>,
        context: Context<'_>,
        collector: &mut FindingCollector,
    ) {
        let block = self.blocks().holding(claim.offset);
        let Some(log) = self.partitions.get(claim.partition) else {
            return;
        };
        match claim.kind {
            Kind::Acknowledged => {
                if !claim.offset.is_given() || !log.is_contested(block) {
                    return;
                }
                let stored = self.stored_records.stored.contains(claim.record);
                let told = self.witness != Witness::Observer
                    && (!log.data.is_empty() || log.sending.is_unordered);
                if stored || told || log.crowded.contains(claim.offset.get()) {
                    collected.offer(claim);
                } else if collected.is_first() {
                    if self.witness != Witness::Observer {
                        self.settle_lone_place(claim, context, collector);
                    }
                    self.miss(claim, read, context, collector);
                }
            }
            Kind::Stored | Kind::Glimpsed => {
                if log.is_contested(block) || log.contested.readings.contains(block) {
                    collected.offer(claim);
                }
            }
            Kind::Read => {
                if log.contested.readings.contains(block) {
                    collected.offer(claim);
                }
            }
        }
    }

    /// Whether the history has to be read once more, now that it was read to
    /// its end.
    pub(crate) fn end_pass(
        &mut self,
        context: Context<'_>,
        collector: &mut FindingCollector,
    ) -> Need {
        match std::mem::replace(&mut self.reading, Reading::Done) {
            Reading::First => {
                let blocks = self.blocks();
                let out_of_order = self.partitions.values().any(|log| log.out_of_order);
                let mut unclear = out_of_order || self.stored_records.is_unclear;
                // In which transaction a record was sent is known only now.
                unclear |= !context.txn_outcomes.transactions.is_empty()
                    && !self.stored_records.disordered.is_empty();
                if self.belated && !unclear {
                    let contested: u64 = self
                        .partitions
                        .values()
                        .map(|log| log.acknowledged.disagreeing(&log.all).count() as u64)
                        .map(|disagreeing| disagreeing * blocks.size())
                        .sum();
                    unclear = contested > self.limits.claims_max as u64;
                }
                if !unclear {
                    return self.contest(context, collector);
                }
                self.stored_records = std::mem::take(&mut self.stored_records).told_again();
                for log in self.partitions.values_mut() {
                    log.forget_what_stands();
                }
                self.reading = Reading::StoredRecords(Collector::new(self.limits.claims_max));
                Need::Reading
            }
            Reading::StoredRecords(collected) => {
                let (claims, next) = collected.close();
                self.untangle(&claims, context);
                match next {
                    Some(next) => {
                        self.reading = Reading::StoredRecords(next);
                        Need::Reading
                    }
                    None => self.contest(context, collector),
                }
            }
            Reading::Claims {
                collected,
                unsent,
                read,
            } => {
                let (claims, next) = collected.close();
                let same_place =
                    |a: &Claim, b: &Claim| (a.partition, a.offset) == (b.partition, b.offset);
                for claims in claims.chunk_by(same_place) {
                    self.settle_place(claims, &read, context, collector);
                }
                self.stored_records
                    .settle_doubts(&context.txn_outcomes.transactions);
                let Some(collected) = next else {
                    self.settle_moved(context.names, collector);
                    return Need::Nothing;
                };
                self.reading = Reading::Claims {
                    collected,
                    unsent,
                    read,
                };
                Need::Reading
            }
            Reading::Done => Need::Nothing,
        }
    }

    /// Tells what stands in partitions that were not told in order.
    fn untangle(&mut self, claims: &[Claim], context: Context<'_>) {
        let (witness, blocks) = (self.witness, self.blocks());
        for claim in claims {
            let log = self.partitions.entry(claim.partition);
            if !log.order.goes_on(claim.offset) {
                // Two records at one offset, whatever was said of it.
                log.contested.readings.insert(blocks.holding(claim.offset));
            }
            let transactions = &context.txn_outcomes.transactions;
            log.find(
                (witness, blocks),
                &mut self.stored_records,
                transactions,
                Victim::of(*claim),
            );
        }
    }

    /// Finds what has to be looked at claim by claim.
    fn contest(&mut self, context: Context<'_>, collector: &mut FindingCollector) -> Need {
        let blocks = self.blocks();
        let topics: BTreeSet<TopicIx> = self.partitions.iter().map(|(at, _)| at.topic).collect();
        let read = topics
            .into_iter()
            .filter(|topic| self.topic_is_read(*topic, context.names))
            .collect();
        let unsent = self.unsent(context.provenance);
        let observed = self.is_observed();
        for (partition, log) in self.partitions.iter().filter(|_| observed) {
            if let Some(end) = log.end() {
                let reads = log.readings.first().and_then(|first| first.at().last());
                let strangers = log.phantom.last().max(log.corrupt.last());
                self.past.end(partition, end, reads.max(strangers));
            }
        }
        for log in self.partitions.values_mut() {
            log.contest(blocks);
        }
        if self.witness != Witness::Observer {
            self.contest_places();
        }
        let mut need = !unsent.is_empty() || self.stored_records.has_doubts();
        for log in self.partitions.values_mut() {
            let agreed = log.contested.acknowledgements.iter().map(|block| {
                let (first, end) = blocks.range(block);
                log.acknowledged.at().count(first, end)
            });
            self.settled.looked_for += log.acknowledged.at().len() - agreed.sum::<u64>();
            need |= !log.contested.acknowledgements.is_empty();
            need |= !log.contested.readings.is_empty();
        }
        self.settle_unplaced(&read, context, collector);
        if !need {
            return Need::Nothing;
        }
        self.reading = Reading::Claims {
            collected: Collector::new(self.limits.claims_max),
            unsent,
            read,
        };
        Need::Reading
    }

    /// Records that were seen and that nobody sent: known once all sending is
    /// on record.
    fn unsent(&self, provenance: &Provenance) -> RecordSet {
        let mut unsent = RecordSet::default();
        if self.traffic_ended || provenance.is_imported() {
            for record in self.early.iter() {
                if !self.sent.contains(record) && provenance.announces(record.producer) {
                    unsent.insert(record);
                }
            }
        }
        unsent
    }

    /// Acknowledgements without an offset: their record stands somewhere, or
    /// nowhere.
    fn settle_unplaced(
        &mut self,
        read: &BTreeSet<TopicIx>,
        context: Context<'_>,
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
                    kind: Kind::Acknowledged,
                    record,
                };
                self.miss(claim, read, context, collector);
            }
            self.partitions.entry(partition).unplaced = unplaced;
        }
    }

    /// What it means that an acknowledged record stands nowhere, where its
    /// topic was read: lost-write, unless something else explains it.
    fn miss(
        &mut self,
        claim: Claim,
        read: &BTreeSet<TopicIx>,
        context: Context<'_>,
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
                settled.lose(record, (partition, offset), log, context);
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
    fn settle_place(
        &mut self,
        claims: &[Claim],
        read: &BTreeSet<TopicIx>,
        context: Context<'_>,
        collector: &mut FindingCollector,
    ) {
        if self.witness != Witness::Observer {
            let absent = |ledger: &mut Self, claim, collector: &mut FindingCollector| {
                ledger.miss(claim, read, context, collector);
            };
            self.settle_told_place(claims, absent, context, collector);
            return;
        }
        let (partition, offset) = (claims[0].partition, claims[0].offset);
        let acknowledged = claims.partition_point(|claim| claim.kind < Kind::Stored);
        let (acknowledged, rest) = claims.split_at(acknowledged);
        let stored_records = rest.partition_point(|claim| claim.kind < Kind::Read);
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
                self.miss(*claim, read, context, collector);
            }
        }
        let stored = |claim: &Claim| self.stored_records.stored.contains(claim.record);
        let looked_for = acknowledged.iter().filter(|claim| stored(claim)).count();
        // It was acknowledged here, and stands elsewhere; but where a copy may
        // have been taken from here, it says nothing that the other is there.
        let log = self.partitions.get(partition);
        let taken = log.is_some_and(|log| log.is_emptied(partition, offset, context.names));
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
        let victim = match (acknowledged, stored_records) {
            ([told], [there]) if told.record == there.record => Some(Victim::of(*there)),
            _ => None,
        };

        self.settled.looked_for += looked_for as u64;
        if let Some(victim) = victim
            && let Some(log) = self.partitions.get_mut(partition)
        {
            log.ends.offer_settled(victim);
        }
        for record in contradicted {
            self.contradict(record, partition, offset, context.names, collector);
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
    fn settle_moved(&mut self, names: &Names, collector: &mut FindingCollector) {
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
    /// where somebody said it is in this life of the log, or that shares its
    /// offset with another.
    fn contradict(
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

    /// Puts together what all readings came to.
    pub(crate) fn settle(
        &mut self,
        context: Context<'_>,
        collector: &mut FindingCollector,
    ) -> Settled {
        let mut settled = std::mem::take(&mut self.settled);
        self.count(&mut settled, context.names);
        settled.victims = self.choose_victims(context.names);
        settled.bystanders = self.choose_bystanders(context.names);
        self.find_duplicates(collector);
        collector.absorb(std::mem::take(&mut self.stored_records.collector));
        self.find_failed_and_stored(collector);
        self.find_strangers(context.names, collector);
        settled
    }

    fn count(&self, settled: &mut Settled, names: &Names) {
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
            .map(|(_, log)| log.data.len() - log.only_acknowledged.len())
            .sum();
        settled.distinct = self.stored_records.stored.len() - self.stored_records.changes;
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
            .take(VICTIM_PARTITIONS_MAX)
    }

    /// Records that were acknowledged once, where they stand or without an
    /// offset, and of which nothing else is wrong.
    fn choose_victims(&self, names: &Names) -> Vec<Victim> {
        let blocks = self.blocks();
        let mut victims = Vec::new();
        for (_, log) in self.in_view(names) {
            let contested = &log.contested.acknowledgements;
            victims.extend(log.ends.choose(|victim, known| {
                let fit = match known {
                    Known::Surely => true,
                    Known::Likely => !contested.contains(blocks.holding(victim.offset)),
                    // Where retention may have taken it, it could not be lost.
                    Known::Unplaced => log.start() == 0,
                };
                let sent = victim.record.is_change() || self.sent.contains(victim.record);
                fit && sent
                    && !self.stored_records.again.contains(victim.record)
                    && !self.stored_records.disordered.contains(victim.record)
                    && !self.contradicted.contains(victim.record)
                    && !self.past.is_below(victim.record)
            }));
        }
        victims
    }

    /// One record of each partition that stands there and was sent.
    fn choose_bystanders(&self, names: &Names) -> Vec<Victim> {
        let some = self.in_view(names).filter_map(|(partition, log)| {
            let mut latest = log.order.latest();
            let (offset, record) = latest.find(|(_, record)| self.sent.contains(*record))?;
            Some(Victim {
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
    fn untold(&self) -> impl Iterator<Item = RecordId> + '_ {
        let told = |record| self.failed.contains(record) || self.unknown.contains(record);
        let unacknowledged = self.sent.without(&self.acknowledged);
        unacknowledged.filter(move |record| !told(*record))
    }

    /// phantom and corrupt, by the offset at which somebody saw them.
    fn find_strangers(&self, names: &Names, collector: &mut FindingCollector) {
        for (partition, log) in self.partitions.iter() {
            let strangers = [
                (Anomaly::Phantom, &log.phantom, "nobody sent what stands"),
                (Anomaly::Corrupt, &log.corrupt, "a damaged record stands"),
            ];
            for (anomaly, offsets, what) in strangers {
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

impl Settled {
    /// Files a lost record with those that care.
    fn lose(
        &mut self,
        record: RecordId,
        (partition, offset): (PartitionRef, Offset),
        log: &PartitionLog,
        context: Context<'_>,
    ) {
        if context.txn_outcomes.transactions.of(record).is_some() {
            self.lost.push(record);
        }
        if log.end().is_some_and(|end| offset >= end) {
            let highest = self.gone.entry(partition).or_insert((offset, record));
            *highest = (*highest).max((offset, record));
        }
    }
}
