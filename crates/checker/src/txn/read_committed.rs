//! What `read_committed` groups were given, and those that rely on the same
//! whatever level they read with, against what became of its transactions.
//! Knows nothing of groups that may be given everything.
//!
//! - *G1a*: a record of an aborted transaction that a member of such a group
//!   processed; once for each group. The abort marker behind it says so; where
//!   none closes it, or where it stands nowhere, what became of its transaction.
//! - *precommitted-read*: a record that a member processed strictly before its
//!   transaction's producer asked for the commit, or whose transaction never
//!   asked for it; once for each group. A transaction that aborted in the end
//!   makes G1a of it instead. Both moments are read from the one monotonic
//!   clock of the machine on which producer and member ran.
//!
//! Held: two bits for each record that such a group was given, and those that
//! came before the sending that tells their transaction, up to
//! [`WAITING_MAX`].

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use model::anomaly::Anomaly;
use model::event::{Body, Content, Event, Isolation};
use model::ids::{GroupIx, Micros, Offset, PartitionRef, ProducerIx, RecordId, Sequence};

use crate::analyzer::{Analyzer, PROCESSED, SENDS};
use crate::context::Context;
use crate::finding::{FindingCollector, Scope, Watch};
use crate::log::Ledger;
use crate::names::Names;
use crate::provenance::Provenance;
use crate::sets::sparse_set::SparseSet;
use crate::txn::outcomes::{TxnOutcome, TxnOutcomes, TxnRange, Visible};
use crate::txn::tracker::{Transactions, Tx};

/// Readings that wait for their transaction to be told, at most.
const WAITING_MAX: usize = 1 << 20;

/// What `read_committed` groups were given.
#[derive(Default)]
pub(crate) struct ReadCommitted {
    any: bool,
    places: BTreeMap<(GroupIx, PartitionRef), SparseSet>,
    records: BTreeMap<(GroupIx, ProducerIx), SparseSet>,
    /// Processed before the commit was asked for.
    early: BTreeMap<(GroupIx, ProducerIx), SparseSet>,
    /// Given out before the commit was asked for, by polls that were taken back.
    glimpsed: BTreeMap<(GroupIx, ProducerIx), SparseSet>,
    /// The highest sequence that each producer has announced.
    announced: BTreeMap<ProducerIx, u64>,
    waiting: BTreeMap<ProducerIx, BTreeMap<(u64, GroupIx), Micros>>,
    held: usize,
    unordered: u64,
}

/// How much there was that a `read_committed` group must not be given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IsolationCoverage {
    /// The `group.id`.
    pub group: String,
    /// Records of committed transactions that it was given.
    pub committed: u64,
    /// Records of aborted transactions that stand below the last offset it
    /// was given of their partition.
    pub aborted_passed: u64,
    /// Readings that came too far ahead of their sending to be held against
    /// it.
    pub unordered: u64,
    /// Whether nothing in its topics was written in a transaction, so that
    /// there is nothing that it must not be given.
    pub is_plain: bool,
}

