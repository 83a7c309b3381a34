//! The controllers: which of them leads, and how far the others are. Knows
//! nothing of which processes they are.

use kafka_protocol::messages::describe_quorum_request::{PartitionData, TopicData};
use kafka_protocol::messages::describe_quorum_response::ReplicaState;
use kafka_protocol::messages::{DescribeQuorumRequest, TopicName as WireTopicName};
use kafka_protocol::protocol::StrBytes;
use model::ids::{BrokerId, Offset};

use crate::connection::Connection;
use crate::error::WireError;
use crate::ids::broker_id;

/// The topic that the controllers agree on (KIP-595); it has one partition.
const METADATA_TOPIC: &str = "__cluster_metadata";

/// How far one replica of the cluster's metadata is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuorumReplica {
    /// Its node id.
    pub id: BrokerId,
    /// The end of its log, as the leader knows it; absent where it has not
    /// fetched from this leader yet.
    pub log_end: Option<Offset>,
}

/// The controllers' quorum as its leader describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quorum {
    /// The active controller.
    pub leader: BrokerId,
    /// Grows with every election.
    pub leader_epoch: i32,
    /// How far the metadata is agreed on.
    pub high_watermark: Offset,
    /// The controllers.
    pub voters: Vec<QuorumReplica>,
    /// The brokers that follow and have no vote.
    pub observers: Vec<QuorumReplica>,
}

impl Connection {
    /// The controllers' quorum (KIP-836). Any broker can be asked; it forwards
    /// the question to the leader.
    ///
    /// # Errors
    /// [`WireError`], of which a retriable `Refused` while there is no leader.
    pub async fn describe_quorum(&mut self) -> Result<Quorum, WireError> {
        let version = self.version::<DescribeQuorumRequest>(0..=2)?;
        let topic = TopicData::default()
            .with_topic_name(WireTopicName(StrBytes::from_static_str(METADATA_TOPIC)))
            .with_partitions(vec![PartitionData::default().with_partition_index(0)]);
        let request = DescribeQuorumRequest::default().with_topics(vec![topic]);
        let answer = self.call(&request, version).await?;
        let (subject, code) = ("the quorum", answer.error_code);
        self.check::<DescribeQuorumRequest>(subject, code, answer.error_message)?;
        let partitions = answer.topics.into_iter().flat_map(|topic| topic.partitions);
        let asked = "the metadata's partition";
        let partition = self.only::<DescribeQuorumRequest, _>(version, partitions, asked)?;
        let (code, message) = (partition.error_code, partition.error_message);
        self.check::<DescribeQuorumRequest>(subject, code, message)?;
        let Some(leader) = broker_id(partition.leader_id) else {
            let reason = "a quorum without a leader".to_owned();
            return Err(self.undecodable::<DescribeQuorumRequest>(version, reason));
        };
        Ok(Quorum {
            leader,
            leader_epoch: partition.leader_epoch,
            high_watermark: Offset::new(partition.high_watermark),
            voters: partition.current_voters.iter().map(replica).collect(),
            observers: partition.observers.iter().map(replica).collect(),
        })
    }
}

fn replica(state: &ReplicaState) -> QuorumReplica {
    QuorumReplica {
        id: BrokerId::new(state.replica_id.0),
        log_end: (state.log_end_offset >= 0).then(|| Offset::new(state.log_end_offset)),
    }
}
