//! What a run tells while it lasts: one stream of typed events, of which every
//! display is a consumer. Knows nothing of displays.

use std::sync::Arc;

use secret::Secrets;
use tokio::sync::mpsc::UnboundedSender;

use crate::created::Leftover;
use crate::live_counts::LiveCounts;
use crate::stage::Stage;

/// Something to show, about one scenario of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The place of the scenario in the run's plan.
    pub scenario: usize,
    /// What.
    pub event: ProgressEvent,
}

/// What to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProgressEvent {
    /// A stage began.
    Stage(Stage),
    /// The counts moved on; sent a few times a second at most.
    Counts(Box<LiveCounts>),
    /// How far the stage is, and what it waits for.
    Waiting {
        /// In words: one line.
        so_far: String,
    },
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
    /// The observer could not read something to its end, which the verdict then
    /// lacks.
    NotRead {
        /// A partition, or a replica of one.
        item: String,
        /// Why not.
        reason: String,
    },
    /// The scenario's history is closed.
    Finished,
    /// Something of the scenario's own stays behind in the user's
    /// cluster.
    LeftBehind {
        /// What, and why.
        left: Leftover,
    },
    /// The scenario could not be carried out.
    GaveUp {
        /// Why.
        reason: String,
    },
}

/// Sends what one scenario has to tell.
#[derive(Clone, Debug)]
pub(crate) struct Reporter {
    scenario: usize,
    secrets: Arc<Secrets>,
    to: UnboundedSender<Progress>,
}

impl Reporter {
    pub(crate) fn new(scenario: usize, secrets: Secrets, to: &UnboundedSender<Progress>) -> Self {
        Self {
            scenario,
            secrets: Arc::new(secrets),
            to: to.clone(),
        }
    }

    /// Tells; there may be no listener.
    pub(crate) fn send(&self, mut event: ProgressEvent) {
        if let ProgressEvent::FaultLeft { why: words, .. }
        | ProgressEvent::NotRead { reason: words, .. }
        | ProgressEvent::GaveUp { reason: words }
        | ProgressEvent::Waiting { so_far: words } = &mut event
        {
            *words = self.secrets.scrub(words).into_owned();
        }
        let _ = self.to.send(Progress {
            scenario: self.scenario,
            event,
        });
    }

    pub(crate) fn stage(&self, stage: Stage) {
        self.send(ProgressEvent::Stage(stage));
    }
}
