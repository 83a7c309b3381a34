//! Readers and groups: what consumers processed and committed, held against
//! the log. Knows nothing of producers or databases.
//!
//! A group's partition is a bit for each offset that a member processed, the
//! answers to its commits, and the jumps its readers made; the log decides at
//! the end which jumps passed over a record and which were only gaps.

use std::collections::BTreeMap;

use model::anomaly::Anomaly;
use model::event::{Body, CommitResult, Event};
use model::ids::{GroupIx, MemberIx, Micros, Offset, PartitionRef};

use crate::finding::{Docket, Scope, Watch};
use crate::log::Ledger;
use crate::roster::Roster;
use crate::sparse_set::SparseSet;

/// One incarnation of a consumer.
struct Member {
    group: GroupIx,
    started: Micros,
    held: BTreeMap<PartitionRef, Assignment>,
}

/// A partition in a member's hands.
#[derive(Clone, Copy)]
struct Assignment {
    /// When it was given.
    since: Micros,
    /// What the member processed last; none right after the assignment.
    last: Option<Offset>,
}

/// An accepted commit.
#[derive(Clone, Copy)]
struct Commit {
    /// When the answer was seen.
    at: Micros,
    member: MemberIx,
    /// When the member was given the partition: what was committed before is
    /// what it started from.
    since: Micros,
    offset: Offset,
}

/// Within one assignment, from one offset to a later one that is not next.
struct Jump {
    member: MemberIx,
    from: Offset,
    to: Offset,
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
    reprocessed: Vec<(Offset, MemberIx)>,
    commits: Vec<Commit>,
    reported: Reported,
    jumps: Vec<Jump>,
    went_back: Vec<(Offset, Offset, MemberIx)>,
}

impl Reading {
    /// The highest position that the group is known to have committed.
    fn committed(&self) -> Option<Offset> {
        let accepted = self.commits.iter().map(|commit| commit.offset);
        let reported = match self.reported {
            Reported::Position(offset) => Some(offset),
            Reported::Nothing | Reported::NoPosition => None,
        };
        accepted.chain(reported).max()
    }
}

