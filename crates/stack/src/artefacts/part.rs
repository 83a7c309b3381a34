//! The parts that the stack is made of, and their versions.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Which versions to use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// Of Kafka, such as `4.3.1`.
    pub kafka: String,
    /// Of Debezium, such as `3.7.0.Final`.
    pub debezium: String,
    /// Of the PostgreSQL binaries, such as `17.11.0`.
    pub postgres: String,
}

impl Default for Versions {
    fn default() -> Self {
        Self {
            kafka: "4.3.1".to_owned(),
            debezium: "3.7.0.Final".to_owned(),
            postgres: "17.11.0".to_owned(),
        }
    }
}

/// How much of the stack is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parts {
    /// Brokers and tools. (Connect's jars come along.)
    Kafka,
    /// And Debezium and PostgreSQL, to capture changes.
    KafkaAndCdc,
}

/// One part of the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartKind {
    /// Kafka's brokers, tools and Connect.
    Kafka,
    /// Debezium's PostgreSQL connector.
    Debezium,
    /// PostgreSQL's server.
    Postgres,
    /// librdkafka's shared library.
    Librdkafka,
    /// Kafka's Java client alone.
    KafkaClients,
}

impl std::fmt::Display for PartKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Kafka => "Kafka",
            Self::Debezium => "Debezium",
            Self::Postgres => "PostgreSQL",
            Self::Librdkafka => "librdkafka",
            Self::KafkaClients => "kafka-clients",
        })
    }
}

/// Whether files are known to be the ones that this program was made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pinning {
    /// Their SHA-256 sums are those in the program.
    Verified,
    /// The program has no sums for this version, or the files are the user's.
    Unpinned,
}

/// What happens while fetching.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchProgress {
    /// Another ackproof fetches the same: waiting for it.
    Waiting(PartKind),
    /// Maven, or pip, is at work.
    Resolving(PartKind),
    /// The files are there and are being checked.
    Checking(PartKind),
    /// An archive is being unpacked.
    Unpacking(PartKind),
    /// It is in the cache.
    Fetched(PartKind),
}

/// One part, ready to use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Which.
    pub kind: PartKind,
    /// Its version, or the directory's name when it is the user's own.
    pub version: String,
    /// Where it is.
    pub path: PathBuf,
    /// Whether its files were held against the program's sums.
    pub pinning: Pinning,
}
