//! Statistics of a few rounds: means, confidence intervals, ratios of paired figures. Knows
//! nothing of what the figures are.

use serde::{Deserialize, Serialize};

/// The quantiles of Student's t for 95 % on both sides, for 1, 2, … degrees of freedom (any
/// table of the distribution).
const T_95: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
    2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
    2.052, 2.048, 2.045, 2.042,
];
/// The same for many.
const T_95_MANY: f64 = 1.96;

/// A number for arithmetic with fractions; exact below 2^53, which no figure here reaches.
#[expect(
    clippy::cast_precision_loss,
    reason = "exact below 2^53, which no figure here reaches"
)]
pub const fn float(of: u64) -> f64 {
    of as f64
}

/// The nearest whole number; 0 for what is negative or no number.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, and gives 0 for what is no number"
)]
pub fn whole(of: f64) -> u64 {
    of.round() as u64
}

/// A rate in records a second; 0 where no time passed.
pub fn per_s(records: u64, took_us: u64) -> u64 {
    let rate = u128::from(records) * 1_000_000;
    let rate = rate.checked_div(u128::from(took_us)).unwrap_or(0);
    u64::try_from(rate).unwrap_or(u64::MAX)
}

/// A ratio over rounds: its geometric mean, and between what it lies with 95 % confidence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Ratio {
    /// How many pairs there were.
    pub rounds: u64,
    /// The geometric mean of the pairs' ratios.
    pub mean: f64,
    /// The lower end of the interval.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

impl Ratio {
    /// The ratio of pairs, each a figure and the one that it is compared with. None with
    /// fewer than two pairs of figures above zero.
    ///
    /// The mean is that of the logarithms, with Student's t: the ratio of B to A is then the
    /// reciprocal of that of A to B.
    pub fn of(pairs: impl IntoIterator<Item = (u64, u64)>) -> Option<Self> {
        let logs: Vec<f64> = pairs
            .into_iter()
            .filter(|(figure, base)| *figure > 0 && *base > 0)
            .map(|(figure, base)| (float(figure) / float(base)).ln())
            .collect();
        let count = logs.len();
        let freedom = count.checked_sub(1).filter(|it| *it > 0)?;
        let n = float(u64::try_from(count).ok()?);
        let mean = logs.iter().sum::<f64>() / n;
        let squares = logs.iter().map(|it| (it - mean).powi(2)).sum::<f64>();
        let deviation = (squares / (n - 1.0)).sqrt();
        let t = T_95.get(freedom - 1).copied().unwrap_or(T_95_MANY);
        let half = t * deviation / n.sqrt();
        Some(Self {
            rounds: u64::try_from(count).ok()?,
            mean: mean.exp(),
            low: (mean - half).exp(),
            high: (mean + half).exp(),
        })
    }

    /// What is lost where the figure is a rate, in percent: mean, least and most.
    pub fn cost_percent(&self) -> (f64, f64, f64) {
        let cost = |ratio: f64| (1.0 - ratio) * 100.0;
        (cost(self.mean), cost(self.high), cost(self.low))
    }

    /// Whether it is known to differ from one.
    pub fn differs(&self) -> bool {
        self.low > 1.0 || self.high < 1.0
    }
}

/// The lower of the two in the middle.
pub fn median(values: &[u64]) -> Option<u64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len().checked_sub(1)? / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_pairs_have_a_ratio_without_width() {
        let ratio = Ratio::of([(50, 100), (60, 120), (5, 10)]).unwrap();
        assert!((ratio.mean - 0.5).abs() < 1e-9 && (ratio.high - ratio.low).abs() < 1e-9);
        let (cost, least, most) = ratio.cost_percent();
        assert!((cost - 50.0).abs() < 1e-6 && least <= cost + 1e-6 && most >= cost - 1e-6);
        assert!(ratio.differs());
    }

    #[test]
    fn two_rounds_that_differ_say_little_and_more_rounds_say_more() {
        let two = Ratio::of([(95, 100), (100, 100)]).unwrap();
        assert!(!two.differs(), "{two:?}");
        let rounds = [
            (95, 100),
            (94, 100),
            (96, 100),
            (95, 100),
            (93, 100),
            (95, 100),
        ];
        let six = Ratio::of(rounds).unwrap();
        assert!(six.differs(), "{six:?}");
        assert!(six.high - six.low < two.high - two.low);
        assert_eq!(Ratio::of([(95, 100)]), None);
        assert_eq!(Ratio::of([(95, 100), (0, 100)]), None);
    }

    #[test]
    fn the_ratio_the_other_way_round_is_the_reciprocal() {
        let pairs = [(3, 4), (5, 6), (7, 9)];
        let one = Ratio::of(pairs).unwrap();
        let other = Ratio::of(pairs.map(|(a, b)| (b, a))).unwrap();
        assert!((one.mean * other.mean - 1.0).abs() < 1e-9);
        assert!((one.low * other.high - 1.0).abs() < 1e-9);
    }

    #[test]
    fn rates_and_medians() {
        assert_eq!((per_s(1000, 2_000_000), per_s(5, 0)), (500, 0));
        assert_eq!((median(&[3, 1, 2, 4]), median(&[])), (Some(2), None));
        assert_eq!((whole(2.5), whole(-1.0), whole(f64::NAN)), (3, 0, 0));
    }
}
