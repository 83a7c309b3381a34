//! Transactions as their producers tell of them: which records belong to
//! which, what was asked for and what the producer was told. Knows nothing of
//! the log, where alone their outcome is settled, nor of readers.
//!
//! Held: some hundred bytes for each transaction, and a range of sequences for
//! each stretch of records that were sent in one; nothing for each record.

use std::collections::{BTreeMap, HashMap};

use model::event::{Body, Event, Intent, TransactionOutcome};
use model::ids::{Micros, ProducerIx, RecordId, TransactionRef};

/// A transaction, numbered in the order in which a history first names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Tx(u32);

impl Tx {
    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// The outcome that the producer was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReportedOutcome {
    Committed,
    Aborted,
    /// It was fenced, or may or may not have been committed.
    Nothing,
}

/// One transaction, as its producer saw it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transaction {
    pub(crate) reference: TransactionRef,
    pub(crate) begun: Option<Micros>,
    /// When the producer first asked for it to be committed.
    pub(crate) asked: Option<Micros>,
    /// When the producer was told something.
    pub(crate) completed: Option<Micros>,
    pub(crate) told: ReportedOutcome,
}

/// Consecutive records that were sent in one transaction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) tx: Tx,
}

#[derive(Clone, Debug, Default)]
struct Sender {
    open: Option<Tx>,
    /// In the order of sequences; none overlaps another.
    spans: Vec<Span>,
}

/// The transactions of a history.
#[derive(Clone, Debug, Default)]
pub(crate) struct Transactions {
    all: Vec<Transaction>,
    numbers: HashMap<TransactionRef, Tx>,
    senders: BTreeMap<ProducerIx, Sender>,
}

impl Transactions {
    pub(crate) fn observe(&mut self, event: &Event) {
        match &event.body {
            Body::SendInvoked { record, .. } => self.sent(*record),
            Body::TransactionBegun { transaction } => {
                let tx = self.number(*transaction);
                self.all[tx.index()].begun.get_or_insert(event.at);
                self.senders.entry(transaction.producer).or_default().open = Some(tx);
            }
            Body::TransactionEnding {
                transaction,
                intent: Intent::Commit,
            } => {
                let tx = self.number(*transaction);
                self.all[tx.index()].asked.get_or_insert(event.at);
            }
            Body::TransactionEnding { transaction, .. }
            | Body::TransactionJoined { transaction, .. }
            | Body::OffsetSent { transaction, .. } => {
                self.number(*transaction);
            }
            Body::TransactionCompleted {
                transaction,
                outcome,
            } => {
                let tx = self.number(*transaction);
                let known = &mut self.all[tx.index()];
                known.completed.get_or_insert(event.at);
                known.told = match outcome {
                    TransactionOutcome::Committed => ReportedOutcome::Committed,
                    TransactionOutcome::Aborted => ReportedOutcome::Aborted,
                    TransactionOutcome::Fenced | TransactionOutcome::Unknown { .. } => {
                        ReportedOutcome::Nothing
                    }
                };
                let sender = self.senders.entry(transaction.producer).or_default();
                sender.open.take_if(|open| *open == tx);
            }
            _ => {}
        }
    }

    fn number(&mut self, reference: TransactionRef) -> Tx {
        let next = Tx(u32::try_from(self.all.len()).unwrap_or(u32::MAX));
        *self.numbers.entry(reference).or_insert_with(|| {
            self.all.push(Transaction {
                reference,
                begun: None,
                asked: None,
                completed: None,
                told: ReportedOutcome::Nothing,
            });
            next
        })
    }

    fn sent(&mut self, record: RecordId) {
        if self.all.is_empty() {
            return;
        }
        let Some(sender) = self.senders.get_mut(&record.producer) else {
            return;
        };
        let Some(tx) = sender.open else {
            return;
        };
        let at = record.sequence.get();
        let spans = &mut sender.spans;
        let behind = match spans.last() {
            Some(last) if at <= last.last => spans.partition_point(|span| span.first <= at),
            _ => spans.len(),
        };
        if let Some(before) = behind.checked_sub(1).map(|before| &mut spans[before]) {
            if at <= before.last {
                return;
            }
            if before.tx == tx && before.last.checked_add(1) == Some(at) {
                before.last = at;
                return;
            }
        }
        let span = Span {
            first: at,
            last: at,
            tx,
        };
        spans.insert(behind, span);
    }

    /// Whether the history names no transaction.
    pub(crate) const fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (Tx, &Transaction)> {
        (0..).map(Tx).zip(&self.all)
    }

