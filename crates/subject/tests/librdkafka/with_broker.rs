//! Clients and a real broker.

use std::collections::BTreeSet;
use std::time::Duration;

use stack::artefacts::{ArtefactRequest, Parts, Versions, present};
use stack::embedded::{Stack, StackSpec};
use subject::librdkafka_client::LibrdkafkaClient;
use subject::protocol::{ErrorClass, Position, Received, Request, SubjectEvent};
use testkit::Kafka;

use crate::driven::{Driven, Make, OLD, clients, config, fetched, load};

const RECORDS: u64 = 300;

async fn one_broker(dir: &tempfile::TempDir) -> (Stack, String) {
    started(&Kafka::find(Parts::Kafka), dir).await
}

async fn started(kafka: &Kafka, dir: &tempfile::TempDir) -> (Stack, String) {
    let spec = StackSpec {
        broker_config: config(&[
            ("auto.create.topics.enable", "true"),
            ("num.partitions", "3"),
            ("message.max.bytes", "100000"),
            ("group.initial.rebalance.delay.ms", "0"),
        ]),
        ..kafka.spec(dir.path())
    };
    let stack = kafka.start(spec).await;
    let bootstrap = stack.bootstrap_servers()[0].to_string();
    (stack, bootstrap)
}

fn member<'c>(
    bootstrap: &'c str,
    group: &'c str,
    more: &[(&'c str, &'c str)],
) -> Vec<(&'c str, &'c str)> {
    let mut config = vec![
        ("bootstrap.servers", bootstrap),
        ("group.id", group),
        ("enable.auto.commit", "false"),
        ("auto.offset.reset", "earliest"),
    ];
    config.retain(|(key, _)| more.iter().all(|(other, _)| key != other));
    config.extend(more);
    config
}

/// The position behind what was read, of each partition.
fn behind(read: &[Received]) -> Vec<Position> {
    let partitions: BTreeSet<_> = read.iter().map(|it| (&it.topic, it.partition)).collect();
    let next = |(topic, partition): (&String, i32)| {
        let offsets = read.iter().filter(|it| it.partition == partition);
        Position {
            topic: topic.clone(),
            partition,
            offset: offsets.map(|it| it.offset + 1).max().unwrap(),
        }
    };
    partitions.into_iter().map(next).collect()
}

