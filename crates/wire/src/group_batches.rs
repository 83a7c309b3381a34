//! Many groups in one request: listed, described, and their positions. The broker asked must
//! be the groups' coordinator. Knows nothing of the records that a group should have processed.

use std::collections::BTreeMap;
use std::fmt;

use bytes::{Buf, Bytes};
use kafka_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_protocol::messages::describe_share_group_offsets_request::DescribeShareGroupOffsetsRequestGroup;
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use kafka_protocol::messages::{
    ConsumerGroupDescribeRequest, ConsumerProtocolAssignment, DescribeGroupsRequest,
    DescribeShareGroupOffsetsRequest, GroupId as WireGroupId, ListGroupsRequest,
    OffsetFetchRequest, ShareGroupDescribeRequest,
};
use kafka_protocol::protocol::{Decodable, Message, Request, StrBytes};
use model::ids::{GroupId, Offset, PartitionIndex, TopicName, TopicPartition};

use crate::connection::Connection;
use crate::error::{ErrorCode, Refusal, WireError};
use crate::groups::{
    CommittedOffset, GroupDescription, GroupMember, GroupProtocol, GroupState, wire_group,
};

/// The first version of `OffsetFetch` that carries several groups (Kafka 3.0).
const OFFSET_FETCH_BATCHED: i16 = 8;

/// The type of a group, as `ListGroups` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupType {
    /// The protocol of `JoinGroup` and `SyncGroup`, or no members at all.
    Classic,
    /// KIP-848.
    Consumer,
    /// KIP-932: share groups.
    Share,
    /// KIP-1071: Kafka Streams.
    Streams,
    /// A type of a newer Kafka.
    Other(String),
}

impl fmt::Display for GroupType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Classic => "classic",
            Self::Consumer => "consumer",
            Self::Share => "share",
            Self::Streams => "streams",
            Self::Other(name) => name,
        })
    }
}

/// A group in a coordinator's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedGroup {
    /// Its `group.id`.
    pub group: GroupId,
    /// Its type; brokers before Kafka 3.8 do not tell.
    pub group_type: Option<GroupType>,
    /// What its members do, of a classic group: `consumer`, `connect`. Empty where nothing but
    /// offsets was ever committed to it.
    pub protocol_type: String,
    /// Its state; brokers before Kafka 2.6 do not tell.
    pub state: Option<GroupState>,
}

/// A group's positions by partition; a partition without a position is not among them.
pub type GroupOffsets = BTreeMap<TopicPartition, Result<CommittedOffset, ErrorCode>>;

/// The answer about each group of a request, or why there is none.
pub type ByGroup<T> = BTreeMap<GroupId, Result<T, WireError>>;

impl Connection {
    /// The groups that this broker coordinates.
    ///
    /// # Errors
    /// [`WireError`], of which `Refused` while the coordinator loads.
    pub async fn list_groups(&mut self) -> Result<Vec<ListedGroup>, WireError> {
        let version = self.version::<ListGroupsRequest>(0..=5)?;
        let answer = self.call(&ListGroupsRequest::default(), version).await?;
        self.check::<ListGroupsRequest>("its groups", answer.error_code, None)?;
        let listed = answer.groups.into_iter().map(|it| ListedGroup {
            group: group_id(&it.group_id),
            group_type: match it.group_type.as_str() {
                "" => None,
                "classic" => Some(GroupType::Classic),
                "consumer" => Some(GroupType::Consumer),
                "share" => Some(GroupType::Share),
                "streams" => Some(GroupType::Streams),
                other => Some(GroupType::Other(other.to_owned())),
            },
            protocol_type: it.protocol_type.to_string(),
            state: (!it.group_state.is_empty()).then(|| GroupState::parse(&it.group_state)),
        });
        Ok(listed.collect())
    }

    /// State and members of classic groups. One that does not exist, or is of another type,
    /// is [`GroupState::Dead`].
    ///
    /// # Errors
    /// [`WireError`]; an error of a single group stands in its place.
    pub async fn describe_classic_groups(
        &mut self,
        groups: &[GroupId],
    ) -> Result<ByGroup<GroupDescription>, WireError> {
        let version = self.version::<DescribeGroupsRequest>(0..=6)?;
        let request =
            DescribeGroupsRequest::default().with_groups(groups.iter().map(wire_group).collect());
        let answer = self.call(&request, version).await?;
        let described = answer
            .groups
            .into_iter()
            .map(|it| (group_id(&it.group_id), self.classic_group(version, it)));
        self.complete::<DescribeGroupsRequest, _, _>(version, groups, described.collect())
    }

