//! Random worlds that are healthy unless something is planted in them, and
//! that know what is wrong with them: the log and its readers by the
//! definitions, the rest because it was planted.

mod capture;
mod definitions;
mod planted;
mod reader;

use std::collections::{BTreeMap, BTreeSet};

use model::anomaly::Anomaly;
use model::event::{Body, Cleanup, Content, Event, Outcome};
use model::ids::{
    GroupIx, Micros, Offset, PartitionIndex, PartitionRef, ProducerIx, RecordId, Sequence,
};
use proptest::prelude::*;

pub(crate) use self::definitions::Untold;
use self::reader::{Commit, Read, Reader, When};
use crate::story::{CHANGES, Slot, Story, TABLE, TOPIC, id};

/// How large a world is, how many of each anomaly are planted at most, and what
/// becomes of its history.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) producers: u32,
    pub(crate) partitions: i32,
    pub(crate) records: u64,
    pub(crate) groups: u16,
    pub(crate) rows: i64,
    pub(crate) planted: usize,
    pub(crate) kept: Kept,
    pub(crate) witness: Witness,
    pub(crate) seed: u64,
}

/// What becomes of records when their time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    Forever,
    Deleted,
    Compacted,
    CompactedAndDeleted,
}

impl Kept {
    pub(crate) fn deletes(self) -> bool {
        matches!(self, Self::Deleted | Self::CompactedAndDeleted)
    }

    pub(crate) fn compacts(self) -> bool {
        matches!(self, Self::Compacted | Self::CompactedAndDeleted)
    }

    fn policy(self) -> Option<Cleanup> {
        match self {
            Self::Forever => None,
            Self::Deleted => Some(Cleanup::Delete),
            Self::Compacted => Some(Cleanup::Compact),
            Self::CompactedAndDeleted => Some(Cleanup::CompactAndDelete),
        }
    }
}

/// Who tells what stands in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Witness {
    Observer,
    /// Another tool recorded the history.
    Readers,
}

pub(crate) fn sizes(planted: std::ops::Range<usize>) -> impl Strategy<Value = Size> {
    let history = prop_oneof![
        2 => Just((Kept::Forever, Witness::Observer)),
        1 => Just((Kept::Deleted, Witness::Observer)),
        1 => Just((Kept::Compacted, Witness::Observer)),
        1 => Just((Kept::CompactedAndDeleted, Witness::Observer)),
        2 => Just((Kept::Forever, Witness::Readers)),
    ];
    (
        1u32..6,
        1i32..6,
        0u64..60,
        0u16..4,
        0i64..20,
        planted,
        history,
        any::<u64>(),
    )
        .prop_map(
            |(producers, partitions, records, groups, rows, planted, (kept, witness), seed)| Size {
                producers,
                partitions,
                records,
                groups,
                rows,
                planted,
                kept,
                witness,
                seed,
            },
        )
}

/// A world's history, and what is wrong with it.
pub(crate) struct World {
    pub(crate) story: Story,
    pub(crate) expected: BTreeMap<Anomaly, u64>,
    pub(crate) untold: Untold,
}

/// xorshift64*, so that a world is a function of its size and seed.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.roll() >> 33).unwrap() % limit.max(1)
    }

    pub(crate) fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at + 1));
        }
    }
}

#[derive(Clone, Copy)]
struct Sent {
    record: RecordId,
    to: PartitionRef,
    /// Where it was written last, where it was.
    slot: Option<usize>,
    told: Reported,
}

#[derive(Clone, Copy, PartialEq)]
enum Reported {
    Acknowledged(i64),
    Failed,
    Unknown,
}

/// What a producer does with a record.
#[derive(Clone, Copy)]
enum Deed {
    Invoke(usize),
    Complete(usize),
}

/// How a batch gets into the log.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Straight,
    /// It is sent again, and the broker knows it: idempotence.
    RetriedOnce,
    /// The answer is lost, and it is sent and written again.
    WrittenTwice,
    /// It is refused and sent again, while the next one is in flight.
    Overtaken,
}

/// Records of one producer for one partition that are written together.
struct Batch {
    records: Vec<usize>,
    log: usize,
    outcome: TxnOutcome,
}

