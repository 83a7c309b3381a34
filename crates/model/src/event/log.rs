//! The contents of a partition's log, and the reasons why records leave it.

use serde::{Deserialize, Serialize};

use crate::ids::{ChangeId, RecordId};

/// The content of a record that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    /// A whole record of this run, in the topic it was meant for.
    Ours(RecordId),
    /// A whole record of this run, in a topic it was not meant for.
    Misplaced(RecordId),
    /// It began like a record of ours, and is damaged.
    Corrupt,
    /// Not from this run.
    Foreign,
    /// An event of a change topic, which tells of this row change.
    Change(ChangeId),
    /// An event of a change topic that names no row change: a delete, a
    /// tombstone, one of another application's row, or one of a form that is
    /// not read. Its place is all that is known of it.
    Nameless,
}

impl Content {
    /// The identity that it carries in the topic it was read from.
    pub const fn identity(self) -> Option<RecordId> {
        match self {
            Self::Ours(record) => Some(record),
            Self::Change(change) => Some(RecordId::of_change(change)),
            Self::Misplaced(_) | Self::Corrupt | Self::Foreign | Self::Nameless => None,
        }
    }
}

/// The content of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BatchKind {
    /// Records outside a transaction.
    Plain,
    /// Records of a transaction.
    Transactional,
    /// A control batch of another kind than those below, or of an unknown
    /// one.
    Control,
    /// The marker that commits its producer's open transaction.
    CommitMarker,
    /// The marker that aborts its producer's open transaction.
    AbortMarker,
}

impl BatchKind {
    /// Whether it holds records.
    pub const fn is_data(self) -> bool {
        matches!(self, Self::Plain | Self::Transactional)
    }
}

/// Why records may leave a topic (`cleanup.policy`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cleanup {
    /// Whole segments, by age or size.
    Delete,
    /// Records that a later one of the same key has replaced.
    Compact,
    /// Both.
    CompactAndDelete,
}

/// The reason why offsets were used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    /// The log was truncated: the records below are still there.
    Cut,
    /// The log may have been cut or lost, or the topic made again on purpose.
    Unknown,
}
