//! How fast the checker is, and how much memory it takes, on a healthy history
//! that is made up as it is read:
//!
//! ```text
//! cargo run --release -p ackproof-checker --example throughput -- RECORDS [PARTITIONS [FILE]]
//! ```
//!
//! Every record is sent, acknowledged, stored and processed by two groups:
//! five events. Several producers, members and partitions report in turn, each
//! some events at a time, so that their clocks are a little out of step. With
//! FILE the history is written there first and then checked from it.
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on stops")]
#![allow(clippy::print_stdout, reason = "what it is for")]

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use checker::{Analysis, Limits, check};
use model::event::{Body, CommitResult, Content, Event, Outcome};
use model::ids::{
    GroupIx, MemberIx, Micros, Offset, PartitionIndex, PartitionRef, ProducerIx, RecordId,
    Sequence, TopicIx,
};

const TOPIC: TopicIx = TopicIx::new(0);
const PRODUCERS: u64 = 4;
const GROUPS: u16 = 2;
/// Records that a source reports at a time.
const REPORTED: u64 = 64;
/// Records by which an acknowledgement is behind its send, and a reading
/// behind its acknowledgement.
const BEHIND: u64 = 1024;
/// Records of a partition that a group processes between commits.
const COMMIT_EVERY: i64 = 500;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: u64| {
        let given = arguments.next();
        given.map_or(default, |given| given.parse().unwrap())
    };
    let history = History {
        records: number(1_000_000),
        partitions: number(12),
    };
    let file = std::env::args().nth(3);

    let making = Cost::of(|| {
        history.events(|event| {
            black_box(event);
        });
    });
    let (analysis, checking) = match &file {
        None => measured(|| {
            let fed = check(Limits::default(), |checker| {
                history.events(|event| checker.observe(event));
                Ok::<_, std::convert::Infallible>(())
            });
            let Ok(analysis) = fed;
            analysis
        }),
        Some(file) => {
            let file = Path::new(file);
            let mut recorder = history::Recorder::create(file).unwrap();
            history.events(|event| recorder.record(event).unwrap());
            drop(recorder);
            measured(|| {
                check(Limits::default(), |checker| {
                    for event in history::Reader::open(file)? {
                        checker.observe(&event?);
                    }
                    Ok::<_, history::Damage>(())
                })
                .unwrap()
            })
        }
    };
    let mut events = 0u64;
    history.events(|_| events += 1);
    assert!(analysis.findings.is_empty(), "{:?}", analysis.findings);
    assert_eq!(analysis.counts.distinct, history.records);

    println!(
        "records {}, partitions {}, events {events}",
        history.records, history.partitions
    );
    println!("making  {making}");
    println!(
        "checking {}  {checking}",
        if file.is_some() {
            "from the file"
        } else {
            "and making"
        }
    );
    let checker_s = match file {
        None => checking.cpu_s - making.cpu_s,
        Some(_) => checking.cpu_s,
    };
    #[expect(clippy::cast_precision_loss, reason = "for people to read")]
    let rate = events as f64 / checker_s / 1e6;
    println!("{rate:.1} million events a second of processor time");
    println!("peak resident {} MiB", peak_resident_kib() / 1024);
}

struct Cost {
    wall_s: f64,
    cpu_s: f64,
}

impl Cost {
    fn of(work: impl FnOnce()) -> Self {
        let ((), cost) = measured_as(work);
        cost
    }
}

impl std::fmt::Display for Cost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "wall {:.2} s, processor {:.2} s",
            self.wall_s, self.cpu_s
        )
    }
}

fn measured(work: impl FnOnce() -> Analysis) -> (Analysis, Cost) {
    measured_as(work)
}

fn measured_as<T>(work: impl FnOnce() -> T) -> (T, Cost) {
    let (wall, cpu) = (Instant::now(), cpu_s());
    let done = work();
    let cost = Cost {
        wall_s: wall.elapsed().as_secs_f64(),
        cpu_s: cpu_s() - cpu,
    };
    (done, cost)
}

/// Processor time of this process so far, from the scheduler's own account.
fn cpu_s() -> f64 {
    let account = std::fs::read_to_string("/proc/self/schedstat").unwrap();
    let nanos: u64 = account.split_whitespace().next().unwrap().parse().unwrap();
    std::time::Duration::from_nanos(nanos).as_secs_f64()
}

