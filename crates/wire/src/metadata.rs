//! The brokers of a cluster and the leaders of partitions, as one broker sees them. Knows
//! nothing of connections to the others.

use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{
    MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{
    BrokerId as WireBrokerId, MetadataRequest, TopicName as WireTopicName,
};
use kafka_protocol::protocol::StrBytes;
use model::ids::{BrokerId, PartitionIndex, TopicName};

use crate::connection::Connection;
use crate::error::{ErrorCode, WireError};
use crate::ids::{TopicId, broker_id};

/// Which topics to ask for.
#[derive(Clone, Copy, Debug)]
pub enum Topics<'a> {
    /// Every topic of the cluster.
    All,
    /// These; an empty list asks for the brokers only.
    Named(&'a [TopicName]),
}

/// A broker as the metadata advertises it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerMetadata {
    /// Its id.
    pub id: BrokerId,
    /// `host:port` on the listener that was asked.
    pub address: String,
    /// `broker.rack`, where set.
    pub rack: Option<String>,
}

/// A partition as the metadata describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionMetadata {
    /// Its number.
    pub partition: PartitionIndex,
    /// Its leader, if it has one.
    pub leader: Option<BrokerId>,
    /// The leader's epoch, where the broker tells.
    pub leader_epoch: Option<i32>,
    /// Every assigned replica, the preferred leader first.
    pub replicas: Vec<BrokerId>,
    /// The replicas in sync.
    pub isr: Vec<BrokerId>,
    /// The replicas whose broker, or whose disk, is not there; none where the
    /// broker does not tell.
    pub offline: Vec<BrokerId>,
    /// Why the broker cannot say more, such as `LEADER_NOT_AVAILABLE`.
    pub error: Option<ErrorCode>,
}

/// A topic as the metadata describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicMetadata {
    /// Its name.
    pub topic: TopicName,
    /// Its identity, where the broker tells.
    pub id: Option<TopicId>,
    /// Its partitions by number; or why there are none.
    pub partitions: Result<Vec<PartitionMetadata>, ErrorCode>,
}

/// The cluster as one broker sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// The cluster's id.
    pub cluster_id: Option<String>,
    /// The broker to send administrative requests to. Under `KRaft` any broker,
    /// which forwards them.
    pub controller: Option<BrokerId>,
    /// The brokers alive.
    pub brokers: Vec<BrokerMetadata>,
    /// The topics asked for.
    pub topics: Vec<TopicMetadata>,
}

impl Connection {
    /// Brokers, controller, and the topics asked for. Never creates a topic.
    ///
    /// # Errors
    /// [`WireError`]; an error of a single topic stands in its place.
    pub async fn metadata(&mut self, topics: Topics<'_>) -> Result<Metadata, WireError> {
        // From version 4 on, asking for a topic need not create it.
        let version = self.version::<MetadataRequest>(4..=12)?;
        let request = MetadataRequest::default()
            .with_allow_auto_topic_creation(false)
            .with_topics(match topics {
                Topics::All => None,
                Topics::Named(names) => Some(names.iter().map(asked_topic).collect()),
            });
        let answer = self.call(&request, version).await?;
        let topics = answer
            .topics
            .into_iter()
            .map(|topic| {
                topic_metadata(topic).ok_or_else(|| {
                    self.undecodable::<MetadataRequest>(version, "a topic without a name".into())
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(Metadata {
            cluster_id: answer.cluster_id.map(|id| id.to_string()),
            controller: broker_id(answer.controller_id),
            brokers: answer
                .brokers
                .into_iter()
                .map(|broker| BrokerMetadata {
                    id: BrokerId::new(broker.node_id.0),
                    address: address(&broker.host, broker.port),
                    rack: broker.rack.map(|rack| rack.to_string()),
                })
                .collect(),
            topics,
        })
    }
}

pub(crate) fn asked_topic(name: &TopicName) -> MetadataRequestTopic {
    MetadataRequestTopic::default().with_name(Some(wire_topic(name)))
}

fn topic_metadata(topic: MetadataResponseTopic) -> Option<TopicMetadata> {
    let mut partitions: Vec<_> = topic
        .partitions
        .into_iter()
        .map(partition_metadata)
        .collect();
    partitions.sort_by_key(|partition| partition.partition);
    Some(TopicMetadata {
        topic: TopicName::new(topic.name?.as_str()),
        id: TopicId::from_wire(topic.topic_id),
        partitions: ErrorCode::check(topic.error_code).map(|()| partitions),
    })
}

fn partition_metadata(partition: MetadataResponsePartition) -> PartitionMetadata {
    let ids = |nodes: Vec<WireBrokerId>| {
        nodes
            .into_iter()
            .map(|node| BrokerId::new(node.0))
            .collect()
    };
    PartitionMetadata {
        partition: PartitionIndex::new(partition.partition_index),
        leader: broker_id(partition.leader_id),
        leader_epoch: (partition.leader_epoch >= 0).then_some(partition.leader_epoch),
        replicas: ids(partition.replica_nodes),
        isr: ids(partition.isr_nodes),
        offline: ids(partition.offline_replicas),
        error: ErrorCode::from_wire(partition.error_code),
    }
}

/// `host:port`, with the brackets that an IPv6 address needs.
pub(crate) fn address(host: &str, port: i32) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

pub(crate) fn wire_topic(name: &TopicName) -> WireTopicName {
    WireTopicName(StrBytes::from_string(name.as_str().to_owned()))
}