impl Analyzer for ReadCommitted {
    type Uses<'d> = (&'d Ledger,);
    type Coverage = Vec<IsolationCoverage>;

    const FREQUENT: u8 = SENDS | PROCESSED;

    fn observe(&mut self, event: &Event, context: &Context, _collector: &mut FindingCollector) {
        let Context {
            names,
            provenance,
            transactions,
            ..
        } = context;
        match &event.body {
            Body::IsolationDeclared {
                isolation: Isolation::ReadCommitted,
                ..
            }
            | Body::ReadCommittedRequired { .. } => self.any = true,
            _ if !self.any => {}
            Body::Processed {
                member,
                from,
                offset,
                content,
            } => {
                let group = names.group_of(*member);
                let Some(group) = group.filter(|group| provenance.must_read_committed(*group))
                else {
                    return;
                };
                let places = self.places.entry((group, *from)).or_default();
                places.insert(offset.get());
                if let Content::Ours(record) = content {
                    let records = self.records.entry((group, record.producer)).or_default();
                    records.insert(record.sequence.get().cast_signed());
                    self.given(group, *record, event.at, transactions, provenance);
                }
            }
            // What a poll that was taken back gave out of its own transaction.
            Body::ReadRolledBack {
                member,
                content: Content::Ours(record),
                ..
            } => {
                let group = names.group_of(*member);
                let group = group.filter(|group| provenance.must_read_committed(*group));
                let tx = transactions.of(*record);
                if let Some((group, tx)) = group.zip(tx)
                    && is_early(event.at, tx, transactions) == Some(true)
                {
                    let early = self.glimpsed.entry((group, record.producer)).or_default();
                    early.insert(record.sequence.get().cast_signed());
                }
            }
            Body::SendInvoked { record, .. } => {
                let announced = self.announced.entry(record.producer).or_default();
                *announced = (*announced).max(record.sequence.get() + 1);
                if self.held > 0 && transactions.open(record.producer).is_none() {
                    self.release(record.producer, *record, *record);
                }
            }
            Body::TransactionEnding { transaction, .. }
            | Body::TransactionCompleted { transaction, .. }
                if self.held > 0 =>
            {
                if let Some(tx) = transactions.find(*transaction) {
                    self.settle_waiting(transaction.producer, tx, transactions);
                }
            }
            _ => {}
        }
    }

    /// Finds what the groups must not have been given.
    fn settle(
        &mut self,
        context: &Context,
        (log,): Self::Uses<'_>,
        collector: &mut FindingCollector,
    ) -> Self::Coverage {
        let Context {
            names,
            provenance,
            txn_outcomes,
            ..
        } = context;
        for (producer, waiting) in std::mem::take(&mut self.waiting) {
            for ((sequence, group), at) in waiting {
                let record = RecordId {
                    producer,
                    sequence: Sequence::new(sequence),
                };
                let Some(tx) = txn_outcomes.transactions.of(record) else {
                    continue;
                };
                // What was never asked for by the end was never asked for.
                if is_early(at, tx, &txn_outcomes.transactions) != Some(false) {
                    let early = self.early.entry((group, producer)).or_default();
                    early.insert(sequence.cast_signed());
                }
            }
        }
        self.find_aborted_reads(log, context, collector);
        self.find_early_reads(txn_outcomes, names, collector);
        let groups = names.groups.iter();
        groups
            .filter(|(group, _)| provenance.must_read_committed(**group))
            .map(|(group, declared)| {
                let topics = declared.topics.iter();
                let mut partitions = topics.flat_map(|topic| names.partitions_of(*topic));
                IsolationCoverage {
                    group: declared.name.clone(),
                    unordered: self.unordered,
                    is_plain: partitions.all(|partition| txn_outcomes.stands(partition).is_empty()),
                    ..self.cover(*group, context, log)
                }
            })
            .collect()
    }
}

impl ReadCommitted {
    fn given(
        &mut self,
        group: GroupIx,
        record: RecordId,
        at: Micros,
        transactions: &Transactions,
        provenance: &Provenance,
    ) {
        let producer = record.producer;
        let sequence = record.sequence.get();
        if let Some(tx) = transactions.of(record) {
            match is_early(at, tx, transactions) {
                Some(true) => {
                    let early = self.early.entry((group, producer)).or_default();
                    early.insert(sequence.cast_signed());
                    return;
                }
                Some(false) => return,
                None => {}
            }
        } else {
            let announced = self.announced.get(&producer).copied().unwrap_or(0);
            if sequence < announced || !provenance.announces(producer) {
                return;
            }
        }
        if self.held == WAITING_MAX {
            self.unordered += 1;
            return;
        }
        let waiting = self.waiting.entry(producer).or_default();
        match waiting.entry((sequence, group)) {
            Entry::Vacant(free) => {
                free.insert(at);
                self.held += 1;
            }
            // The earliest reading is the one that counts.
            Entry::Occupied(mut known) => *known.get_mut() = (*known.get()).min(at),
        }
    }

    /// Takes out what waits for records that were sent in no transaction.
    fn release(&mut self, producer: ProducerIx, first: RecordId, last: RecordId) {
        for _ in self.take(producer, first.sequence.get(), last.sequence.get()) {}
    }

