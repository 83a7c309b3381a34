//! The facts about each offset of one partition. Knows nothing of what they mean.
//!
//! Nearly every offset has one record, and producers tell them in order: so the first
//! record of each is in one vector, and what does not fit there is in a map.

use std::collections::BTreeMap;

use model::ids::Offset;

use super::Evidence;

/// The records at each offset.
#[derive(Debug, Default)]
pub(super) struct KnownOffsets {
    /// In the order of offsets, each once.
    in_order: Vec<(Offset, Evidence)>,
    /// The place behind the one that was looked up last: most likely the next.
    next: usize,
    /// Records beyond the first of an offset, and those at offsets that were told
    /// out of order.
    others: BTreeMap<Offset, Vec<Evidence>>,
}

impl KnownOffsets {
    /// The records at an offset.
    pub(super) fn at(&mut self, offset: Offset) -> impl Iterator<Item = &mut Evidence> {
        let place = self.place(offset);
        if let Some(place) = place {
            self.next = place + 1;
        }
        let first = place.and_then(|place| self.in_order.get_mut(place));
        let first = first.map(|(_, evidence)| evidence);
        let others = self.others.get_mut(&offset).into_iter().flatten();
        first.into_iter().chain(others)
    }

    /// Another record is known at an offset.
    pub(super) fn add(&mut self, offset: Offset, evidence: Evidence) {
        let last = self.in_order.last().map(|(last, _)| *last);
        if last.is_none_or(|last| last < offset) {
            self.in_order.push((offset, evidence));
        } else {
            self.others.entry(offset).or_default().push(evidence);
        }
    }

    /// The offsets with more than one record, and these.
    pub(super) fn with_several(&self) -> impl Iterator<Item = (Offset, Vec<Evidence>)> {
        let all = self.others.iter().map(|(offset, others)| {
            let first = self.search(*offset).and_then(|at| self.in_order.get(at));
            let first = first.map(|(_, evidence)| *evidence);
            let all: Vec<Evidence> = first.into_iter().chain(others.iter().copied()).collect();
            (*offset, all)
        });
        all.filter(|(_, records)| records.len() > 1)
    }

    /// Every record, and where it is.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Offset, &Evidence)> {
        let others = self.others.iter();
        let others = others.flat_map(|(offset, all)| all.iter().map(|it| (*offset, it)));
        let in_order = self.in_order.iter();
        in_order
            .map(|(offset, evidence)| (*offset, evidence))
            .chain(others)
    }

    fn place(&self, offset: Offset) -> Option<usize> {
        let next = self.in_order.get(self.next);
        if next.is_some_and(|(at, _)| *at == offset) {
            return Some(self.next);
        }
        self.search(offset)
    }

    fn search(&self, offset: Offset) -> Option<usize> {
        if self.in_order.last().is_none_or(|(last, _)| *last < offset) {
            return None;
        }
        self.in_order
            .binary_search_by_key(&offset, |(at, _)| *at)
            .ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn evidence(value: u64) -> Evidence {
        Evidence {
            sender: None,
            value,
            first_ms: 0,
            last_ms: 0,
        }
    }

    proptest! {
        #[test]
        fn it_is_a_map_of_lists(told in prop::collection::vec((0i64..30, 0u64..3), 0..100)) {
            let mut known = KnownOffsets::default();
            let mut model: BTreeMap<Offset, Vec<u64>> = BTreeMap::new();
            for (offset, value) in told {
                let offset = Offset::new(offset);
                let values: Vec<u64> = known.at(offset).map(|it| it.value).collect();
                let expected = model.entry(offset).or_default();
                prop_assert_eq!(&values, &*expected);
                if !values.contains(&value) {
                    known.add(offset, evidence(value));
                    expected.push(value);
                }
            }
            let several = known.with_several();
            let several: Vec<(Offset, usize)> =
                several.map(|(offset, all)| (offset, all.len())).collect();
            let expected: Vec<(Offset, usize)> = model
                .iter()
                .filter(|(_, all)| all.len() > 1)
                .map(|(offset, all)| (*offset, all.len()))
                .collect();
            prop_assert_eq!(several, expected);
            let mut all: Vec<(Offset, u64)> =
                known.iter().map(|(offset, it)| (offset, it.value)).collect();
            all.sort_unstable();
            let mut expected: Vec<(Offset, u64)> = model
                .iter()
                .flat_map(|(offset, all)| all.iter().map(|it| (*offset, *it)))
                .collect();
            expected.sort_unstable();
            prop_assert_eq!(all, expected);
        }
    }
}
