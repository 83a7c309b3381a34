//! One event out of bytes. Nearly all of a history are seven variants, which are decoded by
//! hand; everything else is left to postcard, which defines the format. Knows nothing of
//! frames, and leaves differences as they are.

use model::event::{BatchKind, Body, CommitResult, Content, Event, Outcome};
use model::ids::{
    BrokerId, ChangeId, MemberIx, Micros, Offset, PartitionIndex, PartitionRef, ProducerIx,
    RecordId, Sequence, TopicIx,
};

use crate::varint::Bytes;

/// The first event of `bytes`, and what follows it.
#[inline]
pub(crate) fn event(bytes: &[u8]) -> Result<(Event, &[u8]), postcard::Error> {
    let mut ahead = Bytes::new(bytes);
    match frequent_event(&mut ahead) {
        Some(event) => Ok((event, ahead.rest())),
        None => postcard::take_from_bytes(bytes),
    }
}

#[inline]
fn frequent_event(bytes: &mut Bytes<'_>) -> Option<Event> {
    let at = Micros::new(bytes.u64()?);
    let body = match bytes.u32()? {
        3 => Body::SendInvoked {
            record: record(bytes)?,
            to: partition(bytes)?,
        },
        4 => Body::SendCompleted {
            record: record(bytes)?,
            outcome: acknowledged(bytes)?,
        },
        10 => Body::Processed {
            member: MemberIx::new(bytes.u32()?),
            from: partition(bytes)?,
            offset: offset(bytes)?,
            content: content(bytes)?,
        },
        11 => Body::Committed {
            member: MemberIx::new(bytes.u32()?),
            partition: partition(bytes)?,
            offset: offset(bytes)?,
            result: match bytes.u32()? {
                0 => CommitResult::Accepted,
                1 => CommitResult::Refused,
                2 => CommitResult::Unknown,
                _ => return None,
            },
        },
        13 => Body::StoredBatch {
            partition: partition(bytes)?,
            base_offset: offset(bytes)?,
            last_offset: offset(bytes)?,
            producer_id: bytes.i64()?,
            producer_epoch: bytes.i16()?,
            base_sequence: bytes.i32()?,
            kind: match bytes.u32()? {
                0 => BatchKind::Plain,
                1 => BatchKind::Transactional,
                2 => BatchKind::Control,
                3 => BatchKind::CommitMarker,
                4 => BatchKind::AbortMarker,
                _ => return None,
            },
        },
        14 => Body::Stored {
            partition: partition(bytes)?,
            offset: offset(bytes)?,
            content: content(bytes)?,
        },
        41 => Body::ReplicaStored {
            partition: partition(bytes)?,
            broker: BrokerId::new(bytes.i32()?),
            offset: offset(bytes)?,
            content: content(bytes)?,
        },
        _ => return None,
    };
    Some(Event { at, body })
}

#[inline]
fn record(bytes: &mut Bytes<'_>) -> Option<RecordId> {
    Some(RecordId {
        producer: ProducerIx::new(bytes.u32()?),
        sequence: Sequence::new(bytes.u64()?),
    })
}

#[inline]
fn partition(bytes: &mut Bytes<'_>) -> Option<PartitionRef> {
    Some(PartitionRef {
        topic: TopicIx::new(bytes.u16()?),
        partition: PartitionIndex::new(bytes.i32()?),
    })
}

#[inline]
fn offset(bytes: &mut Bytes<'_>) -> Option<Offset> {
    bytes.i64().map(Offset::new)
}

#[inline]
fn content(bytes: &mut Bytes<'_>) -> Option<Content> {
    match bytes.u32()? {
        0 => record(bytes).map(Content::Ours),
        1 => record(bytes).map(Content::Misplaced),
        2 => Some(Content::Corrupt),
        3 => Some(Content::Foreign),
        4 => Some(Content::Change(ChangeId::new(bytes.u64()?))),
        5 => Some(Content::Nameless),
        _ => None,
    }
}

#[inline]
fn acknowledged(bytes: &mut Bytes<'_>) -> Option<Outcome> {
    match bytes.u32()? {
        0 => Some(Outcome::Acknowledged {
            at: partition(bytes)?,
            offset: offset(bytes)?,
        }),
        _ => None,
    }
}
