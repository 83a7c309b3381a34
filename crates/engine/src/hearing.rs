//! What the reports of producers and of groups' members mean in a history.
//! Knows nothing of who else reports, nor of processes.

use model::event::{Body, ClientRef, Outcome};
use model::ids::{MemberIx, Offset, PartitionIndex, PartitionRef, ProducerIx, RecordId, TopicIx};
use subject::protocol::ClientEvent;

/// The event that a report of a producer to a topic stands for.
pub(crate) fn of_producer(producer: ProducerIx, topic: TopicIx, what: ClientEvent) -> Option<Body> {
    let completed = |sequence, outcome| Body::SendCompleted {
        record: RecordId { producer, sequence },
        outcome,
    };
    Some(match what {
        ClientEvent::Sent {
            sequence,
            partition,
        } => Body::SendInvoked {
            record: RecordId { producer, sequence },
            to: PartitionRef { topic, partition },
        },
        ClientEvent::Acknowledged {
            sequence,
            partition,
            offset,
        } => {
            let at = PartitionRef { topic, partition };
            let given = offset.filter(|offset| offset.get() >= 0);
            let offset = given.unwrap_or(Offset::NONE);
            completed(sequence, Outcome::Acknowledged { at, offset })
        }
        ClientEvent::Failed { sequence, error } => completed(sequence, Outcome::Failed { error }),
        ClientEvent::Unknown { sequence, error } => completed(sequence, Outcome::Unknown { error }),
        ClientEvent::Counted { retries } => Body::ProducerCounted { producer, retries },
        what => return of_client(ClientRef::Producer(producer), what),
    })
}

/// The event that a report of anybody's client stands for.
fn of_client(client: ClientRef, what: ClientEvent) -> Option<Body> {
    Some(match what {
        ClientEvent::ClientError {
            cause,
            error,
            reason,
            times,
        } => Body::ClientErred {
            client,
            cause,
            error,
            reason,
            times,
        },
        ClientEvent::Throttled { throttle_ms } => Body::Throttled {
            client,
            throttle_ms,
        },
        _ => return None,
    })
}

/// The event that a report of a group's member about the topic that it reads
/// stands for.
pub(crate) fn of_member(member: MemberIx, topic: TopicIx, what: ClientEvent) -> Option<Body> {
    let place = |partition| PartitionRef { topic, partition };
    let places = |partitions: Vec<PartitionIndex>| partitions.into_iter().map(place).collect();
    Some(match what {
        ClientEvent::Assigned { partitions } => Body::Assigned {
            member,
            partitions: places(partitions),
        },
        ClientEvent::Revoked { partitions } => Body::Revoked {
            member,
            partitions: places(partitions),
        },
        ClientEvent::Processed {
            partition,
            offset,
            content,
        } => Body::Processed {
            member,
            from: place(partition),
            offset,
            content,
        },
        ClientEvent::Committed {
            partition,
            offset,
            result,
        } => Body::Committed {
            member,
            partition: place(partition),
            offset,
            result,
        },
        what => return of_client(ClientRef::Member(member), what),
    })
}
