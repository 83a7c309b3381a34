//! The survey, a second pass, learns at which places of the history the events of a
//! few unblemished records and rows stand. Knows nothing of what is planted there.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use model::anomaly::Anomaly;
use model::claim::Contract;
use model::event::{
    Body, CommitResult, Content, Event, Outcome, SettingEffect, TransactionOutcome,
};
use model::ids::{
    GroupIx, MemberIx, Micros, Offset, PartitionRef, ProducerIx, RecordId, RowKey, TableIx,
    TransactionRef,
};

use crate::analysis::Analysis;
use crate::calibration::traces;
use crate::calibration::traces::{CommitTrace, Placed, Reading, RecordTrace, RowTrace};
use crate::groups::waits::Excusable;
use crate::log::past::Past;
use crate::log::targets::Target;
use crate::names::Names;
use crate::sets::record_set::RecordSet;
use crate::txn::outcomes::{TxnOutcome, TxnOutcomes};
use crate::txn::tracker::Tx;

/// Commits behind the last record that the survey keeps, at most.
pub(super) const COMMITS_MAX: usize = 50_000;

/// Readings of one record that the survey keeps, at most.
pub(super) const READINGS_MAX: usize = 1000;

/// Learns where the events of possible targets stand.
pub(crate) struct Survey {
    pub(super) names: Names,
    pub(super) wanted: BTreeSet<Anomaly>,
    pub(super) baseline: BTreeMap<Anomaly, u64>,
    pub(super) place: u64,
    pub(super) records: Vec<RecordTrace>,
    by_record: HashMap<RecordId, usize>,
    pub(super) by_position: HashMap<(PartitionRef, Offset), usize>,
    pub(super) rows: BTreeMap<(TableIx, RowKey), RowTrace>,
    pub(super) commits: BTreeMap<(GroupIx, PartitionRef), CommitTrace>,
    pub(super) waited: BTreeSet<GroupIx>,
    /// Groups that are excused for what they lack: a planted lack would be too.
    pub(super) excusable: Excusable,
    pub(super) over_cuts: BTreeSet<(GroupIx, PartitionRef)>,
    pub(super) last: HashMap<PartitionRef, Offset>,
    pub(super) fresh: HashMap<PartitionRef, Offset>,
    stored_before: HashMap<(PartitionRef, ProducerIx), RecordId>,
    /// Where, and when, the observer had read each partition to its end.
    pub(super) read_at: HashMap<PartitionRef, (u64, Micros)>,
    pub(super) other_records: Vec<Target>,
    polled: HashMap<(MemberIx, PartitionRef), Polled>,
    /// Of which a member processed last what does not stand there any more.
    pub(super) behind_gone: HashSet<(MemberIx, PartitionRef)>,
    joined: HashMap<MemberIx, TransactionRef>,
    pub(super) txn_outcomes: Arc<TxnOutcomes>,
    pub(super) past: Arc<Past>,
    pub(super) cluster: traces::cluster::ClusterTraces,
    pub(super) derived: traces::derived::DerivedTraces,
    pub(super) effects: traces::effects::EffectTraces,
    pub(super) transactions: traces::transactions::TxnTraces,
    /// The row changes whose events each group processed, so that it counts.
    pub(super) changes_read: BTreeMap<GroupIx, RecordSet>,
    /// Replays are not held against the tables, because events may have other
    /// keys than their rows.
    pub(super) rekeyed: bool,
}

/// What a member processed last of a partition, and which reading of which
/// target that was.
#[derive(Clone, Copy)]
struct Polled {
    pub(super) offset: Offset,
    pub(super) reading: Option<(usize, usize)>,
    pub(super) inside: Option<TransactionRef>,
}

