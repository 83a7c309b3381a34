//! Random worlds of transactions: committed, aborted, fenced and unknown ones,
//! one behind the other or interleaved, read by groups of either isolation,
//! with members that come and go, and by a pipeline that reads and commits
//! inside its own. A world knows what is wrong with it by the definitions of
//! the catalogue, from what it really did, not from the history it tells.

mod definitions;
mod imported;
mod readers;
mod recording;

use std::collections::{BTreeMap, BTreeSet};

use model::anomaly::Anomaly;
use model::event::{
    BatchKind, Body, CommitResult, Content, Ending, Event, Intent, Isolation, Outcome,
    TransactionOutcome,
};
use model::ids::{
    BrokerId, GroupIx, MemberIx, Micros, Offset, PartitionRef, RecordId, TransactionRef,
};
use proptest::prelude::*;

use crate::story::{Story, TOPIC, id, part, transaction};
use crate::world::Dice;

/// How large a world is, and how often something is planted in it, in percent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) rounds: usize,
    pub(crate) interleaved: bool,
    pub(crate) planted: usize,
    /// Another tool recorded it, which saw no log.
    pub(crate) imported: bool,
    pub(crate) seed: u64,
}

pub(crate) fn sizes(planted: std::ops::Range<usize>) -> impl Strategy<Value = Size> {
    let imported = prop::bool::weighted(0.3);
    (0usize..120, any::<bool>(), planted, imported, any::<u64>()).prop_map(
        |(rounds, interleaved, planted, imported, seed)| Size {
            rounds,
            interleaved,
            planted,
            imported,
            seed,
        },
    )
}

/// Partitions that the producers write to; the pipeline writes to the next.
const INPUTS: usize = 2;
const OUTPUT: usize = INPUTS;
const PARTITIONS: usize = INPUTS + 1;
/// Two write in transactions, the third does not.
const PRODUCERS: u32 = 3;
const PLAIN: u32 = 2;
const PIPELINE: u32 = 3;
/// Reads uncommitted, committed, and committed inside transactions.
const UNCOMMITTED: usize = 0;
const COMMITTED: usize = 1;
const PIPED: usize = 2;
const GROUPS: usize = 3;

pub(crate) struct World {
    pub(crate) story: Story,
    pub(crate) expected: BTreeMap<Anomaly, u64>,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Open,
    Committed,
    Aborted,
}

#[derive(Clone, Copy)]
struct Cell {
    /// None is a marker, or a record that is gone.
    record: Option<RecordId>,
    tx: Option<usize>,
    marker: Option<(usize, State)>,
}

struct Tx {
    reference: TransactionRef,
    state: State,
    /// What its producer was told, where it was told something.
    told: Option<State>,
    /// When its commit or abort was asked for.
    asked_us: Option<u64>,
    cells: Vec<(usize, usize)>,
}

/// One reading: by whom, what, and in which transaction.
#[derive(Clone, Copy)]
struct Read {
    group: usize,
    log: usize,
    offset: usize,
    inside: Option<usize>,
    at_us: u64,
}

/// From one reading of an assignment to the next.
#[derive(Clone, Copy)]
struct Step {
    group: usize,
    log: usize,
    from: i64,
    to: i64,
    inside: bool,
}

/// A group and the member that reads for it.
struct Reader {
    group: usize,
    member: u32,
    next: [usize; PARTITIONS],
    committed: [usize; PARTITIONS],
    last: [Option<(i64, Option<usize>)>; PARTITIONS],
    source: usize,
}

struct Maker {
    size: Size,
    dice: Dice,
    clock_us: u64,
    sources: Vec<Vec<Event>>,
    logs: Vec<Vec<Cell>>,
    txs: Vec<Tx>,
    open: BTreeMap<u32, usize>,
    sequences: [u64; 4],
    numbers: [u64; 4],
    members: u32,
    reads: Vec<Read>,
    /// Positions that were handed to transactions: to which, of what, which.
    handed: Vec<(usize, usize, usize)>,
    steps: Vec<Step>,
    early: BTreeSet<(usize, RecordId)>,
    zombies: u64,
    seen_beyond: BTreeSet<usize>,
    owners: BTreeMap<RecordId, usize>,
    lost: BTreeSet<RecordId>,
    flipped: BTreeSet<usize>,
    diverged: u64,
}

