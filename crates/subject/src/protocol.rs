//! The subject protocol, version 1: how ackproof drives a client under test in
//! any language. `docs/reference/subject-protocol.md` says the same in words,
//! with a transcript. Knows nothing of roles, records' identities or clients.
//!
//! ackproof writes one [`Request`] a line to the subject's standard input; the
//! subject writes one [`SubjectEvent`] a line to its standard output. Standard error
//! is its log. A built-in client takes and gives the same values in process
//! ([`Client`]).

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::event::ErrorCause;
use model::ids::TopicPartition;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::SubjectError;

/// The version of the protocol that this build speaks.
pub const VERSION: u32 = 1;

/// What some clients cannot do. A subject declares it when it is ready, so that
/// it is not taken for a mistake of its own.
pub mod limits {
    /// A record with a header that has no value: such a record is `failed`.
    pub const HEADER_WITHOUT_VALUE: &str = "header-without-value";
    /// A seek: it is answered by an error.
    pub const SEEK: &str = "seek";
    /// To tell of partitions before they are taken: they are `lost`.
    pub const REVOKED: &str = "revoked";
    /// To hand other positions to a transaction than all that were polled:
    /// these are answered by an error.
    pub const SOME_OFFSETS: &str = "some-offsets";

    /// All of them.
    pub const ALL: [&str; 4] = [HEADER_WITHOUT_VALUE, SEEK, REVOKED, SOME_OFFSETS];
}

/// A client under test: what a subject is on the other side of the pipe, or in
/// this process.
pub trait Client {
    /// Hands a request over. May block as long as the client's own call does
    /// (`max.block.ms`). Its events follow.
    ///
    /// # Errors
    /// Where the client or the pipe to it is gone.
    fn request(&mut self, request: Request) -> Result<(), SubjectError>;

    /// The next event, within `wait`; none where none came.
    ///
    /// # Errors
    /// Where the client is gone, or said a line that is no event.
    fn event(&mut self, wait: Duration) -> Result<Option<SubjectEvent>, SubjectError>;

    /// Whether a record would be taken at once. While it would not, events are
    /// to be taken: handing one over then keeps them waiting.
    fn has_room(&self) -> bool {
        true
    }
}

/// One line of a subject's standard input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "op", rename_all = "kebab-case")]
pub enum Request {
    /// Always the first. Answered by [`SubjectEvent::Ready`] or [`SubjectEvent::Refused`].
    Start(Start),
    /// Hand one record to the producer. Answered, at any time and in any
    /// order, by exactly one of [`SubjectEvent::Acknowledged`], [`SubjectEvent::Failed`] and
    /// [`SubjectEvent::Unknown`]; a `failed` may follow an `unknown`.
    Send(Outgoing),
    /// Wait until every record has its outcome. Answered by [`SubjectEvent::Done`].
    Flush,
    /// Call the client's own flush, once, and believe it: a record may be without
    /// its outcome afterwards. Answered by [`SubjectEvent::Done`].
    FlushOnce,
    /// Poll the consumer. Answered by [`SubjectEvent::Polled`], after the events that
    /// came of it.
    Poll {
        /// Records at most.
        max: u64,
        /// Milliseconds to wait for the first one, at most.
        wait_ms: u64,
    },
    /// Let go of the partitions of the last [`SubjectEvent::Revoked`].
    Continue,
    /// Commit these positions and wait for the answer. Answered by
    /// [`SubjectEvent::Done`].
    Commit {
        /// The next offset to read of each partition.
        offsets: Vec<Position>,
    },
    /// Read a partition from here next. Answered by [`SubjectEvent::Done`].
    Seek(Position),
    /// Begin to use the `transactional.id`. Answered by [`SubjectEvent::Done`], as
    /// all of the following are.
    InitTransactions,
    /// Begin a transaction.
    BeginTransaction,
    /// Hand positions of the subject's own consumer, with its group's
    /// metadata, to the transaction (KIP-447).
    SendOffsets {
        /// The next offset to read of each partition.
        offsets: Vec<Position>,
    },
    /// Commit the transaction, and wait.
    CommitTransaction,
    /// Abort the transaction, and wait.
    AbortTransaction,
    /// Close the clients, leave the group, and exit with code 0. Answered by
    /// [`SubjectEvent::Done`], which is the last line.
    Close,
}

