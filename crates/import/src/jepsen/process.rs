//! One process of Jepsen's: a producer and a member of the group, with its open operation.
//! Knows nothing of how operations are written or converted.

use std::collections::{BTreeMap, BTreeSet};

use model::ids::{
    MemberIx, Micros, Offset, ProducerIx, RecordId, Sequence, TransactionIx, TransactionRef,
};

use super::error::JepsenFlaw;
use super::identities::Partition;
use super::operation::Kind;

/// A process, until it crashes.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) producer: ProducerIx,
    pub(super) member: MemberIx,
    pub(super) open: Option<Open>,
    sends: u64,
    transactions: u64,
    /// How many operations have read.
    readings: u64,
    positions: BTreeMap<Partition, Position>,
    /// The partitions that it has sent to, as far as their order counts.
    sent_to: BTreeSet<Partition>,
    /// The partitions that the operation has read from so far.
    touched: Vec<Partition>,
}

/// An operation that was invoked and has not completed.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) kind: Kind,
    pub(super) line: u64,
    pub(super) at: Micros,
    pub(super) transaction: TransactionRef,
    pub(super) micros: Vec<Invoked>,
}

impl Open {
    /// Whether the record is one of those that it sends: they are the last
    /// ones of their producer.
    pub(super) fn sends(&self, record: RecordId) -> bool {
        let first = self.micros.iter().find_map(|micro| match micro {
            Invoked::Send(first, _) => Some(*first),
            Invoked::Poll => None,
        });
        first.is_some_and(|first| {
            first.producer == record.producer && first.sequence <= record.sequence
        })
    }

    /// The flaw of a completion that is not of this operation.
    pub(super) fn mismatch(&self, how: &'static str) -> JepsenFlaw {
        JepsenFlaw::Mismatch {
            line: self.line,
            how,
        }
    }
}

/// A part of an operation as it was invoked.
#[derive(Clone, Copy, Debug)]
pub(super) enum Invoked {
    Send(RecordId, Partition),
    Poll,
}

/// Where a process is in a partition.
#[derive(Clone, Copy, Debug)]
struct Position {
    /// The last offset read by the last operation that succeeded.
    settled: Option<Offset>,
    /// The last offset read.
    latest: Offset,
    /// The reading that read it.
    reading: u64,
}

/// The order to expect of the next offset read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing went before it.
    First,
    /// It follows one of an earlier operation.
    FromBefore,
    /// It follows one of the same operation.
    Within,
}

impl Process {
    pub(super) fn new(number: u32) -> Self {
        Self {
            producer: ProducerIx::new(number),
            member: MemberIx::new(number),
            open: None,
            sends: 0,
            transactions: 0,
            readings: 0,
            positions: BTreeMap::new(),
            sent_to: BTreeSet::new(),
            touched: Vec::new(),
        }
    }

    /// The next record it sends.
    pub(super) fn next_record(&mut self) -> RecordId {
        let sequence = Sequence::new(self.sends);
        self.sends += 1;
        RecordId {
            producer: self.producer,
            sequence,
        }
    }

    /// The next transaction it begins.
    pub(super) fn next_transaction(&mut self) -> TransactionRef {
        let transaction = TransactionIx::new(self.transactions);
        self.transactions += 1;
        TransactionRef {
            producer: self.producer,
            transaction,
        }
    }

    /// Notes that a record was read.
    pub(super) fn reads(&mut self, partition: Partition, offset: Offset) -> Step {
        let reading = self.readings;
        let Some(position) = self.positions.get_mut(&partition) else {
            let position = Position {
                settled: None,
                latest: offset,
                reading,
            };
            self.positions.insert(partition, position);
            self.touched.push(partition);
            return Step::First;
        };
        position.latest = offset;
        if position.reading == reading {
            return Step::Within;
        }
        position.reading = reading;
        self.touched.push(partition);
        match position.settled {
            Some(_) => Step::FromBefore,
            None => Step::First,
        }
    }

    /// An operation has ended well: its reads count.
    pub(super) fn settle(&mut self) {
        self.readings += 1;
        for partition in self.touched.drain(..) {
            if let Some(position) = self.positions.get_mut(&partition) {
                position.settled = Some(position.latest);
            }
        }
    }

    /// An operation has not ended well: for each partition that it read from, the position
    /// of the last good one.
    pub(super) fn rewind(&mut self) -> Vec<(Partition, Option<Offset>)> {
        self.readings += 1;
        let positions = &self.positions;
        let settled = |partition| {
            positions
                .get(&partition)
                .and_then(|position| position.settled)
        };
        let touched = self.touched.drain(..);
        touched
            .map(|partition| (partition, settled(partition)))
            .collect()
    }

    /// Notes that it sends to a partition.
    pub(super) fn sends_to(&mut self, partition: Partition) {
        self.sent_to.insert(partition);
    }

    /// Forgets where it was in partitions that are not among these, and tells in
    /// which of them that was known.
    pub(super) fn forget_others(&mut self, kept: &BTreeSet<Partition>) -> Vec<Partition> {
        let gone = self
            .positions
            .extract_if(.., |partition, _| !kept.contains(partition));
        let known = gone.filter(|(_, position)| position.settled.is_some());
        known.map(|(partition, _)| partition).collect()
    }

    /// Forgets the order of what it sent to partitions that are not among these,
    /// and tells which those are.
    pub(super) fn forget_order(&mut self, kept: &BTreeSet<Partition>) -> Vec<Partition> {
        let gone = self
            .sent_to
            .extract_if(.., |partition| !kept.contains(partition));
        gone.collect()
    }

    /// The last offset that it read of a partition, by an operation that ended well.
    pub(super) fn settled(&self, partition: Partition) -> Option<Offset> {
        self.positions.get(&partition)?.settled
    }
}
