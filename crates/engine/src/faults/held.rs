//! Brokers that a fault has a hold over: processes of the stack, or containers of the user's;
//! and what ends, freezes, starts and shows one. Knows nothing of how long that lasts.

use std::path::Path;
use std::sync::Arc;

use futures_util::future::join_all;
use model::scenario::{BrokerPick, EndSignal};
use stack::broker::LocalBroker;
use stack::process::ProcessSnapshot;
use wire::BrokerId;

use super::broker::{self, LOOK_INTERVAL, PROBE};
use super::injection::{FaultContext, Healed, Proof, Result};
use super::roles::find;
use crate::connect::answers;
use crate::containers::{Breaking, ContainerBroker, ContainerState};
use crate::error::EngineError;
use crate::unhealed::Unhealed;
use crate::wait::Wait;

/// 128 and the signal's number, as the engine tells how a process ended.
const KILLED: i32 = 137;
const TERMINATED: i32 = 143;

/// A broker that can be ended or frozen.
pub(super) enum HeldBroker {
    /// A process of the stack.
    Process(Arc<LocalBroker>),
    /// A container of the user's, and what puts it back once it is broken.
    Container(Box<ContainerBroker>, Option<Box<Unhealed>>),
}

/// How it was before.
pub(super) enum Before {
    Process(ProcessSnapshot),
    Container(ContainerState),
}

/// The brokers that a fault is about now.
pub(super) async fn held(
    context: &FaultContext<'_>,
    pick: &BrokerPick,
    proof: &mut Proof,
) -> Result<Vec<HeldBroker>> {
    let Some(containers) = context.target.containers() else {
        let brokers = broker::picked(context, pick, proof).await?;
        return Ok(brokers.into_iter().map(HeldBroker::Process).collect());
    };
    let picked = match pick {
        BrokerPick::All => return Ok(containers.iter().map(held_container).collect()),
        // The ids of a cluster of the user's may begin anywhere.
        BrokerPick::Number(number) => containers.get(usize::from(*number).saturating_sub(1)),
        role => {
            let id = find(context, role, proof).await?;
            containers.iter().find(|it| it.id() == id.get())
        }
    };
    let picked = picked.ok_or_else(|| EngineError::Lacking {
        what: format!("a container that is {}", pick.words()),
    })?;
    Ok(vec![held_container(picked)])
}

fn held_container(broker: &ContainerBroker) -> HeldBroker {
    HeldBroker::Container(Box::new(broker.clone()), None)
}

impl HeldBroker {
    /// Its node id.
    pub(super) fn id(&self) -> BrokerId {
        BrokerId::new(match self {
            Self::Process(broker) => i32::from(broker.id()),
            Self::Container(broker, _) => broker.id(),
        })
    }

    /// How it is now.
    pub(super) async fn before(&self) -> Result<Before> {
        Ok(match self {
            Self::Process(broker) => Before::Process(broker.service().snapshot()?),
            Self::Container(broker, _) => Before::Container(broker.state().await?),
        })
    }

    /// Ends it, and proves that it ended by the signal.
    pub(super) async fn end(
        &mut self,
        signal: EndSignal,
        folder: &Path,
        proof: &mut Proof,
    ) -> Result<()> {
        let (broker, unhealed) = match self {
            Self::Process(broker) => return broker::end(broker, signal, proof).await,
            Self::Container(broker, unhealed) => (broker, unhealed),
        };
        let started_at = broker.state().await?.started_at;
        let to_restore = broker.to_restore(Breaking::Ends { started_at });
        *unhealed = Some(Box::new(Unhealed::note_container(folder, to_restore)?));
        let ended = match signal {
            EndSignal::Term => broker.stop().await?,
            EndSignal::Kill => broker.kill().await?,
        };
        let state = ended.state;
        let is_by = match signal {
            EndSignal::Term => [0, TERMINATED].contains(&state.exit_code),
            EndSignal::Kill => state.exit_code == KILLED,
        };
        proof.add(
            &format!("the container ended by {}", signal.name()),
            !state.running && is_by,
            format!(
                "broker {}: {} is {}, exit code {}, after {} ms",
                broker.id(),
                broker.name(),
                state.status,
                state.exit_code,
                ended.took_ms
            ),
        );
        Ok(())
    }

    /// Its process is no more: by the kernel's word, or the container engine's.
    pub(super) async fn prove_gone(&self, before: &Before, proof: &mut Proof) -> Result<()> {
        match (self, before) {
            (Self::Container(broker, _), Before::Container(before)) => {
                let now = broker.state().await?;
                proof.add(
                    "the container's process is gone",
                    !now.running || now.started_at != before.started_at,
                    format!(
                        "{} is {}; process {}, started at {}, {}",
                        broker.name(),
                        now.status,
                        before.pid,
                        before.started_at,
                        if now.pid == before.pid {
                            "is there"
                        } else {
                            "is gone"
                        },
                    ),
                );
            }
            (_, Before::Process(before)) => broker::prove_gone(proof, &[*before]),
            (Self::Process(_), Before::Container(_)) => {}
        }
        Ok(())
    }