impl Request {
    /// Its `op`, which its [`SubjectEvent::Done`] has.
    pub const fn op(&self) -> &'static str {
        match self {
            Self::Start(_) => "start",
            Self::Send(_) => "send",
            Self::Flush => "flush",
            Self::FlushOnce => "flush-once",
            Self::Poll { .. } => "poll",
            Self::Continue => "continue",
            Self::Commit { .. } => "commit",
            Self::Seek(_) => "seek",
            Self::InitTransactions => "init-transactions",
            Self::BeginTransaction => "begin-transaction",
            Self::SendOffsets { .. } => "send-offsets",
            Self::CommitTransaction => "commit-transaction",
            Self::AbortTransaction => "abort-transaction",
            Self::Close => "close",
        }
    }
}

/// What a subject is started with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Start {
    /// [`VERSION`].
    pub protocol: u32,
    /// Only say whether the configuration is possible, without a connection:
    /// nothing but [`Request::Close`] follows.
    #[serde(default)]
    pub check: bool,
    /// The producer, where one is wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub producer: Option<ProducerStart>,
    /// The consumer, where one is wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumer: Option<ConsumerStart>,
}

/// A producer to make.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ProducerStart {
    /// The configuration, `bootstrap.servers` and, for transactions,
    /// `transactional.id` included. In the Java client's names; a subject of
    /// another client translates those that it has, takes its own names too,
    /// and refuses the rest.
    pub config: BTreeMap<String, String>,
}

/// A consumer to make.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ConsumerStart {
    /// As [`ProducerStart::config`], with `group.id`, `enable.auto.commit`
    /// and `auto.offset.reset`.
    pub config: BTreeMap<String, String>,
    /// The topics to subscribe to.
    pub topics: Vec<String>,
}

/// A record to send.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Outgoing {
    /// Names the record in its outcome; unique in a subject's life.
    pub id: u64,
    /// Its topic.
    pub topic: String,
    /// Its partition; the client's own partitioner decides where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<i32>,
    /// Its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Bytes>,
    /// Its value; a tombstone where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Bytes>,
    /// Its headers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<RecordHeader>,
}

/// A header of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RecordHeader {
    /// Its name.
    pub key: String,
    /// Its value.
    #[serde(default)]
    pub value: Option<Bytes>,
}

/// A position in a partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Position {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The next offset to read.
    pub offset: i64,
}

/// A record that the consumer was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Received {
    /// Its topic.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Bytes>,
    /// Its value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Bytes>,
    /// Its headers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<RecordHeader>,
}

