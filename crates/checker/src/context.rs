//! What is known of a history apart from what is wrong with it: names, where
//! it comes from, its transactions and what became of them, how topics are
//! cleaned, how groups stood when the wait for them was over, and how far the run
//! came. Knows nothing of the analyzers, which are shown each event after this has
//! seen it.

use model::event::{Body, Event};

use crate::groups::waits::Waits;
use crate::log::cleaning::Cleaning;
use crate::names::Names;
use crate::provenance::Provenance;
use crate::txn::markers::Markers;
use crate::txn::outcomes::TxnOutcomes;
use crate::txn::tracker::Transactions;

/// What every analyzer may ask.
#[derive(Default)]
pub(crate) struct Context {
    pub(crate) names: Names,
    pub(crate) provenance: Provenance,
    /// The transactions so far; when the first pass is over they are in
    /// `txn_outcomes`.
    pub(crate) transactions: Transactions,
    pub(crate) markers: Markers,
    /// What became of the transactions, once the first pass is over.
    pub(crate) txn_outcomes: TxnOutcomes,
    pub(crate) cleaning: Cleaning,
    pub(crate) waits: Waits,
    pub(crate) ending: Ending,
}

/// How far the run came.
#[derive(Default)]
pub(crate) struct Ending {
    /// The plan was carried out to its end.
    pub(crate) traffic_ended: bool,
    /// The observer has read everything it wanted.
    pub(crate) completed: bool,
    /// Why the scenario was given up, where it was.
    pub(crate) aborted: Option<String>,
}

impl Context {
    /// Takes in the next event of the first pass.
    #[inline]
    pub(crate) fn observe(&mut self, event: &Event) {
        // Nearly all events are of these kinds, and little of them is looked at here.
        match &event.body {
            Body::SendInvoked { .. } => self.transactions.observe(event),
            Body::SendCompleted { .. } => {}
            Body::Stored { .. } => {
                self.cleaning.observe(&event.body);
                self.markers.observe(&event.body, &self.transactions);
            }
            Body::Processed { .. } => {
                if !self.waits.is_idle() {
                    self.waits.observe(event);
                }
            }
            _ => self.observe_other(event),
        }
    }

    fn observe_other(&mut self, event: &Event) {
        self.names.observe(&event.body);
        self.provenance.observe(&event.body);
        self.transactions.observe(event);
        self.markers.observe(&event.body, &self.transactions);
        self.cleaning.observe(&event.body);
        self.waits.observe(event);
        match &event.body {
            Body::TrafficEnded => self.ending.traffic_ended = true,
            Body::Completed => self.ending.completed = true,
            Body::Aborted { reason } => self.ending.aborted = Some(reason.clone()),
            _ => {}
        }
    }
}
