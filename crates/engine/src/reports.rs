//! What the reports of subjects mean in a history. Knows nothing of processes.

use std::collections::BTreeSet;

use model::event::{Body, ClientRef, CommitResult, Outcome, TransactionOutcome};
use model::ids::{
    GroupIx, MemberIx, Offset, PartitionIndex, PartitionRef, ProducerIx, RecordId, Sequence,
    TopicIx, TransactionIx, TransactionRef,
};
use model::plan::{key_turn, topic_for};
use subject::role::ClientEvent;

/// Understands the reports of a producer, which name no topic.
#[derive(Clone, Debug)]
pub(crate) struct ProducerReports {
    pub(crate) producer: ProducerIx,
    /// The topics that its records go to, in turn.
    pub(crate) topics: Vec<TopicIx>,
    /// How many keys these have, in turn.
    pub(crate) keys: Option<u64>,
}

impl ProducerReports {
    /// The event that a report stands for.
    pub(crate) fn event_of(&self, what: ClientEvent) -> Option<Body> {
        let sequence = match &what {
            ClientEvent::Sent { sequence, .. } | ClientEvent::Acknowledged { sequence, .. } => {
                *sequence
            }
            // The others are about no topic.
            _ => Sequence::new(0),
        };
        let topic = topic_for(&self.topics, key_turn(sequence, self.keys))?;
        of_producer(self.producer, *topic, what)
    }
}

/// The event that a report of a producer to a topic stands for.
fn of_producer(producer: ProducerIx, topic: TopicIx, what: ClientEvent) -> Option<Body> {
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

/// The event that a client's report stands for.
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

/// Understands the reports of one incarnation.
#[derive(Clone, Debug)]
pub(crate) struct ReportDecoder {
    pub(crate) producer: ProducerIx,
    pub(crate) member: MemberIx,
    pub(crate) group: GroupIx,
    pub(crate) from: TopicIx,
    pub(crate) to: TopicIx,
    /// Records whose outcome was not told so far.
    pub(crate) outstanding: BTreeSet<Sequence>,
}

/// What a report means for what the member has made and not yet committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PendingOutput {
    /// One more record stands in the log that is not committed.
    Grew,
    /// Nothing is any more.
    Committed,
    /// No change.
    Unchanged,
}

impl ReportDecoder {
    pub(crate) const fn group(&self) -> GroupIx {
        self.group
    }

    /// What a report means.
    pub(crate) fn pending_output(what: &ClientEvent) -> PendingOutput {
        match what {
            ClientEvent::Acknowledged { .. } => PendingOutput::Grew,
            ClientEvent::TransactionBegun { .. }
            | ClientEvent::TransactionCompleted { .. }
            | ClientEvent::Committed {
                result: CommitResult::Accepted,
                ..
            } => PendingOutput::Committed,
            _ => PendingOutput::Unchanged,
        }
    }

    /// Whether a report says that the broker did not let the member have its
    /// way, as one whose place is another's.
    pub(crate) fn is_fencing(what: &ClientEvent) -> bool {
        matches!(
            what,
            ClientEvent::Fenced { .. }
                | ClientEvent::Committed {
                    result: CommitResult::Refused,
                    ..
                }
                | ClientEvent::TransactionCompleted {
                    outcome: TransactionOutcome::Fenced,
                    ..
                }
        )
    }

    /// The events that a report stands for.
    pub(crate) fn events_of(&mut self, what: ClientEvent) -> Vec<Body> {
        match &what {
            ClientEvent::Sent { sequence, .. } => {
                self.outstanding.insert(*sequence);
            }
            ClientEvent::Acknowledged { sequence, .. }
            | ClientEvent::Failed { sequence, .. }
            | ClientEvent::Unknown { sequence, .. } => {
                self.outstanding.remove(sequence);
            }
            _ => {}
        }
        match what {
            ClientEvent::TransactionBegun { transaction } => {
                let transaction = self.transaction(transaction);
                let member = self.member;
                vec![
                    Body::TransactionBegun { transaction },
                    Body::TransactionJoined {
                        transaction,
                        member,
                    },
                ]
            }
            what => self.one(what).into_iter().collect(),
        }
    }

    /// What is left to be said when it says no more: of what it sent last,
    /// its outcome stays unknown.
    pub(crate) fn unreported(&mut self) -> Vec<Body> {
        let (outstanding, producer) = (std::mem::take(&mut self.outstanding), self.producer);
        let unknown = |sequence| Body::SendCompleted {
            record: RecordId { producer, sequence },
            outcome: Outcome::Unknown {
                error: "the process ended before it was told".to_owned(),
            },
        };
        outstanding.into_iter().map(unknown).collect()
    }

