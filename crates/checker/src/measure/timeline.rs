//! Puts events of different sources back into the order of their clocks.
//! Knows nothing of what they mean.
//!
//! Sources reach the recorder a little out of step, so an event waits until
//! [`WINDOW`] others have come after it; then the earliest leaves. What is
//! measured from a history whose sources are further out of step than that is
//! off by as much; findings never depend on it.
//!
//! Each source is in order by itself, so what waits is a few runs in order, to
//! whose ends events are added and from whose beginnings they leave. What fits
//! no run waits in a heap.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use model::ids::Micros;

/// How many events wait, at most.
const WINDOW: usize = 8192;
/// How many runs there are, at most.
const RUNS_MAX: usize = 16;

/// What events are ordered by: their clock, then their arrival.
type Key = (Micros, u64);

/// Behind all events.
const NEVER: Key = (Micros::new(u64::MAX), u64::MAX);

/// A bounded buffer that gives back what it was given, nearly sorted.
pub(crate) struct Timeline<T> {
    runs: Vec<VecDeque<Timed<T>>>,
    /// The key of each run's earliest event.
    heads: Vec<Key>,
    odd: BinaryHeap<Reverse<Timed<T>>>,
    waiting: usize,
    arrivals: u64,
}

struct Timed<T> {
    at: Micros,
    arrival: u64,
    what: T,
}

impl<T> Timed<T> {
    const fn key(&self) -> Key {
        (self.at, self.arrival)
    }
}

impl<T> Default for Timeline<T> {
    fn default() -> Self {
        Self {
            runs: Vec::new(),
            heads: Vec::new(),
            odd: BinaryHeap::new(),
            waiting: 0,
            arrivals: 0,
        }
    }
}

impl<T> Timeline<T> {
    /// Takes one in; the earliest one, when the buffer is full.
    #[inline]
    pub(crate) fn push(&mut self, at: Micros, what: T) -> Option<(Micros, T)> {
        let arrival = self.arrivals;
        self.arrivals += 1;
        self.waiting += 1;
        self.file(Timed { at, arrival, what });
        (self.waiting > WINDOW).then(|| self.pop()).flatten()
    }

    /// Adds an event to the first run that it does not come before.
    #[inline]
    fn file(&mut self, timed: Timed<T>) {
        for (run, head) in self.runs.iter_mut().zip(&mut self.heads) {
            match run.back() {
                Some(last) if last.at > timed.at => {}
                Some(_) => return run.push_back(timed),
                None => {
                    *head = timed.key();
                    return run.push_back(timed);
                }
            }
        }
        if self.runs.len() == RUNS_MAX {
            self.odd.push(Reverse(timed));
            return;
        }
        self.heads.push(timed.key());
        self.runs.push(VecDeque::from([timed]));
    }

    /// The earliest one.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<(Micros, T)> {
        let (mut first, mut at) = (NEVER, 0);
        for (run, head) in self.heads.iter().enumerate() {
            if *head < first {
                (first, at) = (*head, run);
            }
        }
        let odd = self.odd.peek().map(|Reverse(timed)| timed.key());
        let timed = if odd.is_some_and(|odd| odd < first) {
            self.odd.pop()?.0
        } else {
            let run = self.runs.get_mut(at)?;
            let timed = run.pop_front()?;
            self.heads[at] = run.front().map_or(NEVER, Timed::key);
            timed
        };
        self.waiting -= 1;
        Some((timed.at, timed.what))
    }
}

impl<T> PartialEq for Timed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T> Eq for Timed<T> {}

impl<T> PartialOrd for Timed<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Timed<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_out_of_step_by_less_than_the_window_comes_out_in_order() {
        let mut timeline = Timeline::default();
        let mut out = Vec::new();
        for at in (0..20_000u64).map(|at| at ^ 0xfff) {
            out.extend(timeline.push(Micros::new(at), at));
        }
        out.extend(std::iter::from_fn(|| timeline.pop()));
        assert!(out.is_sorted());
        assert_eq!(out.len(), 20_000);
    }

    proptest! {
        #[test]
        fn the_earliest_of_the_window_always_leaves_first(
            jitter in 0u64..40_000,
            seed: u64,
        ) {
            let mut timeline = Timeline::default();
            let mut heap = BinaryHeap::new();
            for arrival in 0..20_000u64 {
                let noise = (arrival ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
                let at = Micros::new(arrival + noise % (jitter + 1));
                heap.push(Reverse((at, arrival)));
                let expected = if heap.len() > WINDOW { heap.pop() } else { None };
                let expected = expected.map(|Reverse(earliest)| earliest);
                prop_assert_eq!(timeline.push(at, arrival), expected);
            }
            while let Some(Reverse(expected)) = heap.pop() {
                prop_assert_eq!(timeline.pop(), Some(expected));
            }
            prop_assert_eq!(timeline.pop(), None);
        }
    }
}
