//! Consumer groups: their coordinator, committed offsets and members. Knows nothing of the
//! records that a group should have processed.

use std::collections::BTreeMap;
use std::fmt;

use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use kafka_protocol::messages::{
    ConsumerGroupDescribeRequest, DeleteGroupsRequest, DescribeTransactionsRequest,
    FindCoordinatorRequest, GroupId as WireGroupId, InitProducerIdRequest, OffsetFetchRequest,
};
use kafka_protocol::protocol::StrBytes;
use model::ids::{
    BrokerId, GroupId, Offset, PartitionIndex, TopicName, TopicPartition, TransactionalId,
};

use crate::connection::Connection;
use crate::error::{ErrorCode, WireError};
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
    /// The one of share groups, KIP-932.
    Share,
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
    pub(crate) fn parse(name: &str) -> Self {
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
    pub(crate) async fn describe_transaction(
        &mut self,
        id: &TransactionalId,
    ) -> Result<(), WireError> {
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

    /// Takes a producer id, as an idempotent producer does, and does not use it.
    ///
    /// # Errors
    /// [`WireError`], of which a retriable `Refused` until the broker has ids.
    pub(crate) async fn take_producer_id(&mut self) -> Result<(), WireError> {
        let version = self.version::<InitProducerIdRequest>(0..=4)?;
        let request = InitProducerIdRequest::default()
            .with_transactional_id(None)
            .with_transaction_timeout_ms(i32::MAX);
        let answer = self.call(&request, version).await?;
        self.check::<InitProducerIdRequest>("a producer id", answer.error_code, None)
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
        let asked = std::slice::from_ref(group);
        let described = self.describe_classic_groups(asked).await?;
        let classic = described.into_values().next().transpose()?;
        let classic = classic.unwrap_or(GroupDescription {
            protocol: GroupProtocol::Classic,
            state: GroupState::Dead,
            members: Vec::new(),
        });
        // A group of the newer protocol also looks like a dead classic one.
        let is_known = |it: &Connection| it.version::<ConsumerGroupDescribeRequest>(0..=i16::MAX);
        if classic.state != GroupState::Dead || is_known(self).is_err() {
            return Ok(classic);
        }
        let described = self.describe_consumer_groups(asked).await?;
        match described.into_values().next() {
            Some(Err(error)) if error.code().is_some_and(is_no_consumer_group) => Ok(classic),
            Some(described) => described,
            None => Ok(classic),
        }
    }
}

/// Of a cluster whose `group.version` feature is off, brokers refuse the API although they
/// list it.
fn is_no_consumer_group(code: ErrorCode) -> bool {
    [
        ErrorCode::GROUP_ID_NOT_FOUND,
        ErrorCode::UNSUPPORTED_VERSION,
    ]
    .contains(&code)
}

pub(crate) fn wire_group(group: &GroupId) -> WireGroupId {
    WireGroupId(StrBytes::from_string(group.as_str().to_owned()))
}
