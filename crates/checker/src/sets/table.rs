//! A map from numbers that are mostly small and close together, such as those
//! that a history gives to producers and partitions: these are places in a
//! vector, and a number far from all others costs an entry of a tree. Knows
//! nothing of what is numbered.

use std::collections::BTreeMap;

use model::ids::{PartitionIndex, PartitionRef, TopicIx};

/// How much longer than twice its entries the vector may be.
const SLACK: usize = 16;

/// A map from signed numbers, iterated in their order.
#[derive(Clone, Debug)]
pub(crate) struct Table<T> {
    /// The numbers from 0 up to and not including its length.
    near: Vec<Option<T>>,
    /// All others.
    far: BTreeMap<i64, T>,
    len: usize,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            near: Vec::new(),
            far: BTreeMap::new(),
            len: 0,
        }
    }
}

impl<T> Table<T> {
    #[inline]
    pub(crate) fn get(&self, number: i64) -> Option<&T> {
        match usize::try_from(number) {
            Ok(at) if at < self.near.len() => self.near[at].as_ref(),
            _ if self.far.is_empty() => None,
            _ => self.far.get(&number),
        }
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, number: i64) -> Option<&mut T> {
        match usize::try_from(number) {
            Ok(at) if at < self.near.len() => self.near[at].as_mut(),
            _ if self.far.is_empty() => None,
            _ => self.far.get_mut(&number),
        }
    }

    pub(crate) fn insert(&mut self, number: i64, of: T) {
        match self.make_room(number) {
            Some(at) => {
                self.len += usize::from(self.near[at].is_none());
                self.near[at] = Some(of);
            }
            None => self.len += usize::from(self.far.insert(number, of).is_none()),
        }
    }

