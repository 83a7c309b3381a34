//! Breaking things on purpose: each fault is injected, watched while it lasts,
//! healed, and shown to have landed by evidence that does not rest on the
//! injector's belief. Knows nothing of what the evidence is worth: the judge
//! does.
//!
//! What is broken is healed when a fault is dropped half-way too: children
//! die with their stack, and a proxy that is dropped takes its cut with it.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::try_join_all;
use model::event::{Body, Evidence, Found};
use model::ids::{FaultIx, Micros};
use model::plan::ScenarioPlan;
use model::scenario::{BadKey, Effect, Fault, FaultKind, Problem};
use tokio::sync::Mutex;

use crate::database::Database;
use crate::error::EngineError;
use crate::ledger::Ledger;
use crate::progress::{Reporter, Step};
use crate::subjects::Members;
use crate::target::Target;
use crate::wait::pass;

mod broker;
mod consumer;
mod network;
mod offsets;
mod requests;
mod roles;

/// The members of each group, by its `group.id`.
type Groups = BTreeMap<String, Members>;

/// What a fault is carried out on: the parts of a run that it may need.
pub(crate) struct FaultContext<'s> {
    pub(crate) plan: &'s ScenarioPlan,
    pub(crate) target: &'s Target,
    pub(crate) groups: &'s Mutex<Groups>,
    pub(crate) database: Option<&'s Database>,
    pub(crate) ledger: &'s Ledger,
    pub(crate) progress: &'s Reporter,
    /// Whether the fault at hand is really done.
    pub(crate) effect: Effect,
}

/// What comes of a step of a fault.
type Result<T, E = EngineError> = std::result::Result<T, E>;

/// Something that can be broken, and is not yet: the parameters of a fault.
trait Breakable {
    /// The same thing, broken: only that can be healed.
    type Broken: Broken;

    /// What of it could never be carried out, with the key that says so.
    fn check(&self, _seed: u64) -> Result<(), BadKey> {
        Ok(())
    }

    /// Breaks it, and returns once it is broken.
    async fn inject(self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<Self::Broken>;
}

/// Something that is broken.
trait Broken {
    /// Watches it for as long as it is to last.
    async fn hold(&mut self, _: &FaultContext<'_>, _: &mut Proof) -> Result<()> {
        Ok(())
    }

    /// Mends it, and returns once it works again, or once it is known that it
    /// does not.
    async fn heal(self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<Healed>;
}

/// What became of something that was broken, once it was mended.
enum Healed {
    /// It works again, from this moment on at the earliest.
    At(Micros),
    /// It did not come back: that is what the fault led to, and no reason to
    /// give the scenario up.
    Not {
        /// What did not, and how that is known.
        why: String,
    },
}

/// Gathers the observations about one fault: whether it was in force, and what
/// became of what it broke.
#[derive(Default)]
struct Proof {
    observed: Vec<Evidence>,
    aftermath: Vec<Evidence>,
}

impl Proof {
    fn add(&mut self, what: &str, found: bool, detail: impl Into<String>) {
        self.observed.push(Evidence {
            what: what.to_owned(),
            found: if found { Found::Yes } else { Found::No },
            detail: detail.into(),
        });
    }

    /// What became of what it broke. Whether the fault landed does not rest on
    /// this.
    fn after(&mut self, what: &str, found: bool, detail: impl Into<String>) {
        self.aftermath.push(Evidence {
            what: what.to_owned(),
            found: if found { Found::Yes } else { Found::No },
            detail: detail.into(),
        });
    }

    fn extend(&mut self, more: Self) {
        self.observed.extend(more.observed);
        self.aftermath.extend(more.aftermath);
    }

    /// Writes down what was observed so far.
    fn note(&mut self, ix: FaultIx, context: &FaultContext<'_>) {
        for evidence in self.observed.drain(..) {
            let fault = ix;
            context.ledger.note(Body::FaultEvidence { fault, evidence });
        }
        for evidence in self.aftermath.drain(..) {
            let fault = ix;
            context
                .ledger
                .note(Body::FaultAftermath { fault, evidence });
        }
    }
}

/// Carries out all faults of the plan, each at its trigger, whatever the others
/// do. Returns when the last is healed.
pub(crate) async fn carry_out_all(context: &FaultContext<'_>, traffic_began: Micros) -> Result<()> {
    let faults = context.plan.scenario.faults.iter();
    let each = faults.zip(&context.plan.fault_delays_ms).zip(0u16..).map(
        |((fault, delay_ms), ix)| async move {
            context
                .ledger
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
    NetworkCut network_cut
    LinkCut link_cut
    AnswerLost answer_lost
    RequestRefused request_refused
    SlowNetwork slow_network
    ConsumerRestart consumer_restart
    ConsumerPause consumer_pause
    ConsumerZombie consumer_zombie
    ConnectorRestart connector_restart
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
    context.ledger.note(Body::FaultTriggered { fault: ix });
    let mut broken = breakable.inject(context, &mut proof).await?;
    context.ledger.note(Body::FaultInjected { fault: ix });
    context.progress.step(Step::FaultBegan { kind, for_ms });
    let held = broken.hold(context, &mut proof).await;
    // What was seen while it lasted stands, whatever becomes of the rest.
    proof.note(ix, context);
    held?;
    let healed = broken.heal(context, &mut proof).await;
    proof.note(ix, context);
    match healed? {
        Healed::At(mended) => {
            context
                .ledger
                .record(mended, Body::FaultHealed { fault: ix });
            context.progress.step(Step::FaultEnded { kind });
        }
        Healed::Not { why } => {
            let said = why.clone();
            context.ledger.note(Body::FaultNotHealed { fault: ix, why });
            context.progress.step(Step::FaultLeft { kind, why: said });
        }
    }
    Ok(())
}
