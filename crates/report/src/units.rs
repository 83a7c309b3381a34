//! Figures as people read them: durations, and the spread of a figure over repetitions.
//! Knows nothing of the measurements.

/// Durations below this are written in milliseconds, others in seconds.
const MILLISECONDS_BELOW_MS: u64 = 10_000;

/// A duration given in milliseconds.
pub(crate) fn duration_ms(ms: u64) -> String {
    if ms < MILLISECONDS_BELOW_MS {
        format!("{ms} ms")
    } else {
        let tenths = ms.saturating_add(50) / 100;
        format!("{}.{} s", tenths / 10, tenths % 10)
    }
}

/// A duration given in microseconds; tenths of a millisecond below 10 ms.
pub(crate) fn duration_us(us: u64) -> String {
    if us < 10_000 {
        let tenths = us.saturating_add(50) / 100;
        format!("{}.{} ms", tenths / 10, tenths % 10)
    } else {
        duration_ms(us.saturating_add(500) / 1000)
    }
}

/// A moment given in microseconds, exactly: the operations of a proof may be microseconds
/// apart.
pub(crate) fn moment_us(us: u64) -> String {
    format!("{}.{:03} ms", us / 1000, us % 1000)
}

/// An amount of memory.
pub(crate) fn gibibytes(bytes: u64) -> String {
    let tenths = bytes / (1024 * 1024 * 1024 / 10);
    format!("{}.{} GiB", tenths / 10, tenths % 10)
}

/// A bare number.
pub(crate) fn number(of: u64) -> String {
    of.to_string()
}

/// A whole number with thousands separators.
pub fn separated(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// One figure over the repetitions of a scenario, some of which may not have
/// it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spread {
    known: Vec<u64>,
    runs: usize,
}

impl FromIterator<Option<u64>> for Spread {
    fn from_iter<T: IntoIterator<Item = Option<u64>>>(values: T) -> Self {
        let mut spread = Self::default();
        for value in values {
            spread.runs += 1;
            spread.known.extend(value);
        }
        spread
    }
}

impl Spread {
    /// Whether no repetition has the figure.
    pub(crate) fn is_unknown(&self) -> bool {
        self.known.is_empty()
    }

    /// Whether some repetition lacks the figure.
    pub(crate) fn is_partial(&self) -> bool {
        self.known.len() < self.runs
    }

    /// Zero, and known to be, in every repetition.
    pub(crate) fn is_zero(&self) -> bool {
        !self.is_unknown() && !self.is_partial() && self.max() == Some(0)
    }

    pub(crate) fn max(&self) -> Option<u64> {
        self.known.iter().copied().max()
    }

    /// `4200 ms`, or `4100 ms to 4300 ms`, or `4200 ms (in 3 of 5)`; none
    /// where no repetition has the figure.
    pub(crate) fn show(&self, unit: fn(u64) -> String) -> Option<String> {
        let least = unit(self.known.iter().copied().min()?);
        let most = unit(self.max()?);
        let range = if least == most {
            least
        } else {
            match (least.split_once(' '), most.split_once(' ')) {
                (Some((bare, unit)), Some((_, same))) if unit == same => {
                    format!("{bare} to {most}")
                }
                _ => format!("{least} to {most}"),
            }
        };
        Some(if self.is_partial() {
            format!("{range} (in {} of {})", self.known.len(), self.runs)
        } else {
            range
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_in_the_unit_that_reads_well() {
        assert_eq!(duration_ms(0), "0 ms");
        assert_eq!(duration_ms(9_999), "9999 ms");
        assert_eq!(duration_ms(10_000), "10.0 s");
        assert_eq!(duration_ms(61_960), "62.0 s");
        assert_eq!(duration_us(40), "0.0 ms");
        assert_eq!(duration_us(850), "0.9 ms");
        assert_eq!(duration_us(12_400), "12 ms");
        assert_eq!(duration_us(12_400_000), "12.4 s");
    }

    #[test]
    fn thousands_are_separated() {
        assert_eq!(separated(1_234_567), "1,234,567");
        assert_eq!(separated(999), "999");
    }

    #[test]
    fn a_spread_says_how_far_a_figure_varied_and_where_it_is_missing() {
        let show = |values: &[Option<u64>]| -> Option<String> {
            values.iter().copied().collect::<Spread>().show(duration_ms)
        };
        assert_eq!(show(&[Some(7), Some(7)]).unwrap(), "7 ms");
        assert_eq!(show(&[Some(9), Some(7)]).unwrap(), "7 to 9 ms");
        assert_eq!(
            show(&[Some(9_000), Some(11_000)]).unwrap(),
            "9000 ms to 11.0 s"
        );
        assert_eq!(show(&[Some(7), None]).unwrap(), "7 ms (in 1 of 2)");
        assert_eq!(show(&[None]), None);
    }
}
