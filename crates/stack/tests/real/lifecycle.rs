//! Brokers: started, frozen, stopped, killed, wiped, started again.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use stack::artefacts::Parts;
use stack::broker::BrokerError;
use stack::embedded::{StackError, StackSpec};
use stack::ports::ReservedPort;
use stack::process::Exit;
use stack::service::ServiceError;
use tokio::net::TcpListener;

use crate::fixture::{Fixture, GRACE};

#[tokio::test]
async fn a_broker_keeps_its_records_over_stop_and_kill_and_loses_them_with_its_disk() {
    let fixture = Fixture::new(Parts::Kafka);
    let stack = fixture.start(fixture.spec()).await;
    let broker = stack.broker(1).unwrap();
    let service = broker.service();
    fixture.create_topic(broker, "orders");
    fixture.create_topic(broker, "orders-1");
    fixture.produce(broker, "orders", 10);
    fixture.produce(broker, "orders-1", 5);
    let first = service.snapshot().unwrap();

    let paused = service.pause().await.unwrap();
    assert!(paused.state == 'T' && paused.is_same_process(&first));
    // The kernel still accepts connections for a frozen broker.
    TcpStream::connect(broker.client_addr()).unwrap();
    service.resume().await.unwrap();

    let stopped = service.stop(Duration::from_secs(10)).await.unwrap();
    assert_eq!(stopped.exit, Exit::Code(143), "the JVM's exit on SIGTERM");
    assert!(matches!(
        service.snapshot().unwrap_err(),
        ServiceError::NotRunning { .. }
    ));
    let second = service.start().await.unwrap();
    assert!(!second.process.is_same_process(&first));
    assert_eq!(fixture.stored(broker, "orders"), 10);

    assert!(matches!(
        broker.wipe_partitions("orders").unwrap_err(),
        BrokerError::Service(ServiceError::Running { .. })
    ));
    assert_eq!(service.kill().await.unwrap().exit, Exit::Signal(9));
    let wiped = broker.wipe_partitions("orders").unwrap();
    assert_eq!(wiped.len(), 2, "{wiped:?}");
    assert!(wiped.iter().any(|it| it.bytes > 0), "{wiped:?}");
    service.start().await.unwrap();
    assert_eq!(fixture.stored(broker, "orders"), 0);
    assert_eq!(fixture.stored(broker, "orders-1"), 5, "another topic");

    let log = fs::read_to_string(service.log_file()).unwrap();
    assert_eq!(log.matches("Kafka Server started").count(), 3, "one log");
    stack.stop(GRACE).await;
}

