//! Errors in files of Kafka's verifiable clients, with their places. Knows nothing of how
//! they are found.

use std::io;
use std::path::PathBuf;

use super::lines::LINE_BYTES_MAX;
use super::numbers::PARTITION_MAX;

/// Why a recording could not be read to its end.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum KafkatestError {
    /// The operating system refused.
    #[error("cannot read {path}", path = path.display())]
    Io { path: PathBuf, source: io::Error },
    /// A line that no verifiable client prints.
    #[error("{path}:{line}: {flaw}", path = path.display())]
    Malformed {
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        flaw: KafkatestFlaw,
    },
    /// A consumer's file without the name of its group.
    #[error("cannot tell the consumer group of {path}", path = path.display())]
    Groupless { path: PathBuf },
    /// A producer's file that was said to be a member's of a group.
    #[error("{path} was given as a consumer's of group {group}, and a producer wrote it", path = path.display())]
    NotAConsumer { path: PathBuf, group: String },
    /// One file twice would be a record twice.
    #[error("{path} is given twice", path = path.display())]
    Twice { path: PathBuf },
    /// More names than a history has numbers for.
    #[error("more than {max} {of}")]
    TooMany { of: &'static str, max: usize },
}

/// A flaw of a line.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum KafkatestFlaw {
    /// A line of absurd size.
    #[error("the line is longer than {} MiB", LINE_BYTES_MAX / 1024 / 1024)]
    TooLong,
    /// Not a JSON object, or one whose fields are of other types.
    #[error("expected {expected}: {}", in_line(source))]
    Json {
        expected: &'static str,
        source: serde_json::Error,
    },
    /// No offset of a record.
    #[error("{0} is no offset of a record")]
    Offset(i64),
    /// No partition of a topic.
    #[error("{0} is no partition: they go from 0 to {PARTITION_MAX}")]
    Partition(i64),
    /// Both in one file: the group of the one would be the other's.
    #[error("`{name}` is a {found}'s, and the file is a {file}'s")]
    Mixed {
        name: &'static str,
        /// The kind of client that prints it.
        found: &'static str,
        /// The kind of client that wrote the file.
        file: &'static str,
    },
    /// More processes than a history has numbers for wrote the file.
    #[error("too many processes wrote this file")]
    TooManyProcesses,
    /// Another process is writing.
    #[error("the file has changed while it was read")]
    Changed,
}

/// A line is parsed by itself, so that its number within itself says nothing.
fn in_line(source: &serde_json::Error) -> String {
    let message = source.to_string();
    let what = message.split(" at line ").next().unwrap_or_default();
    format!("{what} (column {})", source.column())
}
