//! One reading of a history on several cores: each of several takers reads it
//! for itself, from beginning to end, in a thread of its own. None can tell
//! that there are others, so what they come to is what one thread would have
//! come to with all of them. Knows nothing of what is made of events.
//!
//! Nothing goes from thread to thread, because decoding an event anew costs
//! less than having it brought from another core's cache.

use std::panic::resume_unwind;
use std::thread::{self, ScopedJoinHandle};

use model::event::Event;

/// On how many cores a history is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lanes {
    /// By the thread that asks for it.
    One,
    /// By a thread for each part of the checker.
    Many,
}

impl Lanes {
    /// What suits a machine of so many cores.
    pub const fn on(cores: usize) -> Self {
        if cores > 1 { Self::Many } else { Self::One }
    }
}

/// How many read a history at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concurrency {
    /// One, so that a core is left to read ahead for it.
    One,
    /// Several, each for itself.
    Several,
}

/// A part of the checker that reads events.
pub(crate) trait Taker: Send {
    /// Takes in the next event.
    fn take(&mut self, event: Event);
}

/// Shows each taker everything that `open` opens for it, and gives them back
/// in their order.
///
/// Fails only where opening or reading does.
pub(crate) fn read<T, I, E>(
    takers: Vec<T>,
    mut open: impl FnMut(Concurrency) -> Result<I, E>,
) -> Result<Vec<T>, E>
where
    T: Taker,
    I: IntoIterator<Item = Result<Event, E>> + Send,
    E: Send,
{
    let readers = if takers.len() > 1 {
        Concurrency::Several
    } else {
        Concurrency::One
    };
    let mut pairs = Vec::with_capacity(takers.len());
    for taker in takers {
        pairs.push((taker, open(readers)?));
    }
    let mut pairs = pairs.into_iter();
    let Some((first, events)) = pairs.next() else {
        return Ok(Vec::new());
    };
    thread::scope(|scope| {
        let others: Vec<ScopedJoinHandle<'_, Result<T, E>>> = pairs
            .map(|(taker, events)| scope.spawn(move || show(taker, events)))
            .collect();
        let first = show(first, events);
        let others = others.into_iter().map(|thread| {
            let shown = thread.join();
            shown.unwrap_or_else(|panic| resume_unwind(panic))
        });
        std::iter::once(first).chain(others).collect()
    })
}

fn show<T: Taker, E>(
    mut taker: T,
    events: impl IntoIterator<Item = Result<Event, E>>,
) -> Result<T, E> {
    for event in events {
        taker.take(event?);
    }
    Ok(taker)
}
