//! How fast the checker is, and how much memory it takes, on a history that is
//! made up:
//!
//! ```text
//! cargo run --release -p ackproof-checker --example throughput -- COMMAND
//!   made RECORDS PARTITIONS [EVERY]   check it as it is made, no file involved
//!   write FILE RECORDS PARTITIONS     write it to a file
//!   check FILE                        check a file
//!   examine FILE                      all that `ackproof check` does, calibration included
//! ```
//!
//! Every record is sent, acknowledged, stored and processed by two groups:
//! five events. Several producers, members and partitions report in turn, each
//! some events at a time, so that their clocks are a little out of step. The
//! history is healthy, unless each record of a number that EVERY divides is
//! acknowledged at the offset of the next.
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on stops")]
#![allow(clippy::print_stdout, reason = "what it is for")]

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use checker::{Analysis, Limits, check};
use model::claim::{Claim, Contract, Guarantee, Level};
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
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |given: &str| given.parse::<u64>().unwrap();
    match arguments[..] {
        ["made", records, partitions] => {
            made(History::healthy(number(records), number(partitions)));
        }
        ["made", records, partitions, every] => made(History {
            misplaced: Some(number(every)),
            ..History::healthy(number(records), number(partitions))
        }),
        ["write", file, records, partitions] => {
            let mut recorder = history::Recorder::create(Path::new(file)).unwrap();
            let history = History::healthy(number(records), number(partitions));
            history.events(|event| recorder.record(event).unwrap());
        }
        ["check", file] => check_file(Path::new(file)),
        ["examine", file] => examine_file(Path::new(file)),
        _ => println!("see the head of this example's source for its arguments"),
    }
    println!("peak resident {} MiB", peak_resident_kib() / 1024);
}

/// Checks a history as it is made. What making it costs is measured by itself,
/// and taken off.
fn made(history: History) {
    let mut events = 0u64;
    let ((), making) = measured(|| {
        history.events(|event| {
            events += 1;
            black_box(event);
        });
    });
    let mut readings = 0;
    let (analysis, checking) = measured(|| {
        let Ok(analysis) = check(Limits::default(), |checker| {
            readings += 1;
            history.events(|event| checker.observe(event));
            Ok::<_, std::convert::Infallible>(())
        });
        analysis
    });
    println!("making them  {making}");
    say(events, readings, &analysis, &checking);
    rate(events, checking.cpu_s - making.cpu_s * f64::from(readings));
}

fn check_file(file: &Path) {
    let mut events = 0u64;
    let mut readings = 0;
    let (analysis, checking) = measured(|| {
        let checked = check(Limits::default(), |checker| {
            readings += 1;
            events = 0;
            for event in history::Reader::open(file)? {
                events += 1;
                checker.observe(&event?);
            }
            Ok::<_, history::Damage>(())
        });
        checked.unwrap()
    });
    say(events, readings, &analysis, &checking);
    rate(events, checking.cpu_s);
}

fn examine_file(file: &Path) {
    let contract = Contract {
        guarantees: Claim::ALL
            .iter()
            .map(|claim| Guarantee {
                claim: *claim,
                level: Level::Required,
                limit_ms: None,
            })
            .collect(),
        ..Contract::default()
    };
    let mut readings = 0;
    let ((analysis, mutants), examining) = measured(|| {
        let examined = checker::examine(&contract, || {
            readings += 1;
            history::Reader::open(file)
        });
        examined.unwrap()
    });
    let missed = mutants.iter().filter(|mutant| !mutant.found).count();
    println!("{} mutants, {missed} missed", mutants.len());
    say(analysis.counts.sent * 5, readings, &analysis, &examining);
}

fn say(events: u64, readings: u32, analysis: &Analysis, cost: &Cost) {
    println!("{} records, about {events} events", analysis.counts.sent);
    for finding in &analysis.findings {
        println!("found {} {}", finding.count, finding.anomaly);
    }
    println!("{readings} readings  {cost}");
}

#[expect(clippy::cast_precision_loss, reason = "for people to read")]
fn rate(events: u64, cpu_s: f64) {
    let millions = events as f64 / cpu_s / 1e6;
    println!("{millions:.1} million events a second of processor time");
}

struct Cost {
    wall_s: f64,
    cpu_s: f64,
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

fn measured<T>(work: impl FnOnce() -> T) -> (T, Cost) {
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

/// A history of so many records in so many partitions.
#[derive(Clone, Copy)]
struct History {
    records: u64,
    partitions: u64,
    /// Records of numbers that this divides are acknowledged one offset on.
    misplaced: Option<u64>,
}

impl History {
    const fn healthy(records: u64, partitions: u64) -> Self {
        Self {
            records,
            partitions,
            misplaced: None,
        }
    }

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
            let misplaced = self.misplaced.is_some_and(|every| number % every == 0);
            let offset = Offset::new(self.offset(number).get() + i64::from(misplaced));
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
