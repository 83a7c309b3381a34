//! Readers and groups: what consumers processed and committed, held against
//! the log. Knows nothing of producers or databases.
//!
//! A group's partition is a bit for each offset that a member processed, and
//! one for each that its readers jumped over. Where they jumped over a record
//! and not only over gaps, or a commit may have gone back, the history is read
//! again, and each jump and commit is looked at as it comes.

use std::collections::BTreeMap;

use model::anomaly::Anomaly;
use model::event::{Body, CommitResult, Event};
use model::ids::{GroupIx, MemberIx, Micros, Offset, PartitionRef};

use crate::commits::{Commit, Commits, Regression, Tenure, Trail};
use crate::finding::{Docket, Scope, Watch};
use crate::log::{Ledger, Need};
use crate::roster::Roster;
use crate::sparse_set::SparseSet;
use crate::table::{PartitionTable, Table};

/// A jump over more offsets than this is kept by its ends.
const SHORT_JUMP_MAX: i64 = 64;
/// Long jumps of one reading that are kept, at most; where there are more,
/// all are looked at in another reading.
const LONG_JUMPS_MAX: usize = 256;

/// Where the members of all groups stand.
#[derive(Default)]
struct Positions {
    members: Table<Member>,
}

/// One incarnation of a consumer.
#[derive(Default)]
struct Member {
    group: GroupIx,
    started: Micros,
    held: PartitionTable<Assignment>,
}

/// A partition in a member's hands.
#[derive(Clone, Copy, Default)]
struct Assignment {
    /// When it was given; none before anything is known of it.
    since: Option<Micros>,
    /// What the member processed last; none right after the assignment.
    last: Option<Offset>,
}

/// From which offset a member of which group came to one that it processed.
struct Step {
    group: GroupIx,
    from: Option<Offset>,
}

impl Positions {
    /// Follows an event that gives or takes partitions.
    fn observe(&mut self, event: &Event) {
        match &event.body {
            Body::MemberStarted { member, group } => {
                let started = Member {
                    group: *group,
                    started: event.at,
                    held: PartitionTable::default(),
                };
                self.members.insert(member.get().into(), started);
            }
            Body::Assigned { member, partitions } => {
                if let Some(member) = self.members.get_mut(member.get().into()) {
                    for partition in partitions {
                        let since = Some(event.at);
                        let given = Assignment { since, last: None };
                        member.held.insert(*partition, given);
                    }
                }
            }
            Body::Revoked { member, partitions } => {
                if let Some(member) = self.members.get_mut(member.get().into()) {
                    for partition in partitions {
                        if let Some(held) = member.held.get_mut(*partition) {
                            held.last = None;
                        }
                    }
                }
            }
            _ => {}
        }
    }

    /// A member processed an offset; none where nobody started the member.
    #[inline]
    fn step(
        &mut self,
        at: Micros,
        member: MemberIx,
        partition: PartitionRef,
        offset: Offset,
    ) -> Option<Step> {
        let member = self.members.get_mut(member.get().into())?;
        let held = member.held.entry(partition);
        held.since.get_or_insert(at);
        Some(Step {
            group: member.group,
            from: held.last.replace(offset),
        })
    }

    /// Whose commit it is, and of which group; none where nobody started the
    /// member.
    fn tenure(&self, member: MemberIx, partition: PartitionRef) -> Option<(GroupIx, Tenure)> {
        let known = self.members.get(member.get().into())?;
        let since = known.held.get(partition).and_then(|held| held.since);
        let since = since.unwrap_or(known.started);
        Some((known.group, Tenure { since, member }))
    }
}

/// A committed position as the coordinator reports it at the end.
#[derive(Clone, Copy, Default)]
enum Reported {
    /// Nobody asked.
    #[default]
    Nothing,
    /// The group has none.
    NoPosition,
    /// The next offset to read.
    Position(Offset),
}

/// What one group did with one partition.
#[derive(Default)]
struct Reading {
    processed: SparseSet,
    reprocessed: u64,
    commits: Commits,
    reported: Reported,
    jumps: Jumps,
}

impl Reading {
    /// The highest position that the group is known to have committed.
    fn committed(&self) -> Option<Offset> {
        let reported = match self.reported {
            Reported::Position(offset) => Some(offset),
            Reported::Nothing | Reported::NoPosition => None,
        };
        self.commits.highest.max(reported)
    }
}

