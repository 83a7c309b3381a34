//! What was recorded of a run's scenarios beside their verdicts, for the report: their
//! courses, out of their histories, and what was logged around their faults. Knows nothing of
//! how they are drawn.

use history::{ScenarioHistory, UnfitHistory};
use model::course::Course;
use model::plan::{RunPlan, ScenarioPlan};
use model::verdict::{Finding, RunVerdict};
use report::Recorded;

use crate::log_excerpts;
use crate::run_dir::RunDir;

/// By the scenarios' folders. A scenario whose history cannot be read has no course: its
/// verdict says why.
pub(crate) fn recorded(dir: &RunDir, plan: &RunPlan, verdict: &RunVerdict) -> Recorded {
    let began = plan.circumstances.as_ref();
    let began = began.and_then(|it| log_excerpts::parse_utc_ms(&it.started_at));
    let mut recorded = Recorded::default();
    for (planned, judged) in plan.scenarios.iter().zip(&verdict.scenarios) {
        let folder = planned.folder();
        if let Ok(course) = course(dir, planned, &judged.findings) {
            recorded.courses.insert(folder.clone(), course);
        }
        if let (Some(began_ms), Some(timing)) = (began, planned.timing) {
            let began_ms = began_ms.saturating_add_unsigned(timing.start_ms);
            let logs = log_excerpts::around(&dir.logs(planned), began_ms, &judged.faults);
            if !logs.is_empty() {
                recorded.logs.insert(folder, logs);
            }
        }
    }
    recorded
}

fn course(dir: &RunDir, plan: &ScenarioPlan, findings: &[Finding]) -> Result<Course, UnfitHistory> {
    let history = ScenarioHistory::find(dir.history(plan), plan.record_run_id);
    checker::course(history.prefetched_events()?, findings)
}
