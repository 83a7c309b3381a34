//! Brokers' processes: ended and started again, frozen, or ended for good.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use model::ids::{TopicName, TopicPartition};
use model::scenario::{BrokerPick, Effect, Election, EndSignal};
use stack::broker::Broker;
use stack::process::{Exit, ProcessSnapshot};
use tokio::time::Instant;
use wire::{BrokerId, Cluster, ElectionType, PartitionMetadata, Topics};

use super::roles::resolve;
use super::{Breakable, Broken, FaultContext, Healed, Proof, Result, is_real};
use crate::error::EngineError;
use crate::observer::{answers, connect};
use crate::wait::{Wait, pass_until};

/// How long a broker that should be silent is given to answer.
const PROBE: Duration = Duration::from_millis(500);
/// How often a frozen process is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);
/// How often leaders are looked at.
const LEADER_INTERVAL: Duration = Duration::from_millis(50);

/// The brokers that a fault is about now.
pub(super) async fn picked(
    context: &FaultContext<'_>,
    pick: &BrokerPick,
    proof: &mut Proof,
) -> Result<Vec<Arc<Broker>>> {
    let numbers = resolve(context, pick, proof).await?;
    numbers
        .into_iter()
        .map(|id| context.target.broker(id))
        .collect()
}

/// The process is no more: shown by the kernel, not by the one who sent the
/// signal.
pub(super) fn prove_gone(proof: &mut Proof, before: ProcessSnapshot) {
    let now = ProcessSnapshot::of(before.pid).ok();
    let alive = now.filter(|now| now.is_same_process(&before) && now.state != 'Z');
    proof.add(
        "the process is gone",
        alive.is_none(),
        alive.map_or_else(
            || format!("there is no process {} any more", before.pid),
            |now| format!("process {} is in state {}", now.pid, now.state),
        ),
    );
}

/// Starts brokers again. One that does not come up is what the fault led to;
/// one that somebody ended or stopped meanwhile is not.
pub(super) async fn start_again(
    brokers: &[Arc<Broker>],
    context: &FaultContext<'_>,
    proof: &mut Proof,
) -> Result<Healed> {
    let starts = brokers.iter().map(|broker| async move {
        let started = broker.service().start().await;
        (broker.id(), started)
    });
    let mut dead = Vec::new();
    for (id, started) in join_all(starts).await {
        match started {
            Ok(started) => proof.after(
                "the broker is ready again",
                true,
                format!("broker {id}: {} ms after its start", started.ready_ms),
            ),
            Err(error) if error.is_by_others() => return Err(error.into()),
            Err(error) => {
                let why = format!("broker {id}: {}", EngineError::from(error).with_causes());
                proof.after("the broker is ready again", false, why.clone());
                dead.push(why);
            }
        }
    }
    if dead.is_empty() {
        return Ok(Healed::At(context.ledger.clock().now()));
    }
    let why = dead.join("; ");
    Ok(Healed::Not { why })
}

/// Whether a JVM, which turns SIGTERM into an exit of its own, ended so.
/// (128 + 15: the convention of shells, which the JVM follows.)
fn ended_by(signal: EndSignal, exit: Exit) -> bool {
    match signal {
        EndSignal::Term => matches!(exit, Exit::Code(0 | 143) | Exit::Signal(15)),
        EndSignal::Kill => exit == Exit::Signal(9),
    }
}

/// Ends a broker's process, and proves that it ended by the signal.
pub(super) async fn end(broker: &Broker, signal: EndSignal, proof: &mut Proof) -> Result<()> {
    let service = broker.service();
    let stopped = match signal {
        EndSignal::Term => service.stop(Wait::BrokerEnd.fixed()).await?,
        EndSignal::Kill => service.kill().await?,
    };
    proof.add(
        &format!("the process ended by {}", signal.name()),
        ended_by(signal, stopped.exit),
        format!(
            "broker {}: {}, after {} ms",
            broker.id(),
            stopped.exit,
            stopped.took_ms
        ),
    );
    Ok(())
}

/// Nobody answers where a broker listened.
async fn prove_silent(broker: &Broker, proof: &mut Proof) {
    let address = broker.direct_addr().to_string();
    let answer = answers(&address, PROBE).await;
    proof.add(
        "nobody answers on the broker's port",
        answer.is_err(),
        answer.map_or_else(
            |error| format!("broker {}: {error}", broker.id()),
            |()| format!("broker {} answered", broker.id()),
        ),
    );
}

