//! What members read and committed inside transactions: it counts only when
//! the transaction does. Knows nothing of what is wrong with a reading.
//!
//! Held: a range for each stretch of a partition that was read in one
//! transaction, and a position for each partition that was committed with one.

use std::collections::{BTreeMap, HashMap};

use model::event::Body;
use model::ids::{GroupIx, MemberIx, Micros, Offset, PartitionRef, ProducerIx};

use crate::txn::outcomes::{TxnOutcome, TxnOutcomes};
use crate::txn::tracker::{Transactions, Tx};

/// Consecutive offsets that a member processed inside one transaction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TxnRead {
    pub(crate) tx: Tx,
    pub(crate) partition: PartitionRef,
    pub(crate) first: Offset,
    pub(crate) last: Offset,
}

/// A position that was handed to a transaction.
#[derive(Clone, Copy, Debug)]
struct Handed {
    tx: Tx,
    group: GroupIx,
    partition: PartitionRef,
    offset: Offset,
}

/// A position that was committed with a transaction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TxnCommit {
    producer: ProducerIx,
    pub(crate) begun: Micros,
    /// When the producer was told: the last moment at which it took effect.
    /// The end of time where it was not told.
    pub(crate) completed: Micros,
    pub(crate) offset: Offset,
    /// Whether it lies behind the end, or its transaction read last a record
    /// that does not stand any more: the log was cut or made again since.
    pub(crate) past: bool,
}

/// For which transaction each member reads.
#[derive(Default)]
pub(crate) struct Inside(HashMap<MemberIx, Tx>);

impl Inside {
    /// To be shown an event after the transactions have seen it.
    pub(crate) fn observe(&mut self, body: &Body, transactions: &Transactions) {
        match body {
            Body::TransactionJoined {
                transaction,
                member,
            } => {
                if let Some(tx) = transactions.find(*transaction) {
                    self.0.insert(*member, tx);
                }
            }
            Body::TransactionCompleted { transaction, .. } => {
                let tx = transactions.find(*transaction);
                self.0.retain(|_, inside| Some(*inside) != tx);
            }
            _ => {}
        }
    }

    /// The transaction for which a member reads at this moment.
    #[inline]
    pub(crate) fn of(&self, member: MemberIx) -> Option<Tx> {
        if self.0.is_empty() {
            return None;
        }
        self.0.get(&member).copied()
    }

    /// The members that read for a transaction at this moment.
    pub(crate) fn members(&self, tx: Tx) -> impl Iterator<Item = MemberIx> + '_ {
        let inside = self.0.iter().filter(move |(_, inside)| **inside == tx);
        inside.map(|(member, _)| *member)
    }
}

/// What was done inside transactions.
#[derive(Default)]
pub(crate) struct TxnReads {
    reads: Vec<TxnRead>,
    /// The reading that the member's next one in the partition may go on.
    latest: HashMap<(MemberIx, PartitionRef), usize>,
    handed: Vec<Handed>,
    /// Whether what a transaction read last of a partition is gone, where that
    /// was looked up.
    past: HashMap<(Tx, PartitionRef), bool>,
}

impl TxnReads {
    /// Takes in a position that was handed to a transaction; after the
    /// transactions have seen the event.
    pub(crate) fn observe(&mut self, body: &Body, transactions: &Transactions) {
        if let Body::OffsetSent {
            transaction,
            group,
            partition,
            offset,
        } = body
            && let Some(tx) = transactions.find(*transaction)
        {
            self.handed.push(Handed {
                tx,
                group: *group,
                partition: *partition,
                offset: *offset,
            });
        }
    }

    /// Files what a member processed inside a transaction.
    pub(crate) fn read(
        &mut self,
        tx: Tx,
        member: MemberIx,
        partition: PartitionRef,
        offset: Offset,
    ) {
        let latest = self.latest.get(&(member, partition)).copied();
        if let Some(latest) = latest.and_then(|at| self.reads.get_mut(at))
            && latest.tx == tx
            && latest.last.get().checked_add(1) == Some(offset.get())
        {
            latest.last = offset;
            return;
        }
        self.latest.insert((member, partition), self.reads.len());
        self.reads.push(TxnRead {
            tx,
            partition,
            first: offset,
            last: offset,
        });
    }

    /// Everything that was read inside transactions, in the order in which it
    /// was read.
    pub(crate) fn reads(&self) -> &[TxnRead] {
        &self.reads
    }

    /// Learns which transactions read last what is gone.
    pub(crate) fn learn(&mut self, past: HashMap<(Tx, PartitionRef), bool>) {
        self.past = past;
    }

    /// The positions that took effect, by group and partition, in the order in
    /// which they were handed over.
    pub(crate) fn commits(
        &self,
        txn_outcomes: &TxnOutcomes,
    ) -> BTreeMap<(GroupIx, PartitionRef), Vec<TxnCommit>> {
        let mut commits: BTreeMap<_, Vec<TxnCommit>> = BTreeMap::new();
        let mut latest: HashMap<(Tx, GroupIx, PartitionRef), usize> = HashMap::new();
        for handed in &self.handed {
            if txn_outcomes.outcome(handed.tx) != TxnOutcome::Committed {
                continue;
            }
            let transaction = txn_outcomes.transactions.get(handed.tx);
            let of = commits.entry((handed.group, handed.partition)).or_default();
            let at = *latest
                .entry((handed.tx, handed.group, handed.partition))
                .or_insert(of.len());
            let commit = TxnCommit {
                producer: transaction.reference.producer,
                begun: transaction.begun.unwrap_or_default(),
                completed: transaction.completed.unwrap_or(Micros::new(u64::MAX)),
                offset: handed.offset,
                past: self.past.get(&(handed.tx, handed.partition)) == Some(&true),
            };
            // The last position handed over is the one that is committed.
            match of.get_mut(at) {
                Some(before) => *before = commit,
                None => of.push(commit),
            }
        }
        commits
    }
}

/// Steps back among positions that were committed with transactions: behind
/// one of the same producer, or behind one that was committed before the
/// transaction began. Where that one was committed in an earlier life of the
/// log, the log went back, and not the group.
pub(crate) fn regressions(commits: &[TxnCommit]) -> Vec<(Offset, Offset)> {
    let mut by_completion: Vec<&TxnCommit> = commits.iter().collect();
    by_completion.sort_by_key(|commit| commit.completed);
    let mut own: HashMap<ProducerIx, &TxnCommit> = HashMap::new();
    let mut back = Vec::new();
    for commit in commits {
        let earlier = by_completion.partition_point(|other| other.completed <= commit.begun);
        let earlier = by_completion[..earlier].last().copied();
        let before = own
            .insert(commit.producer, commit)
            .into_iter()
            .chain(earlier);
        let before = before.filter(|before| !before.past || commit.past);
        let before = before.map(|before| before.offset).max();
        if let Some(before) = before.filter(|before| *before > commit.offset) {
            back.push((before, commit.offset));
        }
    }
    back
}
