//! How far consumer groups are behind, and what follows: when they have caught up, when
//! retention deletes what they have not read, whether a threshold is broken.
//!
//! - [`partition`]: one partition of one group, from what was observed of it.
//! - [`group`]: the partitions of a group together, and [`LagReport`], the result.
//! - [`threshold`]: limits, each held, broken, or not decidable.
//! - [`words`]: how numbers and times are written.
//!
//! Pure: it knows no socket, no clock and no file. A number that could not be established is
//! a [`Reason`], never 0.

pub mod group;
pub mod known;
pub mod partition;
pub mod threshold;
pub mod words;

pub use group::{Consumer, GroupLag, GroupSeen, LAG_SCHEMA, LagReport, Skipped};
pub use known::{Known, Reason, Until};
pub use partition::{
    Earlier, LogSeen, NextUnread, PartitionLag, PartitionSeen, PartitionState, Retention,
    UnreadRecord,
};
pub use threshold::{Check, LimitOutcome, Thresholds};
