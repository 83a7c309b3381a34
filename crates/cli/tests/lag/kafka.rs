//! A broker for the tests of `lag`, a topic of one partition on it, and everything that
//! clients do to it: in Kafka's own requests, so that each group is in the state that a test
//! is about.

use std::path::Path;
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::SystemTime;

use bytes::{BufMut as _, Bytes, BytesMut};
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::alter_share_group_offsets_request::{
    AlterShareGroupOffsetsRequestPartition, AlterShareGroupOffsetsRequestTopic,
};
use kafka_protocol::messages::consumer_protocol_assignment::TopicPartition as Assigned;
use kafka_protocol::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsTopic,
};
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    AddPartitionsToTxnRequest, AlterShareGroupOffsetsRequest, ConsumerGroupHeartbeatRequest,
    ConsumerProtocolAssignment, ConsumerProtocolSubscription, DeleteRecordsRequest, EndTxnRequest,
    GroupId as WireGroupId, InitProducerIdRequest, JoinGroupRequest, LeaveGroupRequest,
    OffsetCommitRequest, ProduceRequest, ProducerId, ShareGroupHeartbeatRequest, SyncGroupRequest,
    TopicName as WireTopicName, TransactionalId as WireTransactionalId,
};
use kafka_protocol::protocol::{Encodable as _, Request, StrBytes};
use kafka_protocol::records::{
    Compression, Record, RecordBatchEncoder, RecordEncodeOptions, TimestampType,
};
use model::ids::{GroupId, PartitionIndex, TopicName, TopicPartition, TransactionalId};
use stack::artefacts::Parts;
use stack::embedded::{Stack, StackSpec};
use testkit::{Kafka, fresh_dir, send_request};
use wire::{BrokerId, Cluster, ClusterOptions, NewTopic};

pub(crate) const MINUTE_MS: i64 = 60_000;

/// `COORDINATOR_LOAD_IN_PROGRESS`, `COORDINATOR_NOT_AVAILABLE`, `NOT_COORDINATOR`,
/// `NOT_LEADER_OR_FOLLOWER` and `UNKNOWN_TOPIC_OR_PARTITION`: what was made a moment ago is
/// about to be ready.
const NOT_READY: [i16; 5] = [14, 15, 16, 6, 3];

pub(crate) fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    i64::try_from(now.unwrap().as_millis()).unwrap()
}

/// One broker for all tests, on a runtime that outlives theirs. Its process ends with this
/// one.
pub(crate) fn bootstrap() -> String {
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
                let dir = fresh_dir(env!("CARGO_TARGET_TMPDIR"), "lag-broker");
                let stack = start_brokers(&dir, 1).await;
                sender.send(stack.direct_servers()[0].to_string()).unwrap();
                std::future::pending::<()>().await;
            });
        });
        receiver.recv().unwrap()
    };
    BOOTSTRAP.get_or_init(start).clone()
}

pub(crate) async fn start_brokers(dir: &Path, brokers: u8) -> Stack {
    let kafka = Kafka::find(Parts::Kafka);
    let spec = StackSpec {
        brokers,
        ..kafka.spec(dir)
    };
    kafka.start(spec).await
}

fn text(of: &str) -> StrBytes {
    StrBytes::from_string(of.to_owned())
}

fn wire_group(of: &str) -> WireGroupId {
    WireGroupId(text(of))
}

async fn cluster(at: &str) -> Cluster {
    Cluster::connect([at], ClusterOptions::default())
        .await
        .unwrap()
}

/// Partition 0 of a topic, led by broker 1.
pub(crate) struct Target {
    at: String,
    pub(crate) place: TopicPartition,
}

impl Target {
    pub(crate) async fn new(topic: &str, config: &[(&str, &str)]) -> Self {
        Self::at(&bootstrap(), topic, config).await
    }

    pub(crate) async fn at(at: &str, topic: &str, config: &[(&str, &str)]) -> Self {
        let mut cluster = cluster(at).await;
        let place = TopicPartition {
            topic: TopicName::new(topic),
            partition: PartitionIndex::new(0),
        };
        let wanted = NewTopic {
            topic: place.topic.clone(),
            partitions: 1,
            replication_factor: 1,
            config: testkit::config(config),
        };
        let outcomes = cluster.create_topics(&[wanted]).await.unwrap();
        assert_eq!(outcomes[&place.topic], Ok(()));
        cluster.await_topic(&place.topic).await.unwrap();
        let on_first = [BrokerId::new(1)];
        cluster.reassign_partition(&place, &on_first).await.unwrap();
        // To ask for a coordinator makes the topic that groups are kept in.
        let group = GroupId::new(topic);
        cluster.find_coordinator(&group).await.unwrap();
        let at = at.to_owned();
        Self { at, place }
    }

    async fn raw<R: Request>(&self, asked: R, version: i16) -> R::Response {
        send_request(&self.at, asked, version).await
    }

    /// The same until the broker is ready for it; gives the answer, which has no error.
    async fn ready<R: Request + Clone>(
        &self,
        asked: R,
        version: i16,
        code: impl Fn(&R::Response) -> i16,
    ) -> R::Response {
        loop {
            let answer = self.raw(asked.clone(), version).await;
            match code(&answer) {
                0 => return answer,
                code => assert!(NOT_READY.contains(&code), "error code {code}"),
            }
        }
    }

