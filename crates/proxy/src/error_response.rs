//! Answers in the broker's place that say that a request failed. Pure: knows
//! nothing of the client or its reason.

use bytes::BytesMut;
use kafka_protocol::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnTopicResult,
};
use kafka_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::metadata_response::MetadataResponseTopic;
use kafka_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use kafka_protocol::messages::{
    AddOffsetsToTxnResponse, AddPartitionsToTxnResponse, ApiKey, BrokerId,
    ConsumerGroupHeartbeatResponse, EndTxnResponse, FetchResponse, FindCoordinatorResponse,
    HeartbeatResponse, InitProducerIdResponse, JoinGroupResponse, LeaveGroupResponse,
    ListOffsetsResponse, MetadataResponse, OffsetCommitResponse, OffsetFetchResponse,
    ProduceResponse, SyncGroupResponse, TopicName, TxnOffsetCommitResponse,
};
use kafka_protocol::protocol::{Encodable, StrBytes};
use uuid::Uuid;

use crate::fault::InjectedError;
use crate::requests::{Content, TopicAsked};

/// A whole frame, length and header included, that answers the request with
/// the error everywhere; `None` when this version of the API cannot say it.
pub(crate) fn error_response(
    api: i16,
    version: i16,
    correlation: i32,
    content: &Content,
    InjectedError(code): InjectedError,
) -> Option<Vec<u8>> {
    let key = ApiKey::try_from(api).ok()?;
    let valid = key.valid_versions();
    if version < valid.min || version > valid.max {
        return None;
    }
    let mut frame = BytesMut::from(&[0; 4][..]);
    frame.extend_from_slice(&correlation.to_be_bytes());
    if key.response_header_version(version) >= 1 {
        // No tagged fields.
        frame.extend_from_slice(&[0]);
    }
    body(key, version, content, code, &mut frame)?;
    let length = i32::try_from(frame.len() - 4).ok()?;
    frame[..4].copy_from_slice(&length.to_be_bytes());
    Some(frame.to_vec())
}

fn body(key: ApiKey, version: i16, content: &Content, code: i16, to: &mut BytesMut) -> Option<()> {
    let mut put = Put { to, version };
    match key {
        ApiKey::Produce => put.message(&produce(content, code)),
        ApiKey::Fetch => put.message(&fetch(content, code)),
        ApiKey::ListOffsets => put.message(&list_offsets(content, code)),
        ApiKey::Metadata => put.message(&metadata(content, code)),
        ApiKey::OffsetCommit => put.message(&offset_commit(content, code)),
        ApiKey::OffsetFetch => put.message(&offset_fetch(version, content, code)),
        ApiKey::FindCoordinator => put.message(&find_coordinator(version, content, code)),
        ApiKey::JoinGroup => put.message(&join_group(version, code)),
        ApiKey::Heartbeat => put.message(&HeartbeatResponse::default().with_error_code(code)),
        ApiKey::LeaveGroup => put.message(&LeaveGroupResponse::default().with_error_code(code)),
        ApiKey::SyncGroup => put.message(&SyncGroupResponse::default().with_error_code(code)),
        ApiKey::InitProducerId => {
            put.message(&InitProducerIdResponse::default().with_error_code(code))
        }
        ApiKey::AddPartitionsToTxn => put.message(&add_partitions(content, code)),
        ApiKey::AddOffsetsToTxn => {
            put.message(&AddOffsetsToTxnResponse::default().with_error_code(code))
        }
        ApiKey::EndTxn => put.message(&EndTxnResponse::default().with_error_code(code)),
        ApiKey::TxnOffsetCommit => put.message(&txn_offset_commit(content, code)),
        ApiKey::ConsumerGroupHeartbeat => {
            put.message(&ConsumerGroupHeartbeatResponse::default().with_error_code(code))
        }
        _ => None,
    }
}

struct Put<'a> {
    to: &'a mut BytesMut,
    version: i16,
}

impl Put<'_> {
    fn message(&mut self, message: &impl Encodable) -> Option<()> {
        message.encode(self.to, self.version).ok()
    }
}

impl TopicAsked {
    fn topic_name(&self) -> TopicName {
        TopicName(StrBytes::from_string(self.name.clone().unwrap_or_default()))
    }

