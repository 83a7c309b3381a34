//! Readers and groups: what consumers processed and committed, held against
//! the log. Knows nothing of producers or databases.
//!
//! A group's partition is a bit for each offset that a member processed, and
//! one for each that its readers jumped over. Where they jumped over a record
//! and not only over gaps, or a commit may have gone back, the history is read
//! again, and each jump and commit is looked at as it comes. What was read for
//! a transaction counts at the end, where the transaction does.

use std::borrow::Cow;
use std::collections::BTreeMap;

use model::anomaly::Anomaly;
use model::event::{Body, CommitResult, Event, TransactionOutcome};
use model::ids::{GroupIx, MemberIx, Micros, Offset, PartitionRef};

use crate::background::Background;
use crate::commits::{Commit, Commits, Regression, Tenure, Trail};
use crate::derived::{Derivations, Outputs};
use crate::fates::Fate;
use crate::finding::{Docket, Scope, Watch};
use crate::joined::{Inside, Joined, JoinedCommit, JoinedRead, regressions};
use crate::log::{Ledger, Need, PartitionLog};
use crate::ranges::Ranges;
use crate::roster::Roster;
use crate::sparse_set::SparseSet;
use crate::table::{PartitionTable, Table};
use crate::transactions::{Transactions, Tx};

/// A jump over more offsets than this is kept by its ends.
const SHORT_JUMP_MAX: i64 = 64;
/// Long jumps of one reading that are kept, at most; where there are more,
/// all are looked at in another reading.
const LONG_JUMPS_MAX: usize = 256;

/// Where the members of all groups stand.
#[derive(Default)]
struct Positions {
    members: Table<Member>,
    inside: Inside,
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
    /// For which transaction it did.
    inside: Option<Tx>,
}

/// From which offset a member of which group came to one that it processed.
struct Step {
    group: GroupIx,
    from: Option<Offset>,
    /// The transaction for which it did.
    inside: Option<Tx>,
    /// Whether it processed the one before for the same.
    within: Within,
}

/// Whether two steps belong to one transaction.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    OneTransaction,
    Nothing,
}