/// One line of a subject's standard output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum SubjectEvent {
    /// The clients are made.
    Ready {
        /// The version of the protocol that the subject speaks.
        protocol: u32,
        /// The client library's name, such as `kafka-clients`.
        client: String,
        /// Its version, by its own word where it has one.
        version: String,
        /// The configuration in force in the client's own names, defaults
        /// included as far as the client tells them; those of a producer beside
        /// a consumer begin with `producer.`. Secrets are left out.
        config: BTreeMap<String, String>,
        /// Which of these keys were set, and are not the client's defaults.
        #[serde(default)]
        set: Vec<String>,
        /// What the client cannot do, and why: by the names of [`limits`].
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        cannot: BTreeMap<String, String>,
    },
    /// The configuration is not possible.
    Refused {
        /// The key, as it was given, where it is one.
        #[serde(default)]
        key: Option<String>,
        /// The client's words, and the nearest setting that it has.
        reason: String,
    },
    /// The client told the application success.
    Acknowledged {
        /// The record.
        id: u64,
        /// Its partition.
        partition: i32,
        /// The offset that a broker gave; none where none did (`acks=0`).
        #[serde(default)]
        offset: Option<i64>,
    },
    /// The record was certainly not written: no attempt can have been.
    Failed {
        /// The record.
        id: u64,
        /// The client's error.
        error: ClientError,
    },
    /// The record may or may not have been written.
    Unknown {
        /// The record.
        id: u64,
        /// The client's error.
        error: ClientError,
    },
    /// A request is carried out, or failed.
    Done {
        /// The request's `op`.
        op: String,
        /// Why it failed.
        #[serde(default)]
        error: Option<ClientError>,
    },
    /// A poll is over.
    Polled {
        /// The records, in the order in which the client gave them.
        records: Vec<Received>,
        /// Where the client cannot go on (`fatal`, `fenced`).
        #[serde(default)]
        error: Option<ClientError>,
    },
    /// Partitions were assigned, in addition to those that it has.
    Assigned {
        /// The partitions.
        #[cfg_attr(test, schemars(with = "Vec<crate::protocol_schema::NamedPartition>"))]
        partitions: Vec<TopicPartition>,
    },
    /// Partitions are about to be revoked: they are the member's own until
    /// [`Request::Continue`]. Requests before that are served as usual.
    Revoked {
        /// The partitions.
        #[cfg_attr(test, schemars(with = "Vec<crate::protocol_schema::NamedPartition>"))]
        partitions: Vec<TopicPartition>,
    },
    /// Partitions are no longer the member's own; it could not commit them.
    Lost {
        /// The partitions.
        #[cfg_attr(test, schemars(with = "Vec<crate::protocol_schema::NamedPartition>"))]
        partitions: Vec<TopicPartition>,
    },
    /// The client committed by itself (`enable.auto.commit`), as far as it
    /// tells.
    Committed {
        /// The positions.
        offsets: Vec<Position>,
        /// Why it failed.
        #[serde(default)]
        error: Option<ClientError>,
    },
    /// An error that answers no request.
    Error {
        /// The error.
        error: ClientError,
        /// Whether it is the client's own limit, a missing right, or neither.
        #[serde(default = "of_the_pipeline")]
        #[cfg_attr(test, schemars(with = "crate::protocol_schema::Cause"))]
        cause: ErrorCause,
    },
    /// What the client counts about itself, cumulative.
    Counted {
        /// Requests, batches or records sent again, whichever it counts.
        retries: u64,
    },
    /// Brokers told the client to wait, because it is over its quota.
    Throttled {
        /// Milliseconds since this was told last, over all connections.
        throttle_ms: u64,
    },
    /// A line for the log.
    Note {
        /// The line.
        text: String,
    },
}

const fn of_the_pipeline() -> ErrorCause {
    ErrorCause::Pipeline
}

/// An error of the client's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[error("{name}: {message}")]
pub struct ClientError {
    /// The client's name for it: an exception's class, an error code.
    pub name: String,
    /// The client's own words.
    pub message: String,
    /// What the client may do next.
    #[serde(default)]
    pub class: ErrorClass,
}

/// What follows from an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ErrorClass {
    /// The same request may be made again as it is.
    Retriable,
    /// The transaction has to be aborted.
    Abortable,
    /// The coordinator refused the request of the whole group.
    Refused,
    /// The coordinator knows no such member, or one of a later generation: its
    /// partitions are no longer its own.
    Stale,
    /// Another client took the place of this one, by its `transactional.id` or
    /// `group.instance.id`.
    Fenced,
    /// The client cannot go on.
    Fatal,
    /// Anything else: nothing follows from it.
    #[default]
    Other,
}

/// Bytes, in base64 on a line.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", STANDARD.encode(&self.0))
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let bytes = STANDARD.decode(text.as_bytes());
        bytes.map(Self).map_err(D::Error::custom)
    }
}
