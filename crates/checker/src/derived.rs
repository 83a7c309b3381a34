//! Applications that read and write: of each record that such a group
//! processes it makes one. Knows nothing of what its members processed or
//! committed.
//!
//! - *duplicate*: of the records that a group made of one record, each beyond
//!   the first that stands where a `read_committed` reader is given it.
//! - *group-gap*, which `groups/unprocessed.rs` finds: what of a record was made is part
//!   of its processing. It was made when the record made of it was
//!   acknowledged or stands, in no transaction or in a committed one. Where it
//!   was acknowledged and does not stand, the broker lost it: that is
//!   *lost-write*, and the group has done its part.
//!
//! Which transactions were committed is known only at the end, so that a
//! history that tells of such a group is read once more.
//!
//! The record that something was made of is known by its identity: it is the one
//! that a member of the group processed last at the place that is named, or next
//! where it has processed none there yet. A place is used again when a log is cut
//! or made again.
//!
//! Held: three bits for each record that something was made of, by its place and
//! by its identity; nothing for each record that was made.

use std::collections::{BTreeMap, HashMap};

use model::anomaly::Anomaly;
use model::event::{Body, Content, Event};
use model::ids::{GroupIx, Offset, PartitionRef, RecordId, TopicIx};

use crate::analyzer::{Analyzer, Need};
use crate::context::Context;
use crate::finding::{FindingCollector, Watch};
use crate::log::Ledger;
use crate::sets::record_set::RecordSet;
use crate::sets::sparse_set::SparseSet;
use crate::txn::outcomes::TxnOutcome;

/// Records of which a group may still make something, at most: what is made of
/// a record is told right behind its processing.
const IN_HAND_MAX: usize = 1 << 16;

/// What one group made of the records of one partition, by their offsets.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outputs {
    /// Of which it made something that took effect.
    pub(crate) made: SparseSet,
    /// Of which something that was made stands.
    stands: SparseSet,
    /// Of which more than one thing that was made stands.
    doubled: SparseSet,
    /// Of which it is unknown whether anything was made.
    pub(crate) unsettled: SparseSet,
}

impl Outputs {
    /// Of which one thing that was made stands.
    pub(crate) fn standing_once(&self) -> impl Iterator<Item = i64> + '_ {
        self.stands.range_without(&self.doubled, 0, i64::MAX)
    }
}

/// The records that one group made something of, wherever they stood.
#[derive(Clone, Debug, Default)]
pub(crate) struct Made {
    /// Of which it made something that took effect.
    pub(crate) took_effect: RecordSet,
    /// Of which it is unknown whether anything was made.
    pub(crate) unsettled: RecordSet,
    /// Of which something that was made stands.
    stands: RecordSet,
}

impl Made {
    /// Takes in what became of something that was made of `source`; whether it
    /// is the first of it that stands.
    fn add(&mut self, source: RecordId, effect: Effect) -> bool {
        match effect {
            Effect::Stands => {
                self.took_effect.insert(source);
                return self.stands.insert(source);
            }
            Effect::Lost => {
                self.took_effect.insert(source);
            }
            Effect::Unsettled => {
                self.unsettled.insert(source);
            }
            Effect::Aborted | Effect::Never => {}
        }
        true
    }
}

/// What groups made of the records that they processed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Derivations {
    stage: Stage,
    outputs: BTreeMap<(GroupIx, PartitionRef), Outputs>,
    made: BTreeMap<GroupIx, Made>,
    /// What each group processed last at a place.
    in_hand: HashMap<(GroupIx, PartitionRef), HashMap<Offset, RecordId>>,
    /// What was made at a place before the group processed a record there.
    ahead: HashMap<(GroupIx, PartitionRef, Offset), Vec<Effect>>,
    coverage: DerivationCoverage,
}

/// The purpose of the current pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// Nothing was made of anything so far.
    #[default]
    Nothing,
    /// Something was: it has to be seen what became of it, once it is settled
    /// what stands in the log.
    Wanted,
    /// What became of it.
    Outputs,
    /// Nothing any more.
    Done,
}

