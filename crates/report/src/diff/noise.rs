//! What is noise. One run tells little of how much a count or a time varies, so that small
//! differences say nothing.

/// A count over the repetitions in which it is established.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) total: u64,
    pub(super) runs: u64,
}

impl Count {
    /// Whether two counts for each repetition differ by more than three standard deviations,
    /// if instances come independently of one another (Poisson).
    pub(super) fn differs_from(self, other: Self) -> bool {
        let (a, n) = (u128::from(self.total), u128::from(self.runs));
        let (b, m) = (u128::from(other.total), u128::from(other.runs));
        let difference = (a * m).abs_diff(b * n);
        difference * difference > 9 * (a * m * m + b * n * n)
    }

    /// Whether there are more for each repetition.
    pub(super) fn is_above(self, other: Self) -> bool {
        u128::from(self.total) * u128::from(other.runs)
            > u128::from(other.total) * u128::from(self.runs)
    }
}

/// From so many repetitions on, their ranges say how much a time varies.
const RANGE_RUNS_MIN: usize = 3;

/// Whether there are enough repetitions on both sides to know how much a time varies. Two
/// single runs of one plan on one machine were seen to differ tenfold.
pub(super) fn is_known(after: &[u64], before: &[u64]) -> bool {
    after.len().min(before.len()) >= RANGE_RUNS_MIN
}

/// Whether a time is longer than before by more than noise: by half and `floor_us`, and
/// longer than any before; or, where it is not known how much it varies, four times as long
/// and by five times the floor. Microseconds, in any order.
pub(super) fn is_longer(after: &[u64], before: &[u64], floor_us: u64) -> bool {
    let (Some(new), Some(old)) = (median(after), median(before)) else {
        return false;
    };
    let is_known = is_known(after, before);
    let (factor_tenths, floors) = if is_known { (15, 1) } else { (40, 5) };
    let is_apart = !is_known || after.iter().min() > before.iter().max();
    is_apart
        && new.saturating_sub(old) > floor_us * floors
        && u128::from(new) * 10 > u128::from(old) * factor_tenths
}

/// The lower of the two in the middle.
pub(super) fn median(of: &[u64]) -> Option<u64> {
    let mut sorted = of.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len().checked_sub(1)? / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_differ_beyond_chance_only() {
        let count = |total, runs| Count { total, runs };
        assert!(count(18, 1).differs_from(count(0, 1)));
        assert!(!count(3, 1).differs_from(count(0, 1)));
        assert!(!count(260, 1).differs_from(count(252, 1)));
        assert!(count(500, 1).differs_from(count(252, 1)));
        assert!(!count(30, 3).differs_from(count(10, 1)));
        assert!(count(30, 1).is_above(count(60, 3)));
        assert!(!count(30, 3).is_above(count(10, 1)));
    }

    #[test]
    fn times_are_longer_beyond_their_spread_only() {
        assert!(is_longer(&[13_000], &[3_000], 1_000));
        assert!(!is_longer(&[11_000], &[3_000], 1_000), "not four times");
        assert!(!is_longer(&[5_000], &[300], 1_000), "not five floors");
        assert!(is_longer(
            &[5_000, 5_100, 5_200],
            &[3_000, 3_100, 3_200],
            1_000
        ));
        assert!(!is_longer(
            &[5_000, 5_100, 3_100],
            &[3_000, 3_100, 3_200],
            1_000
        ));
        assert!(!is_longer(&[9_000], &[], 1_000));
        assert_eq!(median(&[3, 1, 2, 4]), Some(2));
    }
}
