//! The decoder by hand against postcard, and differences against numbers.

use model::event::{BatchKind, Body, CommitResult, Content, Event, Outcome};
use model::ids::{
    BrokerId, MemberIx, Micros, Offset, PartitionIndex, PartitionRef, ProducerIx, RecordId,
    Sequence, TopicIx,
};
use proptest::prelude::*;

use super::every_event;
use crate::decode;
use crate::fold::Fold;
use crate::{Reader, Recorder};

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

/// What both say of bytes: the event and how much is left.
fn agree(bytes: &[u8]) -> Result<(), TestCaseError> {
    let ours = decode::event(bytes).map(|(event, rest)| (event, rest.len()));
    let theirs = postcard::take_from_bytes::<Event>(bytes).map(|(event, rest)| (event, rest.len()));
    prop_assert_eq!(ours.ok(), theirs.ok());
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
    fn differences_lead_back_to_the_numbers(
        events in proptest::collection::vec(event(), 0..60),
    ) {
        let mut folding = Fold::new();
        let mut unfolding = Fold::new();
        for event in events {
            let mut turned = event.clone();
            folding.fold(&mut turned);
            unfolding.unfold(&mut turned);
            prop_assert_eq!(turned, event);
        }
    }

    #[test]
    fn whatever_is_recorded_is_read_back(
        events in proptest::collection::vec(event(), 0..60),
        frame in 1_usize..20,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("h");
        let mut recorder = Recorder::create(&path).unwrap();
        for chunk in events.chunks(frame) {
            for event in chunk {
                recorder.record(event).unwrap();
            }
            recorder.flush().unwrap();
        }
        let found: Vec<Event> = Reader::open(&path).unwrap().map(Result::unwrap).collect();
        prop_assert_eq!(found, events);
    }
}
