//! Whether the records of a transaction belong together in the log as well:
//! visible as a whole, and side by side. Knows nothing of readers.
//!
//! - *torn-transaction*: a committed transaction of which something is visible
//!   and something never will be: others of its records stand in front of an
//!   abort marker (in another partition, or because they came late), or of none
//!   up to the pinned end; or one of its acknowledged records is lost. The
//!   transaction counts once, however many records it misses; a lost record is a
//!   *lost-write* besides.
//! - *int-send-skip*: in a partition, others' data stand between two stretches
//!   of one committed transaction; each such step counts. Kafka promises
//!   nothing else.

use std::collections::{BTreeSet, HashMap};

use model::anomaly::Anomaly;
use model::ids::{Offset, RecordId, Sequence};

use crate::analyzer::Analyzer;
use crate::context::Context;
use crate::finding::{FindingCollector, Scope, Watch};
use crate::log::Ledger;
use crate::names::Names;
use crate::provenance::Provenance;
use crate::txn::outcomes::{TxnOutcome, TxnOutcomes, Visible};
use crate::txn::tracker::Tx;

/// How many transactions could have become visible in part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TransactionCoverage {
    /// Committed.
    pub committed: u64,
    /// Of these, with two records or more.
    pub committed_of_many: u64,
    /// Aborted.
    pub aborted: u64,
    /// Of unknown outcome.
    pub unknown: u64,
    /// That no marker had closed in some partition when it was pinned.
    pub open: u64,
    /// Committed as the producer was told, and aborted as the log says.
    pub disowned: u64,
}

/// Looks for transactions that are not whole.
#[derive(Default)]
pub(crate) struct Atomicity;

impl Analyzer for Atomicity {
    type Uses<'d> = (&'d Ledger,);
    type Coverage = TransactionCoverage;

    fn settle(
        &mut self,
        context: &Context,
        (log,): Self::Uses<'_>,
        collector: &mut FindingCollector,
    ) -> TransactionCoverage {
        let lost = &log.lost().of_transactions;
        let coverage = find_torn(
            &context.txn_outcomes,
            lost,
            log,
            &context.provenance,
            collector,
        );
        find_interrupted(&context.txn_outcomes, log, &context.names, collector);
        coverage
    }
}

/// Finds transactions that are not whole. `lost` are the acknowledged records
/// that are not there.
fn find_torn(
    txn_outcomes: &TxnOutcomes,
    lost: &[RecordId],
    log: &Ledger,
    provenance: &Provenance,
    collector: &mut FindingCollector,
) -> TransactionCoverage {
    let mut visible = BTreeSet::new();
    let mut open = BTreeSet::new();
    for stand in txn_outcomes
        .partitions()
        .flat_map(|of| txn_outcomes.stands(of))
    {
        match stand.visible {
            Visible::Yes => visible.extend(stand.tx),
            // No marker is on record where no observer read the log.
            Visible::NotYet if !provenance.is_imported() => open.extend(stand.tx),
            Visible::NotYet | Visible::Aborted => {}
        }
    }
    let mut maimed: HashMap<Tx, RecordId> = HashMap::new();
    for record in lost {
        let tx = txn_outcomes.transactions.of(*record);
        if let Some(tx) = tx
            .filter(|tx| txn_outcomes.outcome(*tx) == TxnOutcome::Committed && visible.contains(tx))
        {
            maimed.entry(tx).or_insert(*record);
        }
    }
    if provenance.is_imported() {
        // What was only acknowledged has a place, too, and was not seen.
        let mut given = BTreeSet::new();
        for (producer, span) in txn_outcomes.transactions.spans() {
            let mut sequences = (span.first..=span.last).map(Sequence::new);
            let is_given = |sequence| log.holds(RecordId { producer, sequence });
            if maimed.contains_key(&span.tx) && sequences.any(is_given) {
                given.insert(span.tx);
            }
        }
        maimed.retain(|tx, _| given.contains(tx));
    }
    let mut torn: HashMap<Tx, Option<RecordId>> =
        txn_outcomes.torn.iter().map(|tx| (*tx, None)).collect();
    for (tx, record) in maimed {
        torn.entry(tx).or_insert(Some(record));
    }
    let mut torn: Vec<(Tx, Option<RecordId>)> = torn.into_iter().collect();
    torn.sort_unstable();
    for (tx, missing) in torn {
        let reference = txn_outcomes.transactions.get(tx).reference;
        collector.add_transaction(Anomaly::TornTransaction, reference, || {
            let why = match missing {
                Some(record) => format!("{record} is lost, others of its records are visible"),
                None => "committed in one partition, aborted or never closed in another".to_owned(),
            };
            let mut watch = vec![Watch::Transaction(reference)];
            watch.extend(missing.map(Watch::Record));
            watch.extend(first_places(tx, txn_outcomes));
            (format!("{reference}: {why}"), watch)
        });
    }
    cover(txn_outcomes, &open)
}

