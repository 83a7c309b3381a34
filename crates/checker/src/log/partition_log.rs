//! Everything that was said of one partition's log: what stands at its offsets,
//! what producers and readers said of them, and which blocks do not agree. Knows
//! nothing of other partitions.

use std::ops::Range;

use model::event::Content;
use model::ids::{Offset, PartitionRef, RecordId};

use crate::log::claims::{Blocks, Claims};
use crate::log::places::{PlaceOrder, Sending};
use crate::log::stored_records::{Order, StoredRecords};
use crate::log::targets::{Target, TargetCandidates};
use crate::log::witness::{ReportedRecords, Witness};
use crate::names::Names;
use crate::sets::fingerprint::Fingerprint;
use crate::sets::record_set::RecordSet;
use crate::sets::sparse_set::SparseSet;
use crate::sets::table::Table;
use crate::txn::tracker::Transactions;

/// Readings of one offset that are held in bits, at most; where there are
/// more, they are looked at one by one.
const READINGS_MAX: usize = 16;

/// Everything that was said of one partition.
#[derive(Default)]
pub(crate) struct PartitionLog {
    pub(super) pinned: Option<Range<Offset>>,
    pub(super) read: bool,
    /// Offsets at which a record stands, whatever it is.
    pub(super) data: SparseSet,
    /// Offsets at which a record was seen that was not sent there.
    pub(super) phantom: SparseSet,
    /// Offsets at which a damaged record was seen.
    pub(super) corrupt: SparseSet,
    /// Offsets at which the log itself holds a damaged record.
    pub(super) damaged: SparseSet,
    /// Offsets among the data that only an acknowledgement names.
    pub(super) only_acknowledged: SparseSet,
    pub(super) told: ReportedRecords,
    /// What readers processed, where no observer read the log.
    processed: Option<Range<Offset>>,
    /// Offsets of what a poll gave out that was taken back.
    pub(super) glimpsed: SparseSet,
    /// Of these, those that were not processed.
    pub(super) unprocessed: SparseSet,
    /// Acknowledged above everything that was read, where no observer
    /// read the log.
    pub(super) beyond: SparseSet,
    pub(super) sending: Sending,
    pub(super) places: PlaceOrder,
    pub(super) acknowledged: Claims,
    /// By block, everything that stands there; where readers tell what does,
    /// which may be before anything was said of it.
    pub(super) all: Table<Fingerprint>,
    /// Offsets that more than one acknowledgement names.
    pub(super) crowded: SparseSet,
    /// Records whose acknowledgement names no offset.
    pub(super) unplaced: RecordSet,
    /// The first reading of each offset, the second, and so on.
    pub(super) readings: Vec<Claims>,
    pub(super) order: Order,
    /// Whether the log was not told in the order of its offsets.
    pub(super) out_of_order: bool,
    pub(super) contested: Contested,
    pub(super) candidates: TargetCandidates,
    /// The lowest offset at which a record stands and another was acknowledged
    /// or read that stands nowhere: from there on the log was cut.
    pub(super) cut_from: Option<i64>,
}

/// Blocks that are looked at claim by claim.
#[derive(Default)]
pub(super) struct Contested {
    /// Those where acknowledgements and the log do not agree.
    pub(super) acknowledgements: SparseSet,
    /// Those where readings and the log do not agree.
    pub(super) readings: SparseSet,
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

    /// A record without an identity was seen there.
    pub(super) fn see_unidentified(&mut self, offset: Offset, content: Content) {
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
    pub(super) fn cut(&mut self, offset: Offset) {
        let lower = |from: i64| from.min(offset.get());
        self.cut_from = Some(self.cut_from.map_or(offset.get(), lower));
    }

    /// Whether a record stands at an offset.
    pub(crate) fn has(&self, offset: i64) -> bool {
        self.data.contains(offset)
    }

    /// Whether a record was seen there.
    pub(crate) fn saw(&self, offset: i64) -> bool {
        self.has(offset) && !self.only_acknowledged.contains(offset)
    }

    pub(super) fn extent(&self, witness: Witness) -> Extent {
        let last = self.data.last();
        let end = self.end().map_or(0, Offset::get);
        let mut said = self.readings.iter().map(Claims::at).map(SparseSet::last);
        let said = said.next().flatten().max(self.acknowledged.at().last());
        let unidentified = self.phantom.last().max(self.corrupt.last());
        let said = said.filter(|_| witness == Witness::Observer);
        let farthest = said.max(unidentified).max(last);
        Extent {
            read: self.is_read(),
            last: last.filter(|last| *last < end).map(Offset::new),
            fresh: Offset::new(end.max(farthest.unwrap_or(-1).saturating_add(1))),
        }
    }

    /// The part of a range of offsets that lies inside the pinned range;
    /// nothing where it was not pinned.
    pub(super) fn inside(&self, first: i64, end: i64) -> (i64, i64) {
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
    pub(super) fn is_emptied(&self, here: PartitionRef, offset: Offset, names: &Names) -> bool {
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
    /// acknowledged nor are in the other set: it is unknown whether a record
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
    pub(super) fn acknowledge(&mut self, blocks: Blocks, offset: Offset, record: RecordId) {
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
    pub(super) fn process(&mut self, blocks: Blocks, offset: Offset, record: RecordId) {
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
    pub(super) fn find(
        &mut self,
        (witness, blocks): (Witness, Blocks),
        stored_records: &mut StoredRecords,
        transactions: &Transactions,
        target: Target,
    ) {
        let Target {
            partition,
            offset,
            record,
        } = target;
        stored_records.meet(&mut self.order, partition, offset, record, transactions);
        let block = blocks.holding(offset);
        let placed = Fingerprint::of(offset, record);
        if self.acknowledged.find(offset, block, placed) || record.is_change() {
            self.candidates.offer(target);
        } else if self.unplaced.contains(record) {
            self.candidates.offer_unplaced(target);
        }
        if witness != Witness::Observer {
            self.all.entry(block).add(placed);
        }
        for reading in &mut self.readings {
            reading.find(offset, block, placed);
        }
    }

    /// Forgets what stands here, to be told again.
    pub(super) fn forget_what_stands(&mut self) {
        self.order = Order::default();
        self.candidates = TargetCandidates::default();
        self.all = Table::default();
        for claims in self.readings.iter_mut().chain([&mut self.acknowledged]) {
            claims.forget_what_stands();
        }
    }

    /// Contests the blocks in which something was said that is not so. A
    /// reading of an offset at which nothing stands contradicts nothing.
    pub(super) fn contest(&mut self, blocks: Blocks) {
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
    pub(super) fn is_contested(&self, block: i64) -> bool {
        self.contested.acknowledgements.contains(block)
    }

    /// Notes that a member processed what stands at an offset.
    #[inline]
    pub(super) fn processed_at(&mut self, offset: Offset) {
        let behind = Offset::new(offset.get().saturating_add(1));
        let read = self.processed.get_or_insert(offset..behind);
        read.start = read.start.min(offset);
        read.end = read.end.max(behind);
    }

    /// From the lowest offset that was processed to behind the highest.
    pub(super) const fn processed(&self) -> Option<&Range<Offset>> {
        self.processed.as_ref()
    }

    /// Offsets of what was acknowledged above everything that was read,
    /// and that nothing may have taken.
    pub(crate) const fn beyond(&self) -> &SparseSet {
        &self.beyond
    }
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
