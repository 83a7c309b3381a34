//! What became of each transaction, and where its records stand. Knows nothing
//! of what is wrong with that.
//!
//! The markers in the log decide; where there are none, what the producer was
//! told. Where it was told nothing, and had asked for the commit, nobody knows;
//! where it never had, nobody could have committed it, and a log that was read
//! and holds nothing of it says that nothing of it will be visible. A history that another tool
//! recorded has no markers: there a transaction of unknown outcome has
//! committed when a `read_committed` reader was given one of its records.

use std::collections::{BTreeMap, BTreeSet};

use model::ids::{Offset, PartitionRef, RecordId};

use crate::log::Ledger;
use crate::provenance::Provenance;
use crate::sets::ranges::Ranges;
use crate::txn::markers::{Mark, Markers};
use crate::txn::tracker::{Told, Transactions, Tx};

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TxnOutcome {
    Committed,
    Aborted,
    /// Nobody says.
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
    /// Settles what became of each transaction. `was_given` says whether a
    /// `read_committed` reader was given any record of one.
    pub(crate) fn settle(
        transactions: Transactions,
        markers: &Markers,
        log: &Ledger,
        provenance: &Provenance,
        was_given: impl Fn(Tx) -> bool,
    ) -> Self {
        let mut committed = BTreeSet::new();
        let mut aborted = BTreeSet::new();
        let mut open = BTreeSet::new();
        for (partition, marked) in markers.partitions() {
            for stretch in &marked.stretches {
                let Some(tx) = stretch.record.and_then(|of| transactions.of(of)) else {
                    continue;
                };
                match marked.mark(stretch) {
                    Mark::Committed => committed.insert(tx),
                    Mark::Aborted => aborted.insert(tx),
                    Mark::Open => log.is_read(partition) && open.insert(tx),
                };
            }
        }
        let mut partitions = log.partitions().peekable();
        // What readers of another tool were given is not the whole of it.
        let observed = !provenance.is_imported();
        let all_read =
            observed && partitions.peek().is_some() && partitions.all(|of| log.is_read(of));
        let mut txn_outcomes = Vec::with_capacity(transactions.len());
        let mut torn = BTreeSet::new();
        let mut disowned = BTreeSet::new();
        for (tx, transaction) in transactions.all() {
            let told = transaction.told;
            txn_outcomes.push(match told {
                _ if committed.contains(&tx) => TxnOutcome::Committed,
                _ if aborted.contains(&tx) => TxnOutcome::Aborted,
                Told::Committed => TxnOutcome::Committed,
                Told::Aborted => TxnOutcome::Aborted,
                Told::Nothing if provenance.is_imported() && was_given(tx) => TxnOutcome::Committed,
                Told::Nothing if all_read && transaction.asked.is_none() && !open.contains(&tx) => {
                    TxnOutcome::Aborted
                }
                Told::Nothing => TxnOutcome::Unknown,
            });
            if committed.contains(&tx) && (aborted.contains(&tx) || open.contains(&tx)) {
                torn.insert(tx);
            }
            if told == Told::Committed && aborted.contains(&tx) && !committed.contains(&tx) {
                disowned.insert(tx);
            }
        }
        let mut settled = Self {
            transactions,
            settled: txn_outcomes,
            torn,
            disowned,
            ..Self::default()
        };
        for (partition, marked) in markers.partitions() {
            let read = log.is_read(partition);
            settled.place_marked(partition, marked, read);
        }
        if provenance.is_imported() && !settled.transactions.is_empty() {
            for partition in log.partitions() {
                let given = log.partition(partition);
                // What was acknowledged without a place stands nowhere, and what was
                // only acknowledged where readers were given something else does
                // not stand there.
                let stands = |(offset, record): &(Offset, RecordId)| {
                    let taken = given.is_some_and(|given| given.has(offset.get()));
                    offset.get() >= 0 && (log.holds(*record) || !taken)
                };
                settled.place_told(partition, log.stored_records(partition).filter(stands));
            }
        }
        settled
    }

    fn place_marked(
        &mut self,
        partition: PartitionRef,
        marked: &crate::txn::markers::MarkedPartition,
        read: bool,
    ) {
        let mut stands = Vec::with_capacity(marked.stretches.len());
        for stretch in &marked.stretches {
            let visible = match marked.mark(stretch) {
                Mark::Committed => Visible::Yes,
                Mark::Aborted => Visible::Aborted,
                Mark::Open => Visible::NotYet,
            };
            // What nobody saw closed may have been aborted, behind the end of
            // what was read.
            if visible != Visible::Yes {
                let hidden = self.hidden.entry(partition).or_default();
                hidden.add(stretch.first, stretch.last);
            }
            if visible == Visible::NotYet && read {
                self.stable_ends
                    .entry(partition)
                    .or_insert(Offset::new(stretch.first));
            }
            stands.push(TxnRange {
                first: stretch.first,
                last: stretch.last,
                tx: stretch
                    .record
                    .and_then(|record| self.transactions.of(record)),
                visible,
            });
        }
        self.stands.insert(partition, stands);
    }

    /// Without batches and markers: what stands there by what was said of it,
    /// and is visible by what became of its transaction.
    fn place_told(
        &mut self,
        partition: PartitionRef,
        stored_records: impl Iterator<Item = (Offset, RecordId)>,
    ) {
        let mut stands: Vec<TxnRange> = Vec::new();
        for (offset, record) in stored_records {
            let (tx, offset) = (self.transactions.of(record), offset.get());
            match stands.last_mut() {
                Some(last) if last.tx == tx => last.last = offset,
                _ => stands.push(TxnRange {
                    first: offset,
                    last: offset,
                    tx,
                    visible: match tx.map(|tx| self.outcome(tx)) {
                        None | Some(TxnOutcome::Committed) => Visible::Yes,
                        Some(TxnOutcome::Aborted) => Visible::Aborted,
                        Some(TxnOutcome::Unknown) => Visible::NotYet,
                    },
                }),
            }
        }
        for stand in stands.iter().filter(|stand| stand.visible != Visible::Yes) {
            let hidden = self.hidden.entry(partition).or_default();
            hidden.add(stand.first, stand.last);
        }
        stands.retain(|stand| stand.tx.is_some());
        self.stands.insert(partition, stands);
    }

    pub(crate) fn outcome(&self, tx: Tx) -> TxnOutcome {
        self.settled[tx.index()]
    }

    /// Whether what a producer was told of its transaction is all that there is
    /// to it: without the log, the same would be known.
    pub(crate) fn is_as_told(&self, tx: Tx) -> bool {
        let told = match self.transactions.get(tx).told {
            Told::Committed => Some(TxnOutcome::Committed),
            Told::Aborted => Some(TxnOutcome::Aborted),
            Told::Nothing => None,
        };
        told == Some(self.outcome(tx)) && !self.torn.contains(&tx)
    }

    /// Whether nobody says of any transaction where its records stand.
    pub(crate) fn is_unplaced(&self) -> bool {
        self.stands.values().all(Vec::is_empty)
    }

    /// What became of the transaction in which a record was sent; none where
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
