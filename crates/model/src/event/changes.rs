//! Change data capture: rows, the events of their changes, and the connector.

use serde::{Deserialize, Serialize};

use super::Content;
use crate::ids::ChangeId;

/// The operation of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RowOp {
    /// The row is new.
    Insert,
    /// The row is replaced.
    Update,
    /// The row is gone.
    Delete,
    /// The row was found by a snapshot (events only).
    Snapshot,
    /// The event does not say (events only).
    Untold,
}

impl ChangeContent {
    /// The content of such an event for groups that read its topic.
    pub const fn as_read(self) -> Content {
        match self {
            Self::Ours(change) => Content::Change(change),
            Self::Corrupt => Content::Corrupt,
            Self::Absent | Self::Foreign | Self::Unreadable => Content::Nameless,
        }
    }
}

/// The identity that a row, or the row image of an event, carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeContent {
    /// Left by this change of this run.
    Ours(ChangeId),
    /// Carries no row image (a delete).
    Absent,
    /// It began like one of ours, and is damaged.
    Corrupt,
    /// Not from this run.
    Foreign,
    /// The event is of a form that cannot be read, as the connector's
    /// configuration says.
    Unreadable,
}

/// The outcome of a database transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TxOutcome {
    /// The database confirmed the commit.
    Committed,
    /// It was certainly rolled back.
    RolledBack,
    /// It may or may not have been committed.
    Unknown,
}

/// Whether a connector reads rows that are there before it streams
/// (`snapshot.mode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Snapshot {
    /// It never does.
    Never,
    /// When it first starts.
    First,
    /// When it first starts, and maybe when it starts again.
    Repeated,
    /// Its configuration does not say.
    Unknown,
}

/// One setting of a connector that changes its events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaptureSetting {
    /// Its effect on an event.
    pub effect: SettingEffect,
    /// The setting and its effect, in words.
    pub description: String,
}

/// The effect that a connector's setting may have on events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SettingEffect {
    /// Put them into topics that are not read.
    Move,
    /// Leave them out.
    Drop,
    /// Give them a form that cannot be read.
    Reshape,
    /// Give them keys that are not the rows' own.
    Rekey,
}

/// The state of a replication slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SlotState {
    /// There is none.
    Absent,
    /// It is there, with the log that it needs.
    Kept,
    /// The database has removed log that it needs (`wal_status` is `lost`).
    Lost,
}

/// How the wait for the last change's event ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CaptureResult {
    /// The last change of every table has come out.
    CaughtUp,
    /// The time was up first.
    TimedOut,
    /// The connector had failed by then, and no restart was planned: no event comes any
    /// more.
    Failed,
    /// The connector had confirmed to its replication slot all that was
    /// committed before the last change, and the last change of a table still
    /// had not come.
    Confirmed,
}
