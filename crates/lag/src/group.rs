//! The partitions of a group together, its members, and the report over all groups. Knows
//! nothing of how a partition's numbers come about.

use std::collections::BTreeMap;

use model::ids::GroupId;
use serde::Serialize;

use crate::known::{self, Known, Reason, Until};
use crate::partition::{PartitionLag, PartitionSeen};
use crate::threshold::{Check, LimitOutcome, Thresholds, judge};

/// The value of `schema` in a report of this version.
pub const LAG_SCHEMA: &str = "ackproof.lag/1";

/// Whether anything reads for a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Consumer {
    /// It has members.
    Present,
    /// It has members, and they wait for an assignment.
    Rebalancing,
    /// It has no members.
    Gone,
    /// It has no members because its consumers assign partitions to themselves: only its
    /// commits show whether they run.
    Simple,
    /// No coordinator knows the group.
    Absent,
    /// It could not be established.
    Unknown,
}

impl Consumer {
    /// The words of the JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Rebalancing => "rebalancing",
            Self::Gone => "gone",
            Self::Simple => "simple",
            Self::Absent => "absent",
            Self::Unknown => "unknown",
        }
    }
}

/// Everything that was observed of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSeen {
    /// Its name.
    pub group: GroupId,
    /// `classic`, `consumer`, `share`, `streams`; none where it could not be established.
    pub group_type: Option<String>,
    /// Its state, by Kafka's name.
    pub state: Known<String>,
    /// How many members it has.
    pub members: Known<u64>,
    /// Whether anything reads for it.
    pub consumer: Consumer,
    /// Its partitions: those with a position, and those that a member has; or why its
    /// positions could not be established.
    pub partitions: Known<Vec<PartitionSeen>>,
}

/// A group with everything that could be established. Sums and maxima are over its
/// partitions, and unknown where one of them is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GroupLag {
    /// Its name.
    pub group: GroupId,
    /// Its type.
    #[serde(rename = "type")]
    pub group_type: Option<String>,
    /// Its state.
    #[serde(serialize_with = "known::serialize")]
    pub state: Known<String>,
    /// How many members it has.
    #[serde(serialize_with = "known::serialize")]
    pub members: Known<u64>,
    /// Whether anything reads for it.
    pub consumer: Consumer,
    /// The sum.
    #[serde(serialize_with = "known::serialize")]
    pub behind: Known<u64>,
    /// The sum.
    #[serde(serialize_with = "known::serialize")]
    pub behind_stable: Known<u64>,
    /// Whether `behind` is an upper bound in some partition.
    pub at_most: bool,
    /// The sum.
    #[serde(serialize_with = "known::serialize")]
    pub lost: Known<u64>,
    /// The maximum.
    #[serde(serialize_with = "known::serialize")]
    pub age_ms: Known<u64>,
    /// The sum.
    #[serde(serialize_with = "known::serialize")]
    pub produced_per_s: Known<f64>,
    /// The sum.
    #[serde(serialize_with = "known::serialize")]
    pub consumed_per_s: Known<f64>,
    /// The last of the partitions.
    #[serde(serialize_with = "known::serialize")]
    pub caught_up_in_ms: Known<Until>,
    /// The first of the partitions.
    #[serde(serialize_with = "known::serialize")]
    pub deleted_in_ms: Known<Until>,
    /// What became of the thresholds.
    pub checks: Vec<Check>,
    /// Its partitions.
    pub partitions: Vec<PartitionLag>,
}