/// Offsets that were jumped over, within one assignment.
#[derive(Default)]
struct Jumps {
    /// Those of short jumps.
    over: SparseSet,
    /// First and last offset jumped over.
    long: Vec<(i64, i64)>,
    /// Whether there were more long ones.
    too_many: bool,
}

impl Jumps {
    fn add(&mut self, first: i64, last: i64) {
        if last.saturating_sub(first) < SHORT_JUMP_MAX {
            for offset in first..=last {
                self.over.insert(offset);
            }
        } else if self.long.len() < LONG_JUMPS_MAX {
            self.long.push((first, last));
        } else {
            self.too_many = true;
        }
    }

    /// Whether any may have passed over a record.
    fn are_contested(&self, log: &Ledger, partition: PartitionRef) -> bool {
        let Some(log) = log.partition(partition) else {
            return false;
        };
        let passes = |(first, last): &(i64, i64)| log.data(*first, last + 1).next().is_some();
        self.too_many || self.long.iter().any(passes) || log.has_data_in(&self.over)
    }
}

/// What is known of the groups.
#[derive(Default)]
pub(crate) struct Readers {
    positions: Positions,
    readings: Table<PartitionTable<Reading>>,
    waited: BTreeMap<GroupIx, u64>,
    /// Polls that followed another in the same assignment.
    steps: Table<u64>,
    strays: u64,
    stage: Stage,
}

/// What the history is being read for.
#[derive(Default)]
enum Stage {
    /// Bits, and the latest commits.
    #[default]
    First,
    /// What is in doubt.
    Doubts(Again),
    /// Nothing any more.
    Done,
}

/// What is looked at in another reading.
#[derive(Default)]
struct Again {
    positions: Positions,
    contested: BTreeMap<(GroupIx, PartitionRef), Doubt>,
}

impl Again {
    fn settle(self, roster: &Roster, docket: &mut Docket) {
        for ((group, partition), doubt) in self.contested {
            let place = Place {
                group,
                partition,
                roster,
            };
            for Regression { from, to } in doubt.commits.iter().flat_map(Trail::finish) {
                place.regress(docket, from, Some(to));
            }
        }
    }
}

/// What is in doubt of one group's reading of one partition.
#[derive(Default)]
struct Doubt {
    jumps: bool,
    commits: Option<Trail>,
}

/// What settling a group came to, apart from findings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupCoverage {
    /// Its `group.id`.
    pub name: String,
    /// Records in its topics, inside the pinned range.
    pub stored: u64,
    /// Of these, how many lie below its committed position.
    pub below_committed: u64,
    /// Records of its topics, inside the pinned range, that it processed.
    pub distinct: u64,
    /// Records processed, repetitions included.
    pub processed: u64,
    /// Records processed again (extra times).
    pub reprocessed: u64,
    /// Records below its committed position that it did not process.
    pub gaps: u64,
    /// Records from its committed position on that it did not process.
    pub behind: u64,
    /// Whether it was given the time to finish.
    pub waited: bool,
    /// Commits that the coordinator accepted.
    pub commits: u64,
    /// Polls that followed another in the same assignment.
    pub steps: u64,
}

impl Readers {
    /// Takes in the next event of the first reading.
    pub(crate) fn observe(&mut self, event: &Event, roster: &Roster, docket: &mut Docket) {
        match &event.body {
            Body::MemberStarted { .. } | Body::Assigned { .. } | Body::Revoked { .. } => {
                self.positions.observe(event);
            }
            Body::Processed {
                member,
                from,
                offset,
                ..
            } => self.processed(event.at, *member, *from, *offset, roster, docket),
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
                let (at, offset) = (event.at, *offset);
                let commit = Commit { at, by, offset };
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
            _ => {}
        }
    }

    /// Reads and commits of members that nobody started: a history that
    /// lacks its beginning.
    pub(crate) const fn strays(&self) -> u64 {
        self.strays
    }

    #[inline]
    fn reading(&mut self, group: GroupIx, partition: PartitionRef) -> &mut Reading {
        self.readings.entry(group.get().into()).entry(partition)
    }

