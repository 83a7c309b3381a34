//! What stands, or was read, next to an offset: its neighbours on both sides.
//! Knows nothing of why it is asked.

use std::collections::BTreeMap;

use model::ids::Offset;

/// The nearest below and the nearest above.
pub(super) type Neighbours<T> = [Option<(Offset, T)>; 2];

/// The neighbours of some offsets of one partition, in one lane: its log, or
/// one group's reading of it.
#[derive(Clone, Debug)]
pub(super) struct Around<T> {
    sides: BTreeMap<Offset, Sides<T>>,
}

#[derive(Clone, Debug)]
struct Sides<T> {
    below: Option<(Offset, T)>,
    at: Option<(Offset, T)>,
    above: Option<(Offset, T)>,
}

impl<T: Clone> Around<T> {
    /// Looks out for the neighbours of these offsets.
    pub(super) fn new(of: impl IntoIterator<Item = Offset>) -> Self {
        let none = || Sides {
            below: None,
            at: None,
            above: None,
        };
        Self {
            sides: of.into_iter().map(|offset| (offset, none())).collect(),
        }
    }

    /// Something is at an offset; the first at the same one stays.
    ///
    /// Only the asked offsets next to it learn of it: what lies beyond them is
    /// put together at the end, so that a long log costs no more than a look
    /// at two of them for each of its records.
    pub(super) fn see(&mut self, offset: Offset, what: T) {
        if let Some(sides) = self.sides.get_mut(&offset) {
            sides.at.get_or_insert((offset, what));
            return;
        }
        if let Some((_, lower)) = self.sides.range_mut(..offset).next_back()
            && lower.above.as_ref().is_none_or(|(at, _)| offset < *at)
        {
            lower.above = Some((offset, what.clone()));
        }
        if let Some((_, upper)) = self.sides.range_mut(offset..).next()
            && upper.below.as_ref().is_none_or(|(at, _)| offset > *at)
        {
            upper.below = Some((offset, what));
        }
    }

    /// The nearest below and the nearest above an offset that was asked for.
    pub(super) fn of(&self, offset: Offset) -> Neighbours<T> {
        let asked = self.sides.get(&offset);
        let below = asked.and_then(|it| it.below.clone()).or_else(|| {
            let mut lower = self.sides.range(..offset).rev();
            lower.find_map(|(_, it)| it.at.clone().or_else(|| it.below.clone()))
        });
        let above = asked.and_then(|it| it.above.clone()).or_else(|| {
            let mut upper = self.sides.range(offset..).filter(|(at, _)| **at != offset);
            upper.find_map(|(_, it)| it.at.clone().or_else(|| it.above.clone()))
        });
        [below, above]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around(asked: &[i64], seen: &[i64]) -> Vec<(Option<i64>, Option<i64>)> {
        let mut around = Around::new(asked.iter().copied().map(Offset::new));
        for offset in seen {
            around.see(Offset::new(*offset), ());
        }
        let bare = |side: Option<(Offset, ())>| side.map(|(at, ())| at.get());
        asked
            .iter()
            .map(|offset| {
                let [below, above] = around.of(Offset::new(*offset));
                (bare(below), bare(above))
            })
            .collect()
    }

    #[test]
    fn the_nearest_on_both_sides_are_found_in_any_order() {
        assert_eq!(around(&[5], &[1, 3, 4, 8, 9]), [(Some(4), Some(8))]);
        assert_eq!(around(&[5], &[9, 8, 1, 4, 3, 5]), [(Some(4), Some(8))]);
        assert_eq!(around(&[5], &[5]), [(None, None)]);
    }

    #[test]
    fn asked_offsets_are_neighbours_of_each_other_where_something_is_there() {
        assert_eq!(
            around(&[3, 5, 7], &[2, 3, 9]),
            [(Some(2), Some(9)), (Some(3), Some(9)), (Some(3), Some(9))]
        );
    }
}
