//! Newtypes for numbers and names that must not be mixed. Knows nothing of their use.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($of:ty)) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name($of);

        impl $name {
            /// Wraps the bare number.
            pub const fn new(value: $of) -> Self {
                Self(value)
            }

            /// The bare number.
            pub const fn get(self) -> $of {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Wraps the bare name.
            pub fn new(name: impl Into<String>) -> Self {
                Self(name.into())
            }

            /// The bare name.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

number! {
    /// A record's position in a partition, or the next position to read.
    Offset(i64)
}
number! {
    /// A partition's number within its topic.
    PartitionIndex(i32)
}
number! {
    /// A producer of the plan, counted from 0. (Not Kafka's producer id.)
    ProducerIx(u32)
}
number! {
    /// The place of a record in its producer's order of sending, from 0.
    Sequence(u64)
}
number! {
    /// A topic as a history declares it, from 0.
    TopicIx(u16)
}
number! {
    /// A consumer group as a history declares it, from 0.
    GroupIx(u16)
}
number! {
    /// One incarnation of a consumer: a restarted consumer is a new member.
    MemberIx(u32)
}
number! {
    /// A database table as a history declares it, from 0.
    TableIx(u16)
}
number! {
    /// One change of one row, numbered in the writer's order, from 0.
    ChangeId(u64)
}
number! {
    /// One database transaction, numbered in the writer's order, from 0.
    TxId(u64)
}
number! {
    /// A row's primary key.
    RowKey(i64)
}
number! {
    /// A position in PostgreSQL's write-ahead log.
    Lsn(u64)
}
number! {
    /// A Kafka transaction, numbered by its producer, from 0.
    TransactionIx(u64)
}
number! {
    /// A broker's `node.id`.
    BrokerId(i32)
}
number! {
    /// A fault of the plan, counted from 0.
    FaultIx(u16)
}
number! {
    /// Microseconds since the scenario began, by the machine's monotonic clock.
    Micros(u64)
}

impl ProducerIx {
    /// The writer of the database, where row changes are told of as records.
    const WRITER: Self = Self(u32::MAX);

    /// Whether it is the writer of the database, and no producer.
    pub const fn is_writer(self) -> bool {
        self.0 == Self::WRITER.0
    }
}

impl Offset {
    /// In an acknowledgement: the application was told success, and of no
    /// offset that a broker gave. Histories write it as -1.
    pub const NONE: Self = Self(-1);

    /// Whether it is an offset, and not [`Offset::NONE`].
    pub const fn is_given(self) -> bool {
        self.0 != Self::NONE.0
    }
}

impl Micros {
    #[must_use]
    /// The distance to an earlier moment; zero when `earlier` is later.
    pub const fn since(self, earlier: Self) -> Self {
        Self(self.0.saturating_sub(earlier.0))
    }

    /// Whole milliseconds, rounded down.
    pub const fn as_millis(self) -> u64 {
        self.0 / 1000
    }
}

name! {
    /// A topic's name.
    TopicName
}
name! {
    /// A consumer group's `group.id`.
    GroupId
}
name! {
    /// A producer's `transactional.id`.
    TransactionalId
}

/// A run's identity, part of every record it sends: 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(u64);

impl RunId {
    /// Wraps the bare number.
    pub const fn new(value: u64) -> Self {
        Self(value)
    }

    /// The bare number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl std::str::FromStr for RunId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(text, 16).map(Self)
    }
}

impl Serialize for RunId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RunId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// One partition of one topic, by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TopicPartition {
    /// The topic.
    pub topic: TopicName,
    /// The partition within it.
    pub partition: PartitionIndex,
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// One partition of one topic, as a history numbers it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct PartitionRef {
    /// The topic.
    pub topic: TopicIx,
    /// The partition within it.
    pub partition: PartitionIndex,
}

/// A record's identity within a run: its producer and its sequence.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct RecordId {
    /// The producer that sent it.
    pub producer: ProducerIx,
    /// Its place in that producer's order of sending.
    pub sequence: Sequence,
}

impl RecordId {
    /// The identity of the events that tell of a row change: the database's
    /// writer is their producer, and has a number that no other has.
    pub const fn of_change(change: ChangeId) -> Self {
        Self {
            producer: ProducerIx::WRITER,
            sequence: Sequence::new(change.get()),
        }
    }

    /// Whether it is the identity of a row change.
    pub const fn is_change(self) -> bool {
        self.producer.is_writer()
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_change() {
            return write!(f, "change {}", self.sequence);
        }
        write!(f, "p{}/{}", self.producer, self.sequence)
    }
}

/// A Kafka transaction within a run: its producer and its number.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct TransactionRef {
    /// The producer that began it.
    pub producer: ProducerIx,
    /// Its place in that producer's order of transactions.
    pub transaction: TransactionIx,
}

impl fmt::Display for TransactionRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p{}/t{}", self.producer, self.transaction)
    }
}
