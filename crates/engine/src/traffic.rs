//! What goes on beside the traffic: faults, and the following of change topics
//! and replicas. Knows nothing of what the traffic is.

use model::event::{Body, Evidence, Found};
use model::ids::{FaultIx, Micros};
use model::plan::ScenarioPlan;

use crate::database::Database;
use crate::error::EngineError;
use crate::faults::carry_out_all;
use crate::faults::injection::FaultContext;
use crate::observer::replicas::{follow_replicas, has_followers};
use crate::observer::tails::follow_tails;
use crate::recorder::HistoryRecorder;
use crate::status::trigger_progress;
use crate::target::Target;

/// Runs the traffic to its end with the faults beside it. A fault whose
/// trigger was not reached by then never lands; one that is in force is
/// healed first.
pub(crate) async fn with_faults(
    context: &FaultContext<'_>,
    traffic_began: Micros,
    traffic: impl Future<Output = Result<(), EngineError>>,
) -> Result<(), EngineError> {
    let faults = carry_out_all(context, traffic_began);
    tokio::pin!(faults, traffic);
    tokio::select! {
        ended = &mut traffic => {
            ended?;
            if context.recorder.counts().faults_open > 0 {
                tokio::select! {
                    healed = &mut faults => healed?,
                    () = context.recorder.until(|counts| counts.faults_open == 0) => {}
                }
            }
            Ok(())
        }
        healed = &mut faults => {
            healed?;
            traffic.await
        }
    }
}

/// Follows the change topics and their connector, if there are any, while
/// something else goes on.
pub(crate) async fn with_tails(
    plan: &ScenarioPlan,
    target: &Target,
    recorder: &HistoryRecorder,
    database: Option<&Database>,
    rest: impl Future<Output = Result<(), EngineError>>,
) -> Result<(), EngineError> {
    let Some(database) = database else {
        return rest.await;
    };
    let direct = target.direct();
    tokio::select! {
        ended = rest => ended,
        () = database.follow(recorder) => Ok(()),
        () = follow_tails(&direct, plan, recorder) => Ok(()),
    }
}

/// Follows who leads and who is in sync, where there is more than one replica,
/// while something else goes on.
pub(crate) async fn with_replicas(
    plan: &ScenarioPlan,
    target: &Target,
    recorder: &HistoryRecorder,
    rest: impl Future<Output = Result<(), EngineError>>,
) -> Result<(), EngineError> {
    if !has_followers(plan) {
        return rest.await;
    }
    let direct = target.direct();
    tokio::select! {
        ended = rest => ended,
        () = follow_replicas(&direct, plan, recorder) => Ok(()),
    }
}

/// Says of every fault that did not begin what it waited for.
pub(crate) fn note_not_reached(plan: &ScenarioPlan, recorder: &HistoryRecorder) {
    let counts = recorder.counts();
    let faults = plan
        .scenario
        .faults
        .iter()
        .zip(0u16..)
        .map(|(fault, ix)| (fault, FaultIx::new(ix)));
    for (fault, ix) in faults.filter(|(_, ix)| !counts.triggered.contains(ix)) {
        let evidence = Evidence {
            observation: "its trigger was reached".to_owned(),
            found: Found::No,
            detail: format!(
                "{}, when the traffic was over",
                trigger_progress(&fault.after, plan, &counts)
            ),
        };
        recorder.note(Body::FaultEvidence {
            fault: ix,
            evidence,
        });
    }
}
