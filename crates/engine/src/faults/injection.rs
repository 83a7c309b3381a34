//! What every fault is made of: something that can be broken, what is broken,
//! and the proof. Knows nothing of any one fault.

use std::collections::BTreeMap;
use std::path::Path;

use model::event::{Body, Evidence, Found};
use model::ids::{FaultIx, Micros};
use model::plan::ScenarioPlan;
use model::scenario::{BadKey, Effect};
use tokio::sync::Mutex;

use crate::app::Application;
use crate::database::Database;
use crate::error::EngineError;
use crate::members::Members;
use crate::progress::Reporter;
use crate::recorder::HistoryRecorder;
use crate::target::Target;

/// The members of each group, by its `group.id`.
pub(super) type Groups = BTreeMap<String, Members>;

/// What a fault is carried out on: the parts of a run that it may need.
pub(crate) struct FaultContext<'s> {
    pub(crate) plan: &'s ScenarioPlan,
    pub(crate) target: &'s Target,
    /// The scenario's folder.
    pub(crate) folder: &'s Path,
    pub(crate) groups: &'s Mutex<Groups>,
    pub(crate) database: Option<&'s Database>,
    pub(crate) app: Option<&'s Application<'s>>,
    pub(crate) recorder: &'s HistoryRecorder,
    pub(crate) progress: &'s Reporter,
    /// Whether the fault at hand is really done.
    pub(crate) effect: Effect,
}

impl<'s> FaultContext<'s> {
    /// The user's application.
    pub(super) fn application(&self) -> Result<&'s Application<'s>> {
        self.app.ok_or_else(|| EngineError::Lacking {
            what: "application".to_owned(),
        })
    }
}

/// What comes of a step of a fault.
pub(super) type Result<T, E = EngineError> = std::result::Result<T, E>;

/// Something that can be broken, and is not yet: the parameters of a fault.
pub(super) trait Breakable {
    /// The same thing, broken: only that can be healed.
    type Broken: Broken;

    /// What of it could never be carried out, with the key that says so.
    fn check(&self, _seed: u64) -> Result<(), BadKey> {
        Ok(())
    }

    /// Breaks it, and returns once it is broken.
    async fn inject(self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<Self::Broken>;
}

/// Something that is broken.
pub(super) trait Broken {
    /// Watches it for as long as it is to last.
    async fn hold(&mut self, _: &FaultContext<'_>, _: &mut Proof) -> Result<()> {
        Ok(())
    }

    /// Mends it, and returns once it works again, or once it is known that it
    /// does not.
    async fn heal(self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<Healed>;
}

/// What became of something that was broken, once it was mended.
pub(super) enum Healed {
    /// It works again, from this moment on at the earliest.
    At(Micros),
    /// It did not come back: that is what the fault led to, and no reason to
    /// give the scenario up.
    Not {
        /// What did not, and how that is known.
        why: String,
    },
}

/// Gathers the observations about one fault: whether it was in force, and what
/// became of what it broke.
#[derive(Default)]
pub(super) struct Proof {
    observed: Vec<Evidence>,
    aftermath: Vec<Evidence>,
}

impl Proof {
    pub(super) fn add(&mut self, what: &str, found: bool, detail: impl Into<String>) {
        self.observed.push(Evidence {
            observation: what.to_owned(),
            found: if found { Found::Yes } else { Found::No },
            detail: detail.into(),
        });
    }

    /// What became of what it broke. Whether the fault landed does not rest on
    /// this.
    pub(super) fn after(&mut self, what: &str, found: bool, detail: impl Into<String>) {
        self.aftermath.push(Evidence {
            observation: what.to_owned(),
            found: if found { Found::Yes } else { Found::No },
            detail: detail.into(),
        });
    }

    pub(super) fn extend(&mut self, more: Self) {
        self.observed.extend(more.observed);
        self.aftermath.extend(more.aftermath);
    }

    /// Writes down what was observed so far.
    pub(super) fn note(&mut self, ix: FaultIx, context: &FaultContext<'_>) {
        for evidence in self.observed.drain(..) {
            let fault = ix;
            context
                .recorder
                .note(Body::FaultEvidence { fault, evidence });
        }
        for evidence in self.aftermath.drain(..) {
            let fault = ix;
            context
                .recorder
                .note(Body::FaultAftermath { fault, evidence });
        }
    }
}
