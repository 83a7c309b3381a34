//! Messages for tests, made by code that Kafka's definitions were generated
//! into.

use bytes::Bytes;
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{
    BrokerId, DescribeClusterResponse, FetchResponse, FindCoordinatorResponse, MetadataResponse,
    ProduceResponse, ShareAcknowledgeResponse, ShareFetchResponse, TopicName,
    describe_cluster_response, fetch_response, find_coordinator_response, metadata_response,
    produce_response, share_acknowledge_response, share_fetch_response,
};
use kafka_protocol::protocol::{Encodable, StrBytes};
use uuid::Uuid;

use crate::schemas::api;

/// The APIs whose answers carry addresses, and the newest version that the
/// other code knows.
pub(crate) const ANSWERS: &[(i16, i16)] = &[
    (api::PRODUCE, 13),
    (api::FETCH, 18),
    (api::METADATA, 13),
    (api::FIND_COORDINATOR, 6),
    (api::DESCRIBE_CLUSTER, 2),
    (api::SHARE_FETCH, 1),
    (api::SHARE_ACKNOWLEDGE, 1),
];

/// The oldest version with addresses that the other code knows.
pub(crate) fn oldest(api: i16) -> i16 {
    match api {
        api::SHARE_FETCH | api::SHARE_ACKNOWLEDGE => 1,
        api => crate::schemas::addressed(api).unwrap().since,
    }
}

pub(crate) fn encoded(message: &impl Encodable, version: i16) -> Vec<u8> {
    let mut body = bytes::BytesMut::new();
    message.encode(&mut body, version).unwrap();
    body.to_vec()
}

/// Broker 1 is at `broker-1.example:9093`, and so on.
pub(crate) fn host(node: i32) -> StrBytes {
    StrBytes::from_string(format!("broker-{node}.example"))
}

pub(crate) fn port(node: i32) -> i32 {
    9092 + node
}

/// An answer that names this many brokers.
pub(crate) fn answer(api: i16, version: i16, brokers: i32) -> Vec<u8> {
    match api {
        api::PRODUCE => encoded(&produce(version, brokers), version),
        api::FETCH => encoded(&fetch(version, brokers, 300), version),
        api::METADATA => encoded(&metadata(version, brokers), version),
        api::FIND_COORDINATOR => encoded(&find_coordinator(version, brokers), version),
        api::DESCRIBE_CLUSTER => encoded(&describe_cluster(version, brokers), version),
        api::SHARE_FETCH => encoded(&share_fetch(brokers, 300), version),
        api::SHARE_ACKNOWLEDGE => encoded(&share_acknowledge(brokers), version),
        _ => unreachable!("no such answer"),
    }
}

fn name() -> TopicName {
    TopicName(StrBytes::from_static_str("orders"))
}

pub(crate) const TOPIC_ID: [u8; 16] = [7; 16];

fn produce(version: i16, brokers: i32) -> ProduceResponse {
    let partition = PartitionProduceResponse::default()
        .with_error_code(6)
        .with_record_errors(vec![
            produce_response::BatchIndexAndErrorMessage::default().with_batch_index(3),
        ])
        .with_error_message(Some(StrBytes::from_static_str("no")))
        .with_current_leader(
            produce_response::LeaderIdAndEpoch::default()
                .with_leader_id(BrokerId(1))
                .with_leader_epoch(4),
        );
    let topic = TopicProduceResponse::default()
        .with_partition_responses(vec![partition.clone(), partition]);
    let topic = if version >= 13 {
        topic.with_topic_id(Uuid::from_bytes(TOPIC_ID))
    } else {
        topic.with_name(name())
    };
    let endpoints = (1..=brokers).map(|node| {
        produce_response::NodeEndpoint::default()
            .with_node_id(BrokerId(node))
            .with_host(host(node))
            .with_port(port(node))
            .with_rack(Some(StrBytes::from_static_str("r1")))
    });
    ProduceResponse::default()
        .with_responses(vec![topic])
        .with_node_endpoints(endpoints.collect())
}

pub(crate) fn fetch(version: i16, brokers: i32, record_bytes: usize) -> FetchResponse {
    let aborted = fetch_response::AbortedTransaction::default().with_first_offset(1);
    let partition = fetch_response::PartitionData::default()
        .with_error_code(6)
        .with_current_leader(
            fetch_response::LeaderIdAndEpoch::default()
                .with_leader_id(BrokerId(1))
                .with_leader_epoch(4),
        )
        .with_aborted_transactions(Some(vec![aborted.clone(), aborted]))
        .with_records(Some(Bytes::from(vec![9; record_bytes])));
    let none = fetch_response::PartitionData::default()
        .with_partition_index(1)
        .with_aborted_transactions(None)
        .with_records(None);
    let topic =
        fetch_response::FetchableTopicResponse::default().with_partitions(vec![partition, none]);
    let topic = if version >= 13 {
        topic.with_topic_id(Uuid::from_bytes(TOPIC_ID))
    } else {
        topic.with_topic(name())
    };
    let endpoints = (1..=brokers).map(|node| {
        fetch_response::NodeEndpoint::default()
            .with_node_id(BrokerId(node))
            .with_host(host(node))
            .with_port(port(node))
    });
    FetchResponse::default()
        .with_session_id(5)
        .with_responses(vec![topic])
        .with_node_endpoints(endpoints.collect())
}

