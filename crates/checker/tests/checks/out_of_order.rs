//! Random histories of transactions, in which anything may happen to anything:
//! records are lost, doubled and swapped, markers are turned, left out or come
//! late, producers are told what is not so or nothing at all, members read
//! what they like. Only this holds: each source tells its own events in its own
//! order, and sends no record twice.

mod truth;

use std::collections::{BTreeMap, VecDeque};

use model::event::{
    Body, CommitResult, Content, Ending, Event, Intent, Isolation, Outcome, TransactionOutcome,
};
use model::ids::{GroupIx, MemberIx, Micros, Offset, PartitionRef, RecordId, TransactionRef};
use proptest::prelude::*;

use crate::story::{Slot, Story, TOPIC, id, part, transaction};
use crate::world::Dice;

pub(crate) const PARTITIONS: usize = 2;
pub(crate) const GROUPS: u16 = 2;
/// Each is a producer and a member: one source of events.
const APPLICATIONS: usize = 3;

/// One thing that an application does, or that is done to it.
#[derive(Clone, Debug)]
enum Act {
    /// Unless one is open, or that one is forgotten; perhaps to read for it.
    Begin {
        forget: bool,
        join: bool,
    },
    Send(usize, Written),
    /// The oldest send without an answer is given one.
    Answer(Answer),
    Ask(Intent),
    /// The producer is told what became of its transaction, and each partition
    /// that it wrote to gets a marker, or none.
    Hear(TransactionOutcome, [Mark; PARTITIONS]),
    /// The same, as it should be.
    End(Intent),
    Join,
    Process(usize, Place, Given),
    /// Some records one behind the other.
    ReadOn(usize, usize),
    HandOver(usize, usize),
    Assign(usize),
    Revoke(usize),
    Reposition(usize, Option<i64>),
    Commit(usize, usize, CommitResult),
    Replace,
}

#[derive(Clone, Copy, Debug)]
enum Written {
    Once,
    Twice,
    Never,
}

#[derive(Clone, Copy, Debug)]
enum Answer {
    Acknowledged(i64),
    Failed,
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mark {
    Commit,
    Abort,
    None,
}

/// Which offset a member is given.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// So many behind the one before.
    Onward(i64),
    At(i64),
}

/// What it is given there.
#[derive(Clone, Copy, Debug)]
enum Given {
    /// What stands there; where nothing does, the next that stands.
    What,
    Other(u32, u64),
}

/// What becomes of the log before it is read.
#[derive(Clone, Copy, Debug)]
enum Spoil {
    Swap(usize, usize),
    Remove(usize),
    /// A marker says the opposite.
    Pass(usize),
    /// It stands at the end once more.
    Copy(usize),
    Damage(usize),
    Replace(usize),
}

/// How the observer reads a partition.
#[derive(Clone, Copy, Debug)]
struct Observation {
    start: usize,
    /// How many offsets below its end the partition was pinned.
    short: usize,
    pinned: bool,
    read: bool,
    /// Records that stand together come in one batch.
    together: bool,
}

/// Everything that a history is made of.
#[derive(Clone, Debug)]
pub(crate) struct Plot {
    acts: Vec<(usize, Act)>,
    spoils: Vec<(usize, Spoil)>,
    observations: [Observation; PARTITIONS],
    isolation: [(Isolation, bool); GROUPS as usize],
    reported: Vec<(u16, usize, Option<i64>)>,
    waited: [bool; GROUPS as usize],
    /// How sources are interleaved; in the order of the clock if not told.
    interleaved: Option<u64>,
    imported: bool,
}

pub(crate) fn plots(imported: bool) -> impl Strategy<Value = Plot> {
    let acts = prop::collection::vec((0..APPLICATIONS, an_act()), 0..60);
    let spoils = prop::collection::vec((0..PARTITIONS, a_spoil()), 0..3);
    let isolation = || {
        let level = prop_oneof![
            1 => Just(Isolation::ReadUncommitted),
            2 => Just(Isolation::ReadCommitted),
        ];
        (level, prop::bool::weighted(0.2))
    };
    let reported = (0..GROUPS, 0..PARTITIONS, prop::option::of(0i64..12));
    (
        acts,
        spoils,
        [an_observation(), an_observation()],
        [isolation(), isolation()],
        prop::collection::vec(reported, 0..2),
        prop::array::uniform2(prop::bool::weighted(0.3)),
        prop::option::weighted(0.5, any::<u64>()),
    )
        .prop_map(
            move |(acts, spoils, observations, isolation, reported, waited, interleaved)| Plot {
                acts,
                spoils,
                observations,
                isolation,
                reported,
                waited,
                interleaved,
                imported,
            },
        )
}