#[derive(Clone, Copy)]
enum TxnOutcome {
    Acknowledged,
    /// Acknowledged without an offset: the producer does not wait (`acks=0`).
    AcknowledgedNowhere,
    /// The same, and it was never written.
    AcknowledgedAndLost,
    /// Written, and its producer was not told.
    Unheard,
    Unknown,
    Failed,
}

/// One source of events: its own order, on everybody's clock.
type Source = Vec<Event>;

struct Maker {
    size: Size,
    dice: Dice,
    clock_us: u64,
    /// What was written.
    logs: Vec<Vec<Slot>>,
    /// What stands there in the end, and where it begins.
    truth: Vec<Vec<Slot>>,
    starts: Vec<usize>,
    sent: Vec<Sent>,
    deeds: Vec<(ProducerIx, Deed)>,
    retries: BTreeMap<ProducerIx, u64>,
    /// Producers that do not wait for answers.
    impatient: BTreeSet<u32>,
    /// Of records acknowledged without an offset by a client that tells of
    /// outcomes alone: the offset that it told next, of a later record.
    below: BTreeMap<RecordId, i64>,
    reads: Vec<Read>,
    commits: Vec<Commit>,
    reported: BTreeMap<(GroupIx, usize), usize>,
    /// By producer and log: a record, and one that its producer sent after it had heard of
    /// the former, and was told to stand at that offset or below.
    overtaken: BTreeMap<(ProducerIx, usize), (RecordId, RecordId, i64)>,
    planted: BTreeMap<Anomaly, u64>,
}

pub(crate) fn make(size: Size) -> World {
    let mut maker = Maker {
        size,
        dice: Dice(size.seed | 1),
        clock_us: 0,
        logs: vec![Vec::new(); usize::try_from(size.partitions).unwrap()],
        truth: Vec::new(),
        starts: Vec::new(),
        sent: Vec::new(),
        deeds: Vec::new(),
        retries: BTreeMap::new(),
        impatient: BTreeSet::new(),
        below: BTreeMap::new(),
        reads: Vec::new(),
        commits: Vec::new(),
        reported: BTreeMap::new(),
        overtaken: BTreeMap::new(),
        planted: BTreeMap::new(),
    };
    for producer in 0..size.producers {
        if maker.dice.percent(10) {
            maker.impatient.insert(producer);
        }
    }
    maker.send();
    maker.plant_in_log();
    maker.age();
    let mut sources = maker.producers();
    let mut seen = Vec::new();
    for group in maker.groups() {
        let when = match maker.dice.below(3) {
            0 => When::Early,
            1 => When::Late,
            _ => When::Across,
        };
        let mut reader = Reader::of(&mut maker, group, when);
        reader.read(&mut maker);
        seen.extend(maker.report(group, &reader.committed));
        sources.push(reader.events);
    }
    if size.witness == Witness::Observer {
        let (writer, events) = maker.capture();
        sources.push(writer);
        sources.push(maker.observer(seen, events));
    }
    let story = Story {
        events: maker.interleave(sources),
        now_us: maker.clock_us,
    };
    let (mut expected, untold) = definitions::expect(&maker, &story.events);
    expected.extend(maker.planted);
    expected.retain(|_, count| *count > 0);
    World {
        story,
        expected,
        untold,
    }
}

impl Maker {
    fn tick(&mut self) -> Micros {
        self.clock_us += 100;
        Micros::new(self.clock_us)
    }

    fn event(&mut self, body: Body) -> Event {
        let at = self.tick();
        Event { at, body }
    }

    fn add(&mut self, anomaly: Anomaly, count: u64) {
        *self.planted.entry(anomaly).or_default() += count;
    }

    fn groups(&self) -> impl Iterator<Item = GroupIx> + use<> {
        (0..self.size.groups).map(GroupIx::new)
    }

