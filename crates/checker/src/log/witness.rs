//! The witness of a log's records, and what is kept of them without an observer.

use std::collections::BTreeMap;

use model::ids::{Offset, PartitionRef, ProducerIx, RecordId};

/// The witness of the log's records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Witness {
    /// An observer, when the traffic was over.
    #[default]
    Observer,
    /// The readers.
    Readers,
    /// The readers, and the producers of what was sent in transactions.
    ReadersAndProducers,
}

/// Acknowledgements and readings of a partition, where all are kept.
#[derive(Default)]
pub(super) struct ReportedRecords(pub(super) Vec<(Offset, RecordId)>);

impl ReportedRecords {
    pub(super) fn add(&mut self, offset: Offset, record: RecordId) {
        if self.0.len() == self.0.capacity() {
            self.sort();
        }
        self.0.push((offset, record));
    }

    pub(super) fn sort(&mut self) {
        self.0.sort_unstable();
        self.0.dedup();
    }
}

/// Successes without an offset that are followed, at most; of others it is
/// unknown whether they are lost.
const FOLLOWED_MAX: usize = 1 << 16;

/// Successes without an offset, and what the same producers were told next.
#[derive(Default)]
pub(super) struct Followed {
    /// Of which no record that was sent later was acknowledged so far.
    open: BTreeMap<(PartitionRef, ProducerIx), Vec<RecordId>>,
    /// The offset of such a record, below which they lie if they were stored.
    below: BTreeMap<RecordId, Offset>,
    len: usize,
}

impl Followed {
    /// A producer was told success of a record, at an offset.
    pub(super) fn acknowledge(
        &mut self,
        partition: PartitionRef,
        record: RecordId,
        offset: Offset,
    ) {
        if self.open.is_empty() {
            return;
        }
        let from = (partition, record.producer);
        if let Some(open) = self.open.get_mut(&from) {
            open.retain(|before| {
                let later = before.sequence < record.sequence;
                if later {
                    self.below.insert(*before, offset);
                }
                !later
            });
            if open.is_empty() {
                self.open.remove(&from);
            }
        }
    }

    /// A producer was told success of a record, without an offset.
    pub(super) fn acknowledge_unplaced(&mut self, partition: PartitionRef, record: RecordId) {
        if self.len < FOLLOWED_MAX {
            self.len += 1;
            let from = (partition, record.producer);
            self.open.entry(from).or_default().push(record);
        }
    }

    /// The offset below which a record lies, if it is stored.
    pub(super) fn below(&self, record: RecordId) -> Option<Offset> {
        self.below.get(&record).copied()
    }
}