/// Where a transaction's stretches begin in some of its partitions.
fn first_places(tx: Tx, txn_outcomes: &TxnOutcomes) -> impl Iterator<Item = Watch> + '_ {
    let begins = txn_outcomes.partitions().filter_map(move |partition| {
        let mut stands = txn_outcomes.stands(partition).iter();
        let stand = stands.find(|stand| stand.tx == Some(tx))?;
        Some(Watch::Position(partition, Offset::new(stand.first)))
    });
    begins.take(8)
}

fn cover(txn_outcomes: &TxnOutcomes, open: &BTreeSet<Tx>) -> TransactionCoverage {
    let mut records: HashMap<Tx, u64> = HashMap::new();
    for (_, span) in txn_outcomes.transactions.spans() {
        let count = (span.last - span.first).saturating_add(1);
        let of = records.entry(span.tx).or_default();
        *of = of.saturating_add(count);
    }
    let mut coverage = TransactionCoverage {
        open: open.len() as u64,
        disowned: txn_outcomes.disowned.len() as u64,
        ..TransactionCoverage::default()
    };
    for (tx, _) in txn_outcomes.transactions.all() {
        match txn_outcomes.outcome(tx) {
            TxnOutcome::Committed => {
                coverage.committed += 1;
                let many = records.get(&tx).is_some_and(|records| *records > 1);
                coverage.committed_of_many += u64::from(many);
            }
            TxnOutcome::Aborted => coverage.aborted += 1,
            TxnOutcome::Unknown => coverage.unknown += 1,
        }
    }
    coverage
}

/// Finds committed transactions whose records others' records interrupt.
fn find_interrupted(
    txn_outcomes: &TxnOutcomes,
    log: &Ledger,
    names: &Names,
    collector: &mut FindingCollector,
) {
    for partition in txn_outcomes.partitions() {
        let Some(log) = log.partition(partition) else {
            continue;
        };
        let mut ended: HashMap<Tx, i64> = HashMap::new();
        for stand in txn_outcomes.stands(partition) {
            let Some(tx) = stand.tx.filter(|_| stand.visible == Visible::Yes) else {
                continue;
            };
            let Some(before) = ended.insert(tx, stand.last) else {
                continue;
            };
            if log
                .data(before.saturating_add(1), stand.first)
                .next()
                .is_none()
            {
                continue;
            }
            collector.add(Anomaly::IntSendSkip, Scope::Partition(partition), stand.first, || {
                let reference = txn_outcomes.transactions.get(tx).reference;
                let what = format!(
                    "{}: {reference} goes on at {} behind {before}, with others' records between",
                    names.partition(partition),
                    stand.first
                );
                let watch = [before, stand.first]
                    .map(|offset| Watch::Position(partition, Offset::new(offset)));
                (what, watch.to_vec())
            });
        }
    }
}
