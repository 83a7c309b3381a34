//! What the engine and a subject say to each other: JSON lines, so that any
//! program in any language can be a subject. Knows nothing of clients.
//!
//! The engine writes one [`Role`] to the subject's standard input and keeps
//! it open: a subject whose standard input ends stops as on SIGTERM, cleanly.
//! The subject writes one [`Report`] a line to standard output, whole lines
//! only, a send *before* the record is handed to the client. Standard error
//! goes into a log file.

use std::collections::BTreeMap;
use std::path::PathBuf;

use model::event::{CommitResult, Content, ErrorCause, Intent, TransactionOutcome};
use model::ids::{
    Micros, Offset, PartitionIndex, ProducerIx, RecordId, RunId, Sequence, TransactionIx,
};
use model::pace::Pace;
use model::plan::{key_turn, partition_for, topic_for};
use model::scenario::{Commit, CommitWhen, Fence};
use model::template::{RecordTemplate, record_key};
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::identity::ChangeTopic;

/// What a subject is to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "kebab-case")]
pub enum Role {
    /// Send records, wait for every outcome, end.
    Producer(ProducerRole),
    /// Read as a member of a group until stopped.
    Consumer(ConsumerRole),
    /// Read as a member of a group, and make one record of each, until
    /// stopped.
    Transform(TransformRole),
}

/// The client that carries a role out, as something that runs on this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientCommand {
    /// The librdkafka that ackproof is built with.
    #[default]
    BuiltIn,
    /// Another librdkafka: a shared library.
    Library(PathBuf),
    /// A program, with its arguments, that speaks the subject protocol.
    Command(Vec<String>),
}

/// What a producer is to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProducerRole {
    /// The clock that stamps reports.
    pub clock: Clock,
    /// The client.
    #[serde(default)]
    pub client: ClientCommand,
    /// `bootstrap.servers`.
    pub bootstrap: String,
    /// The identity that records carry.
    pub run: RunId,
    /// Its own number.
    pub producer: ProducerIx,
    /// Where to send, in turn (`model::plan::topic_for`); at least one.
    pub topics: Vec<TargetTopic>,
    /// Decides each record's partition, by `model::plan::partition_for`.
    pub partition_seed: u64,
    /// How many records.
    pub records: u64,
    /// When each of them is due.
    pub pace: Pace,
    /// When the first of them is due, by the clock; when the client is ready
    /// where that is open.
    #[serde(default)]
    pub begin_at: Option<Micros>,
    /// Bytes of each value.
    pub record_bytes: u32,
    /// The records that are larger, if any.
    #[serde(default)]
    pub large: Option<LargeRecords>,
    /// How many of every 100 bytes of padding are one letter.
    #[serde(default)]
    pub compressible_percent: u8,
    /// Whether only its beginning and its end are reported: what reports cost is
    /// measured so, and there is nothing to judge then.
    #[serde(default)]
    pub is_silent: bool,
    /// How many keys the records have, in turn; each its own where absent.
    #[serde(default)]
    pub keys: Option<u64>,
    /// What the records are made of, where it is a template of the user's.
    #[serde(default)]
    pub template: Option<RecordTemplate>,
    /// Client configuration in the Java client's names.
    pub config: BTreeMap<String, String>,
}

/// A topic to send to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetTopic {
    /// Its name.
    pub name: String,
    /// How many partitions it has.
    pub partitions: i32,
}

/// Records that are larger than the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LargeRecords {
    /// Every record of this number: the 10th, the 20th, …; at least 1.
    pub every: u64,
    /// Bytes of each of their values.
    pub bytes: u32,
}

impl ProducerRole {
    /// Bytes of the value of a record.
    pub fn bytes_of(&self, sequence: Sequence) -> u32 {
        match self.large {
            Some(large) if (sequence.get() + 1).is_multiple_of(large.every) => large.bytes,
            _ => self.record_bytes,
        }
    }

