//! Random worlds of transactions: committed, aborted, fenced and unknown ones,
//! one behind the other or interleaved, read by groups of either isolation,
//! with members that come and go, and by a pipeline that reads and commits
//! inside its own. A world knows what is wrong with it by the definitions of
//! the catalogue, from what it really did, not from the history it tells.

mod imported;

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

    fn is_given(&self, group: usize, cell: Cell) -> bool {
        cell.record.is_some()
            && (group == UNCOMMITTED
                || cell
                    .tx
                    .is_none_or(|tx| self.txs[tx].state == State::Committed))
    }

    /// The first offset of an open transaction, or the end.
    fn readable(&self, group: usize, log: usize) -> usize {
        let cells = &self.logs[log];
        let open = cells.iter().position(|cell| {
            group != UNCOMMITTED && cell.tx.is_some_and(|tx| self.txs[tx].state == State::Open)
        });
        open.unwrap_or(cells.len())
    }

    fn process(&mut self, source: usize, member: u32, read: Read) {
        let record = self.logs[read.log][read.offset].record.unwrap();
        let at_us = self.clock_us + 10;
        self.reads.push(Read { at_us, ..read });
        let processed = Body::Processed {
            member: MemberIx::new(member),
            from: partition(read.log),
            offset: offset(read.offset),
            content: Content::Ours(record),
        };
        self.say(source, processed);
    }

    fn step(&mut self, reader: &mut Reader, log: usize, at: usize, inside: Option<usize>) {
        let now = i64::try_from(at).unwrap();
        if let Some((from, with)) = reader.last[log].replace((now, inside)) {
            self.steps.push(Step {
                group: reader.group,
                log,
                from,
                to: now,
                inside: inside.is_some() && with == inside,
            });
        }
        let read = Read {
            group: reader.group,
            log,
            offset: at,
            inside,
            at_us: 0,
        };
        self.process(reader.source, reader.member, read);
    }

    /// Reads on in one partition; swaps two readings, or passes one over, where
    /// that is planted.
    fn read_on(&mut self, reader: &mut Reader, log: usize, inside: Option<usize>) {
        let end = self.readable(reader.group, log);
        let count = 1 + self.dice.below(4);
        let mut ahead: Vec<usize> = (reader.next[log]..end)
            .filter(|at| self.is_given(reader.group, self.logs[log][*at]))
            .take(count)
            .collect();
        let Some(last) = ahead.last().copied() else {
            return;
        };
        if ahead.len() > 1 && self.plants() {
            ahead.swap(0, 1);
        }
        if self.plants() {
            ahead.remove(0);
        }
        for at in ahead {
            self.step(reader, log, at, inside);
        }
        reader.next[log] = last + 1;
    }

    fn consume(&mut self, reader: &mut Reader) {
        let log = self.dice.below(INPUTS);
        self.read_on(reader, log, None);
        if self.plants() {
            self.go_on_as_a_zombie(reader);
        }
        if self.plants() && reader.group == COMMITTED {
            self.read_aborted(reader);
        }
        match self.dice.below(12) {
            0..4 => self.commit(reader),
            4 => {
                self.commit(reader);
                let taken = Body::Revoked {
                    member: MemberIx::new(reader.member),
                    partitions: (0..PARTITIONS).map(partition).collect(),
                };
                self.say(reader.source, taken);
                self.assign(reader);
            }
            5 => {
                let (member, how) = (MemberIx::new(reader.member), Ending::Killed);
                self.say(reader.source, Body::MemberEnded { member, how });
                self.start(reader);
            }
            _ => {}
        }
    }

    fn commit(&mut self, reader: &mut Reader) {
        for log in 0..PARTITIONS {
            if reader.committed[log] != reader.next[log] {
                reader.committed[log] = reader.next[log];
                let committed = Body::Committed {
                    member: MemberIx::new(reader.member),
                    partition: partition(log),
                    offset: offset(reader.next[log]),
                    result: CommitResult::Accepted,
                };
                self.say(reader.source, committed);
            }
        }
    }

    /// One transaction of the pipeline.
    fn pipe(&mut self, reader: &mut Reader) {
        self.begin(PIPELINE);
        let tx = self.open[&PIPELINE];
        let transaction = self.txs[tx].reference;
        let member = MemberIx::new(reader.member);
        let joined = Body::TransactionJoined {
            transaction,
            member,
        };
        self.say(reader.source, joined);
        for log in 0..INPUTS {
            self.read_on(reader, log, Some(tx));
        }
        for _ in 0..=self.dice.below(2) {
            self.send(PIPELINE, OUTPUT);
        }
        self.acknowledge(tx);
        for log in 0..INPUTS {
            self.handed.push((tx, log, reader.next[log]));
            let handed = Body::OffsetSent {
                transaction,
                group: group_ix(PIPED),
                partition: partition(log),
                offset: offset(reader.next[log]),
            };
            self.say(reader.source, handed);
        }
        let committed = self.dice.percent(70);
        let (state, outcome) = match (committed, self.dice.percent(70)) {
            (true, true) => (State::Committed, TransactionOutcome::Committed),
            (false, true) => (State::Aborted, TransactionOutcome::Aborted),
            (_, false) => {
                let error = "timed out".to_owned();
                let state = if committed {
                    State::Committed
                } else {
                    State::Aborted
                };
                (state, TransactionOutcome::Unknown { error })
            }
        };
        let intent = match outcome {
            TransactionOutcome::Aborted => Intent::Abort,
            _ => Intent::Commit,
        };
        let told = outcome == TransactionOutcome::Committed;
        self.close(PIPELINE, Some(intent), state, outcome);
        if state == State::Committed {
            reader.committed = reader.next;
        }
        if !told {
            // What was read is read again from the committed position, which
            // the member looks up.
            reader.next = reader.committed;
            for log in 0..INPUTS {
                if reader.last[log].is_some() {
                    let next = reader.next[log];
                    reader.last[log] = Some((i64::try_from(next).unwrap() - 1, None));
                    let set = Body::Repositioned {
                        member,
                        partition: partition(log),
                        next: Some(offset(next)),
                    };
                    self.say(reader.source, set);
                }
            }
        }
    }

    // What is planted.

    fn some_cell(&mut self, wanted: impl Fn(&Self, Cell) -> bool) -> Option<(usize, usize)> {
        let cells: Vec<(usize, usize)> = (0..INPUTS)
            .flat_map(|log| (0..self.logs[log].len()).map(move |at| (log, at)))
            .filter(|(log, at)| wanted(self, self.logs[*log][*at]))
            .collect();
        (!cells.is_empty()).then(|| cells[self.dice.below(cells.len())])
    }

    /// A member of its own processes a record before its commit is asked for.
    fn read_early(&mut self, tx: usize) {
        let cell = self.some_cell(|_, cell| cell.tx == Some(tx) && cell.record.is_some());
        let Some((log, at)) = cell else {
            return;
        };
        let member = self.new_member(6, COMMITTED);
        self.early
            .insert((COMMITTED, self.logs[log][at].record.unwrap()));
        let read = Read {
            group: COMMITTED,
            log,
            offset: at,
            inside: None,
            at_us: 0,
        };
        self.process(6, member.get(), read);
    }

    /// A member of its own reads some committed record for a transaction.
    fn read_inside(&mut self, tx: usize) {
        let cell = self.some_cell(|maker, cell| {
            let committed = |tx: usize| maker.txs[tx].state == State::Committed;
            cell.record.is_some() && cell.tx.is_some_and(committed)
        });
        let Some((log, at)) = cell else {
            return;
        };
        let reference = self.txs[tx].reference;
        let source = reference.producer.get() as usize;
        let member = self.new_member(source, UNCOMMITTED);
        let joined = Body::TransactionJoined {
            transaction: reference,
            member,
        };
        self.say(source, joined);
        let read = Read {
            group: UNCOMMITTED,
            log,
            offset: at,
            inside: Some(tx),
            at_us: 0,
        };
        self.process(source, member.get(), read);
    }

    fn read_aborted(&mut self, reader: &Reader) {
        let cell = self.some_cell(|maker, cell| {
            cell.record.is_some()
                && cell
                    .tx
                    .is_some_and(|tx| maker.txs[tx].state == State::Aborted)
        });
        if let Some((log, at)) = cell {
            let member = self.new_member(6, reader.group);
            let read = Read {
                group: reader.group,
                log,
                offset: at,
                inside: None,
                at_us: 0,
            };
            self.process(6, member.get(), read);
        }
    }

    /// A member of its own is given a partition, loses it, and goes on.
    fn go_on_as_a_zombie(&mut self, reader: &Reader) {
        let group = reader.group;
        // Nothing of an open transaction: it would be read too early besides.
        let cell = self.some_cell(|maker, cell| {
            let open = |tx: usize| maker.txs[tx].state == State::Open;
            maker.is_given(group, cell) && !cell.tx.is_some_and(open)
        });
        let Some((log, at)) = cell else {
            return;
        };
        let member = self.new_member(6, group);
        let partitions = vec![partition(log)];
        let given = Body::Assigned {
            member,
            partitions: partitions.clone(),
        };
        self.say(6, given);
        self.say(6, Body::Revoked { member, partitions });
        self.zombies += 1;
        let read = Read {
            group,
            log,
            offset: at,
            inside: None,
            at_us: 0,
        };
        self.process(6, member.get(), read);
    }

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

    fn finish(mut self, readers: &[Reader; GROUPS]) -> World {
        let mut seen = Vec::new();
        for reader in readers {
            for log in 0..INPUTS {
                seen.push(Body::GroupOffset {
                    group: group_ix(reader.group),
                    partition: partition(log),
                    offset: Some(offset(reader.committed[log])),
                });
            }
        }
        self.plain_acknowledgements();
        if self.size.imported {
            let expected = imported::expect(&self, readers);
            return World {
                story: Story {
                    now_us: self.clock_us,
                    events: self.interleave(),
                },
                expected,
            };
        }
        self.spoil();
        self.say(7, Body::TrafficEnded);
        for log in 0..PARTITIONS {
            if self.plants() {
                self.seen_beyond.insert(log);
                let end = offset(self.logs[log].len() + 1);
                let partition = partition(log);
                self.say(7, Body::TailSeen { partition, end });
            }
            self.tell_log(log);
            self.tell_replicas(log);
        }
        for body in seen {
            self.say(7, body);
        }
        self.say(7, Body::Completed);
        let expected = self.expect(readers);
        World {
            story: Story {
                now_us: self.clock_us,
                events: self.interleave(),
            },
            expected,
        }
    }

    fn plain_acknowledgements(&mut self) {
        for log in 0..INPUTS {
            for at in 0..self.logs[log].len() {
                let Cell { record, tx, .. } = self.logs[log][at];
                if let (Some(record), None) = (record, tx) {
                    let (at, offset) = (partition(log), offset(at));
                    let outcome = Outcome::Acknowledged { at, offset };
                    self.say(PLAIN as usize, Body::SendCompleted { record, outcome });
                }
            }
        }
    }

    fn tell_log(&mut self, log: usize) {
        let at = partition(log);
        let pinned = Body::Pinned {
            partition: at,
            log_start: Offset::new(0),
            end: offset(self.logs[log].len()),
        };
        self.say(7, pinned);
        for (place, cell) in self.logs[log].clone().into_iter().enumerate() {
            let producer = |tx: usize| 100 + i64::from(self.txs[tx].reference.producer.get());
            let (producer_id, kind) = match (cell.tx, cell.marker) {
                (_, Some((tx, State::Committed))) => (producer(tx), BatchKind::CommitMarker),
                (_, Some((tx, _))) => (producer(tx), BatchKind::AbortMarker),
                (Some(tx), None) => (producer(tx), BatchKind::Transactional),
                (None, None) => (-1, BatchKind::Plain),
            };
            if cell.record.is_none() && cell.marker.is_none() {
                continue;
            }
            let batch = Body::StoredBatch {
                partition: at,
                base_offset: offset(place),
                last_offset: offset(place),
                producer_id,
                producer_epoch: 0,
                base_sequence: -1,
                kind,
            };
            self.say(7, batch);
            if let Some(record) = cell.record {
                let stored = Body::Stored {
                    partition: at,
                    offset: offset(place),
                    content: Content::Ours(record),
                };
                self.say(7, stored);
            }
        }
        self.say(7, Body::PartitionRead { partition: at });
    }

    fn tell_replicas(&mut self, log: usize) {
        let at = partition(log);
        let mut diverged = BTreeSet::new();
        for broker in 1..=3 {
            let broker = BrokerId::new(broker);
            let pinned = Body::ReplicaPinned {
                partition: at,
                broker,
                log_start: Offset::new(0),
                end: offset(self.logs[log].len()),
            };
            self.say(7, pinned);
            for place in 0..self.logs[log].len() {
                let Some(record) = self.logs[log][place].record else {
                    continue;
                };
                let mut content = Content::Ours(record);
                if self.plants() {
                    diverged.insert(place);
                    content = Content::Ours(id(
                        50,
                        record.sequence.get() + u64::from(broker.get().unsigned_abs()),
                    ));
                }
                let stored = Body::ReplicaStored {
                    partition: at,
                    broker,
                    offset: offset(place),
                    content,
                };
                self.say(7, stored);
            }
            self.say(
                7,
                Body::ReplicaRead {
                    partition: at,
                    broker,
                },
            );
        }
        self.diverged += diverged.len() as u64;
    }

    /// Every source in its own order, otherwise at random.
    fn interleave(&mut self) -> Vec<Event> {
        let at = Micros::new(0);
        let declared = std::iter::once(Body::TopicDeclared {
            topic: TOPIC,
            name: "t".to_owned(),
            partitions: i32::try_from(PARTITIONS).unwrap(),
        });
        let groups = (0..GROUPS).flat_map(|group| {
            let isolation = match group {
                UNCOMMITTED => Isolation::ReadUncommitted,
                _ => Isolation::ReadCommitted,
            };
            let group = group_ix(group);
            let name = format!("g{group}");
            let topics = vec![TOPIC];
            [
                Body::GroupDeclared {
                    group,
                    name,
                    topics,
                },
                Body::IsolationDeclared { group, isolation },
            ]
        });
        let tool = "another".to_owned();
        let imported = self.size.imported.then_some(Body::Imported { tool });
        let mut events: Vec<Event> = declared
            .chain(imported)
            .chain(groups)
            .map(|body| Event { at, body })
            .collect();
        let mut sources: Vec<_> = std::mem::take(&mut self.sources)
            .into_iter()
            .map(|source| source.into_iter().peekable())
            .collect();
        loop {
            sources.retain_mut(|source| source.peek().is_some());
            if sources.is_empty() {
                return events;
            }
            let source = self.dice.below(sources.len());
            events.extend(sources[source].next());
        }
    }

    // What is wrong, by the definitions.

    fn committed(&self, tx: usize) -> bool {
        self.txs[tx].state == State::Committed
    }

    /// Whether the marker behind a cell commits it.
    fn visible(&self, log: usize, cell: Cell) -> bool {
        let Some(tx) = cell.tx else {
            return true;
        };
        let mut markers = self.logs[log].iter().filter_map(|cell| cell.marker);
        let marker = markers.find(|(of, _)| *of == tx);
        marker.is_some_and(|(_, state)| state == State::Committed)
    }

    fn data(&self, group: usize, log: usize) -> Vec<usize> {
        let cells = self.logs[log].iter().enumerate();
        cells
            .filter(|(_, cell)| {
                cell.record.is_some() && (group == UNCOMMITTED || self.visible(log, **cell))
            })
            .map(|(at, _)| at)
            .collect()
    }

    fn expect(&self, readers: &[Reader; GROUPS]) -> BTreeMap<Anomaly, u64> {
        let mut found: BTreeMap<Anomaly, u64> = BTreeMap::new();
        let mut add = |anomaly: Anomaly, count: usize| {
            *found.entry(anomaly).or_default() += count as u64;
        };
        add(Anomaly::LostWrite, self.lost.len());
        add(Anomaly::IntNonmonotonicSend, self.disordered());
        add(
            Anomaly::ZombieProcessing,
            usize::try_from(self.zombies).unwrap(),
        );
        add(Anomaly::LogTruncation, self.seen_beyond.len());
        add(
            Anomaly::ReplicaDivergence,
            usize::try_from(self.diverged).unwrap(),
        );

        for step in &self.steps {
            let (back, skip) = if step.inside {
                (Anomaly::IntNonmonotonicPoll, Anomaly::IntPollSkip)
            } else {
                (Anomaly::NonmonotonicPoll, Anomaly::PollSkip)
            };
            add(back, usize::from(step.to <= step.from));
            let between = self.data(step.group, step.log).into_iter().filter(|at| {
                let at = i64::try_from(*at).unwrap();
                step.from < at && at < step.to
            });
            add(skip, between.count());
        }

        for reader in readers {
            for log in 0..PARTITIONS {
                let mut times: BTreeMap<usize, usize> = BTreeMap::new();
                for read in &self.reads {
                    let counts = read.inside.is_none_or(|tx| self.committed(tx));
                    if read.group == reader.group && read.log == log && counts {
                        *times.entry(read.offset).or_default() += 1;
                    }
                }
                add(
                    Anomaly::Reprocessed,
                    times.values().map(|times| times - 1).sum(),
                );
                let gaps = self
                    .data(reader.group, log)
                    .into_iter()
                    .filter(|at| *at < reader.committed[log] && !times.contains_key(at));
                add(Anomaly::GroupGap, gaps.count());
            }
        }

        let mut aborted: BTreeSet<(usize, usize, usize)> = BTreeSet::new();
        for read in self.reads.iter().filter(|read| read.group != UNCOMMITTED) {
            let was = self.logs[read.log][read.offset];
            if was.tx.is_some() && !self.visible(read.log, was) {
                aborted.insert((read.group, read.log, read.offset));
            }
        }
        add(Anomaly::G1a, aborted.len());
        let early = self.early.iter();
        let early = early.filter(|(_, record)| self.committed(self.owners[record]));
        add(Anomaly::PrecommittedRead, early.count());

        let torn = (0..self.txs.len()).filter(|tx| {
            let cells = &self.txs[*tx].cells;
            let stored_records = |(log, at): &(usize, usize)| self.logs[*log][*at].record.is_some();
            let lost = cells.iter().any(|cell| !stored_records(cell));
            self.flipped.contains(tx) || (lost && cells.iter().any(stored_records))
        });
        add(Anomaly::TornTransaction, torn.count());
        self.expect_interrupted(&mut add);
        self.expect_circles(&mut add);
        found.retain(|_, count| *count > 0);
        found
    }

    /// Only neighbours ever change places; a lost one takes the disorder with it.
    fn disordered(&self) -> usize {
        let pairs = (0..PARTITIONS).flat_map(|log| {
            let cells = &self.logs[log];
            (1..cells.len()).filter(move |at| {
                let (before, this) = (cells[at - 1], cells[*at]);
                before.record.is_some()
                    && this.record.is_some()
                    && before.tx == this.tx
                    && before.tx.is_some()
                    && before.record > this.record
            })
        });
        pairs.count()
    }

    fn expect_interrupted(&self, add: &mut impl FnMut(Anomaly, usize)) {
        for log in 0..PARTITIONS {
            let cells = &self.logs[log];
            for at in 0..cells.len() {
                let this = cells[at];
                if this.tx.is_none() || this.record.is_none() || !self.visible(log, this) {
                    continue;
                }
                let before = (0..at)
                    .rev()
                    .find(|before| cells[*before].tx == this.tx && cells[*before].record.is_some());
                let others = before.map(|before| {
                    cells[before + 1..at]
                        .iter()
                        .filter(|cell| cell.record.is_some())
                        .count()
                });
                add(
                    Anomaly::IntSendSkip,
                    usize::from(others.is_some_and(|others| others > 0)),
                );
            }
        }
    }

    fn expect_circles(&self, add: &mut impl FnMut(Anomaly, usize)) {
        let count = self.txs.len();
        let mut writes = vec![vec![false; count]; count];
        let mut reads = vec![vec![false; count]; count];
        for log in 0..PARTITIONS {
            let order: Vec<usize> = self.logs[log]
                .iter()
                .filter(|cell| cell.record.is_some() && self.visible(log, **cell))
                .filter_map(|cell| cell.tx)
                .collect();
            for pair in order.windows(2) {
                writes[pair[0]][pair[1]] |= pair[0] != pair[1];
            }
        }
        for read in &self.reads {
            let cell = self.logs[read.log][read.offset];
            if let (Some(reader), Some(writer)) = (read.inside, cell.tx)
                && self.committed(reader)
                && cell.record.is_some()
                && self.visible(read.log, cell)
                && reader != writer
            {
                reads[writer][reader] = true;
            }
        }
        let (write, read) = circles(&writes, &reads);
        add(Anomaly::G0, write);
        add(Anomaly::G1c, read);
    }
}

