//! The outcome of each transaction, settled against the log. Knows nothing of
//! what is wrong with it.
//!
//! The markers in the log decide; where there are none, what the producer was
//! told. Where it was told nothing, and had asked for the commit, the outcome is
//! unknown; where it never had, it cannot have been committed, and a log that was
//! read and holds nothing of it says that nothing of it will be visible. A history
//! that another tool recorded has no markers: there a transaction of unknown
//! outcome has committed when a `read_committed` reader was given one of its
//! records.

use std::collections::BTreeSet;

use model::ids::{Offset, PartitionRef, RecordId};

use crate::log::Ledger;
use crate::provenance::Provenance;
use crate::txn::markers::{Mark, Markers};
use crate::txn::outcomes::{TxnOutcome, TxnOutcomes, TxnRange, Visible};
use crate::txn::tracker::{ReportedOutcome, Transactions, Tx};

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
                ReportedOutcome::Committed => TxnOutcome::Committed,
                ReportedOutcome::Aborted => TxnOutcome::Aborted,
                ReportedOutcome::Nothing if provenance.is_imported() && was_given(tx) => {
                    TxnOutcome::Committed
                }
                ReportedOutcome::Nothing
                    if all_read && transaction.asked.is_none() && !open.contains(&tx) =>
                {
                    TxnOutcome::Aborted
                }
                ReportedOutcome::Nothing => TxnOutcome::Unknown,
            });
            if committed.contains(&tx) && (aborted.contains(&tx) || open.contains(&tx)) {
                torn.insert(tx);
            }
            if told == ReportedOutcome::Committed
                && aborted.contains(&tx)
                && !committed.contains(&tx)
            {
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
        assert!(
            settled.settled.len() == settled.transactions.len(),
            "a transaction has no outcome, or two"
        );
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
            // What was not seen closed may have been aborted, behind the end of
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
}