/// How much was made of what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DerivationCoverage {
    /// Groups that write.
    pub groups: u64,
    /// Records made of others that stand where a `read_committed` reader is
    /// given them.
    pub made: u64,
    /// Records made in transactions that were aborted.
    pub aborted: u64,
    /// Records of which it is unknown whether they took effect.
    pub unsettled: u64,
}

/// Whether a record that was made of another took effect.
#[derive(Clone, Copy, Debug)]
enum Effect {
    /// It stands, for every reader.
    Stands,
    /// It was acknowledged, and is not there.
    Lost,
    /// A reader of committed records is not given it.
    Aborted,
    /// It was never written, as far as the history tells.
    Never,
    Unsettled,
}

impl Analyzer for Derivations {
    type Uses<'d> = (&'d Ledger,);
    type Coverage = DerivationCoverage;

    /// Takes in the next event of the first reading.
    fn observe(&mut self, event: &Event, _context: &Context, _collector: &mut FindingCollector) {
        match &event.body {
            Body::TransformDeclared { .. } => self.coverage.groups += 1,
            Body::Derived { .. } => self.stage = Stage::Wanted,
            _ => {}
        }
    }

    /// Takes in the next event of another reading of the same history.
    fn observe_again(
        &mut self,
        event: &Event,
        context: &Context,
        (log,): Self::Uses<'_>,
        collector: &mut FindingCollector,
    ) {
        if self.stage != Stage::Outputs {
            return;
        }
        if let Body::Processed {
            member,
            from,
            offset,
            content,
        } = &event.body
        {
            let group = context.names.group_of(*member);
            let writes = |group: &GroupIx| context.names.writes_to(*group).is_some();
            if let Some(group) = group.filter(writes) {
                self.take_in_hand((group, *from), *offset, *content);
            }
            return;
        }
        let Body::Derived {
            record,
            group,
            from,
            offset,
        } = &event.body
        else {
            return;
        };
        let in_hand = self.in_hand.get(&(*group, *from));
        let source = in_hand.and_then(|known| known.get(offset).copied());
        let to = context.names.writes_to(*group);
        let effect = effect(*record, to, log, context);
        let first = if let Some(source) = source {
            self.made.entry(*group).or_default().add(source, effect)
        } else {
            self.keep_ahead((*group, *from, *offset), effect);
            true
        };
        let outputs = self.outputs.entry((*group, *from)).or_default();
        let at = offset.get();
        match effect {
            Effect::Stands => {
                self.coverage.made += 1;
                outputs.made.insert(at);
                let first_here = outputs.stands.insert(at);
                if !(first && first_here) {
                    outputs.doubled.insert(at);
                }
                if !first || source.is_none() && !first_here {
                    add(*record, (*group, *from, *offset), context, collector);
                }
            }
            Effect::Lost => {
                outputs.made.insert(at);
            }
            Effect::Aborted => self.coverage.aborted += 1,
            Effect::Never => {}
            Effect::Unsettled => {
                self.coverage.unsettled += 1;
                outputs.unsettled.insert(at);
            }
        }
    }

    /// Whether the history has to be read once more, now that it was read to
    /// its end; to be asked after the log was.
    fn end_pass(
        &mut self,
        _context: &Context,
        (log,): Self::Uses<'_>,
        _collector: &mut FindingCollector,
    ) -> Need {
        self.stage = match self.stage {
            Stage::Nothing | Stage::Outputs | Stage::Done => Stage::Done,
            Stage::Wanted if log.knows_what_stands() => Stage::Outputs,
            Stage::Wanted => Stage::Wanted,
        };
        match self.stage {
            Stage::Nothing | Stage::Done => Need::Nothing,
            Stage::Wanted | Stage::Outputs => Need::AnotherPass,
        }
    }

    fn settle(
        &mut self,
        _context: &Context,
        _uses: Self::Uses<'_>,
        _collector: &mut FindingCollector,
    ) -> Self::Coverage {
        assert!(
            self.is_settled(),
            "what was made of records is counted before it is settled"
        );
        self.coverage
    }
}

