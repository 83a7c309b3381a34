//! Readers and groups: what consumers processed and committed, held against
//! the log. Knows nothing of producers or databases.
//!
//! What a group has processed is known by the record's identity; an offset is
//! the record's place at that time, and is used again when a log is cut or made
//! again. A group is a bit for each record that its members processed, a bit
//! for each offset at which they did, and one for each offset that they jumped
//! over.
//!
//! Where every reading agrees with the log, offsets say as much as identities,
//! and one reading of the history settles a group that was given everything.
//! Otherwise (a record was not processed where it stands, a step went over a
//! record or back, a commit may have gone back) the history is read again: each
//! record that stands is looked up by its identity, and each step and commit is
//! looked at as it comes. What was read for a transaction counts where the
//! transaction does, which is known at the end of the first reading.

use std::collections::{BTreeMap, BTreeSet};

use model::event::{Body, CommitResult, Content, Event};
use model::ids::{GroupIx, MemberIx, Micros, Offset, PartitionRef};

use crate::analyzer::{Analyzer, Need, PROCESSED};
use crate::context::Context;
use crate::derived::Derivations;
use crate::finding::FindingCollector;
use crate::groups::commits::{Commit, Regression, Trail};
use crate::groups::coverage::GroupCoverage;
use crate::groups::doubts::{Doubt, DoubtPass};
use crate::groups::partition_reads::{PartitionReads, Records, Reported};
use crate::groups::positions::{Given, Positions};
use crate::groups::progress::GroupProgress;
use crate::groups::scope::{Bounds, GroupScope};
use crate::groups::unprocessed::find_unprocessed;
use crate::log::Ledger;
use crate::names::Names;
use crate::sets::sparse_set::SparseSet;
use crate::sets::table::{PartitionTable, Table};
use crate::txn::outcomes::TxnOutcome;
use crate::txn::reads::{TxnRead, TxnReads, regressions};

#[derive(Default)]
pub(crate) struct Readers {
    positions: Positions,
    records: Table<Records>,
    readings: Table<PartitionTable<PartitionReads>>,
    joined: TxnReads,
    waited: BTreeMap<GroupIx, u64>,
    /// Polls that followed another in the same assignment.
    steps: Table<u64>,
    /// Records that were jumped over and that compaction may have taken, where
    /// the topic's cleanup policy is unknown.
    excused: u64,
    strays: u64,
    stage: Stage,
}

/// The purpose of the current pass.
#[derive(Default)]
enum Stage {
    /// Bits, and the latest commits.
    #[default]
    First,
    /// What was processed in transactions.
    Joining(Positions),
    /// Nothing, until the log is settled.
    Waiting,
    /// What is in doubt.
    Doubts(DoubtPass),
    /// Nothing any more.
    Done,
}

impl Analyzer for Readers {
    type Uses<'d> = (&'d Ledger, &'d Derivations);
    type Coverage = Vec<GroupCoverage>;

    const FREQUENT: u8 = PROCESSED;

    /// Takes in the next event of the first reading, after the transactions
    /// have seen it.
    fn observe(&mut self, event: &Event, context: &Context, collector: &mut FindingCollector) {
        match &event.body {
            Body::Processed {
                member,
                from,
                offset,
                content,
            } => {
                let read = (*from, *offset, *content);
                self.processed(event.at, *member, read, &context.names, collector);
            }
            Body::ReadRolledBack {
                member,
                from,
                offset,
                content,
            } => {
                let step = self.went(event.at, *member, (*from, *offset, *content));
                self.strays += u64::from(step.is_none());
            }
            Body::Committed {
                member,
                partition,
                offset,
                result: CommitResult::Accepted,
            } => {
                let Some((group, by)) = self.positions.tenure(*member, *partition) else {
                    self.strays += 1;
                    return;
                };
                let commit = Commit {
                    at: event.at,
                    by,
                    offset: *offset,
                    past: false,
                };
                self.reading(group, *partition).commits.add(commit);
            }
            Body::GroupOffset {
                group,
                partition,
                offset,
            } => {
                self.reading(*group, *partition).reported =
                    offset.map_or(Reported::NoPosition, Reported::Position);
            }
            Body::GroupWaited { group, limit_ms } => {
                self.waited.insert(*group, *limit_ms);
            }
            Body::OffsetSent { .. } => {
                self.joined.observe(&event.body, &context.transactions);
            }
            _ => self.positions.observe(event, &context.transactions),
        }
    }

