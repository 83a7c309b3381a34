//! Clean records, for calibration to plant anomalies on: the first few and the
//! last few of a partition. Knows nothing of what is planted.

use std::collections::VecDeque;

use model::ids::{Offset, PartitionRef, RecordId};

use crate::passes::collect::Claim;

/// Clean records at each end of a partition that calibration may choose from,
/// at most.
const VICTIMS_PER_END: usize = 24;
/// Partitions that calibration chooses from, at most.
pub(crate) const VICTIM_PARTITIONS_MAX: usize = 16;

/// A record of which its producer was told success once, and that stands in one
/// place: where it was acknowledged, if it was told of an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Victim {
    pub(crate) partition: PartitionRef,
    pub(crate) offset: Offset,
    pub(crate) record: RecordId,
}

impl Victim {
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
struct FewOfMany {
    first: Vec<Victim>,
    last: VecDeque<Victim>,
}

impl FewOfMany {
    #[inline]
    fn offer(&mut self, victim: Victim) {
        if self.first.len() < VICTIMS_PER_END {
            self.first.push(victim);
            return;
        }
        if self.last.len() == VICTIMS_PER_END {
            self.last.pop_front();
        }
        self.last.push_back(victim);
    }

    fn iter(&self) -> impl Iterator<Item = Victim> + '_ {
        self.first.iter().chain(&self.last).copied()
    }
}

/// Candidates of one partition.
#[derive(Default)]
pub(crate) struct Ends {
    /// Those that are clean where their block agrees.
    likely: FewOfMany,
    /// Those that were looked at by themselves.
    settled: FewOfMany,
    /// Those that were acknowledged without an offset.
    unplaced: FewOfMany,
}

impl Ends {
    /// Offers a record that stands where something was acknowledged; behind
    /// those offered before.
    #[inline]
    pub(crate) fn offer(&mut self, victim: Victim) {
        self.likely.offer(victim);
    }

    /// Offers a record that is known to stand where it was acknowledged;
    /// behind those offered before.
    pub(crate) fn offer_settled(&mut self, victim: Victim) {
        self.settled.offer(victim);
    }

    /// Offers a record that stands, and was acknowledged without an offset;
    /// behind those offered before.
    pub(crate) fn offer_unplaced(&mut self, victim: Victim) {
        self.unplaced.offer(victim);
    }

    /// The few at each end that are clean, of those that are settled or not.
    pub(crate) fn choose(&self, is_clean: impl Fn(&Victim, Known) -> bool) -> Vec<Victim> {
        let likely = self.likely.iter().map(|victim| (victim, Known::Likely));
        let settled = self.settled.iter().map(|victim| (victim, Known::Surely));
        let unplaced = self.unplaced.iter().map(|victim| (victim, Known::Unplaced));
        let mut clean: Vec<Victim> = likely
            .chain(settled)
            .chain(unplaced)
            .filter(|(victim, known)| is_clean(victim, *known))
            .map(|(victim, _)| victim)
            .collect();
        clean.sort_unstable();
        clean.dedup();
        let mut few = FewOfMany::default();
        for victim in clean {
            few.offer(victim);
        }
        few.iter().collect()
    }
}

/// How it is known that a record stands where it was acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// It does, if all of its block do.
    Likely,
    /// It was looked at by itself.
    Surely,
    /// It stands, and no place was acknowledged.
    Unplaced,
}
