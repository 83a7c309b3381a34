//! Unmodified clients work through the proxy against three real brokers, and
//! none gets past it.
#![allow(
    clippy::unwrap_used,
    reason = "clippy's exemption for tests leaves out their fixtures"
)]

mod between;
mod fixture;

use std::time::Duration;

use proxy::{FaultEffect, OnDrop, Pick, ProxyFault, RequestApi, RequestFilter};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::message::Message as _;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

use crate::fixture::Site;

const LIMIT: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_work_through_the_proxy_and_none_gets_past_it() {
    let site = Site::start().await;
    let steps: [(&str, Step); 5] = [
        ("Kafka's own tools", java),
        ("librdkafka", librdkafka),
        (
            "librdkafka, offsets in transactions",
            librdkafka_from_topic_to_topic,
        ),
        ("librdkafka, answers lost", librdkafka_with_lost_answers),
        ("kcat", kcat),
    ];
    for (name, step) in steps {
        let before = site.proxied();
        tokio::task::block_in_place(|| step(&site));
        site.assert_no_client_got_past(name).await;
        if name != "kcat" {
            assert!(site.proxied() > before, "{name} did not use the proxy");
        }
    }
    assert_eq!(site.nodes(), [1, 2, 3], "every broker is behind the proxy");
    site.stop().await;
}

/// What one client does.
type Step = fn(&Site);

