use std::fs;
use std::path::PathBuf;

use model::event::{Body, Content, Event, Outcome};
use model::ids::{
    Micros, Offset, PartitionIndex, PartitionRef, ProducerIx, RecordId, Sequence, TopicIx,
};

use crate::{Damage, Reader, Recorder, Tail};

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

/// A folder and a history in it, one frame for each hundred events.
fn recorded(events: &[Event]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("h");
    let mut recorder = Recorder::create(&path).unwrap();
    for frame in events.chunks(100) {
        for event in frame {
            recorder.record(event).unwrap();
        }
        recorder.flush().unwrap();
    }
    (folder, path)
}

fn read(path: &std::path::Path) -> Result<(Vec<Event>, Option<Tail>), Damage> {
    let mut reader = Reader::open(path)?;
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
fn a_history_is_not_written_over() {
    let (_folder, path) = recorded(&some_events(1));
    assert!(Recorder::create(&path).is_err());
}

#[test]
fn cut_anywhere_it_is_readable_up_to_the_last_whole_frame() {
    let events = some_events(300);
    let (_folder, path) = recorded(&events);
    let bytes = fs::read(&path).unwrap();
    for cut in 10..bytes.len() {
        fs::write(&path, &bytes[..cut]).unwrap();
        let (left, tail) = read(&path).unwrap();
        assert_eq!(left.len() % 100, 0);
        assert_eq!(left, events[..left.len()]);
        assert!(left.len() < events.len());
        assert!(tail.is_some());
    }
}

#[test]
fn a_flipped_byte_is_an_error_and_never_another_history() {
    let events = some_events(200);
    let (_folder, path) = recorded(&events);
    let bytes = fs::read(&path).unwrap();
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x10;
        fs::write(&path, &flipped).unwrap();
        assert!(read(&path).is_err(), "byte {at}");
    }
}

#[test]
fn a_newer_version_is_refused_by_name() {
    let (_folder, path) = recorded(&some_events(1));
    let mut bytes = fs::read(&path).unwrap();
    bytes[8] = 9;
    fs::write(&path, &bytes).unwrap();
    assert!(matches!(read(&path), Err(Damage::TooNew { found: 9, .. })));
}
