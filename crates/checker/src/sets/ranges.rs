//! A sorted list of ranges of offsets, and what lies in them. Knows nothing of
//! why they were put together.

use model::ids::Offset;

/// Ranges of offsets, first and last, in order; none overlaps another.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ranges(Vec<(i64, i64)>);

impl Ranges {
    /// Adds a range. It is cheap behind all others.
    pub(crate) fn add(&mut self, first: i64, last: i64) {
        let at = self.0.partition_point(|(_, end)| *end < first);
        if at == self.0.len() {
            self.0.push((first, last));
            return;
        }
        let until = at + self.0[at..].partition_point(|(start, _)| *start <= last);
        let touched = &self.0[at..until];
        let first = touched.first().map_or(first, |range| range.0.min(first));
        let last = touched.last().map_or(last, |range| range.1.max(last));
        self.0.splice(at..until, [(first, last)]);
    }

    /// The ranges, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (i64, i64)> + '_ {
        self.0.iter().copied()
    }

    pub(crate) fn contains(&self, offset: Offset) -> bool {
        let at = self.0.partition_point(|(_, last)| *last < offset.get());
        self.0
            .get(at)
            .is_some_and(|(first, _)| *first <= offset.get())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ranges_hold_what_was_added(added in prop::collection::vec((0i64..60, 0i64..6), 0..12)) {
            let mut ranges = Ranges::default();
            let mut model = BTreeSet::new();
            for (first, more) in added {
                ranges.add(first, first + more);
                model.extend(first..=first + more);
            }
            let found: Vec<i64> = ranges.0.iter().flat_map(|(first, last)| *first..=*last).collect();
            prop_assert_eq!(found, model.iter().copied().collect::<Vec<_>>());
            for at in 0..70 {
                prop_assert_eq!(ranges.contains(Offset::new(at)), model.contains(&at));
            }
        }
    }
}
