//! The outcome of each transaction, and the places of its records. Knows nothing
//! of how that was settled, and of what is wrong with it.

mod settle;

use std::collections::{BTreeMap, BTreeSet};

use model::ids::{Offset, PartitionRef, RecordId};

use crate::sets::ranges::Ranges;
use crate::txn::tracker::{ReportedOutcome, Transactions, Tx};

/// The outcome of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TxnOutcome {
    Committed,
    Aborted,
    /// It is not on record.
    Unknown,
}

/// Consecutive data of one transaction in a partition, or of none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TxnRange {
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) tx: Option<Tx>,
    /// Whether a `read_committed` reader may be given it.
    pub(crate) visible: Visible,
}

/// Whether a `read_committed` reader may be given something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Visible {
    Yes,
    Aborted,
    NotYet,
}

/// The transactions of a history, settled.
#[derive(Clone, Debug, Default)]
pub(crate) struct TxnOutcomes {
    pub(crate) transactions: Transactions,
    settled: Vec<TxnOutcome>,
    /// Of which one part was committed and another aborted, or never closed.
    pub(crate) torn: BTreeSet<Tx>,
    /// Committed as the producer was told, and aborted as the log says.
    pub(crate) disowned: BTreeSet<Tx>,
    stands: BTreeMap<PartitionRef, Vec<TxnRange>>,
    hidden: BTreeMap<PartitionRef, Ranges>,
    stable_ends: BTreeMap<PartitionRef, Offset>,
}

impl TxnOutcomes {
    pub(crate) fn outcome(&self, tx: Tx) -> TxnOutcome {
        self.settled[tx.index()]
    }

    /// Whether what a producer was told of its transaction is all that there is
    /// to it: without the log, the same would be known.
    pub(crate) fn is_as_told(&self, tx: Tx) -> bool {
        let told = match self.transactions.get(tx).told {
            ReportedOutcome::Committed => Some(TxnOutcome::Committed),
            ReportedOutcome::Aborted => Some(TxnOutcome::Aborted),
            ReportedOutcome::Nothing => None,
        };
        told == Some(self.outcome(tx)) && !self.torn.contains(&tx)
    }

    /// Whether it is unknown of all transactions where their records stand.
    pub(crate) fn is_unplaced(&self) -> bool {
        self.stands.values().all(Vec::is_empty)
    }

    /// The outcome of the transaction in which a record was sent; none where
    /// it was sent in none.
    pub(crate) fn outcome_of(&self, record: RecordId) -> Option<TxnOutcome> {
        Some(self.outcome(self.transactions.of(record)?))
    }

    /// What transactions wrote in a partition, in the order of the log.
    pub(crate) fn stands(&self, partition: PartitionRef) -> &[TxnRange] {
        self.stands.get(&partition).map_or(&[], Vec::as_slice)
    }

    /// Whether what stands at an offset was committed with a transaction.
    pub(crate) fn shows(&self, tx: Tx, partition: PartitionRef, offset: Offset) -> bool {
        let stands = self.stands(partition);
        let behind = stands.partition_point(|stand| stand.first <= offset.get());
        stands[..behind].last().is_some_and(|stand| {
            stand.tx == Some(tx) && stand.visible == Visible::Yes && offset.get() <= stand.last
        })
    }

    pub(crate) fn partitions(&self) -> impl Iterator<Item = PartitionRef> + '_ {
        self.stands.keys().copied()
    }

    /// What no `read_committed` reader may be given of a partition.
    pub(crate) fn hidden(&self, partition: PartitionRef) -> Option<&Ranges> {
        self.hidden.get(&partition)
    }

    /// The first offset of a transaction that was never closed: no
    /// `read_committed` reader gets past it.
    pub(crate) fn stable_end(&self, partition: PartitionRef) -> Option<Offset> {
        self.stable_ends.get(&partition).copied()
    }
}
