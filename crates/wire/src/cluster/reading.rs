//! The contents of partitions: their begin and end, and their batches, from their leaders
//! or from one replica.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka_protocol::messages::{FetchRequest, ListOffsetsRequest};
use kafka_protocol::protocol::Request;
use model::ids::{BrokerId, Offset, TopicPartition};

use super::Cluster;
use super::retry::{Retry, retried};
use crate::error::{ApiKey, ErrorCode, WireError};
use crate::fetch::{FetchOptions, FetchPosition, FetchedPartition};
use crate::list_offsets::{OffsetSpec, ReplicaEnds};

impl Cluster {
    /// The offset that `spec` names, as each partition's leader says.
    ///
    /// # Errors
    /// [`WireError`], also when a single partition has no answer.
    pub async fn list_offsets(
        &mut self,
        partitions: &[TopicPartition],
        spec: OffsetSpec,
    ) -> Result<BTreeMap<TopicPartition, Offset>, WireError> {
        retried!(self, self.list_offsets_once(partitions, spec).await)
    }

    /// The offset that `spec` names, as one replica says; of a follower only
    /// [`OffsetSpec::LogStart`] and [`OffsetSpec::LogEnd`] can be asked.
    ///
    /// # Errors
    /// [`WireError`], also when a single partition has no answer.
    pub(crate) async fn list_offsets_of(
        &mut self,
        replica: BrokerId,
        partitions: &[TopicPartition],
        spec: OffsetSpec,
    ) -> Result<BTreeMap<TopicPartition, Offset>, WireError> {
        retried!(self, self.list_offsets_at(replica, partitions, spec).await)
    }

    /// Where this broker's replica of the partition begins and ends.
    ///
    /// # Errors
    /// [`WireError`] when the broker cannot be asked, or holds no replica.
    pub async fn replica_ends(
        &mut self,
        replica: BrokerId,
        partition: &TopicPartition,
    ) -> Result<ReplicaEnds, WireError> {
        retried!(self, self.replica_ends_once(replica, partition).await)
    }

    /// Fetches from each partition's leader. Where a partition's error is
    /// transient, all are asked again: nothing of a fetch is lost by that.
    /// [`FetchPosition::topic_id`] is filled in from the metadata where absent.
    ///
    /// # Errors
    /// [`WireError`]; a lasting error of a single partition stands in its place.
    pub async fn fetch(
        &mut self,
        positions: &[FetchPosition],
        options: &FetchOptions,
    ) -> Result<Vec<FetchedPartition>, WireError> {
        retried!(self, self.fetch_once(positions, options).await)
    }

    /// Fetches from one replica, leader or not. A follower answers only where
    /// `options` name a rack, were it an empty one.
    ///
    /// # Errors
    /// [`WireError`]; a lasting error of a single partition stands in its place.
    pub(crate) async fn fetch_from(
        &mut self,
        replica: BrokerId,
        positions: &[FetchPosition],
        options: &FetchOptions,
    ) -> Result<Vec<FetchedPartition>, WireError> {
        retried!(self, self.fetch_at(replica, positions, options).await)
    }

    pub(super) async fn list_offsets_once(
        &mut self,
        partitions: &[TopicPartition],
        spec: OffsetSpec,
    ) -> Result<BTreeMap<TopicPartition, Offset>, WireError> {
        self.learn_routes(partitions).await?;
        let mut by_leader: BTreeMap<BrokerId, Vec<TopicPartition>> = BTreeMap::new();
        for partition in partitions {
            by_leader
                .entry(self.leader(partition)?)
                .or_default()
                .push(partition.clone());
        }
        let mut offsets = BTreeMap::new();
        for (leader, partitions) in by_leader {
            offsets.extend(self.list_offsets_at(leader, &partitions, spec).await?);
        }
        Ok(offsets)
    }