    /// Takes in the next event of another reading of the same history.
    fn observe_again(
        &mut self,
        event: &Event,
        context: &Context,
        (log, derived): Self::Uses<'_>,
        collector: &mut FindingCollector,
    ) {
        match std::mem::take(&mut self.stage) {
            Stage::Joining(mut positions) => {
                self.join(event, &mut positions, context, collector);
                self.stage = Stage::Joining(positions);
            }
            Stage::Doubts(mut again) => {
                let done = (&self.records, &self.readings, derived);
                again.observe(event, log, done, context, collector);
                self.stage = Stage::Doubts(again);
            }
            stage => self.stage = stage,
        }
    }

    /// Whether the history has to be read once more, now that it was read to
    /// its end; to be asked after the log and what was made of records were.
    fn end_pass(
        &mut self,
        context: &Context,
        (log, derived): Self::Uses<'_>,
        collector: &mut FindingCollector,
    ) -> Need {
        match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::First if !self.joined.reads().is_empty() => {
                self.stage = Stage::Joining(Positions::default());
                return Need::AnotherPass;
            }
            Stage::First | Stage::Joining(_) | Stage::Waiting => {}
            Stage::Doubts(again) => {
                self.take(again, &context.names, collector);
                return Need::Nothing;
            }
            Stage::Done => return Need::Nothing,
        }
        if !(log.is_settled() && derived.is_settled()) {
            self.stage = Stage::Waiting;
            return Need::Nothing;
        }
        let mut readings = BTreeSet::new();
        for (group, declared) in &context.names.groups {
            let topics = declared.topics.iter();
            for partition in topics.flat_map(|topic| context.names.partitions_of(*topic)) {
                readings.insert((*group, partition));
            }
        }
        for (group, partition, _) in self.readings() {
            readings.insert((group, partition));
        }
        let none = PartitionReads::default();
        let in_place: BTreeSet<GroupIx> = context
            .names
            .groups
            .keys()
            .filter(|group| self.processed_in_place(**group, log))
            .copied()
            .collect();
        let taken = self.joined.commits(&context.txn_outcomes);
        let contested: BTreeMap<(GroupIx, PartitionRef), Doubt> = readings
            .into_iter()
            .filter_map(|(group, partition)| {
                let reading = self.reading_of(group, partition).unwrap_or(&none);
                let outputs = derived.of(group, partition, log, context);
                let bounds = Bounds::of(context, group, partition);
                let past = log.past();
                let taken = taken.get(&(group, partition)).into_iter().flatten();
                let taken = taken.map(|commit| commit.offset).max();
                let position = reading.position().max(taken);
                let is_cut = past.is_of(partition)
                    || position.is_some_and(|position| past.is_behind(partition, position));
                let known = (in_place.contains(&group), is_cut);
                let log = log.partition(partition);
                let doubt = Doubt::about(reading, known, outputs.as_ref(), log, bounds);
                Some(((group, partition), doubt?))
            })
            .collect();
        if contested.is_empty() {
            return Need::Nothing;
        }
        self.stage = Stage::Doubts(DoubtPass {
            contested,
            ..DoubtPass::default()
        });
        Need::AnotherPass
    }

    /// Puts together what all readings came to.
    fn settle(
        &mut self,
        context: &Context,
        (log, derived): Self::Uses<'_>,
        collector: &mut FindingCollector,
    ) -> Self::Coverage {
        assert!(
            matches!(self.stage, Stage::Done),
            "groups are settled before their passes are over"
        );
        let names = &context.names;
        for ((group, partition), mut commits) in self.joined.commits(&context.txn_outcomes) {
            for commit in &mut commits {
                commit.past |= log.past().is_behind(partition, commit.offset);
            }
            self.reading(group, partition).joined = commits;
        }
        for (group, partition, reading) in self.readings() {
            let place = GroupScope::of(group, partition, names);
            for (from, to) in regressions(&reading.joined) {
                place.regress(collector, from, Some(to));
            }
            find_forgotten(reading, place, collector);
        }
        let none = PartitionReads::default();
        let mut all = Vec::new();
        for (group, declared) in &names.groups {
            let number = i64::from(group.get());
            let mut coverage = GroupCoverage {
                name: declared.name.clone(),
                waited: self.waited.contains_key(group),
                steps: self.steps.get(number).copied().unwrap_or(0),
                ..GroupCoverage::default()
            };
            for partition in declared
                .topics
                .iter()
                .flat_map(|topic| names.partitions_of(*topic))
            {
                let reading = self.reading_of(*group, partition).unwrap_or(&none);
                let place = GroupScope::of(*group, partition, names);
                let bounds = Bounds::of(context, *group, partition);
                let outputs = derived.of(*group, partition, log, context);
                let done = GroupProgress::of(reading, outputs.as_ref());
                let excuse = context.waits.excuse(*group, partition);
                let within = (place, bounds, &excuse);
                find_unprocessed(&done, log, within, collector, &mut coverage);
            }
            all.push(coverage);
        }
        all
    }
}