    fn topic(&self) -> WireTopicName {
        WireTopicName(text(self.place.topic.as_str()))
    }

    fn records(&self, at_ms: i64, count: i32, of: Option<&Transaction<'_>>) -> ProduceRequest {
        let records: Vec<_> = (0..count)
            .map(|index| Record {
                transactional: of.is_some(),
                control: false,
                delete_horizon: false,
                partition_leader_epoch: -1,
                producer_id: of.map_or(-1, |it| it.producer.0),
                producer_epoch: of.map_or(-1, |it| it.epoch),
                timestamp_type: TimestampType::Creation,
                offset: i64::from(index),
                sequence: index,
                timestamp: at_ms,
                key: Some(Bytes::from(index.to_string())),
                value: Some(Bytes::from_static(b"value")),
                headers: std::iter::empty::<(StrBytes, Option<Bytes>)>().collect(),
            })
            .collect();
        let mut batch = BytesMut::new();
        let options = RecordEncodeOptions {
            version: 2,
            compression: Compression::None,
        };
        RecordBatchEncoder::encode(&mut batch, &records, &options).unwrap();
        let partition = PartitionProduceData::default()
            .with_index(0)
            .with_records(Some(batch.freeze()));
        let topic = TopicProduceData::default()
            .with_name(self.topic())
            .with_partition_data(vec![partition]);
        ProduceRequest::default()
            .with_transactional_id(of.map(|it| it.id.clone()))
            .with_acks(-1)
            .with_timeout_ms(5_000)
            .with_topic_data(vec![topic])
    }

    /// Appends a batch of records that were made then.
    pub(crate) async fn produce(&self, at_ms: i64, count: i32) {
        let request = self.records(at_ms, count, None);
        self.ready(request, 9, |it| {
            it.responses[0].partition_responses[0].error_code
        })
        .await;
    }

    pub(crate) async fn delete_records_before(&self, offset: i64) {
        let partition = DeleteRecordsPartition::default()
            .with_partition_index(0)
            .with_offset(offset);
        let topic = DeleteRecordsTopic::default()
            .with_name(self.topic())
            .with_partitions(vec![partition]);
        let request = DeleteRecordsRequest::default()
            .with_timeout_ms(5_000)
            .with_topics(vec![topic]);
        let answer = self.raw(request, 2).await;
        assert_eq!(answer.topics[0].partitions[0].error_code, 0);
    }

    fn commit_request(&self, group: &str, next: i64) -> OffsetCommitRequest {
        let partition = OffsetCommitRequestPartition::default()
            .with_partition_index(0)
            .with_committed_offset(next);
        let topic = OffsetCommitRequestTopic::default()
            .with_name(self.topic())
            .with_partitions(vec![partition]);
        OffsetCommitRequest::default()
            .with_group_id(wire_group(group))
            .with_generation_id_or_member_epoch(-1)
            .with_topics(vec![topic])
    }

    /// Commits as a consumer without a group's protocol does; gives the coordinator.
    pub(crate) async fn commit(&self, group: &str, next: i64) -> i32 {
        let commit = self.commit_request(group, next);
        let mut at = self.at.clone();
        let mut broker = 1;
        loop {
            let answer = send_request(&at, commit.clone(), 8).await;
            match answer.topics[0].partitions[0].error_code {
                0 => return broker,
                code => assert!(NOT_READY.contains(&code), "error code {code}"),
            }
            let group = GroupId::new(group);
            let found = cluster(&self.at).await.find_coordinator(&group).await;
            let found = found.unwrap();
            at = found.address;
            broker = found.id.get();
        }
    }

    /// Joins a classic group, as its only member, and takes the partition.
    pub(crate) async fn join<'a>(&'a self, group: &'a str) -> Member<'a> {
        let mut subscription = BytesMut::new();
        subscription.put_i16(0);
        ConsumerProtocolSubscription::default()
            .with_topics(vec![text(self.place.topic.as_str())])
            .encode(&mut subscription, 0)
            .unwrap();
        let protocol = JoinGroupRequestProtocol::default()
            .with_name(StrBytes::from_static_str("range"))
            .with_metadata(subscription.freeze());
        let join = JoinGroupRequest::default()
            .with_group_id(wire_group(group))
            .with_session_timeout_ms(60_000)
            .with_rebalance_timeout_ms(60_000)
            .with_protocol_type(StrBytes::from_static_str("consumer"))
            .with_protocols(vec![protocol]);
        let joined = self.ready(join, 3, |it| it.error_code).await;
        let assigned = Assigned::default()
            .with_topic(self.topic())
            .with_partitions(vec![0]);
        let mut assignment = BytesMut::new();
        assignment.put_i16(0);
        ConsumerProtocolAssignment::default()
            .with_assigned_partitions(vec![assigned])
            .encode(&mut assignment, 0)
            .unwrap();
        let assignment = SyncGroupRequestAssignment::default()
            .with_member_id(joined.member_id.clone())
            .with_assignment(assignment.freeze());
        let sync = SyncGroupRequest::default()
            .with_group_id(wire_group(group))
            .with_generation_id(joined.generation_id)
            .with_member_id(joined.member_id.clone())
            .with_assignments(vec![assignment]);
        assert_eq!(self.raw(sync, 3).await.error_code, 0);
        Member {
            target: self,
            group,
            id: joined.member_id,
            generation: joined.generation_id,
        }
    }

