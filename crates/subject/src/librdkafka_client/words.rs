//! librdkafka's errors in the protocol's words: what follows from each, for the
//! request that it answers. Knows nothing of records.

use librdkafka::{Code, Error};
use model::event::ErrorCause;

use crate::log;
use crate::protocol::{ClientError, ErrorClass, SubjectEvent};

/// Characters of the client's own words that are kept.
const WORDS_MAX: usize = 300;

/// An error of which something follows.
pub(super) fn error(error: &Error, class: ErrorClass) -> ClientError {
    ClientError {
        name: error.name.clone(),
        message: error.message.chars().take(WORDS_MAX).collect(),
        class,
    }
}

/// An error that answers no request.
pub(super) fn complaint(of: &Error) -> SubjectEvent {
    log::line("ERROR", &of.to_string());
    let class = if of.is_fatal {
        ErrorClass::Fatal
    } else {
        ErrorClass::Other
    };
    SubjectEvent::Error {
        error: error(of, class),
        cause: cause_of(of),
    }
}

/// What an error says. Of a client that is over, it may only say that it is:
/// what ended it is then told apart.
pub(super) fn told_apart(error: &Error, fatal: Option<Error>) -> Error {
    match fatal {
        Some(fatal) if error.code == Code::LOCAL_FATAL => fatal,
        _ => error.clone(),
    }
}

/// What follows from the answer to a commit.
///
/// One error answers for all partitions of a commit, so only those that the
/// coordinator gives for the whole group count as refused. The answer is to the
/// last attempt: one before it, whose answer was lost, may have been stored.
pub(super) fn class_of_commit(error: &Error) -> ErrorClass {
    match error.code {
        code if is_fenced(code) => ErrorClass::Fenced,
        Code::ILLEGAL_GENERATION
        | Code::UNKNOWN_MEMBER_ID
        | Code::FENCED_MEMBER_EPOCH
        | Code::STALE_MEMBER_EPOCH
        | Code::LOCAL_ASSIGNMENT_LOST => ErrorClass::Stale,
        Code::REBALANCE_IN_PROGRESS | Code::GROUP_AUTHORIZATION_FAILED | Code::INVALID_GROUP_ID => {
            ErrorClass::Refused
        }
        _ if error.is_fatal || error.code == Code::LOCAL_FATAL => ErrorClass::Fatal,
        _ => ErrorClass::Other,
    }
}

/// What follows from the answer to a question about a transaction: `answer` is
/// what librdkafka says itself, `error` what ended the client where it is over.
pub(super) fn class_of_transaction(answer: &Error, error: &Error) -> ErrorClass {
    if answer.is_retriable {
        ErrorClass::Retriable
    } else if answer.requires_abort {
        ErrorClass::Abortable
    } else if is_fenced(error.code) {
        ErrorClass::Fenced
    } else if answer.is_fatal || error.is_fatal {
        ErrorClass::Fatal
    } else if is_passing(answer.code) {
        ErrorClass::Retriable
    } else {
        ErrorClass::Other
    }
}

/// Whether Kafka's protocol calls an error retriable that old versions hand to
/// the application without a word about it.
const fn is_passing(code: Code) -> bool {
    matches!(
        code,
        Code::COORDINATOR_LOAD_IN_PROGRESS
            | Code::COORDINATOR_NOT_AVAILABLE
            | Code::NOT_COORDINATOR
            | Code::CONCURRENT_TRANSACTIONS
    )
}

/// What follows where a consumer cannot go on.
pub(super) const fn class_of_end(error: &Error) -> ErrorClass {
    if is_fenced(error.code) {
        ErrorClass::Fenced
    } else {
        ErrorClass::Fatal
    }
}

/// Whether an error says that another took the client's place: with its
/// `transactional.id`, or with its `group.instance.id`.
const fn is_fenced(code: Code) -> bool {
    matches!(
        code,
        Code::LOCAL_FENCED
            | Code::PRODUCER_FENCED
            | Code::INVALID_PRODUCER_EPOCH
            | Code::FENCED_INSTANCE_ID
    )
}

