//! The decoder by hand against postcard, and differences against numbers.

use model::event::{BatchKind, Body, CommitResult, Content, Event, Outcome};
use model::ids::{
    BrokerId, ChangeId, MemberIx, Micros, Offset, PartitionIndex, PartitionRef, ProducerIx,
    RecordId, Sequence, TopicIx,
};
use proptest::prelude::*;

use super::{every_event, forged, layout, read_bytes, recorded};

/// Numbers near zero and of every length.
fn number() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0_u32..64).prop_map(|(number, shift)| number >> shift)
}

fn signed() -> impl Strategy<Value = i64> {
    (any::<i64>(), 0_u32..64).prop_map(|(number, shift)| number >> shift)
}

#[allow(clippy::cast_possible_truncation, reason = "any number will do")]
fn partition() -> impl Strategy<Value = PartitionRef> {
    (number(), signed()).prop_map(|(topic, partition)| PartitionRef {
        topic: TopicIx::new(topic as u16),
        partition: PartitionIndex::new(partition as i32),
    })
}

#[allow(clippy::cast_possible_truncation, reason = "any number will do")]
fn record() -> impl Strategy<Value = RecordId> {
    (number(), number()).prop_map(|(producer, sequence)| RecordId {
        producer: ProducerIx::new(producer as u32),
        sequence: Sequence::new(sequence),
    })
}

fn content() -> impl Strategy<Value = Content> {
    prop_oneof![
        record().prop_map(Content::Ours),
        record().prop_map(Content::Misplaced),
        Just(Content::Corrupt),
        Just(Content::Foreign),
        number().prop_map(|change| Content::Change(ChangeId::new(change))),
        Just(Content::Nameless),
    ]
}

#[allow(clippy::cast_possible_truncation, reason = "any number will do")]
fn member() -> impl Strategy<Value = MemberIx> {
    number().prop_map(|member| MemberIx::new(member as u32))
}

fn offset() -> impl Strategy<Value = Offset> {
    signed().prop_map(Offset::new)
}

fn kind() -> impl Strategy<Value = BatchKind> {
    prop_oneof![
        Just(BatchKind::Plain),
        Just(BatchKind::Transactional),
        Just(BatchKind::Control),
        Just(BatchKind::CommitMarker),
        Just(BatchKind::AbortMarker),
    ]
}

fn result() -> impl Strategy<Value = CommitResult> {
    prop_oneof![
        Just(CommitResult::Accepted),
        Just(CommitResult::Refused),
        Just(CommitResult::Unknown),
    ]
}

/// Mostly of the frequent variants, with whatever numbers there can be.
#[allow(clippy::cast_possible_truncation, reason = "any number will do")]
fn event() -> impl Strategy<Value = Event> {
    let body = prop_oneof![
        (record(), partition()).prop_map(|(record, to)| Body::SendInvoked { record, to }),
        (record(), partition(), offset()).prop_map(|(record, at, offset)| Body::SendCompleted {
            record,
            outcome: Outcome::Acknowledged { at, offset },
        }),
        (record(), ".{0,9}").prop_map(|(record, error)| Body::SendCompleted {
            record,
            outcome: Outcome::Unknown { error },
        }),
        (member(), partition(), offset(), content()).prop_map(|(member, from, offset, content)| {
            Body::Processed {
                member,
                from,
                offset,
                content,
            }
        }),
        (member(), partition(), offset(), result()).prop_map(
            |(member, partition, offset, result)| Body::Committed {
                member,
                partition,
                offset,
                result,
            }
        ),
        (partition(), offset(), offset(), signed(), signed(), kind()).prop_map(
            |(partition, base_offset, last_offset, id, number, kind)| Body::StoredBatch {
                partition,
                base_offset,
                last_offset,
                producer_id: id,
                producer_epoch: number as i16,
                base_sequence: number as i32,
                kind,
            }
        ),
        (partition(), offset(), content()).prop_map(|(partition, offset, content)| {
            Body::Stored {
                partition,
                offset,
                content,
            }
        }),
        (partition(), signed(), offset(), content()).prop_map(
            |(partition, broker, offset, content)| Body::ReplicaStored {
                partition,
                broker: BrokerId::new(broker as i32),
                offset,
                content,
            }
        ),
        proptest::sample::select(every_event()).prop_map(|event| event.body),
    ];
    (number(), body).prop_map(|(at, body)| Event {
        at: Micros::new(at),
        body,
    })
}