    fn topic_id(&self) -> Uuid {
        self.id.map_or(Uuid::nil(), Uuid::from_bytes)
    }

    /// One element for each partition.
    fn each<T>(&self, make: impl Fn(i32) -> T) -> Vec<T> {
        self.partitions.iter().map(|index| make(*index)).collect()
    }
}

impl Content {
    /// One element for each topic.
    fn each<T>(&self, make: impl Fn(&TopicAsked) -> T) -> Vec<T> {
        self.topics.iter().map(make).collect()
    }
}

fn produce(content: &Content, code: i16) -> ProduceResponse {
    ProduceResponse::default().with_responses(content.each(|topic| {
        TopicProduceResponse::default()
            .with_name(topic.topic_name())
            .with_topic_id(topic.topic_id())
            .with_partition_responses(topic.each(|index| {
                PartitionProduceResponse::default()
                    .with_index(index)
                    .with_error_code(code)
                    .with_base_offset(-1)
            }))
    }))
}

/// An error of the session as well as of each partition: a fetch of a session
/// names only the partitions that changed.
fn fetch(content: &Content, code: i16) -> FetchResponse {
    let partition_errors = content.each(|topic| {
        FetchableTopicResponse::default()
            .with_topic(topic.topic_name())
            .with_topic_id(topic.topic_id())
            .with_partitions(topic.each(|index| {
                PartitionData::default()
                    .with_partition_index(index)
                    .with_error_code(code)
                    .with_high_watermark(-1)
                    .with_records(Some(bytes::Bytes::new()))
            }))
    });
    if partition_errors.is_empty() {
        FetchResponse::default().with_error_code(code)
    } else {
        FetchResponse::default().with_responses(partition_errors)
    }
}

fn list_offsets(content: &Content, code: i16) -> ListOffsetsResponse {
    ListOffsetsResponse::default().with_topics(content.each(|topic| {
        ListOffsetsTopicResponse::default()
            .with_name(topic.topic_name())
            .with_partitions(topic.each(|index| {
                ListOffsetsPartitionResponse::default()
                    .with_partition_index(index)
                    .with_error_code(code)
            }))
    }))
}

fn metadata(content: &Content, code: i16) -> MetadataResponse {
    MetadataResponse::default()
        .with_controller_id(BrokerId(-1))
        .with_cluster_id(None)
        .with_topics(content.each(|topic| {
            MetadataResponseTopic::default()
                .with_error_code(code)
                .with_name(Some(topic.topic_name()))
        }))
}

fn offset_commit(content: &Content, code: i16) -> OffsetCommitResponse {
    OffsetCommitResponse::default().with_topics(content.each(|topic| {
        OffsetCommitResponseTopic::default()
            .with_name(topic.topic_name())
            .with_topic_id(topic.topic_id())
            .with_partitions(topic.each(|index| {
                OffsetCommitResponsePartition::default()
                    .with_partition_index(index)
                    .with_error_code(code)
            }))
    }))
}

/// From version 8 on for each group; an error of the whole before, and of each
/// partition before there was one.
fn offset_fetch(version: i16, content: &Content, code: i16) -> OffsetFetchResponse {
    if version >= 8 {
        let groups = content.groups.iter().map(|group| {
            OffsetFetchResponseGroup::default()
                .with_group_id(StrBytes::from_string(group.clone()).into())
                .with_error_code(code)
                .with_topics(if version >= 10 {
                    Vec::new()
                } else {
                    content.each(|topic| {
                        OffsetFetchResponseTopics::default()
                            .with_name(topic.topic_name())
                            .with_partitions(topic.each(|index| {
                                OffsetFetchResponsePartitions::default()
                                    .with_partition_index(index)
                                    .with_error_code(code)
                                    .with_committed_offset(-1)
                            }))
                    })
                })
        });
        return OffsetFetchResponse::default().with_groups(groups.collect());
    }
    let answer = OffsetFetchResponse::default().with_topics(content.each(|topic| {
        OffsetFetchResponseTopic::default()
            .with_name(topic.topic_name())
            .with_partitions(topic.each(|index| {
                OffsetFetchResponsePartition::default()
                    .with_partition_index(index)
                    .with_error_code(code)
                    .with_committed_offset(-1)
            }))
    }));
    if version >= 2 {
        answer.with_error_code(code)
    } else {
        answer
    }
}

