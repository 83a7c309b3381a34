//! A set of numbers in which neighbours cost one bit each, and a number far
//! from all others costs one small block: what it holds, not how large its
//! members are, decides what it weighs. Knows nothing of what is counted.

use std::collections::BTreeMap;

const WORDS: usize = 64;
const BLOCK_BITS: u64 = 64 * WORDS as u64;

/// A set of signed numbers (offsets, sequences, keys), iterated in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct SparseSet {
    blocks: BTreeMap<u64, Box<[u64; WORDS]>>,
    len: u64,
}

/// Signed numbers in an unsigned order: -1 comes before 0.
const fn ordered(value: i64) -> u64 {
    value.cast_unsigned() ^ (1 << 63)
}

const fn original(ordered: u64) -> i64 {
    (ordered ^ (1 << 63)).cast_signed()
}

/// Where the bit of a number is: block, word, mask.
const fn place(value: i64) -> (u64, usize, u64) {
    let bits = ordered(value);
    let within = bits % BLOCK_BITS;
    (
        bits / BLOCK_BITS,
        (within / 64) as usize,
        1 << (within % 64),
    )
}

impl SparseSet {
    /// Adds a number; whether it was new.
    pub(crate) fn insert(&mut self, value: i64) -> bool {
        let (block, word, mask) = place(value);
        let words = self
            .blocks
            .entry(block)
            .or_insert_with(|| Box::new([0; WORDS]));
        let new = words[word] & mask == 0;
        words[word] |= mask;
        self.len += u64::from(new);
        new
    }

    pub(crate) fn contains(&self, value: i64) -> bool {
        let (block, word, mask) = place(value);
        self.blocks
            .get(&block)
            .is_some_and(|words| words[word] & mask != 0)
    }

    pub(crate) const fn len(&self) -> u64 {
        self.len
    }

    /// The largest member.
    pub(crate) fn last(&self) -> Option<i64> {
        let (block, words) = self.blocks.last_key_value()?;
        let at = words.iter().rposition(|word| *word != 0)?;
        let bit = 63 - u64::from(words[at].leading_zeros());
        Some(original(block * BLOCK_BITS + at as u64 * 64 + bit))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = i64> + '_ {
        self.range(i64::MIN, i64::MAX)
            .chain(self.contains(i64::MAX).then_some(i64::MAX))
    }

    /// The members from `first` up to and not including `end`, in order.
    pub(crate) fn range(&self, first: i64, end: i64) -> impl Iterator<Item = i64> + '_ {
        let (from, to) = (ordered(first), ordered(end).max(ordered(first)));
        self.blocks
            .range(from / BLOCK_BITS..=to / BLOCK_BITS)
            .flat_map(|(block, words)| {
                words
                    .iter()
                    .zip(0u64..)
                    .flat_map(move |(word, at)| Bits(*word).map(move |bit| at * 64 + bit))
                    .map(move |within| block * BLOCK_BITS + within)
            })
            .skip_while(move |bits| *bits < from)
            .take_while(move |bits| *bits < to)
            .map(original)
    }

    /// Runs of consecutive members, first and last, in order.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (i64, i64)> + '_ {
        let mut members = self.iter().peekable();
        std::iter::from_fn(move || {
            let first = members.next()?;
            let mut last = first;
            while let Some(next) = members.next_if(|next| Some(*next) == last.checked_add(1)) {
                last = next;
            }
            Some((first, last))
        })
    }
}

/// The positions of the set bits of a word, from the lowest.
struct Bits(u64);

impl Iterator for Bits {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        (self.0 != 0).then(|| {
            let bit = self.0.trailing_zeros();
            self.0 &= self.0 - 1;
            u64::from(bit)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_hostile_number_costs_one_block() {
        let mut set = SparseSet::default();
        for value in [0, 1 << 60, i64::MAX, i64::MIN, -1] {
            assert!(set.insert(value));
        }
        assert_eq!(set.blocks.len(), 5);
        assert_eq!(
            set.iter().collect::<Vec<_>>(),
            [i64::MIN, -1, 0, 1 << 60, i64::MAX]
        );
    }

    #[test]
    fn runs_join_neighbours() {
        let mut set = SparseSet::default();
        for value in [5, 1, 2, 3, 4096, 4095, i64::MAX] {
            set.insert(value);
        }
        assert_eq!(
            set.runs().collect::<Vec<_>>(),
            [(1, 3), (5, 5), (4095, 4096), (i64::MAX, i64::MAX)]
        );
    }

    proptest! {
        #[test]
        fn it_is_a_set(values in prop::collection::vec(-9000i64..9000, 0..200), from in -9000i64..9000, to in -9000i64..9000) {
            let mut set = SparseSet::default();
            let mut model = BTreeSet::new();
            for value in values {
                prop_assert_eq!(set.insert(value), model.insert(value));
            }
            prop_assert_eq!(set.len(), model.len() as u64);
            prop_assert_eq!(set.last(), model.last().copied());
            prop_assert_eq!(set.iter().collect::<Vec<_>>(), model.iter().copied().collect::<Vec<_>>());
            let expected: Vec<i64> = model.iter().copied().filter(|v| *v >= from && *v < to).collect();
            prop_assert_eq!(set.range(from, to).collect::<Vec<_>>(), expected);
        }
    }
}
