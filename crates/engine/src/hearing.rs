//! What the reports of producers and of groups' members mean in a history.
//! Knows nothing of who else reports, nor of processes.

use model::event::{Body, ClientRef, Outcome};
use model::ids::{MemberIx, Offset, PartitionIndex, PartitionRef, ProducerIx, RecordId, TopicIx};
use subject::protocol::Happening;

/// The event that a report of a producer to a topic stands for.
pub(crate) fn of_producer(producer: ProducerIx, topic: TopicIx, what: Happening) -> Option<Body> {
    let completed = |sequence, outcome| Body::SendCompleted {
        record: RecordId { producer, sequence },
        outcome,
    };
    Some(match what {
        Happening::Sent {
            sequence,
            partition,
        } => Body::SendInvoked {
            record: RecordId { producer, sequence },
            to: PartitionRef { topic, partition },
        },
        Happening::Acknowledged {
            sequence,
            partition,
            offset,
        } => {
            let at = PartitionRef { topic, partition };
            let given = offset.filter(|offset| offset.get() >= 0);
            let offset = given.unwrap_or(Offset::NONE);
            completed(sequence, Outcome::Acknowledged { at, offset })
        }
        Happening::Failed { sequence, error } => completed(sequence, Outcome::Failed { error }),
        Happening::Unknown { sequence, error } => completed(sequence, Outcome::Unknown { error }),
        Happening::Counted { retries } => Body::ProducerCounted { producer, retries },
        what => return of_client(ClientRef::Producer(producer), what),
    })
}

/// The event that a report of anybody's client stands for.
fn of_client(client: ClientRef, what: Happening) -> Option<Body> {
    Some(match what {
        Happening::ClientError {
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
        Happening::Throttled { throttle_ms } => Body::Throttled {
            client,
            throttle_ms,
        },
        _ => return None,
    })
}

/// The event that a report of a group's member about the topic that it reads
/// stands for.
pub(crate) fn of_member(member: MemberIx, topic: TopicIx, what: Happening) -> Option<Body> {
    let place = |partition| PartitionRef { topic, partition };
    let places = |partitions: Vec<PartitionIndex>| partitions.into_iter().map(place).collect();
    Some(match what {
        Happening::Assigned { partitions } => Body::Assigned {
            member,
            partitions: places(partitions),
        },
        Happening::Revoked { partitions } => Body::Revoked {
            member,
            partitions: places(partitions),
        },
        Happening::Processed {
            partition,
            offset,
            content,
        } => Body::Processed {
            member,
            from: place(partition),
            offset,
            content,
        },
        Happening::Committed {
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