fn acknowledged(event: &SubjectEvent) -> bool {
    matches!(event, SubjectEvent::Acknowledged { .. })
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_sent_read_and_committed() {
    let dir = tempfile::tempdir().unwrap();
    let (stack, bootstrap) = one_broker(&dir).await;
    for (name, make) in clients() {
        round_trip(name, make, &bootstrap);
    }
    stack.stop(Duration::from_millis(100)).await;
}

fn round_trip(name: &'static str, make: Make, bootstrap: &str) {
    let topic = format!("t-{}", name.replace(' ', "-"));
    for acks in ["all", "0"] {
        let producer = [("bootstrap.servers", bootstrap), ("acks", acks)];
        let mut producer = Driven::start(make(name), Some(&producer), None);
        for id in 0..RECORDS {
            // Of some the partitioner decides.
            let partition = (id % 4 != 3).then(|| i32::try_from(id % 4).unwrap());
            producer.send(id, &topic, partition, &format!("{acks} {id}"));
        }
        producer.ask(Request::Flush);
        let with_offset = |event: &SubjectEvent| {
            matches!(
                event,
                SubjectEvent::Acknowledged {
                    offset: Some(_),
                    ..
                }
            )
        };
        let acknowledged = producer.count(acknowledged) as u64;
        assert_eq!(acknowledged, RECORDS, "{name} {acks}: {:?}", producer.told);
        let expected = if acks == "0" { 0 } else { RECORDS };
        assert_eq!(
            producer.count(with_offset) as u64,
            expected,
            "{name} {acks}"
        );
        producer.close();
        assert!(matches!(
            producer.told[producer.told.len() - 2],
            SubjectEvent::Counted { .. }
        ));
    }

    let config = member(bootstrap, &topic, &[]);
    let mut consumer = Driven::start(make(name), None, Some((&topic, &config)));
    let read = consumer.read(2 * usize::try_from(RECORDS).unwrap());
    let values: BTreeSet<_> = read.iter().map(|it| it.value.clone().unwrap().0).collect();
    assert_eq!(values.len(), read.len(), "{name}");
    let key_and_value = |it: &Received| (it.key.clone().unwrap(), it.value.clone().unwrap());
    let of_the_first = read.iter().map(key_and_value);
    let of_the_first = of_the_first.filter(|(_, value)| value.0 == b"all 0");
    assert_eq!(
        of_the_first.map(|(key, _)| key.0).collect::<Vec<_>>(),
        [b"0"]
    );
    let (half, _) = read.split_at(read.len() / 2);
    let commit = Request::Commit {
        offsets: behind(half),
    };
    consumer.done(commit).unwrap();
    let first = Position {
        offset: 0,
        ..behind(half).remove(0)
    };
    consumer.done(Request::Seek(first.clone())).unwrap();
    let again = consumer.read(1);
    assert_eq!(
        (again[0].partition, again[0].offset),
        (first.partition, 0),
        "{name}"
    );
    consumer.close();

    let mut next = Driven::start(make(name), None, Some((&topic, &config)));
    let rest = next.read(read.len() - half.len());
    let positions = |read: &[Received]| -> BTreeSet<_> {
        read.iter().map(|it| (it.partition, it.offset)).collect()
    };
    assert!(positions(&rest).is_disjoint(&positions(half)), "{name}");
    next.close();
    let stale = |event: &SubjectEvent| matches!(event, SubjectEvent::Revoked { .. });
    assert_eq!(next.count(stale), 1, "{name}: {:?}", next.told);
}

/// What the client commits by itself is told, on leaving too.
#[tokio::test(flavor = "multi_thread")]
async fn automatic_commits_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let (stack, bootstrap) = one_broker(&dir).await;
    for (name, make) in clients() {
        commit_by_itself(name, make, &bootstrap);
    }
    stack.stop(Duration::from_millis(100)).await;
}

