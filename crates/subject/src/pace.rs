//! When the next record is due. Pure functions of a clock that the caller
//! reads; knows nothing of what is done at that moment.

use model::ids::Micros;
use model::pace::{Moments, Pace};

/// An absolute schedule: record n is due at its moment from the start, whatever happened
/// to the records before it, so it never drifts.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    start: Micros,
    moments: Moments,
    records: u64,
}

impl Schedule {
    /// `records` records from `start` on, at this pace.
    pub(crate) fn new(start: Micros, pace: &Pace, records: u64) -> Self {
        Self {
            start,
            moments: pace.moments(),
            records,
        }
    }

    /// How many records are due by `now`.
    pub(crate) fn due_by(&self, now: Micros) -> u64 {
        if now < self.start {
            return 0;
        }
        let due = self.moments.due_by(now.since(self.start).get());
        due.min(self.records)
    }

    /// When record `n` (from 0) is due; rounded up, so that it is due then.
    pub(crate) fn due_at(&self, n: u64) -> Micros {
        let after_us = self.moments.due_at(n);
        Micros::new(self.start.get().saturating_add(after_us))
    }
}

/// A limit on how fast records are taken. Time that passed without a record is
/// not made up for, beyond one record, so "200 a second" stays true after a
/// silence.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Throttle {
    interval_us: u64,
    next: Micros,
}

impl Throttle {
    /// At most `records_per_s` (at least one) a second.
    pub(crate) fn new(records_per_s: u32) -> Self {
        Self {
            interval_us: 1_000_000 / u64::from(records_per_s.max(1)),
            next: Micros::new(0),
        }
    }

    /// How long to wait from `now` until the next record may be taken, in
    /// microseconds.
    pub(crate) fn wait_us(self, now: Micros) -> u64 {
        self.next.since(now).get()
    }

    /// A record was taken.
    pub(crate) fn took(&mut self, now: Micros) {
        let earliest_us = now.get().saturating_sub(self.interval_us);
        self.next = Micros::new(self.next.get().max(earliest_us) + self.interval_us);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: Micros = Micros::new(5_000_000);

    fn after_ms(ms: u64) -> Micros {
        Micros::new(START.get() + ms * 1000)
    }

    #[test]
    fn a_record_is_due_at_its_own_moment() {
        let schedule = Schedule::new(START, &Pace::steady(100), 1000);
        assert_eq!(schedule.due_by(Micros::new(0)), 0);
        assert_eq!(schedule.due_by(START), 1);
        assert_eq!(schedule.due_by(after_ms(9)), 1);
        assert_eq!(schedule.due_by(after_ms(10)), 2);
        assert_eq!(schedule.due_at(300), after_ms(3000));
    }

    #[test]
    fn a_late_start_of_one_record_does_not_move_the_others() {
        let schedule = Schedule::new(START, &Pace::steady(100), 1000);
        assert_eq!(schedule.due_by(after_ms(5000)), 501);
        assert_eq!(schedule.due_by(after_ms(60_000)), 1000);
    }

    #[test]
    fn a_silence_is_not_made_up_for_by_more_than_a_record() {
        let mut throttle = Throttle::new(200);
        let late = Micros::new(60_000_000);
        throttle.took(late);
        assert_eq!(throttle.wait_us(late), 0);
        throttle.took(late);
        assert_eq!(throttle.wait_us(late), 5000);
    }

    proptest! {
        #[test]
        fn a_record_is_due_exactly_when_the_schedule_says(
            rate in 1u32..2_000_000, n in 0u64..10_000_000,
        ) {
            let schedule = Schedule::new(START, &Pace::steady(rate), u64::MAX);
            let due = schedule.due_at(n);
            prop_assert!(schedule.due_by(due) > n);
            if n > 0 {
                prop_assert!(schedule.due_by(Micros::new(due.get() - 1)) <= n);
            }
        }

        #[test]
        fn no_more_are_taken_than_the_rate_allows(
            rate in 1u32..5000, idle_us in prop::collection::vec(0u64..50_000, 1..200),
        ) {
            let mut throttle = Throttle::new(rate);
            let start = 1_000_000_000u64;
            let mut now = start;
            let mut taken = 0u64;
            for idle in idle_us {
                now += idle;
                while throttle.wait_us(Micros::new(now)) == 0 {
                    throttle.took(Micros::new(now));
                    taken += 1;
                }
            }
            prop_assert!(taken <= 2 + (now - start) / (1_000_000 / u64::from(rate)));
        }
    }
}