/// The events as they stand in the file, with differences in place of numbers.
fn encoded(events: &[Event]) -> Vec<Event> {
    let (_folder, path) = recorded(events);
    let frames = layout::unpacked(&std::fs::read(path).unwrap());
    let decoded = frames.iter().map(|frame| by_postcard(frame).1);
    decoded.flat_map(Result::unwrap).collect()
}

/// The number of events up to the end or the first error, and the events.
fn by_postcard(mut bytes: &[u8]) -> (u32, Result<Vec<Event>, postcard::Error>) {
    let mut events = Vec::new();
    let mut count = 0;
    while !bytes.is_empty() {
        count += 1;
        match postcard::take_from_bytes(bytes) {
            Ok((event, rest)) => {
                events.push(event);
                bytes = rest;
            }
            Err(error) => return (count, Err(error)),
        }
    }
    (count, Ok(events))
}

/// Every field that the document lists, twice: as it is, and as what it has
/// grown by. Zigzag doubles a sequence's difference.
#[test]
fn differences_are_those_of_the_document() {
    let at = PartitionRef {
        topic: TopicIx::new(3),
        partition: PartitionIndex::new(4),
    };
    let member = MemberIx::new(7);
    let broker = BrokerId::new(1);
    let bodies = |sequence: u64, offset: i64, last_offset: i64| {
        let record = RecordId {
            producer: ProducerIx::new(5),
            sequence: Sequence::new(sequence),
        };
        let offset = Offset::new(offset);
        [
            Body::SendInvoked { record, to: at },
            Body::SendCompleted {
                record,
                outcome: Outcome::Acknowledged { at, offset },
            },
            Body::Processed {
                member,
                from: at,
                offset,
                content: Content::Ours(record),
            },
            Body::Committed {
                member,
                partition: at,
                offset,
                result: CommitResult::Accepted,
            },
            Body::StoredBatch {
                partition: at,
                base_offset: offset,
                last_offset: Offset::new(last_offset),
                producer_id: 4000,
                producer_epoch: 2,
                base_sequence: 50,
                kind: BatchKind::Plain,
            },
            Body::Stored {
                partition: at,
                offset,
                content: Content::Misplaced(record),
            },
            Body::ReplicaStored {
                partition: at,
                broker,
                offset,
                content: Content::Ours(record),
            },
        ]
    };
    let events = |at: [u64; 2], bodies: [[Body; 7]; 2]| -> Vec<Event> {
        let [first, second] = bodies;
        let first = first.map(|body| (at[0], body));
        let second = second.map(|body| (at[1], body));
        let told = first.into_iter().chain(second);
        told.map(|(at, body)| Event {
            at: Micros::new(at),
            body,
        })
        .collect()
    };
    let full = events([0, 0], [bodies(100, 200, 209), bodies(101, 210, 214)]);
    let differences = events([0, 0], [bodies(200, 200, 9), bodies(2, 10, 4)]);
    let encoded = encoded(&full);
    for (n, (found, expected)) in encoded.iter().zip(&differences).enumerate() {
        // A batch is told from the last offset of the one before.
        match (&found.body, n) {
            (
                Body::StoredBatch {
                    base_offset,
                    last_offset,
                    ..
                },
                11,
            ) => {
                assert_eq!((base_offset.get(), last_offset.get()), (1, 4));
            }
            _ => assert_eq!(found, expected),
        }
    }
}

