//! Consumer groups: their coordinator, committed offsets and members. Knows nothing of the
//! records that a group should have processed.

use std::collections::BTreeMap;
use std::fmt;

use bytes::{Buf, Bytes};
use kafka_protocol::messages::describe_groups_response::DescribedGroupMember;
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use kafka_protocol::messages::{
    ConsumerGroupDescribeRequest, ConsumerProtocolAssignment, DeleteGroupsRequest,
    DescribeGroupsRequest, DescribeTransactionsRequest, FindCoordinatorRequest,
    GroupId as WireGroupId, OffsetFetchRequest,
};
use kafka_protocol::protocol::{Decodable, Message, StrBytes};
use model::ids::{
    BrokerId, GroupId, Offset, PartitionIndex, TopicName, TopicPartition, TransactionalId,
};

use crate::connection::Connection;
use crate::error::{ErrorCode, Refusal, WireError};
use crate::metadata::address;

/// The first version of `OffsetFetch` and the one of `FindCoordinator` that
/// carry several groups.
const OFFSET_FETCH_BATCHED: i16 = 8;
const FIND_COORDINATOR_BATCHED: i16 = 4;

/// The owner of a coordinator.
#[derive(Clone, Copy)]
enum CoordinatorKey<'a> {
    Group(&'a GroupId),
    Transaction(&'a TransactionalId),
}

impl CoordinatorKey<'_> {
    /// As `FindCoordinatorRequest.CoordinatorType` of the Java client has it.
    fn to_wire(self) -> (i8, StrBytes) {
        let (key_type, key) = match self {
            Self::Group(group) => (0, group.as_str()),
            Self::Transaction(id) => (1, id.as_str()),
        };
        (key_type, StrBytes::from_string(key.to_owned()))
    }
}

impl fmt::Display for CoordinatorKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Group(group) => write!(f, "group {group}"),
            Self::Transaction(id) => write!(f, "transactional id {id}"),
        }
    }
}

/// The broker that holds a group's state, or a transactional id's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coordinator {
    /// Its id.
    pub id: BrokerId,
    /// `host:port` on the listener that was asked.
    pub address: String,
}

/// One partition's committed position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The next offset to read, not the last one read.
    pub next: Offset,
    /// The text committed with it.
    pub metadata: Option<String>,
}

/// Which protocol a group speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupProtocol {
    /// The one of `JoinGroup` and `SyncGroup`.
    Classic,
    /// The one of KIP-848.
    Consumer,
}

/// A group's state, by Kafka's names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupState {
    /// No members; offsets may be held.
    Empty,
    /// Waiting for members to join (classic).
    PreparingRebalance,
    /// Waiting for the leader's assignment (classic).
    CompletingRebalance,
    /// Computing an assignment (KIP-848).
    Assigning,
    /// Members are taking over their assignment (KIP-848).
    Reconciling,
    /// Every member has its partitions.
    Stable,
    /// The group does not exist, or is going.
    Dead,
    /// A state of a newer Kafka.
    Other(String),
}

impl GroupState {
    fn parse(name: &str) -> Self {
        match name {
            "Empty" => Self::Empty,
            "PreparingRebalance" => Self::PreparingRebalance,
            "CompletingRebalance" => Self::CompletingRebalance,
            "Assigning" => Self::Assigning,
            "Reconciling" => Self::Reconciling,
            "Stable" => Self::Stable,
            "Dead" => Self::Dead,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl fmt::Display for GroupState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other(name) => f.write_str(name),
            known => write!(f, "{known:?}"),
        }
    }
}

/// One member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMember {
    /// The id that the coordinator or the client gave it.
    pub member_id: String,
    /// `group.instance.id`, where static.
    pub instance_id: Option<String>,
    /// `client.id`.
    pub client_id: String,
    /// The address it connects from.
    pub client_host: String,
    /// Its partitions, in order.
    pub assigned: Vec<TopicPartition>,
}

/// A group as its coordinator describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupDescription {
    /// Its protocol.
    pub protocol: GroupProtocol,
    /// Its state.
    pub state: GroupState,
    /// Its members.
    pub members: Vec<GroupMember>,
}

impl Connection {
    /// The group's coordinator; any broker can answer.
    ///
    /// # Errors
    /// [`WireError`], of which a retriable `Refused` while there is none.
    pub async fn find_coordinator(&mut self, group: &GroupId) -> Result<Coordinator, WireError> {
        self.find_coordinator_of(CoordinatorKey::Group(group)).await
    }

