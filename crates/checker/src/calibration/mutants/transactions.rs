//! Mutants of transactions: readings of what was aborted, or not yet
//! committed; a record that is lost; a circle; an offset that goes back. Knows
//! nothing of how a transaction's outcome is settled.

use std::collections::{BTreeMap, BTreeSet};

use model::anomaly::Anomaly;
use model::event::{Body, Content, Event, Intent, Isolation, TransactionOutcome};
use model::ids::{
    GroupIx, Micros, Offset, PartitionRef, ProducerIx, RecordId, TransactionIx, TransactionRef,
};

use super::{Edit, Mutation, Placed, Planner, RecordTrace};
use crate::passes::checker::Analysis;
use crate::txn::outcomes::{TxnOutcome, TxnOutcomes, Visible};
use crate::txn::tracker::Tx;

/// Places of each kind that the survey watches, at most.
const PLACES_MAX: usize = 16;

/// Two committed transactions, of which the second wrote right behind the
/// first.
struct Pair {
    first: TransactionRef,
    second: Tx,
    /// Where the first one's last stretch begins, and the second one's.
    before: (PartitionRef, Offset),
    at: (PartitionRef, Offset),
    stored_before: Option<Placed>,
    stored: Option<Placed>,
    completed: Option<Placed>,
}

/// Where the events stand that these mutants need.
pub(super) struct Places {
    /// Aborted records in the log.
    aborted: BTreeMap<(PartitionRef, Offset), Option<Placed>>,
    pairs: Vec<Pair>,
    /// Groups that read committed records only.
    committed_only: BTreeSet<GroupIx>,
    /// These, and those that rely on the same.
    held_to_committed: BTreeSet<GroupIx>,
    /// Whose positions were committed with transactions.
    handed: BTreeSet<(GroupIx, PartitionRef)>,
    /// A position that was committed with a transaction, and its end.
    commit: Option<(TransactionRef, GroupIx, PartitionRef, Offset)>,
    commit_completed: Option<Placed>,
    producers: BTreeSet<ProducerIx>,
}

impl Places {
    pub(super) fn new(analysis: &Analysis) -> Self {
        let txn_outcomes = &analysis.txn_outcomes;
        let stands = || {
            txn_outcomes
                .partitions()
                .flat_map(|of| txn_outcomes.stands(of).iter().map(move |stand| (of, stand)))
        };
        let aborted = stands().filter(|(_, stand)| stand.visible == Visible::Aborted);
        Self {
            aborted: aborted
                .take(PLACES_MAX)
                .map(|(of, stand)| ((of, Offset::new(stand.first)), None))
                .collect(),
            pairs: pairs(txn_outcomes),
            committed_only: BTreeSet::new(),
            held_to_committed: BTreeSet::new(),
            handed: BTreeSet::new(),
            commit: None,
            commit_completed: None,
            producers: txn_outcomes
                .transactions
                .spans()
                .map(|(producer, _)| producer)
                .collect(),
        }
    }