    /// nonmonotonic-poll: within one assignment, an offset that is not behind
    /// the one processed before it. reprocessed: each time beyond the first
    /// that a group processed an offset.
    fn processed(
        &mut self,
        at: Micros,
        member: MemberIx,
        partition: PartitionRef,
        offset: Offset,
        roster: &Roster,
        docket: &mut Docket,
    ) {
        let Some(step) = self.positions.step(at, member, partition, offset) else {
            self.strays += 1;
            return;
        };
        let group = step.group;
        let reading = self.readings.entry(group.get().into()).entry(partition);
        let place = Place {
            group,
            partition,
            roster,
        };
        if let Some(before) = step.from {
            *self.steps.entry(group.get().into()) += 1;
            if offset <= before {
                place.add(docket, Anomaly::NonmonotonicPoll, offset, &[], || {
                    format!("member {member} went back from {before}")
                });
            } else if offset.get() - 1 > before.get() {
                reading.jumps.add(before.get() + 1, offset.get() - 1);
            }
        }
        if !reading.processed.insert(offset.get()) {
            reading.reprocessed += 1;
            place.add(docket, Anomaly::Reprocessed, offset, &[], || {
                format!("member {member} processed it again")
            });
        }
    }

    /// Takes in the next event of another reading of the same history.
    pub(crate) fn observe_again(
        &mut self,
        event: &Event,
        log: &Ledger,
        roster: &Roster,
        docket: &mut Docket,
    ) {
        let Stage::Doubts(again) = &mut self.stage else {
            return;
        };
        match &event.body {
            Body::Processed {
                member,
                from,
                offset,
                ..
            } => {
                let step = again.positions.step(event.at, *member, *from, *offset);
                if let Some(Step {
                    group,
                    from: Some(before),
                }) = step
                    && again
                        .contested
                        .get(&(group, *from))
                        .is_some_and(|doubt| doubt.jumps)
                {
                    let place = Place {
                        group,
                        partition: *from,
                        roster,
                    };
                    find_skips(log, place, *member, (before, *offset), docket);
                }
            }
            Body::Committed {
                member,
                partition,
                offset,
                result: CommitResult::Accepted,
            } => {
                let tenure = again.positions.tenure(*member, *partition);
                if let Some((group, by)) = tenure
                    && let Some(doubt) = again.contested.get_mut(&(group, *partition))
                    && let Some(trail) = &mut doubt.commits
                {
                    let (at, offset) = (event.at, *offset);
                    let place = Place {
                        group,
                        partition: *partition,
                        roster,
                    };
                    if let Some(back) = trail.add(Commit { at, by, offset }) {
                        place.regress(docket, back.from, Some(back.to));
                    }
                }
            }
            _ => again.positions.observe(event),
        }
    }

    /// Whether the history has to be read once more, now that it was read to
    /// its end.
    pub(crate) fn turn(&mut self, log: &Ledger, roster: &Roster, docket: &mut Docket) -> Need {
        match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::First => {}
            Stage::Doubts(again) => {
                again.settle(roster, docket);
                return Need::Nothing;
            }
            Stage::Done => return Need::Nothing,
        }
        let mut again = Again::default();
        for (group, partition, reading) in self.readings() {
            let commits = &reading.commits;
            let doubt = Doubt {
                jumps: reading.jumps.are_contested(log, partition),
                commits: commits.are_contested.then(|| commits.trail()),
            };
            if doubt.jumps || doubt.commits.is_some() {
                again.contested.insert((group, partition), doubt);
            }
        }
        if again.contested.is_empty() {
            return Need::Nothing;
        }
        self.stage = Stage::Doubts(again);
        Need::Reading
    }

    fn readings(&self) -> impl Iterator<Item = (GroupIx, PartitionRef, &Reading)> {
        self.readings.iter().flat_map(|(group, partitions)| {
            let group = GroupIx::new(u16::try_from(group).unwrap_or_default());
            let partitions = partitions.iter();
            partitions.map(move |(partition, reading)| (group, partition, reading))
        })
    }

    /// Puts together what all readings came to.
    pub(crate) fn settle(
        &self,
        log: &Ledger,
        roster: &Roster,
        docket: &mut Docket,
    ) -> Vec<GroupCoverage> {
        for (group, partition, reading) in self.readings() {
            let place = Place {
                group,
                partition,
                roster,
            };
            find_forgotten(reading, place, docket);
        }
        let none = Reading::default();
        let mut all = Vec::new();
        for (group, declared) in &roster.groups {
            let number = i64::from(group.get());
            let mut coverage = GroupCoverage {
                name: declared.name.clone(),
                waited: self.waited.contains_key(group),
                steps: self.steps.get(number).copied().unwrap_or(0),
                ..GroupCoverage::default()
            };
            let readings = self.readings.get(number);
            for partition in declared
                .topics
                .iter()
                .flat_map(|topic| roster.partitions_of(*topic))
            {
                let reading = readings.and_then(|readings| readings.get(partition));
                let place = Place {
                    group: *group,
                    partition,
                    roster,
                };
                find_unprocessed(reading.unwrap_or(&none), log, place, docket, &mut coverage);
            }
            all.push(coverage);
        }
        all
    }
}