/// The Java client: topics, a producer, a group, transactions, an admin.
fn java(site: &Site) {
    site.create_topic("java");
    let produced = site.tool(
        "VerifiableProducer",
        &["--topic", "java", "--max-messages", "1000", "--acks", "-1"],
    );
    assert!(produced.contains(r#""acked":1000"#), "{produced}");
    let consumed = site.tool(
        "VerifiableConsumer",
        &[
            "--topic",
            "java",
            "--group-id",
            "g",
            "--max-messages",
            "1000",
        ],
    );
    assert!(consumed.contains("offsets_committed"), "{consumed}");
    let group = site.tool(
        "consumer.group.ConsumerGroupCommand",
        &["--describe", "--group", "g"],
    );
    assert!(group.contains("java"), "{group}");
    let performed = site.tool(
        "ProducerPerformance",
        &[
            "--topic",
            "java",
            "--num-records",
            "500",
            "--record-size",
            "100",
            "--throughput",
            "-1",
            "--transactional-id",
            "java-tx",
            "--transaction-duration-ms",
            "100",
        ],
    );
    assert!(performed.contains("500 records sent"), "{performed}");
    let read = site.tool(
        "consumer.ConsoleConsumer",
        &[
            "--topic",
            "java",
            "--group",
            "committed",
            "--from-beginning",
            "--isolation-level",
            "read_committed",
            "--max-messages",
            "1500",
            "--timeout-ms",
            "30000",
        ],
    );
    assert_eq!(read.lines().count(), 1500, "{read}");
}

fn transactional(site: &Site, id: &str) -> BaseProducer {
    ClientConfig::new()
        .set("bootstrap.servers", site.bootstrap())
        .set("transactional.id", id)
        .set("compression.type", "lz4")
        .create()
        .unwrap()
}

/// Sends these records in a transaction that stays open.
fn send(producer: &BaseProducer, topic: &str, records: std::ops::Range<usize>) {
    producer.begin_transaction().unwrap();
    for number in records {
        let value = number.to_string();
        let record = BaseRecord::to(topic).key(&value).payload(&value);
        producer.send(record).unwrap();
    }
    producer.flush(LIMIT).unwrap();
}

/// What a new group reads of committed records, sorted.
fn read(site: &Site, topic: &str, group: &str, records: usize) -> Vec<usize> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", site.bootstrap())
        .set("group.id", group)
        .set("auto.offset.reset", "earliest")
        .set("isolation.level", "read_committed")
        .create()
        .unwrap();
    consumer.subscribe(&[topic]).unwrap();
    let mut values = Vec::new();
    let since = std::time::Instant::now();
    // One more would be one too many.
    while values.len() <= records && since.elapsed() < LIMIT {
        match consumer.poll(Duration::from_secs(1)) {
            Some(message) => {
                let value = message.unwrap().payload().unwrap().to_vec();
                values.push(String::from_utf8(value).unwrap().parse().unwrap());
            }
            None if values.len() == records => break,
            None => {}
        }
    }
    consumer.commit_consumer_state(CommitMode::Sync).unwrap();
    values.sort_unstable();
    values
}

fn librdkafka(site: &Site) {
    site.create_topic("rdkafka");
    let producer = transactional(site, "rdkafka-tx");
    producer.init_transactions(LIMIT).unwrap();
    send(&producer, "rdkafka", 0..500);
    producer.commit_transaction(LIMIT).unwrap();
    send(&producer, "rdkafka", 500..600);
    producer.abort_transaction(LIMIT).unwrap();
    let all: Vec<usize> = (0..500).collect();
    assert_eq!(read(site, "rdkafka", "readers", 500), all);
}

/// What a group read is written in the transaction that commits its offsets.
fn librdkafka_from_topic_to_topic(site: &Site) {
    site.create_topic("from");
    site.create_topic("to");
    let producer = transactional(site, "from-to");
    producer.init_transactions(LIMIT).unwrap();
    send(&producer, "from", 0..100);
    producer.commit_transaction(LIMIT).unwrap();

    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", site.bootstrap())
        .set("group.id", "from-to")
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        .create()
        .unwrap();
    consumer.subscribe(&["from"]).unwrap();
    producer.begin_transaction().unwrap();
    let since = std::time::Instant::now();
    let mut copied = 0;
    while copied < 100 {
        assert!(since.elapsed() < LIMIT, "{copied} of 100 records");
        let Some(message) = consumer.poll(Duration::from_secs(1)) else {
            continue;
        };
        let value = message.unwrap().payload().unwrap().to_vec();
        let record = BaseRecord::to("to").key(&value).payload(&value);
        producer.send(record).unwrap();
        copied += 1;
    }
    let offsets = consumer.position().unwrap();
    let group = consumer.group_metadata().unwrap();
    producer
        .send_offsets_to_transaction(&offsets, &group, LIMIT)
        .unwrap();
    producer.commit_transaction(LIMIT).unwrap();
    let committed = consumer.committed_offsets(offsets.clone(), LIMIT).unwrap();
    assert_eq!(committed, offsets);
    let all: Vec<usize> = (0..100).collect();
    assert_eq!(read(site, "to", "to-readers", 100), all);
}

/// The broker acts, its answer is lost with the connection: an idempotent
/// producer sends again, and nothing is doubled.
fn librdkafka_with_lost_answers(site: &Site) {
    site.create_topic("lost-answers");
    let on = RequestFilter {
        api: Some(RequestApi(0)),
        topic: Some("lost-answers".to_owned()),
        pick: Pick::First(3),
        ..RequestFilter::default()
    };
    let then = OnDrop::Reset;
    let runtime = tokio::runtime::Handle::current();
    let fault = ProxyFault::new(FaultEffect::DropAnswer { on, then });
    let id = runtime.block_on(site.proxy.add(fault)).unwrap();
    let producer = transactional(site, "lost-answers-tx");
    producer.init_transactions(LIMIT).unwrap();
    send(&producer, "lost-answers", 0..300);
    producer.commit_transaction(LIMIT).unwrap();
    let evidence = runtime.block_on(site.proxy.heal(id)).unwrap().evidence;
    assert!(evidence.requests[&RequestApi(0)] >= 1, "{evidence:?}");
    assert!(evidence.bytes > 0);
    let all: Vec<usize> = (0..300).collect();
    assert_eq!(read(site, "lost-answers", "lost-readers", 300), all);
}

/// Where it is installed.
fn kcat(site: &Site) {
    let Some(listed) = site.kcat(&["-L"], "") else {
        eprintln!("kcat is not installed: left out");
        return;
    };
    assert!(listed.contains("3 brokers"), "{listed}");
    assert!(!site.names_a_broker_itself(&listed), "{listed}");
    site.create_topic("kcat");
    let transaction = ["-P", "-t", "kcat", "-X", "transactional.id=kcat"];
    site.kcat(&transaction, "one\ntwo\n").unwrap();
    site.kcat(&["-P", "-t", "kcat", "-z", "lz4"], "three\n")
        .unwrap();
    let read = site.kcat(
        &[
            "-G",
            "kcat-readers",
            "-e",
            "-q",
            "-X",
            "auto.offset.reset=earliest",
            "kcat",
        ],
        "",
    );
    let mut lines: Vec<String> = read.unwrap().lines().map(str::to_owned).collect();
    lines.sort();
    assert_eq!(lines, ["one", "three", "two"]);
}
