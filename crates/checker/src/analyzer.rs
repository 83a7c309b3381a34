//! What all analyses of a history have in common: each is shown every event, in
//! as many passes as it asks for, and says in the end what it could check. Knows
//! nothing of any of them; the list is in `passes/analyzers.rs`.

use model::event::Event;

use crate::context::Context;
use crate::finding::FindingCollector;

/// An analysis of a history. What it finds it gives to the collector.
///
/// Its memory is bounded by what it defines in its file's first comment; what it
/// cannot hold it asks to be shown again.
pub(crate) trait Analyzer {
    /// The other analyzers that it asks after the first pass, as the list names
    /// them. They have seen the same events.
    type Uses<'d>;
    /// How much there was to check.
    type Coverage;

    /// Which of the most frequent events it looks at: of [`SENDS`], [`OUTCOMES`],
    /// [`STORED`] and [`PROCESSED`]. Those of all other kinds it is shown anyway.
    const FREQUENT: u8 = 0;

    /// Takes in the next event of the first pass; the context has seen it.
    fn observe(&mut self, _event: &Event, _context: &Context, _collector: &mut FindingCollector) {}

    /// Takes in the next event of a further pass.
    fn observe_again(
        &mut self,
        _event: &Event,
        _context: &Context,
        _uses: Self::Uses<'_>,
        _collector: &mut FindingCollector,
    ) {
    }

    /// Ends a pass, and says whether another is needed. Those that it uses have
    /// ended it.
    fn end_pass(
        &mut self,
        _context: &Context,
        _uses: Self::Uses<'_>,
        _collector: &mut FindingCollector,
    ) -> Need {
        Need::Nothing
    }

    /// Finds what is known only when all passes are over.
    fn settle(
        &mut self,
        context: &Context,
        uses: Self::Uses<'_>,
        collector: &mut FindingCollector,
    ) -> Self::Coverage;
}

/// Whether a history has to be read once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Need {
    /// Everything is settled.
    Nothing,
    /// Once more.
    AnotherPass,
}

/// `send-invoked`: with the next three the kind of nearly all events. Who is
/// shown them is known when the checker is compiled.
pub(crate) const SENDS: u8 = 1;
/// `send-completed`.
pub(crate) const OUTCOMES: u8 = 2;
/// `stored`.
pub(crate) const STORED: u8 = 4;
/// `processed`.
pub(crate) const PROCESSED: u8 = 8;
/// All others, which every analyzer is shown.
pub(crate) const OTHERS: u8 = 16;