    /// Joins a group of KIP-848's protocol.
    pub(crate) async fn heartbeat(&self, group: &str) {
        let heartbeat = ConsumerGroupHeartbeatRequest::default()
            .with_group_id(wire_group(group))
            .with_member_id(StrBytes::from_static_str("2Zdq2ZPJQHm6bT2Md8sE0g"))
            .with_member_epoch(0)
            .with_rebalance_timeout_ms(60_000)
            .with_subscribed_topic_names(Some(vec![self.topic()]))
            .with_topic_partitions(Some(Vec::new()));
        self.ready(heartbeat, 1, |it| it.error_code).await;
    }

    /// Makes a share group without members that begins at this offset.
    pub(crate) async fn share(&self, group: &str, start: i64) {
        let mut heartbeat = ShareGroupHeartbeatRequest::default()
            .with_group_id(wire_group(group))
            .with_member_id(StrBytes::from_static_str("9b1uVvO0Qf2Q8j7bXz9h7w"))
            .with_member_epoch(0)
            .with_subscribed_topic_names(Some(vec![self.topic()]));
        self.ready(heartbeat.clone(), 1, |it| it.error_code).await;
        heartbeat.member_epoch = -1;
        self.ready(heartbeat, 1, |it| it.error_code).await;
        let partition = AlterShareGroupOffsetsRequestPartition::default()
            .with_partition_index(0)
            .with_start_offset(start);
        let topic = AlterShareGroupOffsetsRequestTopic::default()
            .with_topic_name(self.topic())
            .with_partitions(vec![partition]);
        let alter = AlterShareGroupOffsetsRequest::default()
            .with_group_id(wire_group(group))
            .with_topics(vec![topic]);
        self.ready(alter, 0, |it| it.error_code).await;
    }

    /// Writes records in a transaction, which stays open.
    pub(crate) async fn begin(&self, id: &str, count: i32) -> Transaction<'_> {
        let mut cluster = cluster(&self.at).await;
        // To ask for the coordinator makes the topic of transactions.
        let id_of = TransactionalId::new(id);
        cluster.find_transaction_coordinator(&id_of).await.unwrap();
        let id = WireTransactionalId(text(id));
        let init = InitProducerIdRequest::default()
            .with_transactional_id(Some(id.clone()))
            .with_transaction_timeout_ms(60_000)
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1);
        let init = self.ready(init, 4, |it| it.error_code).await;
        let transaction = Transaction {
            target: self,
            id,
            producer: init.producer_id,
            epoch: init.producer_epoch,
        };
        let topic = AddPartitionsToTxnTopic::default()
            .with_name(self.topic())
            .with_partitions(vec![0]);
        let add = AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(transaction.id.clone())
            .with_v3_and_below_producer_id(transaction.producer)
            .with_v3_and_below_producer_epoch(transaction.epoch)
            .with_v3_and_below_topics(vec![topic]);
        let added = self.raw(add, 3).await;
        let added = &added.results_by_topic_v3_and_below[0].results_by_partition[0];
        assert_eq!(added.partition_error_code, 0);
        let records = self.records(now_ms(), count, Some(&transaction));
        let appended = self.raw(records, 9).await;
        assert_eq!(appended.responses[0].partition_responses[0].error_code, 0);
        transaction
    }
}

/// The only member of a classic group.
pub(crate) struct Member<'a> {
    target: &'a Target,
    group: &'a str,
    id: StrBytes,
    generation: i32,
}

impl Member<'_> {
    pub(crate) async fn commit(&self, next: i64) {
        let commit = self
            .target
            .commit_request(self.group, next)
            .with_generation_id_or_member_epoch(self.generation)
            .with_member_id(self.id.clone());
        let answer = self.target.raw(commit, 8).await;
        assert_eq!(answer.topics[0].partitions[0].error_code, 0);
    }

    pub(crate) async fn leave(self) {
        let member = MemberIdentity::default().with_member_id(self.id);
        let leave = LeaveGroupRequest::default()
            .with_group_id(wire_group(self.group))
            .with_members(vec![member]);
        assert_eq!(self.target.raw(leave, 3).await.error_code, 0);
    }
}

/// A transaction that is open.
pub(crate) struct Transaction<'a> {
    target: &'a Target,
    id: WireTransactionalId,
    producer: ProducerId,
    epoch: i16,
}

impl Transaction<'_> {
    pub(crate) async fn commit(self) {
        let end = EndTxnRequest::default()
            .with_transactional_id(self.id)
            .with_producer_id(self.producer)
            .with_producer_epoch(self.epoch)
            .with_committed(true);
        assert_eq!(self.target.raw(end, 3).await.error_code, 0);
    }
}
