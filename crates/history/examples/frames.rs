//! Writes the history of a healthy run, reads it back in each of the ways
//! there are, and says how fast that was and how large the file is.
//!
//! `cargo run --release -p ackproof-history --example frames -- [RECORDS]`

use std::error::Error;
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use history::{Reader, Recorder};
use model::event::{BatchKind, Body, CommitResult, Content, Event, Outcome};
use model::ids::{
    MemberIx, Micros, Offset, PartitionIndex, PartitionRef, ProducerIx, RecordId, Sequence, TopicIx,
};

const PRODUCERS: u64 = 4;
const PARTITIONS: usize = 12;
const GROUPS: u32 = 2;
const RECORDS_PER_BATCH: u64 = 100;
const OFFSETS_PER_BATCH: i64 = 20;
const OFFSETS_PER_COMMIT: i64 = 500;

fn main() -> Result<(), Box<dyn Error>> {
    let records: u64 = std::env::args()
        .nth(1)
        .map_or(Ok(2_000_000), |it| it.parse())?;
    let folder = std::env::temp_dir().join(format!("ackproof-throughput-{}", std::process::id()));
    std::fs::create_dir(&folder)?;
    let told = measure(&folder.join(history::FILE_NAME), records);
    std::fs::remove_dir_all(&folder)?;
    told
}

fn measure(path: &Path, records: u64) -> Result<(), Box<dyn Error>> {
    let mut recorder = Recorder::create(path)?;
    let mut events = 0_u64;
    let mut write = |event: Event| {
        events += 1;
        recorder.record(&event)
    };
    let since = Instant::now();
    healthy_run(records, &mut write)?;
    recorder.flush()?;
    tell("written", events, since);

    let bytes = std::fs::metadata(path)?.len();
    #[allow(clippy::cast_precision_loss, reason = "a figure for people")]
    let per_event = bytes as f64 / events as f64;
    println!(
        "on disk          {:>6} MB, {per_event:.2} bytes an event",
        bytes / 1_000_000
    );

    let since = Instant::now();
    for event in Reader::open(path)? {
        black_box(event?);
    }
    tell("read", events, since);

    let since = Instant::now();
    for event in Reader::open(path)?.prefetch()? {
        black_box(event?);
    }
    tell("read ahead", events, since);

    let merged = path.with_extension("merged");
    let since = Instant::now();
    history::merge(&[path.to_owned()], &merged)?;
    tell("merged", events, since);
    Ok(())
}

fn tell(what: &str, events: u64, since: Instant) {
    #[allow(clippy::cast_precision_loss, reason = "a figure for people")]
    let per_s = events as f64 / since.elapsed().as_secs_f64();
    println!("{what:16} {:>6.1} million events/s", per_s / 1e6);
}

/// Producers send to partitions as their keys fall, batches are acknowledged
/// together, two groups follow and commit; then the observer reads every
/// partition.
fn healthy_run<E>(records: u64, write: &mut impl FnMut(Event) -> Result<(), E>) -> Result<(), E> {
    let mut ends = [0; PARTITIONS];
    let mut at_us = 0;
    let mut write_at = |n: u64, body: Body| {
        at_us += 1 + chance(n ^ at_us) % 16;
        let at = Micros::new(at_us);
        write(Event { at, body })
    };
    let mut first = 0;
    while first < records {
        let batch = first..(first + RECORDS_PER_BATCH).min(records);
        let placed: Vec<(RecordId, PartitionRef, Offset)> = batch
            .map(|n| (record(n), place(n), next_offset(&mut ends, n)))
            .collect();
        for &(record, to, _) in &placed {
            write_at(first, Body::SendInvoked { record, to })?;
        }
        for &(record, at, offset) in &placed {
            let outcome = Outcome::Acknowledged { at, offset };
            write_at(first, Body::SendCompleted { record, outcome })?;
        }
        for group in 0..GROUPS {
            for &(record, from, offset) in &placed {
                let member = MemberIx::new(group * 2 + u32::from(from.partition.get() % 2 == 0));
                let processed = Body::Processed {
                    member,
                    from,
                    offset,
                    content: Content::Ours(record),
                };
                write_at(first, processed)?;
                if offset.get() % OFFSETS_PER_COMMIT == 0 {
                    let committed = Body::Committed {
                        member,
                        partition: from,
                        offset,
                        result: CommitResult::Accepted,
                    };
                    write_at(first, committed)?;
                }
            }
        }
        first += RECORDS_PER_BATCH;
    }
    write_at(0, Body::TrafficEnded)?;
    for (partition, end) in ends.into_iter().enumerate() {
        let of_partition = (0..records).filter(|n| slot(*n) == partition);
        for (n, offset) in of_partition.zip(0_i64..) {
            if offset % OFFSETS_PER_BATCH == 0 {
                let last = (offset + OFFSETS_PER_BATCH).min(end) - 1;
                let batch = Body::StoredBatch {
                    partition: place(n),
                    base_offset: Offset::new(offset),
                    last_offset: Offset::new(last),
                    producer_id: 4000 + i64::from(record(n).producer.get()),
                    producer_epoch: 0,
                    base_sequence: i32::try_from(offset).unwrap_or(0),
                    kind: BatchKind::Plain,
                };
                write_at(n, batch)?;
            }
            let stored = Body::Stored {
                partition: place(n),
                offset: Offset::new(offset),
                content: Content::Ours(record(n)),
            };
            write_at(n, stored)?;
        }
    }
    write_at(0, Body::Completed)
}

/// Something like chance, the same every time (the finaliser of `SplitMix64`).
fn chance(of: u64) -> u64 {
    let mixed = (of ^ (of >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn record(n: u64) -> RecordId {
    RecordId {
        producer: ProducerIx::new(u32::try_from(n % PRODUCERS).unwrap_or(0)),
        sequence: Sequence::new(n / PRODUCERS),
    }
}

fn slot(n: u64) -> usize {
    usize::try_from(chance(n)).unwrap_or(0) % PARTITIONS
}

fn place(n: u64) -> PartitionRef {
    PartitionRef {
        topic: TopicIx::new(0),
        partition: PartitionIndex::new(i32::try_from(slot(n)).unwrap_or(0)),
    }
}

fn next_offset(ends: &mut [i64; PARTITIONS], n: u64) -> Offset {
    let end = &mut ends[slot(n)];
    *end += 1;
    Offset::new(*end - 1)
}
