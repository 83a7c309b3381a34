//! The replicas of a topic's partitions: who leads, who is in sync, who may be
//! elected without loss; and elections. Knows nothing of what they hold.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka_protocol::messages::alter_partition_reassignments_request::{
    ReassignablePartition, ReassignableTopic,
};
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::describe_topic_partitions_request::{Cursor, TopicRequest};
use kafka_protocol::messages::describe_topic_partitions_response::DescribeTopicPartitionsResponsePartition;
use kafka_protocol::messages::elect_leaders_request::TopicPartitions;
use kafka_protocol::messages::{
    AlterPartitionReassignmentsRequest, BrokerId as WireBrokerId, CreatePartitionsRequest,
    DescribeTopicPartitionsRequest, ElectLeadersRequest,
};
use model::ids::{PartitionIndex, TopicName, TopicPartition};

use crate::connection::{Connection, wire_ms};
use crate::error::{Refusal, WireError};
use crate::metadata::{BrokerId, PartitionMetadata, wire_topic};

/// How many partitions one answer may describe; the Java client's limit.
const PARTITIONS_PER_ANSWER: i32 = 2000;

/// Replicas that may be elected leader although they are not in sync, since
/// they are known to hold everything below the high watermark (KIP-966).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EligibleLeaders {
    /// Those that may be elected.
    pub eligible: Vec<BrokerId>,
    /// Those that were, and since restarted uncleanly.
    pub last_known: Vec<BrokerId>,
}

/// A partition's replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionReplicas {
    /// Its number.
    pub partition: PartitionIndex,
    /// Its leader, if it has one.
    pub leader: Option<BrokerId>,
    /// Grows with every election.
    pub leader_epoch: i32,
    /// Every assigned replica, the preferred leader first.
    pub replicas: Vec<BrokerId>,
    /// The replicas in sync.
    pub isr: Vec<BrokerId>,
    /// The replicas whose broker, or whose disk, is not there.
    pub offline: Vec<BrokerId>,
    /// Empty lists where `eligible.leader.replicas.version` is off, too;
    /// `None` where the broker is too old to be asked.
    pub eligible_leaders: Option<EligibleLeaders>,
}

/// How a leader is chosen (KIP-460).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElectionType {
    /// The first of the assigned replicas, if it is in sync.
    Preferred,
    /// Any replica alive, where there is no leader: what it lacks is lost.
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
    /// The replicas of the topic's partitions, by number, as this broker knows
    /// them: a little later than the controllers (KIP-966).
    ///
    /// # Errors
    /// [`WireError`], of which `Refused` for an unknown topic.
    pub async fn describe_partitions(
        &mut self,
        topic: &TopicName,
    ) -> Result<Vec<PartitionReplicas>, WireError> {
        let version = self.version::<DescribeTopicPartitionsRequest>(0..=0)?;
        let mut described = Vec::new();
        let mut cursor = None;
        loop {
            let request = DescribeTopicPartitionsRequest::default()
                .with_topics(vec![TopicRequest::default().with_name(wire_topic(topic))])
                .with_response_partition_limit(PARTITIONS_PER_ANSWER)
                .with_cursor(cursor);
            let answer = self.call(&request, version).await?;
            let Some(found) = answer.topics.into_iter().next() else {
                let reason = format!("nothing about {topic}");
                return Err(self.undecodable::<DescribeTopicPartitionsRequest>(version, reason));
            };
            Refusal::check(found.error_code, None).map_err(|source| {
                self.refused::<DescribeTopicPartitionsRequest>(topic.to_string(), source)
            })?;
            let before = described.len();
            described.extend(found.partitions.into_iter().map(replicas));
            let next = answer.next_cursor.filter(|it| it.partition_index >= 0);
            match next {
                // An answer that leads nowhere would be asked for ever.
                Some(next) if described.len() > before => {
                    let next = Cursor::default()
                        .with_topic_name(next.topic_name)
                        .with_partition_index(next.partition_index);
                    cursor = Some(next);
                }
                _ => break,
            }
        }
        described.sort_by_key(|it| it.partition);
        Ok(described)
    }

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
        Refusal::check(answer.error_code, None)
            .map_err(|source| self.refused::<ElectLeadersRequest>("the election", source))?;
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
            Refusal::check(code, message).map_err(|source| {
                self.refused::<AlterPartitionReassignmentsRequest>(partition.to_string(), source)
            })?;
        }
        Ok(())
    }

    /// Adds partitions to a topic until it has `total`; the brokers choose
    /// where. The broker answers when the controller has decided, or after
    /// `wait`.
    ///
    /// # Errors
    /// [`WireError`], of which `Refused` when it has as many, or is unknown;
    /// without an answer the partitions may have been added.
    pub async fn create_partitions(
        &mut self,
        topic: &TopicName,
        total: u16,
        wait: Duration,
    ) -> Result<(), WireError> {
        let version = self.version::<CreatePartitionsRequest>(0..=3)?;
        let grown = CreatePartitionsTopic::default()
            .with_name(wire_topic(topic))
            .with_count(i32::from(total))
            .with_assignments(None);
        let request = CreatePartitionsRequest::default()
            .with_topics(vec![grown])
            .with_timeout_ms(wire_ms(wait));
        let answer = self.call_waiting(&request, version, wait).await?;
        let Some(result) = answer.results.into_iter().next() else {
            let reason = format!("nothing about {topic}");
            return Err(self.undecodable::<CreatePartitionsRequest>(version, reason));
        };
        Refusal::check(result.error_code, result.error_message)
            .map_err(|source| self.refused::<CreatePartitionsRequest>(topic.to_string(), source))
    }
}

fn replicas(partition: DescribeTopicPartitionsResponsePartition) -> PartitionReplicas {
    let ids = |nodes: Vec<WireBrokerId>| -> Vec<BrokerId> {
        nodes.into_iter().map(|it| BrokerId::new(it.0)).collect()
    };
    PartitionReplicas {
        partition: PartitionIndex::new(partition.partition_index),
        leader: BrokerId::from_wire(partition.leader_id),
        leader_epoch: partition.leader_epoch,
        replicas: ids(partition.replica_nodes),
        isr: ids(partition.isr_nodes),
        offline: ids(partition.offline_replicas),
        eligible_leaders: Some(EligibleLeaders {
            eligible: ids(partition.eligible_leader_replicas.unwrap_or_default()),
            last_known: ids(partition.last_known_elr.unwrap_or_default()),
        }),
    }
}

impl From<PartitionMetadata> for PartitionReplicas {
    fn from(partition: PartitionMetadata) -> Self {
        Self {
            partition: partition.partition,
            leader: partition.leader,
            leader_epoch: partition.leader_epoch.unwrap_or(-1),
            replicas: partition.replicas,
            isr: partition.isr,
            offline: partition.offline,
            eligible_leaders: None,
        }
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
