//! What a group has done with the records that stand in a partition, by their
//! offsets. Knows nothing of what that means.

use std::borrow::Cow;
use std::fmt;

use model::ids::Offset;

use crate::derived::Outputs;
use crate::finding::Watch;
use crate::groups::partition_reads::PartitionReads;
use crate::groups::scope::{Bounds, GroupScope};
use crate::log::PartitionLog;
use crate::sets::sparse_set::SparseSet;

/// What a group has done with the records that stand in a partition, by their
/// offsets. One that writes has done with a record when it was processed and
/// what was made of it took effect.
pub(super) struct GroupProgress<'r> {
    pub(super) reading: &'r PartitionReads,
    pub(super) processed: &'r SparseSet,
    pub(super) unsettled: &'r SparseSet,
    pub(super) in_vain: &'r SparseSet,
    pub(super) outputs: Option<&'r Outputs>,
    pub(super) all: Cow<'r, SparseSet>,
}

impl<'r> GroupProgress<'r> {
    pub(super) fn of(reading: &'r PartitionReads, outputs: Option<&'r Outputs>) -> Self {
        let resolved = reading.resolved.as_ref();
        let processed = resolved.map_or(&reading.given, |resolved| &resolved.processed);
        let unsettled = resolved.map_or(&reading.unsettled, |resolved| &resolved.unsettled);
        let in_vain = resolved.map_or(&reading.in_vain, |resolved| &resolved.in_vain);
        let looked_up = resolved.and_then(|resolved| resolved.outputs.as_ref());
        let outputs = outputs.map(|outputs| looked_up.unwrap_or(outputs));
        let all = match outputs {
            None => Cow::Borrowed(processed),
            Some(outputs) => {
                let mut both = SparseSet::default();
                for offset in processed.shared(&outputs.made) {
                    both.insert(offset);
                }
                Cow::Owned(both)
            }
        };
        Self {
            reading,
            processed,
            unsettled,
            in_vain,
            outputs,
            all,
        }
    }

    /// Whether any record that the group is to be given is not done.
    pub(super) fn leaves_any(&self, log: &PartitionLog, bounds: Bounds<'_>) -> bool {
        let mut left = log.data_without(&self.all, 0, i64::MAX);
        log.is_read() && left.any(|offset| !bounds.hides(offset))
    }

    /// The commit that passed a record: the first behind it, or, where earlier
    /// ones may be of an earlier life of the log, the farthest.
    pub(super) fn passed_by(
        &self,
        place: GroupScope<'_>,
        offset: Offset,
        committed: Offset,
    ) -> Watch {
        match self.reading.lives {
            None => Watch::CommitPast(place.group, place.partition, offset),
            Some(_) => Watch::CommitOf(place.group, place.partition, committed),
        }
    }

    /// Whether it is not known if it was done.
    pub(super) fn is_unsettled(&self, offset: i64) -> bool {
        let unsettled = |outputs: &Outputs| outputs.unsettled.contains(offset);
        self.unsettled.contains(offset) || self.outputs.is_some_and(unsettled)
    }

    pub(super) fn undone(&self, offset: i64) -> WhyNotDone {
        if self.processed.contains(offset) {
            WhyNotDone::NothingMade
        } else if self.in_vain.contains(offset) {
            WhyNotDone::NotCommitted
        } else if self.reading.given.contains(offset) {
            WhyNotDone::AnotherStood
        } else {
            WhyNotDone::NeverProcessed
        }
    }
}

/// How a record was not done with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum WhyNotDone {
    NeverProcessed,
    /// Another record was processed at its offset.
    AnotherStood,
    /// It was processed in a transaction that was not committed.
    NotCommitted,
    NothingMade,
}

impl WhyNotDone {
    /// Whether a member had it in hand all the same.
    pub(super) fn in_vain(self) -> u64 {
        u64::from(matches!(self, Self::NotCommitted | Self::NothingMade))
    }
}

impl fmt::Display for WhyNotDone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NeverProcessed => "never processed",
            Self::AnotherStood => {
                "never processed: another record stood there when the group read it"
            }
            Self::NotCommitted => "processed only in transactions that were not committed",
            Self::NothingMade => "nothing that was made of it took effect",
        })
    }
}