    fn send(&mut self) {
        let mut next = vec![0; usize::try_from(self.size.producers).unwrap()];
        let mut refused: BTreeMap<u32, Batch> = BTreeMap::new();
        loop {
            let producers = 0..self.size.producers;
            let open: Vec<u32> = producers
                .filter(|of| next[*of as usize] < self.size.records)
                .collect();
            if open.is_empty() {
                break;
            }
            for producer in open {
                let batch = self.batch(producer, &mut next[producer as usize]);
                let way = self.way();
                if way == Way::Overtaken && !refused.contains_key(&producer) {
                    refused.insert(producer, batch);
                    continue;
                }
                self.deliver(producer, &batch, way);
                if let Some(late) = refused.remove(&producer) {
                    self.deliver(producer, &late, Way::RetriedOnce);
                }
            }
        }
        for (producer, late) in refused {
            self.deliver(producer, &late, Way::RetriedOnce);
        }
    }

    /// The producer hands over its next records.
    fn batch(&mut self, producer: u32, next: &mut u64) -> Batch {
        let log = self.dice.below(self.logs.len());
        let mut records = Vec::new();
        for _ in 0..=self.dice.below(3) {
            if *next < self.size.records {
                records.push(self.invoke(id(producer, *next), log));
                *next += 1;
            }
        }
        let waits = !self.impatient.contains(&producer);
        let outcome = match self.dice.below(100) {
            _ if !waits && self.size.planted > 0 && self.dice.percent(20) => {
                TxnOutcome::AcknowledgedAndLost
            }
            _ if !waits => TxnOutcome::AcknowledgedNowhere,
            0..3 => TxnOutcome::AcknowledgedNowhere,
            3..4 if self.size.planted > 0 => TxnOutcome::AcknowledgedAndLost,
            3..85 => TxnOutcome::Acknowledged,
            85..90 => TxnOutcome::Unheard,
            90..95 => TxnOutcome::Unknown,
            _ => TxnOutcome::Failed,
        };
        Batch {
            records,
            log,
            outcome,
        }
    }

    fn invoke(&mut self, record: RecordId, log: usize) -> usize {
        self.sent.push(Sent {
            record,
            to: partition(log),
            slot: None,
            told: Reported::Unknown,
        });
        let at = self.sent.len() - 1;
        self.deeds.push((record.producer, Deed::Invoke(at)));
        at
    }

    /// A producer without idempotence is planted.
    fn way(&mut self) -> Way {
        match self.dice.below(100) {
            0..10 => Way::RetriedOnce,
            10..13 if self.size.planted > 0 => Way::WrittenTwice,
            13..16 if self.size.planted > 0 => Way::Overtaken,
            _ => Way::Straight,
        }
    }

    fn deliver(&mut self, producer: u32, batch: &Batch, way: Way) {
        if self.dice.percent(10) {
            self.logs[batch.log].push(Slot::Gap);
        }
        let retries = self.retries.entry(ProducerIx::new(producer)).or_default();
        *retries += u64::from(way != Way::Straight);
        let times = match (batch.outcome, way) {
            (TxnOutcome::Unknown | TxnOutcome::Failed | TxnOutcome::AcknowledgedAndLost, _) => 0,
            (_, Way::WrittenTwice) => 2,
            _ => 1,
        };
        for _ in 0..times {
            for at in &batch.records {
                let log = &mut self.logs[batch.log];
                self.sent[*at].slot = Some(log.len());
                log.push(Slot::Is(Content::Ours(self.sent[*at].record)));
            }
        }
        for at in &batch.records {
            let sent = &mut self.sent[*at];
            sent.told = match (batch.outcome, sent.slot) {
                (TxnOutcome::Acknowledged, Some(slot)) => Reported::Acknowledged(number(slot)),
                (TxnOutcome::AcknowledgedNowhere | TxnOutcome::AcknowledgedAndLost, _) => {
                    Reported::Acknowledged(-1)
                }
                (TxnOutcome::Failed, _) => Reported::Failed,
                _ => Reported::Unknown,
            };
            self.deeds
                .push((ProducerIx::new(producer), Deed::Complete(*at)));
        }
    }

    fn log_of(&mut self, sent: Sent) -> &mut Vec<Slot> {
        &mut self.logs[usize::try_from(sent.to.partition.get()).unwrap()]
    }

