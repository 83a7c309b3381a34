//! Delta encoding of events, which keeps histories small: a number that grows
//! along a history is written as the difference to the last number of its kind
//! in the same frame. Two kinds may share a slot: the difference is then longer,
//! never wrong. Knows nothing of bytes.

use model::event::{Body, Content, Event, Outcome};
use model::ids::{Micros, Offset, RecordId, Sequence};

use crate::varint;

/// How many last numbers of each kind are remembered. Two of one kind that
/// share a slot cost bytes, and nothing else.
const SLOTS: usize = 256;

/// The last numbers of a frame: all zero where one begins.
#[derive(Clone, Debug)]
pub(crate) struct Delta {
    at: u64,
    last: Box<[[u64; SLOTS]]>,
}

/// The kind of a number; the table in `docs/reference/history-format.md`.
#[derive(Clone, Copy, Debug)]
enum Kind {
    SentSequence,
    CompletedSequence,
    AcknowledgedOffset,
    ProcessedOffset,
    ProcessedSequence,
    CommittedOffset,
    BatchOffset,
    StoredOffset,
    StoredSequence,
    ReplicaOffset,
    ReplicaSequence,
}

impl Kind {
    const COUNT: usize = Self::ReplicaSequence as usize + 1;
}

/// Which way a number goes.
trait Direction {
    /// Replaces `number` by its other form, and notes its full value.
    fn turn(last: &mut u64, number: &mut u64);
    fn turn_signed(last: &mut u64, number: &mut i64);
}

/// From numbers to differences.
enum Encoding {}
/// From differences back to numbers.
enum Decoding {}

impl Direction for Encoding {
    fn turn(last: &mut u64, number: &mut u64) {
        let difference = number.wrapping_sub(*last);
        *last = *number;
        *number = varint::zigzag(difference.cast_signed());
    }

    fn turn_signed(last: &mut u64, number: &mut i64) {
        let full = number.cast_unsigned();
        *number = full.wrapping_sub(*last).cast_signed();
        *last = full;
    }
}

impl Direction for Decoding {
    #[inline]
    fn turn(last: &mut u64, number: &mut u64) {
        *last = last.wrapping_add(varint::unzigzag(*number).cast_unsigned());
        *number = *last;
    }

    #[inline]
    fn turn_signed(last: &mut u64, number: &mut i64) {
        *last = last.wrapping_add(number.cast_unsigned());
        *number = last.cast_signed();
    }
}

impl Delta {
    pub(crate) fn new() -> Self {
        Self {
            at: 0,
            last: vec![[0; SLOTS]; Kind::COUNT].into_boxed_slice(),
        }
    }

    /// Another frame begins.
    pub(crate) fn reset(&mut self) {
        self.at = 0;
        for kind in &mut self.last {
            kind.fill(0);
        }
    }

    /// Writes differences in place of numbers.
    pub(crate) fn encode(&mut self, event: &mut Event) {
        self.turn::<Encoding>(event);
    }

    /// Writes the numbers in place of differences.
    #[inline]
    pub(crate) fn decode(&mut self, event: &mut Event) {
        self.turn::<Decoding>(event);
    }

    #[inline]
    fn turn<D: Direction>(&mut self, event: &mut Event) {
        let mut at = event.at.get();
        D::turn(&mut self.at, &mut at);
        event.at = Micros::new(at);
        match &mut event.body {
            Body::SendInvoked { record, .. } => {
                self.sequence::<D>(Kind::SentSequence, 0, record);
            }
            Body::SendCompleted { record, outcome } => {
                self.sequence::<D>(Kind::CompletedSequence, 0, record);
                if let Outcome::Acknowledged { at, offset } = outcome {
                    let (topic, partition) = (u32::from(at.topic.get()), at.partition.get());
                    self.offset::<D>(Kind::AcknowledgedOffset, topic, partition, offset);
                }
            }
            Body::Processed {
                member,
                from,
                offset,
                content,
            } => {
                let member = member.get();
                self.offset::<D>(Kind::ProcessedOffset, member, from.partition.get(), offset);
                self.content::<D>(Kind::ProcessedSequence, member, content);
            }
            Body::Committed {
                member,
                partition,
                offset,
                ..
            } => {
                let (member, partition) = (member.get(), partition.partition.get());
                self.offset::<D>(Kind::CommittedOffset, member, partition, offset);
            }
            Body::StoredBatch {
                partition,
                base_offset,
                last_offset,
                ..
            } => {
                let (topic, partition) = (u32::from(partition.topic.get()), partition.partition);
                // The last offset is told from the first.
                let slot = self.slot(Kind::BatchOffset, topic, partition.get().cast_unsigned());
                for offset in [base_offset, last_offset] {
                    let mut number = offset.get();
                    D::turn_signed(slot, &mut number);
                    *offset = Offset::new(number);
                }
            }
            Body::Stored {
                partition,
                offset,
                content,
            } => {
                let (topic, partition) = (partition.topic.get(), partition.partition.get());
                self.offset::<D>(Kind::StoredOffset, u32::from(topic), partition, offset);
                self.content::<D>(Kind::StoredSequence, partition.cast_unsigned(), content);
            }
            Body::ReplicaStored {
                partition,
                broker,
                offset,
                content,
            } => {
                let broker = broker.get().cast_unsigned();
                self.offset::<D>(
                    Kind::ReplicaOffset,
                    broker,
                    partition.partition.get(),
                    offset,
                );
                self.content::<D>(Kind::ReplicaSequence, broker, content);
            }
            _ => {}
        }
    }

    #[inline]
    fn slot(&mut self, kind: Kind, of: u32, and: u32) -> &mut u64 {
        let slot = of.wrapping_mul(31).wrapping_add(and) as usize % SLOTS;
        &mut self.last[kind as usize][slot]
    }

    #[inline]
    fn offset<D: Direction>(&mut self, kind: Kind, of: u32, partition: i32, offset: &mut Offset) {
        let mut number = offset.get();
        let slot = self.slot(kind, of, partition.cast_unsigned());
        D::turn_signed(slot, &mut number);
        *offset = Offset::new(number);
    }

    #[inline]
    fn sequence<D: Direction>(&mut self, kind: Kind, of: u32, record: &mut RecordId) {
        let mut number = record.sequence.get();
        let slot = self.slot(kind, of, record.producer.get());
        D::turn(slot, &mut number);
        record.sequence = Sequence::new(number);
    }

    #[inline]
    fn content<D: Direction>(&mut self, kind: Kind, of: u32, content: &mut Content) {
        match content {
            Content::Ours(record) | Content::Misplaced(record) => {
                self.sequence::<D>(kind, of, record);
            }
            Content::Corrupt | Content::Foreign | Content::Change(_) | Content::Nameless => {}
        }
    }
}