impl Survey {
    /// A survey for the anomalies that the contract's claims rest on.
    pub(crate) fn new(contract: &Contract, analysis: &Analysis) -> Self {
        let records: Vec<RecordTrace> = analysis
            .targets
            .iter()
            .map(|target| RecordTrace {
                target: *target,
                follows: None,
                contested: false,
                completed: Vec::new(),
                stored: Vec::new(),
                readings: Vec::new(),
            })
            .collect();
        let rows = analysis.coverage.capture.iter();
        let mut settings = rows.clone().flat_map(|capture| &capture.settings);
        let rekeyed = settings.any(|setting| setting.effect == SettingEffect::Rekey);
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
                .map(|(at, trace)| (trace.target.record, at))
                .collect(),
            by_position: (0..)
                .zip(&records)
                .map(|(at, trace)| ((trace.target.partition, trace.target.offset), at))
                .collect(),
            records,
            rows: rows
                .flat_map(|capture| &capture.targets)
                .map(|row| (*row, RowTrace::default()))
                .collect(),
            commits: BTreeMap::new(),
            waited: BTreeSet::new(),
            excusable: analysis.excusable.clone(),
            over_cuts: analysis.over_cuts.clone(),
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
            other_records: analysis.other_records.clone(),
            polled: HashMap::new(),
            behind_gone: HashSet::new(),
            joined: HashMap::new(),
            cluster: traces::cluster::ClusterTraces::new(analysis),
            derived: traces::derived::DerivedTraces::new(analysis),
            effects: traces::effects::EffectTraces::new(analysis),
            transactions: traces::transactions::TxnTraces::new(analysis),
            changes_read: BTreeMap::new(),
            rekeyed,
            txn_outcomes: Arc::clone(&analysis.txn_outcomes),
            past: Arc::clone(&analysis.past),
        }
    }

    /// Events so far.
    pub(crate) const fn events(&self) -> u64 {
        self.place
    }

    /// Takes in the next event of the same history; every one counts, because
    /// places are counted.
    pub(crate) fn observe(&mut self, event: &Event) {
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
            self.exclude(record);
        }
        let is_target = |record| self.by_record.contains_key(&record);
        self.effects.observe(&placed, event, is_target);
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
                let hand = (*member, *partition);
                let behind_gone = self.behind_gone.contains(&hand);
                let counts = |group: &GroupIx| {
                    let over_cut = || self.over_cuts.contains(&(*group, *partition));
                    !(self.past.is_behind(*partition, *offset) || behind_gone && over_cut())
                };
                if let Some(group) = self.names.group_of(*member).filter(counts) {
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

    /// A record is said to stand there.
    fn claim(&mut self, partition: PartitionRef, offset: Offset, record: RecordId) {
        if let Some(trace) = self.by_position.get(&(partition, offset)) {
            let trace = &mut self.records[*trace];
            trace.contested |= trace.target.record != record;
        }
        if let Some(trace) = self.by_record.get(&record) {
            let trace = &mut self.records[*trace];
            let here = (trace.target.partition, trace.target.offset);
            trace.contested |= offset.is_given() && here != (partition, offset);
        }
    }

    /// Plants nothing on a record of which something is wrong. Nothing was said
    /// of it so far.
    fn exclude(&mut self, record: RecordId) {
        if let Some(trace) = self.by_record.remove(&record) {
            let Target {
                partition, offset, ..
            } = self.records[trace].target;
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

    pub(super) fn processed(
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

    pub(super) fn committed(
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

    pub(super) fn nothing_skipped(&self) -> bool {
        self.found_none(Anomaly::PollSkip) && self.found_none(Anomaly::IntPollSkip)
    }

    pub(super) fn found_none(&self, anomaly: Anomaly) -> bool {
        self.baseline.get(&anomaly) == Some(&0)
    }

    /// Whether what was read counts: outside of transactions, or in one that
    /// committed, and no aborted record that the group must not be given.
    pub(super) fn counts(&self, target: Target, reading: &Reading) -> bool {
        let tx = reading
            .inside
            .map(|inside| self.txn_outcomes.transactions.find(inside));
        let hidden = self.transactions.reads_committed(reading.group)
            && (self.txn_outcomes.hidden(target.partition))
                .is_some_and(|hidden| hidden.contains(target.offset));
        !hidden
            && tx.is_none_or(|tx| {
                tx.is_some_and(|tx| self.txn_outcomes.outcome(tx) == TxnOutcome::Committed)
            })
    }

    /// Whether a group gets as far as a record: past what no transaction has
    /// closed, it is given nothing if it reads committed records only.
    pub(super) fn is_within_reach(&self, target: Target, group: GroupIx) -> bool {
        let stable_end = self.txn_outcomes.stable_end(target.partition);
        !self.transactions.reads_committed(group)
            || stable_end.is_none_or(|end| target.offset < end)
    }

    /// Whether a record would have been read too early where another was.
    pub(super) fn is_early(&self, record: RecordId, reading: &Reading) -> bool {
        let transactions = &self.txn_outcomes.transactions;
        let asked = transactions.of(record).map(|tx| transactions.get(tx).asked);
        self.transactions.must_read_committed(reading.group)
            && asked.is_some_and(|asked| asked.is_none_or(|asked| reading.placed.event.at < asked))
    }

    /// Whether a reading can be taken out without taking out a skip that the
    /// history already had, between it and a neighbour: where it has only one;
    /// or where it has two, of which one was read in the same transaction, so
    /// that the skip would be called by another name.
    pub(super) fn drops_no_skip(&self, offset: Offset, reading: &Reading) -> bool {
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
}