impl Positions {
    /// Follows an event that gives or takes partitions, or moves a member; to
    /// be shown it after the transactions have seen it.
    fn observe(&mut self, event: &Event, transactions: &Transactions) {
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
                        let given = Assignment {
                            since,
                            ..Assignment::default()
                        };
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
            Body::Repositioned {
                member,
                partition,
                next,
            } => self.repositioned(*member, *partition, *next),
            Body::TransactionCompleted {
                transaction,
                outcome,
            } => {
                let tx = transactions.find(*transaction);
                if let Some(tx) = tx.filter(|_| *outcome != TransactionOutcome::Committed) {
                    self.rewind(tx);
                }
                self.inside.observe(&event.body, transactions);
            }
            Body::TransactionJoined { .. } => self.inside.observe(&event.body, transactions),
            _ => {}
        }
    }

    fn repositioned(&mut self, by: MemberIx, partition: PartitionRef, next: Option<Offset>) {
        if let Some(member) = self.members.get_mut(by.get().into())
            && let Some(held) = member.held.get_mut(partition)
        {
            held.last = next.map(|next| Offset::new(next.get().saturating_sub(1)));
            held.inside = None;
        }
    }

    /// What was read for a transaction that did not commit is read again.
    fn rewind(&mut self, tx: Tx) {
        for member in self.inside.members(tx) {
            if let Some(member) = self.members.get_mut(member.get().into()) {
                for held in member.held.values_mut() {
                    held.last.take_if(|_| held.inside == Some(tx));
                }
            }
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
        let inside = self.inside.of(member);
        let member = self.members.get_mut(member.get().into())?;
        let held = member.held.entry(partition);
        held.since.get_or_insert(at);
        let before = std::mem::replace(&mut held.inside, inside);
        Some(Step {
            group: member.group,
            from: held.last.replace(offset),
            inside,
            within: if inside.is_some() && inside == before {
                Within::OneTransaction
            } else {
                Within::Nothing
            },
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
    /// Processed in a transaction of which nobody knows what became of it.
    unsettled: SparseSet,
    /// Positions that were committed with transactions.
    joined: Vec<JoinedCommit>,
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
        let joined = self.joined.iter().map(|commit| commit.offset).max();
        self.commits.highest.max(reported).max(joined)
    }

    /// Counts what was processed in a transaction, as far as it counts.
    fn join(&mut self, read: &JoinedRead, fate: Fate, place: Place<'_>, docket: &mut Docket) {
        for offset in read.first.get()..=read.last.get() {
            match fate {
                Fate::Aborted => return,
                Fate::Unknown => {
                    self.unsettled.insert(offset);
                }
                Fate::Committed => {
                    self.count(Offset::new(offset), read.member, place, docket);
                }
            }
        }
    }

    /// reprocessed: each time beyond the first that a group processed an
    /// offset.
    #[inline]
    fn count(&mut self, offset: Offset, member: MemberIx, place: Place<'_>, docket: &mut Docket) {
        if !self.processed.insert(offset.get()) {
            self.reprocessed += 1;
            place.add(docket, Anomaly::Reprocessed, offset, &[], || {
                format!("member {member} processed it again")
            });
        }
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

    /// Whether any may have passed over a record that is not hidden.
    fn are_contested(&self, log: Option<&PartitionLog>, bounds: Bounds<'_>) -> bool {
        let Some(log) = log else {
            return false;
        };
        let shown = |offset| !bounds.hides(offset);
        let passes = |(first, last): &(i64, i64)| log.data(*first, last + 1).any(shown);
        self.too_many || self.long.iter().any(passes) || log.data_in(&self.over).any(shown)
    }
}

/// What is known of the groups.
#[derive(Default)]
pub(crate) struct Readers {
    positions: Positions,
    readings: Table<PartitionTable<Reading>>,
    joined: Joined,
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
    /// Of these, how many lie below the log start: acknowledged, and deleted
    /// before the group came to them.
    pub gaps_expired: u64,
    /// Records from its committed position on that it did not process.
    pub behind: u64,
    /// Records from its committed position on that were acknowledged, and
    /// deleted before it came to them.
    pub behind_expired: u64,
    /// Offsets below the log start of which nobody knows whether a record
    /// stood there that it was to be given.
    pub unknown: u64,
    /// Whether it was given the time to finish.
    pub waited: bool,
    /// Commits that the coordinator accepted.
    pub commits: u64,
    /// Polls that followed another in the same assignment.
    pub steps: u64,
    /// Records that it processed in a transaction of which nobody knows what
    /// became of it.
    pub unsettled: u64,
    /// Of a group that writes, of how many records it made something that took
    /// effect.
    pub made: Option<u64>,
    /// Records behind a transaction that was never closed, which a group that
    /// reads committed records only is not given.
    pub unstable: u64,
}

impl Readers {
    /// Takes in the next event of the first reading, after the transactions
    /// have seen it.
    pub(crate) fn observe(
        &mut self,
        event: &Event,
        transactions: &Transactions,
        roster: &Roster,
        docket: &mut Docket,
    ) {
        match &event.body {
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
            Body::OffsetSent { .. } => self.joined.observe(&event.body, transactions),
            _ => self.positions.observe(event, transactions),
        }
    }

    /// Reads and commits of members that nobody started: a history that
    /// lacks its beginning.
    pub(crate) const fn strays(&self) -> u64 {
        self.strays
    }

    /// The transaction for which a member reads at this moment.
    pub(crate) fn inside(&self, member: MemberIx) -> Option<Tx> {
        self.positions.inside.of(member)
    }

    /// What was read inside transactions.
    pub(crate) fn joined_reads(&self) -> &[JoinedRead] {
        self.joined.reads()
    }

    #[inline]
    fn reading(&mut self, group: GroupIx, partition: PartitionRef) -> &mut Reading {
        self.readings.entry(group.get().into()).entry(partition)
    }

    /// nonmonotonic-poll: within one assignment, an offset that is not behind
    /// the one processed before it; int-nonmonotonic-poll where both were
    /// processed for one transaction.
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
                let anomaly = match step.within {
                    Within::OneTransaction => Anomaly::IntNonmonotonicPoll,
                    Within::Nothing => Anomaly::NonmonotonicPoll,
                };
                place.add(docket, anomaly, offset, &[], || {
                    format!("member {member} went back from {before}")
                });
            } else if offset.get() - 1 > before.get() {
                reading.jumps.add(before.get() + 1, offset.get() - 1);
            }
        }
        match step.inside {
            Some(tx) => self.joined.read(tx, group, member, partition, offset),
            None => reading.count(offset, member, place, docket),
        }
    }

    /// Takes in the next event of another reading of the same history.
    pub(crate) fn observe_again(
        &mut self,
        event: &Event,
        log: &Ledger,
        background: Background<'_>,
        docket: &mut Docket,
    ) {
        let roster = background.roster;
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
                    within,
                    ..
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
                    let jump = Jump {
                        member: *member,
                        from: before,
                        to: *offset,
                        within,
                    };
                    let bounds = Bounds::of(background, group, *from);
                    find_skips(log, (place, bounds), &jump, docket);
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
            _ => again
                .positions
                .observe(event, &background.fates.transactions),
        }
    }

    /// Whether the history has to be read once more, now that it was read to
    /// its end.
    pub(crate) fn turn(
        &mut self,
        log: &Ledger,
        background: Background<'_>,
        docket: &mut Docket,
    ) -> Need {
        match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::First => {}
            Stage::Doubts(again) => {
                again.settle(background.roster, docket);
                return Need::Nothing;
            }
            Stage::Done => return Need::Nothing,
        }
        let mut again = Again::default();
        for (group, partition, reading) in self.readings() {
            let commits = &reading.commits;
            let doubt = Doubt {
                jumps: reading.jumps.are_contested(
                    log.partition(partition),
                    Bounds::of(background, group, partition),
                ),
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
        &mut self,
        log: &Ledger,
        derived: &Derivations,
        background: Background<'_>,
        docket: &mut Docket,
    ) -> Vec<GroupCoverage> {
        let roster = background.roster;
        self.join(background, docket);
        for (group, partition, reading) in self.readings() {
            let place = Place {
                group,
                partition,
                roster,
            };
            for (from, to) in regressions(&reading.joined) {
                place.regress(docket, from, Some(to));
            }
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
                let bounds = Bounds::of(background, *group, partition);
                let outputs = derived.of(*group, partition, log, background);
                let done = Done::of(reading.unwrap_or(&none), outputs.as_ref());
                find_unprocessed(&done, log, (place, bounds), docket, &mut coverage);
            }
            all.push(coverage);
        }
        all
    }

    /// Counts what was done for transactions, now that it is known what became
    /// of them.
    fn join(&mut self, background: Background<'_>, docket: &mut Docket) {
        let joined = std::mem::take(&mut self.joined);
        for read in joined.reads() {
            let place = Place {
                group: read.group,
                partition: read.partition,
                roster: background.roster,
            };
            let fate = background.fates.fate(read.tx);
            let reading = self.reading(read.group, read.partition);
            reading.join(read, fate, place, docket);
        }
        for ((group, partition), commits) in joined.commits(background.fates) {
            self.reading(group, partition).joined = commits;
        }
        self.joined = joined;
    }
}