    async fn list_offsets_at(
        &mut self,
        replica: BrokerId,
        partitions: &[TopicPartition],
        spec: OffsetSpec,
    ) -> Result<BTreeMap<TopicPartition, Offset>, WireError> {
        let connection = self.reach_broker(replica).await?;
        let listed = connection.list_offsets(partitions, spec).await?;
        listed
            .into_iter()
            .map(|(partition, offset)| match offset {
                Ok(offset) => Ok((partition, offset)),
                Err(code) => {
                    let subject = partition.to_string();
                    Err(connection.refused::<ListOffsetsRequest>(subject, code.into()))
                }
            })
            .collect()
    }

    async fn replica_ends_once(
        &mut self,
        replica: BrokerId,
        partition: &TopicPartition,
    ) -> Result<ReplicaEnds, WireError> {
        let partitions = std::slice::from_ref(partition);
        let refused = |code: ErrorCode| WireError::Refused {
            api: ApiKey(FetchRequest::KEY),
            broker: format!("broker {replica}"),
            subject: partition.to_string(),
            source: code.into(),
        };
        let listed = |offsets: BTreeMap<TopicPartition, Offset>| {
            let offset = offsets.get(partition).copied();
            offset.ok_or_else(|| refused(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION))
        };
        let log_start = self
            .list_offsets_at(replica, partitions, OffsetSpec::LogStart)
            .await
            .and_then(listed)?;
        // Only a fetch tells the high watermark of a follower.
        let position = FetchPosition {
            partition: partition.clone(),
            topic_id: None,
            offset: log_start,
            bytes_max: 1,
        };
        let options = FetchOptions {
            max_wait: Duration::ZERO,
            bytes_max: 1,
            rack: Some(String::new()),
            ..FetchOptions::default()
        };
        let fetched = self.fetch_at(replica, &[position], &options).await?;
        let slice = fetched
            .into_iter()
            .find(|it| it.partition == *partition)
            .ok_or_else(|| refused(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION))?
            .slice
            .map_err(refused)?;
        // Last, so that it cannot be behind the high watermark.
        let log_end = self
            .list_offsets_at(replica, partitions, OffsetSpec::LogEnd)
            .await
            .and_then(listed)?;
        Ok(ReplicaEnds {
            log_start: slice.log_start.max(log_start),
            high_watermark: slice.high_watermark,
            log_end,
        })
    }

    async fn fetch_once(
        &mut self,
        positions: &[FetchPosition],
        options: &FetchOptions,
    ) -> Result<Vec<FetchedPartition>, WireError> {
        let partitions: Vec<_> = positions.iter().map(|p| p.partition.clone()).collect();
        self.learn_routes(&partitions).await?;
        let mut by_leader: BTreeMap<BrokerId, Vec<FetchPosition>> = BTreeMap::new();
        for position in positions {
            by_leader
                .entry(self.leader(&position.partition)?)
                .or_default()
                .push(position.clone());
        }
        let mut fetched = Vec::with_capacity(positions.len());
        for (leader, positions) in by_leader {
            fetched.extend(self.fetch_at(leader, &positions, options).await?);
        }
        Ok(fetched)
    }

    async fn fetch_at(
        &mut self,
        replica: BrokerId,
        positions: &[FetchPosition],
        options: &FetchOptions,
    ) -> Result<Vec<FetchedPartition>, WireError> {
        let partitions: Vec<_> = positions.iter().map(|p| p.partition.clone()).collect();
        self.learn_routes(&partitions).await?;
        let mut positions = positions.to_vec();
        for position in &mut positions {
            if position.topic_id.is_none() {
                position.topic_id = self
                    .routes
                    .get(&position.partition)
                    .and_then(|route| route.topic_id);
            }
        }
        let connection = self.reach_broker(replica).await?;
        let fetched = connection.fetch(&positions, options).await?;
        for partition in &fetched {
            if let Err(code) = partition.slice
                && code.is_retriable()
            {
                let subject = partition.partition.to_string();
                return Err(connection.refused::<FetchRequest>(subject, code.into()));
            }
        }
        Ok(fetched)
    }
}