fn peak_resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .unwrap();
    peak.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// A healthy history.
#[derive(Clone, Copy)]
struct History {
    records: u64,
    partitions: u64,
}

impl History {
    /// Tells all of its events, from the beginning.
    fn events(self, mut tell: impl FnMut(&Event)) {
        let mut event = |at: u64, body: Body| {
            let at = Micros::new(at);
            tell(&Event { at, body });
        };
        event(
            0,
            Body::TopicDeclared {
                topic: TOPIC,
                name: "t".to_owned(),
                partitions: i32::try_from(self.partitions).unwrap(),
            },
        );
        for group in 0..GROUPS {
            let (group, member) = (GroupIx::new(group), MemberIx::new(group.into()));
            let name = format!("g{group}");
            let topics = vec![TOPIC];
            event(
                0,
                Body::GroupDeclared {
                    group,
                    name,
                    topics,
                },
            );
            event(0, Body::MemberStarted { member, group });
            let partitions = (0..self.partitions).map(partition).collect();
            event(0, Body::Assigned { member, partitions });
        }
        let mut at = 0;
        while at < self.records + BEHIND * u64::from(GROUPS + 1) {
            self.report(at, &mut event);
            at += REPORTED;
        }
        event(at * 10, Body::TrafficEnded);
        for index in 0..self.partitions {
            self.truth(index, at * 10, &mut event);
        }
        event(at * 10, Body::Completed);
    }

    /// What every source has to say when the producers are at a record.
    fn report(self, at: u64, event: &mut impl FnMut(u64, Body)) {
        let behind = |behind: u64| {
            let first = at.saturating_sub(behind);
            let last = (at + REPORTED).saturating_sub(behind).min(self.records);
            (first..last).map(move |number| ((number + behind) * 10, number))
        };
        for (now, number) in behind(0) {
            let (record, to) = (record(number), partition(number % self.partitions));
            event(now, Body::SendInvoked { record, to });
        }
        for (now, number) in behind(BEHIND) {
            let at = partition(number % self.partitions);
            let offset = self.offset(number);
            let outcome = Outcome::Acknowledged { at, offset };
            let record = record(number);
            event(now + 1, Body::SendCompleted { record, outcome });
        }
        for group in 0..GROUPS {
            let member = MemberIx::new(group.into());
            for (now, number) in behind(BEHIND * u64::from(group + 2)) {
                let from = partition(number % self.partitions);
                let offset = self.offset(number);
                let content = Content::Ours(record(number));
                event(
                    now + 2,
                    Body::Processed {
                        member,
                        from,
                        offset,
                        content,
                    },
                );
                if offset.get() % COMMIT_EVERY == COMMIT_EVERY - 1 {
                    event(
                        now + 3,
                        Body::Committed {
                            member,
                            partition: from,
                            offset: Offset::new(offset.get() + 1),
                            result: CommitResult::Accepted,
                        },
                    );
                }
            }
        }
    }

    fn truth(self, index: u64, now: u64, event: &mut impl FnMut(u64, Body)) {
        let of = partition(index);
        let mut numbers = (index..self.records).step_by(usize::try_from(self.partitions).unwrap());
        let end = Offset::new(i64::try_from(numbers.clone().count()).unwrap());
        event(
            now,
            Body::Pinned {
                partition: of,
                log_start: Offset::new(0),
                end,
            },
        );
        numbers.by_ref().for_each(|number| {
            event(
                now,
                Body::Stored {
                    partition: of,
                    offset: self.offset(number),
                    content: Content::Ours(record(number)),
                },
            );
        });
        event(now, Body::PartitionRead { partition: of });
        for group in 0..GROUPS {
            event(
                now,
                Body::GroupOffset {
                    group: GroupIx::new(group),
                    partition: of,
                    offset: Some(end),
                },
            );
        }
    }

    fn offset(self, number: u64) -> Offset {
        Offset::new(i64::try_from(number / self.partitions).unwrap())
    }
}

fn record(number: u64) -> RecordId {
    RecordId {
        producer: ProducerIx::new(u32::try_from(number % PRODUCERS).unwrap()),
        sequence: Sequence::new(number / PRODUCERS),
    }
}

fn partition(index: u64) -> PartitionRef {
    PartitionRef {
        topic: TOPIC,
        partition: PartitionIndex::new(i32::try_from(index).unwrap()),
    }
}
