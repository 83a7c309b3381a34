//! How far a scenario is and what it waits for, in words. Knows nothing of who
//! shows them.

use model::ids::FaultIx;
use model::plan::ScenarioPlan;
use model::scenario::{Trigger, words};

use crate::live_counts::LiveCounts;
use crate::recorder::HistoryRecorder;
use crate::stage::Stage;

/// How far a stage is, and what it waits for: one line.
pub(crate) fn status_line(
    plan: &ScenarioPlan,
    recorder: &HistoryRecorder,
    counts: &LiveCounts,
) -> String {
    let parts = parts(plan, recorder, counts);
    match parts.as_slice() {
        [] => counts.stage.name().to_owned(),
        parts => format!("{}: {}", counts.stage.name(), parts.join(", ")),
    }
}

fn parts(plan: &ScenarioPlan, recorder: &HistoryRecorder, counts: &LiveCounts) -> Vec<String> {
    let mut parts = Vec::new();
    let scenario = &plan.scenario;
    if matches!(counts.stage, Stage::Traffic | Stage::Draining) {
        if scenario.records() > 0 {
            let (acknowledged, all) = (counts.acknowledged, scenario.records());
            parts.push(format!("{acknowledged} of {all} records acknowledged"));
        }
        if scenario.capture.is_some() {
            let (out, written) = (counts.captured, counts.committed_changes);
            parts.push(format!("{out} change events of {written} changes"));
        }
        for group in plan.groups() {
            let processed = counts.processed.get(&group.ix).unwrap_or(&0);
            parts.push(format!("{processed} processed by {}", group.name));
        }
    }
    if counts.stage == Stage::ReadingLog {
        parts.push(format!("{} records read back", counts.read_back));
    }
    let waiting = waiting(plan, recorder, counts);
    if !waiting.is_empty() {
        parts.push(format!("waiting for {}", waiting.join("; ")));
    }
    parts
}

/// What a scenario waits for, with the triggers of faults that are to come and
/// how far these are.
pub(crate) fn waiting(
    plan: &ScenarioPlan,
    recorder: &HistoryRecorder,
    counts: &LiveCounts,
) -> Vec<String> {
    let mut waiting = recorder.waits().now();
    if matches!(counts.stage, Stage::Traffic | Stage::Draining) {
        let faults = plan.scenario.faults.iter().zip(0u16..);
        let open = faults.filter(|(_, ix)| !counts.triggered.contains(&FaultIx::new(*ix)));
        waiting.extend(open.map(|(fault, _)| {
            let trigger = trigger_progress(&fault.after, plan, counts);
            format!("{trigger} ({})", fault.kind.name())
        }));
    }
    waiting
}

/// `captured = 1000, 42 so far`.
pub(crate) fn trigger_progress(
    trigger: &Trigger,
    plan: &ScenarioPlan,
    counts: &LiveCounts,
) -> String {
    match trigger {
        Trigger::Acknowledged(count) => {
            format!("acknowledged = {count}, {} so far", counts.acknowledged)
        }
        Trigger::Processed { group, percent } => {
            let known = plan.group_ix(group);
            let processed = known.and_then(|group| counts.processed.get(&group));
            format!(
                "processed = {percent} % by {group}, {} of {} records so far",
                processed.unwrap_or(&0),
                plan.scenario.to_read(group)
            )
        }
        Trigger::Captured(count) => format!("captured = {count}, {} so far", counts.captured),
        Trigger::ElapsedMs(_)
        | Trigger::Injected(_)
        | Trigger::Healed(_)
        | Trigger::InSync { .. } => words::trigger(trigger).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_plans::scenario_plan;

    #[test]
    fn how_far_a_trigger_is_goes_with_it() {
        let plan = scenario_plan("debezium-offset-recovery");
        let counts = LiveCounts {
            captured: 42,
            ..LiveCounts::default()
        };
        let told = trigger_progress(&Trigger::Captured(1000), &plan, &counts);
        assert_eq!(told, "captured = 1000, 42 so far");
    }
}