/// Whose reading of what is being settled.
#[derive(Clone, Copy)]
struct Place<'r> {
    group: GroupIx,
    partition: PartitionRef,
    roster: &'r Roster,
}

impl Place<'_> {
    fn add(
        self,
        docket: &mut Docket,
        anomaly: Anomaly,
        at: Offset,
        watch: &[Watch],
        what: impl FnOnce() -> String,
    ) {
        docket.add(anomaly, Scope::Partition(self.partition), at.get(), || {
            let group = self.roster.group(self.group);
            let partition = self.roster.partition(self.partition);
            let mut all = vec![Watch::Position(self.partition, at)];
            all.extend(watch);
            (format!("{partition}@{at}: {} ({group})", what()), all)
        });
    }

    /// commit-regression: an accepted commit below what was committed when its
    /// member was given the partition, or below what the member itself
    /// committed since; and a final position below the last accepted commit.
    /// Answers that reach two members at about the same time prove no order,
    /// so a commit is never held against another member's that was answered
    /// after the assignment.
    fn regress(self, docket: &mut Docket, from: Offset, to: Option<Offset>) {
        let at = to.unwrap_or(from);
        let watch = [from, at].map(|of| Watch::CommitOf(self.group, self.partition, of));
        self.add(docket, Anomaly::CommitRegression, at, &watch, || match to {
            Some(_) => format!("the committed position went back from {from}"),
            None => format!("the committed position {from} was forgotten"),
        });
    }
}

/// poll-skip: within one assignment, each record of the log between two
/// offsets that were processed one after the other. Markers and gaps are no
/// records.
fn find_skips(
    log: &Ledger,
    place: Place<'_>,
    member: MemberIx,
    (from, to): (Offset, Offset),
    docket: &mut Docket,
) {
    let Some(log) = log.partition(place.partition) else {
        return;
    };
    if to <= from {
        return;
    }
    for skipped in log.data(from.get() + 1, to.get()) {
        let ends = [from, to].map(|end| Watch::Position(place.partition, end));
        let skipped = Offset::new(skipped);
        place.add(docket, Anomaly::PollSkip, skipped, &ends, || {
            format!("member {member} went from {from} to {to}")
        });
    }
}

/// A final position below the last accepted commit.
fn find_forgotten(reading: &Reading, place: Place<'_>, docket: &mut Docket) {
    if let Some(last) = reading.commits.latest() {
        match reading.reported {
            Reported::NoPosition => place.regress(docket, last, None),
            Reported::Position(reported) if reported < last => {
                place.regress(docket, last, Some(reported));
            }
            Reported::Position(_) | Reported::Nothing => {}
        }
    }
}

/// group-gap: a record below the highest committed position that no member
/// processed. group-incomplete: a record from there to the pinned end that no
/// member processed although the group was given the time.
fn find_unprocessed(
    reading: &Reading,
    log: &Ledger,
    place: Place<'_>,
    docket: &mut Docket,
    coverage: &mut GroupCoverage,
) {
    coverage.commits += reading.commits.count;
    coverage.reprocessed += reading.reprocessed;
    coverage.processed += reading.processed.len() + reading.reprocessed;
    let Some(log) = log.partition(place.partition).filter(|log| log.is_read()) else {
        return;
    };
    let committed = reading.committed().unwrap_or_default();
    let stored = log.data_count(0, i64::MAX);
    let mut unprocessed = 0;
    for offset in log.data_without(&reading.processed, 0, i64::MAX) {
        let offset = Offset::new(offset);
        unprocessed += 1;
        if offset < committed {
            coverage.gaps += 1;
            let past = Watch::CommitPast(place.group, place.partition, offset);
            place.add(docket, Anomaly::GroupGap, offset, &[past], || {
                format!("committed past, up to {committed}, and never processed")
            });
        } else {
            coverage.behind += 1;
            if coverage.waited {
                place.add(docket, Anomaly::GroupIncomplete, offset, &[], || {
                    "never processed, although the group was given the time".to_owned()
                });
            }
        }
    }
    coverage.stored += stored;
    coverage.below_committed += log.data_count(0, committed.get());
    coverage.distinct += stored - unprocessed;
}
