//! Calibration: plants anomalies in a run's own history and demands that the
//! checker finds exactly what was planted. Knows nothing of how the checker
//! looks for them.
//!
//! The survey, a second reading, learns at which places of the history the
//! events of a few unblemished records and rows stand. A mutation is a handful
//! of edits at such places, so that planting is streaming: no history is ever
//! held in memory. Mutations on different victims share one reading; those
//! that find no victim left go into the next.

mod cluster;
mod derived;
mod transactions;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use model::anomaly::Anomaly;
use model::claim::Contract;
use model::event::{
    Body, ChangeContent, CommitResult, Content, Event, Outcome, RowOp, SettingEffect,
    TransactionOutcome,
};
use model::ids::{
    GroupIx, Lsn, MemberIx, Micros, Offset, PartitionRef, ProducerIx, RecordId, RowKey, TableIx,
    TransactionRef,
};
use model::verdict::Calibration;

use crate::calibration::targets::Victim;
use crate::groups::waits::Excusable;
use crate::log::past::Past;
use crate::names::Names;
use crate::passes::checker::Analysis;
use crate::sets::record_set::RecordSet;
use crate::txn::outcomes::{TxnOutcome, TxnOutcomes};
use crate::txn::tracker::Tx;

/// Commits behind the last record that the survey keeps, at most.
const COMMITS_MAX: usize = 50_000;
/// Planted only in a history that has none: other mutations may take out one
/// that it has, whose claim is contradicted anyway.
const ONLY_WHERE_THERE_IS_NONE: [Anomaly; 6] = [
    Anomaly::LogTruncation,
    Anomaly::ZombieProcessing,
    Anomaly::G1a,
    Anomaly::PrecommittedRead,
    Anomaly::TornTransaction,
    Anomaly::G1c,
];
/// Readings of one record that the survey keeps, at most.
const READINGS_MAX: usize = 1000;

/// An event and its place in the history, counted from 0.
#[derive(Clone, Debug)]
struct Placed {
    at: u64,
    event: Event,
}

/// One reading of a victim.
#[derive(Clone, Debug)]
struct Reading {
    group: GroupIx,
    placed: Placed,
    /// The offset that the member processed before it, in the same
    /// assignment.
    previous: Option<Offset>,
    /// The offset that the member processed after it, in the same assignment.
    next: Option<Offset>,
    /// The transaction for which the member processed it, and whether it
    /// processed the previous and the next one for the same.
    inside: Option<TransactionRef>,
    with_previous: bool,
    with_next: bool,
    /// The member had processed last what does not stand any more: without this
    /// reading, its next commit is one of an earlier life of the log.
    behind_gone: bool,
}

impl Reading {
    /// What skipping between the previous one and this is called.
    const fn skip_before(&self) -> Anomaly {
        skip(self.with_previous)
    }
}

const fn skip(inside: bool) -> Anomaly {
    if inside {
        Anomaly::IntPollSkip
    } else {
        Anomaly::PollSkip
    }
}

const fn step_back(inside: bool) -> Anomaly {
    if inside {
        Anomaly::IntNonmonotonicPoll
    } else {
        Anomaly::NonmonotonicPoll
    }
}

/// Where a record's events stand.
#[derive(Clone, Debug)]
struct RecordTrace {
    victim: Victim,
    /// The record of the same producer that stands before it.
    follows: Option<RecordId>,
    /// Another record was acknowledged or read where it stands, or it was so
    /// elsewhere: what becomes of it changes what is said of that one, or is
    /// not all that is said of it.
    contested: bool,
    completed: Vec<Placed>,
    stored: Vec<Placed>,
    readings: Vec<Reading>,
}

impl RecordTrace {
    /// Whether its producer was told at which offset it stands.
    fn is_placed(&self) -> bool {
        self.completed
            .iter()
            .all(|placed| match &placed.event.body {
                Body::SendCompleted {
                    outcome: Outcome::Acknowledged { offset, .. },
                    ..
                } => offset.is_given(),
                _ => false,
            })
    }
}

/// Where a row's events stand.
#[derive(Clone, Debug, Default)]
struct RowTrace {
    events: Vec<Placed>,
    row: Option<Placed>,
}

impl RowTrace {
    /// Where its events stand, and which changes they tell of.
    fn places(&self) -> impl Iterator<Item = (PartitionRef, Offset, RecordId)> + '_ {
        self.events
            .iter()
            .filter_map(|placed| match placed.event.body {
                Body::ChangeEvent {
                    partition,
                    offset,
                    content: ChangeContent::Ours(change),
                    ..
                } => Some((partition, offset, RecordId::of_change(change))),
                _ => None,
            })
    }
}

/// Where a group's commits of one partition stand.
#[derive(Clone, Debug, Default)]
struct CommitTrace {
    /// The highest accepted or reported.
    highest: Option<Offset>,
    /// The first accepted one that leaves room to go back.
    first: Option<Placed>,
    /// Everything committed or reported behind the partition's last record.
    behind_last: Vec<Placed>,
}

/// Learns where the events of possible victims stand.
pub struct Survey {
    names: Names,
    wanted: BTreeSet<Anomaly>,
    baseline: BTreeMap<Anomaly, u64>,
    place: u64,
    records: Vec<RecordTrace>,
    by_record: HashMap<RecordId, usize>,
    by_position: HashMap<(PartitionRef, Offset), usize>,
    rows: BTreeMap<(TableIx, RowKey), RowTrace>,
    commits: BTreeMap<(GroupIx, PartitionRef), CommitTrace>,
    waited: BTreeSet<GroupIx>,
    /// Groups that are excused for what they lack: a planted lack would be too.
    excusable: Excusable,
    last: HashMap<PartitionRef, Offset>,
    fresh: HashMap<PartitionRef, Offset>,
    stored_before: HashMap<(PartitionRef, ProducerIx), RecordId>,
    /// Where, and when, the observer had read each partition to its end.
    read_at: HashMap<PartitionRef, (u64, Micros)>,
    bystanders: Vec<Victim>,
    polled: HashMap<(MemberIx, PartitionRef), Polled>,
    /// Of which a member processed last what does not stand there any more.
    behind_gone: HashSet<(MemberIx, PartitionRef)>,
    joined: HashMap<MemberIx, TransactionRef>,
    txn_outcomes: Arc<TxnOutcomes>,
    past: Arc<Past>,
    cluster: cluster::Places,
    derived: derived::Places,
    transactions: transactions::Places,
    /// The row changes whose events each group processed, so that it counts.
    changes_read: BTreeMap<GroupIx, RecordSet>,
    /// Replays are not held against the tables, because events may have other
    /// keys than their rows.
    rekeyed: bool,
}

/// What a member processed last of a partition, and which reading of which
/// victim that was.
#[derive(Clone, Copy)]
struct Polled {
    offset: Offset,
    reading: Option<(usize, usize)>,
    inside: Option<TransactionRef>,
}

