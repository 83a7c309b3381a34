//! From a run directory to its verdict: the one way that `run` and `check`
//! share, so that they cannot differ. Reads the plan and the histories;
//! changes nothing, and knows nothing of how they came about.

use checker::{Concurrency, Examples, Limits, examine_in};
use history::{ScenarioHistory, UnfitHistory};
use model::plan::{RunPlan, ScenarioPlan};
use model::verdict::{Interruption, RunVerdict, SCHEMA, ScenarioVerdict, Verdict};

use crate::machine;
use crate::run_dir::RunDir;

/// Why a history cannot be judged at all.
#[derive(Debug, thiserror::Error)]
#[error("the history of {scenario} cannot be judged")]
pub(crate) struct JudgementError {
    scenario: String,
    source: UnfitHistory,
}

/// A scenario's verdict, and how much of its history it rests on.
#[derive(Clone, Debug)]
pub(crate) struct Judged {
    pub(crate) verdict: ScenarioVerdict,
    history_bytes: u64,
}

impl Judged {
    /// Whether the history is still the one that was judged.
    pub(crate) fn is_current(&self, dir: &RunDir, plan: &ScenarioPlan) -> bool {
        history::size_bytes(&dir.history(plan)) == self.history_bytes
    }
}

/// Judges every scenario of a run.
pub(crate) fn judge_run(
    dir: &RunDir,
    plan: &RunPlan,
    examples: Examples,
) -> Result<RunVerdict, JudgementError> {
    let scenarios = plan
        .scenarios
        .iter()
        .map(|scenario| Ok(judge_scenario(dir, scenario, examples)?.verdict))
        .collect::<Result<_, _>>()?;
    Ok(conclude(plan, scenarios))
}

/// The verdict on a run whose scenarios were judged: the worst of them, where
/// a violation that a scenario is there to show counts as held.
pub(crate) fn conclude(plan: &RunPlan, mut scenarios: Vec<ScenarioVerdict>) -> RunVerdict {
    for (judged, planned) in scenarios.iter_mut().zip(&plan.scenarios) {
        judged.timing = planned.timing;
    }
    let worst = scenarios
        .iter()
        .map(|scenario| {
            if scenario.as_expected {
                Verdict::Held
            } else {
                scenario.verdict
            }
        })
        .max();
    RunVerdict {
        schema: SCHEMA.to_owned(),
        run: plan.run.to_string(),
        seed: plan.seed,
        versions: plan.versions.clone(),
        circumstances: plan.circumstances.clone(),
        // Nothing was put to the test where there was nothing.
        verdict: worst.unwrap_or(Verdict::Inconclusive),
        scenarios,
        skipped: plan.skipped.clone(),
    }
}

/// Judges one scenario by its recorded history.
pub(crate) fn judge_scenario(
    dir: &RunDir,
    plan: &ScenarioPlan,
    examples: Examples,
) -> Result<Judged, JudgementError> {
    let history = ScenarioHistory::find(dir.history(plan), plan.record_run_id);
    let contract = plan.contract();
    let examined = examine_in(
        machine::lanes(),
        Limits::default(),
        &contract,
        examples,
        |concurrency| match concurrency {
            // A core is left to read ahead.
            Concurrency::One => history.prefetched_events(),
            Concurrency::Several => history.events(),
        },
    );
    let (mut analysis, calibration) = examined.map_err(|source| JudgementError {
        scenario: plan.folder(),
        source,
    })?;
    let doubt = history.doubt();
    if doubt.is_some() {
        analysis.completeness.completed = false;
    }
    let stopped = match (history.is_missing(), &analysis.completeness.aborted) {
        (true, _) => Some(Interruption::NotStarted),
        (_, Some(reason)) if reason == engine::INTERRUPTED => Some(Interruption::Interrupted),
        _ => None,
    };
    let mut verdict = checker::judge(
        &contract,
        &plan.scenario.name,
        plan.repetition,
        &analysis,
        calibration,
    );
    match stopped {
        // Whatever else is lacking follows from it.
        Some(stopped) => stop(&mut verdict, stopped),
        None => verdict.doubts.extend(doubt),
    }
    Ok(Judged {
        verdict,
        history_bytes: history.size_bytes(),
    })
}

/// Has a verdict say that the user stopped the run, and nothing of what that
/// comes to.
fn stop(verdict: &mut ScenarioVerdict, stopped: Interruption) {
    let why = match stopped {
        Interruption::NotStarted => "not started",
        Interruption::Interrupted => "interrupted",
    };
    verdict.stopped = Some(stopped);
    verdict.doubts = vec![why.to_owned()];
    let open = verdict.guarantees.iter_mut();
    for guarantee in open.filter(|it| it.verdict == Verdict::Inconclusive) {
        why.clone_into(&mut guarantee.reason);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use std::collections::BTreeMap;

    use model::ids::RunId;
    use model::scenario::{embedded, parse};

    use super::*;

    #[test]
    fn a_verdict_says_what_was_skipped_and_that_alone_holds_nothing() {
        let name = "broker-restart";
        let scenario = parse(name, embedded(name).unwrap()).unwrap();
        let plan = RunPlan::new(RunId::new(1), 1, BTreeMap::new(), &[scenario], 1);
        let plan = plan.on_cluster(vec!["a:1".to_owned()], 3);
        let verdict = conclude(&plan, Vec::new());
        assert_eq!(verdict.skipped[0].scenario, name);
        assert_eq!(verdict.skipped[0].suite, "delivery");
        assert!(!verdict.skipped[0].reasons.is_empty());
        assert_eq!(verdict.verdict, Verdict::Inconclusive);
    }
}
