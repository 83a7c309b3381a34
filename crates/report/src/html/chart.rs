//! Axes: from values to places in a drawing, and round values to mark on them; lines in steps.

use std::fmt::Write as _;

/// A stretch of values, drawn on a stretch of the drawing.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// The first value.
    pub from: u64,
    /// The last value.
    pub to: u64,
    /// Where the first value is drawn.
    pub start: u64,
    /// How long the stretch is in the drawing.
    pub len: u64,
}

impl Scale {
    /// The place of a value, within the stretch.
    pub fn at(&self, value: u64) -> u64 {
        let span = u128::from(self.to.saturating_sub(self.from).max(1));
        let value = value.clamp(self.from, self.to.max(self.from));
        let along = u128::from(value - self.from) * u128::from(self.len) / span;
        self.start + u64::try_from(along).unwrap_or(self.len)
    }

    /// The same on an axis that grows upwards.
    pub fn above(&self, value: u64) -> u64 {
        2 * self.start + self.len - self.at(value)
    }

    /// Round values of the stretch: not more than `most`, at least two apart from nothing.
    pub fn ticks(&self, most: u64) -> Vec<u64> {
        let step = round_step(self.to.saturating_sub(self.from), most);
        let first = self.from.div_ceil(step);
        (first..=self.to / step).map(|at| at * step).collect()
    }
}

/// A line in steps, as the data of an SVG path. Distances are shorter than places, and a page
/// has thousands of steps.
#[derive(Debug, Default)]
pub(super) struct Path {
    data: String,
    x: u64,
    y: u64,
}

impl Path {
    /// Begins, or goes on behind a gap.
    pub(super) fn begin(&mut self, x: u64, y: u64) {
        let _ = write!(self.data, "M{x} {y}");
        (self.x, self.y) = (x, y);
    }

    /// Along to a place.
    pub(super) fn to(&mut self, x: u64) {
        if x != self.x {
            let _ = write!(self.data, "h{}", x.cast_signed() - self.x.cast_signed());
            self.x = x;
        }
    }

    /// Along to a place, and there to another value.
    pub(super) fn step(&mut self, x: u64, y: u64) {
        self.to(x);
        let _ = write!(self.data, "v{}", y.cast_signed() - self.y.cast_signed());
        self.y = y;
    }

    /// Along to its end.
    pub(super) fn end(mut self, x: u64) -> String {
        self.to(x);
        self.data
    }
}

/// The least of 1, 2, 5, 10 … that cuts a span in not more than so many pieces.
fn round_step(span: u64, pieces: u64) -> u64 {
    let least = span.div_ceil(pieces.max(1)).max(1);
    let mut power: u64 = 1;
    loop {
        for factor in [1, 2, 5] {
            let step = power.saturating_mul(factor);
            if step >= least {
                return step;
            }
        }
        power = power.saturating_mul(10);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_their_places_and_round_ticks() {
        let scale = Scale {
            from: 10_100,
            to: 24_300,
            start: 50,
            len: 900,
        };
        assert_eq!((scale.at(10_100), scale.at(24_300)), (50, 950));
        assert_eq!((scale.above(10_100), scale.above(24_300)), (950, 50));
        assert_eq!((scale.at(0), scale.at(u64::MAX)), (50, 950));
        assert_eq!(
            scale.ticks(8),
            [12_000, 14_000, 16_000, 18_000, 20_000, 22_000, 24_000]
        );
        let nothing = Scale {
            to: 0,
            from: 0,
            ..scale
        };
        assert_eq!((nothing.at(0), nothing.ticks(4)), (50, vec![0]));
    }
}