/// What of a partition a group's members are given.
#[derive(Clone, Copy)]
struct Bounds<'r> {
    /// What they are not given, whoever else is.
    hidden: Option<&'r Ranges>,
    /// Where they cannot get past, if anywhere.
    stable_end: Option<Offset>,
    /// Whether they are given committed records only.
    committed_only: bool,
    /// Whether anything was sent in transactions.
    transactional: bool,
}

impl<'r> Bounds<'r> {
    fn of(background: Background<'r>, group: GroupIx, partition: PartitionRef) -> Self {
        let fates = background.fates;
        let committed_only = background.provenance.reads_committed(group);
        Self {
            hidden: committed_only.then(|| fates.hidden(partition)).flatten(),
            stable_end: committed_only
                .then(|| fates.stable_end(partition))
                .flatten(),
            committed_only,
            transactional: !fates.transactions.is_empty(),
        }
    }

    fn hides(self, offset: i64) -> bool {
        let hidden = self.hidden;
        hidden.is_some_and(|hidden| hidden.contains(Offset::new(offset)))
    }

    /// How many records they are given below an offset.
    fn count(self, log: &PartitionLog, end: i64) -> u64 {
        let hidden = self.hidden.into_iter().flat_map(Ranges::iter);
        let hidden = hidden
            .map(|(first, last)| log.data_count(first.max(0), end.min(last.saturating_add(1))));
        log.data_count(0, end) - hidden.sum::<u64>()
    }
}