impl GroupLag {
    /// Derives everything that follows from the observation.
    pub fn of(seen: GroupSeen, thresholds: Thresholds) -> Self {
        let absent = seen.partitions.as_ref().err().cloned();
        let partitions = seen.partitions.unwrap_or_default();
        let partitions: Vec<_> = partitions.into_iter().map(PartitionLag::of).collect();
        let over = Over {
            partitions: &partitions,
            none: absent.unwrap_or_else(|| {
                Reason::new(
                    "nothing is committed, and no member has a partition: offsets were never \
                     committed, deleted, or expired (offsets.retention.minutes)",
                )
            }),
        };
        let behind = over.all(|it| &it.behind).map(Iterator::sum);
        let age_ms = over.all(|it| &it.age_ms).map(|it| it.max().unwrap_or(0));
        Self {
            behind_stable: over.all(|it| &it.behind_stable).map(Iterator::sum),
            at_most: partitions.iter().any(|it| it.at_most),
            lost: over.all(|it| &it.lost).map(Iterator::sum),
            produced_per_s: over.all(|it| &it.produced_per_s).map(Iterator::sum),
            consumed_per_s: over.all(|it| &it.consumed_per_s).map(Iterator::sum),
            caught_up_in_ms: over.all(|it| &it.caught_up_in_ms).map(latest),
            deleted_in_ms: over.all(|it| &it.deleted_in_ms).map(earliest),
            checks: judge(thresholds, &partitions, &behind, &age_ms),
            group: seen.group,
            group_type: seen.group_type,
            state: seen.state,
            members: seen.members,
            consumer: seen.consumer,
            behind,
            age_ms,
            partitions,
        }
    }

    /// The worst of its checks; none without thresholds.
    pub fn outcome(&self) -> Option<LimitOutcome> {
        self.checks.iter().map(|it| it.outcome).max()
    }
}

fn latest(of: impl Iterator<Item = Until>) -> Until {
    of.max().unwrap_or(Until::Never)
}

fn earliest(of: impl Iterator<Item = Until>) -> Until {
    of.min().unwrap_or(Until::Never)
}

struct Over<'a> {
    partitions: &'a [PartitionLag],
    /// Why there are none.
    none: Reason,
}

impl<'a> Over<'a> {
    /// The number of every partition; unknown where one of them is, or there are none.
    fn all<T: Copy + 'a>(
        &self,
        number: impl Fn(&'a PartitionLag) -> &'a Known<T>,
    ) -> Known<impl Iterator<Item = T>> {
        if self.partitions.is_empty() {
            return Err(self.none.clone());
        }
        let numbers: Vec<_> = self.partitions.iter().map(|it| (it, number(it))).collect();
        let unknown = numbers.iter().filter(|(_, it)| it.is_err()).count();
        let first = numbers
            .iter()
            .find_map(|(partition, it)| Some((partition, it.as_ref().err()?)));
        if let Some((partition, reason)) = first {
            let of = if unknown == 1 {
                String::new()
            } else {
                format!("{unknown} partitions, the first ")
            };
            let partition = &partition.partition;
            return Err(Reason::new(format!("{of}{partition}: {reason}")));
        }
        Ok(numbers
            .into_iter()
            .filter_map(|(_, it)| it.as_ref().ok().copied()))
    }
}

/// A group that has no positions, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// Its name.
    pub group: GroupId,
    /// Why.
    pub reason: String,
}

/// The result. Readers ignore properties that they do not know.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LagReport {
    /// [`LAG_SCHEMA`].
    pub schema: &'static str,
    /// When it was observed, in UTC.
    pub taken_at: String,
    /// The cluster's id.
    pub cluster_id: Option<String>,
    /// The time over which rates were measured, as asked for, in milliseconds.
    pub window_ms: u64,
    /// How many brokers there are.
    pub brokers: u64,
    /// How many requests were sent, by API.
    pub requests: BTreeMap<String, u64>,
    /// The limits.
    pub thresholds: Thresholds,
    /// The worst outcome; `null` without thresholds.
    pub outcome: Option<LimitOutcome>,
    /// Why there may be more groups than these.
    pub incomplete: Vec<String>,
    /// Groups that have no positions.
    pub skipped: Vec<Skipped>,
    /// The groups, by name.
    pub groups: Vec<GroupLag>,
}

impl LagReport {
    /// The worst outcome of all groups; groups that are missing may be worse.
    pub fn judge(
        groups: &[GroupLag],
        incomplete: &[String],
        thresholds: Thresholds,
    ) -> Option<LimitOutcome> {
        if thresholds.is_empty() {
            return None;
        }
        let missing = (!incomplete.is_empty()).then_some(LimitOutcome::Unknown);
        let judged = groups.iter().filter_map(GroupLag::outcome);
        judged.chain(missing).max().or(Some(LimitOutcome::Held))
    }
}