fn an_act() -> impl Strategy<Value = Act> {
    let partition = || 0..PARTITIONS;
    let intent = || prop_oneof![3 => Just(Intent::Commit), 1 => Just(Intent::Abort)];
    let mark = || {
        prop_oneof![
            3 => Just(Mark::Commit),
            2 => Just(Mark::Abort),
            1 => Just(Mark::None),
        ]
    };
    let written = prop_oneof![
        16 => Just(Written::Once),
        1 => Just(Written::Twice),
        1 => Just(Written::Never),
    ];
    let answer = prop_oneof![
        12 => Just(Answer::Acknowledged(0)),
        1 => (-2i64..3).prop_map(Answer::Acknowledged),
        1 => Just(Answer::Failed),
        1 => Just(Answer::Unknown),
    ];
    let told = prop_oneof![
        2 => Just(TransactionOutcome::Committed),
        2 => Just(TransactionOutcome::Aborted),
        1 => Just(TransactionOutcome::Fenced),
        1 => Just(TransactionOutcome::Unknown { error: "late".to_owned() }),
    ];
    let place = prop_oneof![
        6 => Just(Place::Onward(0)),
        2 => (-2i64..3).prop_map(Place::Onward),
        2 => (0i64..20).prop_map(Place::At),
    ];
    let given = prop_oneof![
        20 => Just(Given::What),
        1 => (0u32..3, 0u64..6).prop_map(|(producer, sequence)| Given::Other(producer, sequence)),
    ];
    let result = prop_oneof![
        4 => Just(CommitResult::Accepted),
        1 => Just(CommitResult::Refused),
    ];
    prop_oneof![
        9 => (prop::bool::weighted(0.1), prop::bool::weighted(0.6))
            .prop_map(|(forget, join)| Act::Begin { forget, join }),
        16 => (partition(), written).prop_map(|(to, written)| Act::Send(to, written)),
        8 => answer.prop_map(Act::Answer),
        2 => intent().prop_map(Act::Ask),
        2 => (told, [mark(), mark()]).prop_map(|(told, marks)| Act::Hear(told, marks)),
        4 => intent().prop_map(Act::End),
        2 => Just(Act::Join),
        6 => (partition(), 2usize..5).prop_map(|(from, count)| Act::ReadOn(from, count)),
        10 => (partition(), place, given).prop_map(|(from, at, what)| Act::Process(from, at, what)),
        3 => (partition(), 0usize..12).prop_map(|(of, next)| Act::HandOver(of, next)),
        1 => partition().prop_map(Act::Assign),
        1 => partition().prop_map(Act::Revoke),
        1 => (partition(), prop::option::of(0i64..12)).prop_map(|(of, to)| Act::Reposition(of, to)),
        2 => (partition(), 0usize..12, result).prop_map(|(of, to, it)| Act::Commit(of, to, it)),
        1 => Just(Act::Replace),
    ]
}

fn a_spoil() -> impl Strategy<Value = Spoil> {
    let at = || 0usize..16;
    prop_oneof![
        2 => (at(), at()).prop_map(|(one, other)| Spoil::Swap(one, other)),
        4 => (at(), 1usize..4).prop_map(|(one, over)| Spoil::Swap(one, one + over)),
        2 => at().prop_map(Spoil::Remove),
        3 => at().prop_map(Spoil::Pass),
        2 => at().prop_map(Spoil::Copy),
        1 => at().prop_map(Spoil::Damage),
        1 => at().prop_map(Spoil::Replace),
    ]
}