#[tokio::test]
async fn three_brokers_replicate_and_survive_the_loss_of_one() {
    let fixture = Fixture::new(Parts::Kafka);
    let stack = fixture.start_three().await;
    let [first, second, third] = stack.brokers() else {
        panic!("three brokers")
    };
    fixture.create_topic(first, "orders");
    for broker in [first, second, third] {
        // A follower makes its directories soon after the topic is there.
        let since = Instant::now();
        while broker.partition_dirs("orders").unwrap().len() < 2 {
            assert!(since.elapsed() < Duration::from_secs(10), "no replica");
            tokio::task::yield_now().await;
        }
    }
    first.service().kill().await.unwrap();
    fixture.produce(second, "orders", 10);
    first.service().start().await.unwrap();
    assert_eq!(fixture.stored(first, "orders"), 10);

    // A frozen broker must not hold up the end.
    third.service().pause().await.unwrap();
    let since = Instant::now();
    stack.stop(GRACE).await;
    assert!(since.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn a_broker_that_cannot_start_says_why() {
    let fixture = Fixture::new(Parts::Kafka);
    let mut spec = fixture.spec();
    let (key, value) = ("log.retention.hours", "soon");
    spec.broker_config.insert(key.to_owned(), value.to_owned());
    let error =
        stack::embedded::Stack::start(&fixture.kafka.artefacts, &fixture.kafka.java, spec, |_| {})
            .await
            .unwrap_err();
    let StackError::Service(ServiceError::Died { tail, .. }) = error else {
        panic!("{error:?}")
    };
    assert!(tail.to_string().contains("log.retention.hours"), "{tail}");
}

// The tools block their thread, and need the relays meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn brokers_reach_each_other_by_what_their_replication_listener_advertises() {
    let fixture = Fixture::new(Parts::Kafka);
    let mut spec = StackSpec {
        brokers: 3,
        ..fixture.spec()
    };
    let mut relays = Vec::new();
    for id in 1..=3 {
        let port = ReservedPort::take().unwrap();
        let relay = Relay::to(port.addr()).await;
        spec.replication_ports.insert(id, port);
        spec.replication_advertise.insert(id, relay.addr);
        relays.push(relay);
    }
    let stack = fixture.start(spec).await;
    let broker = stack.broker(1).unwrap();
    // Partitions enough that each broker leads one and follows the others.
    let args = ["--create", "--topic", "orders", "--partitions", "3"];
    fixture.tool("TopicCommand", broker, &args);
    fixture.produce(broker, "orders", 10);
    let since = Instant::now();
    while relays.iter().any(|it| it.connections() < 2) {
        assert!(since.elapsed() < Duration::from_secs(20), "{relays:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stack.stop(GRACE).await;
}

/// The simplest of proxies, which counts.
#[derive(Debug)]
struct Relay {
    addr: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Relay {
    async fn to(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let Ok(mut far) = tokio::net::TcpStream::connect(upstream).await else {
                    continue;
                };
                count.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(async move {
                    // A broker that ends breaks it.
                    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                });
            }
        });
        Self { addr, connections }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

#[tokio::test]
async fn brokers_stop_freeze_and_go_on_together_and_a_replaced_disk_is_filled_again() {
    let fixture = Fixture::new(Parts::Kafka);
    let stack = fixture.start_three().await;
    let [first, second, third] = stack.brokers() else {
        panic!("three brokers")
    };
    fixture.create_topic(first, "orders");
    fixture.produce(first, "orders", 10);

    let (a, b) = (first.service(), second.service());
    let (a_paused, b_paused) = tokio::join!(a.pause(), b.pause());
    assert_eq!(
        (a_paused.unwrap().state, b_paused.unwrap().state),
        ('T', 'T')
    );
    let (a_resumed, b_resumed) = tokio::join!(a.resume(), b.resume());
    assert!(a_resumed.is_ok() && b_resumed.is_ok());

    second.service().kill().await.unwrap();
    assert!(!second.is_closed_cleanly());
    let wiped = second.wipe_all().unwrap();
    let names: Vec<_> = wiped
        .iter()
        .map(|it| it.path.file_name().unwrap().to_str().unwrap())
        .collect();
    assert!(names.contains(&"orders-0") && names.contains(&"__cluster_metadata-0"));
    assert!(second.partition_dirs("orders").unwrap().is_empty());
    second.service().start().await.unwrap();
    let since = Instant::now();
    let in_sync = |described: &str| described.lines().filter(|it| all_in_sync(it)).count();
    while in_sync(&fixture.describe_topic(first, "orders")) < 2 {
        assert!(
            since.elapsed() < Duration::from_secs(30),
            "not filled again"
        );
    }
    assert_eq!(second.partition_dirs("orders").unwrap().len(), 2);

    let grace = Duration::from_secs(30);
    let stopped = tokio::join!(first.stop(grace), second.stop(grace), third.stop(grace));
    let stopped = [stopped.0.unwrap(), stopped.1.unwrap(), stopped.2.unwrap()];
    // A broker asks the active controller before it stops, for up to 5 minutes
    // (`BrokerServer.shutdown`): on a busy machine the others may be gone before
    // it is answered. One that has closed its logs waits for none of them.
    for (broker, stopped) in stack.brokers().iter().zip(&stopped) {
        let in_time = u128::from(stopped.took_ms) < grace.as_millis();
        assert_eq!(broker.is_closed_cleanly(), in_time, "{stopped:?}");
    }
    assert!(stack.brokers().iter().any(|it| it.is_closed_cleanly()));
    let started = tokio::join!(
        first.service().start(),
        second.service().start(),
        third.service().start()
    );
    assert!(started.0.is_ok() && started.1.is_ok() && started.2.is_ok());
    assert!(!first.is_closed_cleanly(), "it runs");
    assert_eq!(fixture.stored(first, "orders"), 10);
    stack.stop(GRACE).await;
}

/// Whether a partition's line lists three replicas in sync.
fn all_in_sync(described: &str) -> bool {
    let isr = described.split("Isr: ").nth(1);
    isr.and_then(|it| it.split_whitespace().next())
        .is_some_and(|it| it.split(',').count() == 3)
}

#[tokio::test]
async fn a_full_disk_ends_a_broker_for_a_failed_append_and_what_was_acknowledged_stays() {
    let fixture = Fixture::new(Parts::Kafka);
    let stack = fixture.start(fixture.spec()).await;
    let broker = stack.broker(1).unwrap();
    fixture.create_topic(broker, "orders");
    fixture.produce(broker, "orders", 10);
    assert!(matches!(
        broker.fill_disk("nothing").unwrap_err(),
        BrokerError::NoPartition { .. }
    ));

    let full = broker.fill_disk("orders").unwrap();
    assert!(broker.disk_failures(&full).unwrap().is_empty());
    broker.free_disk(full).unwrap();
    fixture.fill(broker, "orders");
    let before = fixture.stored(broker, "orders");

    let full = broker.fill_disk("orders").unwrap();
    assert_eq!(full.headroom_bytes(), 0, "longer than the broker's log");
    let sending = fixture.begin_fill(broker, "orders");
    let exit = broker.service().wait().await.unwrap();
    assert_eq!(exit, Exit::Code(1));
    drop(sending);
    let failures = broker.disk_failures(&full).unwrap();
    assert!(failures[0].contains("Error while appending records to orders-"));
    let last = failures.last().unwrap();
    assert!(
        last.contains("Shutdown broker because all log dirs"),
        "{last}"
    );

    broker.free_disk(full).unwrap();
    broker.service().start().await.unwrap();
    assert!(fixture.stored(broker, "orders") >= before);
    fixture.produce(broker, "orders", 10);
    stack.stop(GRACE).await;
}