    pub(crate) fn remove(&mut self, number: i64) -> Option<T> {
        let taken = match usize::try_from(number) {
            Ok(at) if at < self.near.len() => self.near[at].take(),
            _ => self.far.remove(&number),
        };
        self.len -= usize::from(taken.is_some());
        taken
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (i64, &T)> {
        self.range(i64::MIN, i64::MAX)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &T> {
        self.iter().map(|(_, of)| of)
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        let near = self.near.iter_mut().flatten();
        near.chain(self.far.values_mut())
    }

    /// What is held from `first` to `last`, both included.
    pub(crate) fn range(&self, first: i64, last: i64) -> impl Iterator<Item = (i64, &T)> {
        let length = i64::try_from(self.near.len()).unwrap_or(i64::MAX);
        let (from, to) = (first.clamp(0, length), last.clamp(-1, length - 1));
        let near = usize::try_from(from).ok().zip(usize::try_from(to).ok());
        let near = near.and_then(|(from, to)| self.near.get(from..=to));
        let near = (from..).zip(near.unwrap_or_default());
        let near = near.filter_map(|(number, of)| Some((number, of.as_ref()?)));
        let far = |first: i64, last: i64| {
            let some = first <= last && !self.far.is_empty();
            let range = some.then(|| self.far.range(first..=last));
            range
                .into_iter()
                .flatten()
                .map(|(number, of)| (*number, of))
        };
        far(first, last.min(-1))
            .chain(near)
            .chain(far(first.max(0), last))
    }

    pub(crate) fn last(&self) -> Option<(i64, &T)> {
        let far = self.far.last_key_value().map(|(number, of)| (*number, of));
        let near = || {
            let near = self.near.iter().enumerate().rev();
            let mut held =
                near.filter_map(|(at, of)| Some((i64::try_from(at).ok()?, of.as_ref()?)));
            held.next()
        };
        match far {
            Some((number, _)) if number >= 0 => far,
            _ => near().or(far),
        }
    }

    /// The place of a number in the vector, which grows to hold it where it
    /// is close enough.
    fn make_room(&mut self, number: i64) -> Option<usize> {
        let at = usize::try_from(number).ok()?;
        if at >= self.near.len() {
            if at > 2 * self.len + SLACK {
                return None;
            }
            self.near.resize_with(at + 1, || None);
            // What lay just behind the end of the vector belongs into it now.
            while let Some(next) = self.far.range(0..=number).next() {
                let number = *next.0;
                let of = self.far.remove(&number);
                if let Some(room) = usize::try_from(number)
                    .ok()
                    .and_then(|at| self.near.get_mut(at))
                {
                    *room = of;
                }
            }
        }
        Some(at)
    }
}

impl<T: Default> Table<T> {
    /// What is held there, made where there is nothing yet.
    #[inline]
    pub(crate) fn entry(&mut self, number: i64) -> &mut T {
        match usize::try_from(number) {
            Ok(at) if at < self.near.len() => {
                let of = &mut self.near[at];
                self.len += usize::from(of.is_none());
                of.get_or_insert_default()
            }
            _ => self.new_entry(number),
        }
    }

    #[cold]
    fn new_entry(&mut self, number: i64) -> &mut T {
        match self.make_room(number) {
            Some(at) => {
                let of = &mut self.near[at];
                self.len += usize::from(of.is_none());
                of.get_or_insert_default()
            }
            None => self.far.entry(number).or_insert_with(|| {
                self.len += 1;
                T::default()
            }),
        }
    }
}

/// A map from partitions, iterated by topic and partition.
#[derive(Clone, Debug)]
pub(crate) struct PartitionTable<T>(Table<Table<T>>);

impl<T> Default for PartitionTable<T> {
    fn default() -> Self {
        Self(Table::default())
    }
}

fn place(of: PartitionRef) -> (i64, i64) {
    (of.topic.get().into(), of.partition.get().into())
}

impl<T> PartitionTable<T> {
    #[inline]
    pub(crate) fn get(&self, of: PartitionRef) -> Option<&T> {
        let (topic, partition) = place(of);
        self.0.get(topic)?.get(partition)
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, of: PartitionRef) -> Option<&mut T> {
        let (topic, partition) = place(of);
        self.0.get_mut(topic)?.get_mut(partition)
    }

    pub(crate) fn insert(&mut self, of: PartitionRef, what: T) {
        let (topic, partition) = place(of);
        self.0.entry(topic).insert(partition, what);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (PartitionRef, &T)> {
        self.0.iter().flat_map(|(topic, partitions)| {
            partitions.iter().filter_map(move |(partition, of)| {
                let partition = PartitionRef {
                    topic: TopicIx::new(u16::try_from(topic).ok()?),
                    partition: PartitionIndex::new(i32::try_from(partition).ok()?),
                };
                Some((partition, of))
            })
        })
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &T> {
        self.0.values().flat_map(Table::values)
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.0.values_mut().flat_map(Table::values_mut)
    }
}

impl<T: Default> PartitionTable<T> {
    /// What is held there, made where there is nothing yet.
    #[inline]
    pub(crate) fn entry(&mut self, of: PartitionRef) -> &mut T {
        let (topic, partition) = place(of);
        self.0.entry(topic).entry(partition)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_far_from_all_others_makes_no_long_vector() {
        let mut table = Table::default();
        for number in [0, 1, i64::MAX, i64::MIN, 1 << 40] {
            table.insert(number, number);
        }
        assert!(table.near.len() <= 2);
        let held: Vec<i64> = table.values().copied().collect();
        assert_eq!(held, [i64::MIN, 0, 1, 1 << 40, i64::MAX]);
    }

    proptest! {
        #[test]
        fn it_is_a_map(
            steps in prop::collection::vec((-40i64..200, any::<bool>()), 0..200),
            first in -50i64..210,
            last in -50i64..210,
        ) {
            let mut table = Table::default();
            let mut model = BTreeMap::new();
            for (number, put) in steps {
                if put {
                    *table.entry(number) += number;
                    *model.entry(number).or_insert(0) += number;
                } else {
                    prop_assert_eq!(table.remove(number), model.remove(&number));
                }
                prop_assert_eq!(table.get(number), model.get(&number));
                prop_assert_eq!(table.len, model.len());
            }
            let pairs = |of: (&i64, &i64)| (*of.0, *of.1);
            prop_assert!(table.iter().map(|(number, of)| (number, *of)).eq(model.iter().map(pairs)));
            prop_assert_eq!(table.last().map(|(_, of)| of), model.values().next_back());
            let inside = table.range(first, last).map(|(number, of)| (number, *of));
            let expected = model.iter().map(pairs).filter(|(number, _)| (first..=last).contains(number));
            prop_assert!(inside.eq(expected));
        }
    }
}
