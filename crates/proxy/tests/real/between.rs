//! A link between two of three real brokers is cut: the leader misses a
//! follower, and gets it back.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use proxy::{ClusterProxy, FaultEffect, ProxyFault, Ways, clients_of_broker};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use stack::artefacts::Parts;
use stack::ports::ReservedPort;
use testkit::Kafka;

use crate::fixture::three_brokers;

/// Far above what a busy machine takes.
const LIMIT: Duration = Duration::from_mins(1);
const TOPIC: &str = "replicated";

/// The in-sync replicas of the one partition, as the cluster tells clients.
fn in_sync(client: &BaseProducer) -> Vec<i32> {
    let metadata = client.client().fetch_metadata(Some(TOPIC), LIMIT).unwrap();
    let partition = &metadata.topics()[0].partitions()[0];
    assert_eq!(partition.leader(), 1, "the leader has changed");
    let mut isr = partition.isr().to_vec();
    isr.sort_unstable();
    isr
}

/// Sends records, each acknowledged by all that are in sync, until it is so.
fn send_until(client: &BaseProducer, wanted: &[i32]) {
    let since = Instant::now();
    while in_sync(client) != wanted {
        assert!(since.elapsed() < LIMIT, "in sync: {:?}", in_sync(client));
        let record = BaseRecord::to(TOPIC).key("k").payload("v");
        client.send(record).unwrap();
        client.flush(LIMIT).unwrap();
        assert_eq!(client.in_flight_count(), 0);
    }
}

/// A transaction whose coordinator has to tell every broker of its end.
fn transact(kafka: &Kafka, bootstrap: &str) {
    let everywhere = "1:2:3,2:3:1,3:1:2";
    let create = [
        "--create",
        "--topic",
        "whole",
        "--replica-assignment",
        everywhere,
    ];
    kafka.tool(bootstrap, "TopicCommand", &create);
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("transactional.id", "whole")
        .create()
        .unwrap();
    producer.init_transactions(LIMIT).unwrap();
    producer.begin_transaction().unwrap();
    for partition in 0..3 {
        let record = BaseRecord::to("whole")
            .partition(partition)
            .key("k")
            .payload("v");
        producer.send(record).unwrap();
    }
    producer.commit_transaction(LIMIT).unwrap();
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "whole")
        .set("auto.offset.reset", "earliest")
        .set("isolation.level", "read_committed")
        .create()
        .unwrap();
    consumer.subscribe(&["whole"]).unwrap();
    let (since, mut read) = (Instant::now(), 0);
    while read < 3 {
        assert!(since.elapsed() < LIMIT, "{read} of 3 records are committed");
        // It also returns early, for a rebalance.
        read += usize::from(consumer.poll(LIMIT).transpose().unwrap().is_some());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_cut_off_from_its_leader_leaves_the_isr_and_comes_back() {
    let kafka = Kafka::find(Parts::Kafka);
    let dir = tempfile::tempdir().unwrap();
    let mut spec = three_brokers(&kafka, dir.path());
    let ports: BTreeMap<u8, ReservedPort> = (1..=3)
        .map(|id| (id, ReservedPort::take().unwrap()))
        .collect();
    let upstreams = ports
        .iter()
        .map(|(id, port)| (i32::from(*id), port.addr().into()))
        .collect();
    let here = IpAddr::from(Ipv4Addr::LOCALHOST);
    let notes = Arc::new(|note| eprintln!("{note:?}"));
    let proxy = ClusterProxy::between_brokers(here, upstreams, notes)
        .await
        .unwrap();
    for id in ports.keys() {
        let listens = proxy.listens_for(i32::from(*id)).unwrap();
        spec.advertise.insert(*id, listens);
    }
    spec.client_ports = ports;
    for (key, value) in [
        // Clients use the other listener.
        ("inter.broker.listener.name", "CLIENT"),
        ("replica.lag.time.max.ms", "1500"),
        ("replica.fetch.wait.max.ms", "200"),
    ] {
        spec.broker_config.insert(key.to_owned(), value.to_owned());
    }
    let stack = kafka.start(spec).await;
    let direct = stack.direct_servers()[0].to_string();
    let fault = ProxyFault {
        brokers: vec![1],
        clients: clients_of_broker(2),
        ..ProxyFault::new(FaultEffect::Cut { ways: Ways::Both })
    };
    let client: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", &direct)
        .set("acks", "all")
        .create()
        .unwrap();

    tokio::task::block_in_place(|| {
        let assigned = [
            "--create",
            "--topic",
            TOPIC,
            "--replica-assignment",
            "1:2:3",
        ];
        kafka.tool(&direct, "TopicCommand", &assigned);
        send_until(&client, &[1, 2, 3]);
    });
    let id = proxy.add(fault).await.unwrap();
    tokio::task::block_in_place(|| send_until(&client, &[1, 3]));
    let evidence = proxy.heal(id).await.unwrap().evidence;
    assert!(evidence.connections >= 1, "{evidence:?}");
    assert!(evidence.bytes > 0, "{evidence:?}");
    tokio::task::block_in_place(|| send_until(&client, &[1, 2, 3]));
    tokio::task::block_in_place(|| transact(&kafka, &direct));
    // Each broker led partitions that the others follow.
    for broker in proxy.brokers() {
        assert!(broker.stats.connections_accepted > 0, "{broker:?}");
        assert_eq!(broker.stats.connections_closed, 0, "{broker:?}");
    }
    stack.stop(Duration::from_millis(100)).await;
    proxy.stop().await;
}
