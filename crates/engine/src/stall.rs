//! How long a stage may go without a step forward, by the scenario's own times;
//! a stage that goes on for longer ends it.

use std::time::Duration;

use model::plan::ScenarioPlan;
use model::scenario::{Config, Scenario, Trigger};
use tokio::time::Instant;

use crate::alerts::quiet_time;
use crate::error::EngineError;
use crate::recorder::HistoryRecorder;
use crate::stage::Stage;
use crate::status::status_line;
use crate::wait::beat;

/// How often steps are looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// `transaction.timeout.ms` where a scenario does not say, in both clients.
const TRANSACTION_TIMEOUT_MS: u64 = 60_000;

/// How late the coordinator may notice that a transaction has timed out
/// (`transaction.abort.timed.out.transaction.cleanup.interval.ms` is 10 s), and
/// how long the markers may take.
const NOTICE_MS: u64 = 20_000;

/// How long the coordinator may take to end what a member left open when it
/// was killed.
pub(crate) fn transaction_close_limit(scenario: &Scenario) -> Duration {
    let timeouts = scenario.transforms.iter().map(|transform| {
        let timeout_ms = transform.producer_config.get("transaction.timeout.ms");
        let timeout_ms = timeout_ms.and_then(|ms| ms.parse().ok());
        timeout_ms.unwrap_or(TRANSACTION_TIMEOUT_MS)
    });
    Duration::from_millis(timeouts.max().unwrap_or(0) + NOTICE_MS)
}

/// How long clients have for a record where it is not set: 5 minutes in
/// librdkafka.
const DELIVERY_TIMEOUT_MS: u64 = 300_000;

/// How long a stage may go without a step forward: longer than any wait in it
/// may take.
pub(crate) fn patience(stage: Stage, plan: &ScenarioPlan, outstanding: bool) -> Duration {
    let scenario = &plan.scenario;
    let ms = Duration::from_millis;
    let drain = ms(scenario.drain_timeout_ms);
    let base = stage.patience();
    match stage {
        Stage::Starting | Stage::ReadingLog | Stage::Stopping | Stage::CleaningUp => base,
        Stage::Preparing => {
            let rows: u64 = scenario.writes.iter().map(|write| write.rows).sum();
            base + ms(rows)
        }
        Stage::Traffic => {
            let delivery = if outstanding {
                scenario.producers.iter().map(delivery_of).max()
            } else {
                None
            };
            base + planned_time(plan) + drain + ms(delivery.unwrap_or(0))
        }
        Stage::Draining => {
            let rounds = u32::try_from(scenario.transforms.len()).unwrap_or(u32::MAX);
            let closing = transaction_close_limit(scenario);
            let rounds = rounds.saturating_add(u32::from(scenario.app.is_some()));
            base + planned_time(plan) + drain + (drain + closing).saturating_mul(rounds)
        }
    }
}

fn delivery_of(producer: &model::scenario::Producer) -> u64 {
    let set = |config: &Config, key: &str| config.get(key).and_then(|ms| ms.parse::<u64>().ok());
    ["delivery.timeout.ms", "librdkafka.message.timeout.ms"]
        .iter()
        .find_map(|key| set(&producer.config, key))
        .unwrap_or(DELIVERY_TIMEOUT_MS)
}

/// The longest time in which nothing need happen by the plan itself.
pub(crate) fn planned_time(plan: &ScenarioPlan) -> Duration {
    let faults = &plan.scenario.faults;
    let elapsed = |trigger: &Trigger| match trigger {
        Trigger::ElapsedMs(ms) => *ms,
        _ => 0,
    };
    let of_faults = faults.iter().zip(&plan.fault_delays_ms);
    let of_faults = of_faults.map(|(fault, delay_ms)| {
        let times = [
            elapsed(&fault.after),
            *delay_ms,
            fault.pause_ms,
            fault.kind.parameters().limit_ms().unwrap_or(0),
        ];
        times.iter().fold(0u64, |sum, ms| sum.saturating_add(*ms))
    });
    let of_writes = plan.scenario.writes.iter();
    let of_writes = of_writes.flat_map(|write| write.after.iter().chain(&write.commit_after));
    let of_writes = of_writes.map(elapsed);
    let longest = Duration::from_millis(of_faults.chain(of_writes).max().unwrap_or(0));
    longest.max(quiet_time(plan))
}

/// Returns when a stage has gone for too long without a step forward: what it
/// waited for, and how far it was.
pub(crate) async fn stalled(plan: &ScenarioPlan, recorder: &HistoryRecorder) -> EngineError {
    let mut looks = beat(LOOK_INTERVAL);
    let mut last = None;
    loop {
        let now = Instant::now();
        let counts = recorder.counts();
        let (steps, since) = last.unwrap_or((counts.steps, now));
        if counts.steps == steps {
            let patience = patience(counts.stage, plan, counts.outstanding() > 0);
            if now.duration_since(since) >= patience {
                return EngineError::Stalled {
                    limit_s: patience.as_secs(),
                    so_far: status_line(plan, recorder, &counts),
                };
            }
            last = Some((steps, since));
        } else {
            last = Some((counts.steps, now));
        }
        looks.tick().await;
    }
}

#[cfg(test)]
mod tests {
    use model::scenario::EMBEDDED;

    use super::*;
    use crate::test_plans::scenario_plan;
    use crate::wait::{Limit, Wait};

    /// A stage is only given up when whatever it waits for has been given up.
    #[test]
    fn a_stage_has_more_patience_than_any_wait_in_it() {
        let longest = Wait::ALL.iter().filter_map(|wait| match wait.limit() {
            Limit::Fixed(limit) => Some(limit),
            Limit::Planned(_) => None,
        });
        let longest = longest.max().unwrap();
        for (name, _) in EMBEDDED {
            let plan = scenario_plan(name);
            let drain = Duration::from_millis(plan.scenario.drain_timeout_ms);
            for stage in [Stage::Traffic, Stage::Draining] {
                let patience = patience(stage, &plan, false);
                assert!(patience > longest + planned_time(&plan), "{name}");
                assert!(patience > drain + planned_time(&plan), "{name}");
            }
            let outstanding = patience(Stage::Traffic, &plan, true);
            let delivery = plan.scenario.producers.iter().map(delivery_of).max();
            let delivery = Duration::from_millis(delivery.unwrap_or(0));
            assert!(outstanding > delivery + planned_time(&plan), "{name}");
        }
        assert!(Stage::Starting.patience() > Wait::Ready.fixed());
        assert!(Stage::ReadingLog.patience() > Wait::Replicas.fixed());
    }
}