fn find_coordinator(version: i16, content: &Content, code: i16) -> FindCoordinatorResponse {
    if version < 4 {
        return FindCoordinatorResponse::default()
            .with_error_code(code)
            .with_node_id(BrokerId(-1))
            .with_port(-1);
    }
    let coordinators = content.keys.iter().map(|key| {
        Coordinator::default()
            .with_key(StrBytes::from_string(key.clone()))
            .with_node_id(BrokerId(-1))
            .with_port(-1)
            .with_error_code(code)
    });
    FindCoordinatorResponse::default().with_coordinators(coordinators.collect())
}

fn join_group(version: i16, code: i16) -> JoinGroupResponse {
    let answer = JoinGroupResponse::default().with_error_code(code);
    if version < 7 {
        // Not nullable before.
        answer.with_protocol_name(Some(StrBytes::default()))
    } else {
        answer.with_protocol_name(None)
    }
}

fn add_partitions(content: &Content, code: i16) -> AddPartitionsToTxnResponse {
    let results = content.each(|topic| {
        AddPartitionsToTxnTopicResult::default()
            .with_name(topic.topic_name())
            .with_results_by_partition(topic.each(|index| {
                AddPartitionsToTxnPartitionResult::default()
                    .with_partition_index(index)
                    .with_partition_error_code(code)
            }))
    });
    AddPartitionsToTxnResponse::default().with_results_by_topic_v3_and_below(results)
}

fn txn_offset_commit(content: &Content, code: i16) -> TxnOffsetCommitResponse {
    TxnOffsetCommitResponse::default().with_topics(content.each(|topic| {
        TxnOffsetCommitResponseTopic::default()
            .with_name(topic.topic_name())
            .with_partitions(topic.each(|index| {
                TxnOffsetCommitResponsePartition::default()
                    .with_partition_index(index)
                    .with_error_code(code)
            }))
    }))
}

#[cfg(test)]
mod tests {
    use kafka_protocol::protocol::Decodable as _;

    use super::*;

    fn content() -> Content {
        Content {
            topics: vec![TopicAsked {
                name: Some("orders".to_owned()),
                id: None,
                partitions: vec![0, 7],
            }],
            groups: vec!["readers".to_owned()],
            transactional_ids: Vec::new(),
            keys: vec!["readers".to_owned()],
        }
    }

    /// Names where the version has names, ids where it has ids.
    fn content_for(api: i16, version: i16) -> Content {
        let mut content = content();
        let by_id = matches!((api, version), (0 | 1, 13..) | (8 | 9, 10..));
        if by_id {
            content.topics[0].name = None;
            content.topics[0].id = Some([7; 16]);
        }
        content
    }

    #[test]
    fn every_version_of_every_api_that_can_be_read_can_be_refused() {
        for api in 0..100 {
            let Some(schema) = crate::requests::schema(api) else {
                continue;
            };
            let key = ApiKey::try_from(api).unwrap();
            let versions = key.valid_versions();
            for version in versions.min..=versions.max.min(schema.newest) {
                let content = content_for(api, version);
                let frame = error_response(api, version, 77, &content, InjectedError(6));
                let frame = frame.unwrap_or_else(|| panic!("{key:?} version {version}"));
                assert_eq!(
                    frame.len() - 4,
                    usize::from(frame[2]) * 256 + usize::from(frame[3])
                );
                assert_eq!(frame[4..8], [0, 0, 0, 77]);
            }
        }
    }

    #[test]
    fn a_refused_produce_says_the_error_for_each_partition() {
        let frame = error_response(0, 9, 1, &content(), InjectedError(6)).unwrap();
        let mut body = bytes::Bytes::from(frame[9..].to_vec());
        let answer = ProduceResponse::decode(&mut body, 9).unwrap();
        let partitions = &answer.responses[0].partition_responses;
        let said: Vec<_> = partitions
            .iter()
            .map(|it| (it.index, it.error_code, it.base_offset))
            .collect();
        assert_eq!(said, [(0, 6, -1), (7, 6, -1)]);
    }
}
