//! One process of Jepsen's: a producer and a member of the group, with what it
//! is in the middle of. Knows nothing of how operations are written, or told.

use std::collections::BTreeMap;

use model::ids::{MemberIx, Offset, ProducerIx, RecordId, Sequence, TransactionIx, TransactionRef};

use super::identities::Partition;
use super::operation::Kind;

/// A process, until it crashes.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) producer: ProducerIx,
    pub(super) member: MemberIx,
    pub(super) following: Following,
    pub(super) open: Option<Open>,
    sends: u64,
    transactions: u64,
    /// How many operations have read.
    readings: u64,
    positions: BTreeMap<Partition, Position>,
    /// The partitions that the operation has read from so far.
    touched: Vec<Partition>,
}

/// How a process got its partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Following {
    /// They stay until it asks for others.
    Assigned,
    /// The group gives and takes them between any two operations.
    Subscribed,
}

/// An operation that was invoked and has not completed.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) kind: Kind,
    pub(super) line: u64,
    pub(super) transaction: Option<TransactionRef>,
    pub(super) micros: Vec<Invoked>,
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
    /// What the last operation that succeeded read last.
    settled: Option<Offset>,
    /// What was read last.
    latest: Offset,
    /// The reading that read it.
    reading: u64,
}

/// What may be expected of the offset that is read next.
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
            following: Following::Assigned,
            open: None,
            sends: 0,
            transactions: 0,
            readings: 0,
            positions: BTreeMap::new(),
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

    /// An operation has not ended well: for each partition that it read from,
    /// what the last good one had read.
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

    /// Forgets where it was, and tells in which partitions that was known.
    pub(super) fn forget(&mut self) -> Vec<Partition> {
        let positions = std::mem::take(&mut self.positions);
        let known = positions
            .into_iter()
            .filter(|(_, position)| position.settled.is_some());
        known.map(|(partition, _)| partition).collect()
    }
}
