//! Every call against a real broker, shared by all tests of this file.
#![allow(
    clippy::unwrap_used,
    reason = "clippy's exemption for tests leaves out their fixtures"
)]

#[path = "broker/admin.rs"]
mod admin;
#[path = "broker/groups.rs"]
mod groups;
#[path = "broker/three.rs"]
mod three;
#[path = "broker/transactions.rs"]
mod transactions;

use std::collections::BTreeMap;
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::DeleteRecordsRequest;
use kafka_protocol::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsTopic,
};
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    GroupId as WireGroupId, OffsetCommitRequest, ProduceRequest, TopicName as WireTopicName,
};
use kafka_protocol::protocol::{Request, StrBytes};
use kafka_protocol::records::{
    Compression as WireCompression, Record as WireRecord, RecordBatchEncoder, RecordEncodeOptions,
    TimestampType,
};
use model::ids::{GroupId, Offset, PartitionIndex, TopicName, TopicPartition};
use stack::artefacts::Parts;
use stack::embedded::Stack;
use testkit::{Kafka, fresh_dir};
use wire::{
    BrokerId, Cluster, ClusterOptions, Compression, ConfigSource, ConfigValue, ErrorCode,
    GroupState, Isolation, LogReader, NewTopic, OffsetSpec, PinnedReader, ReadError, ReadFrom,
    ReadOptions, Topics, WireError,
};

/// One broker for all tests, on a runtime that outlives theirs. Its process
/// ends with this one.
fn bootstrap() -> String {
    static BOOTSTRAP: OnceLock<String> = OnceLock::new();
    let start = || {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let stack = start_broker().await;
                sender.send(stack.direct_servers()[0].to_string()).unwrap();
                std::future::pending::<()>().await;
            });
        });
        receiver.recv().unwrap()
    };
    BOOTSTRAP.get_or_init(start).clone()
}

async fn start_broker() -> Stack {
    let kafka = Kafka::find(Parts::Kafka);
    let dir = fresh_dir(env!("CARGO_TARGET_TMPDIR"), "wire-broker");
    kafka.start(kafka.spec(dir)).await
}

async fn cluster() -> Cluster {
    Cluster::connect([bootstrap()], ClusterOptions::default())
        .await
        .unwrap()
}

async fn new_topic(cluster: &mut Cluster, name: &str, config: &[(&str, &str)]) -> TopicPartition {
    let topic = TopicName::new(name);
    let wanted = NewTopic {
        topic: topic.clone(),
        partitions: 2,
        replication_factor: 1,
        config: testkit::config(config),
    };
    let outcomes = cluster.create_topics(&[wanted]).await.unwrap();
    assert_eq!(outcomes[&topic], Ok(()));
    cluster.await_topic(&topic).await.unwrap();
    TopicPartition {
        topic,
        partition: PartitionIndex::new(1),
    }
}

/// One request over a connection of its own: what wire itself has no call for.
async fn raw<R: Request>(request: R, version: i16) -> R::Response {
    testkit::send_request(&bootstrap(), request, version).await
}

/// Appends one batch of these values.
async fn produce(place: &TopicPartition, values: &[&[u8]], compression: WireCompression) {
    let request = produce_request(place, values, compression, None);
    let answer = raw(request, 9).await;
    assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
}

/// The request for one batch, in a transaction or without.
fn produce_request(
    place: &TopicPartition,
    values: &[&[u8]],
    compression: WireCompression,
    transaction: Option<&transactions::Producer>,
) -> ProduceRequest {
    let records: Vec<_> = (0..)
        .zip(values)
        .map(|(index, value)| WireRecord {
            transactional: transaction.is_some(),
            control: false,
            delete_horizon: false,
            partition_leader_epoch: -1,
            producer_id: transaction.map_or(-1, |it| it.id.0),
            producer_epoch: transaction.map_or(-1, |it| it.epoch),
            timestamp_type: TimestampType::Creation,
            offset: i64::from(index),
            sequence: index,
            timestamp: 1_700_000_000_000,
            key: None,
            value: Some(Bytes::copy_from_slice(value)),
            headers: std::iter::empty::<(StrBytes, Option<Bytes>)>().collect(),
        })
        .collect();
    let mut batch = BytesMut::new();
    let options = RecordEncodeOptions {
        version: 2,
        compression,
    };
    RecordBatchEncoder::encode(&mut batch, &records, &options).unwrap();
    let partition = PartitionProduceData::default()
        .with_index(place.partition.get())
        .with_records(Some(batch.freeze()));
    let topic = TopicProduceData::default()
        .with_name(wire_topic(&place.topic))
        .with_partition_data(vec![partition]);
    ProduceRequest::default()
        .with_transactional_id(transaction.map(|it| it.transactional_id.clone()))
        .with_acks(-1)
        .with_timeout_ms(5_000)
        .with_topic_data(vec![topic])
}