pub(crate) fn make(size: Size) -> World {
    let mut maker = Maker {
        size,
        dice: Dice(size.seed | 1),
        clock_us: 10,
        sources: vec![Vec::new(); 8],
        logs: vec![Vec::new(); PARTITIONS],
        txs: Vec::new(),
        open: BTreeMap::new(),
        sequences: [0; 4],
        numbers: [0; 4],
        members: 0,
        reads: Vec::new(),
        handed: Vec::new(),
        steps: Vec::new(),
        early: BTreeSet::new(),
        zombies: 0,
        seen_beyond: BTreeSet::new(),
        owners: BTreeMap::new(),
        lost: BTreeSet::new(),
        flipped: BTreeSet::new(),
        diverged: 0,
    };
    let mut readers = [
        maker.reader(UNCOMMITTED, 4),
        maker.reader(COMMITTED, 5),
        maker.reader(PIPED, 3),
    ];
    for _ in 0..size.rounds {
        maker.produce();
        for reader in &mut readers[..PIPED] {
            maker.consume(reader);
        }
        if maker.size.interleaved || maker.open.is_empty() {
            maker.pipe(&mut readers[PIPED]);
        }
    }
    while let Some((producer, _)) = maker.open.clone().into_iter().next() {
        maker.end(producer);
    }
    maker.finish(&readers)
}

fn partition(log: usize) -> PartitionRef {
    part(i32::try_from(log).unwrap())
}

fn offset(of: usize) -> Offset {
    Offset::new(i64::try_from(of).unwrap())
}

fn group_ix(group: usize) -> GroupIx {
    GroupIx::new(u16::try_from(group).unwrap())
}

impl Maker {
    fn say(&mut self, source: usize, body: Body) {
        self.clock_us += 10;
        let at = Micros::new(self.clock_us);
        self.sources[source].push(Event { at, body });
    }

    fn plants(&mut self) -> bool {
        let chance = self.size.planted;
        self.dice.percent(chance)
    }

    fn reader(&mut self, group: usize, source: usize) -> Reader {
        let mut reader = Reader {
            group,
            member: 0,
            next: [0; PARTITIONS],
            committed: [0; PARTITIONS],
            last: [None; PARTITIONS],
            source,
        };
        self.start(&mut reader);
        reader
    }

    fn new_member(&mut self, source: usize, group: usize) -> MemberIx {
        self.members += 1;
        let member = MemberIx::new(self.members);
        let group = group_ix(group);
        self.say(source, Body::MemberStarted { member, group });
        member
    }

    fn start(&mut self, reader: &mut Reader) {
        let member = self.new_member(reader.source, reader.group);
        reader.member = member.get();
        self.assign(reader);
    }

    fn assign(&mut self, reader: &mut Reader) {
        reader.next = reader.committed;
        reader.last = [None; PARTITIONS];
        let assigned = Body::Assigned {
            member: MemberIx::new(reader.member),
            partitions: (0..PARTITIONS).map(partition).collect(),
        };
        self.say(reader.source, assigned);
    }

    // Producers.

    fn produce(&mut self) {
        let producer = match self.open.keys().next() {
            Some(open) if !self.size.interleaved => *open,
            _ => u32::try_from(self.dice.below(PRODUCERS as usize)).unwrap(),
        };
        if producer != PLAIN && !self.open.contains_key(&producer) {
            self.begin(producer);
        }
        let mut held: Option<usize> = None;
        for _ in 0..self.dice.below(4) {
            let log = self.dice.below(INPUTS);
            let swap = producer != PLAIN && held.is_none() && self.plants();
            let at = self.send(producer, log);
            if swap && at > 0 {
                held = Some(at);
                self.swap_with_before(log, at);
            }
        }
        if producer != PLAIN && self.dice.percent(60) {
            self.end(producer);
        }
    }

    fn begin(&mut self, producer: u32) {
        let number = &mut self.numbers[producer as usize];
        let reference = transaction(producer, *number);
        *number += 1;
        self.open.insert(producer, self.txs.len());
        self.txs.push(Tx {
            reference,
            state: State::Open,
            told: None,
            asked_us: None,
            cells: Vec::new(),
        });
        let begun = Body::TransactionBegun {
            transaction: reference,
        };
        self.say(producer as usize, begun);
    }

    /// Sends a record, and says where it stands.
    fn send(&mut self, producer: u32, log: usize) -> usize {
        let sequence = &mut self.sequences[producer as usize];
        let record = id(producer, *sequence);
        *sequence += 1;
        let to = partition(log);
        self.say(producer as usize, Body::SendInvoked { record, to });
        let tx = self.open.get(&producer).copied();
        let at = self.logs[log].len();
        self.logs[log].push(Cell {
            record: Some(record),
            tx,
            marker: None,
        });
        if let Some(tx) = tx {
            self.owners.insert(record, tx);
            self.txs[tx].cells.push((log, at));
        }
        at
    }