/// What is known of the groups, before it is settled.
#[derive(Default)]
pub(crate) struct Readers {
    members: BTreeMap<MemberIx, Member>,
    readings: BTreeMap<(GroupIx, PartitionRef), Reading>,
    waited: BTreeMap<GroupIx, u64>,
    /// Polls that followed another in the same assignment.
    steps: BTreeMap<GroupIx, u64>,
    strays: u64,
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
    pub(crate) fn observe(&mut self, event: &Event) {
        match &event.body {
            Body::MemberStarted { member, group } => {
                let started = Member {
                    group: *group,
                    started: event.at,
                    held: BTreeMap::new(),
                };
                self.members.insert(*member, started);
            }
            Body::Assigned { member, partitions } => {
                if let Some(member) = self.members.get_mut(member) {
                    for partition in partitions {
                        let since = event.at;
                        let given = Assignment { since, last: None };
                        member.held.insert(*partition, given);
                    }
                }
            }
            Body::Revoked { member, partitions } => {
                if let Some(member) = self.members.get_mut(member) {
                    for partition in partitions {
                        if let Some(held) = member.held.get_mut(partition) {
                            held.last = None;
                        }
                    }
                }
            }
            Body::Processed {
                member,
                from,
                offset,
                ..
            } => self.processed(event.at, *member, *from, *offset),
            Body::Committed {
                member,
                partition,
                offset,
                result: CommitResult::Accepted,
            } => self.committed(event.at, *member, *partition, *offset),
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

    fn reading(&mut self, group: GroupIx, partition: PartitionRef) -> &mut Reading {
        self.readings.entry((group, partition)).or_default()
    }

    fn processed(&mut self, at: Micros, by: MemberIx, from: PartitionRef, offset: Offset) {
        let Some(member) = self.members.get_mut(&by) else {
            self.strays += 1;
            return;
        };
        let group = member.group;
        let held = member.held.entry(from).or_insert(Assignment {
            since: at,
            last: None,
        });
        let before = held.last.replace(offset);
        let reading = self.readings.entry((group, from)).or_default();
        if let Some(before) = before {
            *self.steps.entry(group).or_default() += 1;
            if offset <= before {
                reading.went_back.push((before, offset, by));
            } else if offset.get() - 1 > before.get() {
                reading.jumps.push(Jump {
                    member: by,
                    from: before,
                    to: offset,
                });
            }
        }
        if !reading.processed.insert(offset.get()) {
            reading.reprocessed.push((offset, by));
        }
    }

    fn committed(&mut self, at: Micros, by: MemberIx, partition: PartitionRef, offset: Offset) {
        let Some(member) = self.members.get(&by) else {
            self.strays += 1;
            return;
        };
        let (group, held) = (member.group, member.held.get(&partition));
        let commit = Commit {
            at,
            member: by,
            since: held.map_or(member.started, |held| held.since),
            offset,
        };
        self.reading(group, partition).commits.push(commit);
    }

    /// Finds what is wrong with the reading.
    pub(crate) fn settle(
        &mut self,
        log: &Ledger,
        roster: &Roster,
        docket: &mut Docket,
    ) -> Vec<GroupCoverage> {
        for ((group, partition), reading) in &mut self.readings {
            reading.commits.sort_by_key(|commit| commit.at);
            let place = Place {
                group: *group,
                partition: *partition,
                roster,
            };
            find_moves_back(reading, place, docket);
            find_skips(reading, log, place, docket);
            find_reprocessed(reading, place, docket);
            find_commit_regressions(reading, place, docket);
        }
        let none = Reading::default();
        let mut all = Vec::new();
        for (group, declared) in &roster.groups {
            let mut coverage = GroupCoverage {
                name: declared.name.clone(),
                waited: self.waited.contains_key(group),
                steps: self.steps.get(group).copied().unwrap_or(0),
                ..GroupCoverage::default()
            };
            for partition in declared
                .topics
                .iter()
                .flat_map(|topic| roster.partitions_of(*topic))
            {
                let reading = self.readings.get(&(*group, partition)).unwrap_or(&none);
                let place = Place {
                    group: *group,
                    partition,
                    roster,
                };
                find_unprocessed(reading, log, place, docket, &mut coverage);
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
    fn add(self, docket: &mut Docket, anomaly: Anomaly, at: Offset, watch: &[Watch], what: &str) {
        docket.add(anomaly, Scope::Partition(self.partition), at.get(), || {
            let group = self.roster.group(self.group);
            let partition = self.roster.partition(self.partition);
            let mut all = vec![Watch::Position(self.partition, at)];
            all.extend(watch);
            (format!("{partition}@{at}: {what} ({group})"), all)
        });
    }
}

/// nonmonotonic-poll: within one assignment, an offset that is not behind
/// the one processed before it.
fn find_moves_back(reading: &Reading, place: Place<'_>, docket: &mut Docket) {
    for (before, offset, member) in &reading.went_back {
        let what = format!("member {member} went back from {before}");
        place.add(docket, Anomaly::NonmonotonicPoll, *offset, &[], &what);
    }
}

/// poll-skip: within one assignment, each record of the log between two
/// offsets that were processed one after the other. Markers and gaps are no
/// records.
fn find_skips(reading: &Reading, log: &Ledger, place: Place<'_>, docket: &mut Docket) {
    let Some(log) = log.partition(place.partition) else {
        return;
    };
    for jump in &reading.jumps {
        for skipped in log.data(jump.from.get() + 1, jump.to.get()) {
            let what = format!(
                "member {} went from {} to {}",
                jump.member, jump.from, jump.to
            );
            let ends = [jump.from, jump.to].map(|end| Watch::Position(place.partition, end));
            let skipped = Offset::new(skipped);
            place.add(docket, Anomaly::PollSkip, skipped, &ends, &what);
        }
    }
}

/// reprocessed: each time beyond the first that a group processed an offset.
fn find_reprocessed(reading: &Reading, place: Place<'_>, docket: &mut Docket) {
    for (offset, member) in &reading.reprocessed {
        let what = format!("member {member} processed it again");
        place.add(docket, Anomaly::Reprocessed, *offset, &[], &what);
    }
}

/// commit-regression: an accepted commit below what was committed when its
/// member was given the partition, or below what the member itself committed
/// since; and a final position below the last accepted commit. Answers that
/// reach two members at about the same time prove no order, so a commit is
/// never held against another member's that was answered after the
/// assignment.
fn find_commit_regressions(reading: &Reading, place: Place<'_>, docket: &mut Docket) {
    let mut regress = |from: Offset, to: Option<Offset>| {
        let (at, what) = match to {
            Some(to) => (to, format!("the committed position went back from {from}")),
            None => (from, format!("the committed position {from} was forgotten")),
        };
        let watch = [from, at].map(|of| Watch::CommitOf(place.group, place.partition, of));
        place.add(docket, Anomaly::CommitRegression, at, &watch, &what);
    };
    let mut own: BTreeMap<(MemberIx, Micros), Offset> = BTreeMap::new();
    for commit in &reading.commits {
        let before = own.insert((commit.member, commit.since), commit.offset);
        let before = before.or_else(|| {
            let earlier = reading
                .commits
                .partition_point(|other| other.at <= commit.since);
            // Two moments may share a microsecond: only others' commits count.
            let mut earlier = reading.commits[..earlier].iter().rev();
            earlier
                .find(|other| (other.member, other.since) != (commit.member, commit.since))
                .map(|other| other.offset)
        });
        if let Some(before) = before.filter(|before| *before > commit.offset) {
            regress(before, Some(commit.offset));
        }
    }
    if let Some(last) = reading.commits.last() {
        match reading.reported {
            Reported::NoPosition => regress(last.offset, None),
            Reported::Position(reported) if reported < last.offset => {
                regress(last.offset, Some(reported));
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
    coverage.commits += reading.commits.len() as u64;
    coverage.reprocessed += reading.reprocessed.len() as u64;
    coverage.processed += reading.processed.len() + reading.reprocessed.len() as u64;
    let Some(log) = log.partition(place.partition).filter(|log| log.is_read()) else {
        return;
    };
    let committed = reading.committed().unwrap_or_default();
    for offset in log.data(0, i64::MAX).map(Offset::new) {
        coverage.stored += 1;
        let passed = offset < committed;
        coverage.below_committed += u64::from(passed);
        if reading.processed.contains(offset.get()) {
            coverage.distinct += 1;
        } else if passed {
            coverage.gaps += 1;
            let past = Watch::CommitPast(place.group, place.partition, offset);
            let what = format!("committed past, up to {committed}, and never processed");
            place.add(docket, Anomaly::GroupGap, offset, &[past], &what);
        } else {
            coverage.behind += 1;
            if coverage.waited {
                let what = "never processed, although the group was given the time";
                place.add(docket, Anomaly::GroupIncomplete, offset, &[], what);
            }
        }
    }
}
