//! Fingerprints of sets of placements (a record at an offset): two sets with
//! the same fingerprint are the same set. Knows nothing of how a record came
//! there, or why.
//!
//! A placement is mixed into 128 bits, and a set's fingerprint is the sum of
//! those of its members, so that the order in which they come does not matter.
//! That two different sets of a history have the same one is as likely as
//! guessing 128 bits at the first attempt: it will never happen by
//! accident. It is no defence against a history that was forged to make it
//! happen; one who can forge a history can also forge a healthy one. The keys
//! are fixed, so that a history gives the same verdict for ever.

use model::ids::{Offset, RecordId};

/// Two rows of odd numbers without pattern (digits of pi, and of e).
const KEYS: [[u64; 4]; 2] = [
    [
        0x243f_6a88_85a3_08d3,
        0x1319_8a2e_0370_7345,
        0xa409_3822_299f_31d1,
        0x082e_fa98_ec4e_6c89,
    ],
    [
        0xb7e1_5162_8aed_2a6b,
        0xbf71_5880_9cf4_f3c7,
        0x62e7_160f_38b4_da57,
        0xa784_d904_5190_cfef,
    ],
];

/// The fingerprint of a set of placements; of none, where it is new.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fingerprint([u64; 2]);

impl Fingerprint {
    /// The fingerprint of a single placement.
    #[inline]
    pub(crate) fn of(offset: Offset, record: RecordId) -> Self {
        let words = [
            offset.get().cast_unsigned(),
            record.sequence.get(),
            record.producer.get().into(),
        ];
        Self(KEYS.map(|keys| {
            let keyed = words
                .iter()
                .zip(keys)
                .map(|(word, key)| word.wrapping_mul(key));
            mix(keyed.fold(keys[3], u64::wrapping_add))
        }))
    }

    /// Adds the members of another set.
    #[inline]
    pub(crate) fn add(&mut self, other: Self) {
        for (lane, of) in self.0.iter_mut().zip(other.0) {
            *lane = lane.wrapping_add(of);
        }
    }
}

/// Every bit of the outcome depends on every bit of the word (the finalizer of
/// `SplitMix64`).
const fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use model::ids::{ProducerIx, Sequence};

    use super::*;

    fn placed(offset: i64, producer: u32, sequence: u64) -> Fingerprint {
        let record = RecordId {
            producer: ProducerIx::new(producer),
            sequence: Sequence::new(sequence),
        };
        Fingerprint::of(Offset::new(offset), record)
    }

    fn sum(of: &[Fingerprint]) -> Fingerprint {
        of.iter().fold(Fingerprint::default(), |mut sum, one| {
            sum.add(*one);
            sum
        })
    }

    #[test]
    fn records_that_changed_places_are_another_set() {
        let original = [placed(0, 0, 0), placed(1, 0, 1)];
        let swapped = [placed(0, 0, 1), placed(1, 0, 0)];
        assert_ne!(sum(&original), sum(&swapped));
        assert_eq!(sum(&original), sum(&[original[1], original[0]]));
    }

    #[test]
    fn neighbours_in_every_number_differ_in_both_halves() {
        let mut halves = [BTreeSet::new(), BTreeSet::new()];
        for (offset, producer, sequence) in (0..20)
            .flat_map(|offset| (0..20).map(move |producer| (offset, producer)))
            .flat_map(|(offset, producer)| (0..20).map(move |at| (offset, producer, at)))
        {
            let Fingerprint(lanes) = placed(offset, producer, sequence);
            for (half, lane) in halves.iter_mut().zip(lanes) {
                assert!(half.insert(lane));
            }
        }
    }
}
