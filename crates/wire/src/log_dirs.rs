//! The size of logs on the disks of one broker. Knows nothing of leaders.

use std::collections::BTreeMap;

use kafka_protocol::messages::DescribeLogDirsRequest;
use kafka_protocol::messages::describe_log_dirs_request::DescribableLogDirTopic;
use model::ids::{PartitionIndex, TopicName, TopicPartition};

use crate::connection::Connection;
use crate::error::{ErrorCode, WireError};
use crate::metadata::wire_topic;

impl Connection {
    /// The bytes of this broker's replica of each partition; one that it does not hold, or
    /// holds in a directory that is offline, is left out.
    ///
    /// # Errors
    /// [`WireError`], of which `Refused` without the right to describe the cluster.
    pub async fn log_sizes(
        &mut self,
        partitions: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, u64>, WireError> {
        let version = self.version::<DescribeLogDirsRequest>(1..=4)?;
        let mut topics: BTreeMap<&TopicName, Vec<i32>> = BTreeMap::new();
        for asked in partitions {
            let of_topic = topics.entry(&asked.topic).or_default();
            of_topic.push(asked.partition.get());
        }
        let topics = topics.into_iter().map(|(name, partitions)| {
            DescribableLogDirTopic::default()
                .with_topic(wire_topic(name))
                .with_partitions(partitions)
        });
        let request = DescribeLogDirsRequest::default().with_topics(Some(topics.collect()));
        let answer = self.call(&request, version).await?;
        self.check::<DescribeLogDirsRequest>("its log directories", answer.error_code, None)?;
        let mut sizes = BTreeMap::new();
        for dir in answer.results {
            if ErrorCode::check(dir.error_code).is_err() {
                continue;
            }
            for topic in dir.topics {
                // A replica that moves between directories is there twice.
                for log in topic.partitions.iter().filter(|it| !it.is_future_key) {
                    let place = TopicPartition {
                        topic: TopicName::new(topic.name.as_str()),
                        partition: PartitionIndex::new(log.partition_index),
                    };
                    sizes.insert(place, u64::try_from(log.partition_size).unwrap_or(0));
                }
            }
        }
        Ok(sizes)
    }
}
