//! What a client's report says about a record or a commit. Knows nothing of
//! who asks.
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
//!   `KAFKA_STORAGE_ERROR`, of what it has stored and they may have, too. An
//!   earlier attempt is excluded where the report comes sooner than librdkafka
//!   sends anything again ([`Backoff`]). The batch of an earlier attempt was
//!   another one, which says nothing of this: a batch of more records is
//!   refused for its size where one of fewer was stored.

use std::time::Duration;

use model::event::CommitResult;
use rdkafka::bindings::{rd_kafka_message_latency, rd_kafka_message_status, rd_kafka_msg_status_t};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;

/// What the client says of whether a record is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    /// Nothing that it heard says that it could be.
    No,
    /// An attempt was not answered, or no answer is asked for (`acks=0`).
    Possible,
    /// A broker said so, or the client concluded it from what a broker said.
    Yes,
}

/// What a delivery report says of its record, apart from its error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// Whether it is stored.
    pub persistence: Persistence,
    /// How long ago it was handed over.
    pub age: Option<Duration>,
}

impl Account {
    /// What librdkafka's own report says.
    #[allow(unsafe_code)] // the binding has no safe way to ask
    pub(crate) fn of(report: &BorrowedMessage<'_>) -> Self {
        let message = report.ptr().cast_const();
        // SAFETY: `report` owns the message for as long as it is borrowed here,
        // and a delivery report's message is one that librdkafka made, which is
        // what both functions ask for. Neither keeps or changes it.
        let (status, latency_us) = unsafe {
            (
                rd_kafka_message_status(message),
                rd_kafka_message_latency(message),
            )
        };
        Self {
            persistence: match status {
                rd_kafka_msg_status_t::RD_KAFKA_MSG_STATUS_NOT_PERSISTED => Persistence::No,
                rd_kafka_msg_status_t::RD_KAFKA_MSG_STATUS_POSSIBLY_PERSISTED => {
                    Persistence::Possible
                }
                rd_kafka_msg_status_t::RD_KAFKA_MSG_STATUS_PERSISTED => Persistence::Yes,
            },
            age: u64::try_from(latency_us).ok().map(Duration::from_micros),
        }
    }
}

/// How long librdkafka waits, at least, before it puts a record into a request
/// again: `retry.backoff.ms` less the fifth by which it varies it, and no more
/// than `retry.backoff.max.ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff(Duration);

impl Backoff {
    /// From the two settings in force.
    pub fn new(retry_backoff_ms: u64, retry_backoff_max_ms: u64) -> Self {
        let least_us = (retry_backoff_ms.saturating_mul(1000) / 5).saturating_mul(4);
        let most_us = retry_backoff_max_ms.saturating_mul(1000);
        Self(Duration::from_micros(least_us.min(most_us)))
    }

    /// Nothing is known of it.
    pub const UNKNOWN: Self = Self(Duration::ZERO);
}

/// What an error means for a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendFate {
    /// It was certainly not written.
    Failed,
    /// It may or may not have been written.
    Unknown,
}

/// What an error means for a record that the client took and reports later.
pub fn fate_of_report(code: RDKafkaErrorCode, account: Account, backoff: Backoff) -> SendFate {
    let only_attempt = account.age.is_some_and(|age| age < backoff.0);
    if is_refusal(code) && account.persistence == Persistence::No && only_attempt {
        SendFate::Failed
    } else {
        SendFate::Unknown
    }
}

/// Whether an error is a broker's that refuses a batch for what is in it.
const fn is_refusal(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        code,
        Code::MessageSizeTooLarge
            | Code::InvalidMessageSize
            | Code::InvalidRecord
            | Code::InvalidTimestamp
            | Code::InvalidRequiredAcks
            | Code::InvalidTopic
            | Code::PolicyViolation
            | Code::UnsupportedCompressionType
            | Code::UnsupportedForMessageFormat
    )
}

