//! All partitions' logs, and the records that were sent to them: what the log can
//! be asked. Its parts, a file each: taking in the first pass, the passes after it,
//! what single contested offsets come to, what all of it comes to, and what is
//! different where another tool recorded the history.

mod contested;
mod first_pass;
mod imported;
mod imported_places;
mod later_passes;
mod settle;

use std::collections::{BTreeMap, BTreeSet};

use model::event::Event;
use model::ids::{Offset, PartitionRef, RecordId, TopicIx};

use crate::analyzer::{Analyzer, Need, OUTCOMES, PROCESSED, SENDS, STORED};
use crate::context::Context;
use crate::finding::FindingCollector;
use crate::limits::Limits;
use crate::log::claims::Blocks;
use crate::log::collect::{Claim, Collector};
use crate::log::partition_log::{Extent, PartitionLog};
use crate::log::past::Past;
use crate::log::stored_records::StoredRecords;
use crate::log::targets::Target;
use crate::log::witness::{Followed, Witness};
use crate::names::Names;
use crate::sets::record_set::RecordSet;
use crate::sets::table::PartitionTable;

/// Records whose order is looked up in another reading, at most.
const DOUBTFUL_MAX: usize = 4096;

/// What is known of the log.
#[derive(Default)]
pub(crate) struct Ledger {
    limits: Limits,
    pub(super) witness: Witness,
    /// Whether something was told before all witnesses were known.
    is_late: bool,
    sent: RecordSet,
    pub(super) acknowledged: RecordSet,
    failed: RecordSet,
    /// Records whose outcome was reported to the producer as unknown.
    unknown: RecordSet,
    followed: Followed,
    /// Records that were seen before they were known to have been sent.
    early: RecordSet,
    partitions: PartitionTable<PartitionLog>,
    pub(super) stored_records: StoredRecords,
    /// Whether something was said of an offset after what stands there.
    belated: bool,
    pub(super) stage: Stage,
    settled: Settled,
    contradicted: RecordSet,
    /// What was read in earlier lives of the logs.
    pub(super) past: Past,
    /// Readings of records where another one stands, of which the record stands
    /// elsewhere. Where the log was cut they contradict nothing.
    moved: Vec<Claim>,
    /// Records that are said to be where they were not read.
    unread_places: RecordSet,
    lost: Lost,
}

/// The purpose of the current pass.
#[derive(Default)]
pub(super) enum Stage {
    /// Bits and fingerprints.
    #[default]
    First,
    /// What stands in the log, once more. Of partitions that were not told in
    /// the order of their offsets it is collected, to be sorted.
    StoredRecords(Collector),
    /// The claims of contested blocks.
    Claims {
        collected: Collector,
        /// Records that were seen and never sent.
        unsent: RecordSet,
        read: BTreeSet<TopicIx>,
    },
    /// Nothing any more.
    Done,
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
    /// First copies with a predecessor of the same producer in the same
    /// partition.
    pub(crate) ordered_pairs: u64,
    /// Partitions that were pinned, or written to, and not read to the end.
    pub(crate) unread: Vec<PartitionRef>,
    /// Records without a blemish, for calibration to plant anomalies on.
    pub(crate) targets: Vec<Target>,
    /// Records that were sent and stand, whatever else is wrong with them.
    pub(crate) other_records: Vec<Target>,
    /// How far each partition reaches.
    pub(crate) extents: BTreeMap<PartitionRef, Extent>,
}

/// Lost records that other analyses care about.
#[derive(Default)]
pub(crate) struct Lost {
    /// Acknowledged records of transactions.
    pub(crate) of_transactions: Vec<RecordId>,
    /// The highest of each partition that was acknowledged at or above its end.
    pub(crate) above_end: BTreeMap<PartitionRef, (Offset, RecordId)>,
}

impl Analyzer for Ledger {
    type Uses<'d> = ();
    type Coverage = Settled;

    const FREQUENT: u8 = SENDS | OUTCOMES | STORED | PROCESSED;

    #[inline]
    fn observe(&mut self, event: &Event, context: &Context, _collector: &mut FindingCollector) {
        self.take_in(&event.body, context);
    }

    fn observe_again(
        &mut self,
        event: &Event,
        context: &Context,
        (): (),
        collector: &mut FindingCollector,
    ) {
        self.take_in_again(&event.body, context, collector);
    }

    fn end_pass(&mut self, context: &Context, (): (), collector: &mut FindingCollector) -> Need {
        self.close_pass(context, collector)
    }

    fn settle(&mut self, context: &Context, (): (), collector: &mut FindingCollector) -> Settled {
        self.put_together(context, collector)
    }
}

impl Ledger {
    pub(crate) fn within(limits: Limits) -> Self {
        Self {
            limits,
            stored_records: StoredRecords::doubting(limits.claims_max.min(DOUBTFUL_MAX)),
            ..Self::default()
        }
    }

    pub(super) const fn blocks(&self) -> Blocks {
        Blocks::of_size(self.limits.block)
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
        matches!(self.stage, Stage::Claims { .. } | Stage::Done)
    }

    /// Whether everything that was said of the log is settled.
    pub(crate) const fn is_settled(&self) -> bool {
        matches!(self.stage, Stage::Done)
    }

    /// The lost records that others care about; known once the log is settled.
    pub(crate) const fn lost(&self) -> &Lost {
        &self.lost
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
}
