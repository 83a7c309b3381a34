//! What a run tells while it lasts: one stream of typed events, of which every
//! display is a consumer. Knows nothing of displays.

use std::sync::Arc;
use std::time::Duration;

use secret::Secrets;
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// The target is being started.
    #[default]
    Starting,
    /// Topics and tables are made, the connector is started, groups get their
    /// partitions.
    Preparing,
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

impl Stage {
    /// All of them, in order.
    pub const ALL: [Self; 7] = [
        Self::Starting,
        Self::Preparing,
        Self::Traffic,
        Self::Draining,
        Self::ReadingTruth,
        Self::Stopping,
        Self::CleaningUp,
    ];

    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Preparing => "preparing",
            Self::Traffic => "traffic",
            Self::Draining => "draining",
            Self::ReadingTruth => "reading",
            Self::Stopping => "stopping",
            Self::CleaningUp => "cleanup",
        }
    }

    /// How long it may go without a step forward, beside the times that the
    /// scenario itself names.
    pub(crate) const fn patience(self) -> Duration {
        Duration::from_secs(match self {
            Self::Starting | Self::Traffic | Self::Draining | Self::ReadingTruth => 180,
            Self::Preparing => 240,
            Self::Stopping | Self::CleaningUp => 120,
        })
    }

    /// The same in words, with those times.
    pub fn limit(self) -> String {
        let beside = match self {
            Self::Starting | Self::ReadingTruth | Self::Stopping | Self::CleaningUp => "",
            Self::Preparing => ", and 1 ms for each row to be written",
            Self::Traffic => {
                ", `drain_timeout_ms`, the times that faults and triggers name, and \
                 `delivery.timeout.ms` while a record has no outcome"
            }
            Self::Draining => {
                ", `drain_timeout_ms`, the times that faults name, and for each transform \
                 `drain_timeout_ms` and the time that its transactions may take"
            }
        };
        format!("{} s{beside}", self.patience().as_secs())
    }
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

    /// Tells; nobody need be listening.
    pub(crate) fn step(&self, mut what: Step) {
        if let Step::FaultLeft { why: words, .. }
        | Step::GaveUp { reason: words }
        | Step::Waiting { so_far: words } = &mut what
        {
            *words = self.secrets.scrub(words).into_owned();
        }
        let _ = self.to.send(Progress {
            scenario: self.scenario,
            what,
        });
    }

    pub(crate) fn stage(&self, stage: Stage) {
        self.step(Step::Stage(stage));
    }
}
