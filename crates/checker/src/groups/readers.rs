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

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use model::anomaly::Anomaly;
use model::event::{Body, CommitResult, Content, Event, Outcome, TransactionOutcome};
use model::ids::{GroupIx, MemberIx, Micros, Offset, PartitionRef};

use crate::context::Context;
use crate::derived::{Derivations, Made, Outputs};
use crate::groups::commits::{Commit, Commits, Regression, Tenure, Trail};
use crate::groups::waits::Excuse;
use crate::log::{Ledger, Need, PartitionLog};
use crate::names::Names;
use crate::proof::finding::{FindingCollector, Scope, Watch};
use crate::sets::ranges::Ranges;
use crate::sets::record_set::RecordSet;
use crate::sets::sparse_set::SparseSet;
use crate::sets::table::{PartitionTable, Table};
use crate::txn::outcomes::TxnOutcome;
use crate::txn::reads::{Inside, TxnCommit, TxnRead, TxnReads, regressions};
use crate::txn::tracker::{Transactions, Tx};

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
    last: Option<Given>,
    /// For which transaction it did.
    inside: Option<Tx>,
    /// Of what it processed, the last that stands there still and the last that
    /// does not, and for which transaction it did; known in another reading.
    stored_records: Option<(Given, Option<Tx>)>,
    gone: Option<(Given, Option<Tx>)>,
}

/// A record that a member was given, and where.
#[derive(Clone, Copy)]
struct Given {
    offset: Offset,
    /// None where the member was set to this offset by hand.
    content: Option<Content>,
}

impl Given {
    /// Whether it does not stand there any more: the log was cut or made again
    /// since.
    fn is_past(self, log: &Ledger, partition: PartitionRef) -> bool {
        let content = self.content;
        content.is_some_and(|content| log.past().holds(partition, self.offset, content))
    }
}

/// From which record a member of which group came to one that it processed.
struct Step {
    group: GroupIx,
    from: Option<Given>,
    /// The transaction for which it did.
    inside: Option<Tx>,
}

/// Whether two steps belong to one transaction.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    OneTransaction,
    Nothing,
}

