//! What a member has in hand: records that it has taken from the client and not
//! yet processed. Knows nothing of when they are committed.

use std::time::{Duration, Instant};

use model::event::Content;
use model::ids::{Offset, PartitionIndex};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;

use super::{Member, TURN};
use crate::SubjectError;
use crate::identity::Recognition;
use crate::protocol::ConsumerRole;

/// How long the next record is waited for once there is a first: longer than
/// a client takes from one partition's records to the next one's.
const GATHER: Duration = Duration::from_millis(200);

/// A record in hand.
pub(super) struct InHand {
    pub(super) partition: PartitionIndex,
    pub(super) offset: Offset,
    pub(super) content: Content,
}

/// Takes as many records as the role allows, or as there are. What is
/// revoked meanwhile is let go.
pub(super) fn take(
    role: &ConsumerRole,
    recognition: &Recognition,
    client: &BaseConsumer<Member>,
) -> Result<Vec<InHand>, SubjectError> {
    let member = client.context();
    let mut hand: Vec<InHand> = Vec::new();
    let mut until = Instant::now() + TURN;
    while (hand.len() as u64) < role.max_poll_records.max(1) {
        let left = until.saturating_duration_since(Instant::now());
        let polled = client.poll(left);
        let revoked = std::mem::take(&mut *member.revoked());
        hand.retain(|record| !revoked.contains(&record.partition));
        match polled {
            Some(Ok(message)) => {
                hand.push(InHand {
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
    Ok(hand)
}
