//! What a client's error says about a record or a commit. Pure; knows nothing
//! of who asks.
//!
//! A send is *failed* only where the error excludes that any attempt wrote the
//! record; everything else is *unknown*. librdkafka sends a record again by
//! itself, so a delivery report names the error of the last attempt, and says
//! nothing of an earlier one whose answer was lost: a timeout, a transport
//! error, a leader that moved, a missing topic or a withdrawn permission may
//! each follow an attempt that was stored. (librdkafka knows more,
//! `rd_kafka_message_status`, which its safe binding does not expose.)

use model::event::CommitResult;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// Who refused the record, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The client did not take it: `produce()` itself returned the error.
    Handover,
    /// The client took it, and reported the error later.
    Report,
}

/// What an error means for a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendFate {
    /// It was certainly not written.
    Failed,
    /// It may or may not have been written.
    Unknown,
}

/// What an error means for the record it is about.
pub fn fate_of_send(stage: Stage, code: RDKafkaErrorCode) -> SendFate {
    use RDKafkaErrorCode as Code;
    match (stage, code) {
        // What the client never took it cannot have sent.
        (Stage::Handover, _)
        // The broker refuses the record for what it is, so it refused every
        // attempt.
        | (
            Stage::Report,
            Code::MessageSizeTooLarge
            | Code::InvalidMessageSize
            | Code::InvalidRecord
            | Code::InvalidTimestamp
            | Code::InvalidRequiredAcks
            | Code::InvalidTopic
            | Code::PolicyViolation
            | Code::UnsupportedCompressionType
            | Code::UnsupportedForMessageFormat,
        ) => SendFate::Failed,
        (Stage::Report, _) => SendFate::Unknown,
    }
}

/// What the answer to a commit means.
///
/// One error answers for all partitions of a commit, so only those that the
/// coordinator gives for the whole group count as refused.
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

    #[test]
    fn only_what_excludes_every_attempt_is_failed() {
        let cases = [
            (Code::MessageSizeTooLarge, SendFate::Failed),
            (Code::InvalidRecord, SendFate::Failed),
            (Code::InvalidTimestamp, SendFate::Failed),
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
            assert_eq!(fate_of_send(Stage::Report, code), expected, "{code:?}");
        }
    }

    #[test]
    fn what_the_client_did_not_take_is_failed_whatever_the_reason() {
        for code in [
            Code::MessageSizeTooLarge,
            Code::InvalidArgument,
            Code::UnknownTopic,
            Code::UnknownPartition,
            Code::Fatal,
            Code::QueueFull,
        ] {
            assert_eq!(fate_of_send(Stage::Handover, code), SendFate::Failed);
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