    fn take(
        &mut self,
        producer: ProducerIx,
        first: u64,
        last: u64,
    ) -> BTreeMap<(u64, GroupIx), Micros> {
        let Some(waiting) = self.waiting.get_mut(&producer) else {
            return BTreeMap::new();
        };
        let bounds = (first, GroupIx::new(0))..=(last, GroupIx::new(u16::MAX));
        let taken: BTreeMap<_, _> = waiting.extract_if(bounds, |_, _| true).collect();
        self.held -= taken.len();
        taken
    }

    fn settle_waiting(&mut self, producer: ProducerIx, tx: Tx, transactions: &Transactions) {
        // An abort that was asked for does not say that no commit will be.
        let known = transactions.get(tx);
        if known.asked.is_none() && known.completed.is_none() {
            return;
        }
        let spans: Vec<_> = transactions.spans_of(producer, tx).collect();
        for span in spans {
            for ((sequence, group), at) in self.take(producer, span.first, span.last) {
                if is_early(at, tx, transactions) == Some(true) {
                    let early = self.early.entry((group, producer)).or_default();
                    early.insert(sequence.cast_signed());
                }
            }
        }
    }

    /// The transactions of which a group was given a record that reads with
    /// `read_committed` itself: one that only relies on it may be given any.
    pub(crate) fn transactions(
        &self,
        transactions: &Transactions,
        provenance: &Provenance,
    ) -> BTreeSet<Tx> {
        let given = |producer: ProducerIx, first: u64, last: u64| {
            let end = last.cast_signed().saturating_add(1);
            let mut records = self.records.iter();
            records.any(|((group, of), set)| {
                *of == producer
                    && provenance.reads_committed(*group)
                    && set.range(first.cast_signed(), end).next().is_some()
            })
        };
        transactions
            .spans()
            .filter(|(producer, span)| given(*producer, span.first, span.last))
            .map(|(_, span)| span.tx)
            .collect()
    }

    fn find_aborted_reads(
        &self,
        log: &Ledger,
        context: &Context,
        collector: &mut FindingCollector,
    ) {
        let Context {
            names,
            provenance,
            txn_outcomes,
            ..
        } = context;
        // Without a log only readings tell which transaction wrote a record.
        let placed = !provenance.is_imported() && !txn_outcomes.is_unplaced();
        for ((group, partition), given) in self.places.iter().filter(|_| placed) {
            let stands = txn_outcomes.stands(*partition).iter();
            let held = log.partition(*partition);
            let aborted = |stand: &&TxnRange| match stand.visible {
                Visible::Yes => false,
                Visible::Aborted => true,
                // No marker here: another partition's, or the producer, tells.
                Visible::NotYet => stand
                    .tx
                    .is_some_and(|tx| txn_outcomes.outcome(tx) == TxnOutcome::Aborted),
            };
            for stand in stands.filter(aborted) {
                let given = given.range(stand.first, stand.last.saturating_add(1));
                // What was read in a hole between the transaction's records
                // may have been another's, and is gone. Where an offset was
                // used again, only the record's identity tells.
                let tells = |at: &i64| {
                    held.is_some_and(|held| held.has(*at))
                        && !log.past().was_reused(*partition, *at)
                };
                for offset in given.filter(tells) {
                    collector.add(Anomaly::G1a, Scope::Partition(*partition), offset, || {
                        let what = format!(
                            "{}@{offset} was processed by {}, and its transaction was aborted",
                            names.partition(*partition),
                            names.group(*group)
                        );
                        let mut watch = vec![Watch::Position(*partition, Offset::new(offset))];
                        watch.extend(stand.tx.map(|tx| watch_of(tx, txn_outcomes)));
                        (what, watch)
                    });
                }
            }
        }
        // Of what stands nowhere, or where no batch is on record, the rest of
        // the transaction or its producer tells.
        let spans = txn_outcomes.transactions.spans();
        let unmarked =
            spans.filter(|(_, span)| txn_outcomes.outcome(span.tx) == TxnOutcome::Aborted);
        for (producer, span) in unmarked {
            for ((group, of), given) in &self.records {
                if *of != producer {
                    continue;
                }
                let end = span.last.cast_signed().saturating_add(1);
                for sequence in given.range(span.first.cast_signed(), end) {
                    let record = RecordId {
                        producer,
                        sequence: Sequence::new(sequence.cast_unsigned()),
                    };
                    let told = !log.past().is_below(record) || log.holds_twice(record);
                    if placed && log.holds(record) && told {
                        continue;
                    }
                    collector.add_record(Anomaly::G1a, record, || {
                        let what = format!(
                            "{record} was processed by {}, and its transaction was aborted",
                            names.group(*group)
                        );
                        (
                            what,
                            vec![Watch::Record(record), watch_of(span.tx, txn_outcomes)],
                        )
                    });
                }
            }
        }
    }