    pub(crate) const fn len(&self) -> usize {
        self.all.len()
    }

    pub(crate) fn get(&self, tx: Tx) -> &Transaction {
        &self.all[tx.index()]
    }

    pub(crate) fn find(&self, reference: TransactionRef) -> Option<Tx> {
        self.numbers.get(&reference).copied()
    }

    /// The transaction in which a record was sent.
    pub(crate) fn of(&self, record: RecordId) -> Option<Tx> {
        if self.all.is_empty() {
            return None;
        }
        let spans = &self.senders.get(&record.producer)?.spans;
        let at = record.sequence.get();
        let before = spans
            .partition_point(|span| span.first <= at)
            .checked_sub(1)?;
        (at <= spans[before].last).then_some(spans[before].tx)
    }

    /// The transaction in which both were sent, where that is one.
    pub(crate) fn of_both(&self, record: RecordId, other: RecordId) -> Option<Tx> {
        let tx = self.of(record)?;
        (self.of(other) == Some(tx)).then_some(tx)
    }

    /// All stretches of records that were sent in transactions.
    pub(crate) fn spans(&self) -> impl Iterator<Item = (ProducerIx, Span)> {
        self.senders
            .iter()
            .flat_map(|(producer, sender)| sender.spans.iter().map(|span| (*producer, *span)))
    }

    /// The transaction that a producer has open.
    pub(crate) fn open(&self, producer: ProducerIx) -> Option<Tx> {
        self.senders.get(&producer)?.open
    }

    /// The stretches of one producer's records that were sent in a
    /// transaction.
    pub(crate) fn spans_of(&self, producer: ProducerIx, tx: Tx) -> impl Iterator<Item = Span> {
        let spans = self.senders.get(&producer).map(|sender| &sender.spans);
        // Asked for while the transaction is being ended, when its stretches
        // are the last ones.
        let spans = spans.into_iter().flatten().rev();
        spans
            .skip_while(move |span| span.tx != tx)
            .take_while(move |span| span.tx == tx)
            .copied()
    }
}

#[cfg(test)]
mod tests {
    use model::event::{Body, Event};
    use model::ids::{Micros, PartitionRef, RecordId, Sequence, TransactionIx, TransactionRef};

    use super::*;

    fn told(bodies: impl IntoIterator<Item = Body>) -> Transactions {
        let mut transactions = Transactions::default();
        for body in bodies {
            let at = Micros::new(1);
            transactions.observe(&Event { at, body });
        }
        transactions
    }

    fn transaction(number: u64) -> TransactionRef {
        TransactionRef {
            producer: ProducerIx::new(0),
            transaction: TransactionIx::new(number),
        }
    }

    fn record(sequence: u64) -> RecordId {
        RecordId {
            producer: ProducerIx::new(0),
            sequence: Sequence::new(sequence),
        }
    }

    fn sent(sequence: u64) -> Body {
        Body::SendInvoked {
            record: record(sequence),
            to: PartitionRef::default(),
        }
    }

    fn begun(number: u64) -> Body {
        Body::TransactionBegun {
            transaction: transaction(number),
        }
    }

    fn completed(number: u64) -> Body {
        Body::TransactionCompleted {
            transaction: transaction(number),
            outcome: TransactionOutcome::Committed,
        }
    }

    fn of(transactions: &Transactions, sequence: u64) -> Option<u64> {
        let tx = transactions.of(record(sequence))?;
        Some(transactions.get(tx).reference.transaction.get())
    }

    #[test]
    fn what_is_sent_between_begin_and_completion_belongs_to_the_transaction() {
        let transactions = told([
            sent(0),
            begun(4),
            sent(1),
            sent(2),
            completed(4),
            sent(3),
            begun(5),
            sent(4),
        ]);
        let all: Vec<_> = (0..6).map(|at| of(&transactions, at)).collect();
        assert_eq!(all, [None, Some(4), Some(4), None, Some(5), None]);
        assert_eq!(transactions.senders[&ProducerIx::new(0)].spans.len(), 2);
    }

    #[test]
    fn sequences_may_come_in_any_order() {
        let transactions = told([
            begun(0),
            sent(7),
            sent(3),
            sent(4),
            completed(0),
            begun(1),
            sent(5),
            sent(3),
            sent(9),
        ]);
        let all: Vec<_> = (2..11).map(|at| of(&transactions, at)).collect();
        let expected = [
            None,
            Some(0),
            Some(0),
            Some(1),
            None,
            Some(0),
            None,
            Some(1),
            None,
        ];
        assert_eq!(all, expected);
    }
}
