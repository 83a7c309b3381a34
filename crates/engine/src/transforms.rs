//! Groups that read and write: what their members are told to do, and what
//! their reports mean in a history. Knows nothing of processes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use model::event::{Body, CommitResult, Outcome, TransactionOutcome};
use model::ids::{
    GroupIx, MemberIx, PartitionRef, ProducerIx, RecordId, Sequence, TopicIx, TransactionIx,
    TransactionRef,
};
use model::plan::{PlannedTopic, ScenarioPlan};
use model::scenario::{Config, Scenario, Transactions, Transform};
use subject::protocol::{ClientEvent, TransformRole};

use crate::hearing;
use crate::subjects::{Launcher, changes_of};

/// `transaction.timeout.ms` where a scenario does not say, in both clients.
const TRANSACTION_TIMEOUT_MS: u64 = 60_000;
/// How late the coordinator may notice that a transaction has timed out
/// (`transaction.abort.timed.out.transaction.cleanup.interval.ms` is 10 s), and
/// how long the markers may take.
const NOTICE_MS: u64 = 20_000;

/// What the members of a group that writes are told.
#[derive(Clone)]
pub(crate) struct Work {
    role: TransformRole,
    transactions: Transactions,
    config: Config,
    producer_config: Config,
    from: TopicIx,
    to: TopicIx,
    group: GroupIx,
    /// Numbers the producers of a scenario: each incarnation is another one,
    /// because a producer's records are sent once.
    producers: Arc<AtomicU32>,
}

impl Work {
    pub(crate) fn new(
        launcher: &Launcher,
        plan: &ScenarioPlan,
        transform: &Transform,
        group: GroupIx,
        (from, to): (&PlannedTopic, &PlannedTopic),
        producers: &Arc<AtomicU32>,
    ) -> Self {
        Self {
            role: TransformRole {
                clock: launcher.ledger.clock(),
                bootstrap: launcher.bootstrap.clone(),
                run: plan.records_run,
                producer: ProducerIx::new(0),
                group: transform.name.clone(),
                from: transform.from.clone(),
                changes: changes_of(plan, from.ix),
                to: transform.to.clone(),
                partitions: to.partitions,
                records_per_s: transform.records_per_s,
                commit_every_records: transform.commit_every_records,
                record_bytes: transform.record_bytes,
                transactional_id: None,
                config: BTreeMap::new(),
                producer_config: BTreeMap::new(),
            },
            transactions: transform.transactions,
            config: transform.config.clone(),
            producer_config: transform.producer_config.clone(),
            from: from.ix,
            to: to.ix,
            group,
            producers: Arc::clone(producers),
        }
    }

    /// Records a member processes at most before it commits.
    pub(crate) const fn commit_every_records(&self) -> u64 {
        self.role.commit_every_records
    }

    /// The topic that it reads.
    pub(crate) const fn from(&self) -> TopicIx {
        self.from
    }

    /// The role of an incarnation of this number in the group, and how its
    /// reports are to be understood.
    pub(crate) fn begin(&self, number: u32, member: MemberIx) -> (TransformRole, Voice) {
        let producer = ProducerIx::new(self.producers.fetch_add(1, Ordering::Relaxed));
        let id = || format!("{}-{number}", self.role.group);
        let role = TransformRole {
            producer,
            transactional_id: (self.transactions == Transactions::On).then(id),
            config: self.config.for_member(number),
            producer_config: self.producer_config.for_member(number),
            ..self.role.clone()
        };
        let voice = Voice {
            producer,
            member,
            group: self.group,
            from: self.from,
            to: self.to,
            outstanding: BTreeSet::new(),
        };
        (role, voice)
    }
}

/// Understands the reports of one incarnation.
#[derive(Clone, Debug)]
pub(crate) struct Voice {
    producer: ProducerIx,
    member: MemberIx,
    group: GroupIx,
    from: TopicIx,
    to: TopicIx,
    /// Records whose outcome was not told so far.
    outstanding: BTreeSet<Sequence>,
}

