//! Where a partition begins and ends. Knows nothing of leaders.

use std::collections::BTreeMap;

use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{BrokerId as WireBrokerId, ListOffsetsRequest};
use model::event::Isolation;
use model::ids::{Offset, PartitionIndex, TopicName, TopicPartition};

use crate::connection::Connection;
use crate::error::{ErrorCode, WireError};
use crate::metadata::wire_topic;

/// Which offset of a partition is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetSpec {
    /// The log start: the first offset still held.
    Earliest,
    /// The log start of the replica asked. A follower answers this too.
    LogStart,
    /// The end that a consumer of this isolation sees: the high watermark, or
    /// the last stable offset.
    Latest(Isolation),
    /// The end of the log of the replica asked, whether replicated or not. A
    /// follower answers this too.
    LogEnd,
}

impl OffsetSpec {
    fn timestamp(self) -> i64 {
        match self {
            Self::Earliest | Self::LogStart => -2,
            Self::Latest(_) | Self::LogEnd => -1,
        }
    }

    /// Kafka answers -2, its "debugging" consumer, from any replica and without hiding
    /// records that are not yet replicated (`ListOffsetsRequest.DEBUGGING_REPLICA_ID`).
    fn replica_id(self) -> WireBrokerId {
        match self {
            Self::Earliest | Self::Latest(_) => WireBrokerId(-1),
            Self::LogStart | Self::LogEnd => WireBrokerId(-2),
        }
    }

    fn isolation(self) -> Isolation {
        match self {
            Self::Latest(isolation) => isolation,
            Self::Earliest | Self::LogStart | Self::LogEnd => Isolation::ReadUncommitted,
        }
    }
}

/// Where one replica of a partition begins and ends, by its own account. A
/// follower hears of the high watermark with its next fetch, so that its own
/// may be lower than its leader's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicaEnds {
    /// The first offset that it holds.
    pub log_start: Offset,
    /// How far it lets consumers read.
    pub high_watermark: Offset,
    /// The end of its log, replicated or not.
    pub log_end: Offset,
}

/// The offset asked for, or why the broker cannot say.
pub type ListedOffset = Result<Offset, ErrorCode>;

impl Connection {
    /// The offset that `spec` names, for each partition.
    ///
    /// # Errors
    /// [`WireError`]; an error of a single partition stands in its place.
    pub async fn list_offsets(
        &mut self,
        partitions: &[TopicPartition],
        spec: OffsetSpec,
    ) -> Result<BTreeMap<TopicPartition, ListedOffset>, WireError> {
        // Version 2 brings the isolation level.
        let version = self.version::<ListOffsetsRequest>(2..=10)?;
        let mut topics: BTreeMap<&TopicName, Vec<ListOffsetsPartition>> = BTreeMap::new();
        for asked in partitions {
            topics.entry(&asked.topic).or_default().push(
                ListOffsetsPartition::default()
                    .with_partition_index(asked.partition.get())
                    .with_current_leader_epoch(-1)
                    .with_timestamp(spec.timestamp()),
            );
        }
        let topics = topics.into_iter().map(|(name, partitions)| {
            ListOffsetsTopic::default()
                .with_name(wire_topic(name))
                .with_partitions(partitions)
        });
        let request = ListOffsetsRequest::default()
            .with_replica_id(spec.replica_id())
            .with_isolation_level(wire_isolation(spec.isolation()))
            .with_topics(topics.collect());
        let answer = self.call(&request, version).await?;
        let mut offsets = BTreeMap::new();
        for topic in answer.topics {
            for partition in topic.partitions {
                let place = TopicPartition {
                    topic: TopicName::new(topic.name.as_str()),
                    partition: PartitionIndex::new(partition.partition_index),
                };
                let listed =
                    ErrorCode::check(partition.error_code).map(|()| Offset::new(partition.offset));
                offsets.insert(place, listed);
            }
        }
        self.complete::<ListOffsetsRequest, _, _>(version, partitions, offsets)
    }
}

pub(crate) fn wire_isolation(isolation: Isolation) -> i8 {
    i8::from(isolation == Isolation::ReadCommitted)
}