/// To be ended, kept down, and started again on the same data.
pub(super) struct Restart {
    pub(super) broker: BrokerPick,
    pub(super) signal: EndSignal,
    pub(super) down_ms: u64,
    pub(super) effect: Effect,
}

pub(super) struct Down {
    brokers: Vec<(Arc<Broker>, ProcessSnapshot)>,
    until: Instant,
    effect: Effect,
}

impl Breakable for Restart {
    type Broken = Down;

    async fn inject(self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<Down> {
        let mut brokers = Vec::new();
        for broker in picked(context, &self.broker, proof).await? {
            let before = broker.service().snapshot()?;
            brokers.push((broker, before));
        }
        if is_real(self.effect) {
            let ends = brokers.iter().map(|(broker, _)| async {
                let mut proof = Proof::default();
                end(broker, self.signal, &mut proof).await?;
                Ok::<_, EngineError>(proof)
            });
            for ended in try_join_all(ends).await? {
                proof.extend(ended);
            }
        }
        Ok(Down {
            brokers,
            until: Instant::now() + Duration::from_millis(self.down_ms),
            effect: self.effect,
        })
    }
}

impl Broken for Down {
    async fn hold(&mut self, _: &FaultContext<'_>, proof: &mut Proof) -> Result<()> {
        for (broker, before) in &self.brokers {
            prove_gone(proof, *before);
            prove_silent(broker, proof).await;
        }
        pass_until(self.until).await;
        Ok(())
    }

    async fn heal(self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<Healed> {
        if !is_real(self.effect) {
            return Ok(Healed::At(context.ledger.clock().now()));
        }
        let brokers: Vec<_> = self.brokers.into_iter().map(|(broker, _)| broker).collect();
        start_again(&brokers, context, proof).await
    }
}

/// To be frozen and continued.
pub(super) struct Pause {
    pub(super) broker: BrokerPick,
    pub(super) for_ms: u64,
    pub(super) effect: Effect,
}

pub(super) struct Frozen {
    brokers: Vec<Arc<Broker>>,
    until: Instant,
    effect: Effect,
}

impl Breakable for Pause {
    type Broken = Frozen;

    async fn inject(self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<Frozen> {
        let brokers = picked(context, &self.broker, proof).await?;
        if is_real(self.effect) {
            for broker in &brokers {
                broker.service().pause().await?;
            }
        }
        Ok(Frozen {
            brokers,
            until: Instant::now() + Duration::from_millis(self.for_ms),
            effect: self.effect,
        })
    }
}

impl Broken for Frozen {
    async fn hold(&mut self, _: &FaultContext<'_>, proof: &mut Proof) -> Result<()> {
        for broker in &self.brokers {
            let address = broker.direct_addr().to_string();
            let answer = answers(&address, PROBE).await;
            proof.add(
                "the broker does not answer",
                answer.is_err(),
                answer.map_or_else(
                    |error| format!("broker {}: {error}", broker.id()),
                    |()| format!("broker {} answered", broker.id()),
                ),
            );
        }
        let (mut looks, mut stopped) = (0u32, 0u32);
        loop {
            for broker in &self.brokers {
                looks += 1;
                stopped += u32::from(broker.service().snapshot()?.state == 'T');
            }
            let next = Instant::now() + LOOK_INTERVAL;
            if next >= self.until {
                break;
            }
            pass_until(next).await;
        }
        let mut processes = Vec::new();
        for broker in &self.brokers {
            processes.push(broker.service().pid()?.to_string());
        }
        proof.add(
            "the process state is T (stopped) all the while",
            looks == stopped,
            format!(
                "{stopped} of {looks} looks at process {}",
                processes.join(", ")
            ),
        );
        pass_until(self.until).await;
        Ok(())
    }

    async fn heal(self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<Healed> {
        // Nothing passed before; the answer to this may come before the proof.
        let mended = context.ledger.clock().now();
        if is_real(self.effect) {
            for broker in &self.brokers {
                let after = broker.service().resume().await?;
                proof.after(
                    "the process goes on",
                    after.state != 'T',
                    format!("process {} is in state {}", after.pid, after.state),
                );
            }
        }
        Ok(Healed::At(mended))
    }
}

/// To be ended and never started again.
pub(super) struct Loss {
    pub(super) broker: BrokerPick,
    pub(super) election: Election,
    pub(super) effect: Effect,
}

pub(super) struct Gone {
    brokers: Vec<Arc<Broker>>,
    /// What they led when they went.
    led: Vec<TopicPartition>,
    election: Election,
    effect: Effect,
}

impl Breakable for Loss {
    type Broken = Gone;

