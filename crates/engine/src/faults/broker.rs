//! What faults of brokers' processes have in common: which brokers they are about,
//! and what ends, starts and shows one.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use model::ids::{TopicName, TopicPartition};
use model::scenario::{BrokerPick, EndSignal};
use stack::broker::LocalBroker;
use stack::process::{Exit, ProcessSnapshot};
use wire::{ClientSecurity, Cluster, PartitionMetadata, Topics};

use super::injection::{FaultContext, Healed, Proof, Result};
use super::roles::resolve;
use crate::connect::{answers, connect};
use crate::error::EngineError;
use crate::wait::Wait;

/// How long a broker is given to answer.
pub(super) const PROBE: Duration = Duration::from_millis(500);
/// How often replicas are looked at.
pub(super) const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// The brokers that a fault is about now.
pub(super) async fn picked(
    context: &FaultContext<'_>,
    pick: &BrokerPick,
    proof: &mut Proof,
) -> Result<Vec<Arc<LocalBroker>>> {
    let numbers = resolve(context, pick, proof).await?;
    numbers
        .into_iter()
        .map(|id| context.target.broker(id))
        .collect()
}

/// The one broker whose disk a fault is about now.
pub(super) async fn picked_one(
    context: &FaultContext<'_>,
    pick: &BrokerPick,
    proof: &mut Proof,
) -> Result<Arc<LocalBroker>> {
    let brokers = picked(context, pick, proof).await?;
    let lacking = || EngineError::Lacking {
        what: "broker to take a disk from".to_owned(),
    };
    brokers.into_iter().next().ok_or_else(lacking)
}

/// The process is no more: shown by the kernel, not by the one who sent the
/// signal.
pub(super) fn prove_gone(proof: &mut Proof, before: &[ProcessSnapshot]) {
    let now = before.iter().find_map(|before| {
        let now = ProcessSnapshot::of(before.pid).ok()?;
        (now.is_same_process(before) && now.state != 'Z').then_some(now)
    });
    let pids: Vec<String> = before.iter().map(|it| it.pid.to_string()).collect();
    proof.add(
        "the process is gone",
        now.is_none(),
        match now {
            Some(now) => format!("process {} is in state {}", now.pid, now.state),
            None => format!("there is no process {} any more", pids.join(", ")),
        },
    );
}

/// Starts brokers again. One that does not come up is what the fault led to;
/// one that was ended or stopped meanwhile is not.
pub(super) async fn start_again(
    brokers: &[Arc<LocalBroker>],
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
        return Ok(Healed::At(context.recorder.clock().now()));
    }
    let why = dead.join("; ");
    Ok(Healed::Not { why })
}

/// Whether a JVM, which turns SIGTERM into an exit of its own, ended so.
/// (128 + 15: the convention of shells, which the JVM follows.)
pub(super) fn ended_by(signal: EndSignal, exit: Exit) -> bool {
    match signal {
        EndSignal::Term => matches!(exit, Exit::Code(0 | 143) | Exit::Signal(15)),
        EndSignal::Kill => exit == Exit::Signal(9),
    }
}

/// A process that was frozen is not any more.
pub(super) fn prove_continued(proof: &mut Proof, after: ProcessSnapshot) {
    proof.after(
        "the process continues",
        after.state != 'T',
        format!("process {} is in state {}", after.pid, after.state),
    );
}

/// Ends a broker's process, and proves that it ended by the signal.
pub(super) async fn end(broker: &LocalBroker, signal: EndSignal, proof: &mut Proof) -> Result<()> {
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

/// A broker's port does not answer.
pub(super) async fn prove_silent(what: &str, broker: &LocalBroker, proof: &mut Proof) {
    let address = broker.direct_addr().to_string();
    let answer = answers(&address, &ClientSecurity::default(), PROBE).await;
    proof.add(
        what,
        answer.is_err(),
        answer.map_or_else(
            |error| format!("broker {}: {error}", broker.id()),
            |()| format!("broker {} answered", broker.id()),
        ),
    );
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

/// Waits until every replica of the plan's topics is in sync; says whether it
/// came to that.
pub(super) async fn wait_in_sync(context: &FaultContext<'_>) -> Result<bool> {
    let waiting = context.recorder.waits().begin(Wait::InSync, "");
    let mut cluster = connect(&context.target.direct()).await?;
    loop {
        let now = states(&mut cluster, context).await?;
        let whole = now
            .iter()
            .all(|(_, state)| state.leader.is_some() && state.isr.len() == state.replicas.len());
        if whole && !now.is_empty() {
            return Ok(true);
        }
        if !waiting.pause(LOOK_INTERVAL).await {
            return Ok(false);
        }
    }
}