/// How many circles of writes there are, and of writes and reads.
fn circles(writes: &[Vec<bool>], reads: &[Vec<bool>]) -> (usize, usize) {
    let count = writes.len();
    let ring = |edges: &[Vec<bool>]| {
        let mut reach = edges.to_vec();
        for over in 0..count {
            let beyond = reach[over].clone();
            for from in &mut reach {
                if from[over] {
                    from.iter_mut()
                        .zip(&beyond)
                        .for_each(|(to, via)| *to |= via);
                }
            }
        }
        reach
    };
    let components = |reach: &[Vec<bool>]| -> BTreeSet<BTreeSet<usize>> {
        let on_circle = (0..count).filter(|at| reach[*at][*at]);
        on_circle
            .map(|at| {
                (0..count)
                    .filter(|to| reach[at][*to] && reach[*to][at])
                    .collect()
            })
            .collect()
    };
    let write = components(&ring(writes)).len();
    let all: Vec<Vec<bool>> = (0..count)
        .map(|from| {
            (0..count)
                .map(|to| writes[from][to] || reads[from][to])
                .collect()
        })
        .collect();
    let with_reads = components(&ring(&all)).into_iter().filter(|members| {
        members
            .iter()
            .any(|from| members.iter().any(|to| reads[*from][*to]))
    });
    (write, with_reads.count())
}
