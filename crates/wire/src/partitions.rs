//! Leaders and replicas of partitions: elections and reassignments. Knows nothing of
//! partitions' contents.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka_protocol::messages::alter_partition_reassignments_request::{
    ReassignablePartition, ReassignableTopic,
};
use kafka_protocol::messages::elect_leaders_request::TopicPartitions;
use kafka_protocol::messages::{
    AlterPartitionReassignmentsRequest, BrokerId as WireBrokerId, ElectLeadersRequest,
};
use model::ids::{BrokerId, PartitionIndex, TopicName, TopicPartition};

use crate::connection::{Connection, wire_ms};
use crate::error::{Refusal, WireError};
use crate::metadata::wire_topic;

/// How a leader is chosen (KIP-460).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElectionType {
    /// The first of the assigned replicas, if it is in sync.
    Preferred,
    /// Any replica alive, where there is no leader: records that it lacks are lost.
    Unclean,
}

impl ElectionType {
    fn to_wire(self) -> i8 {
        match self {
            Self::Preferred => 0,
            Self::Unclean => 1,
        }
    }
}

impl Connection {
    /// Elects leaders, and says for each partition whether that was done:
    /// [`crate::ErrorCode::ELECTION_NOT_NEEDED`] where the leader is as it
    /// would be. Any broker can be asked; it forwards to the controllers.
    ///
    /// # Errors
    /// [`WireError`] when there was no answer: leaders may then be elected.
    pub async fn elect_leaders(
        &mut self,
        election: ElectionType,
        partitions: &[TopicPartition],
        wait: Duration,
    ) -> Result<BTreeMap<TopicPartition, Result<(), Refusal>>, WireError> {
        // Version 1 brings the type of election.
        let version = self.version::<ElectLeadersRequest>(1..=2)?;
        let topics = by_topic(partitions).into_iter().map(|(topic, partitions)| {
            TopicPartitions::default()
                .with_topic(wire_topic(topic))
                .with_partitions(partitions)
        });
        let request = ElectLeadersRequest::default()
            .with_election_type(election.to_wire())
            .with_topic_partitions(Some(topics.collect()))
            .with_timeout_ms(wire_ms(wait));
        let answer = self.call_waiting(&request, version, wait).await?;
        self.check::<ElectLeadersRequest>("the election", answer.error_code, None)?;
        let mut outcomes = BTreeMap::new();
        for topic in answer.replica_election_results {
            for row in topic.partition_result {
                let place = TopicPartition {
                    topic: TopicName::new(topic.topic.as_str()),
                    partition: PartitionIndex::new(row.partition_id),
                };
                outcomes.insert(place, Refusal::check(row.error_code, row.error_message));
            }
        }
        self.complete::<ElectLeadersRequest, _, _>(version, partitions, outcomes)
    }

    /// Assigns a partition to these replicas, the preferred leader first. The
    /// broker answers when the controller has taken note, or after `wait`.
    ///
    /// # Errors
    /// [`WireError`], of which `Refused` where there is no such partition or
    /// broker; without an answer the partition may have been reassigned.
    pub async fn reassign_partition(
        &mut self,
        partition: &TopicPartition,
        replicas: &[BrokerId],
        wait: Duration,
    ) -> Result<(), WireError> {
        let version = self.version::<AlterPartitionReassignmentsRequest>(0..=0)?;
        let replicas = replicas.iter().map(|id| WireBrokerId(id.get())).collect();
        let row = ReassignablePartition::default()
            .with_partition_index(partition.partition.get())
            .with_replicas(Some(replicas));
        let topic = ReassignableTopic::default()
            .with_name(wire_topic(&partition.topic))
            .with_partitions(vec![row]);
        let request = AlterPartitionReassignmentsRequest::default()
            .with_topics(vec![topic])
            .with_timeout_ms(wire_ms(wait));
        let answer = self.call_waiting(&request, version, wait).await?;
        let rows = answer.responses.into_iter().flat_map(|it| it.partitions);
        let all = [(answer.error_code, answer.error_message)];
        let each = rows.map(|row| (row.error_code, row.error_message));
        for (code, message) in all.into_iter().chain(each) {
            self.check::<AlterPartitionReassignmentsRequest>(partition, code, message)?;
        }
        Ok(())
    }
}

/// As requests list partitions.
pub(crate) fn by_topic(partitions: &[TopicPartition]) -> BTreeMap<&TopicName, Vec<i32>> {
    let mut topics: BTreeMap<&TopicName, Vec<i32>> = BTreeMap::new();
    for place in partitions {
        topics
            .entry(&place.topic)
            .or_default()
            .push(place.partition.get());
    }
    topics
}
