//! Where the events of transactions stand that mutants need.

use std::collections::{BTreeMap, BTreeSet};

use model::event::{Body, Content, Event, Isolation, TransactionOutcome};
use model::ids::{GroupIx, Offset, PartitionRef, ProducerIx, RecordId, TransactionRef};

use crate::analysis::Analysis;
use crate::calibration::traces::Placed;
use crate::txn::outcomes::{TxnOutcome, TxnOutcomes, Visible};
use crate::txn::tracker::Tx;

/// Places of each kind that the survey watches, at most.
const PLACES_MAX: usize = 16;

/// Two committed transactions, of which the second wrote right behind the
/// first.
pub(crate) struct Pair {
    pub(crate) first: TransactionRef,
    pub(crate) second: Tx,
    /// Where the first one's last stretch begins, and the second one's.
    before: (PartitionRef, Offset),
    pub(crate) at: (PartitionRef, Offset),
    pub(crate) stored_before: Option<Placed>,
    pub(crate) stored: Option<Placed>,
    pub(crate) completed: Option<Placed>,
}

/// Where the events stand that these mutants need.
pub(crate) struct TxnTraces {
    /// Aborted records in the log.
    pub(crate) aborted: BTreeMap<(PartitionRef, Offset), Option<Placed>>,
    pub(crate) pairs: Vec<Pair>,
    /// Groups that read committed records only.
    committed_only: BTreeSet<GroupIx>,
    /// These, and those that rely on the same.
    pub(crate) held_to_committed: BTreeSet<GroupIx>,
    /// The groups whose positions were committed with transactions.
    handed: BTreeSet<(GroupIx, PartitionRef)>,
    /// A position that was committed with a transaction, and its end.
    pub(crate) commit: Option<(TransactionRef, GroupIx, PartitionRef, Offset)>,
    pub(crate) commit_completed: Option<Placed>,
    pub(crate) producers: BTreeSet<ProducerIx>,
}

impl TxnTraces {
    pub(crate) fn new(analysis: &Analysis) -> Self {
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

    pub(crate) fn observe(
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
            Body::ReadCommittedRequired { group } => {
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
    pub(crate) fn reads_committed(&self, group: GroupIx) -> bool {
        self.committed_only.contains(&group)
    }

    /// Whether a group must be given committed records only.
    pub(crate) fn must_read_committed(&self, group: GroupIx) -> bool {
        self.held_to_committed.contains(&group)
    }

    /// Whether a group commits its position in a partition with transactions.
    pub(crate) fn commits(&self, group: GroupIx, partition: PartitionRef) -> bool {
        self.handed.contains(&(group, partition))
    }
}

/// A few pairs of committed transactions that stand right behind one another.
pub(crate) fn pairs(txn_outcomes: &TxnOutcomes) -> Vec<Pair> {
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
pub(crate) const fn record_of(stored: &Placed) -> Option<RecordId> {
    match stored.event.body {
        Body::Stored {
            content: Content::Ours(record),
            ..
        } => Some(record),
        _ => None,
    }
}
