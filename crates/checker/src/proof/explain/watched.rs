//! Which cases look out for a record, an offset, a row and so on. Knows nothing of
//! what they are about.
//!
//! Every event is asked for, and nearly none is watched: of records and offsets,
//! which are nearly all that is asked for, a bit says so before a map is searched.

use std::collections::HashMap;

use crate::finding::Watch;
use crate::sets::record_set::RecordSet;
use crate::sets::sparse_set::SparseSet;
use crate::sets::table::PartitionTable;

/// Cases, by what they look out for.
#[derive(Default)]
pub(super) struct Watched {
    cases: HashMap<Watch, Vec<usize>>,
    records: RecordSet,
    offsets: PartitionTable<SparseSet>,
}

impl Watched {
    /// A case looks out for this, too.
    pub(super) fn add(&mut self, watch: Watch, case: usize) {
        match watch {
            Watch::Record(record) => {
                self.records.insert(record);
            }
            Watch::Position(partition, offset) => {
                self.offsets.entry(partition).insert(offset.get());
            }
            _ => {}
        }
        let cases = self.cases.entry(watch).or_default();
        if !cases.contains(&case) {
            cases.push(case);
        }
    }

    /// The cases that look out for this.
    #[inline]
    pub(super) fn cases(&self, watch: Watch) -> &[usize] {
        let may_be = match watch {
            Watch::Record(record) => self.records.contains(record),
            Watch::Position(partition, offset) => {
                let offsets = self.offsets.get(partition);
                offsets.is_some_and(|offsets| offsets.contains(offset.get()))
            }
            _ => true,
        };
        let cases = may_be.then(|| self.cases.get(&watch)).flatten();
        cases.map_or(&[], Vec::as_slice)
    }
}
