//! Random histories of captured rows, in which anything may happen to anything:
//! transactions end in every way or in none, events are lost, doubled, swapped
//! and altered, rows too, and what was read may not have been read to its end.
//! Only this holds: there is one writer, whose changes are numbered in its
//! order, and all events of a row are in one partition.

use std::collections::BTreeMap;

use model::event::{
    BatchKind, Body, CaptureResult, CaptureSetting, ChangeContent, Cleanup, Event, RowOp,
    SettingEffect, SlotState, Snapshot, TxOutcome,
};
use model::ids::{
    ChangeId, Lsn, Micros, Offset, PartitionIndex, PartitionRef, RowKey, TableIx, TopicIx, TxId,
};
use proptest::prelude::*;

use crate::story::Story;
use crate::world::Dice;

/// Each table has a topic of its own, of so many partitions.
pub(crate) const TABLES: [i32; 2] = [2, 1];
const KEYS: i64 = 3;

/// One thing that the writer does.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// Inserts a row that is not there; otherwise the other.
    Write(usize, i64, Then),
    /// Whatever its writer knows of the row.
    Anyhow(usize, i64, RowOp),
    /// The transaction ends; whether it took effect where that is unknown.
    End(TxOutcome, Effect),
    /// The place in the write-ahead log is noted.
    Reach,
    /// The connector is created.
    Begin,
}