impl Survey {
    /// A survey for the anomalies that the contract's claims rest on.
    pub fn new(contract: &Contract, analysis: &Analysis) -> Self {
        let records: Vec<RecordTrace> = analysis
            .victims
            .iter()
            .map(|victim| RecordTrace {
                victim: *victim,
                follows: None,
                contested: false,
                completed: Vec::new(),
                stored: Vec::new(),
                readings: Vec::new(),
            })
            .collect();
        let rows = analysis.coverage.capture.iter();
        let mut settings = rows.clone().flat_map(|capture| &capture.settings);
        let rekeyed = settings.any(|setting| setting.may == SettingEffect::Rekey);
        Self {
            names: analysis.names.clone(),
            wanted: contract
                .guarantees
                .iter()
                .flat_map(|guarantee| guarantee.claim.contradicted_by())
                .copied()
                .collect(),
            baseline: Anomaly::ALL
                .iter()
                .map(|anomaly| (*anomaly, analysis.count(*anomaly)))
                .collect(),
            place: 0,
            by_record: (0..)
                .zip(&records)
                .map(|(at, trace)| (trace.victim.record, at))
                .collect(),
            by_position: (0..)
                .zip(&records)
                .map(|(at, trace)| ((trace.victim.partition, trace.victim.offset), at))
                .collect(),
            records,
            rows: rows
                .flat_map(|capture| &capture.victims)
                .map(|row| (*row, RowTrace::default()))
                .collect(),
            commits: BTreeMap::new(),
            waited: BTreeSet::new(),
            excusable: analysis.excusable.clone(),
            last: analysis
                .extents
                .iter()
                .filter_map(|(partition, extent)| Some((*partition, extent.last?)))
                .collect(),
            fresh: analysis
                .extents
                .iter()
                .map(|(partition, extent)| (*partition, extent.fresh))
                .collect(),
            stored_before: HashMap::new(),
            read_at: HashMap::new(),
            bystanders: analysis.bystanders.clone(),
            polled: HashMap::new(),
            behind_gone: HashSet::new(),
            joined: HashMap::new(),
            cluster: cluster::Places::new(analysis),
            derived: derived::Places::new(analysis),
            transactions: transactions::Places::new(analysis),
            changes_read: BTreeMap::new(),
            rekeyed,
            txn_outcomes: Arc::clone(&analysis.txn_outcomes),
            past: Arc::clone(&analysis.past),
        }
    }

    /// Takes in the next event of the same history; every one counts, because
    /// places are counted.
    pub fn observe(&mut self, event: &Event) {
        let at = self.place;
        self.place += 1;
        let placed = || Placed {
            at,
            event: event.clone(),
        };
        self.cluster.observe(&placed, event, &self.by_position);
        self.transactions
            .observe(&placed, event, &self.txn_outcomes);
        if let Some(record) = self.derived.observe(&placed, event) {
            self.spare(record);
        }
        match &event.body {
            Body::TransactionJoined {
                transaction,
                member,
            } => {
                self.joined.insert(*member, *transaction);
            }
            Body::TransactionCompleted {
                transaction,
                outcome,
            } => {
                let done = Some(*transaction);
                self.joined.retain(|_, inside| Some(*inside) != done);
                if *outcome != TransactionOutcome::Committed {
                    self.polled.retain(|_, polled| polled.inside != done);
                }
            }
            Body::Repositioned {
                member,
                partition,
                next,
            } => self.repositioned(*member, *partition, *next),
            Body::SendCompleted { record, outcome } => {
                if let Outcome::Acknowledged { at, offset } = outcome {
                    self.claim(*at, *offset, *record);
                }
                if let Some(trace) = self.by_record.get(record) {
                    self.records[*trace].completed.push(placed());
                }
            }
            Body::Stored {
                partition,
                offset,
                content: Content::Ours(record),
            } => {
                let before = self
                    .stored_before
                    .insert((*partition, record.producer), *record);
                if let Some(trace) = self.by_position.get(&(*partition, *offset)) {
                    self.records[*trace].stored.push(placed());
                    self.records[*trace].follows = before;
                }
            }
            Body::PartitionRead { partition } => {
                self.read_at.insert(*partition, (at, event.at));
            }
            Body::Assigned { member, partitions } | Body::Revoked { member, partitions } => {
                for partition in partitions {
                    self.polled.remove(&(*member, *partition));
                    self.behind_gone.remove(&(*member, *partition));
                }
            }
            Body::Processed {
                member,
                from,
                offset,
                content,
            } => {
                match content.identity() {
                    Some(record) => self.claim(*from, *offset, record),
                    None => self.contest(*from, *offset),
                }
                if let Content::Change(change) = content {
                    self.read_change(*member, RecordId::of_change(*change));
                }
                // What is gone is held against nothing that stands.
                let hand = (*member, *from);
                if self.past.holds(*from, *offset, *content) {
                    self.behind_gone.insert(hand);
                } else {
                    self.processed(*member, *from, *offset, placed);
                    self.behind_gone.remove(&hand);
                }
            }
            Body::Committed {
                member,
                partition,
                offset,
                result: CommitResult::Accepted,
            } => {
                let gone = self.behind_gone.contains(&(*member, *partition))
                    || self.past.is_behind(*partition, *offset);
                if let Some(group) = self.names.group_of(*member).filter(|_| !gone) {
                    self.committed(group, *partition, *offset, placed);
                }
            }
            Body::GroupOffset {
                group,
                partition,
                offset: Some(offset),
            } if !self.past.is_behind(*partition, *offset) => {
                self.committed(*group, *partition, *offset, placed);
            }
            Body::GroupWaited { group, .. } => {
                self.waited.insert(*group);
            }
            Body::ChangeEvent {
                partition,
                offset,
                table,
                key,
                ..
            } => {
                if let Some(trace) = self.rows.get_mut(&(*table, *key)) {
                    trace.events.push(placed());
                }
                if let Some(trace) = self.by_position.get(&(*partition, *offset)) {
                    self.records[*trace].stored.push(placed());
                }
            }
            Body::TableRow { table, key, .. } => {
                if let Some(trace) = self.rows.get_mut(&(*table, *key)) {
                    trace.row = Some(placed());
                }
            }
            _ => {}
        }
    }

    /// Something else was read there.
    fn contest(&mut self, partition: PartitionRef, offset: Offset) {
        if let Some(trace) = self.by_position.get(&(partition, offset)) {
            self.records[*trace].contested = true;
        }
    }

    /// Somebody says that a record stands there.
    fn claim(&mut self, partition: PartitionRef, offset: Offset, record: RecordId) {
        if let Some(trace) = self.by_position.get(&(partition, offset)) {
            let trace = &mut self.records[*trace];
            trace.contested |= trace.victim.record != record;
        }
        if let Some(trace) = self.by_record.get(&record) {
            let trace = &mut self.records[*trace];
            let here = (trace.victim.partition, trace.victim.offset);
            trace.contested |= offset.is_given() && here != (partition, offset);
        }
    }