#[test]
fn times_are_differences_to_the_event_before() {
    let events: Vec<Event> = [1000, 1500, 1400]
        .map(|at| Event {
            at: Micros::new(at),
            body: Body::TrafficEnded,
        })
        .into();
    let times: Vec<u64> = encoded(&events)
        .iter()
        .map(|event| event.at.get())
        .collect();
    assert_eq!(times, [2000, 1000, 199]);
}

#[test]
fn what_has_another_source_is_not_a_difference_to_it() {
    let sent = |producer| Event {
        at: Micros::new(0),
        body: Body::SendInvoked {
            record: RecordId {
                producer: ProducerIx::new(producer),
                sequence: Sequence::new(100),
            },
            to: PartitionRef::default(),
        },
    };
    let sequences = |events: &[Event]| -> Vec<u64> {
        encoded(events)
            .iter()
            .map(|event| match &event.body {
                Body::SendInvoked { record, .. } => record.sequence.get(),
                _ => 0,
            })
            .collect()
    };
    // Producers 256 apart share a slot.
    assert_eq!(sequences(&[sent(0), sent(1), sent(256)]), [200, 200, 0]);
}

#[test]
fn a_slot_is_31_times_the_one_and_the_other_in_32_bits() {
    let stored = |topic, partition| Event {
        at: Micros::new(0),
        body: Body::Stored {
            partition: PartitionRef {
                topic: TopicIx::new(topic),
                partition: PartitionIndex::new(partition),
            },
            offset: Offset::new(100),
            content: Content::Foreign,
        },
    };
    let offset = |event: &Event| match &event.body {
        Body::Stored { offset, .. } => offset.get(),
        _ => 0,
    };
    for (one, other) in [((1, 0), (0, 31)), ((0, -1), (0, 255)), ((9, 0), (0, 23))] {
        let events = [stored(one.0, one.1), stored(other.0, other.1)];
        let offsets: Vec<i64> = encoded(&events).iter().map(offset).collect();
        assert_eq!(offsets, [100, 0], "{one:?} {other:?}");
    }
}

/// The reader finds the events that postcard finds, or refuses them as postcard does.
fn agree(bytes: &[u8]) -> Result<(), TestCaseError> {
    let (count, theirs) = by_postcard(bytes);
    let ours = read_bytes(&forged(&[(count, bytes)]));
    prop_assert_eq!(ours.ok().map(|(events, _)| encoded(&events)), theirs.ok());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_postcard_encodes_is_decoded_as_postcard_does(event in event(), cut in 0_usize..40) {
        let bytes = postcard::to_stdvec(&event).unwrap();
        agree(&bytes)?;
        agree(&bytes[..cut.min(bytes.len())])?;
    }

    #[test]
    fn what_is_no_event_to_postcard_is_none(
        event in event(),
        at in any::<proptest::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut bytes = postcard::to_stdvec(&event).unwrap();
        *at.get_mut(&mut bytes) = byte;
        bytes.extend([0x80; 12]);
        agree(&bytes)?;
    }

    #[test]
    fn numbers_written_longer_than_they_need_are_what_postcard_takes_them_for(
        variant in proptest::sample::select(vec![3_u8, 4, 10, 11, 13, 14, 41]),
        bytes in proptest::collection::vec(
            prop_oneof![Just(0x80_u8), Just(0xff), 0_u8..=4, any::<u8>()],
            0..60,
        ),
    ) {
        agree(&[&[0, variant], &bytes[..]].concat())?;
    }
}

proptest! {
    #[test]
    fn whatever_is_recorded_is_read_back(
        events in proptest::collection::vec(event(), 0..60),
        frame in 1_usize..20,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("h");
        super::record(&path, &events, frame);
        prop_assert_eq!(super::read(&path).unwrap().0, events);
    }
}
