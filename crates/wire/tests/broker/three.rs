//! Three brokers: replicas read one by one, leaders and controllers lost.

use std::slice;
use std::time::{Duration, Instant};

use model::ids::{Offset, PartitionIndex, TopicName, TopicPartition};
use stack::artefacts::Parts;
use stack::embedded::{Stack, StackSpec};
use testkit::{Kafka, fresh_dir};
use wire::{
    BrokerId, Cluster, ClusterOptions, ElectionType, ErrorCode, NewTopic, PartitionMetadata,
    PinnedReader, ReadOptions, Topics,
};

use super::{WireCompression, produce_request, read_all};

const PATIENCE: Duration = Duration::from_mins(1);

async fn start(name: &str) -> (Stack, Cluster) {
    let kafka = Kafka::find(Parts::Kafka);
    let spec = StackSpec {
        brokers: 3,
        ..kafka.spec(fresh_dir(env!("CARGO_TARGET_TMPDIR"), name))
    };
    let stack = kafka.start(spec).await;
    let bootstrap = stack.direct_servers().into_iter().map(|it| it.to_string());
    let cluster = Cluster::connect(bootstrap, ClusterOptions::default())
        .await
        .unwrap();
    (stack, cluster)
}

/// A partition on all three brokers; all of them must be in sync to write.
async fn new_partition(cluster: &mut Cluster, name: &str) -> TopicPartition {
    let topic = TopicName::new(name);
    let wanted = NewTopic {
        topic: topic.clone(),
        partitions: 1,
        replication_factor: 3,
        config: [("min.insync.replicas".to_owned(), "3".to_owned())].into(),
    };
    let outcomes = cluster.create_topics(&[wanted]).await.unwrap();
    assert_eq!(outcomes[&topic], Ok(()));
    cluster.await_topic(&topic).await.unwrap();
    TopicPartition {
        topic,
        partition: PartitionIndex::new(0),
    }
}

async fn replicas(cluster: &mut Cluster, place: &TopicPartition) -> PartitionMetadata {
    let asked = Topics::Named(slice::from_ref(&place.topic));
    let topic = cluster.metadata(asked).await.unwrap().topics.remove(0);
    topic.partitions.unwrap().remove(0)
}

/// Asks until the answer is as wanted.
async fn await_replicas(
    cluster: &mut Cluster,
    place: &TopicPartition,
    wanted: impl Fn(&PartitionMetadata) -> bool,
) -> PartitionMetadata {
    let since = Instant::now();
    loop {
        let found = replicas(cluster, place).await;
        if wanted(&found) {
            return found;
        }
        assert!(since.elapsed() < PATIENCE, "{found:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn each_replica_is_read_to_its_own_end_from_the_broker_that_holds_it() {
    let (stack, mut cluster) = start("wire-replicas").await;
    let place = new_partition(&mut cluster, "replicated").await;
    let leader = replicas(&mut cluster, &place).await.leader.unwrap();
    let leader_addr = stack.brokers()[usize::try_from(leader.get() - 1).unwrap()].direct_addr();
    let values: [&[u8]; 3] = [b"a", b"b", b"c"];
    let request = produce_request(&place, &values, WireCompression::None, None);
    let produced = testkit::send_request(&leader_addr.to_string(), request, 9).await;
    assert_eq!(produced.responses[0].partition_responses[0].error_code, 0);

    for broker in (1..=3).map(BrokerId::new) {
        // A follower hears of the high watermark with its next fetch.
        let since = Instant::now();
        let ends = loop {
            let ends = cluster.replica_ends(broker, &place).await.unwrap();
            if ends.high_watermark == Offset::new(3) {
                break ends;
            }
            assert!(since.elapsed() < PATIENCE, "{ends:?}");
        };
        assert_eq!(ends.log_start, Offset::new(0));
        assert_eq!(ends.log_end, Offset::new(3));
        let reader = PinnedReader::of_replica(place.clone(), broker, ends, ReadOptions::default());
        let read = read_all(&mut cluster, reader).await;
        let read: Vec<_> = read.iter().map(|(_, value)| &value[..]).collect();
        assert_eq!(read, values, "broker {broker}");
    }
    stack.stop(Duration::from_millis(100)).await;
}

#[tokio::test]
async fn a_lost_leader_is_replaced_with_a_new_epoch_and_elected_again_when_it_is_back() {
    let (stack, mut cluster) = start("wire-roles").await;
    let place = new_partition(&mut cluster, "led").await;
    let before = await_replicas(&mut cluster, &place, |it| it.isr.len() == 3).await;
    let leader = before.leader.unwrap();
    assert_eq!(before.replicas[0], leader, "the preferred one leads");
    let quorum = cluster.describe_quorum().await.unwrap();
    assert_eq!(quorum.voters.len(), 3);

    let service = stack.broker(u8::try_from(leader.get()).unwrap());
    let service = service.unwrap().service();
    service.stop(Duration::from_secs(20)).await.unwrap();
    let after = await_replicas(&mut cluster, &place, |it| it.isr.len() == 2).await;
    assert!(after.leader.is_some_and(|it| it != leader));
    assert!(after.leader_epoch > before.leader_epoch);
    assert_eq!(after.offline, [leader]);
    let without = cluster.describe_quorum().await.unwrap();
    assert_ne!(without.leader, leader);
    if quorum.leader == leader {
        assert!(without.leader_epoch > quorum.leader_epoch);
    }

    let partitions = slice::from_ref(&place);
    let preferred = ElectionType::Preferred;
    let outcomes = cluster.elect_leaders(preferred, partitions).await.unwrap();
    let refusal = outcomes[&place].clone().unwrap_err();
    assert_eq!(refusal.code, ErrorCode::PREFERRED_LEADER_NOT_AVAILABLE);

    service.start().await.unwrap();
    await_replicas(&mut cluster, &place, |it| it.isr.len() == 3).await;
    let outcomes = cluster.elect_leaders(preferred, partitions).await.unwrap();
    assert_eq!(outcomes[&place], Ok(()));
    await_replicas(&mut cluster, &place, |it| it.leader == Some(leader)).await;
    let outcomes = cluster.elect_leaders(preferred, partitions).await.unwrap();
    let refusal = outcomes[&place].clone().unwrap_err();
    assert_eq!(refusal.code, ErrorCode::ELECTION_NOT_NEEDED);
    stack.stop(Duration::from_millis(100)).await;
}
