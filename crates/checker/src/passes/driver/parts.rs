//! A checker in parts that need nothing of each other while a history is read
//! for the first time: each may have a thread of its own. Every part is shown
//! every event in the order of the history, so that what they come to does not
//! depend on which of them is faster.

use model::event::Event;

use super::{Checker, Measuring, Passes};
use crate::calibration::mutants::MutantPass;
use crate::passes::parallel::{self, Concurrency, Lanes, Taker};

/// The half of a checker that a thread runs. Both cost about the same.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// All of it.
    Whole,
    /// What finds anomalies.
    Finder,
    /// What measures.
    Meter,
}

/// A checker of which only what belongs to one role is shown events.
struct Part {
    role: Role,
    of: Checker,
    /// What is planted in the history before it is shown.
    planting: Option<MutantPass>,
}

impl Taker for Part {
    #[inline]
    fn take(&mut self, event: Event) {
        let (role, checker) = (self.role, &mut self.of);
        match &mut self.planting {
            None => role.show(checker, &event),
            Some(planting) => planting.feed(event, |event| role.show(checker, &event)),
        }
    }
}

impl Role {
    #[inline]
    fn show(self, checker: &mut Checker, event: &Event) {
        match self {
            Self::Whole => checker.observe(event),
            Self::Finder => checker.find(event),
            Self::Meter => {
                checker.events += 1;
                checker.context.names.observe(&event.body);
                checker.measure(event);
            }
        }
    }
}

impl Checker {
    /// Reads what `open` opens, with mutants planted in it where there are
    /// any.
    ///
    /// Fails only where opening or reading does.
    pub(crate) fn read<I, E>(
        self,
        lanes: Lanes,
        planting: Option<&MutantPass>,
        open: impl FnMut(Concurrency) -> Result<I, E>,
    ) -> Result<Self, E>
    where
        I: IntoIterator<Item = Result<Event, E>> + Send,
        E: Send,
    {
        let parts = self.divide(lanes, planting);
        Ok(Self::join(parallel::read(parts, open)?))
    }

    fn divide(self, lanes: Lanes, planting: Option<&MutantPass>) -> Vec<Part> {
        let part = |role, of| Part {
            role,
            of,
            planting: planting.cloned(),
        };
        let is_divided = lanes == Lanes::Many
            && self.passes == Passes::First
            && self.measuring == Measuring::Everything;
        if !is_divided {
            return vec![part(Role::Whole, self)];
        }
        let meter = Self::within(self.limits);
        vec![part(Role::Finder, self), part(Role::Meter, meter)]
    }

    /// The checker that has seen what its parts have.
    fn join(parts: Vec<Part>) -> Self {
        let mut parts = parts.into_iter();
        let first = parts.next().map(|part| part.of).unwrap_or_default();
        parts.fold(first, |whole, part| {
            assert!(
                whole.events == part.of.events,
                "two readers of a history saw {} and {} events of it",
                whole.events,
                part.of.events
            );
            Self {
                meter: part.of.meter,
                ..whole
            }
        })
    }
}
