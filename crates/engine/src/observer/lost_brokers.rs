//! Partitions that cannot be read as they are, because a broker is gone for
//! good: without a leader, or with fewer replicas in sync than
//! `min.insync.replicas`, so that the leader confirms nothing any more. Knows
//! nothing of what stands in them.

use std::time::Duration;

use model::ids::TopicName;
use wire::{ConfigValue, PartitionMetadata, Topics};

use super::{NamedPartition, Observer, latest};
use crate::error::EngineError;
use crate::wait::Wait;

/// How long a partition that cannot be asked for its end is tried again.
const ASK_LIMIT: Duration = Duration::from_secs(2);
const CONFIRM_INTERVAL: Duration = Duration::from_millis(50);

const MIN_IN_SYNC: &str = "min.insync.replicas";

impl Observer {
    /// The partitions whose leader tells where they end: all of them, unless
    /// the plan has brokers go for good.
    pub(super) async fn reachable(&mut self) -> Result<Vec<NamedPartition>, EngineError> {
        let places = self.places();
        if !self.loses_brokers {
            return Ok(places);
        }
        let mut reachable = Vec::new();
        for place in places {
            self.recorder.step();
            let led = self
                .state_of(&place)
                .await?
                .is_some_and(|state| state.leader.is_some());
            if led && self.answers_its_end(&place).await {
                reachable.push(place);
            }
        }
        Ok(reachable)
    }

    async fn answers_its_end(&mut self, place: &NamedPartition) -> bool {
        let patience = self.cluster.retry_for();
        self.cluster.set_retry_for(ASK_LIMIT);
        let names = std::slice::from_ref(&place.name);
        let answered = self.cluster.list_offsets(names, latest()).await.is_ok();
        self.cluster.set_retry_for(patience);
        answered
    }

    /// Lets leaders confirm what their replicas have, where a broker is gone
    /// for good and too few replicas are left for `min.insync.replicas`: after
    /// all traffic, and as an operator would, each such partition is reassigned
    /// to the replicas that are left. No more can be asked for in sync than
    /// there are, so the leader confirms what these have. Without that no reader
    /// could read what stands behind the last confirmed offset.
    pub(super) async fn confirm_rest(&mut self) -> Result<(), EngineError> {
        if !self.loses_brokers {
            return Ok(());
        }
        for place in self.places() {
            self.recorder.step();
            let Some(state) = self.state_of(&place).await? else {
                continue;
            };
            let Some(leader) = state.leader else {
                continue;
            };
            let left = state.isr.len();
            if left == state.replicas.len() || left >= self.wanted_in_sync(&place).await? {
                continue;
            }
            let mut replicas = state.isr;
            replicas.sort_by_key(|id| *id != leader);
            self.cluster
                .reassign_partition(&place.name, &replicas)
                .await?;
            self.await_confirmed(&place).await?;
        }
        Ok(())
    }

    /// The topic's `min.insync.replicas`, as it is in force.
    async fn wanted_in_sync(&mut self, place: &NamedPartition) -> Result<usize, EngineError> {
        let entries = self
            .cluster
            .describe_topic_configs(&place.name.topic)
            .await?;
        Ok(match entries.get(MIN_IN_SYNC).map(|entry| &entry.value) {
            Some(ConfigValue::Known(value)) => value.parse().unwrap_or(1),
            _ => 1,
        })
    }

    /// Waits until a partition's leader has confirmed all that it holds.
    async fn await_confirmed(&mut self, place: &NamedPartition) -> Result<(), EngineError> {
        let waiting = self
            .recorder
            .waits()
            .begin(Wait::HighWatermark, &place.name);
        loop {
            let leader = self.state_of(place).await?.and_then(|state| state.leader);
            let Some(leader) = leader else { break };
            let ends = self.cluster.replica_ends(leader, &place.name).await?;
            let confirmed = ends.high_watermark >= ends.log_end;
            if confirmed || !waiting.pause(CONFIRM_INTERVAL).await {
                break;
            }
        }
        Ok(())
    }

    async fn state_of(
        &mut self,
        place: &NamedPartition,
    ) -> Result<Option<PartitionMetadata>, EngineError> {
        let all = self.partitions_of(&place.name.topic).await?;
        let mut all = all.into_iter();
        Ok(all.find(|state| state.partition == place.name.partition))
    }

    async fn partitions_of(
        &mut self,
        topic: &TopicName,
    ) -> Result<Vec<PartitionMetadata>, EngineError> {
        let asked = Topics::Named(std::slice::from_ref(topic));
        let found = self.cluster.metadata(asked).await?.topics.into_iter();
        Ok(found
            .flat_map(|it| it.partitions.unwrap_or_default())
            .collect())
    }
}