    /// Plants nothing on a record of which something is wrong. Nothing was said
    /// of it so far.
    fn spare(&mut self, record: RecordId) {
        if let Some(trace) = self.by_record.remove(&record) {
            let Victim {
                partition, offset, ..
            } = self.records[trace].victim;
            self.by_position.remove(&(partition, offset));
        }
    }

    fn repositioned(&mut self, member: MemberIx, partition: PartitionRef, next: Option<Offset>) {
        let Some(next) = next else {
            self.polled.remove(&(member, partition));
            return;
        };
        let before = Polled {
            offset: Offset::new(next.get().saturating_sub(1)),
            reading: None,
            inside: None,
        };
        self.polled.insert((member, partition), before);
    }

    fn read_change(&mut self, member: MemberIx, change: RecordId) {
        let Some(group) = self.names.group_of(member) else {
            return;
        };
        let inside = self.joined.get(&member);
        let tx = inside.map(|inside| self.txn_outcomes.transactions.find(*inside));
        let is_committed = |tx: Option<Tx>| {
            tx.is_some_and(|tx| self.txn_outcomes.outcome(tx) == TxnOutcome::Committed)
        };
        if tx.is_none_or(is_committed) {
            self.changes_read.entry(group).or_default().insert(change);
        }
    }

    fn processed(
        &mut self,
        member: MemberIx,
        from: PartitionRef,
        offset: Offset,
        placed: impl Fn() -> Placed,
    ) {
        let Some(group) = self.names.group_of(member) else {
            return;
        };
        let previous = self.polled.get(&(member, from)).copied();
        let inside = self.joined.get(&member).copied();
        let with_previous =
            inside.is_some() && previous.is_some_and(|previous| previous.inside == inside);
        if let Some(Polled {
            reading: Some((trace, reading)),
            ..
        }) = previous
        {
            let reading = &mut self.records[trace].readings[reading];
            reading.next = Some(offset);
            reading.with_next = with_previous;
        }
        let trace = self.by_position.get(&(from, offset)).copied();
        let reading = trace.and_then(|trace| {
            let readings = &mut self.records[trace].readings;
            (readings.len() < READINGS_MAX).then(|| {
                readings.push(Reading {
                    group,
                    placed: placed(),
                    previous: previous.map(|polled| polled.offset),
                    next: None,
                    inside,
                    with_previous,
                    with_next: false,
                    behind_gone: self.behind_gone.contains(&(member, from)),
                });
                (trace, readings.len() - 1)
            })
        });
        let polled = Polled {
            offset,
            reading,
            inside,
        };
        self.polled.insert((member, from), polled);
    }

    fn committed(
        &mut self,
        group: GroupIx,
        partition: PartitionRef,
        offset: Offset,
        placed: impl Fn() -> Placed,
    ) {
        let trace = self.commits.entry((group, partition)).or_default();
        trace.highest = trace.highest.max(Some(offset));
        if trace.first.is_none() && offset.get() > 0 {
            let first = placed();
            trace.first = matches!(first.event.body, Body::Committed { .. }).then_some(first);
        }
        if self.last.get(&partition).is_some_and(|last| offset > *last)
            && trace.behind_last.len() <= COMMITS_MAX
        {
            trace.behind_last.push(placed());
        }
    }

    fn nothing_skipped(&self) -> bool {
        self.found_none(Anomaly::PollSkip) && self.found_none(Anomaly::IntPollSkip)
    }

    fn found_none(&self, anomaly: Anomaly) -> bool {
        self.baseline.get(&anomaly) == Some(&0)
    }

    /// Whether what was read counts: outside of transactions, or in one that
    /// committed, and no aborted record that the group must not be given.
    fn counts(&self, victim: Victim, reading: &Reading) -> bool {
        let tx = reading
            .inside
            .map(|inside| self.txn_outcomes.transactions.find(inside));
        let hidden = self.transactions.reads_committed(reading.group)
            && (self.txn_outcomes.hidden(victim.partition))
                .is_some_and(|hidden| hidden.contains(victim.offset));
        !hidden
            && tx.is_none_or(|tx| {
                tx.is_some_and(|tx| self.txn_outcomes.outcome(tx) == TxnOutcome::Committed)
            })
    }

    /// Whether a group gets as far as a record: past what no transaction has
    /// closed, it is given nothing if it reads committed records only.
    fn is_within_reach(&self, victim: Victim, group: GroupIx) -> bool {
        let stable_end = self.txn_outcomes.stable_end(victim.partition);
        !self.transactions.reads_committed(group)
            || stable_end.is_none_or(|end| victim.offset < end)
    }

    /// Whether a record would have been read too early where another was.
    fn is_early(&self, record: RecordId, reading: &Reading) -> bool {
        let transactions = &self.txn_outcomes.transactions;
        let asked = transactions.of(record).map(|tx| transactions.get(tx).asked);
        self.transactions.must_read_committed(reading.group)
            && asked.is_some_and(|asked| asked.is_none_or(|asked| reading.placed.event.at < asked))
    }

    /// Whether a reading can be taken out without taking out a skip that the
    /// history already had, between it and a neighbour: where it has only one;
    /// or where it has two, of which one was read in the same transaction, so
    /// that the skip would be called by another name.
    fn drops_no_skip(&self, offset: Offset, reading: &Reading) -> bool {
        let adjacent = |other: Offset| other.get().abs_diff(offset.get()) == 1;
        self.nothing_skipped()
            || match (reading.previous, reading.next) {
                (None, None) => true,
                (Some(previous), Some(next)) => {
                    reading.with_previous == reading.with_next
                        || (adjacent(previous) && adjacent(next))
                }
                (Some(only), None) | (None, Some(only)) => adjacent(only),
            }
    }

    /// Chooses what to plant where. Anomalies that this history offers no
    /// place for are left out.
    pub fn plan(mut self) -> Mutants {
        let mut remaining = std::mem::take(&mut self.wanted);
        let mut passes = Vec::new();
        while !remaining.is_empty() {
            let mut pass = Planner {
                survey: &self,
                used_records: BTreeSet::new(),
                used_rows: BTreeSet::new(),
                used_commits: BTreeSet::new(),
                used_transactions: BTreeSet::new(),
                commits_lowered: false,
                thinned: false,
                skipped: false,
                fresh_taken: HashMap::new(),
            };
            // A circle needs the very records between which it leads.
            let (circles, others): (Vec<&Anomaly>, Vec<&Anomaly>) = remaining
                .iter()
                .partition(|anomaly| **anomaly == Anomaly::G1c);
            let mutations: Vec<Mutation> = circles
                .into_iter()
                .chain(others)
                .filter_map(|anomaly| pass.plan(*anomaly))
                .collect();
            if mutations.is_empty() {
                break;
            }
            for mutation in &mutations {
                remaining.remove(&mutation.anomaly);
            }
            passes.push(MutantPass::new(mutations));
        }
        Mutants {
            passes,
            baseline: self.baseline,
        }
    }
}

