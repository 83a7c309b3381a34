//! Breaking things on purpose: each fault is injected, watched while it lasts,
//! healed, and shown to have landed by evidence that does not rest on the
//! injector's belief. Knows nothing of what the evidence is worth: the judge
//! does.
//!
//! What is broken is healed when a fault is dropped half-way too: children
//! die with their stack, and a proxy that is dropped takes its cut with it.

use std::collections::BTreeMap;
use std::time::Duration;

use model::event::{Body, Evidence, Found};
use model::ids::{FaultIx, Micros};
use model::plan::ScenarioPlan;
use model::scenario::{Effect, Fault, FaultKind};
use tokio::sync::Mutex;

use crate::database::Database;
use crate::error::EngineError;
use crate::ledger::Ledger;
use crate::progress::{Reporter, Step};
use crate::subjects::Members;
use crate::target::Target;

mod broker;
mod connector;
mod consumer;
mod disk;
mod network;
mod zombie;

/// Where faults happen.
pub(crate) struct Site<'s> {
    pub(crate) plan: &'s ScenarioPlan,
    pub(crate) target: &'s Target,
    pub(crate) groups: &'s Mutex<BTreeMap<String, Members>>,
    pub(crate) database: Option<&'s Database>,
    pub(crate) ledger: &'s Ledger,
    pub(crate) progress: &'s Reporter,
}

/// Something that can be broken, and is not yet.
trait Breakable {
    /// The same thing, broken: only that can be healed.
    type Broken: Broken;

    /// Breaks it, and returns once it is broken.
    async fn inject(self, site: &Site<'_>, proof: &mut Proof) -> Result<Self::Broken, EngineError>;
}

/// Something that is broken.
trait Broken {
    /// Watches it for as long as it is to last.
    async fn hold(&mut self, site: &Site<'_>, proof: &mut Proof) -> Result<(), EngineError>;

    /// Mends it, and returns once it works again: with the moment from which
    /// it may have.
    async fn heal(self, site: &Site<'_>, proof: &mut Proof) -> Result<Micros, EngineError>;
}

/// Gathers the observations about one fault.
#[derive(Default)]
struct Proof {
    observed: Vec<Evidence>,
}

impl Proof {
    fn add(&mut self, what: &str, found: bool, detail: impl Into<String>) {
        self.observed.push(Evidence {
            what: what.to_owned(),
            found: if found { Found::Yes } else { Found::No },
            detail: detail.into(),
        });
    }
}

/// Carries out all faults of the plan, one after the other, each at its
/// trigger. Returns when the last is healed.
pub(crate) async fn carry_out_all(
    site: &Site<'_>,
    traffic_began: Micros,
) -> Result<(), EngineError> {
    let records = site.plan.scenario.records();
    for ((fault, delay_ms), ix) in site
        .plan
        .scenario
        .faults
        .iter()
        .zip(&site.plan.fault_delays_ms)
        .zip(0u16..)
    {
        site.ledger
            .wait_for(&fault.after, records, traffic_began, |group| {
                site.plan.group_ix(group)
            })
            .await;
        // The delay is the plan's own, not a wait for something to happen.
        tokio::time::sleep(Duration::from_millis(*delay_ms)).await;
        dispatch(fault, FaultIx::new(ix), site).await?;
    }
    Ok(())
}

async fn dispatch(fault: &Fault, ix: FaultIx, site: &Site<'_>) -> Result<(), EngineError> {
    let effect = fault.effect;
    let lasts = |for_ms: u64| Some(for_ms);
    match &fault.kind {
        FaultKind::BrokerRestart {
            broker,
            signal,
            down_ms,
        } => {
            let breakable = broker::Restart::of(site, *broker, *signal, *down_ms, effect)?;
            carry_out(ix, fault, lasts(*down_ms), breakable, site).await
        }
        FaultKind::BrokerPause { broker, for_ms } => {
            let breakable = broker::Pause::of(site, *broker, *for_ms, effect)?;
            carry_out(ix, fault, lasts(*for_ms), breakable, site).await
        }
        FaultKind::DiskLoss { broker, topic } => {
            let breakable = disk::Loss::of(site, *broker, topic, effect)?;
            carry_out(ix, fault, None, breakable, site).await
        }
        FaultKind::NetworkCut { for_ms, onset } => {
            let breakable = network::Cut::new(*for_ms, *onset, effect);
            carry_out(ix, fault, lasts(*for_ms), breakable, site).await
        }
        FaultKind::ConsumerRestart {
            group,
            member,
            signal,
            down_ms,
        } => {
            let breakable = consumer::Restart::new(group, *member, *signal, *down_ms, effect);
            carry_out(ix, fault, lasts(*down_ms), breakable, site).await
        }
        FaultKind::ConsumerZombie {
            group,
            member,
            for_ms,
        } => {
            let breakable = zombie::Zombie::new(group, *member, *for_ms, effect);
            carry_out(ix, fault, lasts(*for_ms), breakable, site).await
        }
        FaultKind::ConnectorRestart { tasks } => {
            let breakable = connector::Restart::of(site, *tasks, effect)?;
            carry_out(ix, fault, None, breakable, site).await
        }
    }
}

async fn carry_out<B: Breakable>(
    ix: FaultIx,
    fault: &Fault,
    for_ms: Option<u64>,
    breakable: B,
    site: &Site<'_>,
) -> Result<(), EngineError> {
    let kind = fault.kind.name();
    let mut proof = Proof::default();
    site.ledger.note(Body::FaultTriggered { fault: ix });
    let mut broken = breakable.inject(site, &mut proof).await?;
    site.ledger.note(Body::FaultInjected { fault: ix });
    site.progress.step(Step::FaultBegan { kind, for_ms });
    broken.hold(site, &mut proof).await?;
    let mended = broken.heal(site, &mut proof).await?;
    site.ledger.record(mended, Body::FaultHealed { fault: ix });
    site.progress.step(Step::FaultEnded { kind });
    for evidence in proof.observed {
        site.ledger.note(Body::FaultEvidence {
            fault: ix,
            evidence,
        });
    }
    Ok(())
}

/// Whether the effect is really wanted.
fn is_real(effect: Effect) -> bool {
    effect == Effect::Real
}
