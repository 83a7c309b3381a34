//! Readers and groups: what consumers processed and committed, held against
//! the log. Knows nothing of producers or databases.
//!
//! A group's partition is a bit for each offset that a member processed, the
//! answers to its commits, and the jumps its readers made; the log decides at
//! the end which jumps passed over a record and which were only gaps.

use std::collections::BTreeMap;

use model::anomaly::Anomaly;
use model::event::{Body, CommitResult, Event, TransactionOutcome};
use model::ids::{GroupIx, MemberIx, Micros, Offset, PartitionRef};

use crate::background::Background;
use crate::fates::Fate;
use crate::finding::{Docket, Scope, Watch};
use crate::joined::{Joined, JoinedCommit, JoinedRead, regressions};
use crate::log::Ledger;
use crate::ranges::Ranges;
use crate::roster::Roster;
use crate::sparse_set::SparseSet;
use crate::transactions::{Transactions, Tx};

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
    /// For which transaction it did.
    inside: Option<Tx>,
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

/// Within one assignment, from one offset to another that is not next.
struct Jump {
    member: MemberIx,
    from: Offset,
    to: Offset,
    /// The transaction for which the member processed both, if it did.
    inside: Option<Tx>,
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
    /// Processed in a transaction of which nobody knows what became of it.
    unsettled: SparseSet,
    /// Positions that were committed with transactions.
    joined: Vec<JoinedCommit>,
    commits: Vec<Commit>,
    reported: Reported,
    jumps: Vec<Jump>,
    went_back: Vec<Jump>,
}

impl Reading {
    /// The highest position that the group is known to have committed.
    fn committed(&self) -> Option<Offset> {
        let accepted = self.commits.iter().map(|commit| commit.offset);
        let reported = match self.reported {
            Reported::Position(offset) => Some(offset),
            Reported::Nothing | Reported::NoPosition => None,
        };
        let joined = self.joined.iter().map(|commit| commit.offset);
        accepted.chain(reported).chain(joined).max()
    }

    /// Counts what was processed in a transaction, as far as it counts.
    fn join(&mut self, read: &JoinedRead, fate: Fate) {
        for offset in read.first.get()..=read.last.get() {
            match fate {
                Fate::Aborted => return,
                Fate::Unknown => {
                    self.unsettled.insert(offset);
                }
                Fate::Committed => {
                    if !self.processed.insert(offset) {
                        self.reprocessed.push((Offset::new(offset), read.member));
                    }
                }
            }
        }
    }
}

/// What is known of the groups, before it is settled.
#[derive(Default)]
pub(crate) struct Readers {
    members: BTreeMap<MemberIx, Member>,
    readings: BTreeMap<(GroupIx, PartitionRef), Reading>,
    joined: Joined,
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
    /// Records that it processed in a transaction of which nobody knows what
    /// became of it.
    pub unsettled: u64,
    /// Records behind a transaction that was never closed, which a group that
    /// reads committed records only is not given.
    pub unstable: u64,
}

