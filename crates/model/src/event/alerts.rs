//! Alerts while a scenario runs: the rules, their states, and what they rest on. Knows
//! nothing of who evaluates them.

use serde::{Deserialize, Serialize};

use crate::ids::{GroupIx, Micros};

/// An alert rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertRule {
    /// The alert's name.
    pub alert: String,
    /// How long its condition must last before it fires, in milliseconds, with the interval
    /// of its evaluation.
    pub for_ms: u64,
    /// How far back its expression looks at most, in milliseconds.
    pub looks_back_ms: u64,
}

/// The state of an alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertSeen {
    /// The alert's name.
    pub alert: String,
    /// Its other labels, as Prometheus writes them.
    pub labels: String,
    /// The group that a label names, by itself or by its topic.
    pub group: Option<GroupIx>,
    /// The state.
    pub state: AlertState,
    /// Since when its condition is true, by the clock of the history; 0 if it was before.
    pub active_since: Micros,
}

/// The states of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AlertState {
    /// Its condition is true, and has not lasted long enough.
    Pending,
    /// It fires.
    Firing,
    /// Its condition is no longer true.
    Resolved,
}

/// The series that Prometheus has of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExporterSeen {
    /// The group.
    pub group: GroupIx,
    /// How many name the group.
    pub series: u64,
    /// How many name its topic: none, where the exporter is not scraped.
    pub of_topic: u64,
}

/// How far a group is behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LagSeen {
    /// The group.
    pub group: GroupIx,
    /// Offsets between its position and the end, over all partitions, without those that
    /// were deleted.
    pub behind: u64,
    /// Offsets between its position and the start of the log: deleted unread.
    pub deleted: u64,
}
