//! Which records stand in the log, which of them more than once, and in which
//! order, told partition by partition in the order of offsets. Knows nothing of
//! acknowledgements or readers.
//!
//! Order is told from each producer's latest record in each partition alone.
//! That does not tell whether a record that stands behind a later one is the
//! first copy of a record out of order, or a second copy of one in order, when
//! it is known to stand somewhere else too. Then the log is told again, and
//! this time it is known which records have copies.

use model::anomaly::Anomaly;
use model::ids::{Offset, PartitionRef, RecordId};

use crate::finding::{Docket, Watch};
use crate::record_set::RecordSet;
use crate::table::Table;

/// The records that stand in the log.
#[derive(Default)]
pub(crate) struct Standing {
    pub(crate) stored: RecordSet,
    /// Those that stand at more than one place.
    pub(crate) again: RecordSet,
    /// Copies beyond the first.
    pub(crate) extra_copies: u64,
    /// First copies with a predecessor of the same producer in the same
    /// partition.
    pub(crate) ordered_pairs: u64,
    /// Those out of order, and those before which they should stand.
    pub(crate) disordered: RecordSet,
    /// What was found out of order.
    pub(crate) docket: Docket,
    /// Whether something has to be told again, to be told for sure.
    pub(crate) is_unclear: bool,
    /// Every record that may stand at more than one place, once it is known.
    copied: Option<RecordSet>,
}

/// The order in which one partition holds its records.
#[derive(Default)]
pub(crate) struct Order {
    last: Option<Offset>,
    /// Of each producer, the record that was sent last.
    latest: Table<Option<Latest>>,
    /// The records with copies that were met here.
    met: RecordSet,
}

#[derive(Clone, Copy)]
struct Latest {
    offset: Offset,
    record: RecordId,
}

/// Whether a record was met in this partition before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Copy {
    First,
    Later,
    Unknown,
}

impl Order {
    /// Whether an offset lies behind all that came before it.
    pub(crate) fn goes_on(&mut self, offset: Offset) -> bool {
        let on = self.last.is_none_or(|last| last < offset);
        self.last = self.last.max(Some(offset));
        on
    }
}

impl Standing {
    /// For a second telling of the same log.
    pub(crate) fn told_again(self) -> Self {
        Self {
            copied: Some(self.again),
            ..Self::default()
        }
    }

    /// Notes that a record stands at an offset. Each partition's are told in
    /// their order, and each once.
    #[inline]
    pub(crate) fn meet(
        &mut self,
        order: &mut Order,
        partition: PartitionRef,
        offset: Offset,
        record: RecordId,
    ) {
        let new = self.stored.insert(record);
        if !new {
            self.again.insert(record);
            self.extra_copies += 1;
        }
        let copy = match &self.copied {
            Some(copied) if copied.contains(record) => {
                if order.met.insert(record) {
                    Copy::First
                } else {
                    Copy::Later
                }
            }
            None if !new => Copy::Unknown,
            _ => Copy::First,
        };
        let here = Latest { offset, record };
        let latest = order.latest.entry(record.producer.get().into());
        let Some(later) = *latest else {
            *latest = Some(here);
            return;
        };
        if record.sequence > later.record.sequence {
            self.ordered_pairs += 1;
            *latest = Some(here);
            return;
        }
        if copy == Copy::Later || record == later.record {
            return;
        }
        if copy == Copy::Unknown {
            self.is_unclear = true;
            return;
        }
        self.ordered_pairs += 1;
        self.disordered.insert(record);
        self.disordered.insert(later.record);
        self.docket
            .add_record(Anomaly::NonmonotonicSend, record, || {
                let what = format!("{record} stands behind {}, sent later", later.record);
                let watch = vec![
                    Watch::Record(record),
                    Watch::Position(partition, offset),
                    Watch::Record(later.record),
                    Watch::Position(partition, later.offset),
                ];
                (what, watch)
            });
    }
}
