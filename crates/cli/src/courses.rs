//! The courses of a run's scenarios, from their histories, for the report. Knows nothing of
//! how they are drawn.

use std::collections::BTreeMap;

use history::{ScenarioHistory, UnfitHistory};
use model::course::Course;
use model::plan::{RunPlan, ScenarioPlan};
use model::verdict::{Finding, RunVerdict};

use crate::run_dir::RunDir;

/// The courses, by the scenarios' folders. A scenario whose history cannot be read has none:
/// its verdict says why.
pub(crate) fn courses(
    dir: &RunDir,
    plan: &RunPlan,
    verdict: &RunVerdict,
) -> BTreeMap<String, Course> {
    let judged = plan.scenarios.iter().zip(&verdict.scenarios);
    let courses = judged.filter_map(|(planned, judged)| {
        let course = of_scenario(dir, planned, &judged.findings).ok()?;
        Some((planned.folder(), course))
    });
    courses.collect()
}

fn of_scenario(
    dir: &RunDir,
    plan: &ScenarioPlan,
    findings: &[Finding],
) -> Result<Course, UnfitHistory> {
    let history = ScenarioHistory::find(dir.history(plan), plan.record_run_id);
    checker::course(history.prefetched_events()?, findings)
}