    fn classic_group(
        &self,
        version: i16,
        group: DescribedGroup,
    ) -> Result<GroupDescription, WireError> {
        let subject = format!("group {}", group.group_id.as_str());
        match Refusal::check(group.error_code, group.error_message) {
            Ok(()) => {}
            Err(refusal) if refusal.code == ErrorCode::GROUP_ID_NOT_FOUND => {
                return Ok(GroupDescription {
                    protocol: GroupProtocol::Classic,
                    state: GroupState::Dead,
                    members: Vec::new(),
                });
            }
            Err(source) => return Err(self.refused::<DescribeGroupsRequest>(subject, source)),
        }
        let members: Result<_, String> = group.members.into_iter().map(classic_member).collect();
        Ok(GroupDescription {
            protocol: GroupProtocol::Classic,
            state: GroupState::parse(&group.group_state),
            members: members.map_err(|reason| {
                let reason = format!("{subject}: {reason}");
                self.undecodable::<DescribeGroupsRequest>(version, reason)
            })?,
        })
    }

    /// State and members of groups of KIP-848's protocol.
    ///
    /// # Errors
    /// [`WireError`]; an error of a single group stands in its place:
    /// `GROUP_ID_NOT_FOUND` of one that does not exist or is of another type, and
    /// `UNSUPPORTED_VERSION` where the cluster's `group.version` feature is off although its
    /// brokers list the API.
    pub async fn describe_consumer_groups(
        &mut self,
        groups: &[GroupId],
    ) -> Result<ByGroup<GroupDescription>, WireError> {
        let newest = ConsumerGroupDescribeRequest::VERSIONS.max;
        let version = self.version::<ConsumerGroupDescribeRequest>(0..=newest)?;
        let request = ConsumerGroupDescribeRequest::default()
            .with_group_ids(groups.iter().map(wire_group).collect());
        let answer = self.call(&request, version).await?;
        let described = answer.groups.into_iter().map(|it| {
            let group = group_id(&it.group_id);
            let outcome = Refusal::check(it.error_code, it.error_message);
            let members = it.members.into_iter().map(|member| GroupMember {
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
            let description = GroupDescription {
                protocol: GroupProtocol::Consumer,
                state: GroupState::parse(&it.group_state),
                members: members.collect(),
            };
            let outcome = self
                .outcome::<ConsumerGroupDescribeRequest, _>(&group, outcome.map(|()| description));
            (group, outcome)
        });
        self.complete::<ConsumerGroupDescribeRequest, _, _>(version, groups, described.collect())
    }

    /// State and members of share groups (KIP-932).
    ///
    /// # Errors
    /// [`WireError`]; an error of a single group stands in its place.
    pub async fn describe_share_groups(
        &mut self,
        groups: &[GroupId],
    ) -> Result<ByGroup<GroupDescription>, WireError> {
        let newest = ShareGroupDescribeRequest::VERSIONS.max;
        let version = self.version::<ShareGroupDescribeRequest>(0..=newest)?;
        let request = ShareGroupDescribeRequest::default()
            .with_group_ids(groups.iter().map(wire_group).collect());
        let answer = self.call(&request, version).await?;
        let described = answer.groups.into_iter().map(|it| {
            let group = group_id(&it.group_id);
            let outcome = Refusal::check(it.error_code, it.error_message);
            let members = it.members.into_iter().map(|member| GroupMember {
                member_id: member.member_id.to_string(),
                instance_id: None,
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
            let description = GroupDescription {
                protocol: GroupProtocol::Share,
                state: GroupState::parse(&it.group_state),
                members: members.collect(),
            };
            let outcome =
                self.outcome::<ShareGroupDescribeRequest, _>(&group, outcome.map(|()| description));
            (group, outcome)
        });
        self.complete::<ShareGroupDescribeRequest, _, _>(version, groups, described.collect())
    }

    /// Every committed offset of each group, in one request. Offsets of transactions still
    /// open are not among them.
    ///
    /// # Errors
    /// [`WireError`], of which `UnsupportedApi` for brokers before Kafka 3.0; an error of a
    /// single group stands in its place.
    pub async fn offset_fetch_groups(
        &mut self,
        groups: &[GroupId],
    ) -> Result<ByGroup<GroupOffsets>, WireError> {
        // Version 10 names topics by id only.
        let version = self.version::<OffsetFetchRequest>(OFFSET_FETCH_BATCHED..=9)?;
        let asked = groups.iter().map(|group| {
            OffsetFetchRequestGroup::default()
                .with_group_id(wire_group(group))
                .with_member_epoch(-1)
                .with_topics(None)
        });
        let request = OffsetFetchRequest::default().with_groups(asked.collect());
        let answer = self.call(&request, version).await?;
        let answered = answer.groups.into_iter().map(|it| {
            let group = group_id(&it.group_id);
            let mut offsets = GroupOffsets::new();
            for topic in it.topics {
                for row in topic.partitions {
                    let metadata = row.metadata.map(|text| text.to_string());
                    add(
                        &mut offsets,
                        place(&topic.name, row.partition_index),
                        row.committed_offset,
                        metadata.filter(|text| !text.is_empty()),
                        row.error_code,
                    );
                }
            }
            let outcome = Refusal::check(it.error_code, None).map(|()| offsets);
            let outcome = self.outcome::<OffsetFetchRequest, _>(&group, outcome);
            (group, outcome)
        });
        self.complete::<OffsetFetchRequest, _, _>(version, groups, answered.collect())
    }

    /// The start offset of each share partition of each share group (KIP-932): all records
    /// before it are done with; some behind it may be.
    ///
    /// # Errors
    /// [`WireError`]; an error of a single group stands in its place.
    pub async fn share_group_offsets(
        &mut self,
        groups: &[GroupId],
    ) -> Result<ByGroup<GroupOffsets>, WireError> {
        let version = self.version::<DescribeShareGroupOffsetsRequest>(0..=0)?;
        let asked = groups.iter().map(|group| {
            DescribeShareGroupOffsetsRequestGroup::default()
                .with_group_id(wire_group(group))
                .with_topics(None)
        });
        let request = DescribeShareGroupOffsetsRequest::default().with_groups(asked.collect());
        let answer = self.call(&request, version).await?;
        let answered = answer.groups.into_iter().map(|it| {
            let group = group_id(&it.group_id);
            let mut offsets = GroupOffsets::new();
            for topic in it.topics {
                for row in topic.partitions {
                    let place = place(&topic.topic_name, row.partition_index);
                    add(&mut offsets, place, row.start_offset, None, row.error_code);
                }
            }
            let outcome = Refusal::check(it.error_code, it.error_message).map(|()| offsets);
            let outcome = self.outcome::<DescribeShareGroupOffsetsRequest, _>(&group, outcome);
            (group, outcome)
        });
        self.complete::<DescribeShareGroupOffsetsRequest, _, _>(version, groups, answered.collect())
    }

    fn outcome<R: Request, T>(
        &self,
        group: &GroupId,
        outcome: Result<T, Refusal>,
    ) -> Result<T, WireError> {
        outcome.map_err(|source| self.refused::<R>(format!("group {group}"), source))
    }
}

/// -1: nothing is committed for the partition.
fn add(
    offsets: &mut GroupOffsets,
    place: TopicPartition,
    offset: i64,
    metadata: Option<String>,
    code: i16,
) {
    let next = Offset::new(offset);
    match ErrorCode::check(code) {
        Err(code) => drop(offsets.insert(place, Err(code))),
        Ok(()) if offset >= 0 => {
            offsets.insert(place, Ok(CommittedOffset { next, metadata }));
        }
        Ok(()) => {}
    }
}

fn group_id(group: &WireGroupId) -> GroupId {
    GroupId::new(group.as_str())
}

fn place(topic: &StrBytes, partition: i32) -> TopicPartition {
    TopicPartition {
        topic: TopicName::new(topic.as_str()),
        partition: PartitionIndex::new(partition),
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
