//! A set of numbers in which neighbours cost one bit each, and a number far
//! from all others costs a few bytes: what it holds, not how large its members
//! are, decides what it weighs. Knows nothing of what is counted.

use crate::sets::table::Table;

const CHUNK_SHIFT: u32 = 16;
const CHUNK_WORDS: usize = 1 << (CHUNK_SHIFT - 6);
/// The last word of a chunk, as a number.
const LAST_WORD: i64 = (1 << (CHUNK_SHIFT - 6)) - 1;
/// A chunk of as many members becomes bits: up to here a list is smaller.
const FEW_MAX: usize = 512;

/// A set of signed numbers (offsets, sequences, keys), iterated in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct SparseSet {
    chunks: Table<Chunk>,
    len: u64,
}

/// The members that differ in their last 16 bits only.
#[derive(Clone, Debug)]
enum Chunk {
    /// Their last bits, in order.
    Few(Vec<u16>),
    /// A bit for each possible one.
    Many(Box<[u64; CHUNK_WORDS]>),
}

impl Default for Chunk {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

/// The last bits of a number.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the rest is the chunk"
)]
const fn low(value: i64) -> u16 {
    value as u16
}

const fn bit(low: u16) -> (usize, u64) {
    ((low >> 6) as usize, 1 << (low & 63))
}

impl Chunk {
    #[inline]
    fn contains(&self, low: u16) -> bool {
        match self {
            Self::Many(words) => {
                let (word, mask) = bit(low);
                words[word] & mask != 0
            }
            Self::Few(members) => {
                members.last().is_some_and(|last| low <= *last)
                    && members.binary_search(&low).is_ok()
            }
        }
    }

    #[inline]
    fn insert(&mut self, low: u16) -> bool {
        match self {
            Self::Many(words) => {
                let (word, mask) = bit(low);
                let new = words[word] & mask == 0;
                words[word] |= mask;
                new
            }
            Self::Few(_) => self.insert_in_few(low),
        }
    }

    fn insert_in_few(&mut self, low: u16) -> bool {
        let Self::Few(members) = self else {
            return false;
        };
        if members.last().is_none_or(|last| *last < low) {
            members.push(low);
        } else {
            match members.binary_search(&low) {
                Ok(_) => return false,
                Err(at) => members.insert(at, low),
            }
        }
        if members.len() > FEW_MAX {
            let mut words = Box::new([0; CHUNK_WORDS]);
            for member in members {
                let (word, mask) = bit(*member);
                words[word] |= mask;
            }
            *self = Self::Many(words);
        }
        true
    }

    fn remove(&mut self, low: u16) -> bool {
        match self {
            Self::Many(words) => {
                let (word, mask) = bit(low);
                let held = words[word] & mask != 0;
                words[word] &= !mask;
                held
            }
            Self::Few(members) => {
                let at = members.binary_search(&low);
                at.map(|at| members.remove(at)).is_ok()
            }
        }
    }

    /// 64 neighbours, as bits.
    fn word(&self, at: usize) -> u64 {
        match self {
            Self::Many(words) => words[at],
            Self::Few(members) => {
                let from = members.partition_point(|member| bit(*member).0 < at);
                let of = members[from..]
                    .iter()
                    .take_while(|member| bit(**member).0 == at);
                of.fold(0, |word, member| word | bit(*member).1)
            }
        }
    }

    /// The words that are not empty, from `first` to `last`.
    fn words(&self, first: usize, last: usize) -> impl Iterator<Item = (usize, u64)> + '_ {
        let (few, many) = match self {
            Self::Few(members) => {
                let from = members.partition_point(|member| bit(*member).0 < first);
                (&members[from..], None)
            }
            Self::Many(words) => (&[][..], words.get(first..=last)),
        };
        let few = few.chunk_by(|a, b| a >> 6 == b >> 6).map(|of| {
            let word = of.iter().fold(0, |word, member| word | bit(*member).1);
            (bit(of[0]).0, word)
        });
        let many = (first..).zip(many.into_iter().flatten().copied());
        few.take_while(move |(at, _)| *at <= last)
            .chain(many.filter(|(_, word)| *word != 0))
    }
}

