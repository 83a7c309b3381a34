//! Random worlds that are healthy unless something is planted in them, and
//! that know exactly what was planted.

use std::collections::{BTreeMap, BTreeSet};

use model::anomaly::Anomaly;
use model::event::{
    Body, CaptureResult, ChangeContent, CommitResult, Content, Ending, Event, Outcome, RowOp,
    TxOutcome,
};
use model::ids::{
    ChangeId, GroupIx, Lsn, MemberIx, Micros, Offset, PartitionIndex, PartitionRef, RecordId,
    RowKey, TxId,
};
use proptest::prelude::*;

use crate::story::{CHANGES, Slot, Story, TABLE, TOPIC, changes, id, part};

/// How large a world is, and how many of each anomaly are planted at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) producers: u32,
    pub(crate) partitions: i32,
    pub(crate) records: u64,
    pub(crate) groups: u16,
    pub(crate) rows: i64,
    pub(crate) planted: usize,
    pub(crate) seed: u64,
}

pub(crate) fn sizes(planted: std::ops::Range<usize>) -> impl Strategy<Value = Size> {
    (
        1u32..6,
        1i32..6,
        0u64..60,
        0u16..4,
        0i64..20,
        planted,
        any::<u64>(),
    )
        .prop_map(
            |(producers, partitions, records, groups, rows, planted, seed)| Size {
                producers,
                partitions,
                records,
                groups,
                rows,
                planted,
                seed,
            },
        )
}

/// A world's history, and what it was given.
pub(crate) struct World {
    pub(crate) story: Story,
    pub(crate) planted: BTreeMap<Anomaly, u64>,
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
    /// Where it stands, where it does.
    slot: Option<usize>,
    told: Told,
}

#[derive(Clone, Copy, PartialEq)]
enum Told {
    Acknowledged(i64),
    Failed,
    Unknown,
}

/// One source of events: its own order, on everybody's clock.
type Source = Vec<Event>;

struct Maker {
    size: Size,
    dice: Dice,
    clock_us: u64,
    logs: Vec<Vec<Slot>>,
    sent: Vec<Sent>,
    planted: BTreeMap<Anomaly, u64>,
}

