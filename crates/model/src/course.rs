//! The course of a scenario for its reader: counts in intervals of time, and the places in
//! the logs where something is wrong. Nothing is judged by it, and no verdict holds it.

use serde::{Deserialize, Serialize};

use crate::anomaly::Anomaly;

/// One scenario's course.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Course {
    /// The length of an interval, in milliseconds. The first begins with the scenario.
    pub interval_ms: u64,
    /// All of the same length. Only a lag may be zero throughout.
    pub series: Vec<Series>,
    /// How long records took.
    #[serde(default)]
    pub latencies: Vec<LatencySeries>,
    /// One for each partition in which something is wrong.
    pub strips: Vec<Strip>,
}

/// A value for each interval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Series {
    /// What is counted.
    pub of: Quantity,
    /// The `group.id`, where it is a group's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The values, by interval.
    pub values: Vec<u64>,
}

/// What a series counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Quantity {
    /// Records handed to a client, in the interval.
    Sent,
    /// Records of which the application was told success, in the interval.
    Acknowledged,
    /// Records of which it was told that they were not written, or not known to be, in the
    /// interval.
    NotAcknowledged,
    /// Transactions that the database committed, in the interval.
    Commits,
    /// Records that became readable in change topics, in the interval. The records of other
    /// topics have no moment.
    Stored,
    /// Records that a group's members processed, repetitions included, in the interval.
    Processed,
    /// Records without an outcome, at the end of the interval.
    InFlight,
    /// Offsets that were acknowledged, or could be read, and that the group had not come to,
    /// at the end of the interval. Counted from the group's first record in each partition.
    Lag,
}

/// How long records took from one moment to another, by the interval in which they were
/// sent: a record that waits for the end of an outage counts where its sender waited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatencySeries {
    /// From which moment to which.
    pub of: Span,
    /// The `group.id`, where it is a group's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// By interval; none where no record that was sent in it got there.
    pub values: Vec<Option<IntervalLatency>>,
}

/// The two moments between which a latency is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Span {
    /// From the record's sending to its acknowledgement.
    SentToAcknowledged,
    /// From the record's sending to the first time that the group processed it.
    SentToProcessed,
    /// From the database's commit of a change to the first time that the group processed its
    /// event.
    CommittedToProcessed,
}

/// The latencies of the records of one interval, in microseconds, to two digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntervalLatency {
    /// The median.
    pub p50_us: u64,
    /// The 99th percentile.
    pub p99_us: u64,
    /// The largest.
    pub max_us: u64,
}

impl Quantity {
    /// Whether it is a state at the end of the interval, and not what happened in it.
    pub const fn is_state(self) -> bool {
        matches!(self, Self::InFlight | Self::Lag)
    }
}

/// A partition's log by its offsets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Strip {
    /// `topic-partition`.
    pub partition: String,
    /// The log start that the observer found.
    pub log_start: i64,
    /// The offset after the last record that it read.
    pub end: i64,
    /// Where what is wrong.
    pub marks: Vec<Mark>,
}

/// Offsets of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// What is wrong there.
    pub of: MarkKind,
    /// First and last offsets, in order. Bounded: see `is_complete`.
    pub ranges: Vec<(i64, i64)>,
    /// Whether `ranges` holds every place.
    pub is_complete: bool,
}

/// What is wrong at an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MarkKind {
    /// An instance of this anomaly: a lost record where it was acknowledged, others where
    /// they stand.
    Anomaly(Anomaly),
    /// A lost record was acknowledged there, and another record stands there.
    Reused,
}
