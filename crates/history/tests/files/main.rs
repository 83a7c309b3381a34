//! Histories as files: recorded, read, damaged, forged and merged. The layout is taken
//! from `docs/reference/history-format.md`, not from the code under test.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod delta;
mod document;
mod layout;
mod merging;
mod robustness;
mod samples;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use history::{Damage, Reader, Recorder, Tail};
use layout::{EVENT_BYTES_MAX, file_header, frame};
use model::event::{Body, Content, Event, Outcome};
use model::ids::{
    Micros, Offset, PartitionIndex, PartitionRef, ProducerIx, RecordId, Sequence, TopicIx,
};

fn some_events(count: u64) -> Vec<Event> {
    let at = PartitionRef {
        topic: TopicIx::new(1),
        partition: PartitionIndex::new(2),
    };
    (0..count)
        .map(|n| {
            let record = RecordId {
                producer: ProducerIx::new(0),
                sequence: Sequence::new(n),
            };
            let offset = Offset::new(i64::try_from(n).unwrap());
            let body = match n % 4 {
                0 => Body::SendInvoked { record, to: at },
                1 => Body::SendCompleted {
                    record,
                    outcome: Outcome::Acknowledged { at, offset },
                },
                2 => Body::Stored {
                    partition: at,
                    offset,
                    content: Content::Ours(record),
                },
                _ => Body::Aborted {
                    reason: "a reason".repeat(usize::try_from(n % 7).unwrap()),
                },
            };
            Event {
                at: Micros::new(n * 10),
                body,
            }
        })
        .collect()
}

/// One event of every variant.
fn every_event() -> Vec<Event> {
    in_time(samples::every_body())
}

/// These, a hundred microseconds apart.
fn in_time(bodies: impl IntoIterator<Item = Body>) -> Vec<Event> {
    bodies
        .into_iter()
        .zip(0..)
        .map(|(body, tick)| Event {
            at: Micros::new(tick * 100),
            body,
        })
        .collect()
}

/// A folder and a history in it, one frame for each hundred events.
fn recorded(events: &[Event]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("h");
    record(&path, events, 100);
    (folder, path)
}

fn record(path: &Path, events: &[Event], events_per_frame: usize) {
    let mut recorder = Recorder::create(path).unwrap();
    for frame in events.chunks(events_per_frame) {
        for event in frame {
            recorder.record(event).unwrap();
        }
        recorder.flush().unwrap();
    }
}

/// A history of frames that no recorder would write.
fn forged(frames: &[(u32, &[u8])]) -> Vec<u8> {
    let mut file = file_header();
    for (events, unpacked) in frames {
        let bytes = frame(file.len(), *events, unpacked);
        file.extend(bytes);
    }
    file
}

fn read(path: &Path) -> Result<(Vec<Event>, Option<Tail>), Damage> {
    to_the_end(Reader::open(path)?)
}

fn read_bytes(bytes: &[u8]) -> Result<(Vec<Event>, Option<Tail>), Damage> {
    to_the_end(Reader::new(
        Path::new("h"),
        io::Cursor::new(bytes.to_owned()),
    )?)
}

fn to_the_end(mut reader: Reader) -> Result<(Vec<Event>, Option<Tail>), Damage> {
    let events = reader.by_ref().collect::<Result<_, _>>()?;
    Ok((events, reader.tail()))
}

#[test]
fn what_is_recorded_is_read_back() {
    let events = some_events(20_000);
    let (_folder, path) = recorded(&events);
    assert_eq!(read(&path).unwrap(), (events, Some(Tail::Whole)));
}

#[test]
fn every_variant_is_read_back() {
    let events = every_event();
    let (_folder, path) = recorded(&events);
    assert_eq!(read(&path).unwrap(), (events, Some(Tail::Whole)));
}

#[test]
fn reading_ahead_gives_the_same_events_and_the_same_end() {
    let events = some_events(20_000);
    let (_folder, path) = recorded(&events);
    let length = fs::metadata(&path).unwrap().len();
    for cut in [0, 1, length / 2, length - 14] {
        let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.set_len(length - cut).unwrap();
        let mut ahead = Reader::open(&path).unwrap().prefetch().unwrap();
        let found: Vec<Event> = ahead.by_ref().map(Result::unwrap).collect();
        assert_eq!((found, ahead.tail()), read(&path).unwrap());
        assert!(ahead.next().is_none());
    }
}

#[test]
fn reading_ahead_gives_an_error_behind_the_events_before_it() {
    let (_folder, path) = recorded(&some_events(5000));
    let mut bytes = fs::read(&path).unwrap();
    let late = bytes.len() - 5;
    bytes[late] ^= 1;
    fs::write(&path, bytes).unwrap();
    let mut ahead = Reader::open(&path).unwrap().prefetch().unwrap();
    assert_eq!(ahead.by_ref().take(4900).flatten().count(), 4900);
    assert!(matches!(ahead.next(), Some(Err(Damage::Frame { .. }))));
    assert!(ahead.next().is_none());
    assert_eq!(ahead.tail(), None);
}

#[test]
fn reading_ahead_may_be_given_up_at_any_time() {
    let (_folder, path) = recorded(&some_events(20_000));
    for events in [0, 1, 5000] {
        let mut ahead = Reader::open(&path).unwrap().prefetch().unwrap();
        assert_eq!(ahead.by_ref().take(events).count(), events);
    }
}

#[test]
fn a_history_is_not_written_over() {
    let (_folder, path) = recorded(&some_events(1));
    assert!(Recorder::create(&path).is_err());
}

#[test]
fn an_event_that_no_frame_could_hold_is_refused_and_leaves_the_rest_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("h");
    let events = some_events(3);
    let mut recorder = Recorder::create(&path).unwrap();
    recorder.record(&events[0]).unwrap();
    let reason = "x".repeat(EVENT_BYTES_MAX + 1);
    let large = Event {
        at: Micros::new(5),
        body: Body::Aborted { reason },
    };
    assert!(recorder.record(&large).is_err());
    recorder.record(&events[1]).unwrap();
    recorder.record(&events[2]).unwrap();
    drop(recorder);
    assert_eq!(read(&path).unwrap(), (events, Some(Tail::Whole)));
}

#[test]
fn the_largest_event_is_read_back() {
    let reason = "é".repeat(EVENT_BYTES_MAX / 2 - 10);
    let events = in_time([Body::Aborted { reason }]);
    let (_folder, path) = recorded(&events);
    assert_eq!(read(&path).unwrap().0, events);
}
