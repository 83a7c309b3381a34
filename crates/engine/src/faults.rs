//! Breaking things on purpose: each fault is injected, watched while it lasts,
//! healed, and shown to have landed by evidence that does not rest on the
//! injector's belief. Knows nothing of what the evidence is worth: the judge
//! does.
//!
//! What is broken is healed when a fault is dropped half-way too: children
//! die with their stack, and a proxy that is dropped takes its cut with it.

use std::time::Duration;

use futures_util::future::try_join_all;
use model::event::Body;
use model::ids::{FaultIx, Micros};
use model::plan::ScenarioPlan;
use model::scenario::{BadKey, Fault, FaultKind, Problem};

use self::injection::{Breakable, Broken, FaultContext, Healed, Proof, Result};
use crate::progress::ProgressEvent;
use crate::wait::pass;

mod broker;
mod consumer;
mod held;
pub(crate) mod injection;
mod network;
mod offsets;
mod requests;
mod roles;

/// Carries out all faults of the plan, each at its trigger, whatever the others
/// do. Returns when the last is healed.
pub(crate) async fn carry_out_all(context: &FaultContext<'_>, traffic_began: Micros) -> Result<()> {
    let faults = context.plan.scenario.faults.iter();
    let each = faults.zip(&context.plan.fault_delays_ms).zip(0u16..).map(
        |((fault, delay_ms), ix)| async move {
            context
                .recorder
                .reached(&fault.after, context.plan, traffic_began)
                .await;
            pass(Duration::from_millis(*delay_ms)).await;
            let effect = fault.effect;
            let context = FaultContext { effect, ..*context };
            Box::pin(dispatch(fault, FaultIx::new(ix), &context)).await
        },
    );
    try_join_all(each).await?;
    Ok(())
}

/// Refuses faults that cannot be carried out, before anything starts.
pub(crate) fn check_faults(plan: &ScenarioPlan) -> Result<(), Problem> {
    for (at, fault) in plan.scenario.faults.iter().enumerate() {
        check(&fault.kind, plan.seed).map_err(|(key, message)| {
            Problem::new(["fault".into(), at.into(), key.into()], message)
        })?;
    }
    Ok(())
}

macro_rules! catalogue {
    ($($variant:ident $module:ident)*) => {
        $(mod $module;)*

        fn check(kind: &FaultKind, seed: u64) -> Result<(), BadKey> {
            match kind { $(FaultKind::$variant(it) => it.check(seed)),* }
        }

        async fn dispatch(fault: &Fault, ix: FaultIx, context: &FaultContext<'_>) -> Result<()> {
            match fault.kind.clone() {
                $(FaultKind::$variant(it) => carry_out(ix, fault, it, context).await),*
            }
        }
    };
}

catalogue! {
    BrokerRestart broker_restart
    BrokerPause broker_pause
    BrokerLoss broker_loss
    RollingBounce rolling_bounce
    DiskLoss disk_loss
    DiskFull disk_full
    PowerLoss power_loss
    NetworkCut network_cut
    LinkCut link_cut
    AnswerLost answer_lost
    RequestRefused request_refused
    RequestLate request_late
    SlowNetwork slow_network
    ConsumerRestart consumer_restart
    ConsumerPause consumer_pause
    ConsumerZombie consumer_zombie
    AppRestart app_restart
    AppPause app_pause
    ConnectorRestart connector_restart
    WorkerRestart worker_restart
    Command command
}

async fn carry_out<B: Breakable>(
    ix: FaultIx,
    fault: &Fault,
    breakable: B,
    context: &FaultContext<'_>,
) -> Result<()> {
    let kind = fault.kind.name();
    let for_ms = fault.kind.parameters().lasts_ms();
    let mut proof = Proof::default();
    context.recorder.note(Body::FaultTriggered { fault: ix });
    let mut broken = breakable.inject(context, &mut proof).await?;
    context.recorder.note(Body::FaultInjected { fault: ix });
    context
        .progress
        .send(ProgressEvent::FaultBegan { kind, for_ms });
    let held = broken.hold(context, &mut proof).await;
    // What was seen while it lasted stands, whatever becomes of the rest.
    proof.note(ix, context);
    held?;
    let healed = broken.heal(context, &mut proof).await;
    proof.note(ix, context);
    match healed? {
        Healed::At(mended) => {
            context
                .recorder
                .record(mended, Body::FaultHealed { fault: ix });
            context.progress.send(ProgressEvent::FaultEnded { kind });
        }
        Healed::Not { why } => {
            let said = why.clone();
            context
                .recorder
                .note(Body::FaultNotHealed { fault: ix, why });
            context
                .progress
                .send(ProgressEvent::FaultLeft { kind, why: said });
        }
    }
    Ok(())
}