/// Commits as a consumer without a group's protocol does.
async fn commit(group: &GroupId, place: &TopicPartition, next: i64) {
    let partition = OffsetCommitRequestPartition::default()
        .with_partition_index(place.partition.get())
        .with_committed_offset(next)
        .with_committed_metadata(Some(StrBytes::from_static_str("note")));
    let topic = OffsetCommitRequestTopic::default()
        .with_name(wire_topic(&place.topic))
        .with_partitions(vec![partition]);
    let commit = OffsetCommitRequest::default()
        .with_group_id(WireGroupId(StrBytes::from_string(group.to_string())))
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic]);
    let answer = raw(commit, 8).await;
    assert_eq!(answer.topics[0].partitions[0].error_code, 0);
}

async fn delete_records_before(place: &TopicPartition, offset: i64) {
    let partition = DeleteRecordsPartition::default()
        .with_partition_index(place.partition.get())
        .with_offset(offset);
    let topic = DeleteRecordsTopic::default()
        .with_name(wire_topic(&place.topic))
        .with_partitions(vec![partition]);
    let request = DeleteRecordsRequest::default()
        .with_timeout_ms(5_000)
        .with_topics(vec![topic]);
    let answer = raw(request, 2).await;
    assert_eq!(answer.topics[0].partitions[0].error_code, 0);
}

fn wire_topic(topic: &TopicName) -> WireTopicName {
    WireTopicName(StrBytes::from_string(topic.as_str().to_owned()))
}

async fn read_all(cluster: &mut Cluster, mut reader: PinnedReader) -> Vec<(i64, Bytes)> {
    let mut read = Vec::new();
    while let Some(batch) = reader.next_batch(cluster).await.unwrap() {
        for record in batch.records {
            read.push((record.offset.get(), record.value.unwrap()));
        }
    }
    read
}

#[tokio::test]
async fn a_topic_is_created_described_found_and_deleted() {
    let mut cluster = cluster().await;
    let place = new_topic(&mut cluster, "life", &[("min.insync.replicas", "1")]).await;
    let topic = place.topic.clone();

    let again = NewTopic {
        topic: topic.clone(),
        partitions: 2,
        replication_factor: 1,
        config: BTreeMap::new(),
    };
    let outcomes = cluster.create_topics(&[again]).await.unwrap();
    let refusal = outcomes[&topic].clone().unwrap_err();
    assert_eq!(refusal.code, ErrorCode::TOPIC_ALREADY_EXISTS);
    assert!(refusal.message.unwrap().contains("life"));

    let metadata = cluster
        .metadata(Topics::Named(std::slice::from_ref(&topic)))
        .await
        .unwrap();
    let broker = metadata.brokers[0].id;
    assert_eq!(metadata.controller, Some(broker));
    let partitions = metadata.topics[0].partitions.clone().unwrap();
    assert_eq!(partitions.len(), 2);
    assert!(metadata.topics[0].id.is_some());
    for partition in partitions {
        assert_eq!(partition.leader, Some(broker));
        assert_eq!(partition.replicas, [broker]);
        assert_eq!(partition.isr, [broker]);
    }
    let all = cluster.metadata(Topics::All).await.unwrap();
    assert!(all.topics.iter().any(|found| found.topic == topic));

    let configs = cluster.describe_topic_configs(&topic).await.unwrap();
    let insync = &configs["min.insync.replicas"];
    assert_eq!(insync.value, ConfigValue::Known("1".to_owned()));
    assert_eq!(insync.source, ConfigSource::Topic);
    let configs = cluster.describe_broker_configs(broker).await.unwrap();
    assert_eq!(
        configs["node.id"].value,
        ConfigValue::Known(broker.to_string())
    );
    assert_eq!(configs["node.id"].source, ConfigSource::BrokerFile);

    let outcomes = cluster
        .delete_topics(std::slice::from_ref(&topic))
        .await
        .unwrap();
    assert_eq!(outcomes[&topic], Ok(()));
}