/// What an error says of what the client can do.
///
/// Where it cannot decode what it was given (a codec or a format that this
/// build lacks, a checksum that it does not agree with), what it does not read
/// says nothing of the pipeline: the observer decodes the same bytes with code
/// of its own, and where these are damaged it does not get to their end either.
/// Where the brokers do not allow it, they do not allow ackproof's client,
/// which is not the user's. Everything else is what the pipeline does, or what
/// the scenario's own configuration makes of the client: `auto.offset.reset`
/// that says "none", or limits of size below what the topic holds, make a user
/// lose records just so.
pub(super) fn cause_of(error: &Error) -> ErrorCause {
    match error.code {
        // An answer larger than `receive.message.max.bytes` is called so too.
        Code::LOCAL_BAD_MSG if error.message.contains("receive.message.max.bytes") => {
            ErrorCause::Pipeline
        }
        Code::LOCAL_BAD_MSG
        | Code::LOCAL_BAD_COMPRESSION
        | Code::LOCAL_NOT_IMPLEMENTED
        | Code::LOCAL_UNSUPPORTED_FEATURE
        | Code::UNSUPPORTED_COMPRESSION_TYPE
        | Code::UNSUPPORTED_FOR_MESSAGE_FORMAT
        | Code::UNSUPPORTED_VERSION
        | Code::LOCAL_VALUE_DESERIALIZATION
        | Code::LOCAL_KEY_DESERIALIZATION => ErrorCause::Unable,
        Code::TOPIC_AUTHORIZATION_FAILED
        | Code::GROUP_AUTHORIZATION_FAILED
        | Code::CLUSTER_AUTHORIZATION_FAILED
        | Code::TRANSACTIONAL_ID_AUTHORIZATION_FAILED
        | Code::SASL_AUTHENTICATION_FAILED
        | Code::LOCAL_AUTHENTICATION
        | Code::LOCAL_SSL => ErrorCause::NotAllowed,
        _ => ErrorCause::Pipeline,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: Code) -> Error {
        Error {
            code,
            name: String::new(),
            message: String::new(),
            is_fatal: false,
            is_retriable: false,
            requires_abort: false,
        }
    }

    #[test]
    fn what_a_build_lacks_is_told_from_what_a_configuration_does() {
        let cases = [
            (Code::LOCAL_NOT_IMPLEMENTED, "", ErrorCause::Unable),
            (
                Code::LOCAL_BAD_MSG,
                "failed CRC32C check",
                ErrorCause::Unable,
            ),
            (
                Code::LOCAL_BAD_MSG,
                "Invalid response size 9 (0..8): increase receive.message.max.bytes",
                ErrorCause::Pipeline,
            ),
            (Code::LOCAL_BAD_COMPRESSION, "", ErrorCause::Unable),
            (Code::GROUP_AUTHORIZATION_FAILED, "", ErrorCause::NotAllowed),
            (Code::LOCAL_AUTO_OFFSET_RESET, "", ErrorCause::Pipeline),
            (Code::MSG_SIZE_TOO_LARGE, "", ErrorCause::Pipeline),
            (Code::UNKNOWN_TOPIC_OR_PART, "", ErrorCause::Pipeline),
            (Code::LOCAL_MAX_POLL_EXCEEDED, "", ErrorCause::Pipeline),
            (Code::LOCAL_TRANSPORT, "", ErrorCause::Pipeline),
            // Of a version that is newer than this program.
            (Code(12_345), "", ErrorCause::Pipeline),
        ];
        for (code, message, expected) in cases {
            let message = message.to_owned();
            let error = Error {
                message,
                ..of(code)
            };
            assert_eq!(cause_of(&error), expected, "{error:?}");
        }
    }

    #[test]
    fn a_commit_is_refused_only_by_the_coordinator() {
        let cases = [
            (Code::ILLEGAL_GENERATION, ErrorClass::Stale),
            (Code::UNKNOWN_MEMBER_ID, ErrorClass::Stale),
            (Code::STALE_MEMBER_EPOCH, ErrorClass::Stale),
            (Code::LOCAL_ASSIGNMENT_LOST, ErrorClass::Stale),
            (Code::FENCED_INSTANCE_ID, ErrorClass::Fenced),
            (Code::REBALANCE_IN_PROGRESS, ErrorClass::Refused),
            (Code::GROUP_AUTHORIZATION_FAILED, ErrorClass::Refused),
            (Code::LOCAL_FATAL, ErrorClass::Fatal),
            (Code::LOCAL_TIMED_OUT, ErrorClass::Other),
            (Code::REQUEST_TIMED_OUT, ErrorClass::Other),
            (Code::LOCAL_TRANSPORT, ErrorClass::Other),
            (Code::NOT_COORDINATOR, ErrorClass::Other),
            (Code::UNKNOWN_TOPIC_OR_PART, ErrorClass::Other),
        ];
        for (code, expected) in cases {
            assert_eq!(class_of_commit(&of(code)), expected, "{code:?}");
        }
    }

    #[test]
    fn a_coordinator_that_is_not_ready_is_asked_again() {
        for code in [
            Code::COORDINATOR_LOAD_IN_PROGRESS,
            Code::CONCURRENT_TRANSACTIONS,
        ] {
            let class = class_of_transaction(&of(code), &of(code));
            assert_eq!(class, ErrorClass::Retriable, "{code:?}");
        }
    }

    #[test]
    fn a_client_that_is_over_is_fenced_where_that_ended_it() {
        let over = of(Code::LOCAL_FATAL);
        for code in [
            Code::LOCAL_FENCED,
            Code::PRODUCER_FENCED,
            Code::INVALID_PRODUCER_EPOCH,
            Code::FENCED_INSTANCE_ID,
        ] {
            let error = told_apart(&over, Some(of(code)));
            assert_eq!(class_of_transaction(&over, &error), ErrorClass::Fenced);
            assert_eq!(class_of_end(&error), ErrorClass::Fenced);
        }
        let sequence = of(Code::OUT_OF_ORDER_SEQUENCE_NUMBER);
        let error = told_apart(
            &over,
            Some(Error {
                is_fatal: true,
                ..sequence
            }),
        );
        assert_eq!(class_of_transaction(&over, &error), ErrorClass::Fatal);
        assert_eq!(told_apart(&over, None), over);
    }

    #[test]
    fn what_librdkafka_says_itself_of_a_transaction_comes_first() {
        let fenced = of(Code::PRODUCER_FENCED);
        let retriable = Error {
            is_retriable: true,
            ..fenced.clone()
        };
        let abortable = Error {
            requires_abort: true,
            ..fenced.clone()
        };
        assert_eq!(
            class_of_transaction(&retriable, &fenced),
            ErrorClass::Retriable
        );
        assert_eq!(
            class_of_transaction(&abortable, &fenced),
            ErrorClass::Abortable
        );
    }
}