impl Readers {
    /// Reads and commits of members that were never started: a history that
    /// lacks its beginning.
    pub(crate) const fn strays(&self) -> u64 {
        self.strays
    }

    /// Records that members jumped over and that compaction may have taken,
    /// where the topic's cleanup policy is unknown.
    pub(crate) const fn excused(&self) -> u64 {
        self.excused
    }

    /// What groups did with partitions whose log was cut or made again since: of
    /// their commits only those count that were made behind a record that stands.
    pub(crate) fn over_cuts(&self) -> BTreeSet<(GroupIx, PartitionRef)> {
        let of_more = self
            .readings()
            .filter(|(_, _, reading)| reading.lives.is_some());
        of_more
            .map(|(group, partition, _)| (group, partition))
            .collect()
    }

    /// What was read inside transactions.
    pub(crate) fn joined_reads(&self) -> &[TxnRead] {
        self.joined.reads()
    }

    #[inline]
    fn reading(&mut self, group: GroupIx, partition: PartitionRef) -> &mut PartitionReads {
        self.readings.entry(group.get().into()).entry(partition)
    }

    fn processed(
        &mut self,
        at: Micros,
        member: MemberIx,
        (partition, offset, content): (PartitionRef, Offset, Content),
        names: &Names,
        collector: &mut FindingCollector,
    ) {
        let given = Given {
            offset,
            content: Some(content),
        };
        let Some(step) = self.positions.step(at, member, partition, given) else {
            self.strays += 1;
            return;
        };
        let group = step.group;
        let number = i64::from(group.get());
        let reading = self.readings.entry(number).entry(partition);
        if reading.goes_on(&step, offset) {
            *self.steps.entry(number) += 1;
        }
        let place = GroupScope::of(group, partition, names);
        if let Some(tx) = step.inside {
            self.joined.read(tx, member, partition, offset);
        } else {
            let known = &mut self.records.entry(number).processed;
            reading.count(known, (offset, content), member, place, collector);
        }
    }

    /// A member was given what it did not process; none where there was no such
    /// member.
    fn went(
        &mut self,
        at: Micros,
        member: MemberIx,
        (partition, offset, content): (PartitionRef, Offset, Content),
    ) -> Option<()> {
        let given = Given {
            offset,
            content: Some(content),
        };
        let step = self.positions.step(at, member, partition, given)?;
        let number = i64::from(step.group.get());
        let reading = self.readings.entry(number).entry(partition);
        if reading.goes_on(&step, offset) {
            *self.steps.entry(number) += 1;
        }
        Some(())
    }

