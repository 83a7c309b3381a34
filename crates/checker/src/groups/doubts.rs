//! What is in doubt of the groups after the first pass, looked at event by event
//! in another one: steps that may have gone over a record or back, commits that may
//! have gone back, and records that have to be looked up by their identities.
//! Finds poll-skip and nonmonotonic-poll, and the same inside transactions.

use std::collections::{BTreeMap, HashMap};

use model::anomaly::Anomaly;
use model::event::{Body, CommitResult, Content, Event, Outcome};
use model::ids::{GroupIx, MemberIx, Micros, Offset, PartitionRef};

use crate::context::Context;
use crate::derived::{Derivations, Made, Outputs};
use crate::finding::{FindingCollector, Watch};
use crate::groups::commits::{Commit, Trail};
use crate::groups::partition_reads::{Lives, PartitionReads, Records, Resolved};
use crate::groups::positions::{Given, Positions, Within};
use crate::groups::progress::GroupProgress;
use crate::groups::scope::{Bounds, GroupScope};
use crate::log::{Ledger, PartitionLog};
use crate::sets::record_set::RecordSet;
use crate::sets::table::{PartitionTable, Table};
use crate::txn::tracker::Tx;

/// The pass in which doubts are settled.
#[derive(Default)]
pub(super) struct DoubtPass {
    pub(super) positions: Positions,
    pub(super) contested: BTreeMap<(GroupIx, PartitionRef), Doubt>,
    /// What each group processed that is gone.
    pub(super) gone: BTreeMap<GroupIx, RecordSet>,
    /// Whether what a transaction read last of a partition is gone.
    pub(super) joined_past: HashMap<(Tx, PartitionRef), bool>,
    /// Records that were jumped over and that compaction may have taken, where
    /// the topic's cleanup policy is unknown.
    pub(super) excused: u64,
}

/// What is in doubt of one group's reading of one partition.
#[derive(Default)]
pub(super) struct Doubt {
    pub(super) steps: bool,
    pub(super) commits: Option<Trail>,
    pub(super) resolved: Option<Resolved>,
    pub(super) lives: Option<Lives>,
}

impl Doubt {
    /// What is in doubt, if anything is.
    pub(super) fn about(
        reading: &PartitionReads,
        (in_place, is_cut): (bool, bool),
        outputs: Option<&Outputs>,
        log: Option<&PartitionLog>,
        bounds: Bounds<'_>,
    ) -> Option<Self> {
        let commits = &reading.commits;
        let done = GroupProgress::of(reading, outputs);
        let unclear = log.is_some_and(|log| {
            let elsewhere = !in_place && done.leaves_any(log, bounds);
            let position = reading.committed(log.end()).unwrap_or_default();
            let passes = log.beyond().range(0, position.get()).next().is_some();
            is_cut || log.is_disputed() || log.start() > 0 || elsewhere || passes
        });
        let resolved = unclear.then(|| Resolved {
            processed: reading.given.clone(),
            unsettled: reading.unsettled.clone(),
            in_vain: reading.in_vain.clone(),
            outputs: outputs.cloned(),
        });
        let doubt = Self {
            steps: is_cut || reading.went_back || reading.jumps.are_contested(log, bounds),
            commits: commits.are_contested.then(|| commits.trail()),
            resolved,
            lives: is_cut.then(Lives::default),
        };
        let any = doubt.steps || doubt.commits.is_some();
        (any || doubt.resolved.is_some() || doubt.lives.is_some()).then_some(doubt)
    }

    /// Looks up what the group has done with a record that stands here.
    fn look_up(
        &mut self,
        (offset, content): (Offset, Content),
        (known, reading): (&Records, &PartitionReads),
        made: Option<&Made>,
    ) {
        let Some(resolved) = &mut self.resolved else {
            return;
        };
        let at = offset.get();
        let Some(record) = content.identity() else {
            // Without an identity its place is all that is known of it.
            return;
        };
        let processed = known.processed.contains(record) || reading.nameless.contains(at);
        resolved.processed.set(at, processed);
        resolved.unsettled.set(at, known.unsettled.contains(record));
        resolved.in_vain.set(at, known.in_vain.contains(record));
        if let (Some(outputs), Some(made)) = (&mut resolved.outputs, made) {
            outputs.made.set(at, made.took_effect.contains(record));
            outputs.unsettled.set(at, made.unsettled.contains(record));
        }
    }
}

/// Results of the first pass.
type FirstPass<'k> = (
    &'k Table<Records>,
    &'k Table<PartitionTable<PartitionReads>>,
    &'k Derivations,
);