    pub(super) fn observe(
        &mut self,
        placed: &impl Fn() -> Placed,
        event: &Event,
        txn_outcomes: &TxnOutcomes,
    ) {
        match &event.body {
            Body::IsolationDeclared {
                group,
                isolation: Isolation::ReadCommitted,
            } => {
                self.committed_only.insert(*group);
                self.held_to_committed.insert(*group);
            }
            Body::CommittedExpected { group } => {
                self.held_to_committed.insert(*group);
            }
            Body::Stored {
                partition, offset, ..
            } => {
                let at = (*partition, *offset);
                if let Some(aborted) = self.aborted.get_mut(&at) {
                    *aborted = Some(placed());
                }
                for pair in &mut self.pairs {
                    if pair.at == at {
                        pair.stored = Some(placed());
                    } else if pair.before == at {
                        pair.stored_before = Some(placed());
                    }
                }
            }
            Body::SendInvoked { record, .. } => {
                self.producers.insert(record.producer);
            }
            Body::TransactionBegun { transaction } => {
                self.producers.insert(transaction.producer);
            }
            Body::OffsetSent {
                transaction,
                group,
                partition,
                offset,
            } => {
                self.producers.insert(transaction.producer);
                self.handed.insert((*group, *partition));
                if self.commit_completed.is_none()
                    && offset.get() > 0
                    && (txn_outcomes.transactions.find(*transaction))
                        .is_some_and(|tx| txn_outcomes.outcome(tx) == TxnOutcome::Committed)
                {
                    self.commit = Some((*transaction, *group, *partition, *offset));
                }
            }
            Body::TransactionCompleted {
                transaction,
                outcome,
            } => {
                let mut pairs = self.pairs.iter_mut();
                if let Some(pair) = pairs.find(|pair| pair.first == *transaction) {
                    pair.completed = Some(placed());
                }
                if self.commit_completed.is_none()
                    && *outcome == TransactionOutcome::Committed
                    && self.commit.is_some_and(|(of, ..)| of == *transaction)
                {
                    self.commit_completed = Some(placed());
                }
            }
            _ => {}
        }
    }

    /// Whether a group reads committed records only.
    pub(super) fn reads_committed(&self, group: GroupIx) -> bool {
        self.committed_only.contains(&group)
    }

    /// Whether a group must be given committed records only.
    pub(super) fn must_read_committed(&self, group: GroupIx) -> bool {
        self.held_to_committed.contains(&group)
    }

    /// Whether a group commits its position in a partition with transactions.
    pub(super) fn commits(&self, group: GroupIx, partition: PartitionRef) -> bool {
        self.handed.contains(&(group, partition))
    }
}

/// A few pairs of committed transactions that stand right behind one another.
fn pairs(txn_outcomes: &TxnOutcomes) -> Vec<Pair> {
    let mut pairs: Vec<Pair> = Vec::new();
    for partition in txn_outcomes.partitions() {
        let mut before: Option<(Tx, Offset)> = None;
        let stands = txn_outcomes.stands(partition).iter();
        for stand in stands.filter(|stand| stand.visible == Visible::Yes) {
            let Some(second) = stand.tx else {
                continue;
            };
            let at = Offset::new(stand.first);
            let before = before.replace((second, at));
            let Some((first, first_at)) = before.filter(|(first, _)| *first != second) else {
                continue;
            };
            if pairs.len() == PLACES_MAX {
                return pairs;
            }
            let first = txn_outcomes.transactions.get(first).reference;
            if pairs.iter().all(|pair| pair.first != first) {
                pairs.push(Pair {
                    first,
                    second,
                    before: (partition, first_at),
                    at: (partition, at),
                    stored_before: None,
                    stored: None,
                    completed: None,
                });
            }
        }
    }
    pairs
}

/// The record of ours that stands there.
const fn record_of(stored: &Placed) -> Option<RecordId> {
    match stored.event.body {
        Body::Stored {
            content: Content::Ours(record),
            ..
        } => Some(record),
        _ => None,
    }
}

