//! A set of records: of each producer's, by sequence, about one bit each.
//! Knows nothing of what is true of them.

use model::event::Content;
use model::ids::{ProducerIx, RecordId, Sequence};

use crate::sets::sparse_set::SparseSet;
use crate::sets::table::Table;

/// Records, iterated by producer and sequence.
#[derive(Clone, Debug, Default)]
pub(crate) struct RecordSet {
    by_producer: Table<SparseSet>,
}

/// A sequence as a member of a set.
const fn sequence(record: RecordId) -> i64 {
    record.sequence.get().cast_signed()
}

/// A producer as a number of a table.
fn producer(record: RecordId) -> i64 {
    record.producer.get().into()
}

fn named(producer: i64, sequence: i64) -> RecordId {
    RecordId {
        producer: ProducerIx::new(u32::try_from(producer).unwrap_or_default()),
        sequence: Sequence::new(sequence.cast_unsigned()),
    }
}

impl RecordSet {
    /// Adds a record; whether it was new.
    #[inline]
    pub(crate) fn insert(&mut self, record: RecordId) -> bool {
        let of = self.by_producer.entry(producer(record));
        of.insert(sequence(record))
    }

    /// Adds a record that has an identity; whether it was new, as one without
    /// always is.
    pub(crate) fn note(&mut self, content: Content) -> bool {
        content.identity().is_none_or(|record| self.insert(record))
    }

    #[inline]
    pub(crate) fn contains(&self, record: RecordId) -> bool {
        let of = self.by_producer.get(producer(record));
        of.is_some_and(|of| of.contains(sequence(record)))
    }

    /// The highest sequence of a producer's records.
    pub(crate) fn last_of(&self, producer: ProducerIx) -> Option<Sequence> {
        let of = self.by_producer.get(producer.get().into())?;
        Some(Sequence::new(of.last()?.cast_unsigned()))
    }

    /// Takes a record out; whether it was in.
    pub(crate) fn remove(&mut self, record: RecordId) -> bool {
        let of = self.by_producer.get_mut(producer(record));
        of.is_some_and(|of| of.remove(sequence(record)))
    }

    pub(crate) fn len(&self) -> u64 {
        self.by_producer.values().map(SparseSet::len).sum()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_producer.values().all(SparseSet::is_empty)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = RecordId> + '_ {
        self.by_producer
            .iter()
            .flat_map(|(producer, of)| of.iter().map(move |sequence| named(producer, sequence)))
    }

    /// The records that the other set lacks, in order.
    pub(crate) fn without<'s>(&'s self, other: &'s Self) -> impl Iterator<Item = RecordId> + 's {
        self.by_producer.iter().flat_map(|(producer, of)| {
            let lacking = other.by_producer.get(producer);
            let all = lacking.is_none().then(|| of.iter());
            let rest = lacking.map(|other| of.range_without(other, i64::MIN, i64::MAX));
            let sequences = all.into_iter().flatten().chain(rest.into_iter().flatten());
            sequences.map(move |sequence| named(producer, sequence))
        })
    }
}
