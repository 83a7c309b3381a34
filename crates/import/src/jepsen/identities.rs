//! The partition of a key, and the record of a key and a value. Knows nothing of
//! operations.

use std::collections::HashMap;

use model::ids::{PartitionIndex, RecordId};

use super::operation::Scalar;

/// A test of Jepsen's has some hundreds. Each takes some memory, and a hostile
/// file could name one with every other byte.
pub(super) const KEYS_MAX: u32 = 1 << 18;

/// A partition as the importer numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Partition(u32);

impl Partition {
    /// Its number in the topic.
    pub(super) fn index(self) -> PartitionIndex {
        PartitionIndex::new(self.0.cast_signed())
    }
}

/// A map from scalars. The hashes are keyed at random, so that no file can choose values
/// that collide.
#[derive(Debug)]
struct ScalarMap<T> {
    numbers: HashMap<i64, T>,
    texts: HashMap<Box<[u8]>, T>,
}

impl<T> Default for ScalarMap<T> {
    fn default() -> Self {
        Self {
            numbers: HashMap::new(),
            texts: HashMap::new(),
        }
    }
}

impl<T: Copy> ScalarMap<T> {
    fn get(&self, scalar: Scalar<'_>) -> Option<T> {
        match scalar {
            Scalar::Int(number) => self.numbers.get(&number).copied(),
            Scalar::Text(text) => self.texts.get(text).copied(),
        }
    }

    /// Returns the value before.
    fn insert(&mut self, scalar: Scalar<'_>, what: T) -> Option<T> {
        match scalar {
            Scalar::Int(number) => self.numbers.insert(number, what),
            Scalar::Text(text) => self.texts.insert(text.into(), what),
        }
    }
}

/// All keys, and all values sent to them.
#[derive(Debug, Default)]
pub(super) struct Identities {
    partitions: ScalarMap<Partition>,
    records: Vec<ScalarMap<RecordId>>,
}

/// A key, looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Known(Partition),
    /// It has just been numbered, and this is how many there are now.
    New(Partition, i32),
}

impl Identities {
    /// The key's partition; none when there are too many.
    pub(super) fn partition(&mut self, key: Scalar<'_>) -> Option<Found> {
        if let Some(known) = self.partitions.get(key) {
            return Some(Found::Known(known));
        }
        let number = u32::try_from(self.records.len()).ok();
        let new = Partition(number.filter(|number| *number < KEYS_MAX)?);
        let count = new.index().get() + 1;
        self.partitions.insert(key, new);
        self.records.push(ScalarMap::default());
        Some(Found::New(new, count))
    }

    /// The record that was sent with this value.
    pub(super) fn record(&self, partition: Partition, value: Scalar<'_>) -> Option<RecordId> {
        self.records.get(partition.0 as usize)?.get(value)
    }

    /// Gives a record its value; the one that had it before.
    pub(super) fn name(
        &mut self,
        partition: Partition,
        value: Scalar<'_>,
        record: RecordId,
    ) -> Option<RecordId> {
        let records = self.records.get_mut(partition.0 as usize)?;
        records.insert(value, record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_numbered_in_order_of_appearance() {
        let mut identities = Identities::default();
        let mut number = |key| identities.partition(key).unwrap();
        let (first, second) = (Partition(0), Partition(1));
        assert_eq!(number(Scalar::Int(70)), Found::New(first, 1));
        assert_eq!(number(Scalar::Text(b":x")), Found::New(second, 2));
        assert_eq!(number(Scalar::Int(70)), Found::Known(first));
        assert_eq!(number(Scalar::Text(b":x")), Found::Known(second));
    }

    #[test]
    fn a_record_is_told_by_its_key_and_value() {
        let mut identities = Identities::default();
        let [one, other] = [1, 2].map(|key| match identities.partition(Scalar::Int(key)) {
            Some(Found::New(partition, _)) => partition,
            _ => panic!("not new"),
        });
        let record = RecordId::default();
        for value in [Scalar::Int(5), Scalar::Text(b"\"5\"")] {
            assert_eq!(identities.name(one, value, record), None);
            assert_eq!(identities.name(one, value, record), Some(record));
            assert_eq!(identities.record(one, value), Some(record));
            assert_eq!(identities.record(other, value), None);
        }
    }
}