fn an_observation() -> impl Strategy<Value = Observation> {
    let start = prop_oneof![6 => Just(0usize), 1 => 0usize..5];
    let short = prop_oneof![8 => Just(0usize), 1 => 0usize..4];
    (
        start,
        short,
        prop::bool::weighted(0.97),
        prop::bool::weighted(0.92),
        any::<bool>(),
    )
        .prop_map(|(start, short, pinned, read, together)| Observation {
            start,
            short,
            pinned,
            read,
            together,
        })
}

/// A record that was handed over and of which nothing was said yet.
struct Pending {
    record: RecordId,
    to: PartitionRef,
    offset: i64,
}

struct Application {
    producer: u32,
    member: MemberIx,
    sequence: u64,
    transactions: u64,
    open: Option<TransactionRef>,
    /// Where the open one wrote.
    touched: [bool; PARTITIONS],
    pending: VecDeque<Pending>,
    last: [i64; PARTITIONS],
    events: Vec<Event>,
}

struct Teller {
    now: u64,
    logs: [Vec<Slot>; PARTITIONS],
    applications: Vec<Application>,
    members: u32,
    owners: BTreeMap<RecordId, TransactionRef>,
}

impl Plot {
    pub(crate) fn tell(&self) -> Story {
        let mut teller = Teller {
            now: 2,
            logs: Default::default(),
            applications: Vec::new(),
            members: 0,
            owners: BTreeMap::new(),
        };
        for producer in 0..APPLICATIONS {
            let member = teller.member();
            teller.applications.push(Application {
                producer: u32::try_from(producer).unwrap(),
                member,
                sequence: 0,
                transactions: 0,
                open: None,
                touched: [false; PARTITIONS],
                pending: VecDeque::new(),
                last: [-1; PARTITIONS],
                events: Vec::new(),
            });
            teller.start(producer);
        }
        for (who, act) in &self.acts {
            teller.act(*who, act);
        }
        for (partition, spoil) in &self.spoils {
            spoil.befall(&mut teller.logs[*partition]);
        }
        let mut sources: Vec<Vec<Event>> = std::mem::take(&mut teller.applications)
            .into_iter()
            .map(|application| application.events)
            .collect();
        sources.push(self.observe(&mut teller));
        let mut events = self.declarations();
        events.extend(self.interleave(sources));
        Story {
            events,
            now_us: teller.now,
        }
    }

    fn declarations(&self) -> Vec<Event> {
        let mut bodies = vec![Body::TopicDeclared {
            topic: TOPIC,
            name: "t".to_owned(),
            partitions: i32::try_from(PARTITIONS).unwrap(),
        }];
        if self.imported {
            let tool = "another".to_owned();
            bodies.push(Body::Imported { tool });
        }
        for ((isolation, relies), group) in self.isolation.into_iter().zip((0..).map(GroupIx::new))
        {
            bodies.push(Body::GroupDeclared {
                group,
                name: format!("g{group}"),
                topics: vec![TOPIC],
            });
            bodies.push(Body::IsolationDeclared { group, isolation });
            if relies {
                bodies.push(Body::ReadCommittedRequired { group });
            }
        }
        let at = Micros::new(0);
        bodies.into_iter().map(|body| Event { at, body }).collect()
    }

    /// The log as it is read in the end, and where the groups are said to stand.
    fn observe(&self, teller: &mut Teller) -> Vec<Event> {
        let mut bodies = vec![Body::TrafficEnded];
        for (at, observation) in self.observations.iter().enumerate() {
            if !self.imported {
                let of = |slot: Slot| teller.owner(slot);
                observation.tell(partition(at), &teller.logs[at], of, &mut bodies);
            }
        }
        for (group, at, next) in &self.reported {
            bodies.push(Body::GroupOffset {
                group: GroupIx::new(*group),
                partition: partition(*at),
                offset: next.map(Offset::new),
            });
        }
        for (waited, group) in self.waited.into_iter().zip((0..).map(GroupIx::new)) {
            if waited {
                let limit_ms = 1000;
                bodies.push(Body::GroupWaited { group, limit_ms });
            }
        }
        bodies.push(Body::Completed);
        let mut events = Vec::new();
        for body in bodies {
            events.push(teller.event(body));
        }
        events
    }