    /// The key of a record. Where keys come again, no other producer has them.
    pub(crate) fn key_of(&self, sequence: Sequence) -> String {
        let producer = self.producer;
        record_key(RecordId { producer, sequence }, self.keys)
    }

    /// Where a record goes, records of one key to one partition; `None` for a
    /// role without topics.
    pub fn target_of(&self, sequence: Sequence) -> Option<(&str, PartitionIndex)> {
        let turn = self.turn_of(sequence);
        let topic = topic_for(&self.topics, turn)?;
        let (seed, producer) = (self.partition_seed, self.producer);
        Some((
            &topic.name,
            partition_for(seed, producer, turn, topic.partitions),
        ))
    }

    /// The first record with the key of this one.
    fn turn_of(&self, sequence: Sequence) -> Sequence {
        key_turn(sequence, self.keys)
    }
}

/// What a consumer is to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsumerRole {
    /// The clock that stamps reports.
    pub clock: Clock,
    /// The client.
    #[serde(default)]
    pub client: ClientCommand,
    /// `bootstrap.servers`.
    pub bootstrap: String,
    /// The identity that records carry.
    pub run: RunId,
    /// `group.id`.
    pub group: String,
    /// What to subscribe to.
    pub topic: String,
    /// Where that carries change events: which.
    #[serde(default)]
    pub changes: Option<ChangeTopic>,
    /// How many records to process in a second at most.
    pub records_per_s: u32,
    /// When to commit.
    #[serde(default)]
    pub commit: Commit,
    /// Commit (and wait for the answer) after so many processed records, and
    /// before leaving; where it commits before processing, after so many taken
    /// records.
    pub commit_every_records: u64,
    /// How many records to take in hand, at most, before processing them one
    /// by one without polling; at least 1.
    #[serde(default = "one_record")]
    pub max_poll_records: u64,
    /// Whether to make sure that a partition is still one's own before
    /// processing a record of it.
    #[serde(default)]
    pub fence: Fence,
    /// Client configuration in the Java client's names.
    pub config: BTreeMap<String, String>,
}

const fn one_record() -> u64 {
    1
}

/// What a member of a group that writes is to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransformRole {
    /// The clock that stamps reports.
    pub clock: Clock,
    /// The client.
    #[serde(default)]
    pub client: ClientCommand,
    /// `bootstrap.servers`.
    pub bootstrap: String,
    /// The identity that records carry.
    pub run: RunId,
    /// Its own number as a producer.
    pub producer: ProducerIx,
    /// `group.id`.
    pub group: String,
    /// What to subscribe to.
    pub from: String,
    /// Where that carries change events: which.
    #[serde(default)]
    pub changes: Option<ChangeTopic>,
    /// Where to send. What is made of a partition's records goes to the
    /// partition of the same number, as long as there are as many.
    pub to: String,
    /// How many partitions that topic has.
    pub partitions: i32,
    /// How many records to process in a second at most.
    pub records_per_s: u32,
    /// Commit after so many processed records, when none comes for a while,
    /// and before leaving.
    pub commit_every_records: u64,
    /// What it waits for before it commits a position without a transaction.
    #[serde(default)]
    pub commit_when: CommitWhen,
    /// Bytes of each value.
    pub record_bytes: u32,
    /// `transactional.id`; none is without transactions: what was made is
    /// flushed, and then the position is committed.
    pub transactional_id: Option<String>,
    /// The consumer's configuration in the Java client's names.
    pub config: BTreeMap<String, String>,
    /// The producer's.
    pub producer_config: BTreeMap<String, String>,
}

/// One line of a subject's standard output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// When it happened, in microseconds by the clock of the role.
    pub at: Micros,
    /// What happened.
    #[serde(flatten)]
    pub what: ClientEvent,
}