impl DoubtPass {
    pub(super) fn observe(
        &mut self,
        event: &Event,
        log: &Ledger,
        known: FirstPass<'_>,
        context: &Context,
        collector: &mut FindingCollector,
    ) {
        match &event.body {
            Body::Stored {
                partition,
                offset,
                content,
            } => self.look_up((*partition, *offset, *content), known, context),
            Body::ChangeEvent {
                partition,
                offset,
                content,
                ..
            } => self.look_up((*partition, *offset, content.as_read()), known, context),
            Body::ReadRolledBack {
                member,
                from,
                offset,
                content,
            } => {
                let read = (*from, *offset, *content);
                self.step(event.at, *member, read, log, context, collector);
            }
            // Below the log start a record is known by its acknowledgement;
            // where no observer read the log, so are others.
            Body::SendCompleted {
                record,
                outcome: Outcome::Acknowledged { at, offset },
            } => {
                let told = log.partition(*at).is_some_and(|log| {
                    (0..log.start()).contains(&offset.get())
                        || log.is_only_acknowledged(offset.get())
                        || log.beyond().contains(offset.get())
                });
                if told {
                    self.look_up((*at, *offset, Content::Ours(*record)), known, context);
                }
            }
            Body::Processed {
                member,
                from,
                offset,
                content,
            } => {
                let read = (*from, *offset, *content);
                self.step(event.at, *member, read, log, context, collector);
                if !log.is_observed() {
                    self.look_up(read, known, context);
                }
            }
            Body::Committed {
                member,
                partition,
                offset,
                result: CommitResult::Accepted,
            } => {
                let tenure = self.positions.tenure(*member, *partition);
                if let Some((group, by)) = tenure
                    && let Some(doubt) = self.contested.get_mut(&(group, *partition))
                {
                    let last = self.positions.last(*member, *partition);
                    let behind_end = log.past().is_behind(*partition, *offset);
                    let commit = Commit {
                        at: event.at,
                        by,
                        offset: *offset,
                        past: behind_end || last.is_some_and(|last| last.is_past(log, *partition)),
                    };
                    if let Some(lives) = &mut doubt.lives {
                        lives.add(commit);
                    }
                    let place = GroupScope::of(group, *partition, &context.names);
                    let back = doubt.commits.as_mut().and_then(|trail| trail.add(commit));
                    if let Some(back) = back {
                        place.regress(collector, back.from, Some(back.to));
                    }
                }
            }
            _ => self
                .positions
                .observe(event, &context.txn_outcomes.transactions),
        }
    }

    /// Looks up which groups have processed a record that stands somewhere.
    fn look_up(
        &mut self,
        (partition, offset, read): (PartitionRef, Offset, Content),
        (records, readings, derived): FirstPass<'_>,
        context: &Context,
    ) {
        let (no_records, no_reading) = (Records::default(), PartitionReads::default());
        for group in context.names.groups_of(partition.topic) {
            let Some(doubt) = self.contested.get_mut(&(*group, partition)) else {
                continue;
            };
            let number = i64::from(group.get());
            let known = records.get(number).unwrap_or(&no_records);
            let reading = readings.get(number).and_then(|of| of.get(partition));
            let known = (known, reading.unwrap_or(&no_reading));
            doubt.look_up((offset, read), known, derived.made(*group));
        }
    }

    /// nonmonotonic-poll: within one assignment, an offset that is not behind
    /// the one processed before it; int-nonmonotonic-poll where both were
    /// processed for one transaction. poll-skip: see [`find_skips`].
    ///
    /// Records that stand are held against those before them that stand, too,
    /// and those that are gone against those that are gone: they are of another
    /// life of the log. Those may be of two more: only one that was given
    /// before was gone back to.
    pub(super) fn step(
        &mut self,
        at: Micros,
        member: MemberIx,
        (partition, offset, read): (PartitionRef, Offset, Content),
        log: &Ledger,
        context: &Context,
        collector: &mut FindingCollector,
    ) {
        let given = Given {
            offset,
            content: Some(read),
        };
        let Some(step) = self.positions.step(at, member, partition, given) else {
            return;
        };
        let Some(doubt) = self.contested.get(&(step.group, partition)) else {
            return;
        };
        let is_past = given.is_past(log, partition);
        let before = self.positions.compare(member, partition, is_past);
        let known = is_past && !self.gone.entry(step.group).or_default().note(read);
        if let (Some(_), Some(tx)) = (doubt.lives, step.inside) {
            self.joined_past.insert((tx, partition), is_past);
        }
        let Some((before, within)) = before.filter(|_| doubt.steps) else {
            return;
        };
        let place = GroupScope::of(step.group, partition, &context.names);
        if offset <= before.offset {
            if is_past && !known {
                return;
            }
            let anomaly = match within {
                Within::OneTransaction => Anomaly::IntNonmonotonicPoll,
                Within::Nothing => Anomaly::NonmonotonicPoll,
            };
            place.add(collector, anomaly, offset, &[], || {
                let member = context.names.member(member);
                format!("{member} went back from {}", before.offset)
            });
        } else if !is_past {
            let jump = Jump {
                member,
                from: before.offset,
                to: offset,
                within,
            };
            let bounds = Bounds::of(context, step.group, partition);
            self.excused += find_skips(log, (place, bounds), &jump, collector);
        }
    }
}

/// From one offset to another, within one assignment.
struct Jump {
    pub(super) member: MemberIx,
    pub(super) from: Offset,
    pub(super) to: Offset,
    pub(super) within: Within,
}

/// poll-skip: within one assignment, each record of the log between two
/// offsets that were processed one after the other; int-poll-skip where both
/// were processed for one transaction. Markers and gaps are no records, and
/// what the group must not be given is none for it. A step to a record of an
/// earlier life of the log went over none of those that stand there now. How many
/// of them compaction may have taken, and it is unknown whether it could, which are
/// none either.
fn find_skips(
    log: &Ledger,
    (place, bounds): (GroupScope<'_>, Bounds<'_>),
    jump: &Jump,
    collector: &mut FindingCollector,
) -> u64 {
    let Jump {
        member, from, to, ..
    } = jump;
    let Some(log) = log.partition(place.partition).filter(|_| from < to) else {
        return 0;
    };
    let mut excused = 0;
    let anomaly = match jump.within {
        Within::OneTransaction => Anomaly::IntPollSkip,
        Within::Nothing => Anomaly::PollSkip,
    };
    for skipped in log.data(from.get() + 1, to.get()) {
        if bounds.beyond_client || bounds.hides(skipped) {
            continue;
        }
        if bounds.may_have_lost(skipped) {
            excused += u64::from(!bounds.compacts);
            continue;
        }
        let ends = [*from, *to].map(|end| Watch::Position(place.partition, end));
        place.add(collector, anomaly, Offset::new(skipped), &ends, || {
            let member = place.names.member(*member);
            format!("{member} went from {from} to {to}")
        });
    }
    excused
}
