//! A run as a stream of events, one JSON object a line, for other programs.
//! They may get more kinds and more properties; what is there stays.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use engine::LiveCounts;
use engine::progress::{Progress, ProgressEvent};
use model::plan::{RunPlan, ScenarioPlan};
use model::verdict::{RunVerdict, ScenarioVerdict};
use serde_json::{Value, json};

/// How often the counts of a scenario are told.
const COUNTS_EVERY: Duration = Duration::from_secs(1);

/// Tells what happens in a run.
#[derive(Default)]
pub(crate) struct Events {
    counted: BTreeMap<usize, (Instant, Box<LiveCounts>)>,
}

impl Events {
    /// The run begins.
    pub(crate) fn began(plan: &RunPlan, dir: &Path) -> Value {
        let scenarios: Vec<String> = plan.scenarios.iter().map(ScenarioPlan::folder).collect();
        json!({
            "event": "run-started",
            "run": plan.run.to_string(),
            "seed": plan.seed,
            "versions": plan.versions,
            "started_at": plan.circumstances.as_ref().map(|it| &it.started_at),
            "dir": dir.display().to_string(),
            "scenarios": scenarios,
            "skipped": plan.skipped,
        })
    }

    /// What happened in a scenario, if it is worth telling.
    pub(crate) fn of(&mut self, plan: &RunPlan, progress: &Progress) -> Option<Value> {
        let scenario = plan.scenarios.get(progress.scenario)?;
        let (event, more) = match &progress.event {
            ProgressEvent::Stage(stage) => ("stage", json!({"stage": stage.name()})),
            ProgressEvent::Counts(tally) => {
                let now = Instant::now();
                let told = self.counted.get(&progress.scenario);
                let again = told.is_some_and(|(at, before)| {
                    now.duration_since(*at) < COUNTS_EVERY || before == tally
                });
                if again {
                    return None;
                }
                self.counted.insert(progress.scenario, (now, tally.clone()));
                ("counts", counts(scenario, tally))
            }
            ProgressEvent::Waiting { so_far } => ("waiting", json!({"progress": so_far})),
            ProgressEvent::FaultBegan { kind, for_ms } => {
                ("fault-injected", json!({"kind": kind, "for_ms": for_ms}))
            }
            ProgressEvent::FaultEnded { kind } => ("fault-healed", json!({"kind": kind})),
            ProgressEvent::FaultLeft { kind, why } => {
                ("fault-not-healed", json!({"kind": kind, "reason": why}))
            }
            ProgressEvent::NotRead { item, reason } => {
                ("not-read", json!({"item": item, "reason": reason}))
            }
            ProgressEvent::Finished => ("finished", json!({})),
            ProgressEvent::LeftBehind { left } => {
                ("left-behind", json!({"description": left.to_string()}))
            }
            ProgressEvent::GaveUp { reason } => ("aborted", json!({"reason": reason})),
        };
        Some(about(event, &scenario.folder(), more))
    }

    /// A scenario was judged.
    pub(crate) fn judged(folder: &str, verdict: &ScenarioVerdict) -> Value {
        about("verdict", folder, json!({"verdict": verdict}))
    }

    /// The run is over.
    pub(crate) fn ended(verdict: &RunVerdict, done: usize) -> Value {
        json!({
            "event": "run-ended",
            "verdict": verdict.verdict,
            "duration_ms": verdict.circumstances.as_ref().and_then(|it| it.duration_ms),
            "completed": done,
            "total": verdict.scenarios.len(),
        })
    }
}

fn about(event: &str, scenario: &str, more: Value) -> Value {
    let mut all = json!({"event": event, "scenario": scenario});
    if let (Value::Object(all), Value::Object(more)) = (&mut all, more) {
        all.extend(more);
    }
    all
}

fn counts(plan: &ScenarioPlan, tally: &LiveCounts) -> Value {
    let processed: BTreeMap<&str, u64> = plan
        .groups()
        .map(|group| {
            let processed = tally.processed.get(&group.ix).copied();
            (group.name, processed.unwrap_or_default())
        })
        .collect();
    json!({
        "sent": tally.sent,
        "acknowledged": tally.acknowledged,
        "unacknowledged": tally.unacknowledged,
        "processed": processed,
        "committed_changes": tally.committed_changes,
        "captured": tally.captured,
        "read_back": tally.read_back,
    })
}