    /// The coordinator of the id's transactions; any broker can answer. To
    /// ask makes the topic that they are kept in, where there is none.
    ///
    /// # Errors
    /// [`WireError`], of which a retriable `Refused` while there is none.
    pub async fn find_transaction_coordinator(
        &mut self,
        id: &TransactionalId,
    ) -> Result<Coordinator, WireError> {
        let key = CoordinatorKey::Transaction(id);
        self.find_coordinator_of(key).await
    }

    /// Asks the coordinator of the id's transactions about it (KIP-664): it
    /// can say something once it has loaded what it keeps of transactions.
    ///
    /// # Errors
    /// [`WireError`], of which a retriable `Refused` until it has, and another
    /// one where the id is new.
    pub async fn describe_transaction(&mut self, id: &TransactionalId) -> Result<(), WireError> {
        let version = self.version::<DescribeTransactionsRequest>(0..=0)?;
        let asked = CoordinatorKey::Transaction(id);
        let (_, key) = asked.to_wire();
        let request =
            DescribeTransactionsRequest::default().with_transactional_ids(vec![key.into()]);
        let answer = self.call(&request, version).await?;
        let states = answer.transaction_states;
        let state = self.only::<DescribeTransactionsRequest, _>(version, states, asked)?;
        self.check::<DescribeTransactionsRequest>(asked, state.error_code, None)
    }

    async fn find_coordinator_of(
        &mut self,
        asked: CoordinatorKey<'_>,
    ) -> Result<Coordinator, WireError> {
        // Version 1 brings the key's type.
        let oldest = match asked {
            CoordinatorKey::Group(_) => 0,
            CoordinatorKey::Transaction(_) => 1,
        };
        let version = self.version::<FindCoordinatorRequest>(oldest..=6)?;
        let (key_type, key) = asked.to_wire();
        let request = if version >= FIND_COORDINATOR_BATCHED {
            FindCoordinatorRequest::default().with_coordinator_keys(vec![key])
        } else {
            FindCoordinatorRequest::default().with_key(key)
        };
        let request = request.with_key_type(key_type);
        let answer = self.call(&request, version).await?;
        let (code, message, id, host, port) = if version >= FIND_COORDINATOR_BATCHED {
            let found =
                self.only::<FindCoordinatorRequest, _>(version, answer.coordinators, asked)?;
            (
                found.error_code,
                found.error_message,
                found.node_id,
                found.host,
                found.port,
            )
        } else {
            (
                answer.error_code,
                answer.error_message,
                answer.node_id,
                answer.host,
                answer.port,
            )
        };
        self.check::<FindCoordinatorRequest>(asked, code, message)?;
        Ok(Coordinator {
            id: BrokerId::new(id.0),
            address: address(&host, port),
        })
    }

    /// Deletes the group with its offsets; its coordinator must be asked.
    ///
    /// # Errors
    /// [`WireError`], of which `Refused` when another broker is the
    /// coordinator, the group has members, or does not exist.
    pub async fn delete_group(&mut self, group: &GroupId) -> Result<(), WireError> {
        let version = self.version::<DeleteGroupsRequest>(0..=2)?;
        let request = DeleteGroupsRequest::default().with_groups_names(vec![wire_group(group)]);
        let answer = self.call(&request, version).await?;
        let subject = CoordinatorKey::Group(group);
        let result = self.only::<DeleteGroupsRequest, _>(version, answer.results, subject)?;
        self.check::<DeleteGroupsRequest>(subject, result.error_code, None)
    }