fn commit_by_itself(name: &'static str, make: Make, bootstrap: &str) {
    let producer = [("bootstrap.servers", bootstrap)];
    let topic = format!("t-{}", name.replace(' ', "-"));
    let mut producer = Driven::start(make(name), Some(&producer), None);
    (0..30).for_each(|id| producer.send(id, &topic, Some(0), "x"));
    producer.close();
    // Only the last one comes in time.
    let by_itself = [
        ("enable.auto.commit", "true"),
        ("auto.commit.interval.ms", "3600000"),
    ];
    let config = member(bootstrap, &topic, &by_itself);
    let mut consumer = Driven::start(make(name), None, Some((&topic, &config)));
    consumer.read(30);
    consumer.close();
    let committed = consumer.told.iter().find_map(|event| match event {
        SubjectEvent::Committed { offsets, error } => Some((offsets.clone(), error.clone())),
        _ => None,
    });
    let position = Position {
        topic: topic.clone(),
        partition: 0,
        offset: 30,
    };
    assert_eq!(
        committed,
        Some((vec![position], None)),
        "{name}: {:?}",
        consumer.told
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn members_give_back_what_is_revoked_after_they_committed_it() {
    let dir = tempfile::tempdir().unwrap();
    let (stack, bootstrap) = one_broker(&dir).await;
    for (name, make) in clients() {
        rebalance(name, make, &bootstrap, &["range", "cooperative-sticky"]);
    }
    stack.stop(Duration::from_millis(100)).await;
}

fn rebalance(name: &'static str, make: Make, bootstrap: &str, assignors: &[&str]) {
    let producer = [("bootstrap.servers", bootstrap)];
    let topic = format!("t-{}", name.replace(' ', "-"));
    let mut producer = Driven::start(make(name), Some(&producer), None);
    for id in 0..RECORDS {
        producer.send(id, &topic, Some(i32::try_from(id % 3).unwrap()), "x");
    }
    producer.close();
    for assignor in assignors {
        let group = format!("{topic}-{assignor}");
        let more = [
            ("partition.assignment.strategy", *assignor),
            ("heartbeat.interval.ms", "200"),
        ];
        let config = member(bootstrap, &group, &more);
        let start = || Driven::start(make(name), None, Some((&topic, &config)));
        let mut first = start();
        let read = first.read(usize::try_from(RECORDS).unwrap());
        let mut second = start();
        let is_assigned = |event: &SubjectEvent| matches!(event, SubjectEvent::Assigned { partitions } if !partitions.is_empty());
        let patience = std::time::Instant::now() + Duration::from_mins(1);
        while second.count(is_assigned) == 0 {
            assert!(std::time::Instant::now() < patience, "{name} {assignor}");
            first.poll(|first| {
                let offsets = behind(&read);
                // They are its own until it lets them go.
                first.done(Request::Commit { offsets }).unwrap();
            });
            // Nothing is left for it.
            let given = second.poll(|_| {});
            assert!(given.is_empty(), "{name} {assignor}: {given:?}");
        }
        let is_revoked = |event: &SubjectEvent| matches!(event, SubjectEvent::Revoked { .. });
        assert!(first.count(is_revoked) > 0, "{name} {assignor}");
        first.close();
        second.close();
        assert!(second.count(is_revoked) > 0, "{name} {assignor}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_are_committed_aborted_and_fenced() {
    let dir = tempfile::tempdir().unwrap();
    let (stack, bootstrap) = one_broker(&dir).await;
    for (name, make) in clients() {
        transact(name, make, &bootstrap, Some(ErrorClass::Fenced));
    }
    stack.stop(Duration::from_millis(100)).await;
}

fn transact(name: &'static str, make: Make, bootstrap: &str, fencing: Option<ErrorClass>) {
    let topic = |kind: &str| format!("{kind}-{}", name.replace(' ', "-"));
    let (from, to) = (topic("from"), topic("to"));
    let plain = [("bootstrap.servers", bootstrap)];
    let mut producer = Driven::start(make(name), Some(&plain), None);
    (0..20).for_each(|id| producer.send(id, &from, Some(0), "x"));
    // Made before anything is sent to it in a transaction.
    producer.send(20, &to, Some(0), "before");
    producer.close();

    let producing = [("bootstrap.servers", bootstrap), ("transactional.id", &*to)];
    let consuming = member(bootstrap, &from, &[]);
    let mut both = Driven::start(make(name), Some(&producing), Some((&from, &consuming)));
    both.done_in_the_end(&Request::InitTransactions).unwrap();
    let read = both.read(20);
    for (id, end) in [
        (0, Request::AbortTransaction),
        (1, Request::CommitTransaction),
    ] {
        both.done(Request::BeginTransaction).unwrap();
        both.send(id, &to, Some(0), &format!("{end:?}"));
        let offsets = behind(&read);
        both.done_in_the_end(&Request::SendOffsets { offsets })
            .unwrap();
        both.done_in_the_end(&end).unwrap();
    }
    assert_eq!(both.count(acknowledged), 2, "{name}: {:?}", both.told);

    // Another one takes its place.
    both.done(Request::BeginTransaction).unwrap();
    both.send(2, &to, Some(0), "fenced");
    both.ask(Request::Flush);
    let mut other = Driven::start(make(name), Some(&producing), None);
    other.done_in_the_end(&Request::InitTransactions).unwrap();
    assert_eq!(fenced(&mut both), fencing, "{name}: {:?}", both.told);
    other.close();
    both.close();

    let committed = [("isolation.level", "read_committed")];
    let config = member(bootstrap, "of-what-was-committed", &committed);
    let mut reader = Driven::start(make(name), None, Some((&to, &config)));
    let read = reader.read(2);
    let values: Vec<_> = read.iter().map(|it| it.value.clone().unwrap().0).collect();
    assert_eq!(values, [&b"before"[..], b"CommitTransaction"], "{name}");
    reader.close();

    let mut next = Driven::start(make(name), None, Some((&from, &consuming)));
    for _ in 0..20 {
        let again = next.poll(|_| {});
        assert!(again.is_empty(), "{name}: {again:?}");
    }
    next.close();
}

/// What a producer that was replaced is told of the end of its transaction: to
/// commit it, and where librdkafka wants that, to abort it. None is success.
fn fenced(replaced: &mut Driven) -> Option<ErrorClass> {
    match replaced.done_in_the_end(&Request::CommitTransaction) {
        Ok(()) => None,
        Err(error) if error.class == ErrorClass::Abortable => {
            let aborted = replaced.done_in_the_end(&Request::AbortTransaction);
            Some(aborted.err().unwrap_or(error).class)
        }
        Err(error) => Some(error.class),
    }
}

/// A broker refuses a batch for its size, and librdkafka counts that it sent
/// each record once: then, and only at the end, it is certain.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_record_is_certainly_not_written() {
    let dir = tempfile::tempdir().unwrap();
    let (stack, bootstrap) = one_broker(&dir).await;
    for (name, make) in clients() {
        let topic = format!("t-{}", name.replace(' ', "-"));
        let config = [("bootstrap.servers", &*bootstrap), ("acks", "all")];
        let mut producer = Driven::start(make(name), Some(&config), None);
        producer.send(0, &topic, Some(0), "made");
        producer.ask(Request::Flush);
        producer.send(1, &topic, Some(1), &"x".repeat(200_000));
        producer.ask(Request::Flush);
        let unknown = |event: &SubjectEvent| matches!(event, SubjectEvent::Unknown { id: 1, .. });
        let failed = |event: &SubjectEvent| matches!(event, SubjectEvent::Failed { id: 1, .. });
        assert_eq!(producer.count(unknown), 1, "{name}: {:?}", producer.told);
        assert_eq!(producer.count(failed), 0, "{name}");
        producer.close();
        assert_eq!(producer.count(failed), 1, "{name}: {:?}", producer.told);
    }
    stack.stop(Duration::from_millis(100)).await;
}

/// A version whose requests brokers of Kafka 4 refuse (KIP-896), with an old
/// broker, where there is one in the cache (`make oldest`).
#[tokio::test(flavor = "multi_thread")]
async fn an_old_version_works_with_an_old_broker() {
    let mut kafka = Kafka::find(Parts::Kafka);
    let request = ArtefactRequest {
        versions: Versions {
            kafka: "3.3.2".to_owned(),
            ..Versions::default()
        },
        ..testkit::request(Parts::Kafka)
    };
    let (Some(artefacts), Some(_)) = (present(&kafka.cache, &request), fetched(OLD)) else {
        println!("without Kafka 3.3.2, or librdkafka {OLD}");
        return;
    };
    kafka.artefacts = artefacts;
    let dir = tempfile::tempdir().unwrap();
    let (stack, bootstrap) = started(&kafka, &dir).await;
    round_trip(OLD, load, &bootstrap);
    commit_by_itself("1.5.0-a", |_| load(OLD), &bootstrap);
    rebalance("1.5.0-b", |_| load(OLD), &bootstrap, &["range"]);
    // It gives up where the coordinator is not there yet.
    let built_in = |_| LibrdkafkaClient::built_in();
    transact("built in", built_in, &bootstrap, Some(ErrorClass::Fenced));
    // Before 1.6.0 it forgets what the coordinator answered to the end of a
    // transaction (`rd_kafka_txn_handle_EndTxn` falls through to `err_parse`),
    // and reports success of what was refused.
    transact("1.5.0-c", |_| load(OLD), &bootstrap, None);
    stack.stop(Duration::from_millis(100)).await;
}