impl Readers {
    /// To be shown an event after the transactions have seen it.
    pub(crate) fn observe(&mut self, event: &Event, transactions: &Transactions) {
        if let Body::TransactionCompleted {
            transaction,
            outcome,
        } = &event.body
            && *outcome != TransactionOutcome::Committed
            && let Some(tx) = transactions.find(*transaction)
        {
            self.rewind(tx);
        }
        self.joined.observe(event, transactions);
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
                        let given = Assignment {
                            since,
                            last: None,
                            inside: None,
                        };
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
            Body::Repositioned {
                member,
                partition,
                next,
            } => self.repositioned(*member, *partition, *next),
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

    /// The transaction for which a member reads at this moment.
    pub(crate) fn inside(&self, member: MemberIx) -> Option<Tx> {
        self.joined.inside(member)
    }

    /// What was read inside transactions.
    pub(crate) fn joined_reads(&self) -> &[JoinedRead] {
        self.joined.reads()
    }

    fn reading(&mut self, group: GroupIx, partition: PartitionRef) -> &mut Reading {
        self.readings.entry((group, partition)).or_default()
    }

    /// What was read for a transaction that did not commit is read again.
    fn rewind(&mut self, tx: Tx) {
        for member in self.joined.members(tx) {
            if let Some(member) = self.members.get_mut(&member) {
                for held in member.held.values_mut() {
                    held.last.take_if(|_| held.inside == Some(tx));
                }
            }
        }
    }

    fn repositioned(&mut self, by: MemberIx, partition: PartitionRef, next: Option<Offset>) {
        if let Some(member) = self.members.get_mut(&by)
            && let Some(held) = member.held.get_mut(&partition)
        {
            held.last = next.map(|next| Offset::new(next.get().saturating_sub(1)));
            held.inside = None;
        }
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
            inside: None,
        });
        let before = held.last.replace(offset);
        let inside = self.joined.inside(by);
        let both = inside.filter(|_| held.inside == inside);
        held.inside = inside;
        let reading = self.readings.entry((group, from)).or_default();
        if let Some(before) = before {
            *self.steps.entry(group).or_default() += 1;
            let step = Jump {
                member: by,
                from: before,
                to: offset,
                inside: both,
            };
            if offset <= before {
                reading.went_back.push(step);
            } else if offset.get() - 1 > before.get() {
                reading.jumps.push(step);
            }
        }
        if let Some(tx) = inside {
            self.joined.read(tx, group, by, from, offset);
            return;
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
        background: Background<'_>,
        docket: &mut Docket,
    ) -> Vec<GroupCoverage> {
        let roster = background.roster;
        let joined = std::mem::take(&mut self.joined);
        for read in joined.reads() {
            let reading = self.reading(read.group, read.partition);
            reading.join(read, background.fates.fate(read.tx));
        }
        for ((group, partition), commits) in joined.commits(background.fates) {
            self.reading(group, partition).joined = commits;
        }
        self.joined = joined;
        for ((group, partition), reading) in &mut self.readings {
            reading.commits.sort_by_key(|commit| commit.at);
            let place = Place {
                group: *group,
                partition: *partition,
                background,
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
                    background,
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
    background: Background<'r>,
}

impl<'r> Place<'r> {
    fn add(self, docket: &mut Docket, anomaly: Anomaly, at: Offset, watch: &[Watch], what: &str) {
        docket.add(anomaly, Scope::Partition(self.partition), at.get(), || {
            let roster: &Roster = self.background.roster;
            let group = roster.group(self.group);
            let partition = roster.partition(self.partition);
            let mut all = vec![Watch::Position(self.partition, at)];
            all.extend(watch);
            (format!("{partition}@{at}: {what} ({group})"), all)
        });
    }

    /// What the group's members are not given, whoever else is.
    fn hidden(self) -> Option<&'r Ranges> {
        let fates = self.background.fates;
        let committed_only = self.background.provenance.reads_committed(self.group);
        committed_only.then(|| fates.hidden(self.partition))?
    }

    /// Where the group's members cannot get past, if anywhere.
    fn stable_end(self) -> Option<Offset> {
        let fates = self.background.fates;
        let committed_only = self.background.provenance.reads_committed(self.group);
        committed_only.then(|| fates.stable_end(self.partition))?
    }
}

/// nonmonotonic-poll: within one assignment, an offset that is not behind
/// the one processed before it; int-nonmonotonic-poll where both were processed
/// for one transaction.
fn find_moves_back(reading: &Reading, place: Place<'_>, docket: &mut Docket) {
    for step in &reading.went_back {
        let what = format!("member {} went back from {}", step.member, step.from);
        let anomaly = match step.inside {
            Some(_) => Anomaly::IntNonmonotonicPoll,
            None => Anomaly::NonmonotonicPoll,
        };
        place.add(docket, anomaly, step.to, &[], &what);
    }
}

/// poll-skip: within one assignment, each record of the log between two
/// offsets that were processed one after the other; int-poll-skip where both
/// were processed for one transaction. Markers and gaps are no records, and
/// what the group must not be given is none for it.
fn find_skips(reading: &Reading, log: &Ledger, place: Place<'_>, docket: &mut Docket) {
    let Some(log) = log.partition(place.partition) else {
        return;
    };
    let hidden = place.hidden();
    for jump in &reading.jumps {
        let anomaly = match jump.inside {
            Some(_) => Anomaly::IntPollSkip,
            None => Anomaly::PollSkip,
        };
        for skipped in log.data(jump.from.get() + 1, jump.to.get()) {
            if hidden.is_some_and(|hidden| hidden.contains(Offset::new(skipped))) {
                continue;
            }
            let what = format!(
                "member {} went from {} to {}",
                jump.member, jump.from, jump.to
            );
            let ends = [jump.from, jump.to].map(|end| Watch::Position(place.partition, end));
            let skipped = Offset::new(skipped);
            place.add(docket, anomaly, skipped, &ends, &what);
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
/// assignment. What was committed with transactions is held against itself in
/// the same way, and against the final position.
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
    for (from, to) in regressions(&reading.joined) {
        regress(from, Some(to));
    }
    let joined = reading.joined.iter().max_by_key(|commit| commit.completed);
    let last = joined.map(|commit| (commit.completed, commit.offset));
    let last = last.max(
        reading
            .commits
            .last()
            .map(|commit| (commit.at, commit.offset)),
    );
    if let Some((_, last)) = last {
        match reading.reported {
            Reported::NoPosition => regress(last, None),
            Reported::Position(reported) if reported < last => {
                regress(last, Some(reported));
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
    coverage.commits += (reading.commits.len() + reading.joined.len()) as u64;
    coverage.unsettled += reading.unsettled.len();
    coverage.reprocessed += reading.reprocessed.len() as u64;
    coverage.processed += reading.processed.len() + reading.reprocessed.len() as u64;
    let Some(log) = log.partition(place.partition).filter(|log| log.is_read()) else {
        return;
    };
    let committed = reading.committed().unwrap_or_default();
    let (hidden, stable_end) = (place.hidden(), place.stable_end());
    for offset in log.data(0, i64::MAX).map(Offset::new) {
        if stable_end.is_some_and(|end| offset >= end) {
            coverage.unstable += 1;
            continue;
        }
        if hidden.is_some_and(|hidden| hidden.contains(offset)) {
            continue;
        }
        coverage.stored += 1;
        let passed = offset < committed;
        coverage.below_committed += u64::from(passed);
        if reading.processed.contains(offset.get()) {
            coverage.distinct += 1;
            continue;
        }
        if reading.unsettled.contains(offset.get()) {
            continue;
        }
        if passed {
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