    async fn inject(self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<Gone> {
        let brokers = picked(context, &self.broker, proof).await?;
        let ids: Vec<BrokerId> = brokers.iter().map(|it| id(it)).collect();
        let mut cluster = connect(&context.target.direct()).await?;
        let mut led = Vec::new();
        for (partition, state) in states(&mut cluster, context).await? {
            if state.leader.is_some_and(|leader| ids.contains(&leader)) {
                led.push(partition);
            }
        }
        if is_real(self.effect) {
            for broker in &brokers {
                end(broker, EndSignal::Kill, proof).await?;
            }
        }
        Ok(Gone {
            brokers,
            led,
            election: self.election,
            effect: self.effect,
        })
    }
}

impl Broken for Gone {
    async fn hold(&mut self, _: &FaultContext<'_>, proof: &mut Proof) -> Result<()> {
        for broker in &self.brokers {
            prove_silent(broker, proof).await;
        }
        Ok(())
    }

    async fn heal(self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<Healed> {
        let gone: Vec<BrokerId> = self.brokers.iter().map(|it| id(it)).collect();
        let mut cluster = connect(&context.target.direct()).await?;
        // A cluster without a rule that lets others lead stays leaderless; then
        // this was no plan for it.
        let waiting = match self.effect {
            Effect::Real => context.ledger.waits().begin(Wait::Takeover, ""),
            Effect::None => context
                .ledger
                .waits()
                .begin_for(Wait::Takeover, "", Duration::ZERO),
        };
        let mut elected = 0u32;
        let led_by_others = loop {
            let now = states(&mut cluster, context).await?;
            let orphans: Vec<TopicPartition> = now
                .iter()
                .filter(|(_, state)| state.leader.is_none_or(|leader| gone.contains(&leader)))
                .map(|(partition, _)| partition.clone())
                .collect();
            if orphans.is_empty() || waiting.is_over() {
                break orphans.is_empty();
            }
            let leaderless: Vec<TopicPartition> = now
                .into_iter()
                .filter(|(_, state)| state.leader.is_none())
                .map(|(partition, _)| partition)
                .collect();
            if self.election == Election::Unclean && !leaderless.is_empty() {
                let outcomes = cluster
                    .elect_leaders(ElectionType::Unclean, &leaderless)
                    .await?;
                for (partition, outcome) in outcomes {
                    if outcome.is_ok() {
                        elected += 1;
                        proof.add(
                            "the operator's unclean election was carried out",
                            true,
                            partition.to_string(),
                        );
                    }
                }
            }
            waiting.pause(LEADER_INTERVAL).await;
        };
        let led: Vec<String> = self.led.iter().map(ToString::to_string).collect();
        proof.after(
            "every partition has a leader among the others",
            led_by_others,
            format!(
                "it led {}; {elected} elections were forced",
                if led.is_empty() {
                    "nothing".to_owned()
                } else {
                    led.join(", ")
                }
            ),
        );
        Ok(Healed::At(context.ledger.clock().now()))
    }
}

fn id(broker: &Broker) -> BrokerId {
    BrokerId::new(i32::from(broker.id()))
}

/// Every partition of the plan's topics, as the metadata has it now.
pub(super) async fn states(
    cluster: &mut Cluster,
    context: &FaultContext<'_>,
) -> Result<Vec<(TopicPartition, PartitionMetadata)>> {
    let names: Vec<TopicName> = context
        .plan
        .topics()
        .iter()
        .map(|topic| TopicName::new(topic.name.as_str()))
        .collect();
    let metadata = cluster.metadata(Topics::Named(&names)).await?;
    Ok(metadata
        .topics
        .into_iter()
        .flat_map(|found| {
            let topic = found.topic;
            found
                .partitions
                .unwrap_or_default()
                .into_iter()
                .map(move |state| {
                    let partition = TopicPartition {
                        topic: topic.clone(),
                        partition: state.partition,
                    };
                    (partition, state)
                })
        })
        .collect())
}
