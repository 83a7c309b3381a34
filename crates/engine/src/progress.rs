//! What a run tells while it lasts: one stream of typed events, of which every
//! display is a consumer. Knows nothing of displays.

use tokio::sync::mpsc::UnboundedSender;

use crate::cleanup::Left;
use crate::ledger::Tally;

/// Something to show, about one scenario of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The place of the scenario in the run's plan.
    pub scenario: usize,
    /// What.
    pub what: Step,
}

/// What to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A stage began.
    Stage(Stage),
    /// The counts moved on; sent a few times a second at most.
    Counts(Box<Tally>),
    /// A fault is in force from now on, for so many milliseconds if that is
    /// known.
    FaultBegan {
        /// Its kind.
        kind: &'static str,
        /// How long it is to last.
        for_ms: Option<u64>,
    },
    /// It is healed.
    FaultEnded {
        /// Its kind.
        kind: &'static str,
    },
    /// It is over, and what it broke did not come back.
    FaultLeft {
        /// Its kind.
        kind: &'static str,
        /// What did not come back.
        why: String,
    },
    /// The scenario's history is closed.
    Finished,
    /// Something of the scenario's own stays behind in a cluster of somebody
    /// else's.
    LeftBehind {
        /// What, and why.
        left: Left,
    },
    /// The scenario could not be carried out.
    GaveUp {
        /// Why.
        reason: String,
    },
}

/// The stages of a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The target is being started.
    Starting,
    /// Traffic runs.
    Traffic,
    /// Traffic has ended; outcomes are awaited, groups and connectors read on.
    Draining,
    /// The truth is being read.
    ReadingTruth,
    /// The target is being stopped.
    Stopping,
    /// What was made in a cluster of somebody else's is being removed.
    CleaningUp,
}

/// Sends what one scenario has to tell.
#[derive(Clone, Debug)]
pub(crate) struct Reporter {
    scenario: usize,
    to: UnboundedSender<Progress>,
}

impl Reporter {
    pub(crate) fn new(scenario: usize, to: &UnboundedSender<Progress>) -> Self {
        Self {
            scenario,
            to: to.clone(),
        }
    }

    /// Tells; nobody need be listening.
    pub(crate) fn step(&self, what: Step) {
        let _ = self.to.send(Progress {
            scenario: self.scenario,
            what,
        });
    }

    pub(crate) fn stage(&self, stage: Stage) {
        self.step(Step::Stage(stage));
    }
}
