//! Clean records, for calibration to plant anomalies on: the first few and the
//! last few of a partition. Knows nothing of what is planted.

use std::collections::VecDeque;

use model::ids::{Offset, PartitionRef, RecordId};

use crate::log::collect::Claim;

/// Clean records at each end of a partition that calibration may choose from,
/// at most.
const TARGETS_PER_END: usize = 24;
/// Partitions that calibration chooses from, at most.
pub(crate) const TARGET_PARTITIONS_MAX: usize = 16;

/// A record of which its producer was told success once, and that stands in one
/// place: where it was acknowledged, if it was told of an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Target {
    pub(crate) partition: PartitionRef,
    pub(crate) offset: Offset,
    pub(crate) record: RecordId,
}

impl Target {
    pub(crate) const fn of(claim: Claim) -> Self {
        Self {
            partition: claim.partition,
            offset: claim.offset,
            record: claim.record,
        }
    }
}

/// The first few and the last few of what is offered in order.
#[derive(Default)]
struct FirstAndLast {
    first: Vec<Target>,
    last: VecDeque<Target>,
}

impl FirstAndLast {
    #[inline]
    fn offer(&mut self, target: Target) {
        if self.first.len() < TARGETS_PER_END {
            self.first.push(target);
            return;
        }
        if self.last.len() == TARGETS_PER_END {
            self.last.pop_front();
        }
        self.last.push_back(target);
    }

    fn iter(&self) -> impl Iterator<Item = Target> + '_ {
        self.first.iter().chain(&self.last).copied()
    }
}

/// Candidates of one partition.
#[derive(Default)]
pub(crate) struct TargetCandidates {
    /// Those that are clean where their block agrees.
    likely: FirstAndLast,
    /// Those that were looked at by themselves.
    settled: FirstAndLast,
    /// Those that were acknowledged without an offset.
    unplaced: FirstAndLast,
}

impl TargetCandidates {
    /// Offers a record that stands where something was acknowledged; behind
    /// those offered before.
    #[inline]
    pub(crate) fn offer(&mut self, target: Target) {
        self.likely.offer(target);
    }

    /// Offers a record that is known to stand where it was acknowledged;
    /// behind those offered before.
    pub(crate) fn offer_settled(&mut self, target: Target) {
        self.settled.offer(target);
    }

    /// Offers a record that stands, and was acknowledged without an offset;
    /// behind those offered before.
    pub(crate) fn offer_unplaced(&mut self, target: Target) {
        self.unplaced.offer(target);
    }

    /// The few at each end that are clean, of those that are settled or not.
    pub(crate) fn choose(&self, is_clean: impl Fn(&Target, Confidence) -> bool) -> Vec<Target> {
        let likely = self
            .likely
            .iter()
            .map(|target| (target, Confidence::Likely));
        let settled = self
            .settled
            .iter()
            .map(|target| (target, Confidence::Surely));
        let unplaced = self
            .unplaced
            .iter()
            .map(|target| (target, Confidence::Unplaced));
        let mut clean: Vec<Target> = likely
            .chain(settled)
            .chain(unplaced)
            .filter(|(target, known)| is_clean(target, *known))
            .map(|(target, _)| target)
            .collect();
        clean.sort_unstable();
        clean.dedup();
        let mut few = FirstAndLast::default();
        for target in clean {
            few.offer(target);
        }
        few.iter().collect()
    }
}

/// How it is known that a record stands where it was acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Confidence {
    /// It does, if all of its block do.
    Likely,
    /// It was looked at by itself.
    Surely,
    /// It stands, and no place was acknowledged.
    Unplaced,
}