    fn interleave(&self, sources: Vec<Vec<Event>>) -> Vec<Event> {
        let Some(seed) = self.interleaved else {
            let mut events: Vec<Event> = sources.into_iter().flatten().collect();
            events.sort_by_key(|event| event.at);
            return events;
        };
        let mut dice = Dice(seed | 1);
        let mut sources: Vec<VecDeque<Event>> = sources.into_iter().map(VecDeque::from).collect();
        let mut events = Vec::new();
        loop {
            sources.retain(|source| !source.is_empty());
            if sources.is_empty() {
                return events;
            }
            let next = dice.below(sources.len());
            events.extend(sources[next].pop_front());
        }
    }
}

fn partition(at: usize) -> PartitionRef {
    part(i32::try_from(at).unwrap())
}

impl Teller {
    fn event(&mut self, body: Body) -> Event {
        self.now += 1;
        // Every other event is of the same moment as the one before.
        let at = Micros::new(self.now / 2);
        Event { at, body }
    }

    fn say(&mut self, who: usize, body: Body) {
        let event = self.event(body);
        self.applications[who].events.push(event);
    }

    fn member(&mut self) -> MemberIx {
        self.members += 1;
        MemberIx::new(self.members)
    }

    fn owner(&self, slot: Slot) -> Option<TransactionRef> {
        match slot.content() {
            Some(Content::Ours(record)) => self.owners.get(&record).copied(),
            _ => None,
        }
    }

    fn start(&mut self, who: usize) {
        let member = self.applications[who].member;
        let group = GroupIx::new(u16::try_from(who).unwrap() % GROUPS);
        self.say(who, Body::MemberStarted { member, group });
        let partitions = (0..PARTITIONS).map(partition).collect();
        self.say(who, Body::Assigned { member, partitions });
    }

    fn act(&mut self, who: usize, act: &Act) {
        let member = self.applications[who].member;
        match act {
            Act::Begin { forget, join } => {
                if *forget || self.applications[who].open.is_none() {
                    self.begin(who);
                    if *join {
                        self.act(who, &Act::Join);
                    }
                }
            }
            Act::Send(to, written) => self.send(who, *to, *written),
            Act::Answer(answer) => self.answer(who, *answer),
            Act::Ask(intent) => {
                if let Some(transaction) = self.applications[who].open {
                    let intent = *intent;
                    self.say(
                        who,
                        Body::TransactionEnding {
                            transaction,
                            intent,
                        },
                    );
                }
            }
            Act::Hear(told, marks) => self.hear(who, told, *marks),
            Act::End(intent) => self.end(who, *intent),
            Act::Join => {
                if let Some(transaction) = self.applications[who].open {
                    let joined = Body::TransactionJoined {
                        transaction,
                        member,
                    };
                    self.say(who, joined);
                }
            }
            Act::Process(from, place, given) => self.process(who, *from, *place, *given),
            Act::ReadOn(from, count) => {
                for _ in 0..*count {
                    self.process(who, *from, Place::Onward(0), Given::What);
                }
            }
            Act::HandOver(of, next) => {
                if let Some(transaction) = self.applications[who].open {
                    let handed = Body::OffsetSent {
                        transaction,
                        group: GroupIx::new(u16::try_from(who).unwrap() % GROUPS),
                        partition: partition(*of),
                        offset: Offset::new(i64::try_from(*next).unwrap()),
                    };
                    self.say(who, handed);
                }
            }
            Act::Assign(of) => {
                let partitions = vec![partition(*of)];
                self.say(who, Body::Assigned { member, partitions });
            }
            Act::Revoke(of) => {
                let partitions = vec![partition(*of)];
                self.say(who, Body::Revoked { member, partitions });
            }
            Act::Reposition(of, next) => {
                let set = Body::Repositioned {
                    member,
                    partition: partition(*of),
                    next: next.map(Offset::new),
                };
                self.say(who, set);
            }
            Act::Commit(of, next, result) => {
                let committed = Body::Committed {
                    member,
                    partition: partition(*of),
                    offset: Offset::new(i64::try_from(*next).unwrap()),
                    result: *result,
                };
                self.say(who, committed);
            }
            Act::Replace => {
                let how = Ending::Killed;
                self.say(who, Body::MemberEnded { member, how });
                self.applications[who].member = self.member();
                self.start(who);
            }
        }
    }