impl SparseSet {
    /// Adds a number; whether it was new.
    #[inline]
    pub(crate) fn insert(&mut self, value: i64) -> bool {
        let new = self.chunks.entry(value >> CHUNK_SHIFT).insert(low(value));
        self.len += u64::from(new);
        new
    }

    #[inline]
    pub(crate) fn contains(&self, value: i64) -> bool {
        let chunk = self.chunks.get(value >> CHUNK_SHIFT);
        chunk.is_some_and(|chunk| chunk.contains(low(value)))
    }

    /// Has a number in it, or not.
    pub(crate) fn set(&mut self, value: i64, held: bool) {
        if held {
            self.insert(value);
        } else {
            self.remove(value);
        }
    }

    /// Takes a number out; whether it was in.
    pub(crate) fn remove(&mut self, value: i64) -> bool {
        let chunk = self.chunks.get_mut(value >> CHUNK_SHIFT);
        let held = chunk.is_some_and(|chunk| chunk.remove(low(value)));
        self.len -= u64::from(held);
        held
    }

    pub(crate) const fn len(&self) -> u64 {
        self.len
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The largest member.
    pub(crate) fn last(&self) -> Option<i64> {
        let (number, chunk) = self.chunks.last()?;
        let (word, bits) = chunk.words(0, CHUNK_WORDS - 1).last()?;
        let within = ((word as u64) << 6) + 63 - u64::from(bits.leading_zeros());
        Some((number << CHUNK_SHIFT) + within.cast_signed())
    }

    /// The words that hold members from `first` to `last`: each 64 numbers
    /// from 64 times its own number on, those outside left out.
    fn words(&self, first: i64, last: i64) -> impl Iterator<Item = (i64, u64)> + '_ {
        let (first_word, last_word) = (first >> 6, last >> 6);
        let chunks = self.chunks.range(first >> CHUNK_SHIFT, last >> CHUNK_SHIFT);
        chunks.flat_map(move |(number, chunk)| {
            let base = number << (CHUNK_SHIFT - 6);
            let within = |word: i64| {
                let at = word.saturating_sub(base).clamp(0, LAST_WORD);
                usize::try_from(at).unwrap_or_default()
            };
            let words = chunk.words(within(first_word), within(last_word));
            words.map(move |(at, word)| {
                let number = base + i64::try_from(at).unwrap_or_default();
                let mut word = word;
                if number == first_word {
                    word &= u64::MAX << (first & 63);
                }
                if number == last_word {
                    word &= u64::MAX >> (63 - (last & 63));
                }
                (number, word)
            })
        })
    }

    fn word(&self, number: i64) -> u64 {
        let chunk = self.chunks.get(number >> (CHUNK_SHIFT - 6));
        let at = number & LAST_WORD;
        chunk.map_or(0, |chunk| {
            chunk.word(usize::try_from(at).unwrap_or_default())
        })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = i64> + '_ {
        members(self.words(i64::MIN, i64::MAX))
    }

    /// The members from `first` up to and not including `end`, in order.
    pub(crate) fn range(&self, first: i64, end: i64) -> impl Iterator<Item = i64> + '_ {
        members(self.words_before(first, end))
    }

    /// How many members there are from `first` up to and not including `end`.
    pub(crate) fn count(&self, first: i64, end: i64) -> u64 {
        let words = self.words_before(first, end);
        words.map(|(_, word)| u64::from(word.count_ones())).sum()
    }

    /// The members from `first` up to and not including `end` that the other
    /// set lacks, in order.
    pub(crate) fn range_without<'s>(
        &'s self,
        other: &'s Self,
        first: i64,
        end: i64,
    ) -> impl Iterator<Item = i64> + 's {
        let words = self.words_before(first, end);
        members(words.map(|(number, word)| (number, word & !other.word(number))))
    }

    /// The members that the other set has too, in order.
    pub(crate) fn shared<'s>(&'s self, other: &'s Self) -> impl Iterator<Item = i64> + 's {
        let words = self.words(i64::MIN, i64::MAX);
        members(words.map(|(number, word)| (number, word & other.word(number))))
    }

    fn words_before(&self, first: i64, end: i64) -> impl Iterator<Item = (i64, u64)> + '_ {
        let some = first < end;
        let words = some.then(|| self.words(first, end - 1));
        words.into_iter().flatten()
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