impl Derivations {
    fn keep_ahead(&mut self, at: (GroupIx, PartitionRef, Offset), effect: Effect) {
        if self.ahead.len() >= IN_HAND_MAX {
            self.ahead.clear();
        }
        self.ahead.entry(at).or_default().push(effect);
    }

    fn take_in_hand(&mut self, of: (GroupIx, PartitionRef), offset: Offset, content: Content) {
        let ahead = self.ahead.remove(&(of.0, of.1, offset));
        if let (Some(effects), Content::Ours(source)) = (ahead, content) {
            let made = self.made.entry(of.0).or_default();
            for effect in effects {
                made.add(source, effect);
            }
        }
        let in_hand = self.in_hand.entry(of).or_default();
        if in_hand.len() >= IN_HAND_MAX {
            in_hand.clear();
        }
        match content.identity() {
            Some(record) => in_hand.insert(offset, record),
            None => in_hand.remove(&offset),
        };
    }

    /// Whether it is settled what was made of what.
    pub(crate) fn is_settled(&self) -> bool {
        self.stage == Stage::Done
    }

    /// The records that a group made something of.
    pub(crate) fn made(&self, group: GroupIx) -> Option<&Made> {
        self.made.get(&group)
    }

    /// What a group made of the records of a partition; none where it is no
    /// group that writes, or where what it wrote was not read.
    pub(crate) fn of(
        &self,
        group: GroupIx,
        partition: PartitionRef,
        log: &Ledger,
        context: &Context,
    ) -> Option<Outputs> {
        let to = context.names.writes_to(group)?;
        if !log.topic_is_read(to, &context.names) {
            return None;
        }
        let outputs = self.outputs.get(&(group, partition));
        Some(outputs.cloned().unwrap_or_default())
    }

    /// Everything that was made of anything, by the place of what it was made
    /// of.
    pub(crate) fn all(&self) -> impl Iterator<Item = ((GroupIx, PartitionRef), &Outputs)> {
        self.outputs.iter().map(|(of, outputs)| (*of, outputs))
    }

    /// Whether more than one thing that was made of a record stands.
    pub(crate) fn is_doubled(&self, group: GroupIx, from: PartitionRef, offset: Offset) -> bool {
        let outputs = self.outputs.get(&(group, from));
        outputs.is_some_and(|outputs| outputs.doubled.contains(offset.get()))
    }
}

fn effect(record: RecordId, to: Option<TopicIx>, log: &Ledger, context: &Context) -> Effect {
    let txn_outcomes = &context.txn_outcomes;
    let tx = txn_outcomes.transactions.of(record);
    match tx.map(|tx| (txn_outcomes.outcome(tx), txn_outcomes.torn.contains(&tx))) {
        // Which part of a torn one is visible is told by its own anomaly.
        Some((TxnOutcome::Unknown, _) | (_, true)) => return Effect::Unsettled,
        Some((TxnOutcome::Aborted, _)) => return Effect::Aborted,
        Some((TxnOutcome::Committed, _)) | None => {}
    }
    if log.holds(record) {
        Effect::Stands
    } else if log.is_acknowledged(record) {
        Effect::Lost
    } else if to.is_some_and(|to| log.may_have_taken(to, &context.names)) {
        Effect::Unsettled
    } else {
        Effect::Never
    }
}

/// duplicate: one more record that was made of one.
fn add(
    record: RecordId,
    (group, from, offset): (GroupIx, PartitionRef, Offset),
    context: &Context,
    collector: &mut FindingCollector,
) {
    collector.add_record(Anomaly::Duplicate, record, || {
        let place = context.names.partition(from);
        let group_name = context.names.group(group);
        let what =
            format!("{group_name} made {record} of {place}@{offset}, and another record before");
        let watch = vec![
            Watch::Record(record),
            Watch::MadeOf(group, from, offset),
            Watch::Position(from, offset),
        ];
        (what, watch)
    });
}
