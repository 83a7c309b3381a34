//! When each record of a producer is due: a schedule that is fixed before anything is sent.
//! Knows nothing of clocks, and nothing of what becomes of a record.

use serde::{Deserialize, Serialize};

const SECOND_US: u128 = 1_000_000;

/// The rates of a producer: first its steps, all of one length, then one rate to the end. A
/// step of 0 is a pause.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    /// Records a second in each step.
    #[serde(default)]
    pub steps_per_s: Vec<u32>,
    /// The length of a step, in milliseconds.
    #[serde(default)]
    pub step_ms: u64,
    /// Records a second behind the steps; at least one.
    pub records_per_s: u32,
}

/// A stretch of time with one rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stretch {
    from_us: u64,
    /// Records that are due before it.
    before: u64,
    per_s: u128,
}

/// The moments of a producer's records, in microseconds from the beginning of its schedule.
/// Record n has its moment whatever happens to the records before it, so that the schedule
/// never drifts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moments {
    stretches: Vec<Stretch>,
}

impl Pace {
    /// One rate throughout.
    pub fn steady(records_per_s: u32) -> Self {
        Self {
            steps_per_s: Vec::new(),
            step_ms: 0,
            records_per_s,
        }
    }

    /// The moments of its records.
    pub fn moments(&self) -> Moments {
        let step_us = self.step_ms.saturating_mul(1000);
        let mut next = (0u64, 0u64);
        let mut stretches = Vec::with_capacity(self.steps_per_s.len() + 1);
        for per_s in &self.steps_per_s {
            let per_s = u128::from(*per_s);
            let (from_us, before) = next;
            stretches.push(Stretch {
                from_us,
                before,
                per_s,
            });
            let records = (per_s * u128::from(step_us)).div_ceil(SECOND_US);
            let records = u64::try_from(records).unwrap_or(u64::MAX);
            next = (
                from_us.saturating_add(step_us),
                before.saturating_add(records),
            );
        }
        stretches.push(Stretch {
            from_us: next.0,
            before: next.1,
            per_s: u128::from(self.records_per_s.max(1)),
        });
        Moments { stretches }
    }

    /// How long it takes until all of so many records are due, in milliseconds.
    pub fn lasts_ms(&self, records: u64) -> u64 {
        let last = records.saturating_sub(1);
        let of_last_us = self.moments().due_at(last);
        let own_us = if self.steps_per_s.is_empty() {
            // The last record has its interval too.
            SECOND_US / u128::from(self.records_per_s.max(1))
        } else {
            0
        };
        of_last_us.saturating_add(u64::try_from(own_us).unwrap_or(0)) / 1000
    }
}

impl Moments {
    /// How many records are due when so much time has passed.
    pub fn due_by(&self, elapsed_us: u64) -> u64 {
        let at = self
            .stretches
            .partition_point(|it| it.from_us <= elapsed_us);
        let Some(stretch) = at.checked_sub(1).and_then(|at| self.stretches.get(at)) else {
            return 0;
        };
        if stretch.per_s == 0 {
            return stretch.before;
        }
        let within_us = u128::from(elapsed_us - stretch.from_us);
        let due = within_us * stretch.per_s / SECOND_US + 1;
        let due = u64::try_from(due).unwrap_or(u64::MAX);
        stretch.before.saturating_add(due)
    }

    /// When record `n` (from 0) is due; rounded up, so that it is due then.
    pub fn due_at(&self, n: u64) -> u64 {
        let at = self.stretches.partition_point(|it| it.before <= n);
        // Of those that begin with the same record, the last one has it.
        let Some(stretch) = at.checked_sub(1).and_then(|at| self.stretches.get(at)) else {
            return 0;
        };
        let within = u128::from(n - stretch.before) * SECOND_US;
        let within_us = within.div_ceil(stretch.per_s.max(1));
        let within_us = u64::try_from(within_us).unwrap_or(u64::MAX);
        stretch.from_us.saturating_add(within_us)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pace(steps_per_s: &[u32], step_ms: u64, records_per_s: u32) -> Moments {
        Pace {
            steps_per_s: steps_per_s.to_vec(),
            step_ms,
            records_per_s,
        }
        .moments()
    }

    #[test]
    fn steps_come_first_and_a_pause_sends_nothing() {
        let moments = pace(&[10, 0, 20], 1000, 5);
        assert_eq!(moments.due_at(0), 0);
        assert_eq!(moments.due_at(9), 900_000);
        assert_eq!(moments.due_by(1_500_000), 10);
        assert_eq!(moments.due_at(10), 2_000_000);
        assert_eq!(moments.due_at(29), 2_950_000);
        assert_eq!(moments.due_at(30), 3_000_000);
        assert_eq!(moments.due_at(31), 3_200_000);
    }

    #[test]
    fn a_schedule_lasts_until_its_last_record_is_due() {
        assert_eq!(Pace::steady(100).lasts_ms(1000), 10_000);
        let stepped = Pace {
            steps_per_s: vec![10, 20],
            step_ms: 1000,
            records_per_s: 10,
        };
        assert_eq!(stepped.lasts_ms(31), 2_000);
    }

    proptest! {
        #[test]
        fn a_record_is_due_exactly_when_the_schedule_says(
            steps in prop::collection::vec(0u32..50_000, 0..12), step_ms in 1u64..3000,
            rate in 1u32..2_000_000, n in 0u64..1_000_000,
        ) {
            let moments = pace(&steps, step_ms, rate);
            let due = moments.due_at(n);
            prop_assert!(moments.due_by(due) > n);
            if due > 0 {
                prop_assert!(moments.due_by(due - 1) <= n);
            }
            prop_assert!(moments.due_at(n + 1) >= due);
        }
    }
}
