//! What became of a record, by what librdkafka says of it.
//!
//! A send is *failed* only where it is proved that no attempt wrote the record;
//! everything else is *unknown*. librdkafka sends a record again by itself,
//! and a delivery report names the error of the last attempt. So three things
//! are asked for:
//!
//! - the broker refused the record's batch for what is in it;
//! - librdkafka says that the record was not persisted
//!   (`rd_kafka_message_status`). It never takes back that an earlier attempt
//!   may have been stored, because its answer did not come in time;
//! - there was no earlier attempt. librdkafka also says "not persisted" after
//!   answers that do not exclude it: a leader that is deposed, or loses its
//!   disk, while it waits for followers answers `NOT_LEADER_OR_FOLLOWER`, or
//!   `KAFKA_STORAGE_ERROR`, of what it has stored and they may have, too. And
//!   that the last attempt was refused says nothing of it: its batch was
//!   another one, and a batch of more records is refused for its size where one
//!   of fewer was stored. How often records were sent is counted, for each
//!   partition, and told only at the end ([`Attempts`]).

use std::collections::{BTreeMap, BTreeSet};

use librdkafka::{Code, Delivery, Partition, Persistence};

use super::statistics::Statistics;
use super::words;
use crate::protocol::{ClientError, ErrorClass, SubjectEvent};

/// What a report of a record that was not delivered says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    /// A broker refused the last attempt for what was in it, and the client
    /// knows of none that may have been stored.
    OfLastAttempt,
    /// Something else; the record was in a request at least once.
    Other,
    /// Something else; it may never have been in one.
    Unsent,
}

/// What an error says of a record that the client took and did not deliver.
const fn refusal(code: Code, persistence: Persistence) -> Refusal {
    match (refuses_content(code), persistence) {
        (true, Persistence::No) => Refusal::OfLastAttempt,
        (true, _) | (_, Persistence::Possible | Persistence::Yes) => Refusal::Other,
        (false, Persistence::No) => Refusal::Unsent,
    }
}

/// Whether an error is a broker's that refuses a batch for what is in it.
const fn refuses_content(code: Code) -> bool {
    matches!(
        code,
        Code::MSG_SIZE_TOO_LARGE
            | Code::INVALID_MSG_SIZE
            | Code::INVALID_RECORD
            | Code::INVALID_TIMESTAMP
            | Code::INVALID_REQUIRED_ACKS
            | Code::TOPIC_EXCEPTION
            | Code::POLICY_VIOLATION
            | Code::UNSUPPORTED_COMPRESSION_TYPE
            | Code::UNSUPPORTED_FOR_MESSAGE_FORMAT
    )
}

/// What the client's delivery reports say became of records.
#[derive(Default)]
pub(super) struct Outcomes {
    offsets: Offsets,
    /// Where success was told of records that no broker answers for.
    unanswered: BTreeSet<Partition>,
    pub(super) attempts: Attempts,
}

impl Outcomes {
    /// What a report says became of its record. That it was not delivered never
    /// says by itself that no attempt was stored.
    pub(super) fn tell(&mut self, delivery: &Delivery) -> SubjectEvent {
        let id = delivery.id as u64;
        let partition = Partition {
            topic: delivery.topic.clone(),
            partition: delivery.partition,
        };
        if let Some(error) = &delivery.error {
            let told = words::error(error, ErrorClass::Other);
            let refusal = refusal(error.code, delivery.persistence);
            self.attempts.undelivered(partition, id, refusal, &told);
            return SubjectEvent::Unknown { id, error: told };
        }
        self.attempts.delivered(partition.clone());
        if delivery.persistence != Persistence::Yes {
            self.unanswered.insert(partition.clone());
        }
        let offset = delivery.offset;
        SubjectEvent::Acknowledged {
            id,
            partition: delivery.partition,
            offset: self.offsets.given(delivery.persistence, partition, offset),
        }
    }

    /// Partitions to which records may still be on their way, although their
    /// outcome was told.
    pub(super) fn take_unanswered(&mut self) -> BTreeSet<Partition> {
        std::mem::take(&mut self.unanswered)
    }
}

/// How often the records of each partition were sent: where each of them was
/// sent once, a refusal of the last attempt is one of the only attempt.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    partitions: BTreeMap<Partition, Sent>,
    refused: usize,
}

/// Records of a partition that the client took, and of which it told the
/// outcome: in the end, all of them.
#[derive(Debug, Default)]
struct Sent {
    handed_over: u64,
    /// Put into requests, each time counted; by the client's last count.
    in_requests: u64,
    /// Whether one of them may never have been put into a request, so that
    /// another could have been put into two.
    unsent: bool,
    refused: Vec<(u64, ClientError)>,
}

/// Refusals that are held until the end, at most. Others stay unknown.
const REFUSED_MAX: usize = 100_000;

impl Attempts {
    fn delivered(&mut self, to: Partition) {
        self.partitions.entry(to).or_default().handed_over += 1;
    }

    fn undelivered(&mut self, to: Partition, id: u64, refusal: Refusal, error: &ClientError) {
        let partition = self.partitions.entry(to).or_default();
        partition.handed_over += 1;
        match refusal {
            Refusal::OfLastAttempt if self.refused < REFUSED_MAX => {
                self.refused += 1;
                partition.refused.push((id, error.clone()));
            }
            Refusal::OfLastAttempt | Refusal::Other => {}
            Refusal::Unsent => partition.unsent = true,
        }
    }

    /// Takes over the client's count.
    pub(super) fn count(&mut self, statistics: &Statistics) {
        for (of, sent) in &mut self.partitions {
            sent.in_requests = statistics.in_requests(&of.topic, of.partition);
        }
    }

    /// Whether nothing was refused.
    pub(super) const fn is_idle(&self) -> bool {
        self.refused == 0
    }

    /// Nothing is proved.
    pub(super) fn give_up(&mut self) {
        self.partitions.clear();
    }

    /// Records that are certainly not written; after the last count.
    pub(super) fn certain(&mut self) -> Vec<(u64, ClientError)> {
        let partitions = std::mem::take(&mut self.partitions).into_values();
        let once = |sent: &Sent| !sent.unsent && sent.in_requests == sent.handed_over;
        let refused = partitions.filter(once).flat_map(|sent| sent.refused);
        let mut certain: Vec<_> = refused.collect();
        certain.sort_by_key(|(id, _)| *id);
        certain
    }
}

/// Tells the offsets that a broker gave from those that librdkafka makes up.
///
/// It gives the records of a batch the offset that the broker named for the
/// first one, and counts on. Where the broker named none, it counts on from a
/// negative number, so that the later records of a larger batch have numbers
/// that look like offsets. With `acks=0`, where no broker answers, it is so for
/// every batch; of such records it says that they are possibly persisted.
#[derive(Debug, Default)]
struct Offsets {
    /// By partition: the last that no broker gave.
    made_up: BTreeMap<Partition, i64>,
}

impl Offsets {
    /// The offset of a record that the client reports as delivered, if a broker
    /// gave it. Reports of a partition come in the order of its batches.
    fn given(&mut self, persistence: Persistence, of: Partition, offset: i64) -> Option<i64> {
        let last = self.made_up.get(&of).copied();
        let counted_on = last.and_then(|last| last.checked_add(1)) == Some(offset);
        if persistence == Persistence::Yes && offset >= 0 && !counted_on {
            self.made_up.remove(&of);
            return Some(offset);
        }
        self.made_up.insert(of, offset);
        None
    }
}

#[cfg(test)]
mod tests;
