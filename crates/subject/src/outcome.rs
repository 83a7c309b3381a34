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
//!   `KAFKA_STORAGE_ERROR`, of what it has stored and they may have, too. And
//!   that the last attempt was refused says nothing of it: its batch was
//!   another one, and a batch of more records is refused for its size where one
//!   of fewer was stored. How often records were sent is counted, for each
//!   partition, and told only at the end (`crate::producer`).

use model::event::CommitResult;
use rdkafka::bindings::{rd_kafka_message_status, rd_kafka_msg_status_t};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;

/// What the client says of whether a record is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Persistence {
    /// Nothing that it heard says that it could be.
    No,
    /// An attempt was not answered, or no answer is asked for (`acks=0`).
    Possible,
    /// A broker said so, or the client concluded it from what a broker said.
    Yes,
}

impl Persistence {
    /// What librdkafka's own report says.
    #[allow(unsafe_code)] // the binding has no safe way to ask
    pub(crate) fn of(report: &BorrowedMessage<'_>) -> Self {
        // SAFETY: `report` keeps the message alive for as long as it is borrowed
        // here, and a delivery report's message is one that librdkafka made,
        // which is what the function asks for. It only reads a field.
        match unsafe { rd_kafka_message_status(report.ptr().cast_const()) } {
            rd_kafka_msg_status_t::RD_KAFKA_MSG_STATUS_NOT_PERSISTED => Self::No,
            rd_kafka_msg_status_t::RD_KAFKA_MSG_STATUS_POSSIBLY_PERSISTED => Self::Possible,
            rd_kafka_msg_status_t::RD_KAFKA_MSG_STATUS_PERSISTED => Self::Yes,
        }
    }
}

/// What a report of a record that was not delivered says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// A broker refused the last attempt for what was in it, and the client
    /// knows of none that may have been stored.
    OfLastAttempt,
    /// Something else; the record was in a request at least once.
    Other,
    /// Something else; it may never have been in one.
    Unsent,
}

/// What an error says of a record that the client took and did not deliver.
pub(crate) fn refusal(code: Option<RDKafkaErrorCode>, persistence: Persistence) -> Refusal {
    match (code.is_some_and(refuses_content), persistence) {
        (true, Persistence::No) => Refusal::OfLastAttempt,
        (true, _) | (_, Persistence::Possible | Persistence::Yes) => Refusal::Other,
        (false, Persistence::No) => Refusal::Unsent,
    }
}

/// Whether an error is a broker's that refuses a batch for what is in it.
const fn refuses_content(code: RDKafkaErrorCode) -> bool {
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
pub(crate) fn result_of_commit(answer: &Result<(), KafkaError>) -> CommitResult {
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
pub(crate) enum Standing {
    /// The coordinator took it: the committer is a member, and of the current
    /// generation.
    Owner,
    /// The coordinator knows no such member, or one of a later generation.
    Lost,
    /// Nobody can tell: the group rebalances, or there was no answer.
    Open,
}

/// Whether the one who committed still owns what it committed.
pub(crate) fn standing_after(answer: &Result<(), KafkaError>) -> Standing {
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
pub(crate) const fn is_fenced(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        code,
        Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch | Code::FencedInstanceId
    )
}

/// Whether a question about a transaction may be asked again as it was. What
/// the answer to the first one would have been is then told.
pub(crate) fn is_retriable(error: &KafkaError) -> bool {
    match error {
        KafkaError::Transaction(error) => error.is_retriable(),
        // Records are still on their way.
        KafkaError::Flush(code) => *code == RDKafkaErrorCode::OperationTimedOut,
        _ => false,
    }
}

/// Whether nothing but to abort the transaction is left.
pub(crate) fn wants_abort(error: &KafkaError) -> bool {
    match error {
        KafkaError::Transaction(error) => error.txn_requires_abort(),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::error::RDKafkaErrorCode as Code;

    use super::*;

    #[test]
    fn only_a_refusal_of_what_was_sent_is_one_of_the_last_attempt() {
        let cases = [
            (Code::MessageSizeTooLarge, Refusal::OfLastAttempt),
            (Code::InvalidRecord, Refusal::OfLastAttempt),
            (Code::InvalidTimestamp, Refusal::OfLastAttempt),
            (Code::PolicyViolation, Refusal::OfLastAttempt),
            // Another record of its batch was invalid.
            (Code::InvalidDifferentRecord, Refusal::Unsent),
            (Code::MessageTimedOut, Refusal::Unsent),
            (Code::RequestTimedOut, Refusal::Unsent),
            (Code::OperationTimedOut, Refusal::Unsent),
            (Code::BrokerTransportFailure, Refusal::Unsent),
            (Code::NetworkException, Refusal::Unsent),
            (Code::NotEnoughReplicas, Refusal::Unsent),
            (Code::NotEnoughReplicasAfterAppend, Refusal::Unsent),
            (Code::NotLeaderForPartition, Refusal::Unsent),
            (Code::KafkaStorageError, Refusal::Unsent),
            (Code::PurgeQueue, Refusal::Unsent),
            (Code::PurgeInflight, Refusal::Unsent),
            (Code::Fatal, Refusal::Unsent),
            (Code::OutOfOrderSequenceNumber, Refusal::Unsent),
            (Code::UnknownTopic, Refusal::Unsent),
            (Code::TopicAuthorizationFailed, Refusal::Unsent),
            (Code::Unknown, Refusal::Unsent),
        ];
        for (code, expected) in cases {
            assert_eq!(refusal(Some(code), Persistence::No), expected, "{code:?}");
        }
        assert_eq!(refusal(None, Persistence::No), Refusal::Unsent);
    }

    #[test]
    fn what_the_client_calls_possible_was_sent_and_is_no_refusal() {
        for persistence in [Persistence::Possible, Persistence::Yes] {
            for code in [Code::MessageSizeTooLarge, Code::MessageTimedOut] {
                assert_eq!(refusal(Some(code), persistence), Refusal::Other, "{code:?}");
            }
        }
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