pub(crate) fn make(size: Size) -> World {
    let mut maker = Maker {
        size,
        dice: Dice(size.seed | 1),
        clock_us: 0,
        logs: vec![Vec::new(); usize::try_from(size.partitions).unwrap()],
        sent: Vec::new(),
        planted: BTreeMap::new(),
    };
    maker.send();
    maker.plant_in_log();
    let mut sources = maker.producers();
    let mut truth = Vec::new();
    for group in 0..size.groups {
        let (source, seen) = maker.read(GroupIx::new(group));
        sources.push(source);
        truth.extend(seen);
    }
    let (writer, events) = maker.capture();
    sources.push(writer);
    sources.push(maker.observer(truth, events));
    let story = Story {
        events: maker.interleave(sources),
        now_us: maker.clock_us,
    };
    let mut planted = maker.planted;
    planted.retain(|_, count| *count > 0);
    World { story, planted }
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

    fn send(&mut self) {
        for sequence in 0..self.size.records {
            for producer in 0..self.size.producers {
                let partition = self.dice.below(self.logs.len());
                let to = part(i32::try_from(partition).unwrap());
                let record = id(producer, sequence);
                if self.dice.percent(10) {
                    self.logs[partition].push(Slot::Gap);
                }
                let fate = self.dice.below(100);
                let slot = (fate < 90).then(|| {
                    self.logs[partition].push(Slot::Is(Content::Ours(record)));
                    self.logs[partition].len() - 1
                });
                let told = match (fate, slot) {
                    (..85, Some(slot)) => Told::Acknowledged(i64::try_from(slot).unwrap()),
                    (95.., _) => Told::Failed,
                    _ => Told::Unknown,
                };
                self.sent.push(Sent {
                    record,
                    to,
                    slot,
                    told,
                });
            }
        }
    }

    fn log_of(&mut self, sent: Sent) -> &mut Vec<Slot> {
        &mut self.logs[usize::try_from(sent.to.partition.get()).unwrap()]
    }

    fn plant_in_log(&mut self) {
        let mut clean: Vec<usize> = (0..self.sent.len())
            .filter(|at| matches!(self.sent[*at].told, Told::Acknowledged(_)))
            .collect();
        self.dice.shuffle(&mut clean);
        self.plant_swaps(&mut clean);
        for count in 0..self.size.planted {
            let fresh = 10_000 + i64::try_from(count).unwrap();
            if let Some(at) = clean.pop() {
                let sent = self.sent[at];
                self.log_of(sent)[sent.slot.unwrap()] = Slot::Gap;
                self.add(Anomaly::LostWrite, 1);
            }
            if let Some(at) = clean.pop() {
                let sent = self.sent[at];
                let copy = Slot::Is(Content::Ours(sent.record));
                self.log_of(sent).push(copy);
                self.add(Anomaly::Duplicate, 1);
            }
            if let Some(at) = clean.pop() {
                let sent = self.sent[at];
                self.log_of(sent)[sent.slot.unwrap()] = Slot::Is(Content::Corrupt);
                self.add(Anomaly::Corrupt, 1);
            }
            if let Some(at) = clean.pop() {
                self.sent[at].told = Told::Failed;
                self.add(Anomaly::FailedWriteVisible, 1);
            }
            if let Some(at) = clean.pop() {
                self.sent[at].told = Told::Acknowledged(fresh);
                self.add(Anomaly::InconsistentOffsets, 1);
            }
            let partition = self.dice.below(self.logs.len());
            self.logs[partition].push(Slot::Is(Content::Foreign));
            self.add(Anomaly::Phantom, 1);
        }
    }

    /// Neighbours of one producer change places, and their acknowledgements
    /// with them.
    fn plant_swaps(&mut self, clean: &mut Vec<usize>) {
        for _ in 0..self.size.planted {
            let next_of = |at: usize| {
                let of = self.sent[at];
                (at + 1..self.sent.len()).find(|next| {
                    let next = self.sent[*next];
                    next.slot.is_some()
                        && next.to == of.to
                        && next.record.producer == of.record.producer
                })
            };
            let pair = clean.iter().find_map(|at| {
                let next = next_of(*at).filter(|next| clean.contains(next))?;
                Some((*at, next))
            });
            let Some((first, second)) = pair else {
                return;
            };
            clean.retain(|at| *at != first && *at != second);
            let (a, b) = (self.sent[first], self.sent[second]);
            self.log_of(a).swap(a.slot.unwrap(), b.slot.unwrap());
            (self.sent[first].slot, self.sent[second].slot) = (b.slot, a.slot);
            (self.sent[first].told, self.sent[second].told) = (b.told, a.told);
            self.add(Anomaly::NonmonotonicSend, 1);
        }
    }

    fn producers(&mut self) -> Vec<Source> {
        let mut sources = vec![Vec::new(); usize::try_from(self.size.producers).unwrap()];
        for sent in self.sent.clone() {
            let record = sent.record;
            let invoked = self.event(Body::SendInvoked {
                record,
                to: sent.to,
            });
            let error = "planned".to_owned();
            let outcome = match sent.told {
                Told::Acknowledged(offset) => Outcome::Acknowledged {
                    at: sent.to,
                    offset: Offset::new(offset),
                },
                Told::Failed => Outcome::Failed { error },
                Told::Unknown => Outcome::Unknown { error },
            };
            let completed = self.event(Body::SendCompleted { record, outcome });
            let source = &mut sources[usize::try_from(record.producer.get()).unwrap()];
            source.push(invoked);
            if sent.told != Told::Unknown || self.dice.percent(50) {
                source.push(completed);
            }
        }
        sources
    }

    /// A group that reads everything, restarting now and then; what it passes
    /// over, and where it stops, is planted.
    fn read(&mut self, group: GroupIx) -> (Source, Source) {
        let mut reader = Reader {
            group,
            member: MemberIx::new(u32::from(group.get()) * 1000),
            next: vec![0; self.logs.len()],
            committed: vec![0; self.logs.len()],
            last: vec![None; self.logs.len()],
            processed: BTreeSet::new(),
            events: Vec::new(),
        };
        let mut places: Vec<(usize, usize)> = (0..self.logs.len())
            .flat_map(|log| (0..self.logs[log].len()).map(move |slot| (log, slot)))
            .filter(|(log, slot)| self.logs[*log][*slot] != Slot::Gap)
            .collect();
        self.dice.shuffle(&mut places);
        places.truncate(self.size.planted);
        let passed: BTreeSet<(usize, usize)> = places.into_iter().collect();
        let mut stops: Vec<usize> = self.logs.iter().map(Vec::len).collect();
        if self.size.planted > 0 && self.dice.percent(50) {
            let log = self.dice.below(stops.len());
            stops[log] = self.dice.below(stops[log] + 1);
        }
        reader.start(self);
        loop {
            let open: Vec<usize> = (0..stops.len())
                .filter(|log| reader.next[*log] < stops[*log])
                .collect();
            if open.is_empty() {
                break;
            }
            let log = open[self.dice.below(open.len())];
            reader.step(self, log, &passed);
            if self.dice.percent(20) {
                reader.commit(self);
            }
            if self.dice.percent(5) {
                let how = if self.dice.percent(50) {
                    reader.commit(self);
                    Ending::Clean
                } else {
                    Ending::Killed
                };
                reader.restart(self, how);
            }
        }
        reader.commit(self);
        for _ in 0..self.size.planted {
            reader.plant_regression(self);
        }
        let mut seen = vec![Body::GroupWaited {
            group,
            limit_ms: 1000,
        }];
        for (log, committed) in reader.committed.iter().enumerate() {
            seen.push(Body::GroupOffset {
                group,
                partition: partition(log),
                offset: Some(Offset::new(i64::try_from(*committed).unwrap())),
            });
            let standing = (0..self.logs[log].len())
                .filter(|slot| self.logs[log][*slot] != Slot::Gap)
                .filter(|slot| !reader.processed.contains(&(log, *slot)));
            let (gaps, behind): (Vec<usize>, Vec<usize>) =
                standing.partition(|slot| slot < committed);
            self.add(Anomaly::GroupGap, gaps.len() as u64);
            self.add(Anomaly::GroupIncomplete, behind.len() as u64);
        }
        let seen = seen.into_iter().map(|body| self.event(body)).collect();
        (reader.events, seen)
    }

    /// Rows written and captured; what is planted is planted on rows that are
    /// never deleted, one anomaly on each.
    fn capture(&mut self) -> (Source, Source) {
        let mut writer = Vec::new();
        let mut told: BTreeMap<i64, Vec<Body>> = BTreeMap::new();
        let mut order = Vec::new();
        let mut table: BTreeMap<i64, ChangeId> = BTreeMap::new();
        let deletable = self.size.rows / 2;
        for at in 0..u64::try_from(self.size.rows).unwrap() * 4 {
            let key = i64::try_from(self.dice.below(usize::try_from(self.size.rows).unwrap()));
            let (change, key) = (ChangeId::new(at), key.unwrap());
            let op = match table.contains_key(&key) {
                false => RowOp::Insert,
                true if key < deletable && self.dice.percent(40) => RowOp::Delete,
                true => RowOp::Update,
            };
            let tx = TxId::new(at);
            writer.push(self.event(Body::ChangeInvoked {
                tx,
                change,
                table: TABLE,
                key: RowKey::new(key),
                op,
            }));
            let committed = self.dice.percent(90);
            let outcome = if committed {
                TxOutcome::Committed
            } else {
                TxOutcome::RolledBack
            };
            writer.push(self.event(Body::TxCompleted { tx, outcome }));
            if !committed {
                continue;
            }
            let content = if op == RowOp::Delete {
                table.remove(&key);
                ChangeContent::Absent
            } else {
                table.insert(key, change);
                ChangeContent::Ours(change)
            };
            order.push((key, told.entry(key).or_default().len()));
            let event = change_event(key, op, content, 1000 + at);
            told.entry(key).or_default().push(event);
        }
        let mut rows: BTreeMap<i64, ChangeContent> = table
            .into_iter()
            .map(|(key, change)| (key, ChangeContent::Ours(change)))
            .collect();
        let mut planted: BTreeMap<(i64, usize), Vec<Body>> = BTreeMap::new();
        let mut keys: Vec<i64> = (deletable..self.size.rows)
            .filter(|key| told.contains_key(key))
            .collect();
        self.dice.shuffle(&mut keys);
        keys.truncate(self.size.planted);
        for key in keys {
            let events = &told[&key];
            let at = self.dice.below(events.len());
            let event = events[at].clone();
            match self.dice.below(5) {
                0 => {
                    planted.insert((key, at), vec![]);
                    self.add(Anomaly::RowMissing, 1);
                    self.add(Anomaly::StateDivergence, u64::from(at + 1 == events.len()));
                }
                1 => {
                    planted.insert((key, at), vec![event.clone(), event]);
                    self.add(Anomaly::RowDuplicate, 1);
                }
                2 => {
                    let foreign = change_event(key, RowOp::Update, ChangeContent::Foreign, 1);
                    planted.insert((key, at), vec![foreign, event]);
                    self.add(Anomaly::RowPhantom, 1);
                }
                3 if events.len() > 1 => {
                    planted.insert((key, 0), vec![events[1].clone()]);
                    planted.insert((key, 1), vec![events[0].clone()]);
                    self.add(Anomaly::CommitOrder, 1);
                    self.add(Anomaly::StateDivergence, u64::from(events.len() == 2));
                }
                _ => {
                    rows.insert(key, ChangeContent::Corrupt);
                    self.add(Anomaly::StateDivergence, 1);
                }
            }
        }
        let mut truth = Vec::new();
        for (key, at) in order {
            let original = vec![told[&key][at].clone()];
            truth.extend(planted.remove(&(key, at)).unwrap_or(original));
        }
        for (offset, event) in (0..).zip(&mut truth) {
            if let Body::ChangeEvent { offset: at, .. } = event {
                *at = Offset::new(offset);
            }
        }
        let end = Offset::new(i64::try_from(truth.len()).unwrap());
        truth.insert(
            0,
            Body::Pinned {
                partition: changes(),
                log_start: Offset::new(0),
                end,
            },
        );
        truth.push(Body::PartitionRead {
            partition: changes(),
        });
        let count = rows.len() as u64;
        truth.extend(rows.into_iter().map(|(key, content)| Body::TableRow {
            table: TABLE,
            key: RowKey::new(key),
            content,
        }));
        truth.push(Body::TableRead {
            table: TABLE,
            rows: count,
        });
        truth.push(Body::CaptureWaited {
            result: CaptureResult::CaughtUp,
            limit_ms: 1000,
        });
        let truth = truth.into_iter().map(|body| self.event(body)).collect();
        (writer, truth)
    }

    fn observer(&mut self, groups: Source, capture: Source) -> Source {
        let mut story = Story::default().and(Body::TrafficEnded);
        for (log, slots) in self.logs.iter().enumerate() {
            story = story.truth(partition(log), 0, slots);
        }
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
        events.extend((0..self.size.groups).map(|group| Body::GroupDeclared {
            group: GroupIx::new(group),
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

struct Reader {
    group: GroupIx,
    member: MemberIx,
    next: Vec<usize>,
    committed: Vec<usize>,
    last: Vec<Option<usize>>,
    processed: BTreeSet<(usize, usize)>,
    events: Source,
}

impl Reader {
    fn say(&mut self, maker: &mut Maker, body: Body) {
        let event = maker.event(body);
        self.events.push(event);
    }

    fn start(&mut self, maker: &mut Maker) {
        let (member, group) = (self.member, self.group);
        self.say(maker, Body::MemberStarted { member, group });
        let partitions = (0..self.next.len()).map(partition).collect();
        self.say(maker, Body::Assigned { member, partitions });
    }

    fn restart(&mut self, maker: &mut Maker, how: Ending) {
        let member = self.member;
        self.say(maker, Body::MemberEnded { member, how });
        self.member = MemberIx::new(member.get() + 1);
        self.next.clone_from(&self.committed);
        self.last.fill(None);
        self.start(maker);
    }

    fn step(&mut self, maker: &mut Maker, log: usize, passed: &BTreeSet<(usize, usize)>) {
        let slot = self.next[log];
        self.next[log] += 1;
        let Slot::Is(content) = maker.logs[log][slot] else {
            return;
        };
        if passed.contains(&(log, slot)) {
            return;
        }
        if let Some(last) = self.last[log].replace(slot) {
            let skipped = (last + 1..slot).filter(|over| passed.contains(&(log, *over)));
            maker.add(Anomaly::PollSkip, skipped.count() as u64);
        }
        if !self.processed.insert((log, slot)) {
            maker.add(Anomaly::Reprocessed, 1);
        }
        let processed = Body::Processed {
            member: self.member,
            from: partition(log),
            offset: Offset::new(i64::try_from(slot).unwrap()),
            content,
        };
        self.say(maker, processed);
    }

    fn commit(&mut self, maker: &mut Maker) {
        for log in 0..self.next.len() {
            if self.committed[log] != self.next[log] {
                self.committed[log] = self.next[log];
                self.say_commit(maker, log, self.next[log]);
            }
        }
    }

    fn say_commit(&mut self, maker: &mut Maker, log: usize, offset: usize) {
        let committed = Body::Committed {
            member: self.member,
            partition: partition(log),
            offset: Offset::new(i64::try_from(offset).unwrap()),
            result: CommitResult::Accepted,
        };
        self.say(maker, committed);
    }

    fn plant_regression(&mut self, maker: &mut Maker) {
        let log = maker.dice.below(self.committed.len());
        if self.committed[log] > 0 {
            let back = maker.dice.below(self.committed[log]);
            self.say_commit(maker, log, self.committed[log]);
            self.say_commit(maker, log, back);
            self.say_commit(maker, log, self.committed[log]);
            maker.add(Anomaly::CommitRegression, 1);
        }
    }
}

fn partition(log: usize) -> PartitionRef {
    PartitionRef {
        topic: TOPIC,
        partition: PartitionIndex::new(i32::try_from(log).unwrap()),
    }
}

fn change_event(key: i64, op: RowOp, content: ChangeContent, lsn: u64) -> Body {
    Body::ChangeEvent {
        partition: changes(),
        offset: Offset::new(0),
        table: TABLE,
        key: RowKey::new(key),
        op,
        content,
        lsn: Lsn::new(lsn),
    }
}