#[tokio::test]
async fn what_was_produced_is_read_in_every_codec_to_the_pinned_end() {
    let mut cluster = cluster().await;
    let place = new_topic(&mut cluster, "codecs", &[]).await;
    let codecs = [
        (WireCompression::None, Compression::None),
        (WireCompression::Gzip, Compression::Gzip),
        (WireCompression::Snappy, Compression::Snappy),
        (WireCompression::Lz4, Compression::Lz4),
        (WireCompression::Zstd, Compression::Zstd),
    ];
    for (codec, _) in codecs {
        produce(&place, &[b"a", b"b", b"c"], codec).await;
    }
    let mut reader = PinnedReader::new(
        place.clone(),
        Offset::new(0),
        Offset::new(15),
        ReadOptions::default(),
    );
    let mut seen = Vec::new();
    while let Some(batch) = reader.next_batch(&mut cluster).await.unwrap() {
        assert_eq!(batch.record_count, 3);
        assert_eq!(batch.producer, None);
        seen.push(batch.compression);
    }
    assert_eq!(seen, codecs.map(|(_, ours)| ours));

    // From and to the middle of a batch.
    let middle = PinnedReader::new(
        place.clone(),
        Offset::new(4),
        Offset::new(8),
        ReadOptions::default(),
    );
    let offsets: Vec<_> = read_all(&mut cluster, middle)
        .await
        .into_iter()
        .map(|(offset, _)| offset)
        .collect();
    assert_eq!(offsets, [4, 5, 6, 7]);
}

#[tokio::test]
async fn offsets_of_start_and_ends_are_told_apart_from_each_other() {
    let mut cluster = cluster().await;
    let place = new_topic(&mut cluster, "ends", &[]).await;
    produce(&place, &[b"a", b"b", b"c"], WireCompression::None).await;
    delete_records_before(&place, 1).await;
    let partitions = [place.clone()];
    for (spec, expected) in [
        (OffsetSpec::Earliest, 1),
        (OffsetSpec::Latest(Isolation::ReadUncommitted), 3),
        (OffsetSpec::Latest(Isolation::ReadCommitted), 3),
        (OffsetSpec::LogEnd, 3),
    ] {
        let offsets = cluster.list_offsets(&partitions, spec).await.unwrap();
        assert_eq!(offsets[&place], Offset::new(expected), "{spec:?}");
    }
}