/// What stands between events, before the one of this number of a partition.
#[derive(Clone, Copy, Debug)]
struct Between {
    partition: usize,
    before: usize,
    kind: BatchKind,
    producer: i64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Then {
    Update,
    Delete,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Effect {
    Full,
    None,
}

/// What becomes of the events before they are read.
#[derive(Clone, Copy, Debug)]
enum Spoil {
    Remove(usize),
    /// It is told again, so many events later.
    Repeat(usize, usize),
    /// All between are told again, too.
    Rewind(usize, usize),
    Swap(usize, usize),
    Alter(usize, ChangeContent),
    /// A snapshot found it, and nothing of its row before it.
    Snapshot(usize),
    Shift(usize, i64),
    Delete(usize, i64),
    /// It does not say what was done.
    Hush(usize),
}

/// What becomes of the tables.
#[derive(Clone, Copy, Debug)]
enum Damage {
    Lose(usize),
    Alter(usize, ChangeContent),
    Add(usize, i64, ChangeContent),
}

#[derive(Clone, Copy, Debug)]
struct Observation {
    start: usize,
    pinned: bool,
    read: bool,
}

/// Everything that a history is made of.
#[derive(Clone, Debug)]
pub(crate) struct Plot {
    acts: Vec<Act>,
    spoils: Vec<Spoil>,
    damages: Vec<Damage>,
    observations: [Observation; 3],
    table_read: [bool; 2],
    policy: [Option<Cleanup>; 2],
    waited: Option<CaptureResult>,
    interleaved: Option<u64>,
    snapshot: Snapshot,
    settings: Vec<SettingEffect>,
    confirmed: Option<(SlotState, u64)>,
    between: Vec<Between>,
}

pub(crate) fn plots() -> impl Strategy<Value = Plot> {
    let observation = || {
        let start = prop_oneof![9 => Just(0usize), 1 => 0usize..3];
        let pinned = prop::bool::weighted(0.97);
        (start, pinned, prop::bool::weighted(0.95)).prop_map(|(start, pinned, read)| Observation {
            start,
            pinned,
            read,
        })
    };
    let policy = || {
        prop_oneof![
            8 => Just(None),
            1 => Just(Some(Cleanup::Delete)),
            1 => Just(Some(Cleanup::Compact)),
        ]
    };
    let waited = prop_oneof![
        12 => Just(Some(CaptureResult::CaughtUp)),
        3 => Just(Some(CaptureResult::TimedOut)),
        3 => Just(Some(CaptureResult::Confirmed)),
        2 => Just(Some(CaptureResult::Failed)),
        1 => Just(None),
    ];
    let snapshot = prop_oneof![
        4 => Just(Snapshot::Never),
        3 => Just(Snapshot::First),
        1 => Just(Snapshot::Repeated),
        1 => Just(Snapshot::Unknown),
    ];
    let setting = prop_oneof![
        Just(SettingEffect::Move),
        Just(SettingEffect::Drop),
        Just(SettingEffect::Reshape),
        Just(SettingEffect::Rekey),
    ];
    let settings = prop_oneof![
        6 => Just(Vec::new()),
        1 => prop::collection::vec(setting, 1..3),
    ];
    let between = prop_oneof![
        3 => Just(Vec::new()),
        2 => prop::collection::vec(what_is_between(), 1..8),
    ];
    let slot = prop_oneof![
        6 => Just(SlotState::Kept),
        1 => Just(SlotState::Absent),
        1 => Just(SlotState::Lost),
    ];
    let connector = (
        snapshot,
        settings,
        prop::option::weighted(0.6, (slot, 95u64..170)),
        between,
    );
    (
        prop::collection::vec(an_act(), 0..30),
        prop::collection::vec(a_spoil(), 0..4),
        prop::collection::vec(a_damage(), 0..2),
        [observation(), observation(), observation()],
        prop::array::uniform2(prop::bool::weighted(0.95)),
        [policy(), policy()],
        waited,
        prop::option::weighted(0.3, any::<u64>()),
        connector,
    )
        .prop_map(
            |(
                acts,
                spoils,
                damages,
                observations,
                table_read,
                policy,
                waited,
                interleaved,
                (snapshot, settings, confirmed, between),
            )| Plot {
                acts,
                spoils,
                damages,
                observations,
                table_read,
                policy,
                waited,
                interleaved,
                snapshot,
                settings,
                confirmed,
                between,
            },
        )
}

fn what_is_between() -> impl Strategy<Value = Between> {
    let kind = prop_oneof![
        3 => Just(BatchKind::Transactional),
        3 => Just(BatchKind::CommitMarker),
        1 => Just(BatchKind::AbortMarker),
        1 => Just(BatchKind::Plain),
    ];
    (0usize..3, 0usize..8, kind, 0i64..2).prop_map(|(partition, before, kind, producer)| Between {
        partition,
        before,
        kind,
        producer,
    })
}

fn a_table() -> impl Strategy<Value = usize> {
    prop_oneof![3 => Just(0usize), 1 => Just(1usize)]
}

fn an_act() -> impl Strategy<Value = Act> {
    let then = prop_oneof![3 => Just(Then::Update), 2 => Just(Then::Delete)];
    let op = prop_oneof![
        Just(RowOp::Insert),
        Just(RowOp::Update),
        Just(RowOp::Delete),
    ];
    let outcome = prop_oneof![
        6 => Just(TxOutcome::Committed),
        1 => Just(TxOutcome::RolledBack),
        2 => Just(TxOutcome::Unknown),
    ];
    let effect = prop_oneof![Just(Effect::Full), Just(Effect::None)];
    prop_oneof![
        10 => (a_table(), 0..KEYS, then).prop_map(|(table, key, then)| Act::Write(table, key, then)),
        1 => (a_table(), 0..KEYS, op).prop_map(|(table, key, op)| Act::Anyhow(table, key, op)),
        9 => (outcome, effect).prop_map(|(outcome, effect)| Act::End(outcome, effect)),
        2 => Just(Act::Reach),
        1 => Just(Act::Begin),
    ]
}

fn a_content() -> impl Strategy<Value = ChangeContent> {
    prop_oneof![
        1 => Just(ChangeContent::Corrupt),
        1 => Just(ChangeContent::Foreign),
        1 => Just(ChangeContent::Unreadable),
        4 => (0u64..12).prop_map(|change| ChangeContent::Ours(ChangeId::new(change))),
    ]
}

fn a_spoil() -> impl Strategy<Value = Spoil> {
    let at = || 0usize..12;
    prop_oneof![
        3 => at().prop_map(Spoil::Remove),
        2 => (at(), 0usize..6).prop_map(|(at, later)| Spoil::Repeat(at, later)),
        2 => (at(), 1usize..6).prop_map(|(at, count)| Spoil::Rewind(at, count)),
        2 => (at(), 1usize..4).prop_map(|(at, over)| Spoil::Swap(at, at + over)),
        2 => (at(), a_content()).prop_map(|(at, content)| Spoil::Alter(at, content)),
        1 => at().prop_map(Spoil::Snapshot),
        1 => (at(), -3i64..4).prop_map(|(at, by)| Spoil::Shift(at, by)),
        1 => (at(), 0..KEYS).prop_map(|(at, key)| Spoil::Delete(at, key)),
        2 => at().prop_map(Spoil::Hush),
    ]
}

fn a_damage() -> impl Strategy<Value = Damage> {
    let at = || 0usize..4;
    prop_oneof![
        1 => at().prop_map(Damage::Lose),
        1 => (at(), a_content()).prop_map(|(at, content)| Damage::Alter(at, content)),
        1 => (a_table(), 0..KEYS, a_content())
            .prop_map(|(table, key, content)| Damage::Add(table, key, content)),
    ]
}

type Row = (usize, i64);

#[derive(Clone, Copy)]
struct RowEvent {
    row: Row,
    op: RowOp,
    content: ChangeContent,
    lsn: i64,
}

impl Plot {
    pub(crate) fn tell(&self) -> Story {
        let (mut writer, mut events, mut rows) = self.write();
        for spoil in &self.spoils {
            spoil.befall(&mut events);
        }
        for damage in &self.damages {
            damage.befall(&mut rows);
        }
        let mut observer = self.observe(&events, &rows);
        let mut dice = self.interleaved.map(|seed| Dice(seed | 1));
        let mut bodies = self.declarations();
        writer.reverse();
        observer.reverse();
        while !(writer.is_empty() && observer.is_empty()) {
            let from_writer = match &mut dice {
                Some(dice) => observer.is_empty() || dice.below(2) == 0,
                None => true,
            };
            let next = if from_writer { writer.pop() } else { None };
            bodies.extend(next.or_else(|| observer.pop()));
        }
        let at = |at: usize| Micros::new(u64::try_from(at).unwrap());
        let events = bodies.into_iter().enumerate();
        Story {
            events: events
                .map(|(now, body)| Event { at: at(now), body })
                .collect(),
            now_us: 1000,
        }
    }

    fn declarations(&self) -> Vec<Body> {
        let mut bodies = Vec::new();
        for (table, partitions) in TABLES.into_iter().enumerate() {
            let name = format!("rows{table}");
            bodies.push(Body::TopicDeclared {
                topic: topic(table),
                name: name.clone(),
                partitions,
            });
            bodies.push(Body::TableDeclared {
                table: table_ix(table),
                name,
                topic: topic(table),
            });
            bodies.extend(self.policy[table].map(|policy| Body::TopicCleanup {
                topic: topic(table),
                policy,
            }));
        }
        bodies
    }

    /// What the writer says, the events of what took effect, and the rows that
    /// it left.
    fn write(&self) -> (Vec<Body>, Vec<RowEvent>, BTreeMap<Row, ChangeContent>) {
        let (mut bodies, mut events, mut rows) = (Vec::new(), Vec::new(), BTreeMap::new());
        let mut open: Vec<(ChangeId, Row, RowOp)> = Vec::new();
        let (mut changes, mut tx) = (0, 0);
        for act in &self.acts {
            let (row, op) = match *act {
                Act::Write(table, key, then) => {
                    let row = (table, key);
                    let mine = open.iter().rev().find(|(_, of, _)| *of == row);
                    let is_there =
                        mine.map_or(rows.contains_key(&row), |(_, _, op)| *op != RowOp::Delete);
                    let op = match (is_there, then) {
                        (false, _) => RowOp::Insert,
                        (true, Then::Update) => RowOp::Update,
                        (true, Then::Delete) => RowOp::Delete,
                    };
                    (row, op)
                }
                Act::Anyhow(table, key, op) => ((table, key), op),
                Act::Reach => {
                    bodies.push(Body::WalReached {
                        lsn: Lsn::new(100 + 2 * changes),
                    });
                    continue;
                }
                Act::Begin => {
                    bodies.push(self.begun());
                    continue;
                }
                Act::End(outcome, effect) => {
                    let tx_id = TxId::new(tx);
                    bodies.push(Body::TxCompleted { tx: tx_id, outcome });
                    tx += 1;
                    let took_effect = outcome == TxOutcome::Committed
                        || (outcome == TxOutcome::Unknown && effect == Effect::Full);
                    for (change, row, op) in open.drain(..).filter(|_| took_effect) {
                        take_effect(change, row, op, &mut events, &mut rows);
                    }
                    continue;
                }
            };
            let change = ChangeId::new(changes);
            changes += 1;
            bodies.push(Body::ChangeInvoked {
                tx: TxId::new(tx),
                change,
                table: table_ix(row.0),
                key: RowKey::new(row.1),
                op,
            });
            open.push((change, row, op));
        }
        (bodies, events, rows)
    }

    fn begun(&self) -> Body {
        let settings = self.settings.iter().map(|effect| CaptureSetting {
            effect: *effect,
            description: "a setting".to_owned(),
        });
        Body::CaptureBegan {
            connector: "c".to_owned(),
            snapshot: self.snapshot,
            settings: settings.collect(),
        }
    }

    fn observe(&self, events: &[RowEvent], rows: &BTreeMap<Row, ChangeContent>) -> Vec<Body> {
        let mut bodies = vec![Body::TrafficEnded];
        let limit_ms = 1000;
        bodies.extend(self.confirmed.map(|(state, lsn)| Body::SlotSeen {
            state,
            confirmed: Lsn::new(lsn),
        }));
        bodies.extend(
            self.waited
                .map(|result| Body::CaptureWaited { result, limit_ms }),
        );
        let partitions = [(0, 0), (0, 1), (1, 0)];
        let numbered = partitions.into_iter().zip(&self.observations).enumerate();
        for (nth, ((table, partition), observation)) in numbered {
            let here = events
                .iter()
                .filter(|told| place(told.row) == (table, partition));
            let here: Vec<&RowEvent> = here.collect();
            let start = observation.start.min(here.len());
            let at = PartitionRef {
                topic: topic(table),
                partition: PartitionIndex::new(partition),
            };
            if observation.pinned {
                bodies.push(Body::Pinned {
                    partition: at,
                    log_start: offset(start),
                    end: offset(here.len()),
                });
            }
            let between = |number: usize| {
                let here = self.between.iter();
                let here = here.filter(move |it| it.partition == nth && it.before == number);
                here.map(move |it| Body::StoredBatch {
                    partition: at,
                    base_offset: offset(number),
                    last_offset: offset(number),
                    producer_id: it.producer,
                    producer_epoch: 0,
                    base_sequence: -1,
                    kind: it.kind,
                })
            };
            for (number, told) in here.iter().enumerate().skip(start) {
                bodies.extend(between(number));
                bodies.push(Body::ChangeEvent {
                    partition: at,
                    offset: offset(number),
                    table: table_ix(told.row.0),
                    key: RowKey::new(told.row.1),
                    op: told.op,
                    content: told.content,
                    lsn: Lsn::new(u64::try_from(told.lsn).unwrap()),
                });
            }
            bodies.extend(between(here.len()));
            if observation.read {
                bodies.push(Body::PartitionRead { partition: at });
            }
        }
        for table in 0..TABLES.len() {
            let here = rows.iter().filter(|((of, _), _)| *of == table);
            let mut count = 0;
            for ((_, key), content) in here {
                count += 1;
                bodies.push(Body::TableRow {
                    table: table_ix(table),
                    key: RowKey::new(*key),
                    content: *content,
                });
            }
            if self.table_read[table] {
                let table = table_ix(table);
                bodies.push(Body::TableRead { table, rows: count });
            }
        }
        bodies.push(Body::Completed);
        bodies
    }
}

fn take_effect(
    change: ChangeId,
    row: Row,
    op: RowOp,
    events: &mut Vec<RowEvent>,
    rows: &mut BTreeMap<Row, ChangeContent>,
) {
    let content = if op == RowOp::Delete {
        rows.remove(&row);
        ChangeContent::Absent
    } else {
        rows.insert(row, ChangeContent::Ours(change));
        ChangeContent::Ours(change)
    };
    let lsn = 100 + 2 * i64::try_from(change.get()).unwrap();
    events.push(RowEvent {
        row,
        op,
        content,
        lsn,
    });
}

fn table_ix(table: usize) -> TableIx {
    TableIx::new(u16::try_from(table).unwrap())
}

fn topic(table: usize) -> TopicIx {
    TopicIx::new(u16::try_from(table).unwrap())
}

fn offset(at: usize) -> Offset {
    Offset::new(i64::try_from(at).unwrap())
}

/// In which partition of its topic the events of a row are.
fn place((table, key): Row) -> (usize, i32) {
    (table, i32::try_from(key).unwrap() % TABLES[table])
}

impl Spoil {
    fn befall(self, events: &mut Vec<RowEvent>) {
        let is_there = |at: usize| at < events.len();
        match self {
            Self::Remove(at) if is_there(at) => {
                events.remove(at);
            }
            Self::Repeat(at, later) if is_there(at) => {
                events.insert((at + 1 + later).min(events.len()), events[at]);
            }
            Self::Rewind(at, count) if is_there(at) => {
                let end = (at + count).min(events.len());
                let again = events[at..end].to_vec();
                events.splice(end..end, again);
            }
            Self::Swap(at, other) if is_there(at) && is_there(other) => events.swap(at, other),
            Self::Alter(at, content) if is_there(at) => {
                events[at].content = content;
                if events[at].op == RowOp::Delete {
                    events[at].op = RowOp::Update;
                }
            }
            Self::Snapshot(at) if is_there(at) && events[at].op != RowOp::Delete => {
                events[at].op = RowOp::Snapshot;
                let row = events[at].row;
                let mut number = 0;
                events.retain(|told| {
                    number += 1;
                    told.row != row || number > at
                });
            }
            Self::Hush(at) if is_there(at) && events[at].op != RowOp::Delete => {
                events[at].op = RowOp::Untold;
            }
            Self::Shift(at, by) if is_there(at) => events[at].lsn += by,
            Self::Delete(at, key) if is_there(at) => {
                let told = RowEvent {
                    row: (events[at].row.0, key),
                    op: RowOp::Delete,
                    content: ChangeContent::Absent,
                    lsn: events[at].lsn + 1,
                };
                events.insert(at + 1, told);
            }
            _ => {}
        }
    }
}

impl Damage {
    fn befall(self, rows: &mut BTreeMap<Row, ChangeContent>) {
        let nth = |rows: &BTreeMap<Row, ChangeContent>, at: usize| rows.keys().nth(at).copied();
        match self {
            Self::Lose(at) => {
                if let Some(row) = nth(rows, at) {
                    rows.remove(&row);
                }
            }
            Self::Alter(at, content) => {
                if let Some(row) = nth(rows, at) {
                    rows.insert(row, content);
                }
            }
            Self::Add(table, key, content) => {
                rows.insert((table, key), content);
            }
        }
    }
}
