//! Limits of lag: each is held, broken, or cannot be decided because a number is unknown.
//! Knows nothing of where the numbers come from.

use serde::Serialize;

use crate::known::Known;
use crate::partition::PartitionLag;
use crate::words::{clock, grouped};

const MAX_LAG: &str = "max-lag";
const MAX_AGE: &str = "max-age";

/// The limits of each group; none is not judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Thresholds {
    /// The most that a group may be behind, over all its partitions.
    pub max_lag: Option<u64>,
    /// The most that the oldest unread record of a group may be old, in milliseconds.
    pub max_age_ms: Option<u64>,
}

impl Thresholds {
    /// Whether there is a limit.
    pub const fn is_empty(&self) -> bool {
        self.max_lag.is_none() && self.max_age_ms.is_none()
    }
}

/// What became of a limit. The worst is the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LimitOutcome {
    /// It is kept.
    Held,
    /// A number is unknown, and what is known keeps it.
    Unknown,
    /// It is not kept, whatever the unknown numbers are.
    Broken,
}

/// One limit of one group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// `max-lag` or `max-age`.
    pub threshold: &'static str,
    /// The limit: offsets, or milliseconds.
    pub limit: u64,
    /// What became of it.
    pub outcome: LimitOutcome,
    /// Why, in words.
    pub reason: String,
}

impl Check {
    /// The limit in words.
    pub fn limit_in_words(&self) -> String {
        written(self.threshold)(self.limit)
    }
}

/// How numbers of a threshold are written.
fn written(threshold: &str) -> fn(u64) -> String {
    if threshold == MAX_AGE { clock } else { grouped }
}

/// Judges a group by its partitions. Records that were deleted unread break every limit:
/// they cannot be caught up with.
pub(crate) fn judge(
    thresholds: Thresholds,
    partitions: &[PartitionLag],
    behind: &Known<u64>,
    age_ms: &Known<u64>,
) -> Vec<Check> {
    let lost: u64 = partitions
        .iter()
        .filter_map(|it| it.lost.as_ref().ok())
        .sum();
    let known_lag = partitions.iter().filter_map(|it| it.behind.as_ref().ok());
    let known_ages = partitions.iter().filter_map(|it| it.age_ms.as_ref().ok());
    let lag = (thresholds.max_lag, known_lag.sum(), behind, MAX_LAG);
    let oldest_ms = known_ages.max().copied().unwrap_or(0);
    let age = (thresholds.max_age_ms, oldest_ms, age_ms, MAX_AGE);
    let mut checks = Vec::new();
    for (limit, at_least, all, threshold) in [lag, age] {
        let Some(limit) = limit else { continue };
        let written = written(threshold);
        let (outcome, reason) = if lost > 0 {
            (
                LimitOutcome::Broken,
                format!("{} deleted unread", grouped(lost)),
            )
        } else if at_least > limit {
            let bound = if all.is_ok() { "" } else { "at least " };
            (
                LimitOutcome::Broken,
                format!("{bound}{}", written(at_least)),
            )
        } else {
            match all {
                Ok(all) => (LimitOutcome::Held, written(*all)),
                Err(reason) => (LimitOutcome::Unknown, reason.to_string()),
            }
        };
        checks.push(Check {
            threshold,
            limit,
            outcome,
            reason,
        });
    }
    checks
}
