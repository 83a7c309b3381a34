//! One scenario as it is carried out: what all its stages share.

use std::path::Path;

use model::plan::ScenarioPlan;

use crate::created::Made;
use crate::ledger::Ledger;
use crate::processes::Parts;
use crate::progress::Reporter;
use crate::settings::Settings;
use crate::stage::Stage;

/// One scenario as it is carried out: its plan, and where its events go.
pub(crate) struct ScenarioRun<'p> {
    pub(crate) plan: &'p ScenarioPlan,
    pub(crate) settings: &'p Settings,
    pub(crate) folder: &'p Path,
    pub(crate) ledger: &'p Ledger,
    pub(crate) progress: &'p Reporter,
    pub(crate) made: &'p Made,
    pub(crate) parts: Parts,
}

impl ScenarioRun<'_> {
    pub(crate) fn enter(&self, stage: Stage) {
        self.ledger.stage(stage);
        self.progress.stage(stage);
    }
}