/// From one offset to another, within one assignment.
struct Jump {
    member: MemberIx,
    from: Offset,
    to: Offset,
    within: Within,
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
/// offsets that were processed one after the other; int-poll-skip where both
/// were processed for one transaction. Markers and gaps are no records, and
/// what the group must not be given is none for it.
fn find_skips(
    log: &Ledger,
    (place, bounds): (Place<'_>, Bounds<'_>),
    jump: &Jump,
    docket: &mut Docket,
) {
    let Jump {
        member, from, to, ..
    } = jump;
    let Some(log) = log.partition(place.partition).filter(|_| from < to) else {
        return;
    };
    let anomaly = match jump.within {
        Within::OneTransaction => Anomaly::IntPollSkip,
        Within::Nothing => Anomaly::PollSkip,
    };
    for skipped in log.data(from.get() + 1, to.get()) {
        if bounds.hides(skipped) {
            continue;
        }
        let ends = [*from, *to].map(|end| Watch::Position(place.partition, end));
        place.add(docket, anomaly, Offset::new(skipped), &ends, || {
            format!("member {member} went from {from} to {to}")
        });
    }
}

/// A final position below the last accepted commit.
fn find_forgotten(reading: &Reading, place: Place<'_>, docket: &mut Docket) {
    let joined = reading.joined.iter().max_by_key(|commit| commit.completed);
    let joined = joined.map(|commit| (commit.completed, commit.offset));
    if let Some((_, last)) = joined.max(reading.commits.latest()) {
        match reading.reported {
            Reported::NoPosition => place.regress(docket, last, None),
            Reported::Position(reported) if reported < last => {
                place.regress(docket, last, Some(reported));
            }
            Reported::Position(_) | Reported::Nothing => {}
        }
    }
}

/// What was deleted before anybody read the truth. That a record was
/// acknowledged is all that is known of it then; where the group committed past
/// it and none of its members processed it, it is a group-gap like any other.
/// Where it is not known whether the group was to be given it, nobody can tell.
fn find_passed_over(
    done: &Done<'_>,
    log: &PartitionLog,
    (place, bounds): (Place<'_>, Bounds<'_>),
    docket: &mut Docket,
    coverage: &mut GroupCoverage,
) {
    let committed = done.reading.committed().unwrap_or_default();
    coverage.unknown += log.unknown_below_start(&done.all, committed.get());
    for offset in log.expired_without(&done.all) {
        let offset = Offset::new(offset);
        if bounds.committed_only && bounds.transactional {
            coverage.unknown += 1;
        } else if done.is_unsettled(offset.get()) {
            // Counted where it is: nobody knows whether it was processed.
        } else if offset < committed {
            coverage.gaps += 1;
            coverage.gaps_expired += 1;
            let undone = done.undone(offset.get());
            let past = Watch::CommitPast(place.group, place.partition, offset);
            place.add(docket, Anomaly::GroupGap, offset, &[past], || {
                format!("acknowledged, deleted, committed past, up to {committed}, and {undone}")
            });
        } else {
            coverage.behind_expired += 1;
        }
    }
}

/// What a group has done with a partition's records. One that writes has done
/// with a record when it was processed and what was made of it took effect.
struct Done<'r> {
    reading: &'r Reading,
    outputs: Option<&'r Outputs>,
    all: Cow<'r, SparseSet>,
}