    fn one(&self, what: ClientEvent) -> Option<Body> {
        let from = |partition| PartitionRef {
            topic: self.from,
            partition,
        };
        Some(match what {
            ClientEvent::Derived {
                sequence,
                partition,
                offset,
            } => Body::Derived {
                record: RecordId {
                    producer: self.producer,
                    sequence,
                },
                group: self.group,
                from: from(partition),
                offset,
            },
            ClientEvent::Repositioned { partition, next } => Body::Repositioned {
                member: self.member,
                partition: from(partition),
                next: Some(next),
            },
            ClientEvent::OffsetSent {
                transaction,
                partition,
                offset,
            } => Body::OffsetSent {
                transaction: self.transaction(transaction),
                group: self.group,
                partition: from(partition),
                offset,
            },
            ClientEvent::TransactionEnding {
                transaction,
                intent,
            } => Body::TransactionEnding {
                transaction: self.transaction(transaction),
                intent,
            },
            ClientEvent::TransactionCompleted {
                transaction,
                outcome,
            } => Body::TransactionCompleted {
                transaction: self.transaction(transaction),
                outcome,
            },
            what @ (ClientEvent::Sent { .. }
            | ClientEvent::Acknowledged { .. }
            | ClientEvent::Failed { .. }
            | ClientEvent::Unknown { .. }) => {
                return of_producer(self.producer, self.to, what);
            }
            what => return of_member(self.member, self.from, what),
        })
    }

    const fn transaction(&self, transaction: TransactionIx) -> TransactionRef {
        TransactionRef {
            producer: self.producer,
            transaction,
        }
    }
}

#[cfg(test)]
mod tests {
    use model::ids::{Offset, PartitionIndex};

    use super::*;

    fn decoder() -> ReportDecoder {
        ReportDecoder {
            producer: ProducerIx::new(3),
            member: MemberIx::new(5),
            group: GroupIx::new(1),
            from: TopicIx::new(0),
            to: TopicIx::new(1),
            outstanding: BTreeSet::new(),
        }
    }

    fn sent(sequence: u64) -> ClientEvent {
        ClientEvent::Sent {
            sequence: Sequence::new(sequence),
            partition: PartitionIndex::new(2),
        }
    }

    fn acknowledged(sequence: u64) -> ClientEvent {
        ClientEvent::Acknowledged {
            sequence: Sequence::new(sequence),
            partition: PartitionIndex::new(2),
            offset: Some(Offset::new(7)),
        }
    }

    #[test]
    fn reports_of_a_producer_are_about_the_topic_that_the_record_went_to() {
        let reports = |keys| ProducerReports {
            producer: ProducerIx::new(3),
            topics: vec![TopicIx::new(4), TopicIx::new(7)],
            keys,
        };
        let topic_of = |keys, what| match reports(keys).event_of(what) {
            Some(Body::SendInvoked { to, .. }) => to.topic.get(),
            Some(Body::SendCompleted {
                outcome: Outcome::Acknowledged { at, .. },
                ..
            }) => at.topic.get(),
            other => unreachable!("{other:?}"),
        };
        for sequence in 0..4 {
            let sent_to = topic_of(None, sent(sequence));
            assert_eq!(sent_to, if sequence % 2 == 0 { 4 } else { 7 });
            assert_eq!(topic_of(None, acknowledged(sequence)), sent_to);
        }
        // The third record has the first one's key.
        assert_eq!(topic_of(Some(3), sent(3)), 4);
        assert_eq!(topic_of(Some(3), acknowledged(3)), 4);
    }

    #[test]
    fn what_is_read_and_what_is_written_are_of_two_topics() {
        let mut decoder = decoder();
        let read = ClientEvent::Derived {
            sequence: Sequence::new(0),
            partition: PartitionIndex::new(2),
            offset: Offset::new(9),
        };
        let [Body::Derived { from, .. }] = decoder.events_of(read)[..] else {
            unreachable!("a derived record is one event");
        };
        assert_eq!(from.topic, TopicIx::new(0));
        let [Body::SendInvoked { to, .. }] = decoder.events_of(sent(0))[..] else {
            unreachable!("a sent record is one event");
        };
        assert_eq!(to.topic, TopicIx::new(1));
    }

    #[test]
    fn a_member_joins_the_transaction_that_it_begins() {
        let begun = ClientEvent::TransactionBegun {
            transaction: TransactionIx::new(4),
        };
        assert_eq!(
            ReportDecoder::pending_output(&begun),
            PendingOutput::Committed
        );
        let events = decoder().events_of(begun);
        assert!(matches!(
            events[..],
            [
                Body::TransactionBegun { .. },
                Body::TransactionJoined { .. }
            ]
        ));
    }

    #[test]
    fn what_was_sent_last_is_of_unknown_outcome() {
        let mut decoder = decoder();
        decoder.events_of(sent(0));
        decoder.events_of(sent(1));
        decoder.events_of(acknowledged(0));
        let words = decoder.unreported();
        let [Body::SendCompleted { record, outcome }] = &words[..] else {
            unreachable!("one record has no outcome: {words:?}");
        };
        assert_eq!(record.sequence, Sequence::new(1));
        assert!(matches!(outcome, Outcome::Unknown { .. }));
        assert!(decoder.unreported().is_empty());
    }

    #[test]
    fn only_what_the_brokers_refuse_is_a_refusal() {
        let completed = |outcome| ClientEvent::TransactionCompleted {
            transaction: TransactionIx::new(0),
            outcome,
        };
        assert!(ReportDecoder::is_fencing(&completed(
            TransactionOutcome::Fenced
        )));
        assert!(!ReportDecoder::is_fencing(&completed(
            TransactionOutcome::Aborted
        )));
        assert!(!ReportDecoder::is_fencing(&acknowledged(0)));
    }
}
