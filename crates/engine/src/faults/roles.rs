//! Which broker has a role at this moment. Knows nothing of what is done to
//! it.

use std::time::Duration;

use model::ids::{GroupId, PartitionIndex, TopicName};
use model::scenario::BrokerPick;
use wire::{BrokerId, Cluster, PartitionMetadata, Topics, TransactionalId};

use super::injection::{FaultContext, Proof, Result};
use crate::connect::connect;
use crate::error::EngineError;
use crate::wait::Wait;

const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// Finds the brokers of ours that a fault is about, and notes how they were
/// found.
pub(super) async fn resolve(
    context: &FaultContext<'_>,
    pick: &BrokerPick,
    proof: &mut Proof,
) -> Result<Vec<u8>> {
    let own = || context.plan.scenario.topology.brokers;
    if *pick == BrokerPick::All {
        return Ok((1..=own()).collect());
    }
    let id = find(context, pick, proof).await?;
    match u8::try_from(id.get()) {
        Ok(number) => Ok(vec![number]),
        Err(_) => Err(EngineError::Lacking {
            what: format!("broker {id} to have a hold over"),
        }),
    }
}

/// Finds the one broker that a fault is about, of ours or of the user's, and notes how
/// it was found.
pub(super) async fn find(
    context: &FaultContext<'_>,
    pick: &BrokerPick,
    proof: &mut Proof,
) -> Result<BrokerId> {
    if let BrokerPick::Number(number) = pick {
        return Ok(BrokerId::new(i32::from(*number)));
    }
    // During an election no broker plays it.
    let waiting = context.recorder.waits().begin(Wait::Role, pick.words());
    let mut cluster = connect(&context.target.direct()).await?;
    loop {
        if let Some((id, seen)) = broker_in_role(&mut cluster, pick).await? {
            proof.add("who plays the part is known", true, seen);
            return Ok(id);
        }
        waiting.pause_or_fail(LOOK_INTERVAL).await?;
    }
}

async fn broker_in_role(
    cluster: &mut Cluster,
    pick: &BrokerPick,
) -> Result<Option<(BrokerId, String)>> {
    Ok(match pick {
        BrokerPick::Number(_) | BrokerPick::All => None,
        BrokerPick::Leader { topic, partition } => {
            let found = state_of(cluster, topic, *partition).await?;
            found.and_then(|state| {
                let leader = state.leader?;
                let epoch = state.leader_epoch.unwrap_or(-1);
                let seen = format!("broker {leader} led {topic}/{partition} in epoch {epoch}");
                Some((leader, seen))
            })
        }
        BrokerPick::Follower { topic, partition } => {
            let found = state_of(cluster, topic, *partition).await?;
            found.and_then(|state| {
                let leader = state.leader?;
                let mut followers: Vec<BrokerId> = state.isr;
                followers.retain(|id| *id != leader);
                let follower = followers.into_iter().min()?;
                let seen =
                    format!("broker {follower} followed broker {leader} in {topic}/{partition}");
                Some((follower, seen))
            })
        }
        BrokerPick::Controller => {
            let quorum = cluster.describe_quorum().await?;
            let leader = quorum.leader;
            let epoch = quorum.leader_epoch;
            let seen = format!("broker {leader} led the controllers in epoch {epoch}");
            Some((leader, seen))
        }
        BrokerPick::GroupCoordinator { group } => {
            let id = GroupId::new(group.as_str());
            let found = cluster.find_coordinator(&id).await?;
            let seen = format!("broker {} coordinated group {group}", found.id);
            Some((found.id, seen))
        }
        BrokerPick::TransactionCoordinator { transactional_id } => {
            let id = TransactionalId::new(transactional_id.as_str());
            let found = cluster.find_transaction_coordinator(&id).await?;
            let seen = format!(
                "broker {} coordinated the transactions of {transactional_id}",
                found.id
            );
            Some((found.id, seen))
        }
    })
}

/// What the metadata says of one partition.
pub(super) async fn state_of(
    cluster: &mut Cluster,
    topic: &str,
    partition: i32,
) -> Result<Option<PartitionMetadata>> {
    let name = TopicName::new(topic);
    let metadata = cluster
        .metadata(Topics::Named(std::slice::from_ref(&name)))
        .await?;
    Ok(metadata
        .topics
        .into_iter()
        .find(|found| found.topic == name)
        .and_then(|found| found.partitions.ok())
        .into_iter()
        .flatten()
        .find(|found| found.partition == PartitionIndex::new(partition)))
}