/// Something planted in a history.
#[derive(Clone, Debug)]
struct Mutation {
    anomaly: Anomaly,
    /// What was done, and to what.
    what: String,
    /// How many instances of what it adds, side effects included.
    effects: Vec<(Anomaly, u64)>,
    edits: Vec<(u64, Edit)>,
}

/// What happens to the event at a place.
#[derive(Clone, Debug)]
enum Edit {
    Drop,
    Replace(Body),
    /// These come right before it.
    Before(Vec<Event>),
    /// These come right after it.
    After(Vec<Event>),
}

/// Everything that is planted, in as few readings as the victims allow.
#[derive(Clone, Debug)]
pub struct Mutants {
    passes: Vec<MutantPass>,
    baseline: BTreeMap<Anomaly, u64>,
}

/// What is planted in one reading of the history.
#[derive(Clone, Debug)]
pub struct MutantPass {
    mutations: Vec<Mutation>,
    edits: BTreeMap<u64, Vec<Edit>>,
    place: u64,
}

impl Mutants {
    /// The readings that are needed, each to be fed the whole history.
    pub fn passes(&self) -> &[MutantPass] {
        &self.passes
    }

    /// Whether the checker found, in a mutated history, exactly what it had
    /// found in the original and what was planted.
    pub fn compare(&self, pass: &MutantPass, mutated: &Analysis) -> Vec<Calibration> {
        pass.mutations
            .iter()
            .map(|mutation| {
                let planted: u64 = pass
                    .mutations
                    .iter()
                    .flat_map(|other| &other.effects)
                    .filter(|(anomaly, _)| *anomaly == mutation.anomaly)
                    .map(|(_, count)| count)
                    .sum();
                let before = self.baseline.get(&mutation.anomaly).copied().unwrap_or(0);
                Calibration {
                    anomaly: mutation.anomaly,
                    mutation: mutation.what.clone(),
                    found: mutated.count(mutation.anomaly) == before + planted,
                }
            })
            .collect()
    }
}

impl MutantPass {
    fn new(mutations: Vec<Mutation>) -> Self {
        let mut edits: BTreeMap<u64, Vec<Edit>> = BTreeMap::new();
        for (at, edit) in mutations.iter().flat_map(|mutation| &mutation.edits) {
            edits.entry(*at).or_default().push(edit.clone());
        }
        Self {
            mutations,
            edits,
            place: 0,
        }
    }

    /// Feeds the next event of the original history, mutated where something
    /// is planted.
    pub fn feed(&mut self, event: Event, mut tell: impl FnMut(Event)) {
        let edits = self.edits.get(&self.place);
        self.place += 1;
        let Some(edits) = edits else {
            return tell(event);
        };
        let before = edits.iter().filter_map(|edit| match edit {
            Edit::Before(events) => Some(events),
            _ => None,
        });
        before.flatten().cloned().for_each(&mut tell);
        let at = event.at;
        let mut itself = Some(event);
        for edit in edits {
            match edit {
                Edit::Drop => itself = None,
                Edit::Replace(body) => {
                    let body = body.clone();
                    itself = Some(Event { at, body });
                }
                Edit::Before(_) | Edit::After(_) => {}
            }
        }
        itself.into_iter().for_each(&mut tell);
        let after = edits.iter().filter_map(|edit| match edit {
            Edit::After(events) => Some(events),
            _ => None,
        });
        after.flatten().cloned().for_each(&mut tell);
    }
}

/// Chooses victims that no other mutation of the same pass touches.
struct Planner<'s> {
    survey: &'s Survey,
    used_records: BTreeSet<RecordId>,
    used_rows: BTreeSet<(TableIx, RowKey)>,
    used_commits: BTreeSet<(GroupIx, PartitionRef)>,
    used_transactions: BTreeSet<TransactionRef>,
    /// Whether commits were lowered, which may undo a regression that the
    /// history already had.
    commits_lowered: bool,
    /// Whether a record was taken out of the log, or a skip was planted: where
    /// the history has skips already, the former may undo one.
    thinned: bool,
    skipped: bool,
    fresh_taken: HashMap<PartitionRef, i64>,
}

impl<'s> Planner<'s> {
    fn plan(&mut self, anomaly: Anomaly) -> Option<Mutation> {
        if ONLY_WHERE_THERE_IS_NONE.contains(&anomaly) && !self.survey.found_none(anomaly) {
            return None;
        }
        match anomaly {
            Anomaly::LostWrite => self.lost_write(),
            Anomaly::Duplicate => {
                let derived = self.derived_twice();
                derived::both(self.duplicate(), derived)
            }
            Anomaly::NonmonotonicSend | Anomaly::IntNonmonotonicSend => {
                self.nonmonotonic_send(anomaly)
            }
            Anomaly::InconsistentOffsets => self.inconsistent_offsets(),
            Anomaly::Phantom => self.phantom(),
            Anomaly::Corrupt => self.corrupt().or_else(|| self.corrupt_event()),
            Anomaly::FailedWriteVisible => self.failed_write_visible(),
            Anomaly::PollSkip
            | Anomaly::NonmonotonicPoll
            | Anomaly::IntPollSkip
            | Anomaly::IntNonmonotonicPoll => self.swapped_poll(anomaly),
            Anomaly::GroupGap => {
                let derived = self.nothing_derived();
                derived::both(self.group_gap(), derived)
            }
            Anomaly::Reprocessed => self.reprocessed(),
            Anomaly::GroupIncomplete => self.group_incomplete(),
            Anomaly::CommitRegression => self
                .commit_regression()
                .or_else(|| self.joined_commit_regression()),
            Anomaly::LogTruncation => self.log_truncation(),
            Anomaly::ReplicaDivergence => self.replica_divergence(),
            Anomaly::ZombieProcessing => self.zombie_processing(),
            Anomaly::G1a => self.aborted_read(),
            Anomaly::PrecommittedRead => self.precommitted_read(),
            Anomaly::TornTransaction => self.torn_transaction(),
            Anomaly::G1c => self.circle(),
            Anomaly::RowMissing => self.row_missing(),
            Anomaly::RowDuplicate => self.row_duplicate(),
            Anomaly::RowPhantom => self.row_phantom(),
            Anomaly::CommitOrder => self.commit_order(),
            Anomaly::StateDivergence => self.state_divergence(),
            // No claim rests on these: nothing is unseen where an observer read
            // the truth, and Kafka promises nothing against the other two.
            Anomaly::Unseen | Anomaly::G0 | Anomaly::IntSendSkip => None,
        }
    }