    /// Counts what was processed in a transaction, as far as it counts.
    fn join(
        &mut self,
        event: &Event,
        positions: &mut Positions,
        context: &Context,
        collector: &mut FindingCollector,
    ) {
        let txn_outcomes = &context.txn_outcomes;
        let Body::Processed {
            member,
            from: partition,
            offset,
            content,
        } = &event.body
        else {
            positions.observe(event, &txn_outcomes.transactions);
            return;
        };
        let who = (positions.group(*member), positions.inside.of(*member));
        let (Some(group), Some(tx)) = who else {
            return;
        };
        let number = i64::from(group.get());
        let reading = self.readings.entry(number).entry(*partition);
        let known = self.records.entry(number);
        match txn_outcomes.outcome(tx) {
            outcome @ (TxnOutcome::Aborted | TxnOutcome::Unknown) => {
                let (offsets, records) = match outcome {
                    TxnOutcome::Aborted => (&mut reading.in_vain, &mut known.in_vain),
                    _ => (&mut reading.unsettled, &mut known.unsettled),
                };
                offsets.insert(offset.get());
                match content.identity() {
                    Some(record) => records.insert(record),
                    None => reading.nameless_in_doubt.insert(offset.get()),
                };
            }
            TxnOutcome::Committed => {
                let place = GroupScope::of(group, *partition, &context.names);
                let read = (*offset, *content);
                reading.count(&mut known.processed, read, *member, place, collector);
            }
        }
    }

    /// Takes over what another reading has settled.
    fn take(&mut self, again: DoubtPass, names: &Names, collector: &mut FindingCollector) {
        self.joined.learn(again.joined_past);
        self.excused += again.excused;
        for ((group, partition), doubt) in again.contested {
            let place = GroupScope::of(group, partition, names);
            for Regression { from, to } in doubt.commits.iter().flat_map(Trail::finish) {
                place.regress(collector, from, Some(to));
            }
            let reading = self.reading(group, partition);
            reading.resolved = doubt.resolved;
            reading.lives = doubt.lives;
        }
    }

    /// Whether each record that a group processed stands where it did so, and
    /// nowhere else: then its offsets say as much as identities. Where readings
    /// agree with the log, as many offsets as records show it. Offsets at which
    /// something without an identity was processed are no records.
    fn processed_in_place(&self, group: GroupIx, log: &Ledger) -> bool {
        let number = i64::from(group.get());
        let Some(records) = self.records.get(number) else {
            return true;
        };
        let stand = |offsets: fn(&PartitionReads) -> (&SparseSet, &SparseSet)| -> u64 {
            let readings = self.readings.get(number).into_iter();
            let stand = readings
                .flat_map(PartitionTable::iter)
                .map(|(at, reading)| {
                    let log = log.partition(at).filter(|log| !log.is_disputed());
                    let (of, nameless) = offsets(reading);
                    let stand = log.into_iter().flat_map(|log| log.data_in(of));
                    stand.filter(|offset| !nameless.contains(*offset)).count() as u64
                });
            stand.sum()
        };
        !log.holds_copies()
            && stand(|reading| (&reading.given, &reading.nameless)) == records.processed.len()
            && stand(|reading| (&reading.unsettled, &reading.nameless_in_doubt))
                == records.unsettled.len()
            && stand(|reading| (&reading.in_vain, &reading.nameless_in_doubt))
                == records.in_vain.len()
    }

    fn reading_of(&self, group: GroupIx, partition: PartitionRef) -> Option<&PartitionReads> {
        self.readings.get(group.get().into())?.get(partition)
    }

    fn readings(&self) -> impl Iterator<Item = (GroupIx, PartitionRef, &PartitionReads)> {
        self.readings.iter().flat_map(|(group, partitions)| {
            let group = GroupIx::new(u16::try_from(group).unwrap_or_default());
            let partitions = partitions.iter();
            partitions.map(move |(partition, reading)| (group, partition, reading))
        })
    }
}

/// A final position below the last accepted commit, unless that was made
/// behind a record that is gone: then the log went back, and not the group.
fn find_forgotten(
    reading: &PartitionReads,
    place: GroupScope<'_>,
    collector: &mut FindingCollector,
) {
    if let Some((_, last)) = reading.latest().filter(|_| !reading.latest_is_past()) {
        match reading.reported {
            Reported::NoPosition => place.regress(collector, last, None),
            Reported::Position(reported) if reported < last => {
                place.regress(collector, last, Some(reported));
            }
            Reported::Position(_) | Reported::Nothing => {}
        }
    }
}
