//! What was read in an earlier life of a log. A log that is cut, lost or made
//! again uses its offsets again: what was read at one of them then is not the
//! record that stands there now. Knows nothing of the readers.
//!
//! Where no observer read the log, nothing is known of earlier lives.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use model::event::Content;
use model::ids::{Offset, PartitionRef, RecordId};

use crate::sets::record_set::RecordSet;
use crate::sets::sparse_set::SparseSet;
use crate::sets::table::PartitionTable;

/// What is known of earlier lives of the logs, once what stands is settled.
#[derive(Debug, Default)]
pub(crate) struct Past {
    ends: BTreeMap<PartitionRef, Offset>,
    /// Partitions that were read at or behind their end.
    shortened: BTreeSet<PartitionRef>,
    /// Offsets at which another record was read than the one that stands there.
    reused: PartitionTable<SparseSet>,
    /// Records that were read where another one stands, and stand nowhere.
    displaced: RecordSet,
    /// The same of those that stand elsewhere, with where they were read.
    moved: HashSet<(PartitionRef, Offset, RecordId)>,
    /// Records that stand where another one was read.
    overlaid: RecordSet,
}

impl Past {
    /// A log ends here now; so far it was read.
    pub(crate) fn end(&mut self, partition: PartitionRef, end: Offset, read: Option<i64>) {
        self.ends.insert(partition, end);
        if read.is_some_and(|last| last >= end.get()) {
            self.shortened.insert(partition);
        }
    }

    /// Another record was read at an offset than the one that stands there.
    pub(crate) fn use_again(
        &mut self,
        (partition, offset): (PartitionRef, Offset),
        stored_records: impl Iterator<Item = RecordId>,
    ) {
        self.reused.entry(partition).insert(offset.get());
        for record in stored_records {
            self.overlaid.insert(record);
        }
    }

    /// A record was read at an offset at which another one stands.
    pub(crate) fn displace(&mut self, at: (PartitionRef, Offset), record: RecordId, stands: bool) {
        if stands {
            self.moved.insert((at.0, at.1, record));
        } else {
            self.displaced.insert(record);
        }
    }

    /// Whether what was read at an offset does not stand there any more.
    pub(crate) fn holds(&self, at: PartitionRef, offset: Offset, content: Content) -> bool {
        let displaced = || {
            content.identity().is_some_and(|record| {
                let moved = self.moved.contains(&(at, offset, record));
                moved || self.displaced.contains(record)
            })
        };
        let ends = self.ends.get(&at);
        ends.is_some_and(|end| offset >= *end) || (self.was_reused(at, offset.get()) && displaced())
    }

    /// Whether a position lies behind the end of a log.
    pub(crate) fn is_behind(&self, at: PartitionRef, position: Offset) -> bool {
        self.ends.get(&at).is_some_and(|end| position > *end)
    }

    /// Whether anything was read of a partition that does not stand there any
    /// more.
    pub(crate) fn is_of(&self, partition: PartitionRef) -> bool {
        let reused = self.reused.get(partition);
        reused.is_some_and(|reused| !reused.is_empty()) || self.shortened.contains(&partition)
    }

    /// Whether an offset was used again.
    pub(crate) fn was_reused(&self, partition: PartitionRef, offset: i64) -> bool {
        let reused = self.reused.get(partition);
        reused.is_some_and(|reused| reused.contains(offset))
    }

    /// Whether another record was read where this one stands.
    pub(crate) fn is_below(&self, record: RecordId) -> bool {
        self.overlaid.contains(record)
    }
}