pub(crate) fn metadata(version: i16, brokers: i32) -> MetadataResponse {
    let listed = (1..=brokers).map(|node| {
        let broker = metadata_response::MetadataResponseBroker::default()
            .with_node_id(BrokerId(node))
            .with_host(host(node))
            .with_port(port(node));
        if version >= 1 {
            broker.with_rack(Some(StrBytes::from_static_str("r1")))
        } else {
            broker
        }
    });
    let nodes = vec![BrokerId(1), BrokerId(2)];
    let partition = metadata_response::MetadataResponsePartition::default()
        .with_replica_nodes(nodes.clone())
        .with_isr_nodes(nodes);
    let topic = metadata_response::MetadataResponseTopic::default()
        .with_name(Some(name()))
        .with_partitions(vec![partition.clone(), partition]);
    let topic = if version >= 10 {
        topic.with_topic_id(Uuid::from_bytes(TOPIC_ID))
    } else {
        topic
    };
    MetadataResponse::default()
        .with_brokers(listed.collect())
        .with_topics(vec![topic.clone(), topic])
}

fn find_coordinator(version: i16, brokers: i32) -> FindCoordinatorResponse {
    if version < 4 {
        return match brokers {
            0 => FindCoordinatorResponse::default()
                .with_error_code(15)
                .with_node_id(BrokerId(-1))
                .with_port(-1),
            node => FindCoordinatorResponse::default()
                .with_node_id(BrokerId(node))
                .with_host(host(node))
                .with_port(port(node)),
        };
    }
    let coordinators = (1..=brokers).map(|node| {
        find_coordinator_response::Coordinator::default()
            .with_key(StrBytes::from_static_str("group"))
            .with_node_id(BrokerId(node))
            .with_host(host(node))
            .with_port(port(node))
    });
    FindCoordinatorResponse::default().with_coordinators(coordinators.collect())
}

fn describe_cluster(version: i16, brokers: i32) -> DescribeClusterResponse {
    let listed = (1..=brokers).map(|node| {
        let broker = describe_cluster_response::DescribeClusterBroker::default()
            .with_broker_id(BrokerId(node))
            .with_host(host(node))
            .with_port(port(node));
        if version >= 2 {
            broker.with_is_fenced(true)
        } else {
            broker
        }
    });
    DescribeClusterResponse::default()
        .with_cluster_id(StrBytes::from_static_str("cluster"))
        .with_brokers(listed.collect())
}

pub(crate) fn share_fetch(brokers: i32, record_bytes: usize) -> ShareFetchResponse {
    let acquired = share_fetch_response::AcquiredRecords::default().with_last_offset(8);
    let partition = share_fetch_response::PartitionData::default()
        .with_records(Some(Bytes::from(vec![9; record_bytes])))
        .with_acquired_records(vec![acquired.clone(), acquired]);
    let topic = share_fetch_response::ShareFetchableTopicResponse::default()
        .with_topic_id(Uuid::from_bytes(TOPIC_ID))
        .with_partitions(vec![partition.clone(), partition]);
    let endpoints = (1..=brokers).map(|node| {
        share_fetch_response::NodeEndpoint::default()
            .with_node_id(BrokerId(node))
            .with_host(host(node))
            .with_port(port(node))
    });
    ShareFetchResponse::default()
        .with_responses(vec![topic])
        .with_node_endpoints(endpoints.collect())
}

fn share_acknowledge(brokers: i32) -> ShareAcknowledgeResponse {
    let partition = share_acknowledge_response::PartitionData::default();
    let topic = share_acknowledge_response::ShareAcknowledgeTopicResponse::default()
        .with_topic_id(Uuid::from_bytes(TOPIC_ID))
        .with_partitions(vec![partition.clone(), partition]);
    let endpoints = (1..=brokers).map(|node| {
        share_acknowledge_response::NodeEndpoint::default()
            .with_node_id(BrokerId(node))
            .with_host(host(node))
            .with_port(port(node))
    });
    ShareAcknowledgeResponse::default()
        .with_responses(vec![topic])
        .with_node_endpoints(endpoints.collect())
}
