//! The batch that a member has polled and not yet processed (`max.poll.records`).
//! Knows nothing of when it is committed.

use std::time::{Duration, Instant};

use model::event::Content;
use model::ids::{Offset, PartitionIndex};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;

use super::{Member, TURN};
use crate::SubjectError;
use crate::identity::Recognition;
use crate::role::ConsumerRole;

/// How long the next record is waited for once there is a first: longer than
/// a client takes from one partition's records to the next one's.
const GATHER: Duration = Duration::from_millis(200);

/// A record that was polled.
pub(super) struct PolledRecord {
    pub(super) partition: PartitionIndex,
    pub(super) offset: Offset,
    pub(super) content: Content,
}

/// Polls as many records as the role allows, or as there are. Records of
/// partitions that are revoked meanwhile are dropped.
pub(super) fn poll_batch(
    role: &ConsumerRole,
    recognition: &Recognition,
    client: &BaseConsumer<Member>,
) -> Result<Vec<PolledRecord>, SubjectError> {
    let member = client.context();
    let mut batch: Vec<PolledRecord> = Vec::new();
    let mut until = Instant::now() + TURN;
    while (batch.len() as u64) < role.max_poll_records.max(1) {
        let left = until.saturating_duration_since(Instant::now());
        let polled = client.poll(left);
        let revoked = std::mem::take(&mut *member.revoked());
        batch.retain(|record| !revoked.contains(&record.partition));
        match polled {
            Some(Ok(message)) => {
                batch.push(PolledRecord {
                    partition: PartitionIndex::new(message.partition()),
                    offset: Offset::new(message.offset()),
                    content: recognition.content(&message),
                });
                until = Instant::now() + GATHER;
            }
            Some(Err(source @ KafkaError::MessageConsumptionFatal(_))) => {
                return Err(SubjectError::Client {
                    doing: "go on reading",
                    source,
                });
            }
            // Heard by the client's context, with more words.
            Some(Err(_)) | None => {}
        }
        if Instant::now() >= until {
            break;
        }
    }
    Ok(batch)
}
