//! One scenario as it is carried out: what all its stages share.

use std::path::Path;

use model::plan::ScenarioPlan;

use crate::created::Created;
use crate::processes::Processes;
use crate::progress::Reporter;
use crate::recorder::HistoryRecorder;
use crate::settings::Settings;
use crate::stage::Stage;

/// One scenario as it is carried out: its plan, and where its events go.
pub(crate) struct ScenarioRun<'p> {
    pub(crate) plan: &'p ScenarioPlan,
    pub(crate) settings: &'p Settings,
    pub(crate) folder: &'p Path,
    pub(crate) recorder: &'p HistoryRecorder,
    pub(crate) progress: &'p Reporter,
    pub(crate) created: &'p Created,
    pub(crate) processes: Processes,
}

impl ScenarioRun<'_> {
    pub(crate) fn enter(&self, stage: Stage) {
        self.recorder.stage(stage);
        self.progress.stage(stage);
    }
}