    fn producers(&mut self) -> Vec<Source> {
        self.overtake();
        let outcomes_only = self.size.witness == Witness::Readers && self.dice.percent(50);
        if outcomes_only {
            self.follow();
        }
        let mut sources = vec![Vec::new(); usize::try_from(self.size.producers).unwrap()];
        for (producer, deed) in std::mem::take(&mut self.deeds) {
            let source = usize::try_from(producer.get()).unwrap();
            let body = match deed {
                Deed::Invoke(_) if outcomes_only => continue,
                Deed::Invoke(at) => {
                    let Sent { record, to, .. } = self.sent[at];
                    Body::SendInvoked { record, to }
                }
                Deed::Complete(at) => {
                    let Sent {
                        record, to, told, ..
                    } = self.sent[at];
                    let error = "planned".to_owned();
                    if outcomes_only && !matches!(told, Reported::Acknowledged(_)) {
                        let invoked = self.event(Body::SendInvoked { record, to });
                        sources[source].push(invoked);
                    }
                    let outcome = match told {
                        Reported::Acknowledged(offset) => Outcome::Acknowledged {
                            at: to,
                            offset: Offset::new(offset),
                        },
                        Reported::Failed => Outcome::Failed { error },
                        Reported::Unknown if self.dice.percent(50) => continue,
                        Reported::Unknown => Outcome::Unknown { error },
                    };
                    Body::SendCompleted { record, outcome }
                }
            };
            let event = self.event(body);
            sources[source].push(event);
        }
        for (producer, retries) in self.retries.clone() {
            let counted = self.event(Body::ProducerCounted { producer, retries });
            sources[usize::try_from(producer.get()).unwrap()].push(counted);
        }
        sources
    }

    /// What the coordinator says of a group in the end.
    fn report(&mut self, group: GroupIx, committed: &[usize]) -> Source {
        let mut seen = vec![self.event(Body::GroupWaited {
            group,
            limit_ms: 1000,
        })];
        if self.size.witness == Witness::Readers {
            return Vec::new();
        }
        for (log, committed) in committed.iter().enumerate() {
            self.reported.insert((group, log), *committed);
            seen.push(self.event(Body::GroupOffset {
                group,
                partition: partition(log),
                offset: Some(Offset::new(number(*committed))),
            }));
        }
        seen
    }

    fn reported(&self, group: GroupIx, log: usize) -> usize {
        self.reported.get(&(group, log)).copied().unwrap_or(0)
    }

    fn observer(&mut self, groups: Source, capture: Source) -> Source {
        let mut story = Story {
            now_us: self.clock_us,
            ..Story::default()
        }
        .and(Body::TrafficEnded);
        for (log, slots) in self.truth.iter().enumerate() {
            let start = self.starts[log];
            story = story.truth(partition(log), number(start), &slots[start..]);
        }
        self.clock_us = story.now_us;
        story.events.extend(groups);
        story.events.extend(capture);
        story.events.push(self.event(Body::Completed));
        story.events
    }

    /// Every source in its own order, otherwise at random.
    fn interleave(&mut self, sources: Vec<Source>) -> Vec<Event> {
        let mut events = vec![
            Body::TopicDeclared {
                topic: TOPIC,
                name: "t".to_owned(),
                partitions: self.size.partitions,
            },
            Body::TopicDeclared {
                topic: CHANGES,
                name: "changes".to_owned(),
                partitions: 1,
            },
            Body::TableDeclared {
                table: TABLE,
                name: "rows".to_owned(),
                topic: CHANGES,
            },
        ];
        if self.size.witness == Witness::Readers {
            let tool = "another".to_owned();
            events.push(Body::Imported { tool });
        }
        let policy = self.size.kept.policy();
        events.extend(policy.map(|policy| Body::TopicCleanup {
            topic: TOPIC,
            policy,
        }));
        events.extend(self.groups().map(|group| Body::GroupDeclared {
            group,
            name: format!("g{group}"),
            topics: vec![TOPIC],
        }));
        let at = Micros::new(0);
        let mut events: Vec<Event> = events.into_iter().map(|body| Event { at, body }).collect();
        let mut sources: Vec<_> = sources
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
}

fn partition(log: usize) -> PartitionRef {
    PartitionRef {
        topic: TOPIC,
        partition: PartitionIndex::new(i32::try_from(log).unwrap()),
    }
}

fn number(slot: usize) -> i64 {
    i64::try_from(slot).unwrap()
}
