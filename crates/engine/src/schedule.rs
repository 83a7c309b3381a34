//! The scenarios of a run, several at once: in which order they begin, and how
//! each ended. Knows nothing of how one is carried out.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::task::Poll;

use model::plan::{RunPlan, ScenarioPlan};
use model::scenario::{BrokerRestart, EndSignal, FaultKind};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::error::EngineError;
use crate::panics::caught;
use crate::progress::{Progress, Reporter};
use crate::recording::End;
use crate::run::run_recorded;
use crate::settings::Settings;

/// How many scenarios with one broker a scenario with several stands for.
const CLUSTER_SLOTS: u32 = 2;

/// How long PostgreSQL and Connect take until the first event, about, beside others.
const CAPTURE_MS: u64 = 8000;

/// How long a part takes to come back after a fault, about.
const RECOVERY_MS: u64 = 3000;

/// How long a broker that was killed is kept out, about: `broker.session.timeout.ms`.
const KILLED_BROKER_MS: u64 = 9000;

/// Rows of a bulk load that are captured in a millisecond, about.
const ROWS_PER_MS: u64 = 20;

/// Carries out a run, and says how each scenario of the plan ended. Each
/// leaves its evidence in its own folder of `settings.out`.
///
/// When `interrupt` becomes true, scenarios that run are given up: what they
/// broke is healed, nothing of theirs is left running, and their histories
/// are closed as they are. Scenarios that have not begun do not begin.
pub async fn run(
    plan: &RunPlan,
    settings: &Settings,
    progress: &UnboundedSender<Progress>,
    interrupt: watch::Receiver<bool>,
) -> Vec<End> {
    let slots = &settings.slots;
    let mut running = JoinSet::new();
    for index in by_length(plan) {
        let Some(scenario) = plan.scenarios.get(index).cloned() else {
            continue;
        };
        let weight = weight_of(&scenario, slots.count);
        // The semaphore is fair to those that are polled: this puts them into the order of
        // `by_length`, which spawned tasks do not keep.
        let mut slot = Box::pin(Arc::clone(&slots.free).acquire_many_owned(weight));
        let at_once = poll_fn(|context| Poll::Ready(slot.as_mut().poll(context))).await;
        let settings = settings.clone();
        let reporter = Reporter::new(index, settings.secrets(&scenario), progress);
        let mut interrupt = interrupt.clone();
        running.spawn(async move {
            let slot = async {
                match at_once {
                    Poll::Ready(slot) => slot,
                    Poll::Pending => slot.await,
                }
            };
            let begun = tokio::select! {
                biased;
                _ = interrupt.wait_for(|yes| *yes) => None,
                slot = slot => slot.ok(),
            };
            let end = match begun {
                Some(_slot) => {
                    let run = Box::pin(run_recorded(&scenario, &settings, &reporter, interrupt));
                    let end = caught(async { Ok(run.await) }).await;
                    end.unwrap_or_else(|error| End::Failed { error })
                }
                None => End::Interrupted,
            };
            (index, end)
        });
    }
    let mut ends: BTreeMap<usize, End> = BTreeMap::new();
    while let Some(joined) = running.join_next().await {
        if let Ok((index, end)) = joined {
            ends.insert(index, end);
        }
    }
    (0..plan.scenarios.len())
        .map(|index| {
            ends.remove(&index).unwrap_or_else(|| End::Failed {
                error: EngineError::Broken("a scenario's task broke off".to_owned()),
            })
        })
        .collect()
}

/// The longest first, so that none starts when the others are done.
fn by_length(plan: &RunPlan) -> Vec<usize> {
    let mut order: Vec<usize> = (0..plan.scenarios.len()).collect();
    order.sort_by_key(|index| {
        let scenario = plan.scenarios.get(*index);
        scenario.map(|it| std::cmp::Reverse((expected_ms(it), it.scenario.name.clone())))
    });
    order
}

/// How long a scenario takes, about: its schedule and what it waits for.
fn expected_ms(plan: &ScenarioPlan) -> u64 {
    let scenario = &plan.scenario;
    let capture_ms = match scenario.capture {
        Some(_) => CAPTURE_MS,
        None => 0,
    };
    let recovery_ms = scenario.faults.iter().map(|fault| match &fault.kind {
        FaultKind::BrokerRestart(BrokerRestart {
            signal: EndSignal::Kill,
            ..
        })
        | FaultKind::DiskLoss(_)
        | FaultKind::PowerLoss(_) => KILLED_BROKER_MS,
        _ => RECOVERY_MS,
    });
    let rows: u64 = scenario.writes.iter().map(|write| write.rows).sum();
    plan.schedule_ms() + capture_ms + recovery_ms.sum::<u64>() + rows / ROWS_PER_MS
}

/// How many of the places a scenario takes: a cluster is heavier than a broker,
/// and clusters that starve each other would elect leaders without a kill.
fn weight_of(plan: &ScenarioPlan, jobs: NonZeroUsize) -> u32 {
    let weight = if plan.scenario.topology.brokers > 1 {
        CLUSTER_SLOTS
    } else {
        1
    };
    u32::try_from(jobs.get()).unwrap_or(weight).min(weight)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use std::collections::BTreeMap;

    use model::ids::RunId;
    use model::scenario::{embedded, parse};

    use super::*;

    #[test]
    fn what_takes_long_begins_first() {
        let names = [
            "multiple-consumers",
            "consumer-restart",
            "broker-kill",
            "pipeline-end-to-end",
            "debezium-restart-bulk",
        ];
        let scenarios = names.map(|name| parse(name, embedded(name).unwrap()).unwrap());
        let plan = RunPlan::new(RunId::new(1), 1, BTreeMap::new(), &scenarios, 1);
        let order = by_length(&plan);
        let ordered: Vec<&str> = order
            .iter()
            .map(|index| plan.scenarios[*index].scenario.name.as_str())
            .collect();
        assert_eq!(
            ordered,
            [
                "debezium-restart-bulk",
                "pipeline-end-to-end",
                "broker-kill",
                "consumer-restart",
                "multiple-consumers",
            ]
        );
    }
}
