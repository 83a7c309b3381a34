//! What every test here needs: the files, a Java, a directory of its own.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use stack::artefacts::Parts;
use stack::broker::LocalBroker;
use stack::embedded::{Stack, StackSpec};
use testkit::Kafka;

/// Data does not matter to a test that ends.
pub(crate) const GRACE: Duration = Duration::from_millis(100);

pub(crate) struct Fixture {
    pub(crate) kafka: Kafka,
    pub(crate) dir: tempfile::TempDir,
}

impl Fixture {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            kafka: Kafka::find(parts),
            dir: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn spec(&self) -> StackSpec {
        self.kafka.spec(self.dir.path())
    }

    pub(crate) async fn start(&self, spec: StackSpec) -> Stack {
        self.kafka.start(spec).await
    }

    /// Three brokers.
    pub(crate) async fn start_three(&self) -> Stack {
        let spec = StackSpec {
            brokers: 3,
            ..self.spec()
        };
        self.start(spec).await
    }

    pub(crate) fn tool(&self, class: &str, broker: &LocalBroker, args: &[&str]) -> String {
        let bootstrap = broker.client_addr().to_string();
        self.kafka.tool(&bootstrap, class, args)
    }

    pub(crate) fn describe_topic(&self, broker: &LocalBroker, topic: &str) -> String {
        self.tool("TopicCommand", broker, &["--describe", "--topic", topic])
    }

    /// Writes half a megabyte.
    pub(crate) fn fill(&self, broker: &LocalBroker, topic: &str) {
        let mut sending = self.begin_fill(broker, topic);
        assert!(sending.0.wait().unwrap().success());
    }

    /// Begins to write half a megabyte.
    pub(crate) fn begin_fill(&self, broker: &LocalBroker, topic: &str) -> Sending {
        let bootstrap = format!("bootstrap.servers={}", broker.client_addr());
        let sending = self
            .kafka
            .tool_command("ProducerPerformance")
            .args(["--topic", topic, "--num-records", "1024"])
            .args(["--record-size", "512", "--throughput", "-1"])
            .args(["--producer-props", &bootstrap, "acks=all"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Sending(sending)
    }

    pub(crate) fn create_topic(&self, broker: &LocalBroker, topic: &str) {
        let args = ["--create", "--topic", topic, "--partitions", "2"];
        self.tool("TopicCommand", broker, &args);
    }

    pub(crate) fn produce(&self, broker: &LocalBroker, topic: &str, records: u32) {
        let records = records.to_string();
        let args = ["--topic", topic, "--max-messages", &records, "--acks", "-1"];
        self.tool("VerifiableProducer", broker, &args);
    }

    /// The sum of the end offsets of a topic's partitions.
    pub(crate) fn stored(&self, broker: &LocalBroker, topic: &str) -> u64 {
        self.tool("GetOffsetShell", broker, &["--topic", topic])
            .lines()
            .filter_map(|line| line.rsplit(':').next()?.parse::<u64>().ok())
            .sum()
    }
}

/// A producer at work, which ends when dropped.
pub(crate) struct Sending(Child);

impl Drop for Sending {
    fn drop(&mut self) {
        // Both can only fail because it has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// How many entries a directory has, hidden ones aside; 0 when there is none.
pub(crate) fn entries(dir: &Path) -> usize {
    std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .filter(|entry| {
            let name = entry.as_ref().unwrap().file_name();
            !name.to_string_lossy().starts_with('.')
        })
        .count()
}
