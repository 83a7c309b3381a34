//! Shapes of curves: where a load stops being kept up with, and whether something drifts.
//! Knows nothing of what the curves are of.

use crate::load::{Interval, Section};
use crate::stats::median;

/// A step is kept up with where so many percent of what was due are acknowledged in its time.
const KEPT_UP_PERCENT: u64 = 95;
/// And where p95 is at most so many times that of the steps before it.
const TURN_FACTOR: u64 = 5;
/// Below this, in microseconds, no p95 is called a turn.
const TURN_FLOOR_US: u64 = 50_000;

/// Where a load that grows in steps is no longer kept up with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Knee {
    /// The last step that was kept up with, by its place.
    pub(crate) last: Option<usize>,
    /// Why the next one was not; none where all were.
    pub(crate) turn: Option<String>,
}

/// Finds the first step that is not kept up with: records were not acknowledged, fewer were
/// than were due, or latency turned upwards.
pub(crate) fn knee(steps: &[Section]) -> Knee {
    let mut last = None;
    let mut usual: Option<u64> = None;
    for (step, at) in steps.iter().zip(0usize..) {
        let Some(latency) = step.latency.filter(|_| step.sent > 0) else {
            let turn = Some(format!("at {} nothing was acknowledged", step.name));
            return Knee { last, turn };
        };
        let limit = usual.map_or(u64::MAX, |usual| (TURN_FACTOR * usual).max(TURN_FLOOR_US));
        let turn = if step.not_acknowledged > 0 || step.acknowledged < step.planned {
            let lacks = step.planned.saturating_sub(step.acknowledged);
            Some(format!("{lacks} records were not acknowledged"))
        } else if step.acknowledged_per_s * 100 < step.offered_per_s * KEPT_UP_PERCENT {
            Some(format!(
                "{} a second were acknowledged",
                step.acknowledged_per_s
            ))
        } else if latency.p95_us > limit {
            Some(format!(
                "p95 of latency rose to {} ms",
                latency.p95_us / 1000
            ))
        } else {
            None
        };
        if let Some(turn) = turn {
            let turn = Some(format!("at {} {turn}", step.name));
            return Knee { last, turn };
        }
        // A first step is slow while the JVM compiles; the least of all is the usual one.
        usual = Some(usual.map_or(latency.p95_us, |it| it.min(latency.p95_us)));
        last = Some(at);
    }
    Knee { last, turn: None }
}

/// How a value is at the beginning and at the end of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Drift {
    /// The median of the first third.
    pub(crate) first: u64,
    /// That of the last third.
    pub(crate) last: u64,
}

impl Drift {
    /// Of values in the order of time; none of fewer than six.
    pub(crate) fn of(values: &[u64]) -> Option<Self> {
        let third = values.len() / 3;
        if third < 2 {
            return None;
        }
        Some(Self {
            first: median(values.get(..third)?)?,
            last: median(values.get(values.len() - third..)?)?,
        })
    }

    /// Whether it grew by more than so many percent, and by more than `floor`.
    pub(crate) fn grew(self, percent: u64, floor: u64) -> bool {
        let grown = self.last.saturating_sub(self.first);
        grown > floor && u128::from(grown) * 100 > u128::from(self.first) * u128::from(percent)
    }
}

/// p95 of each second.
pub(crate) fn p95_by_second(course: &[Interval]) -> Vec<u64> {
    let latencies = course.iter().filter_map(|it| it.latency);
    latencies.map(|it| it.p95_us).collect()
}

/// How long it took, from the beginning of a section, until p95 of a second was at most this
/// and stayed there, in milliseconds; none where it never did.
pub(crate) fn normal_after_ms(course: &[Interval], limit_us: u64) -> Option<u64> {
    let is_normal = |it: &Interval| it.latency.is_some_and(|it| it.p95_us <= limit_us);
    let after = course.iter().rposition(|it| !is_normal(it));
    let first = after.map_or(0, |at| at + 1);
    course.get(first).map(|it| it.from_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Percentiles;

    fn percentiles(p95_us: u64) -> Percentiles {
        Percentiles {
            count: 10,
            mean_us: p95_us,
            p50_us: p95_us,
            p90_us: p95_us,
            p95_us,
            p99_us: p95_us,
            p999_us: p95_us,
            max_us: p95_us,
        }
    }

    fn step(offered_per_s: u64, acknowledged_per_s: u64, p95_us: u64) -> Section {
        Section {
            name: format!("{offered_per_s}/s"),
            planned: 100,
            sent: 100,
            acknowledged: 100,
            offered_per_s,
            acknowledged_per_s,
            latency: Some(percentiles(p95_us)),
            ..Section::default()
        }
    }

    #[test]
    fn the_knee_is_the_last_step_that_is_kept_up_with() {
        let fine = [step(1000, 999, 9_000), step(2000, 1990, 6_000)];
        let all = knee(&fine);
        assert_eq!((all.last, all.turn), (Some(1), None));

        let slow = [
            fine.clone(),
            [step(5000, 4900, 400_000), step(9000, 9000, 1)],
        ]
        .concat();
        let turned = knee(&slow);
        assert_eq!(turned.last, Some(1));
        assert_eq!(
            turned.turn.as_deref(),
            Some("at 5000/s p95 of latency rose to 400 ms")
        );

        let behind = [fine.clone(), [step(5000, 3000, 6_000), step(9000, 9000, 1)]].concat();
        let turned = knee(&behind);
        assert_eq!(
            turned.turn.as_deref(),
            Some("at 5000/s 3000 a second were acknowledged")
        );

        let mut lost = step(5000, 5000, 6_000);
        lost.acknowledged = 98;
        let turned = knee(&[lost]);
        assert_eq!(turned.last, None);
        assert_eq!(
            turned.turn.as_deref(),
            Some("at 5000/s 2 records were not acknowledged")
        );
        let nothing = knee(&[Section::default()]);
        assert!(nothing.last.is_none() && nothing.turn.is_some());
    }

    #[test]
    fn a_drift_is_between_the_thirds() {
        let flat = Drift::of(&[5, 5, 6, 5, 5, 5]).unwrap();
        assert!(!flat.grew(50, 0));
        let grown = Drift::of(&[5, 5, 7, 8, 9, 10]).unwrap();
        assert_eq!((grown.first, grown.last), (5, 9));
        assert!(grown.grew(50, 3) && !grown.grew(50, 4) && !grown.grew(80, 3));
        assert_eq!(Drift::of(&[1, 2, 3, 4, 5]), None);
    }

    #[test]
    fn latency_is_normal_again_when_it_stays_so() {
        let course: Vec<Interval> = [9, 2, 9, 3, 2]
            .iter()
            .zip(0..)
            .map(|(p95_us, second)| Interval {
                from_ms: second * 1000,
                due: 1,
                acknowledged: 1,
                latency: Some(percentiles(*p95_us)),
            })
            .collect();
        assert_eq!(normal_after_ms(&course, 3), Some(3000));
        assert_eq!(normal_after_ms(&course, 9), Some(0));
        assert_eq!(normal_after_ms(&course, 1), None);
        assert_eq!(p95_by_second(&course), [9, 2, 9, 3, 2]);
    }
}