    /// Every committed offset of the group; its coordinator must be asked.
    /// Offsets of transactions still open are not among them.
    ///
    /// # Errors
    /// [`WireError`], of which `Refused` when another broker is the coordinator
    /// or one partition cannot be answered.
    pub async fn offset_fetch(
        &mut self,
        group: &GroupId,
    ) -> Result<BTreeMap<TopicPartition, CommittedOffset>, WireError> {
        // "All partitions" exists from version 2; 10 names topics by id only.
        let version = self.version::<OffsetFetchRequest>(2..=9)?;
        let request = if version >= OFFSET_FETCH_BATCHED {
            let asked = OffsetFetchRequestGroup::default()
                .with_group_id(wire_group(group))
                .with_member_epoch(-1)
                .with_topics(None);
            OffsetFetchRequest::default().with_groups(vec![asked])
        } else {
            OffsetFetchRequest::default()
                .with_group_id(wire_group(group))
                .with_topics(None)
        };
        let answer = self.call(&request, version).await?;

        let mut code = answer.error_code;
        let mut rows = Vec::new();
        let mut add = |topic: &str, partition, offset, metadata, code| {
            let place = TopicPartition {
                topic: TopicName::new(topic),
                partition: PartitionIndex::new(partition),
            };
            rows.push((place, offset, metadata, code));
        };
        for topic in answer.topics {
            for row in topic.partitions {
                let (offset, metadata) = (row.committed_offset, row.metadata);
                add(
                    &topic.name,
                    row.partition_index,
                    offset,
                    metadata,
                    row.error_code,
                );
            }
        }
        for answered in answer.groups {
            code = answered.error_code;
            for topic in answered.topics {
                for row in topic.partitions {
                    let (offset, metadata) = (row.committed_offset, row.metadata);
                    add(
                        &topic.name,
                        row.partition_index,
                        offset,
                        metadata,
                        row.error_code,
                    );
                }
            }
        }
        let subject = CoordinatorKey::Group(group);
        self.check::<OffsetFetchRequest>(subject, code, None)?;

        let mut committed = BTreeMap::new();
        for (place, offset, metadata, code) in rows {
            self.check::<OffsetFetchRequest>(format!("{subject} on {place}"), code, None)?;
            // -1: nothing is committed for the partition.
            if offset >= 0 {
                let metadata = metadata.map(|text| text.to_string());
                let next = Offset::new(offset);
                let metadata = metadata.filter(|text| !text.is_empty());
                committed.insert(place, CommittedOffset { next, metadata });
            }
        }
        Ok(committed)
    }

    /// The group's state and members; its coordinator must be asked. A group
    /// that does not exist is [`GroupState::Dead`].
    ///
    /// # Errors
    /// [`WireError`], of which `Refused` when another broker is the coordinator.
    pub async fn describe_group(&mut self, group: &GroupId) -> Result<GroupDescription, WireError> {
        let classic = self.describe_classic_group(group).await?;
        if classic.state != GroupState::Dead {
            return Ok(classic);
        }
        // A group of the newer protocol also looks like a dead classic one.
        let newer = self.version::<ConsumerGroupDescribeRequest>(
            0..=ConsumerGroupDescribeRequest::VERSIONS.max,
        );
        match newer {
            Ok(version) => Ok(self
                .describe_consumer_group(group, version)
                .await?
                .unwrap_or(classic)),
            Err(_) => Ok(classic),
        }
    }

    async fn describe_classic_group(
        &mut self,
        group: &GroupId,
    ) -> Result<GroupDescription, WireError> {
        let version = self.version::<DescribeGroupsRequest>(0..=6)?;
        let request = DescribeGroupsRequest::default().with_groups(vec![wire_group(group)]);
        let answer = self.call(&request, version).await?;
        let subject = CoordinatorKey::Group(group);
        let described = self.only::<DescribeGroupsRequest, _>(version, answer.groups, subject)?;
        match Refusal::check(described.error_code, described.error_message) {
            Ok(()) => {}
            Err(refusal) if refusal.code == ErrorCode::GROUP_ID_NOT_FOUND => {
                return Ok(GroupDescription {
                    protocol: GroupProtocol::Classic,
                    state: GroupState::Dead,
                    members: Vec::new(),
                });
            }
            Err(source) => {
                return Err(self.refused::<DescribeGroupsRequest>(subject.to_string(), source));
            }
        }
        let members = described
            .members
            .into_iter()
            .map(|member| {
                classic_member(member)
                    .map_err(|reason| self.undecodable::<DescribeGroupsRequest>(version, reason))
            })
            .collect::<Result<_, _>>()?;
        Ok(GroupDescription {
            protocol: GroupProtocol::Classic,
            state: GroupState::parse(&described.group_state),
            members,
        })
    }