impl<'r> Done<'r> {
    fn of(reading: &'r Reading, outputs: Option<&'r Outputs>) -> Self {
        let all = match outputs {
            None => Cow::Borrowed(&reading.processed),
            Some(outputs) => {
                let mut both = SparseSet::default();
                for offset in reading.processed.shared(&outputs.made) {
                    both.insert(offset);
                }
                Cow::Owned(both)
            }
        };
        Self {
            reading,
            outputs,
            all,
        }
    }

    /// Whether it is not known if it was done.
    fn is_unsettled(&self, offset: i64) -> bool {
        let unsettled = |outputs: &Outputs| outputs.unsettled.contains(offset);
        self.reading.unsettled.contains(offset) || self.outputs.is_some_and(unsettled)
    }

    fn undone(&self, offset: i64) -> &'static str {
        if self.reading.processed.contains(offset) {
            "nothing that was made of it took effect"
        } else {
            "never processed"
        }
    }
}

/// group-gap: a record below the highest committed position that no member
/// processed. group-incomplete: a record from there to the pinned end that no
/// member processed although the group was given the time. Neither is one that
/// the group is not given, or that was processed in a transaction of which
/// nobody knows what became of it.
fn find_unprocessed(
    done: &Done<'_>,
    log: &Ledger,
    (place, bounds): (Place<'_>, Bounds<'_>),
    docket: &mut Docket,
    coverage: &mut GroupCoverage,
) {
    let reading = done.reading;
    coverage.commits += reading.commits.count + reading.joined.len() as u64;
    coverage.unsettled += reading.unsettled.len();
    if let Some(outputs) = done.outputs {
        coverage.unsettled += outputs.unsettled.len();
        let made = coverage.made.get_or_insert_default();
        *made += outputs.made.len();
    }
    coverage.reprocessed += reading.reprocessed;
    coverage.processed += reading.processed.len() + reading.reprocessed;
    let Some(log) = log.partition(place.partition).filter(|log| log.is_read()) else {
        return;
    };
    find_passed_over(done, log, (place, bounds), docket, coverage);
    let committed = reading.committed().unwrap_or_default();
    let end = bounds.stable_end.map_or(i64::MAX, Offset::get);
    let stored = bounds.count(log, end);
    let mut unprocessed = 0;
    for offset in log.data_without(&done.all, 0, end) {
        if bounds.hides(offset) {
            continue;
        }
        unprocessed += 1;
        if done.is_unsettled(offset) {
            continue;
        }
        let undone = done.undone(offset);
        let offset = Offset::new(offset);
        let made = Watch::MadeOf(place.group, place.partition, offset);
        if offset < committed {
            coverage.gaps += 1;
            let past = Watch::CommitPast(place.group, place.partition, offset);
            place.add(docket, Anomaly::GroupGap, offset, &[past, made], || {
                format!("committed past, up to {committed}, and {undone}")
            });
        } else {
            coverage.behind += 1;
            if coverage.waited {
                place.add(docket, Anomaly::GroupIncomplete, offset, &[made], || {
                    format!("{undone}, although the group was given the time")
                });
            }
        }
    }
    coverage.stored += stored;
    coverage.unstable += log.data_count(end.max(0), i64::MAX);
    coverage.below_committed += bounds.count(log, committed.get().min(end));
    coverage.distinct += stored - unprocessed;
}