    /// A record changes places with the one before it, where both are of one
    /// transaction and stand in the order in which they were sent.
    fn swap_with_before(&mut self, log: usize, at: usize) {
        let (before, this) = (self.logs[log][at - 1], self.logs[log][at]);
        let in_order = at >= 1
            && before.tx == this.tx
            && before.record.is_some()
            && before.record.unwrap() < this.record.unwrap()
            && !self.reads.iter().any(|read| read.log == log && read.offset >= at - 1)
            // A third one would be out of order with both.
            && (at == 1 || self.logs[log][at - 2].tx != this.tx
                || self.logs[log][at - 2].record.is_none_or(|third| third < before.record.unwrap()));
        if in_order {
            self.logs[log].swap(at - 1, at);
        }
    }

    fn acknowledge(&mut self, tx: usize) {
        let producer = self.txs[tx].reference.producer.get() as usize;
        for (log, at) in self.txs[tx].cells.clone() {
            let record = self.logs[log][at].record.unwrap();
            let (at, offset) = (partition(log), offset(at));
            let outcome = Outcome::Acknowledged { at, offset };
            self.say(producer, Body::SendCompleted { record, outcome });
        }
    }

    fn end(&mut self, producer: u32) {
        let tx = self.open[&producer];
        self.acknowledge(tx);
        if self.plants() {
            self.read_early(tx);
        }
        // What becomes of a transaction without records is only told.
        if !self.txs[tx].cells.is_empty() && self.plants() {
            self.read_inside(tx);
        }
        let outcome = self.dice.below(100);
        let (asked, state, outcome) = match outcome {
            ..60 => (
                Some(Intent::Commit),
                State::Committed,
                TransactionOutcome::Committed,
            ),
            60..80 => (
                Some(Intent::Abort),
                State::Aborted,
                TransactionOutcome::Aborted,
            ),
            80..86 => (None, State::Aborted, TransactionOutcome::Fenced),
            86..92 => (
                Some(Intent::Commit),
                State::Aborted,
                TransactionOutcome::Fenced,
            ),
            _ => {
                let error = "timed out".to_owned();
                let outcome = TransactionOutcome::Unknown { error };
                (Some(Intent::Commit), State::Committed, outcome)
            }
        };
        self.close(producer, asked, state, outcome);
    }

    fn close(
        &mut self,
        producer: u32,
        asked: Option<Intent>,
        state: State,
        outcome: TransactionOutcome,
    ) {
        let tx = self.open.remove(&producer).unwrap();
        let transaction = self.txs[tx].reference;
        let mut state = state;
        if self.txs[tx].cells.is_empty() {
            // No marker tells of it: only what was told counts.
            state = match outcome {
                TransactionOutcome::Committed => State::Committed,
                _ => State::Aborted,
            };
        }
        self.txs[tx].told = match outcome {
            TransactionOutcome::Committed => Some(State::Committed),
            TransactionOutcome::Aborted => Some(State::Aborted),
            _ => None,
        };
        if let Some(intent) = asked {
            self.txs[tx].asked_us = Some(self.clock_us + 10);
            self.say(
                producer as usize,
                Body::TransactionEnding {
                    transaction,
                    intent,
                },
            );
        }
        self.txs[tx].state = state;
        let logs: BTreeSet<usize> = self.txs[tx].cells.iter().map(|(log, _)| *log).collect();
        for log in logs {
            self.logs[log].push(Cell {
                record: None,
                tx: None,
                marker: Some((tx, state)),
            });
        }
        self.say(
            producer as usize,
            Body::TransactionCompleted {
                transaction,
                outcome,
            },
        );
    }

    // Readers.

    /// Records are lost, and markers turned.
    fn spoil(&mut self) {
        for tx in 0..self.txs.len() {
            if self.txs[tx].state != State::Committed || self.txs[tx].cells.is_empty() {
                continue;
            }
            let cells = self.txs[tx].cells.clone();
            let logs: BTreeSet<usize> = cells.iter().map(|(log, _)| *log).collect();
            if logs.len() > 1 && self.plants() {
                let log = *logs.first().unwrap();
                let marker = self.logs[log]
                    .iter_mut()
                    .find_map(|cell| cell.marker.as_mut().filter(|(of, _)| *of == tx));
                marker.unwrap().1 = State::Aborted;
                self.flipped.insert(tx);
            } else if self.plants() {
                let (log, at) = cells[self.dice.below(cells.len())];
                // The part of the transaction stays known by another record.
                let known = cells.iter().filter(|(of, _)| *of == log).count() > 1;
                let mut inside = self.reads.iter().filter(|read| read.inside.is_some());
                if known && !inside.any(|read| (read.log, read.offset) == (log, at)) {
                    let gone = self.logs[log][at].record.take();
                    self.lost.extend(gone);
                }
            }
        }
    }

    // The truth.
}