    fn find_early_reads(
        &self,
        txn_outcomes: &TxnOutcomes,
        names: &Names,
        collector: &mut FindingCollector,
    ) {
        let none = SparseSet::default();
        let keys: BTreeSet<_> = self.early.keys().chain(self.glimpsed.keys()).collect();
        for key in keys {
            let (group, producer) = key;
            let early = self.early.get(key).unwrap_or(&none);
            let glimpsed = self.glimpsed.get(key).unwrap_or(&none);
            let more = glimpsed.range_without(early, i64::MIN, i64::MAX);
            for sequence in early.iter().chain(more) {
                let record = RecordId {
                    producer: *producer,
                    sequence: Sequence::new(sequence.cast_unsigned()),
                };
                let Some(tx) = txn_outcomes.transactions.of(record) else {
                    continue;
                };
                if txn_outcomes.outcome(tx) == TxnOutcome::Aborted && !glimpsed.contains(sequence) {
                    continue;
                }
                collector.add_record(Anomaly::PrecommittedRead, record, || {
                    let asked = txn_outcomes.transactions.get(tx).asked;
                    let why = asked.map_or("never asked for", |_| "asked for later");
                    let what = format!(
                        "{record} was processed by {}, and the commit of its transaction was {why}",
                        names.group(*group)
                    );
                    (
                        what,
                        vec![Watch::Record(record), watch_of(tx, txn_outcomes)],
                    )
                });
            }
        }
    }

    fn cover(&self, group: GroupIx, context: &Context, log: &Ledger) -> IsolationCoverage {
        let txn_outcomes = &context.txn_outcomes;
        let mut coverage = IsolationCoverage::default();
        for ((_, partition), given) in self.places.iter().filter(|((of, _), _)| *of == group) {
            let last = given.last().unwrap_or(i64::MIN);
            let Some(log) = log.partition(*partition) else {
                continue;
            };
            let is_captured = context.names.holds_changes(partition.topic);
            // Without a log two records may be said to stand at one place, which
            // is passed once.
            let mut next = i64::MIN;
            for stand in txn_outcomes.stands(*partition) {
                let end = stand.last.saturating_add(1);
                match stand.visible {
                    // The connector's transactions are known by their markers
                    // alone.
                    Visible::Yes if stand.tx.is_some() || is_captured => {
                        let given = given.range(stand.first, end);
                        coverage.committed += given.filter(|at| log.has(*at)).count() as u64;
                    }
                    Visible::Aborted => {
                        let passed = log.data(stand.first.max(next), end.min(last));
                        let seen = passed.filter(|at| log.saw(*at));
                        coverage.aborted_passed += seen.count() as u64;
                        next = next.max(end);
                    }
                    Visible::Yes | Visible::NotYet => {}
                }
            }
        }
        coverage
    }
}

/// Whether a moment lies before the commit of a transaction was asked for;
/// none while that cannot be told.
fn is_early(at: Micros, tx: Tx, transactions: &Transactions) -> Option<bool> {
    let transaction = transactions.get(tx);
    match (transaction.asked, transaction.completed) {
        (Some(asked), _) => Some(at < asked),
        (None, Some(_)) => Some(true),
        (None, None) => None,
    }
}

fn watch_of(tx: Tx, txn_outcomes: &TxnOutcomes) -> Watch {
    Watch::Transaction(txn_outcomes.transactions.get(tx).reference)
}