    /// The first unused record that was told of and stored once and is fit.
    fn record(&mut self, fit: impl Fn(&RecordTrace) -> bool) -> Option<&'s RecordTrace> {
        let trace = self.survey.records.iter().find(|trace| {
            trace.completed.len() == 1
                && trace.stored.len() == 1
                && self.is_free(trace)
                && fit(trace)
        })?;
        self.used_records.insert(trace.victim.record);
        Some(trace)
    }

    /// Whether what is done to it disturbs no other mutant, and no other record.
    fn is_free(&self, trace: &RecordTrace) -> bool {
        !trace.contested && !self.used_records.contains(&trace.victim.record)
    }

    fn name(&self, trace: &RecordTrace) -> String {
        let Victim {
            partition,
            offset,
            record,
        } = trace.victim;
        format!(
            "{record} at {}@{offset}",
            self.survey.names.partition(partition)
        )
    }

    /// An offset of the partition at which nothing stands.
    fn fresh(&mut self, partition: PartitionRef) -> Offset {
        let taken = self.fresh_taken.entry(partition).or_default();
        *taken += 1;
        let fresh = self.survey.fresh.get(&partition).copied();
        Offset::new(fresh.unwrap_or_default().get().saturating_add(*taken))
    }

    /// Whether every group of the record's topic read it: taking it out then
    /// disturbs no group.
    fn read_by_all(&self, trace: &RecordTrace) -> bool {
        let mut groups = self.survey.names.groups.iter();
        groups.all(|(ix, group)| {
            !group.topics.contains(&trace.victim.partition.topic)
                || trace.readings.iter().any(|reading| {
                    reading.group == *ix && self.survey.counts(trace.victim, reading)
                })
        })
    }

    /// Whether a record that is taken out of the log is lost, and disturbs no
    /// group: compaction might have taken it.
    fn can_be_lost(&self, trace: &RecordTrace) -> bool {
        let topic = trace.victim.partition.topic;
        self.read_by_all(trace) && !self.survey.names.compacts(topic)
    }

    fn lost_write(&mut self) -> Option<Mutation> {
        let txn_outcomes = &self.survey.txn_outcomes;
        let read: BTreeSet<RecordId> = self
            .survey
            .records
            .iter()
            .filter(|trace| self.can_be_lost(trace))
            .map(|trace| trace.victim.record)
            .filter(|record| txn_outcomes.transactions.of(*record).is_none())
            .collect();
        let Some(trace) = self.record(|trace| read.contains(&trace.victim.record)) else {
            // It tears its transaction as well.
            return self.lost_in_transaction(Anomaly::LostWrite);
        };
        self.thinned = true;
        Some(Mutation {
            anomaly: Anomaly::LostWrite,
            what: format!("{} dropped from the log", self.name(trace)),
            effects: vec![(Anomaly::LostWrite, 1)],
            edits: vec![(trace.stored[0].at, Edit::Drop)],
        })
    }

    fn duplicate(&mut self) -> Option<Mutation> {
        if let Some(bystander) = self.bystander() {
            let content = Content::Ours(bystander.record);
            return self.stored_behind(bystander.partition, content, Anomaly::Duplicate);
        }
        let trace = self.record(|_| true)?;
        let content = Content::Ours(trace.victim.record);
        Some(self.stored_too(trace, content, Anomaly::Duplicate, "stored a second time"))
    }

    fn phantom(&mut self) -> Option<Mutation> {
        if let Some(Victim { partition, .. }) = self.bystander() {
            return self.stored_behind(partition, Content::Foreign, Anomaly::Phantom);
        }
        let trace = self.record(|_| true)?;
        Some(self.stored_too(
            trace,
            Content::Foreign,
            Anomaly::Phantom,
            "followed by a foreign record",
        ))
    }

    fn stored_too(
        &mut self,
        trace: &RecordTrace,
        content: Content,
        anomaly: Anomaly,
        what: &str,
    ) -> Mutation {
        let Placed { at, event } = &trace.stored[0];
        let copy = Event {
            at: event.at,
            body: Body::Stored {
                partition: trace.victim.partition,
                offset: self.fresh(trace.victim.partition),
                content,
            },
        };
        Mutation {
            anomaly,
            what: format!("{} {what}", self.name(trace)),
            effects: vec![(anomaly, 1)],
            // Behind everything else, as the observer would have found it.
            edits: match self.survey.read_at.get(&trace.victim.partition) {
                Some((end, _)) => vec![(*end, Edit::Before(vec![copy]))],
                None => vec![(*at, Edit::After(vec![copy]))],
            },
        }
    }

    /// Where no record is clean: one that stands in a partition, whatever else
    /// is wrong with it.
    fn bystander(&self) -> Option<Victim> {
        let mut clean = self.survey.records.iter();
        let none = !clean.any(|trace| !trace.victim.record.is_change());
        self.stored_records().filter(|_| none)
    }

    /// A record that stands in a partition that was read, whatever else is wrong
    /// with it.
    fn stored_records(&self) -> Option<Victim> {
        let survey = self.survey;
        let mut bystanders = survey.bystanders.iter();
        let stands = bystanders.find(|it| survey.read_at.contains_key(&it.partition));
        stands.copied()
    }

    /// The observer finds something behind everything else in a partition,
    /// which disturbs nothing that was said of the others.
    fn stored_behind(
        &mut self,
        partition: PartitionRef,
        content: Content,
        anomaly: Anomaly,
    ) -> Option<Mutation> {
        let (end, at) = *self.survey.read_at.get(&partition)?;
        let offset = self.fresh(partition);
        let what = match content {
            Content::Ours(record) => format!("{record}, which stands already,"),
            Content::Corrupt => "a damaged record".to_owned(),
            _ => "a foreign record".to_owned(),
        };
        let name = self.survey.names.partition(partition);
        let body = Body::Stored {
            partition,
            offset,
            content,
        };
        Some(Mutation {
            anomaly,
            what: format!("{what} stored at the end of {name}"),
            effects: vec![(anomaly, 1)],
            edits: vec![(end, Edit::Before(vec![Event { at, body }]))],
        })
    }

    /// Two neighbours change places in the log, and in everything that was
    /// said of it, as if they had been stored the other way round.
    /// Both belong to one transaction, or to none: a record in a transaction
    /// that it was not sent in would be another anomaly.
    fn nonmonotonic_send(&mut self, anomaly: Anomaly) -> Option<Mutation> {
        let records = &self.survey.records;
        let transactions = &self.survey.txn_outcomes.transactions;
        let fit = |first: RecordId, second: RecordId| match anomaly {
            Anomaly::IntNonmonotonicSend => transactions.of_both(first, second).is_some(),
            _ => transactions.of(first).is_none() && transactions.of(second).is_none(),
        };
        let (first, second) =
            records
                .iter()
                .zip(records.iter().skip(1))
                .find(|(first, second)| {
                    second.follows == Some(first.victim.record)
                        && first.victim.partition == second.victim.partition
                        && first.victim.record.sequence < second.victim.record.sequence
                        && fit(first.victim.record, second.victim.record)
                        && [first, second].into_iter().all(|trace| {
                            trace.completed.len() == 1
                                && trace.stored.len() == 1
                                && trace.readings.len() < READINGS_MAX
                                && self.is_free(trace)
                        })
                })?;
        let mut edits = Vec::new();
        for (here, other) in [(first, second), (second, first)] {
            self.used_records.insert(here.victim.record);
            let content = Content::Ours(other.victim.record);
            let Victim {
                partition, offset, ..
            } = here.victim;
            let stored = Body::Stored {
                partition,
                offset,
                content,
            };
            edits.push((here.stored[0].at, Edit::Replace(stored)));
            edits.push((other.completed[0].at, acknowledged(other, offset)));
            for reading in &here.readings {
                if let Body::Processed { member, from, .. } = reading.placed.event.body {
                    let processed = Body::Processed {
                        member,
                        from,
                        offset,
                        content,
                    };
                    edits.push((reading.placed.at, Edit::Replace(processed)));
                }
            }
        }
        Some(Mutation {
            anomaly,
            what: format!("{} and the next of its producer swapped", self.name(first)),
            effects: vec![(anomaly, 1)],
            edits,
        })
    }

    fn inconsistent_offsets(&mut self) -> Option<Mutation> {
        let trace = self.record(|_| true)?;
        let offset = self.fresh(trace.victim.partition);
        Some(Mutation {
            anomaly: Anomaly::InconsistentOffsets,
            what: format!("{} acknowledged at {offset} instead", self.name(trace)),
            effects: vec![(Anomaly::InconsistentOffsets, 1)],
            edits: vec![(trace.completed[0].at, acknowledged(trace, offset))],
        })
    }

    fn corrupt(&mut self) -> Option<Mutation> {
        if let Some(Victim { partition, .. }) = self.bystander() {
            return self.stored_behind(partition, Content::Corrupt, Anomaly::Corrupt);
        }
        // Of what is damaged, only its place is known: without one, the record
        // would be lost as well. A record may be the only one by which its transaction is known, and
        // what an aborted one would be without it is another anomaly.
        let txn_outcomes = &self.survey.txn_outcomes;
        let any = self.survey.found_none(Anomaly::G1a);
        let trace = self.record(|trace| {
            let tx = txn_outcomes.transactions.of(trace.victim.record);
            trace.is_placed() && tx.is_none_or(|tx| any && txn_outcomes.is_as_told(tx))
        });
        let Some(trace) = trace else {
            let unplaced = !self.survey.records.iter().any(RecordTrace::is_placed);
            let Victim { partition, .. } = self.stored_records().filter(|_| unplaced)?;
            return self.stored_behind(partition, Content::Corrupt, Anomaly::Corrupt);
        };
        let body = Body::Stored {
            partition: trace.victim.partition,
            offset: trace.victim.offset,
            content: Content::Corrupt,
        };
        Some(Mutation {
            anomaly: Anomaly::Corrupt,
            what: format!("{} damaged", self.name(trace)),
            effects: vec![(Anomaly::Corrupt, 1)],
            edits: vec![(trace.stored[0].at, Edit::Replace(body))],
        })
    }

    fn failed_write_visible(&mut self) -> Option<Mutation> {
        let trace = self.record(|_| true)?;
        let body = Body::SendCompleted {
            record: trace.victim.record,
            outcome: Outcome::Failed {
                error: "planted by calibration".to_owned(),
            },
        };
        Some(Mutation {
            anomaly: Anomaly::FailedWriteVisible,
            what: format!("{} reported as not written", self.name(trace)),
            effects: vec![(Anomaly::FailedWriteVisible, 1)],
            edits: vec![(trace.completed[0].at, Edit::Replace(body))],
        })
    }

    /// The only reading of a record by some group.
    fn only_reading(
        &mut self,
        fit: impl Fn(&RecordTrace, &Reading) -> bool,
    ) -> Option<(&'s RecordTrace, &'s Reading)> {
        let found = self
            .survey
            .records
            .iter()
            .filter(|trace| self.is_free(trace) && trace.readings.len() < READINGS_MAX)
            .find_map(|trace| {
                let reading = trace.readings.iter().find(|reading| {
                    let of_group = trace
                        .readings
                        .iter()
                        .filter(|other| other.group == reading.group);
                    of_group.count() == 1
                        && !reading.behind_gone
                        && !self.survey.excusable.limited.contains(&reading.group)
                        && self.survey.counts(trace.victim, reading)
                        && fit(trace, reading)
                })?;
                Some((trace, reading))
            })?;
        self.used_records.insert(found.0.victim.record);
        Some(found)
    }

    /// Marks the records at the given offsets as used.
    fn use_neighbours(&mut self, of: PartitionRef, offsets: &[Option<Offset>]) {
        for offset in offsets.iter().flatten() {
            if let Some(trace) = self.survey.by_position.get(&(of, *offset)) {
                let record = self.survey.records[*trace].victim.record;
                self.used_records.insert(record);
            }
        }
    }

    /// Two records that a member processed one after the other change places:
    /// it skips the first, goes back to it, and skips the second on its way
    /// on. Both were read for one transaction, or for none, so that nothing else
    /// changes.
    fn swapped_poll(&mut self, anomaly: Anomaly) -> Option<Mutation> {
        if self.thinned && !self.survey.nothing_skipped() {
            return None;
        }
        let by_position = &self.survey.by_position;
        let used = self.used_records.clone();
        let survey = self.survey;
        let nothing_skipped = survey.nothing_skipped();
        let second_of = move |trace: &RecordTrace, reading: &Reading| {
            let at = (trace.victim.partition, reading.next?);
            let second = &survey.records[*by_position.get(&at)?];
            // A record that is skipped between the two already would be skipped
            // twice.
            let adjacent = at.1.get() - 1 == trace.victim.offset.get();
            if at.1 <= trace.victim.offset
                || !(adjacent || nothing_skipped)
                || survey.is_early(second.victim.record, reading)
                || used.contains(&second.victim.record)
            {
                return None;
            }
            let mut readings = second.readings.iter();
            let reading = readings.find(|other| {
                other.group == reading.group
                    && other.placed.at > reading.placed.at
                    && other.previous == Some(trace.victim.offset)
                    && other.inside == reading.inside
            })?;
            let once = second
                .readings
                .iter()
                .filter(|other| other.group == reading.group)
                .count()
                == 1;
            let counts = survey.counts(second.victim, reading);
            (once && counts).then_some((second.victim, reading))
        };
        let effects = |first: &Reading, second: &Reading| {
            let mut effects = vec![
                (first.skip_before(), 1),
                (step_back(second.with_previous), 1),
            ];
            effects.extend(second.next.map(|_| (skip(second.with_next), 1)));
            effects
        };
        let (first, reading) = self.only_reading(|trace, reading| {
            let before = reading.previous;
            before.is_some_and(|before| before < trace.victim.offset)
                && second_of(trace, reading).is_some_and(|(at, second)| {
                    second.next.is_none_or(|next| next > at.offset)
                        && effects(reading, second)
                            .iter()
                            .any(|(of, _)| *of == anomaly)
                })
        })?;
        let (second, other) = second_of(first, reading)?;
        self.skipped = true;
        let around = [reading.previous, Some(second.offset), other.next];
        self.use_neighbours(first.victim.partition, &around);
        let edits = vec![
            (
                reading.placed.at,
                Edit::Replace(other.placed.event.body.clone()),
            ),
            (
                other.placed.at,
                Edit::Replace(reading.placed.event.body.clone()),
            ),
        ];
        Some(Mutation {
            anomaly,
            what: format!("{} processed after the next", self.name(first)),
            effects: effects(reading, other),
            edits,
        })
    }

    fn group_gap(&mut self) -> Option<Mutation> {
        let survey = self.survey;
        let commits = &survey.commits;
        let (trace, reading) = self.only_reading(|trace, reading| {
            let Victim {
                partition, offset, ..
            } = trace.victim;
            let forward = reading.previous.is_none_or(|before| before < offset)
                && reading.next.is_none_or(|after| after > offset);
            let committed = commits.get(&(reading.group, partition));
            // Of a group that writes, what is not processed may not be all that
            // was not done; what it makes of nothing is planted elsewhere.
            survey.names.writes_to(reading.group).is_none()
                && forward
                && survey.is_within_reach(trace.victim, reading.group)
                && survey.drops_no_skip(offset, reading)
                && committed.is_some_and(|committed| committed.highest > Some(offset))
        })?;
        // A commit that another mutation lowers might no longer pass it.
        self.used_commits
            .insert((reading.group, trace.victim.partition));
        self.use_neighbours(trace.victim.partition, &[reading.previous, reading.next]);
        let skips = reading.previous.is_some() && reading.next.is_some();
        let skipped = skip(reading.with_previous && reading.with_next);
        Some(Mutation {
            anomaly: Anomaly::GroupGap,
            what: format!(
                "{} not processed by {}",
                self.name(trace),
                self.survey.names.group(reading.group)
            ),
            effects: vec![(Anomaly::GroupGap, 1), (skipped, u64::from(skips))],
            edits: vec![(reading.placed.at, Edit::Drop)],
        })
    }

    fn reprocessed(&mut self) -> Option<Mutation> {
        let (trace, reading) = self.only_reading(|_, _| true)?;
        let Body::Processed {
            from,
            offset,
            content,
            ..
        } = reading.placed.event.body
        else {
            return None;
        };
        let member = self.survey.names.unused_member();
        let group = reading.group;
        let again = [
            Body::MemberStarted { member, group },
            Body::Processed {
                member,
                from,
                offset,
                content,
            },
        ];
        let at = reading.placed.event.at;
        let again = again.map(|body| Event { at, body });
        Some(Mutation {
            anomaly: Anomaly::Reprocessed,
            what: format!(
                "{} processed by {} a second time",
                self.name(trace),
                self.survey.names.group(group)
            ),
            effects: vec![(Anomaly::Reprocessed, 1)],
            edits: vec![(reading.placed.at, Edit::After(again.to_vec()))],
        })
    }

    /// The last record of a partition is not processed, and no commit passes
    /// it.
    fn group_incomplete(&mut self) -> Option<Mutation> {
        let survey = self.survey;
        let used = self.used_commits.clone();
        let (trace, reading) = self.only_reading(|trace, reading| {
            let partition = trace.victim.partition;
            let commits = survey.commits.get(&(reading.group, partition));
            survey.waited.contains(&reading.group)
                && !survey.excusable.late.contains(&reading.group)
                && survey.last.get(&partition) == Some(&trace.victim.offset)
                && reading.next.is_none()
                && survey.is_within_reach(trace.victim, reading.group)
                && survey.drops_no_skip(trace.victim.offset, reading)
                && !used.contains(&(reading.group, partition))
                && !survey.transactions.commits(reading.group, partition)
                && commits.is_none_or(|commits| commits.behind_last.len() <= COMMITS_MAX)
        })?;
        let Victim {
            partition, offset, ..
        } = trace.victim;
        self.used_commits.insert((reading.group, partition));
        self.commits_lowered = true;
        let mut edits = vec![(reading.placed.at, Edit::Drop)];
        let commits = survey.commits.get(&(reading.group, partition));
        for placed in commits.iter().flat_map(|commits| &commits.behind_last) {
            let lowered = match placed.event.body {
                Body::Committed {
                    member,
                    partition,
                    result,
                    ..
                } => Body::Committed {
                    member,
                    partition,
                    offset,
                    result,
                },
                Body::GroupOffset {
                    group, partition, ..
                } => Body::GroupOffset {
                    group,
                    partition,
                    offset: Some(offset),
                },
                _ => continue,
            };
            edits.push((placed.at, Edit::Replace(lowered)));
        }
        Some(Mutation {
            anomaly: Anomaly::GroupIncomplete,
            what: format!(
                "{}, the last of its partition, neither processed nor committed by {}",
                self.name(trace),
                survey.names.group(reading.group)
            ),
            effects: vec![(Anomaly::GroupIncomplete, 1)],
            edits,
        })
    }

    /// A commit is followed by one of offset 0, and that by the commit again,
    /// so that what comes later is held against the same as before.
    fn commit_regression(&mut self) -> Option<Mutation> {
        let had = self.survey.baseline.get(&Anomaly::CommitRegression);
        if self.commits_lowered && had.is_some_and(|had| *had > 0) {
            return None;
        }
        let (at, placed) = self
            .survey
            .commits
            .iter()
            .filter(|(at, _)| !self.used_commits.contains(*at))
            .find_map(|(at, trace)| Some((*at, trace.first.as_ref()?)))?;
        self.used_commits.insert(at);
        let Body::Committed {
            member,
            partition,
            offset,
            result,
        } = placed.event.body
        else {
            return None;
        };
        let back = [Offset::new(0), offset].map(|offset| Event {
            at: placed.event.at,
            body: Body::Committed {
                member,
                partition,
                offset,
                result,
            },
        });
        Some(Mutation {
            anomaly: Anomaly::CommitRegression,
            what: format!(
                "{} committed 0 of {} after {offset}",
                self.survey.names.group(at.0),
                self.survey.names.partition(partition)
            ),
            effects: vec![(Anomaly::CommitRegression, 1)],
            edits: vec![(placed.at, Edit::After(back.to_vec()))],
        })
    }

    /// The first unused row whose events all carry an image and which is fit.
    fn row(&mut self, fit: impl Fn(&RowTrace) -> bool) -> Option<(String, &'s RowTrace)> {
        let (row, trace) = self.survey.rows.iter().find(|(row, trace)| {
            !self.used_rows.contains(*row)
                && !trace.events.is_empty()
                && trace.events.iter().all(|placed| {
                    matches!(
                        placed.event.body,
                        Body::ChangeEvent {
                            content: ChangeContent::Ours(_),
                            ..
                        }
                    )
                })
                && self.is_free_row(trace)
                && fit(trace)
        })?;
        self.used_rows.insert(*row);
        for (partition, offset, _) in trace.places() {
            self.use_neighbours(partition, &[Some(offset)]);
        }
        let (table, key) = row;
        Some((
            format!("{} row {key}", self.survey.names.table(*table)),
            trace,
        ))
    }

    /// Whether what is done to its events disturbs no group that reads them, and
    /// no other mutant.
    fn is_free_row(&self, trace: &RowTrace) -> bool {
        let survey = self.survey;
        trace.places().all(|(partition, offset, change)| {
            let groups = survey.names.groups_of(partition.topic);
            let all_read = groups.iter().all(|group| {
                let read = survey.changes_read.get(group);
                read.is_some_and(|read| read.contains(change))
            });
            let at = survey.by_position.get(&(partition, offset));
            all_read && at.is_none_or(|at| self.is_free(&survey.records[*at]))
        })
    }

    fn row_missing(&mut self) -> Option<Mutation> {
        // What a snapshot, or an event that may be one, found overwritten needs
        // no event of its own.
        let survey = self.survey;
        let is_read = |trace: &RowTrace| {
            let mut places = trace.places();
            places.any(|(at, ..)| survey.names.is_read(at.topic))
        };
        let skipped = self.skipped && !survey.nothing_skipped();
        let no_snapshot = |trace: &RowTrace| {
            let any = |op| trace.events.iter().any(|placed| has_op(placed, op));
            let undoes_skip = skipped && is_read(trace);
            !undoes_skip
                && !any(RowOp::Snapshot)
                && (trace.events.len() == 1 || !any(RowOp::Untold))
        };
        let (name, trace) = self.row(no_snapshot)?;
        self.thinned |= is_read(trace);
        let diverges = u64::from(trace.events.len() == 1 && !self.survey.rekeyed);
        Some(Mutation {
            anomaly: Anomaly::RowMissing,
            what: format!("{name}: its first event dropped"),
            effects: vec![
                (Anomaly::RowMissing, 1),
                (Anomaly::StateDivergence, diverges),
            ],
            edits: vec![(trace.events[0].at, Edit::Drop)],
        })
    }

    fn row_duplicate(&mut self) -> Option<Mutation> {
        let (name, trace) = self.row(|_| true)?;
        let Placed { at, event } = &trace.events[0];
        let mut copy = event.clone();
        if let Body::ChangeEvent {
            partition, offset, ..
        } = &mut copy.body
        {
            *offset = self.fresh(*partition);
        }
        Some(Mutation {
            anomaly: Anomaly::RowDuplicate,
            what: format!("{name}: its first event duplicated"),
            effects: vec![(Anomaly::RowDuplicate, 1)],
            edits: vec![(*at, Edit::After(vec![copy]))],
        })
    }

    fn row_phantom(&mut self) -> Option<Mutation> {
        let foreign = (Anomaly::RowPhantom, ChangeContent::Foreign);
        self.event_before(foreign, "a foreign event before its first")
    }

    fn corrupt_event(&mut self) -> Option<Mutation> {
        let damaged = (Anomaly::Corrupt, ChangeContent::Corrupt);
        self.event_before(damaged, "a damaged event before its first")
    }

    /// An event that the row's own events overwrite in any replay.
    fn event_before(
        &mut self,
        (anomaly, carried): (Anomaly, ChangeContent),
        what: &str,
    ) -> Option<Mutation> {
        let (name, trace) = self.row(|_| true)?;
        let Placed { at, event } = &trace.events[0];
        let mut planted = event.clone();
        if let Body::ChangeEvent {
            partition,
            offset,
            content,
            ..
        } = &mut planted.body
        {
            *content = carried;
            *offset = self.fresh(*partition);
        }
        Some(Mutation {
            anomaly,
            what: format!("{name}: {what}"),
            effects: vec![(anomaly, 1)],
            edits: vec![(*at, Edit::Before(vec![planted]))],
        })
    }

    /// The row's first two events change places; where there are only two,
    /// the second gets a place in the write-ahead log before the first's, so
    /// that the replay stays the same.
    fn commit_order(&mut self) -> Option<Mutation> {
        let (name, trace) = self.row(|trace| {
            trace.events.len() > 2
                || (trace.events.len() == 2 && lsn(&trace.events[0]) > Some(Lsn::new(1)))
        })?;
        let [first, second, ..] = &trace.events[..] else {
            return None;
        };
        let (what, edits) = if trace.events.len() > 2 {
            let edits = vec![
                (first.at, Edit::Replace(second.event.body.clone())),
                (second.at, Edit::Replace(first.event.body.clone())),
            ];
            ("its first two events swapped", edits)
        } else {
            let mut body = second.event.body.clone();
            if let Body::ChangeEvent { lsn: of, .. } = &mut body {
                *of = Lsn::new(lsn(first)?.get() - 1);
            }
            let edits = vec![(second.at, Edit::Replace(body))];
            ("its second event moved before its first in the log", edits)
        };
        Some(Mutation {
            anomaly: Anomaly::CommitOrder,
            what: format!("{name}: {what}"),
            effects: vec![(Anomaly::CommitOrder, 1)],
            edits,
        })
    }

    fn state_divergence(&mut self) -> Option<Mutation> {
        if self.survey.rekeyed {
            return None;
        }
        let (name, trace) = self.row(|trace| trace.row.is_some())?;
        let Placed { at, event } = trace.row.as_ref()?;
        let Body::TableRow { table, key, .. } = event.body else {
            return None;
        };
        let altered = Body::TableRow {
            table,
            key,
            content: ChangeContent::Corrupt,
        };
        Some(Mutation {
            anomaly: Anomaly::StateDivergence,
            what: format!("{name}: altered in the table"),
            effects: vec![(Anomaly::StateDivergence, 1)],
            edits: vec![(*at, Edit::Replace(altered))],
        })
    }
}

/// The acknowledgement of a record, at another offset.
fn acknowledged(trace: &RecordTrace, offset: Offset) -> Edit {
    Edit::Replace(Body::SendCompleted {
        record: trace.victim.record,
        outcome: Outcome::Acknowledged {
            at: trace.victim.partition,
            offset,
        },
    })
}

fn lsn(placed: &Placed) -> Option<Lsn> {
    match placed.event.body {
        Body::ChangeEvent { lsn, .. } => Some(lsn),
        _ => None,
    }
}

fn has_op(placed: &Placed, wanted: RowOp) -> bool {
    matches!(placed.event.body, Body::ChangeEvent { op, .. } if op == wanted)
}
