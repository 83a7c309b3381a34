//! The checker: every event goes to the context and to the analyzers that look at
//! it. Knows nothing of contracts, and nothing of where a history comes from: it
//! says when it has to see it once more.

mod parts;
mod settle;

use model::event::Event;

use crate::analysis::Analysis;
use crate::analyzer::Need;
use crate::context::Context;
use crate::finding::FindingCollector;
use crate::limits::Limits;
use crate::log::{Ledger, Witness};
use crate::measure::Meter;
use crate::passes::analyzers::Analyzers;
use crate::txn::outcomes::TxnOutcomes;

/// Reads a history, event by event, and finds what is wrong with it. A
/// healthy one is read once.
///
/// It may be fed from another thread than the one that reads the history.
#[derive(Default)]
pub struct Checker {
    passes: Passes,
    context: Context,
    analyzers: Analyzers,
    collector: FindingCollector,
    meter: Meter,
    limits: Limits,
    measuring: Measuring,
    /// Events of this pass so far.
    events: u64,
    /// Events of the first pass.
    events_first: u64,
}

/// What is measured beside looking for anomalies.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Measuring {
    #[default]
    Everything,
    Nothing,
}

/// Which pass over the history it is.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Passes {
    #[default]
    First,
    Further,
}

/// Where a checker stands when a history was read to its end.
pub enum Pass {
    /// Everything is settled.
    Done(Box<Analysis>),
    /// The same history has to be read once more, by this checker.
    Repeat(Box<Checker>),
}

impl Checker {
    /// A checker that has seen nothing yet.
    pub fn new() -> Self {
        Self::within(Limits::default())
    }

    /// A checker that holds no more than the limits allow.
    pub fn within(limits: Limits) -> Self {
        Self {
            analyzers: Analyzers {
                log: Ledger::within(limits),
                ..Analyzers::default()
            },
            limits,
            ..Self::default()
        }
    }

    /// The same checker, which measures nothing: for histories whose clocks
    /// tell too little, and where only findings are wanted.
    #[must_use]
    pub fn unmeasured(self) -> Self {
        Self {
            measuring: Measuring::Nothing,
            ..self
        }
    }

    /// Takes in the next event. Sources may be interleaved in any way; events
    /// of one source come in their own order.
    pub fn observe(&mut self, event: &Event) {
        if self.passes == Passes::Further {
            self.events += 1;
            self.analyzers
                .observe_again(event, &self.context, &mut self.collector);
            return;
        }
        self.find(event);
        self.measure(event);
    }

    /// All but what is measured.
    #[inline]
    fn find(&mut self, event: &Event) {
        self.events += 1;
        self.context.observe(event);
        self.analyzers
            .observe(event, &self.context, &mut self.collector);
    }

    /// What is no finding.
    #[inline]
    fn measure(&mut self, event: &Event) {
        if self.measuring == Measuring::Everything {
            self.meter.observe(event, &self.context.names);
        }
    }

    /// Tells a checker that the history was read to its end.
    ///
    /// # Panics
    ///
    /// Where an invariant of the checker does not hold.
    pub fn end_pass(mut self) -> Pass {
        if self.passes == Passes::First {
            let witness = self.witness();
            if self.analyzers.log.has_missed(witness) {
                let mut anew = Self::within(self.limits);
                anew.analyzers.log = Ledger::with_witness(witness, self.limits);
                anew.measuring = self.measuring;
                return Pass::Repeat(Box::new(anew));
            }
            self.events_first = self.events;
            self.settle_transactions();
        }
        self.events = 0;
        let need = self.analyzers.end_pass(&self.context, &mut self.collector);
        if need == Need::Nothing {
            return Pass::Done(Box::new(self.settle()));
        }
        self.passes = Passes::Further;
        Pass::Repeat(Box::new(self))
    }

    /// Asserts that this pass, which is about to end, has shown as many events
    /// as the first. Files of another tool may still grow, so not of those.
    pub(crate) fn assert_same_history(&self) {
        let (now, before) = (self.events, self.events_first);
        assert!(
            self.passes == Passes::First || now == before,
            "a history of {before} events had {now} when it was read once more"
        );
    }

    /// The witness of the log's records.
    const fn witness(&self) -> Witness {
        let is_imported = self.context.provenance.is_imported();
        match (is_imported, self.context.transactions.is_empty()) {
            (false, _) => Witness::Observer,
            (true, true) => Witness::Readers,
            (true, false) => Witness::ReadersAndProducers,
        }
    }

    /// Settles what became of the transactions. Where no observer read the
    /// truth, what the readers were given has to stand for it first.
    fn settle_transactions(&mut self) {
        let context = &mut self.context;
        let transactions = std::mem::take(&mut context.transactions);
        let (markers, provenance) = (&context.markers, &context.provenance);
        let log = &mut self.analyzers.log;
        if !provenance.is_imported() {
            context.txn_outcomes =
                TxnOutcomes::settle(transactions, markers, log, provenance, |_| false);
            return;
        }
        log.take_reads_for_log(&context.names);
        let read_committed = &self.analyzers.read_committed;
        let given = read_committed.transactions(&transactions, provenance);
        context.txn_outcomes = TxnOutcomes::settle(transactions, markers, log, provenance, |tx| {
            given.contains(&tx)
        });
        log.take_acknowledgements_for_log(&context.txn_outcomes, provenance);
    }
}