    fn begin(&mut self, who: usize) {
        let application = &mut self.applications[who];
        let begun = transaction(application.producer, application.transactions);
        application.transactions += 1;
        application.open = Some(begun);
        application.touched = [false; PARTITIONS];
        self.say(who, Body::TransactionBegun { transaction: begun });
    }

    fn send(&mut self, who: usize, to: usize, written: Written) {
        let application = &mut self.applications[who];
        let record = id(application.producer, application.sequence);
        application.sequence += 1;
        let content = Content::Ours(record);
        let slot = match application.open {
            None => Slot::Is(content),
            Some(open) => {
                self.owners.insert(record, open);
                application.touched[to] = true;
                Slot::In(kafka_id(who), content)
            }
        };
        let log = &mut self.logs[to];
        let offset = i64::try_from(log.len()).unwrap();
        let copies = match written {
            Written::Never => 0,
            Written::Once => 1,
            Written::Twice => 2,
        };
        log.extend(vec![slot; copies]);
        let to = partition(to);
        application
            .pending
            .push_back(Pending { record, to, offset });
        self.say(who, Body::SendInvoked { record, to });
    }

    fn answer(&mut self, who: usize, answer: Answer) {
        let Some(pending) = self.applications[who].pending.pop_front() else {
            return;
        };
        let error = "planned".to_owned();
        let outcome = match answer {
            Answer::Acknowledged(off) => Outcome::Acknowledged {
                at: pending.to,
                offset: Offset::new(pending.offset + off),
            },
            Answer::Failed => Outcome::Failed { error },
            Answer::Unknown => Outcome::Unknown { error },
        };
        let record = pending.record;
        self.say(who, Body::SendCompleted { record, outcome });
    }

    fn end(&mut self, who: usize, intent: Intent) {
        let Some(transaction) = self.applications[who].open else {
            return;
        };
        while !self.applications[who].pending.is_empty() {
            self.answer(who, Answer::Acknowledged(0));
        }
        let ending = Body::TransactionEnding {
            transaction,
            intent,
        };
        self.say(who, ending);
        let (told, mark) = match intent {
            Intent::Commit => (TransactionOutcome::Committed, Mark::Commit),
            Intent::Abort => (TransactionOutcome::Aborted, Mark::Abort),
        };
        self.hear(who, &told, [mark; PARTITIONS]);
    }

    fn hear(&mut self, who: usize, told: &TransactionOutcome, marks: [Mark; PARTITIONS]) {
        let Some(transaction) = self.applications[who].open.take() else {
            return;
        };
        for (log, mark) in marks.into_iter().enumerate() {
            if self.applications[who].touched[log] {
                let marker = match mark {
                    Mark::Commit => Some(Slot::Commit(kafka_id(who))),
                    Mark::Abort => Some(Slot::Abort(kafka_id(who))),
                    Mark::None => None,
                };
                self.logs[log].extend(marker);
            }
        }
        let outcome = told.clone();
        self.say(
            who,
            Body::TransactionCompleted {
                transaction,
                outcome,
            },
        );
    }

    fn process(&mut self, who: usize, from: usize, place: Place, given: Given) {
        let application = &self.applications[who];
        let wanted = match place {
            Place::Onward(over) => application.last[from] + 1 + over,
            Place::At(offset) => offset,
        };
        let wanted = wanted.max(0);
        let log = &self.logs[from];
        let (offset, content) = match given {
            Given::Other(producer, sequence) => (wanted, Content::Ours(id(producer, sequence))),
            Given::What => {
                let stored_records = (0..).zip(log).skip_while(|(at, _)| *at < wanted);
                let mut data = stored_records.filter_map(|(at, slot)| match slot {
                    Slot::Is(content) | Slot::In(_, content) => Some((at, *content)),
                    _ => None,
                });
                let Some(next) = data.next() else {
                    return;
                };
                next
            }
        };
        let member = application.member;
        self.applications[who].last[from] = offset;
        let processed = Body::Processed {
            member,
            from: partition(from),
            offset: Offset::new(offset),
            content,
        };
        self.say(who, processed);
    }
}

fn kafka_id(who: usize) -> i64 {
    100 + i64::try_from(who).unwrap()
}