impl Within {
    fn of(one: Option<Tx>, other: Option<Tx>) -> Self {
        if one.is_some() && one == other {
            Self::OneTransaction
        } else {
            Self::Nothing
        }
    }
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
                            held.stored_records = None;
                            held.gone = None;
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
            held.last = next.map(|next| Given {
                offset: Offset::new(next.get().saturating_sub(1)),
                content: None,
            });
            held.inside = None;
            held.stored_records = held.last.map(|last| (last, None));
            held.gone = None;
        }
    }

    /// What was read for a transaction that did not commit is read again.
    fn rewind(&mut self, tx: Tx) {
        for member in self.inside.members(tx) {
            if let Some(member) = self.members.get_mut(member.get().into()) {
                for held in member.held.values_mut() {
                    if held.inside == Some(tx) {
                        held.last = None;
                        held.stored_records = None;
                        held.gone = None;
                    }
                }
            }
        }
    }

    /// A member processed a record; none where nobody started the member.
    #[inline]
    fn step(
        &mut self,
        at: Micros,
        member: MemberIx,
        partition: PartitionRef,
        given: Given,
    ) -> Option<Step> {
        let inside = self.inside.of(member);
        let member = self.members.get_mut(member.get().into())?;
        let held = member.held.entry(partition);
        held.since.get_or_insert(at);
        held.inside = inside;
        Some(Step {
            group: member.group,
            from: held.last.replace(given),
            inside,
        })
    }

    /// Notes whether what the member processed last is gone; what it had
    /// processed before it of the same kind, and whether for the same
    /// transaction.
    fn compare(
        &mut self,
        member: MemberIx,
        partition: PartitionRef,
        is_gone: bool,
    ) -> Option<(Given, Within)> {
        let member = self.members.get_mut(member.get().into())?;
        let held = member.held.get_mut(partition)?;
        let now = held.last.map(|last| (last, held.inside));
        let kind = if is_gone {
            &mut held.gone
        } else {
            &mut held.stored_records
        };
        let (before, inside) = std::mem::replace(kind, now)?;
        Some((before, Within::of(inside, held.inside)))
    }

    fn group(&self, member: MemberIx) -> Option<GroupIx> {
        let known = self.members.get(member.get().into())?;
        Some(known.group)
    }

    /// What a member processed last of a partition that it holds.
    fn last(&self, member: MemberIx, partition: PartitionRef) -> Option<Given> {
        let known = self.members.get(member.get().into())?;
        known.held.get(partition)?.last
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

/// The records that one group processed, wherever they stood.
#[derive(Default)]
struct Records {
    processed: RecordSet,
    /// In transactions of which nobody knows what became of them.
    unsettled: RecordSet,
    /// In transactions that were not committed.
    in_vain: RecordSet,
}

/// What one group did with one partition.
#[derive(Default)]
struct Reading {
    /// Offsets at which a member processed a record.
    given: SparseSet,
    /// Those at which what it processed carries no identity.
    nameless: SparseSet,
    /// Records processed, repetitions included.
    processed: u64,
    reprocessed: u64,
    /// Of these, how many were processed at another offset than before: the
    /// log held them twice.
    copies: u64,
    /// Offsets processed in a transaction of which nobody knows what became of
    /// it.
    unsettled: SparseSet,
    /// Offsets processed in a transaction that was not committed.
    in_vain: SparseSet,
    /// Whether a step went back.
    went_back: bool,
    /// Positions that were committed with transactions.
    joined: Vec<TxnCommit>,
    commits: Commits,
    reported: Reported,
    jumps: Jumps,
    /// Which of the records that stand were processed, where that was looked
    /// up by their identities.
    resolved: Option<Resolved>,
    /// What is known of commits of an earlier life of the log.
    lives: Option<Lives>,
}

/// Offsets whose record, by its identity, a group has done something with.
#[derive(Default)]
struct Resolved {
    processed: SparseSet,
    unsettled: SparseSet,
    in_vain: SparseSet,
    /// Of a group that writes, what it made of the records.
    outputs: Option<Outputs>,
}

/// Which of a group's commits were made behind records that stand.
#[derive(Clone, Copy, Default)]
struct Lives {
    /// The highest of them.
    highest: Option<Offset>,
    /// The latest commit, and whether it was made behind a record that does
    /// not stand any more.
    latest: Option<(Micros, bool)>,
}

impl Reading {
    /// The highest position that the group is known to have committed. One
    /// that was committed behind a record that is gone says nothing of those
    /// that stand there now, unless the group is going to start from it.
    fn committed(&self, end: Option<Offset>) -> Option<Offset> {
        let reported = match self.reported {
            Reported::Position(offset) => Some(offset),
            Reported::Nothing | Reported::NoPosition => None,
        };
        let joined = |past: bool| {
            let of = self
                .joined
                .iter()
                .filter(move |commit| past || !commit.past);
            of.map(|commit| commit.offset).max()
        };
        let Some(lives) = self.lives else {
            return self.position().max(joined(true));
        };
        let start = match self.reported {
            Reported::Nothing => self.latest().map(|(_, offset)| offset),
            Reported::Position(_) | Reported::NoPosition => reported,
        };
        // A position behind the end is none: the group will be reset.
        let start = start.filter(|start| end.is_none_or(|end| *start <= end));
        lives.highest.max(joined(false)).max(start)
    }

    /// The highest position that anybody tells of, but for transactions.
    fn position(&self) -> Option<Offset> {
        let reported = match self.reported {
            Reported::Position(offset) => Some(offset),
            Reported::Nothing | Reported::NoPosition => None,
        };
        self.commits.highest.max(reported)
    }

    /// The position that was committed last, by the moment of the answer.
    fn latest(&self) -> Option<(Micros, Offset)> {
        let joined = self.joined.iter().max_by_key(|commit| commit.completed);
        let joined = joined.map(|commit| (commit.completed, commit.offset));
        joined.max(self.commits.latest())
    }

    /// Whether the latest commit was made behind a record that is gone.
    fn latest_is_past(&self) -> bool {
        let joined = self.joined.iter().max_by_key(|commit| commit.completed);
        let joined = joined.map(|commit| (commit.completed, commit.past));
        let latest = self.lives.and_then(|lives| lives.latest);
        joined.max(latest).is_some_and(|(_, past)| past)
    }

    /// Notes how a member came to an offset; whether from another one.
    #[inline]
    fn goes_on(&mut self, step: &Step, offset: Offset) -> bool {
        let Some(before) = step.from.map(|before| before.offset) else {
            return false;
        };
        if offset <= before {
            self.went_back = true;
        } else if offset.get() - 1 > before.get() {
            self.jumps.add(before.get() + 1, offset.get() - 1);
        }
        true
    }

    /// reprocessed: each time beyond the first that a group processed a
    /// record; where it carries no identity, an offset.
    #[inline]
    fn count(
        &mut self,
        known: &mut RecordSet,
        (offset, content): (Offset, Content),
        member: MemberIx,
        place: Place<'_>,
        collector: &mut FindingCollector,
    ) {
        self.processed += 1;
        let elsewhere = self.given.insert(offset.get());
        let again = match content.identity() {
            Some(record) => !known.insert(record),
            None => !self.nameless.insert(offset.get()),
        };
        if again {
            self.reprocessed += 1;
            self.copies += u64::from(elsewhere);
            place.add(collector, Anomaly::Reprocessed, offset, &[], || {
                format!("{} processed it again", place.names.member(member))
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
    records: Table<Records>,
    readings: Table<PartitionTable<Reading>>,
    joined: TxnReads,
    waited: BTreeMap<GroupIx, u64>,
    /// Polls that followed another in the same assignment.
    steps: Table<u64>,
    /// Records that were jumped over and that compaction may have taken, where
    /// nobody says how the topic is cleaned.
    excused: u64,
    strays: u64,
    stage: Stage,
}

/// What the history is being read for.
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
    Doubts(Again),
    /// Nothing any more.
    Done,
}

/// What is looked at in another reading.
#[derive(Default)]
struct Again {
    positions: Positions,
    contested: BTreeMap<(GroupIx, PartitionRef), Doubt>,
    /// What each group processed that is gone.
    gone: BTreeMap<GroupIx, RecordSet>,
    /// Whether what a transaction read last of a partition is gone.
    joined_past: HashMap<(Tx, PartitionRef), bool>,
    /// Records that were jumped over and that compaction may have taken, where
    /// nobody says how the topic is cleaned.
    excused: u64,
}

/// What is in doubt of one group's reading of one partition.
#[derive(Default)]
struct Doubt {
    steps: bool,
    commits: Option<Trail>,
    resolved: Option<Resolved>,
    lives: Option<Lives>,
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
    /// Of these, how many were processed at another offset than before,
    /// because the log held them twice.
    pub copies: u64,
    /// Records below its committed position that it did not process.
    pub gaps: u64,
    /// Of these, how many lie below the log start: acknowledged, and deleted
    /// before the group came to them.
    pub gaps_expired: u64,
    /// Of these, how many a member processed without effect: its transaction
    /// was not committed, or what was made of the record is not there.
    pub gaps_in_vain: u64,
    /// Records from its committed position on that it did not process.
    pub behind: u64,
    /// Of these, how many a member processed without effect.
    pub behind_in_vain: u64,
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
    /// Records below its committed position that it did not process, and that
    /// compaction may have taken before, where nobody says how the topic is
    /// cleaned.
    pub replaceable: u64,
    /// Records behind a transaction that was never closed, which a group that
    /// reads committed records only is not given.
    pub unstable: u64,
    /// Records that it was still to come to when its time was up, as it was
    /// reading on.
    pub to_come: u64,
    /// Records that it had not processed when its time was up, most of which
    /// faults had taken.
    pub hindered: u64,
    /// Records that it did not process and that its members' clients cannot
    /// read, or are not allowed to.
    pub beyond_client: u64,
    /// Of these clients, what the first reported.
    pub client_limit: Option<String>,
}

impl Readers {
    /// Takes in the next event of the first reading, after the transactions
    /// have seen it.
    pub(crate) fn observe(
        &mut self,
        event: &Event,
        transactions: &Transactions,
        names: &Names,
        collector: &mut FindingCollector,
    ) {
        match &event.body {
            Body::Processed {
                member,
                from,
                offset,
                content,
            } => {
                let read = (*from, *offset, *content);
                self.processed(event.at, *member, read, names, collector);
            }
            Body::Glimpsed {
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
            Body::OffsetSent { .. } => self.joined.observe(&event.body, transactions),
            _ => self.positions.observe(event, transactions),
        }
    }

    /// Reads and commits of members that nobody started: a history that
    /// lacks its beginning.
    pub(crate) const fn strays(&self) -> u64 {
        self.strays
    }

    /// Records that members jumped over and that compaction may have taken,
    /// where nobody says how the topic is cleaned.
    pub(crate) const fn excused(&self) -> u64 {
        self.excused
    }

    /// The transaction for which a member reads at this moment.
    pub(crate) fn inside(&self, member: MemberIx) -> Option<Tx> {
        self.positions.inside.of(member)
    }

    /// What was read inside transactions.
    pub(crate) fn joined_reads(&self) -> &[TxnRead] {
        self.joined.reads()
    }

    #[inline]
    fn reading(&mut self, group: GroupIx, partition: PartitionRef) -> &mut Reading {
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
        let place = Place {
            group,
            partition,
            names,
        };
        if let Some(tx) = step.inside {
            self.joined.read(tx, member, partition, offset);
        } else {
            let known = &mut self.records.entry(number).processed;
            reading.count(known, (offset, content), member, place, collector);
        }
    }

    /// A member was given what it did not process; none where nobody started the
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

    /// Takes in the next event of another reading of the same history.
    pub(crate) fn observe_again(
        &mut self,
        event: &Event,
        log: &Ledger,
        derived: &Derivations,
        context: Context<'_>,
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

    /// Counts what was processed in a transaction, as far as it counts.
    fn join(
        &mut self,
        event: &Event,
        positions: &mut Positions,
        context: Context<'_>,
        collector: &mut FindingCollector,
    ) {
        let txn_outcomes = context.txn_outcomes;
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
            TxnOutcome::Aborted => {
                reading.in_vain.insert(offset.get());
                if let Some(record) = content.identity() {
                    known.in_vain.insert(record);
                }
            }
            TxnOutcome::Unknown => {
                reading.unsettled.insert(offset.get());
                if let Some(record) = content.identity() {
                    known.unsettled.insert(record);
                }
            }
            TxnOutcome::Committed => {
                let place = Place {
                    group,
                    partition: *partition,
                    names: context.names,
                };
                let read = (*offset, *content);
                reading.count(&mut known.processed, read, *member, place, collector);
            }
        }
    }

    /// Whether the history has to be read once more, now that it was read to
    /// its end; to be asked after the log and what was made of records were.
    pub(crate) fn end_pass(
        &mut self,
        log: &Ledger,
        derived: &Derivations,
        context: Context<'_>,
        collector: &mut FindingCollector,
    ) -> Need {
        match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::First if !self.joined.reads().is_empty() => {
                self.stage = Stage::Joining(Positions::default());
                return Need::Reading;
            }
            Stage::First | Stage::Joining(_) | Stage::Waiting => {}
            Stage::Doubts(again) => {
                self.take(again, context.names, collector);
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
        let none = Reading::default();
        let in_place: BTreeSet<GroupIx> = context
            .names
            .groups
            .keys()
            .filter(|group| self.processed_in_place(**group, log))
            .copied()
            .collect();
        let contested: BTreeMap<(GroupIx, PartitionRef), Doubt> = readings
            .into_iter()
            .filter_map(|(group, partition)| {
                let reading = self.reading_of(group, partition).unwrap_or(&none);
                let outputs = derived.of(group, partition, log, context);
                let bounds = Bounds::of(context, group, partition);
                let past = log.past();
                let position = reading.position();
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
        self.stage = Stage::Doubts(Again {
            contested,
            ..Again::default()
        });
        Need::Reading
    }

    /// Takes over what another reading has settled.
    fn take(&mut self, again: Again, names: &Names, collector: &mut FindingCollector) {
        self.joined.learn(again.joined_past);
        self.excused += again.excused;
        for ((group, partition), doubt) in again.contested {
            let place = Place {
                group,
                partition,
                names,
            };
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
    /// agree with the log, as many offsets as records show it.
    fn processed_in_place(&self, group: GroupIx, log: &Ledger) -> bool {
        let number = i64::from(group.get());
        let Some(records) = self.records.get(number) else {
            return true;
        };
        let stand = |offsets: fn(&Reading) -> &SparseSet| -> u64 {
            let readings = self.readings.get(number).into_iter();
            let stand = readings
                .flat_map(PartitionTable::iter)
                .map(|(at, reading)| {
                    let log = log.partition(at).filter(|log| !log.is_disputed());
                    log.map_or(0, |log| log.data_in(offsets(reading)).count() as u64)
                });
            stand.sum()
        };
        !log.holds_copies()
            && stand(|reading| &reading.given) == records.processed.len()
            && stand(|reading| &reading.unsettled) == records.unsettled.len()
            && stand(|reading| &reading.in_vain) == records.in_vain.len()
    }

    fn reading_of(&self, group: GroupIx, partition: PartitionRef) -> Option<&Reading> {
        self.readings.get(group.get().into())?.get(partition)
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
        context: Context<'_>,
        collector: &mut FindingCollector,
    ) -> Vec<GroupCoverage> {
        let names = context.names;
        for ((group, partition), mut commits) in self.joined.commits(context.txn_outcomes) {
            for commit in &mut commits {
                commit.past |= log.past().is_behind(partition, commit.offset);
            }
            self.reading(group, partition).joined = commits;
        }
        for (group, partition, reading) in self.readings() {
            let place = Place {
                group,
                partition,
                names,
            };
            for (from, to) in regressions(&reading.joined) {
                place.regress(collector, from, Some(to));
            }
            find_forgotten(reading, place, collector);
        }
        let none = Reading::default();
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
                let place = Place {
                    group: *group,
                    partition,
                    names,
                };
                let bounds = Bounds::of(context, *group, partition);
                let outputs = derived.of(*group, partition, log, context);
                let done = Done::of(reading, outputs.as_ref());
                let excuse = context.waits.excuse(*group, partition);
                let within = (place, bounds, &excuse);
                find_unprocessed(&done, log, within, collector, &mut coverage);
            }
            all.push(coverage);
        }
        all
    }
}

impl Doubt {
    /// What is in doubt, if anything is.
    fn about(
        reading: &Reading,
        (in_place, is_cut): (bool, bool),
        outputs: Option<&Outputs>,
        log: Option<&PartitionLog>,
        bounds: Bounds<'_>,
    ) -> Option<Self> {
        let commits = &reading.commits;
        let done = Done::of(reading, outputs);
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
        (known, reading): (&Records, &Reading),
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

/// What the first readings have told of the groups.
type Known<'k> = (
    &'k Table<Records>,
    &'k Table<PartitionTable<Reading>>,
    &'k Derivations,
);

impl Again {
    fn observe(
        &mut self,
        event: &Event,
        log: &Ledger,
        known: Known<'_>,
        context: Context<'_>,
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
            Body::Glimpsed {
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
                    let place = Place {
                        group,
                        partition: *partition,
                        names: context.names,
                    };
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
        (records, readings, derived): Known<'_>,
        context: Context<'_>,
    ) {
        let (no_records, no_reading) = (Records::default(), Reading::default());
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
    fn step(
        &mut self,
        at: Micros,
        member: MemberIx,
        (partition, offset, read): (PartitionRef, Offset, Content),
        log: &Ledger,
        context: Context<'_>,
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
        let place = Place {
            group: step.group,
            partition,
            names: context.names,
        };
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

impl Lives {
    fn add(&mut self, commit: Commit) {
        if !commit.past {
            self.highest = self.highest.max(Some(commit.offset));
        }
        if self.latest.is_none_or(|(at, _)| commit.at >= at) {
            self.latest = Some((commit.at, commit.past));
        }
    }
}

/// What of a partition a group's members are given.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own about the group or the topic"
)]
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
    /// Whether a member's client reported that it cannot read what stands
    /// there: what it cannot read it jumps over.
    beyond_client: bool,
    /// What compaction may have taken before they came to it.
    replaceable: Option<&'r Ranges>,
    /// Whether the topic is said to be compacted.
    compacts: bool,
}

impl<'r> Bounds<'r> {
    fn of(context: Context<'r>, group: GroupIx, partition: PartitionRef) -> Self {
        let txn_outcomes = context.txn_outcomes;
        let committed_only = context.provenance.reads_committed(group);
        Self {
            hidden: committed_only
                .then(|| txn_outcomes.hidden(partition))
                .flatten(),
            stable_end: committed_only
                .then(|| txn_outcomes.stable_end(partition))
                .flatten(),
            committed_only,
            transactional: !txn_outcomes.transactions.is_empty(),
            beyond_client: context.waits.limit(group, partition).is_some(),
            replaceable: context.provenance.replaceable(partition),
            compacts: context.names.compacts(partition.topic),
        }
    }

    fn hides(self, offset: i64) -> bool {
        let hidden = self.hidden;
        hidden.is_some_and(|hidden| hidden.contains(Offset::new(offset)))
    }

    /// Whether compaction may have taken what stood there.
    fn may_have_lost(self, offset: i64) -> bool {
        let replaceable = self.replaceable;
        replaceable.is_some_and(|of| of.contains(Offset::new(offset)))
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
    names: &'r Names,
}

impl Place<'_> {
    fn add(
        self,
        collector: &mut FindingCollector,
        anomaly: Anomaly,
        at: Offset,
        watch: &[Watch],
        what: impl FnOnce() -> String,
    ) {
        collector.add(anomaly, Scope::Partition(self.partition), at.get(), || {
            let group = self.names.group(self.group);
            let partition = self.names.partition(self.partition);
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
    fn regress(self, collector: &mut FindingCollector, from: Offset, to: Option<Offset>) {
        let at = to.unwrap_or(from);
        let watch = [from, at].map(|of| Watch::CommitOf(self.group, self.partition, of));
        self.add(
            collector,
            Anomaly::CommitRegression,
            at,
            &watch,
            || match to {
                Some(_) => format!("the committed position went back from {from}"),
                None => format!("the committed position {from} was forgotten"),
            },
        );
    }
}

/// poll-skip: within one assignment, each record of the log between two
/// offsets that were processed one after the other; int-poll-skip where both
/// were processed for one transaction. Markers and gaps are no records, and
/// what the group must not be given is none for it. A step to a record of an
/// earlier life of the log went over none of those that stand there now. How many
/// of them compaction may have taken, and nobody says whether it could, which are
/// none either.
fn find_skips(
    log: &Ledger,
    (place, bounds): (Place<'_>, Bounds<'_>),
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

/// A final position below the last accepted commit, unless that was made
/// behind a record that is gone: then the log went back, and not the group.
fn find_forgotten(reading: &Reading, place: Place<'_>, collector: &mut FindingCollector) {
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

/// What was deleted before anybody read the truth. That a record was
/// acknowledged is all that is known of it then; where the group committed past
/// it and none of its members processed it, it is a group-gap like any other.
/// Where it is not known whether the group was to be given it, nobody can tell.
fn find_passed_over(
    done: &Done<'_>,
    log: &PartitionLog,
    (place, bounds): (Place<'_>, Bounds<'_>),
    collector: &mut FindingCollector,
    coverage: &mut GroupCoverage,
) {
    let committed = done.reading.committed(log.end()).unwrap_or_default();
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
            let past = done.passed_by(place, offset, committed);
            place.add(collector, Anomaly::GroupGap, offset, &[past], || {
                format!("acknowledged, deleted, committed past, up to {committed}, and {undone}")
            });
        } else {
            coverage.behind_expired += 1;
        }
    }
}

/// What a group has done with the records that stand in a partition, by their
/// offsets. One that writes has done with a record when it was processed and
/// what was made of it took effect.
struct Done<'r> {
    reading: &'r Reading,
    processed: &'r SparseSet,
    unsettled: &'r SparseSet,
    in_vain: &'r SparseSet,
    outputs: Option<&'r Outputs>,
    all: Cow<'r, SparseSet>,
}

impl<'r> Done<'r> {
    fn of(reading: &'r Reading, outputs: Option<&'r Outputs>) -> Self {
        let resolved = reading.resolved.as_ref();
        let processed = resolved.map_or(&reading.given, |resolved| &resolved.processed);
        let unsettled = resolved.map_or(&reading.unsettled, |resolved| &resolved.unsettled);
        let in_vain = resolved.map_or(&reading.in_vain, |resolved| &resolved.in_vain);
        let looked_up = resolved.and_then(|resolved| resolved.outputs.as_ref());
        let outputs = outputs.map(|outputs| looked_up.unwrap_or(outputs));
        let all = match outputs {
            None => Cow::Borrowed(processed),
            Some(outputs) => {
                let mut both = SparseSet::default();
                for offset in processed.shared(&outputs.made) {
                    both.insert(offset);
                }
                Cow::Owned(both)
            }
        };
        Self {
            reading,
            processed,
            unsettled,
            in_vain,
            outputs,
            all,
        }
    }

    /// Whether any record that the group is to be given is not done.
    fn leaves_any(&self, log: &PartitionLog, bounds: Bounds<'_>) -> bool {
        let mut left = log.data_without(&self.all, 0, i64::MAX);
        log.is_read() && left.any(|offset| !bounds.hides(offset))
    }

    /// The commit that passed a record: the first behind it, or, where earlier
    /// ones may be of an earlier life of the log, the farthest.
    fn passed_by(&self, place: Place<'_>, offset: Offset, committed: Offset) -> Watch {
        match self.reading.lives {
            None => Watch::CommitPast(place.group, place.partition, offset),
            Some(_) => Watch::CommitOf(place.group, place.partition, committed),
        }
    }

    /// Whether it is not known if it was done.
    fn is_unsettled(&self, offset: i64) -> bool {
        let unsettled = |outputs: &Outputs| outputs.unsettled.contains(offset);
        self.unsettled.contains(offset) || self.outputs.is_some_and(unsettled)
    }

    fn undone(&self, offset: i64) -> Undone {
        if self.processed.contains(offset) {
            Undone::NothingMade
        } else if self.in_vain.contains(offset) {
            Undone::NotCommitted
        } else if self.reading.given.contains(offset) {
            Undone::AnotherStood
        } else {
            Undone::NeverProcessed
        }
    }
}

/// How a record was not done with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Undone {
    NeverProcessed,
    /// Another record was processed at its offset.
    AnotherStood,
    /// It was processed in a transaction that was not committed.
    NotCommitted,
    NothingMade,
}

impl Undone {
    /// Whether a member had it in hand all the same.
    fn in_vain(self) -> u64 {
        u64::from(matches!(self, Self::NotCommitted | Self::NothingMade))
    }
}

impl fmt::Display for Undone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NeverProcessed => "never processed",
            Self::AnotherStood => {
                "never processed: another record stood there when the group read it"
            }
            Self::NotCommitted => "processed only in transactions that were not committed",
            Self::NothingMade => "nothing that was made of it took effect",
        })
    }
}

/// group-gap: a record below the highest committed position that no member
/// processed. group-incomplete: a record from there to the pinned end that no
/// member processed although the group was given the time. Neither is one that
/// the group is not given, or that was processed in a transaction of which
/// nobody knows what became of it, or for which the group is excused
/// (`groups/waits.rs`).
fn find_unprocessed(
    done: &Done<'_>,
    log: &Ledger,
    (place, bounds, excuse): (Place<'_>, Bounds<'_>, &Excuse),
    collector: &mut FindingCollector,
    coverage: &mut GroupCoverage,
) {
    let reading = done.reading;
    coverage.commits += reading.commits.count + reading.joined.len() as u64;
    coverage.unsettled += reading.unsettled.len();
    coverage.copies += reading.copies;
    if let Some(outputs) = done.outputs {
        coverage.unsettled += outputs.unsettled.len();
        let made = coverage.made.get_or_insert_default();
        *made += outputs.made.len();
    }
    coverage.reprocessed += reading.reprocessed;
    coverage.processed += reading.processed;
    let Some(log) = log.partition(place.partition).filter(|log| log.is_read()) else {
        return;
    };
    find_passed_over(done, log, (place, bounds), collector, coverage);
    let committed = reading.committed(log.end()).unwrap_or_default();
    let readable = if excuse.limit.is_none() {
        committed.get()
    } else {
        0
    };
    for offset in log.beyond().range(0, readable) {
        if done.all.contains(offset) || done.is_unsettled(offset) || bounds.hides(offset) {
            continue;
        }
        let undone = done.undone(offset);
        coverage.gaps += 1;
        coverage.gaps_in_vain += undone.in_vain();
        let offset = Offset::new(offset);
        let past = Watch::CommitPast(place.group, place.partition, offset);
        place.add(
            collector,
            Anomaly::GroupGap,
            offset,
            &[past],
            || match undone {
                Undone::NeverProcessed => format!(
                    "acknowledged, committed past, up to {committed}, and never read by anybody"
                ),
                undone => format!("acknowledged, committed past, up to {committed}, and {undone}"),
            },
        );
    }
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
        if bounds.may_have_lost(offset) {
            coverage.replaceable += u64::from(!bounds.compacts && offset < committed.get());
            continue;
        }
        let undone = done.undone(offset);
        let offset = Offset::new(offset);
        let made = Watch::MadeOf(place.group, place.partition, offset);
        if let Some(limit) = &excuse.limit {
            coverage.beyond_client += 1;
            coverage.client_limit.get_or_insert_with(|| limit.clone());
        } else if offset < committed {
            coverage.gaps += 1;
            coverage.gaps_in_vain += undone.in_vain();
            let past = done.passed_by(place, offset, committed);
            place.add(collector, Anomaly::GroupGap, offset, &[past, made], || {
                format!("committed past, up to {committed}, and {undone}")
            });
        } else if excuse.to_come_from.is_some_and(|from| offset >= from) {
            coverage.to_come += 1;
        } else if excuse.hindered {
            coverage.hindered += 1;
        } else {
            coverage.behind += 1;
            coverage.behind_in_vain += undone.in_vain();
            if coverage.waited {
                place.add(collector, Anomaly::GroupIncomplete, offset, &[made], || {
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