#[tokio::test]
async fn a_log_start_that_moved_on_is_an_error_that_names_it() {
    let mut cluster = cluster().await;
    let place = new_topic(&mut cluster, "moved", &[]).await;
    produce(&place, &[b"a", b"b", b"c"], WireCompression::None).await;
    delete_records_before(&place, 2).await;
    let mut reader = PinnedReader::new(
        place,
        Offset::new(0),
        Offset::new(3),
        ReadOptions::default(),
    );
    match reader.next_batch(&mut cluster).await {
        Err(ReadError::LogStartMoved { log_start, .. }) => assert_eq!(log_start, Offset::new(2)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_log_that_ends_before_the_position_is_truncated() {
    let mut cluster = cluster().await;
    let place = new_topic(&mut cluster, "shorter", &[]).await;
    produce(&place, &[b"a"], WireCompression::None).await;
    let mut reader = LogReader::new(place, Offset::new(5), ReadOptions::default());
    match reader.poll(&mut cluster, Duration::ZERO).await {
        Err(ReadError::LogTruncated { log_end, .. }) => assert_eq!(log_end, Offset::new(1)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_end_that_is_never_written_is_not_reached_and_says_so() {
    let mut cluster = cluster().await;
    let place = new_topic(&mut cluster, "unreached", &[]).await;
    produce(&place, &[b"a"], WireCompression::None).await;
    let options = ReadOptions {
        stalled_after: Duration::from_millis(600),
        ..ReadOptions::default()
    };
    let mut reader = PinnedReader::new(place, Offset::new(0), Offset::new(2), options);
    assert!(reader.next_batch(&mut cluster).await.unwrap().is_some());
    match reader.next_batch(&mut cluster).await {
        Err(ReadError::EndNotReached {
            position,
            high_watermark,
            ..
        }) => {
            assert_eq!(position, Offset::new(1));
            assert_eq!(high_watermark, Offset::new(1));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_tail_gives_what_arrives_later() {
    let mut cluster = cluster().await;
    let place = new_topic(&mut cluster, "tail", &[]).await;
    let mut reader = LogReader::new(place.clone(), Offset::new(0), ReadOptions::default());
    let none = reader.poll(&mut cluster, Duration::ZERO).await.unwrap();
    assert!(none.is_empty());
    let (batches, ()) = tokio::join!(
        reader.poll(&mut cluster, Duration::from_secs(20)),
        produce(&place, &[b"late"], WireCompression::Lz4),
    );
    let batches = batches.unwrap();
    assert_eq!(batches[0].records[0].value.as_deref(), Some(&b"late"[..]));
    assert_eq!(reader.position(), Offset::new(1));
    assert_eq!(reader.high_watermark(), Offset::new(1));
}

#[tokio::test]
async fn a_batch_longer_than_a_fetch_is_read_all_the_same() {
    let mut cluster = cluster().await;
    let place = new_topic(&mut cluster, "long", &[]).await;
    let long = vec![7; 300_000];
    produce(&place, &[b"a"], WireCompression::None).await;
    produce(&place, &[&long], WireCompression::None).await;
    produce(&place, &[b"b"], WireCompression::None).await;
    let options = ReadOptions {
        fetch_bytes: 100,
        ..ReadOptions::default()
    };
    let reader = PinnedReader::new(place, Offset::new(0), Offset::new(3), options);
    let sizes: Vec<_> = read_all(&mut cluster, reader)
        .await
        .into_iter()
        .map(|(_, value)| value.len())
        .collect();
    assert_eq!(sizes, [1, 300_000, 1]);
}

#[tokio::test]
async fn a_replica_is_read_by_its_broker() {
    let mut cluster = cluster().await;
    let place = new_topic(&mut cluster, "replica", &[]).await;
    produce(&place, &[b"a"], WireCompression::None).await;
    let broker = cluster.brokers().next().unwrap().id;
    let ends = cluster.replica_ends(broker, &place).await.unwrap();
    assert_eq!(ends.log_end, Offset::new(1));
    let options = ReadOptions {
        from: ReadFrom::Replica {
            broker,
            rack: "any".to_owned(),
        },
        ..ReadOptions::default()
    };
    let reader = PinnedReader::new(place, Offset::new(0), Offset::new(1), options);
    assert_eq!(read_all(&mut cluster, reader).await.len(), 1);
}

#[tokio::test]
async fn a_groups_offsets_and_state_are_found_at_its_coordinator() {
    let mut cluster = cluster().await;
    let place = new_topic(&mut cluster, "grouped", &[]).await;
    let group = GroupId::new("readers");
    let broker = cluster.brokers().next().unwrap().id;
    assert_eq!(cluster.find_coordinator(&group).await.unwrap().id, broker);
    assert_eq!(
        cluster.describe_group(&group).await.unwrap().state,
        GroupState::Dead
    );
    assert!(cluster.offset_fetch(&group).await.unwrap().is_empty());

    commit(&group, &place, 42).await;

    let committed = cluster.offset_fetch(&group).await.unwrap();
    assert_eq!(committed.len(), 1);
    assert_eq!(committed[&place].next, Offset::new(42));
    assert_eq!(committed[&place].metadata.as_deref(), Some("note"));
    let description = cluster.describe_group(&group).await.unwrap();
    assert_eq!(description.state, GroupState::Empty);
    assert!(description.members.is_empty());
}

#[tokio::test]
async fn an_unknown_partition_or_broker_is_given_up_after_the_time_to_retry() {
    let mut cluster = cluster().await;
    cluster.set_retry_for(Duration::from_millis(300));
    let nowhere = TopicPartition {
        topic: TopicName::new("nowhere"),
        partition: PartitionIndex::new(0),
    };
    let error = cluster
        .list_offsets(&[nowhere], OffsetSpec::Earliest)
        .await
        .unwrap_err();
    assert_eq!(
        error.code(),
        Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        "{error:?}"
    );
    let error = cluster
        .describe_broker_configs(BrokerId::new(77))
        .await
        .unwrap_err();
    assert!(
        matches!(&error, WireError::Deadline { attempts, .. } if *attempts > 1),
        "{error:?}"
    );
}
