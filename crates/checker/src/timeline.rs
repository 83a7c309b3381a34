//! Puts events of different sources back into the order of their clocks.
//! Knows nothing of what they mean.
//!
//! Sources reach the recorder a little out of step, so an event waits until
//! [`WINDOW`] others have come after it; then the earliest leaves. What is
//! measured from a history whose sources are further out of step than that is
//! off by as much; findings never depend on it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use model::ids::Micros;

/// How many events wait, at most.
const WINDOW: usize = 8192;

/// A bounded buffer that gives back what it was given, nearly sorted.
pub(crate) struct Timeline<T> {
    waiting: BinaryHeap<Reverse<Timed<T>>>,
    arrivals: u64,
}

struct Timed<T> {
    at: Micros,
    arrival: u64,
    what: T,
}

impl<T> Default for Timeline<T> {
    fn default() -> Self {
        Self {
            waiting: BinaryHeap::new(),
            arrivals: 0,
        }
    }
}

impl<T> Timeline<T> {
    /// Takes one in; the earliest one, when the buffer is full.
    pub(crate) fn push(&mut self, at: Micros, what: T) -> Option<(Micros, T)> {
        let arrival = self.arrivals;
        self.arrivals += 1;
        self.waiting.push(Reverse(Timed { at, arrival, what }));
        (self.waiting.len() > WINDOW).then(|| self.pop()).flatten()
    }

    /// The earliest one.
    pub(crate) fn pop(&mut self) -> Option<(Micros, T)> {
        let Reverse(timed) = self.waiting.pop()?;
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
        (self.at, self.arrival).cmp(&(other.at, other.arrival))
    }
}

#[cfg(test)]
mod tests {
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
}