    async fn describe_consumer_group(
        &mut self,
        group: &GroupId,
        version: i16,
    ) -> Result<Option<GroupDescription>, WireError> {
        let request =
            ConsumerGroupDescribeRequest::default().with_group_ids(vec![wire_group(group)]);
        let answer = self.call(&request, version).await?;
        let subject = CoordinatorKey::Group(group);
        let described =
            self.only::<ConsumerGroupDescribeRequest, _>(version, answer.groups, subject)?;
        match Refusal::check(described.error_code, described.error_message) {
            Ok(()) => {}
            // A cluster whose `group.version` feature is off refuses the API
            // although its brokers list it.
            Err(refusal)
                if [
                    ErrorCode::GROUP_ID_NOT_FOUND,
                    ErrorCode::UNSUPPORTED_VERSION,
                ]
                .contains(&refusal.code) =>
            {
                return Ok(None);
            }
            Err(source) => {
                let subject = subject.to_string();
                return Err(self.refused::<ConsumerGroupDescribeRequest>(subject, source));
            }
        }
        let members = described.members.into_iter().map(|member| GroupMember {
            member_id: member.member_id.to_string(),
            instance_id: member.instance_id.map(|id| id.to_string()),
            client_id: member.client_id.to_string(),
            client_host: member.client_host.to_string(),
            assigned: places(
                member
                    .assignment
                    .topic_partitions
                    .iter()
                    .map(|topic| (topic.topic_name.as_str(), topic.partitions.as_slice())),
            ),
        });
        Ok(Some(GroupDescription {
            protocol: GroupProtocol::Consumer,
            state: GroupState::parse(&described.group_state),
            members: members.collect(),
        }))
    }
}

fn classic_member(member: DescribedGroupMember) -> Result<GroupMember, String> {
    Ok(GroupMember {
        assigned: classic_assignment(member.member_assignment)?,
        member_id: member.member_id.to_string(),
        instance_id: member.group_instance_id.map(|id| id.to_string()),
        client_id: member.client_id.to_string(),
        client_host: member.client_host.to_string(),
    })
}

/// The assignment is a message of its own, behind its version. It is empty
/// while the group rebalances.
fn classic_assignment(mut bytes: Bytes) -> Result<Vec<TopicPartition>, String> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    if bytes.len() < 2 {
        return Err("an assignment without a version".to_owned());
    }
    // Versions add fields at the end only, so a newer one reads as the newest
    // known (ConsumerProtocol of the Java client does the same).
    let version = bytes
        .get_i16()
        .clamp(0, ConsumerProtocolAssignment::VERSIONS.max);
    let assignment =
        ConsumerProtocolAssignment::decode(&mut bytes, version).map_err(|e| e.to_string())?;
    Ok(places(assignment.assigned_partitions.iter().map(|topic| {
        (topic.topic.as_str(), topic.partitions.as_slice())
    })))
}

fn places<'a>(topics: impl Iterator<Item = (&'a str, &'a [i32])>) -> Vec<TopicPartition> {
    let mut places: Vec<_> = topics
        .flat_map(|(topic, partitions)| {
            partitions.iter().map(move |&partition| TopicPartition {
                topic: TopicName::new(topic),
                partition: PartitionIndex::new(partition),
            })
        })
        .collect();
    places.sort();
    places
}

pub(crate) fn wire_group(group: &GroupId) -> WireGroupId {
    WireGroupId(StrBytes::from_string(group.as_str().to_owned()))
}

#[cfg(test)]
mod tests {
    use bytes::{BufMut, BytesMut};
    use kafka_protocol::messages::TopicName as WireTopicName;
    use kafka_protocol::messages::consumer_protocol_assignment::TopicPartition as Assigned;
    use kafka_protocol::protocol::Encodable;

    use super::*;

    #[test]
    fn an_assignment_is_read_in_order_whatever_its_version() {
        let assigned = Assigned::default()
            .with_topic(WireTopicName(StrBytes::from_static_str("orders")))
            .with_partitions(vec![2, 0]);
        let message =
            ConsumerProtocolAssignment::default().with_assigned_partitions(vec![assigned]);
        for version in [0, 1, 3, 99] {
            let mut bytes = BytesMut::new();
            bytes.put_i16(version);
            message.encode(&mut bytes, version.min(3)).unwrap();
            let places = classic_assignment(bytes.freeze()).unwrap();
            let places: Vec<_> = places.iter().map(ToString::to_string).collect();
            assert_eq!(places, ["orders-0", "orders-2"]);
        }
    }

    #[test]
    fn no_assignment_is_none_and_a_torn_one_an_error() {
        assert_eq!(classic_assignment(Bytes::new()), Ok(Vec::new()));
        assert!(classic_assignment(Bytes::from_static(&[0])).is_err());
        assert!(classic_assignment(Bytes::from_static(&[0, 1, 0])).is_err());
    }
}