/// What the answer to a commit means.
///
/// One error answers for all partitions of a commit, so only those that the
/// coordinator gives for the whole group count as refused. The answer is to the
/// last attempt: one before it, whose answer was lost, may have been stored.
/// That a commit was refused is told, and shows that the coordinator turned the
/// member away; that its offset is not stored follows from no answer.
pub fn result_of_commit(answer: &Result<(), KafkaError>) -> CommitResult {
    use RDKafkaErrorCode as Code;
    match answer.as_ref().map_err(KafkaError::rdkafka_error_code) {
        Ok(()) => CommitResult::Accepted,
        Err(Some(
            Code::IllegalGeneration
            | Code::UnknownMemberId
            | Code::RebalanceInProgress
            | Code::FencedInstanceId
            | Code::FencedMemberEpoch
            | Code::StaleMemberEpoch
            | Code::GroupAuthorizationFailed
            | Code::InvalidGroupId
            | Code::AssignmentLost
            | Code::Fenced,
        )) => CommitResult::Refused,
        Err(_) => CommitResult::Unknown,
    }
}

/// What the answer to a commit says about the partition's owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The coordinator took it: the committer is a member, and of the current
    /// generation.
    Owner,
    /// The coordinator knows no such member, or one of a later generation.
    Lost,
    /// Nobody can tell: the group rebalances, or there was no answer.
    Open,
}

/// Whether the one who committed still owns what it committed.
pub fn standing_after(answer: &Result<(), KafkaError>) -> Standing {
    use RDKafkaErrorCode as Code;
    match answer.as_ref().map_err(KafkaError::rdkafka_error_code) {
        Ok(()) => Standing::Owner,
        Err(Some(
            Code::IllegalGeneration
            | Code::UnknownMemberId
            | Code::FencedInstanceId
            | Code::FencedMemberEpoch
            | Code::StaleMemberEpoch
            | Code::AssignmentLost
            | Code::Fenced,
        )) => Standing::Lost,
        Err(_) => Standing::Open,
    }
}

/// Whether an error says that another took the client's place: with its
/// `transactional.id`, or with its `group.instance.id`.
pub const fn is_fenced(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        code,
        Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch | Code::FencedInstanceId
    )
}

/// Whether a question about a transaction may be asked again as it was. What
/// the answer to the first one would have been is then told.
pub fn is_retriable(error: &KafkaError) -> bool {
    match error {
        KafkaError::Transaction(error) => error.is_retriable(),
        // Records are still on their way.
        KafkaError::Flush(code) => *code == RDKafkaErrorCode::OperationTimedOut,
        _ => false,
    }
}

