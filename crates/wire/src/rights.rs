//! What the user may do with topics and groups, as the brokers' authorizer says (KIP-430).
//! Knows nothing of what anything needs.

use std::collections::BTreeMap;

use kafka_protocol::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsTopic,
};
use kafka_protocol::messages::{DeleteRecordsRequest, DescribeGroupsRequest, MetadataRequest};
use model::ids::{GroupId, TopicName};

use crate::connection::Connection;
use crate::error::{Refusal, WireError};
use crate::groups::wire_group;
use crate::metadata::{asked_topic, wire_topic};

/// An operation of Kafka's authorizers, by its code (`AclOperation`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are Kafka's")]
pub enum Operation {
    Read = 3,
    Write = 4,
    Create = 5,
    Delete = 6,
    Describe = 8,
    DescribeConfigs = 10,
}

impl Operation {
    /// Kafka's name for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "Read",
            Self::Write => "Write",
            Self::Create => "Create",
            Self::Delete => "Delete",
            Self::Describe => "Describe",
            Self::DescribeConfigs => "DescribeConfigs",
        }
    }
}

/// The operations that are allowed, a bit for each code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights(i32);

const TOPIC_AUTHORIZATION_FAILED: i16 = 29;
/// What a broker answers that does not tell.
const NOT_TOLD: i32 = i32::MIN;

impl Rights {
    /// Those of these operations that are certainly not allowed.
    pub fn missing(self, of: &[Operation]) -> Vec<Operation> {
        let is_missing = |it: &Operation| self.0 != NOT_TOLD && self.0 & (1 << (*it as i32)) == 0;
        of.iter().copied().filter(is_missing).collect()
    }
}

impl Connection {
    /// What may be done with topics that are there. Any broker can answer; one that is not
    /// known to it is left out.
    ///
    /// # Errors
    /// [`WireError`].
    pub async fn topic_rights(
        &mut self,
        topics: &[TopicName],
    ) -> Result<BTreeMap<TopicName, Rights>, WireError> {
        let version = self.version::<MetadataRequest>(8..=12)?;
        let request = MetadataRequest::default()
            .with_allow_auto_topic_creation(false)
            .with_include_topic_authorized_operations(true)
            .with_topics(Some(topics.iter().map(asked_topic).collect()));
        let answer = self.call(&request, version).await?;
        let told = answer.topics.into_iter().filter_map(|topic| {
            let name = topic.name.filter(|_| topic.error_code == 0)?;
            let rights = Rights(topic.topic_authorized_operations);
            Some((TopicName::new(name.as_str()), rights))
        });
        Ok(told.collect())
    }

    /// Whether topics of this name may be deleted from, whether or not there is one: the
    /// right to delete records is that to delete topics. Deletes nothing, because nothing
    /// stands before offset 0.
    ///
    /// # Errors
    /// [`WireError`].
    pub async fn may_delete(&mut self, topic: &TopicName) -> Result<bool, WireError> {
        let version = self.version::<DeleteRecordsRequest>(0..=2)?;
        let limit = self.options().request_timeout.as_millis();
        let partition = DeleteRecordsPartition::default()
            .with_partition_index(0)
            .with_offset(0);
        let topic = DeleteRecordsTopic::default()
            .with_name(wire_topic(topic))
            .with_partitions(vec![partition]);
        let request = DeleteRecordsRequest::default()
            .with_topics(vec![topic])
            .with_timeout_ms(i32::try_from(limit).unwrap_or(i32::MAX));
        let answer = self.call(&request, version).await?;
        let mut outcomes = answer.topics.iter().flat_map(|it| &it.partitions);
        Ok(!outcomes.any(|it| it.error_code == TOPIC_AUTHORIZATION_FAILED))
    }

    /// What may be done with a group, whether or not it is there; only its coordinator can
    /// answer.
    ///
    /// # Errors
    /// [`WireError`], of which `Refused` for a group that may not even be described.
    pub async fn group_rights(&mut self, group: &GroupId) -> Result<Rights, WireError> {
        // Later versions say of a group that is not there only that.
        let version = self.version::<DescribeGroupsRequest>(3..=5)?;
        let request = DescribeGroupsRequest::default()
            .with_include_authorized_operations(true)
            .with_groups(vec![wire_group(group)]);
        let answer = self.call(&request, version).await?;
        let name = group.to_string();
        let told = self.only::<DescribeGroupsRequest, _>(version, answer.groups, &name)?;
        Refusal::check(told.error_code, told.error_message)
            .map_err(|source| self.refused::<DescribeGroupsRequest>(name, source))?;
        Ok(Rights(told.authorized_operations))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_told_is_not_missing() {
        let both = [Operation::Read, Operation::Delete];
        assert_eq!(Rights(1 << 3).missing(&both), [Operation::Delete]);
        assert_eq!(Rights(0).missing(&both), both);
        assert!(Rights(NOT_TOLD).missing(&both).is_empty());
    }
}
