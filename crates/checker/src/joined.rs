//! What members read and committed inside transactions: it counts only when
//! the transaction does. Knows nothing of what is wrong with a reading.
//!
//! Held: a range for each stretch of a partition that was read in one
//! transaction, and a position for each partition that was committed with one.

use std::collections::{BTreeMap, HashMap};

use model::event::{Body, Event};
use model::ids::{GroupIx, MemberIx, Micros, Offset, PartitionRef, ProducerIx};

use crate::fates::{Fate, Fates};
use crate::transactions::{Transactions, Tx};

/// Consecutive offsets that a member processed inside one transaction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JoinedRead {
    pub(crate) tx: Tx,
    pub(crate) group: GroupIx,
    pub(crate) member: MemberIx,
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
pub(crate) struct JoinedCommit {
    producer: ProducerIx,
    pub(crate) begun: Micros,
    /// When the producer was told: the last moment at which it took effect.
    /// The end of time where it was not told.
    pub(crate) completed: Micros,
    pub(crate) offset: Offset,
}

/// What was done inside transactions.
#[derive(Default)]
pub(crate) struct Joined {
    inside: HashMap<MemberIx, Tx>,
    reads: Vec<JoinedRead>,
    /// The reading that the member's next one in the partition may go on.
    latest: HashMap<(MemberIx, PartitionRef), usize>,
    handed: Vec<Handed>,
}

impl Joined {
    /// To be shown an event after the transactions have seen it.
    pub(crate) fn observe(&mut self, event: &Event, transactions: &Transactions) {
        match &event.body {
            Body::TransactionJoined {
                transaction,
                member,
            } => {
                if let Some(tx) = transactions.find(*transaction) {
                    self.inside.insert(*member, tx);
                }
            }
            Body::TransactionCompleted { transaction, .. } => {
                let tx = transactions.find(*transaction);
                self.inside.retain(|_, inside| Some(*inside) != tx);
            }
            Body::OffsetSent {
                transaction,
                group,
                partition,
                offset,
            } => {
                if let Some(tx) = transactions.find(*transaction) {
                    self.handed.push(Handed {
                        tx,
                        group: *group,
                        partition: *partition,
                        offset: *offset,
                    });
                }
            }
            _ => {}
        }
    }

    /// The transaction for which a member reads at this moment.
    pub(crate) fn inside(&self, member: MemberIx) -> Option<Tx> {
        if self.inside.is_empty() {
            return None;
        }
        self.inside.get(&member).copied()
    }

    /// The members that read for a transaction at this moment.
    pub(crate) fn members(&self, tx: Tx) -> impl Iterator<Item = MemberIx> + '_ {
        let inside = self.inside.iter().filter(move |(_, inside)| **inside == tx);
        inside.map(|(member, _)| *member)
    }

    /// Files what a member processed inside a transaction.
    pub(crate) fn read(
        &mut self,
        tx: Tx,
        group: GroupIx,
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
        self.reads.push(JoinedRead {
            tx,
            group,
            member,
            partition,
            first: offset,
            last: offset,
        });
    }

    /// Everything that was read inside transactions, in the order in which it
    /// was read.
    pub(crate) fn reads(&self) -> &[JoinedRead] {
        &self.reads
    }

    /// The positions that took effect, by whose they are, in the order in
    /// which they were handed over.
    pub(crate) fn commits(
        &self,
        fates: &Fates,
    ) -> BTreeMap<(GroupIx, PartitionRef), Vec<JoinedCommit>> {
        let mut commits: BTreeMap<_, Vec<JoinedCommit>> = BTreeMap::new();
        let mut latest: HashMap<(Tx, GroupIx, PartitionRef), usize> = HashMap::new();
        for handed in &self.handed {
            if fates.fate(handed.tx) != Fate::Committed {
                continue;
            }
            let transaction = fates.transactions.get(handed.tx);
            let of = commits.entry((handed.group, handed.partition)).or_default();
            let at = *latest
                .entry((handed.tx, handed.group, handed.partition))
                .or_insert(of.len());
            let commit = JoinedCommit {
                producer: transaction.reference.producer,
                begun: transaction.begun.unwrap_or_default(),
                completed: transaction.completed.unwrap_or(Micros::new(u64::MAX)),
                offset: handed.offset,
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
/// transaction began.
pub(crate) fn regressions(commits: &[JoinedCommit]) -> Vec<(Offset, Offset)> {
    let mut by_completion: Vec<&JoinedCommit> = commits.iter().collect();
    by_completion.sort_by_key(|commit| commit.completed);
    let mut own: HashMap<ProducerIx, Offset> = HashMap::new();
    let mut back = Vec::new();
    for commit in commits {
        let earlier = by_completion.partition_point(|other| other.completed <= commit.begun);
        let earlier = by_completion[..earlier].last().map(|other| other.offset);
        let before = own.insert(commit.producer, commit.offset).max(earlier);
        if let Some(before) = before.filter(|before| *before > commit.offset) {
            back.push((before, commit.offset));
        }
    }
    back
}