impl Planner<'_> {
    /// A group that reads committed records only processes an aborted one.
    pub(super) fn aborted_read(&mut self) -> Option<Mutation> {
        let survey = self.survey;
        let places = &survey.transactions;
        let used = &self.used_records;
        let whole =
            survey.found_none(Anomaly::GroupGap) && survey.found_none(Anomaly::GroupIncomplete);
        let mut found = places.aborted.iter().filter_map(|(at, stored)| {
            let stored = stored.as_ref()?;
            let record = record_of(stored).filter(|record| !used.contains(record))?;
            let reused = survey.past.was_reused(at.0, at.1.get());
            let mut groups = places.held_to_committed.iter();
            // Of one that reads all there is, a record that it did not read may
            // be missing already.
            let group = groups.find(|group| whole || places.reads_committed(**group));
            let group = group.filter(|_| !reused)?;
            Some((*at, *group, stored, record))
        });
        let ((from, offset), group, stored, record) = found.next()?;
        self.used_records.insert(record);
        let content = Content::Ours(record);
        let member = survey.names.unused_member();
        let reading = [
            Body::MemberStarted { member, group },
            Body::Processed {
                member,
                from,
                offset,
                content,
            },
        ];
        let at = stored.event.at;
        let reading = reading.map(|body| Event { at, body });
        Some(Mutation {
            anomaly: Anomaly::G1a,
            what: format!(
                "{}@{offset}, which was aborted, processed by {}",
                survey.names.partition(from),
                survey.names.group(group)
            ),
            effects: vec![(Anomaly::G1a, 1)],
            edits: vec![(stored.at, Edit::After(reading.to_vec()))],
        })
    }

    /// A group that reads committed records only processes one right before
    /// its commit is asked for.
    pub(super) fn precommitted_read(&mut self) -> Option<Mutation> {
        let survey = self.survey;
        let asked = |record: RecordId| -> Option<Micros> {
            let tx = survey.txn_outcomes.transactions.of(record)?;
            // Of a torn one, another mutation may hide the committed part.
            let committed = survey.txn_outcomes.outcome(tx) == TxnOutcome::Committed
                && !survey.txn_outcomes.torn.contains(&tx);
            let asked = survey.txn_outcomes.transactions.get(tx).asked?;
            (committed && asked.get() > 0).then_some(asked)
        };
        let (trace, reading) = self.only_reading(|trace, reading| {
            survey.transactions.must_read_committed(reading.group)
                && asked(trace.victim.record).is_some_and(|asked| reading.placed.event.at >= asked)
        })?;
        let asked = asked(trace.victim.record)?;
        let Body::Processed {
            from,
            offset,
            content,
            ..
        } = reading.placed.event.body
        else {
            return None;
        };
        let (member, group) = (survey.names.unused_member(), reading.group);
        let early = [
            Body::MemberStarted { member, group },
            Body::Processed {
                member,
                from,
                offset,
                content,
            },
        ];
        let at = Micros::new(asked.get() - 1);
        let early = early.map(|body| Event { at, body });
        Some(Mutation {
            anomaly: Anomaly::PrecommittedRead,
            what: format!(
                "{} processed by {} before its commit was asked for",
                self.name(trace),
                survey.names.group(group)
            ),
            effects: vec![(Anomaly::PrecommittedRead, 1), (Anomaly::Reprocessed, 1)],
            edits: vec![(reading.placed.at, Edit::After(early.to_vec()))],
        })
    }

    pub(super) fn torn_transaction(&mut self) -> Option<Mutation> {
        self.lost_in_transaction(Anomaly::TornTransaction)
    }

    /// A record of a committed transaction is lost, and another of the same
    /// transaction stays behind in the partition, for all to see.
    pub(super) fn lost_in_transaction(&mut self, anomaly: Anomaly) -> Option<Mutation> {
        let survey = self.survey;
        if !survey.found_none(Anomaly::TornTransaction)
            || (self.skipped && !survey.nothing_skipped())
        {
            return None;
        }
        let transactions = &survey.txn_outcomes.transactions;
        let used = self.used_records.clone();
        let companion = move |trace: &RecordTrace, tx: Tx| -> Option<RecordId> {
            let mut others = survey.records.iter().map(|other| other.victim);
            let other = others.find(|other| {
                other.partition == trace.victim.partition
                    && other.record != trace.victim.record
                    && !used.contains(&other.record)
                    && survey.txn_outcomes.shows(tx, other.partition, other.offset)
            })?;
            Some(other.record)
        };
        let used = self.used_transactions.clone();
        let tx_of = |record: RecordId| -> Option<Tx> {
            let tx = transactions.of(record)?;
            let free = !used.contains(&transactions.get(tx).reference);
            (free && survey.txn_outcomes.outcome(tx) == TxnOutcome::Committed).then_some(tx)
        };
        let read: BTreeSet<RecordId> = survey
            .records
            .iter()
            .filter(|trace| self.can_be_lost(trace))
            .map(|trace| trace.victim.record)
            .collect();
        let trace = self.record(|trace| {
            let tx = tx_of(trace.victim.record);
            read.contains(&trace.victim.record)
                && tx.is_some_and(|tx| companion(trace, tx).is_some())
        })?;
        let tx = tx_of(trace.victim.record)?;
        self.thinned = true;
        self.used_records.extend(companion(trace, tx));
        self.used_transactions
            .insert(transactions.get(tx).reference);
        Some(Mutation {
            anomaly,
            what: format!("{} dropped from its transaction", self.name(trace)),
            effects: vec![(Anomaly::LostWrite, 1), (Anomaly::TornTransaction, 1)],
            edits: vec![(trace.stored[0].at, Edit::Drop)],
        })
    }

    /// A transaction reads what another wrote right behind it: a member of a
    /// group of its own does, so that nobody else's readings change.
    pub(super) fn circle(&mut self) -> Option<Mutation> {
        let survey = self.survey;
        let mut pairs = survey.transactions.pairs.iter();
        let (pair, records, completed) = pairs.find_map(|pair| {
            let stored = [pair.stored_before.as_ref()?, pair.stored.as_ref()?];
            let records = [record_of(stored[0])?, record_of(stored[1])?];
            // Where an offset was used again, a reading shows nothing.
            let (at, offset) = pair.at;
            if survey.past.was_reused(at, offset.get()) {
                return None;
            }
            Some((pair, records, pair.completed.as_ref()?))
        })?;
        self.used_records.extend(records);
        let (from, offset) = pair.at;
        let member = survey.names.unused_member();
        let reading = [
            Body::MemberStarted {
                member,
                group: survey.names.unused_group(),
            },
            Body::TransactionJoined {
                transaction: pair.first,
                member,
            },
            Body::Processed {
                member,
                from,
                offset,
                content: Content::Ours(records[1]),
            },
        ];
        let at = completed.event.at;
        let reading = reading.map(|body| Event { at, body });
        Some(Mutation {
            anomaly: Anomaly::G1c,
            what: format!(
                "{}@{offset} of {} read by {}, which wrote before it",
                survey.names.partition(from),
                survey.txn_outcomes.transactions.get(pair.second).reference,
                pair.first
            ),
            effects: vec![(Anomaly::G1c, 1)],
            edits: vec![(completed.at, Edit::Before(reading.to_vec()))],
        })
    }

    /// Two more transactions follow one: the first commits offset 0, the
    /// second what was committed before, so that what comes later is held
    /// against the same.
    pub(super) fn joined_commit_regression(&mut self) -> Option<Mutation> {
        let survey = self.survey;
        let places = &survey.transactions;
        let (of, group, partition, offset) = places.commit?;
        if survey.past.is_of(partition) || survey.past.is_behind(partition, offset) {
            // It may have been made in an earlier life of the log.
            return None;
        }
        let completed = places.commit_completed.as_ref()?;
        let last = places.producers.last().map_or(0, |last| last.get());
        let producer = ProducerIx::new(last.checked_add(1)?);
        let steps = [(0, Offset::new(0)), (1, offset)];
        let at = completed.event.at;
        let more = steps.into_iter().flat_map(|(number, offset)| {
            let transaction = TransactionRef {
                producer,
                transaction: TransactionIx::new(number),
            };
            [
                Body::TransactionBegun { transaction },
                Body::OffsetSent {
                    transaction,
                    group,
                    partition,
                    offset,
                },
                Body::TransactionEnding {
                    transaction,
                    intent: Intent::Commit,
                },
                Body::TransactionCompleted {
                    transaction,
                    outcome: TransactionOutcome::Committed,
                },
            ]
        });
        Some(Mutation {
            anomaly: Anomaly::CommitRegression,
            what: format!(
                "{} committed 0 of {} with a transaction after {of} had committed {offset}",
                survey.names.group(group),
                survey.names.partition(partition)
            ),
            effects: vec![(Anomaly::CommitRegression, 1)],
            edits: vec![(
                completed.at,
                Edit::After(more.map(|body| Event { at, body }).collect()),
            )],
        })
    }
}