/// What a subject reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum ClientEvent {
    /// The client is made; the configuration in force, by the client's own
    /// names, as the client itself reports it.
    Ready {
        /// The client library.
        client: String,
        /// Its version.
        version: String,
        /// Keys and values; secrets are left out. Those of a producer beside a
        /// consumer begin with `producer.`.
        config: BTreeMap<String, String>,
        /// Which of the keys were set; the others are the client's defaults.
        #[serde(default)]
        set: Vec<String>,
    },
    /// The record is about to be handed to the client.
    Sent {
        /// Which.
        sequence: Sequence,
        /// Where to.
        partition: PartitionIndex,
    },
    /// The client told the application success.
    Acknowledged {
        /// Which.
        sequence: Sequence,
        /// The partition it names.
        partition: PartitionIndex,
        /// The offset that a broker gave; none (`null`, or left out) where the
        /// client was told of none, and wherever it makes one up, as librdkafka
        /// does with `acks=0`.
        #[serde(default)]
        offset: Option<Offset>,
    },
    /// It was certainly not written: no attempt can have been. A client that
    /// sends again by itself knows that of the last attempt only; where more is
    /// known later, this may follow what was reported as unknown.
    Failed {
        /// Which.
        sequence: Sequence,
        /// The client's error.
        error: String,
    },
    /// It may or may not have been written.
    Unknown {
        /// Which.
        sequence: Sequence,
        /// The client's error.
        error: String,
    },
    /// What the client counts about itself, cumulative.
    Counted {
        /// Requests, batches or records sent again, whichever it counts.
        retries: u64,
    },
    /// Partitions were given, in addition to those it has.
    Assigned {
        /// Which.
        partitions: Vec<PartitionIndex>,
    },
    /// Partitions were taken.
    Revoked {
        /// Which.
        partitions: Vec<PartitionIndex>,
    },
    /// A record was processed.
    Processed {
        /// Where it was read.
        partition: PartitionIndex,
        /// At which offset.
        offset: Offset,
        /// What it is.
        content: Content,
    },
    /// A commit was answered.
    Committed {
        /// The partition.
        partition: PartitionIndex,
        /// The next offset to read, as committed.
        offset: Offset,
        /// The answer.
        result: CommitResult,
    },
    /// A transaction was begun: what is processed and sent from here on
    /// belongs to it.
    TransactionBegun {
        /// Its number, from 0.
        transaction: TransactionIx,
    },
    /// The record that is about to be sent is made of the one at this place.
    Derived {
        /// Which.
        sequence: Sequence,
        /// The partition of what it is made of.
        partition: PartitionIndex,
        /// Its offset.
        offset: Offset,
    },
    /// A position is about to be handed to the transaction.
    OffsetSent {
        /// The transaction.
        transaction: TransactionIx,
        /// The partition.
        partition: PartitionIndex,
        /// The next offset to read.
        offset: Offset,
    },
    /// The transaction is about to be ended.
    TransactionEnding {
        /// The transaction.
        transaction: TransactionIx,
        /// How.
        intent: Intent,
    },
    /// The end of the transaction was answered.
    TransactionCompleted {
        /// The transaction.
        transaction: TransactionIx,
        /// The answer.
        outcome: TransactionOutcome,
    },
    /// The next record of a partition is read again from here.
    Repositioned {
        /// The partition.
        partition: PartitionIndex,
        /// The next offset to read.
        next: Offset,
    },
    /// The brokers refuse to have it go on, because another took its place.
    Fenced {
        /// The client's error.
        error: String,
    },
    /// The client reported an error that is not the outcome of a send. One that
    /// repeats itself is told again now and then, with how often it came.
    ClientError {
        /// What it says of what the client can do.
        cause: ErrorCause,
        /// The client's name for it.
        error: String,
        /// The client's own words about this case.
        reason: String,
        /// How often it came since it was told last.
        times: u64,
    },
    /// The brokers told the client to wait, because it is over its quota.
    Throttled {
        /// For how long since this was told last, in milliseconds, over all of
        /// its connections.
        throttle_ms: u64,
    },
    /// Something worth a line in a log; changes nothing.
    Note {
        /// What.
        text: String,
    },
    /// It is done and leaves; nothing follows.
    Ended,
}