/// What a report means for what the member has made and not yet committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Amid {
    /// One more record stands in the log that is not committed.
    Another,
    /// Nothing is any more.
    Nothing,
    /// No change.
    Same,
}

impl Voice {
    pub(crate) const fn group(&self) -> GroupIx {
        self.group
    }

    /// What a report means.
    pub(crate) fn amid(what: &ClientEvent) -> Amid {
        match what {
            ClientEvent::Acknowledged { .. } => Amid::Another,
            ClientEvent::TransactionBegun { .. }
            | ClientEvent::TransactionCompleted { .. }
            | ClientEvent::Committed {
                result: CommitResult::Accepted,
                ..
            } => Amid::Nothing,
            _ => Amid::Same,
        }
    }

    /// Whether a report says that the broker did not let the member have its
    /// way, as one whose place is another's.
    pub(crate) fn is_refusal(what: &ClientEvent) -> bool {
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
    pub(crate) fn understand(&mut self, what: ClientEvent) -> Vec<Body> {
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
    /// nobody will ever know whether it was written.
    pub(crate) fn last_words(&mut self) -> Vec<Body> {
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
                return hearing::of_producer(self.producer, self.to, what);
            }
            what => return hearing::of_member(self.member, self.from, what),
        })
    }

    const fn transaction(&self, transaction: TransactionIx) -> TransactionRef {
        TransactionRef {
            producer: self.producer,
            transaction,
        }
    }
}

/// How long the coordinator may take to end what a member left open when it
/// was killed.
pub(crate) fn closing_limit(scenario: &Scenario) -> Duration {
    let timeouts = scenario.transforms.iter().map(|transform| {
        let timeout_ms = transform.producer_config.get("transaction.timeout.ms");
        let timeout_ms = timeout_ms.and_then(|ms| ms.parse().ok());
        timeout_ms.unwrap_or(TRANSACTION_TIMEOUT_MS)
    });
    Duration::from_millis(timeouts.max().unwrap_or(0) + NOTICE_MS)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use model::ids::{Offset, PartitionIndex};

    use super::*;

    fn voice() -> Voice {
        Voice {
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
    fn what_is_read_and_what_is_written_are_of_two_topics() {
        let mut voice = voice();
        let read = ClientEvent::Derived {
            sequence: Sequence::new(0),
            partition: PartitionIndex::new(2),
            offset: Offset::new(9),
        };
        let [Body::Derived { from, .. }] = voice.understand(read)[..] else {
            unreachable!("a derived record is one event");
        };
        assert_eq!(from.topic, TopicIx::new(0));
        let [Body::SendInvoked { to, .. }] = voice.understand(sent(0))[..] else {
            unreachable!("a sent record is one event");
        };
        assert_eq!(to.topic, TopicIx::new(1));
    }

    #[test]
    fn a_member_joins_the_transaction_that_it_begins() {
        let begun = ClientEvent::TransactionBegun {
            transaction: TransactionIx::new(4),
        };
        assert_eq!(Voice::amid(&begun), Amid::Nothing);
        let events = voice().understand(begun);
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
        let mut voice = voice();
        voice.understand(sent(0));
        voice.understand(sent(1));
        voice.understand(acknowledged(0));
        let words = voice.last_words();
        let [Body::SendCompleted { record, outcome }] = &words[..] else {
            unreachable!("one record has no outcome: {words:?}");
        };
        assert_eq!(record.sequence, Sequence::new(1));
        assert!(matches!(outcome, Outcome::Unknown { .. }));
        assert!(voice.last_words().is_empty());
    }

    #[test]
    fn only_what_the_brokers_refuse_is_a_refusal() {
        let completed = |outcome| ClientEvent::TransactionCompleted {
            transaction: TransactionIx::new(0),
            outcome,
        };
        assert!(Voice::is_refusal(&completed(TransactionOutcome::Fenced)));
        assert!(!Voice::is_refusal(&completed(TransactionOutcome::Aborted)));
        assert!(!Voice::is_refusal(&acknowledged(0)));
    }
}
