//! Three brokers with a counter before each, and the proxy before the counters.
//!
//! The brokers advertise the counters' addresses, which only the proxy is told.
//! So each connection that a counter took and that the proxy did not make is
//! one that got past it.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use proxy::{ClusterProxy, ClusterSettings, Proxy};
use stack::artefacts::Parts;
use stack::embedded::{Stack, StackSpec};
use stack::ports::ReservedPort;
use testkit::Kafka;

/// Longer than any task waits for its turn.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Site {
    kafka: Kafka,
    stack: Stack,
    counters: Vec<Proxy>,
    pub(crate) proxy: ClusterProxy,
    _dir: tempfile::TempDir,
}

/// Three brokers, not started yet.
pub(crate) fn three_brokers(kafka: &Kafka, dir: &Path) -> StackSpec {
    StackSpec {
        brokers: 3,
        ..kafka.spec(dir)
    }
}

impl Site {
    pub(crate) async fn start() -> Self {
        let kafka = Kafka::find(Parts::Kafka);
        let dir = tempfile::tempdir().unwrap();
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut spec = three_brokers(&kafka, dir.path());
        let mut counters = Vec::new();
        for broker in 1..=3 {
            let port = ReservedPort::take().unwrap();
            let counter = Proxy::start(anywhere, port.addr()).await.unwrap();
            spec.advertise.insert(broker, counter.addr());
            spec.client_ports.insert(broker, port);
            counters.push(counter);
        }
        let stack = kafka.start(spec).await;
        let settings = ClusterSettings {
            bootstrap: vec![counters[0].addr().into()],
            listen: anywhere,
            ports: None,
            advertised_host: None,
            security: proxy::ProxySecurity::default(),
        };
        let notes = Arc::new(|note| eprintln!("{note:?}"));
        let proxy = ClusterProxy::start(settings, notes).await.unwrap();
        proxy.discover_brokers().await.unwrap();
        Self {
            kafka,
            stack,
            counters,
            proxy,
            _dir: dir,
        }
    }

    pub(crate) async fn stop(self) {
        self.proxy.stop().await;
        self.stack.stop(Duration::from_millis(100)).await;
    }

    pub(crate) fn bootstrap(&self) -> String {
        self.proxy.brokers()[0].advertised.to_string()
    }

    pub(crate) fn nodes(&self) -> Vec<i32> {
        let brokers = self.proxy.brokers();
        let mut nodes: Vec<i32> = brokers.iter().filter_map(|it| it.node).collect();
        nodes.sort_unstable();
        nodes
    }

    /// How many connections the proxy has carried.
    pub(crate) fn proxied(&self) -> u64 {
        let brokers = self.proxy.brokers();
        brokers.iter().map(|it| it.stats.connections_accepted).sum()
    }

    /// Holds what each counter has taken against what the proxy has made. A
    /// client that got past shows for ever; a connection that one side has
    /// counted and the other has not yet, only until its task runs.
    pub(crate) async fn assert_no_client_got_past(&self, who: &str) {
        let since = Instant::now();
        loop {
            let made: BTreeMap<String, u64> = self
                .proxy
                .brokers()
                .into_iter()
                .map(|it| (it.upstream.to_string(), it.stats.connections_accepted))
                .collect();
            let taken: BTreeMap<String, u64> = self
                .counters
                .iter()
                .map(|it| (it.addr().to_string(), it.stats().connections_accepted))
                .collect();
            if made == taken {
                return;
            }
            assert!(
                since.elapsed() < PATIENCE,
                "{who}: made {made:?}, taken {taken:?}"
            );
            tokio::task::yield_now().await;
        }
    }

    pub(crate) fn names_a_broker_itself(&self, text: &str) -> bool {
        let mut addresses = self.counters.iter().map(|it| it.addr().to_string());
        addresses.any(|it| text.contains(&it))
    }

    pub(crate) fn create_topic(&self, topic: &str) {
        let args = [
            "--create",
            "--topic",
            topic,
            "--partitions",
            "3",
            "--replication-factor",
            "3",
        ];
        self.tool("TopicCommand", &args);
    }

    /// Runs one of Kafka's own tools to its end and returns what it printed.
    pub(crate) fn tool(&self, class: &str, args: &[&str]) -> String {
        self.kafka.tool(&self.bootstrap(), class, args)
    }

    /// What kcat printed; `None` where there is no kcat.
    pub(crate) fn kcat(&self, args: &[&str], says: &str) -> Option<String> {
        let mut kcat = Command::new("kcat")
            .args(["-b", &self.bootstrap()])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .ok()?;
        kcat.stdin
            .take()
            .unwrap()
            .write_all(says.as_bytes())
            .unwrap();
        let output = kcat.wait_with_output().unwrap();
        assert!(output.status.success());
        Some(String::from_utf8(output.stdout).unwrap())
    }
}
