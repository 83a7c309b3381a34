//! How fast the checker is, and how much memory it takes, on a history that is
//! made up:
//!
//! ```text
//! cargo run --release -p ackproof-checker --example throughput -- COMMAND
//!   made RECORDS PARTITIONS [EVERY]   check it as it is made, no file involved
//!   write FILE RECORDS PARTITIONS     write it to a file, with clocks that jitter
//!   check FILE                        check a file, all on one core
//!   lanes FILE                        check a file on all cores
//!   examine FILE                      all that `ackproof check` does, calibration included
//!   import FILE...                    check what Kafka's verifiable clients printed
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
use std::time::{Duration, Instant};

use checker::{Analysis, Checker, Lanes, Limits, Pass, check, check_in};
use import::kafkatest;
use model::claim::{Claim, Contract, Guarantee, Level};
use model::event::{Body, CommitResult, Content, Event, Outcome};
use model::ids::{
    GroupIx, MemberIx, Micros, Offset, PartitionIndex, PartitionRef, ProducerIx, RecordId,
    Sequence, TopicIx,
};
use rustix::time::Timespec;

const TOPIC: TopicIx = TopicIx::new(0);
const PRODUCERS: u64 = 4;
const GROUPS: u16 = 2;
/// Records that a source reports at a time.
const REPORTED: u64 = 64;
/// Records by which an acknowledgement is behind its send, and a reading
/// behind its acknowledgement.
const BEHIND: u64 = 1024;
/// Microseconds from record to record, on average.
const SPACING_US: u64 = 40;
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
            let history = History {
                clocks: Clocks::Jittered,
                ..History::healthy(number(records), number(partitions))
            };
            history.events(|event| recorder.record(event).unwrap());
        }
        ["check", file] => check_file(Path::new(file), Lanes::One),
        ["lanes", file] => check_file(Path::new(file), lanes()),
        ["import", ref files @ ..] => import_files(files),
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
    let checking = Cost {
        cpu_s: checking.cpu_s - making.cpu_s * f64::from(readings),
        ..checking
    };
    rate(events, &checking);
}

fn lanes() -> Lanes {
    Lanes::on(std::thread::available_parallelism().unwrap().get())
}

fn check_file(file: &Path, lanes: Lanes) {
    let mut readings = 0;
    let (analysis, checking) = measured(|| {
        let checked = check_in(lanes, Limits::default(), |_| {
            readings += 1;
            history::Reader::open(file)
        });
        checked.unwrap()
    });
    let events = history::Reader::open(file).unwrap().count() as u64;
    say(events, readings, &analysis, &checking);
    rate(events, &checking);
}

fn import_files(files: &[&str]) {
    let sources = files.iter().map(|file| kafkatest::Source::new(*file));
    let mut recording = kafkatest::Recording::open(sources.collect()).unwrap();
    let mut events = 0u64;
    let mut readings = 0;
    let (analysis, checking) = measured(|| {
        let mut checker = Checker::new().unmeasured();
        loop {
            readings += 1;
            events = 0;
            let told = recording.convert(|event| {
                events += 1;
                checker.observe(event);
            });
            assert!(matches!(told.unwrap(), kafkatest::Conversion::Complete(_)));
            match checker.end_pass() {
                Pass::Done(analysis) => return *analysis,
                Pass::Repeat(next) => checker = *next,
            }
        }
    });
    say(events, readings, &analysis, &checking);
    rate(events, &checking);
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
        let (limits, examples) = (Limits::default(), checker::Examples::default());
        let examined = checker::examine_in(lanes(), limits, &contract, examples, |_| {
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
    println!("opened {readings} times  {cost}");
}

#[expect(clippy::cast_precision_loss, reason = "for people to read")]
fn rate(events: u64, cost: &Cost) {
    let millions = events as f64 / 1e6;
    println!(
        "million events a second: {:.1} of processor time, {:.1} of the clock",
        millions / cost.cpu_s,
        millions / cost.wall_s
    );
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

/// Processor time of this process so far, all its threads included.
fn cpu_s() -> f64 {
    let clock = rustix::time::ClockId::ProcessCPUTime;
    let Timespec { tv_sec, tv_nsec } = rustix::time::clock_gettime(clock);
    let (s, ns) = (
        u64::try_from(tv_sec).unwrap(),
        u32::try_from(tv_nsec).unwrap(),
    );
    Duration::new(s, ns).as_secs_f64()
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
    clocks: Clocks,
}

/// What sources' clocks say when they report, record after record.
#[derive(Clone, Copy)]
enum Clocks {
    /// Every [`SPACING_US`].
    Regular,
    /// As often, but no gap is like the one before.
    Jittered,
}

impl Clocks {
    /// When a source reports its event about a record.
    fn at(self, source: u64, number: u64) -> u64 {
        let jitter = match self {
            Self::Regular => source % SPACING_US,
            Self::Jittered => scattered(number * 8 + source) % SPACING_US,
        };
        number * SPACING_US + jitter
    }
}

/// A number without pattern for each number (the finalizer of `SplitMix64`).
const fn scattered(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

impl History {
    const fn healthy(records: u64, partitions: u64) -> Self {
        Self {
            records,
            partitions,
            misplaced: None,
            clocks: Clocks::Regular,
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
        let end = at * SPACING_US;
        event(end, Body::TrafficEnded);
        for index in 0..self.partitions {
            self.truth(index, end, &mut event);
        }
        event(end, Body::Completed);
    }

    /// What every source has to say when the producers are at a record.
    fn report(self, at: u64, event: &mut impl FnMut(u64, Body)) {
        let behind = |behind: u64| {
            let first = at.saturating_sub(behind);
            let last = (at + REPORTED).saturating_sub(behind).min(self.records);
            (first..last).map(move |number| (number + behind, number))
        };
        let clocks = self.clocks;
        for (now, number) in behind(0) {
            let (record, to) = (record(number), partition(number % self.partitions));
            event(clocks.at(0, now), Body::SendInvoked { record, to });
        }
        for (now, number) in behind(BEHIND) {
            let at = partition(number % self.partitions);
            let misplaced = self.misplaced.is_some_and(|every| number % every == 0);
            let offset = Offset::new(self.offset(number).get() + i64::from(misplaced));
            let outcome = Outcome::Acknowledged { at, offset };
            let record = record(number);
            event(clocks.at(1, now), Body::SendCompleted { record, outcome });
        }
        for group in 0..GROUPS {
            let member = MemberIx::new(group.into());
            let source = u64::from(group) + 2;
            for (now, number) in behind(BEHIND * u64::from(group + 2)) {
                let from = partition(number % self.partitions);
                let offset = self.offset(number);
                let content = Content::Ours(record(number));
                let now = clocks.at(source, now);
                event(
                    now,
                    Body::Processed {
                        member,
                        from,
                        offset,
                        content,
                    },
                );
                if offset.get() % COMMIT_EVERY == COMMIT_EVERY - 1 {
                    event(
                        now,
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
