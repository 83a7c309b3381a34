//! Clients' requests and their outcomes: sends, commits, transactions, errors, and how
//! their processes end. Knows nothing of logs.

use serde::{Deserialize, Serialize};

use crate::ids::{MemberIx, Offset, PartitionRef, ProducerIx};

/// The owner of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientRef {
    /// A producer's.
    Producer(ProducerIx),
    /// A group's member's.
    Member(MemberIx),
}

/// The cause of a client's error: whether missing reads say anything about the pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorCause {
    /// The client cannot read the records: a codec or a format that its build lacks, or
    /// bytes that it cannot decode.
    Unable,
    /// The brokers do not authorize the client's principal.
    NotAllowed,
    /// Anything else: the pipeline, its configuration or a fault.
    Pipeline,
}

/// The records that a reader receives (`isolation.level`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Isolation {
    /// All of them.
    #[default]
    ReadUncommitted,
    /// None of an aborted transaction, nor of an open one.
    ReadCommitted,
}

/// The outcome of a send. Unknown is never turned into one of the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The application was told success.
    Acknowledged {
        /// The partition.
        at: PartitionRef,
        /// The offset that a broker gave, or [`Offset::NONE`] where none did:
        /// with `acks=0` no broker answers, and a client may report success of
        /// which no broker told it.
        offset: Offset,
    },
    /// It was certainly not written.
    Failed {
        /// The client's error.
        error: String,
    },
    /// It may or may not have been written.
    Unknown {
        /// The client's error.
        error: String,
    },
}

/// The answer to a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CommitResult {
    /// The coordinator stored it.
    Accepted,
    /// The coordinator refused it (a fenced or unknown member, say). Where the
    /// client asked more than once by itself, this is the last answer: an
    /// earlier attempt may have been stored, and nothing rests on it not being.
    Refused,
    /// It may or may not have been stored.
    Unknown,
}

/// The end that a producer requests from its transaction coordinator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Intent {
    /// To make it visible.
    Commit,
    /// To make it as if it had never been.
    Abort,
}

/// The outcome of a transaction that its producer was told. Where it is unknown, only the
/// markers in the log decide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TransactionOutcome {
    /// The coordinator confirmed the commit.
    Committed,
    /// The coordinator confirmed the abort.
    Aborted,
    /// Another producer with the same `transactional.id` took over.
    Fenced,
    /// It may or may not have been committed.
    Unknown {
        /// The client's error.
        error: String,
    },
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// It left by itself or when asked to, and said goodbye.
    Clean,
    /// It was killed, or broke.
    Killed,
}