    /// It does not answer.
    pub(super) async fn prove_silent(
        &self,
        what: &str,
        context: &FaultContext<'_>,
        proof: &mut Proof,
    ) {
        match self {
            Self::Process(broker) => broker::prove_silent(what, broker, proof).await,
            Self::Container(broker, _) => {
                let security = context.target.direct().security;
                let answer = answers(&broker.advertised(), &security, PROBE).await;
                proof.add(
                    what,
                    answer.is_err(),
                    answer.map_or_else(
                        |error| format!("broker {}: {error}", broker.id()),
                        |()| format!("broker {} answered", broker.id()),
                    ),
                );
            }
        }
    }

    /// Freezes it.
    pub(super) async fn freeze(&mut self, folder: &Path) -> Result<()> {
        match self {
            Self::Process(broker) => {
                broker.service().pause().await?;
            }
            Self::Container(broker, unhealed) => {
                let to_restore = broker.to_restore(Breaking::Pauses);
                *unhealed = Some(Box::new(Unhealed::note_container(folder, to_restore)?));
                broker.pause().await?;
            }
        }
        Ok(())
    }

    /// Whether it stands still, and what its process is.
    pub(super) async fn is_frozen(&self) -> Result<(bool, u32)> {
        Ok(match self {
            Self::Process(broker) => {
                let now = broker.service().snapshot()?;
                (now.state == 'T', now.pid)
            }
            Self::Container(broker, _) => {
                let now = broker.state().await?;
                (now.paused, now.pid)
            }
        })
    }

    /// The evidence for that.
    pub(super) fn frozen_words(&self) -> &'static str {
        match self {
            Self::Process(_) => "the process state is T (stopped) all the while",
            Self::Container(..) => "the container is paused all the while",
        }
    }

    /// Lets it continue; what went wrong, if it does not.
    pub(super) async fn resume(&mut self, proof: &mut Proof) -> Result<Option<String>> {
        match self {
            Self::Process(broker) => {
                broker::prove_continued(proof, broker.service().resume().await?);
            }
            Self::Container(broker, unhealed) => {
                if let Some(unhealed) = unhealed.take()
                    && let Err(error) = unhealed.heal().await
                {
                    return Ok(Some(format!("broker {}: {error}", broker.id())));
                }
                let now = broker.state().await?;
                proof.after(
                    "the container continues",
                    now.running && !now.paused,
                    format!("{} is {}, process {}", broker.name(), now.status, now.pid),
                );
            }
        }
        Ok(None)
    }
}

/// Starts brokers again. One that does not come up is what the fault led to.
pub(super) async fn start_again(
    brokers: &mut [HeldBroker],
    context: &FaultContext<'_>,
    proof: &mut Proof,
) -> Result<Healed> {
    let (mut processes, mut containers) = (Vec::new(), Vec::new());
    for held in brokers {
        match held {
            HeldBroker::Process(broker) => processes.push(Arc::clone(broker)),
            HeldBroker::Container(broker, unhealed) => {
                containers.push(restarted(broker, unhealed.take(), context));
            }
        }
    }
    let mut dead = Vec::new();
    for (what, is_ready) in join_all(containers).await {
        proof.after("the broker is ready again", is_ready, what.clone());
        if !is_ready {
            dead.push(what);
        }
    }
    let healed = broker::start_again(&processes, context, proof).await?;
    if dead.is_empty() {
        return Ok(healed);
    }
    let why = dead.join("; ");
    Ok(Healed::Not { why })
}

/// Starts a container, and waits until its broker answers; what came of it.
async fn restarted(
    broker: &ContainerBroker,
    unhealed: Option<Box<Unhealed>>,
    context: &FaultContext<'_>,
) -> (String, bool) {
    let id = broker.id();
    let started = async {
        if let Some(unhealed) = unhealed {
            unhealed.heal().await.map_err(|error| error.to_string())?;
        }
        broker.locate().await.map_err(|error| error.to_string())?;
        let waiting = context
            .recorder
            .waits()
            .begin(Wait::Restored, broker.name());
        let security = context.target.direct().security;
        loop {
            match answers(&broker.advertised(), &security, PROBE).await {
                Ok(()) => break,
                Err(_) if waiting.pause(LOOK_INTERVAL).await => {}
                Err(error) => return Err(error.to_string()),
            }
        }
        broker.state().await.map_err(|error| error.to_string())
    };
    match started.await {
        Ok(now) => {
            let name = broker.name();
            let (pid, at) = (now.pid, now.started_at);
            (
                format!("broker {id}: {name} runs as process {pid}, started at {at}"),
                true,
            )
        }
        Err(why) => (format!("broker {id}: {why}"), false),
    }
}