/// Whether nothing but to abort the transaction is left.
pub fn wants_abort(error: &KafkaError) -> bool {
    match error {
        KafkaError::Transaction(error) => error.txn_requires_abort(),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::error::RDKafkaErrorCode as Code;

    use super::*;

    const BACKOFF_MS: u64 = 100;

    /// The fate of a record that is reported after so long.
    fn fate(code: Code, persistence: Persistence, age_ms: u64) -> SendFate {
        let age = Some(Duration::from_millis(age_ms));
        let account = Account { persistence, age };
        fate_of_report(code, account, Backoff::new(BACKOFF_MS, 1000))
    }

    #[test]
    fn only_a_refusal_of_what_was_sent_is_failed() {
        let cases = [
            (Code::MessageSizeTooLarge, SendFate::Failed),
            (Code::InvalidRecord, SendFate::Failed),
            (Code::InvalidTimestamp, SendFate::Failed),
            (Code::PolicyViolation, SendFate::Failed),
            (Code::InvalidDifferentRecord, SendFate::Unknown),
            (Code::MessageTimedOut, SendFate::Unknown),
            (Code::RequestTimedOut, SendFate::Unknown),
            (Code::OperationTimedOut, SendFate::Unknown),
            (Code::BrokerTransportFailure, SendFate::Unknown),
            (Code::NetworkException, SendFate::Unknown),
            (Code::NotEnoughReplicas, SendFate::Unknown),
            (Code::NotEnoughReplicasAfterAppend, SendFate::Unknown),
            (Code::NotLeaderForPartition, SendFate::Unknown),
            (Code::KafkaStorageError, SendFate::Unknown),
            (Code::PurgeQueue, SendFate::Unknown),
            (Code::PurgeInflight, SendFate::Unknown),
            (Code::Fatal, SendFate::Unknown),
            (Code::OutOfOrderSequenceNumber, SendFate::Unknown),
            (Code::UnknownTopic, SendFate::Unknown),
            (Code::TopicAuthorizationFailed, SendFate::Unknown),
            (Code::Unknown, SendFate::Unknown),
        ];
        for (code, expected) in cases {
            assert_eq!(fate(code, Persistence::No, 1), expected, "{code:?}");
        }
    }

    #[test]
    fn what_the_client_calls_possible_is_unknown() {
        let code = Code::MessageSizeTooLarge;
        assert_eq!(fate(code, Persistence::Possible, 1), SendFate::Unknown);
        assert_eq!(fate(code, Persistence::Yes, 1), SendFate::Unknown);
    }

    #[test]
    fn what_may_have_been_sent_before_is_unknown() {
        let code = Code::MessageSizeTooLarge;
        assert_eq!(fate(code, Persistence::No, 79), SendFate::Failed);
        assert_eq!(fate(code, Persistence::No, 80), SendFate::Unknown);
        let account = |age| Account {
            persistence: Persistence::No,
            age,
        };
        let soon = Some(Duration::ZERO);
        let of = |account, backoff| fate_of_report(code, account, backoff);
        assert_eq!(
            of(account(None), Backoff::new(100, 1000)),
            SendFate::Unknown
        );
        assert_eq!(of(account(soon), Backoff::UNKNOWN), SendFate::Unknown);
        // It waits no longer than the longest.
        let ten = Some(Duration::from_millis(10));
        assert_eq!(of(account(ten), Backoff::new(100, 10)), SendFate::Unknown);
    }

    #[test]
    fn fenced_is_who_was_replaced() {
        for code in [
            Code::Fenced,
            Code::ProducerFenced,
            Code::InvalidProducerEpoch,
            Code::FencedInstanceId,
        ] {
            assert!(is_fenced(code), "{code:?}");
        }
        for code in [
            Code::IllegalGeneration,
            Code::RebalanceInProgress,
            Code::OperationTimedOut,
            Code::Fatal,
        ] {
            assert!(!is_fenced(code), "{code:?}");
        }
    }

    #[test]
    fn a_commit_is_refused_only_by_the_coordinator() {
        let cases = [
            (Code::IllegalGeneration, CommitResult::Refused),
            (Code::UnknownMemberId, CommitResult::Refused),
            (Code::RebalanceInProgress, CommitResult::Refused),
            (Code::FencedInstanceId, CommitResult::Refused),
            (Code::OperationTimedOut, CommitResult::Unknown),
            (Code::BrokerTransportFailure, CommitResult::Unknown),
            (Code::UnknownTopicOrPartition, CommitResult::Unknown),
        ];
        for (code, expected) in cases {
            let answer = Err(KafkaError::ConsumerCommit(code));
            assert_eq!(result_of_commit(&answer), expected, "{code:?}");
        }
        assert_eq!(result_of_commit(&Ok(())), CommitResult::Accepted);
    }

    #[test]
    fn a_partition_is_lost_only_where_the_coordinator_knows_of_another_owner() {
        let cases = [
            (Code::IllegalGeneration, Standing::Lost),
            (Code::UnknownMemberId, Standing::Lost),
            (Code::FencedInstanceId, Standing::Lost),
            (Code::RebalanceInProgress, Standing::Open),
            (Code::OperationTimedOut, Standing::Open),
            (Code::NotCoordinator, Standing::Open),
        ];
        for (code, expected) in cases {
            let answer = Err(KafkaError::ConsumerCommit(code));
            assert_eq!(standing_after(&answer), expected, "{code:?}");
        }
        assert_eq!(standing_after(&Ok(())), Standing::Owner);
    }
}