/// The members behind words and their numbers.
fn members(words: impl Iterator<Item = (i64, u64)>) -> impl Iterator<Item = i64> {
    words.flat_map(|(number, word)| Bits(word).map(move |bit| (number << 6) + bit))
}

/// The positions of the set bits of a word, from the lowest.
struct Bits(u64);

impl Iterator for Bits {
    type Item = i64;

    fn next(&mut self) -> Option<i64> {
        (self.0 != 0).then(|| {
            let bit = self.0.trailing_zeros();
            self.0 &= self.0 - 1;
            i64::from(bit)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_hostile_number_costs_a_few_bytes() {
        let mut set = SparseSet::default();
        for value in [0, 1 << 60, i64::MAX, i64::MIN, -1] {
            assert!(set.insert(value));
        }
        assert!(
            set.chunks
                .values()
                .all(|chunk| matches!(chunk, Chunk::Few(few) if few.len() == 1))
        );
        assert_eq!(
            set.iter().collect::<Vec<_>>(),
            [i64::MIN, -1, 0, 1 << 60, i64::MAX]
        );
        assert_eq!(set.last(), Some(i64::MAX));
    }

    #[test]
    fn runs_join_neighbours() {
        let mut set = SparseSet::default();
        for value in [5, 1, 2, 3, 65536, 65535, i64::MAX] {
            set.insert(value);
        }
        assert_eq!(
            set.runs().collect::<Vec<_>>(),
            [(1, 3), (5, 5), (65535, 65536), (i64::MAX, i64::MAX)]
        );
    }

    fn a_set() -> impl Strategy<Value = BTreeSet<i64>> {
        let step = (0i64..4).prop_map(|power| 1 << (power * 3));
        let runs = prop::collection::vec((-140_000i64..140_000, 0i64..900, step), 0..4);
        runs.prop_map(|runs| {
            let run = |(from, count, step)| (0..count).map(move |at| from + at * step);
            runs.into_iter().flat_map(run).collect()
        })
    }

    proptest! {
        #[test]
        fn it_is_a_set(
            model in a_set(),
            other in a_set(),
            seed: u64,
            from in -140_000i64..140_000,
            to in -140_000i64..140_000,
        ) {
            let mut order: Vec<i64> = model.iter().copied().collect();
            order.sort_by_key(|value| value.cast_unsigned().wrapping_mul(seed | 1));
            let mut set = SparseSet::default();
            for value in &order {
                prop_assert!(set.insert(*value));
                prop_assert!(!set.insert(*value));
            }
            let mut others = SparseSet::default();
            for value in &other {
                others.insert(*value);
            }
            prop_assert_eq!(set.len(), model.len() as u64);
            prop_assert_eq!(set.last(), model.last().copied());
            prop_assert!(set.iter().eq(model.iter().copied()));
            prop_assert!(model.iter().all(|value| set.contains(*value)));
            prop_assert!(other.iter().all(|value| set.contains(*value) == model.contains(value)));
            let inside = |value: &i64| (from..to).contains(value);
            prop_assert!(set.range(from, to).eq(model.iter().copied().filter(inside)));
            prop_assert_eq!(set.count(from, to), model.iter().filter(|value| inside(value)).count() as u64);
            let lacking = model.difference(&other).copied().filter(inside);
            prop_assert!(set.range_without(&others, from, to).eq(lacking));
            prop_assert!(set.shared(&others).eq(model.intersection(&other).copied()));
            let halves = order.split_at(order.len() / 2);
            for value in halves.0 {
                prop_assert!(set.remove(*value));
                prop_assert!(!set.remove(*value));
            }
            let left: BTreeSet<i64> = halves.1.iter().copied().collect();
            prop_assert_eq!(set.len(), left.len() as u64);
            prop_assert!(set.iter().eq(left.iter().copied()));
        }
    }
}
