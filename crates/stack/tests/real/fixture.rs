//! What every test here needs: the files, a Java, a directory of its own.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use stack::archive::Archives;
use stack::artefacts::{ArtefactRequest, Artefacts, Parts, Versions, fetch};
use stack::broker::Broker;
use stack::cache::Cache;
use stack::java::{Java, find_java};
use stack::stack::{Stack, StackSpec};

/// Data does not matter to a test that ends.
pub(crate) const GRACE: Duration = Duration::from_millis(100);

pub(crate) fn request(parts: Parts) -> ArtefactRequest {
    ArtefactRequest {
        versions: Versions::default(),
        kafka_home: None,
        parts,
    }
}

pub(crate) struct Fixture {
    pub(crate) cache: Cache,
    pub(crate) artefacts: Artefacts,
    pub(crate) java: Java,
    pub(crate) dir: tempfile::TempDir,
}

impl Fixture {
    pub(crate) fn new(parts: Parts) -> Self {
        let cache = Cache::user().unwrap();
        Self {
            artefacts: fetch(&cache, &request(parts), &mut |_| {}).unwrap(),
            cache,
            java: find_java().unwrap(),
            dir: tempfile::tempdir().unwrap(),
        }
    }

    /// What to start, with the archives there are: none is trained for it.
    pub(crate) fn spec(&self) -> StackSpec {
        StackSpec {
            archives: Archives::find(&self.cache, &self.artefacts, &self.java),
            ..StackSpec::new(self.dir.path())
        }
    }

    pub(crate) async fn start(&self, spec: StackSpec) -> Stack {
        Stack::start(&self.artefacts, &self.java, spec, |_| {})
            .await
            .unwrap()
    }

    /// Runs one of Kafka's own tools to its end and returns what it printed.
    pub(crate) fn tool(&self, class: &str, broker: &Broker, args: &[&str]) -> String {
        let output = Command::new(&self.java.binary)
            .args(["-XX:TieredStopAtLevel=1", "-cp"])
            .arg(self.artefacts.class_path())
            .arg(format!("org.apache.kafka.tools.{class}"))
            .args(["--bootstrap-server", &broker.client_addr().to_string()])
            .args(args)
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let complained = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{class}: {printed}{complained}");
        printed
    }

    pub(crate) fn describe_topic(&self, broker: &Broker, topic: &str) -> String {
        self.tool("TopicCommand", broker, &["--describe", "--topic", topic])
    }

    /// Writes half a megabyte.
    pub(crate) fn fill(&self, broker: &Broker, topic: &str) {
        let mut sending = self.begin_fill(broker, topic);
        assert!(sending.0.wait().unwrap().success());
    }

    /// Begins to write half a megabyte.
    pub(crate) fn begin_fill(&self, broker: &Broker, topic: &str) -> Sending {
        let bootstrap = format!("bootstrap.servers={}", broker.client_addr());
        let sending = Command::new(&self.java.binary)
            .args(["-XX:TieredStopAtLevel=1", "-cp"])
            .arg(self.artefacts.class_path())
            .arg("org.apache.kafka.tools.ProducerPerformance")
            .args(["--topic", topic, "--num-records", "1024"])
            .args(["--record-size", "512", "--throughput", "-1"])
            .args(["--producer-props", &bootstrap, "acks=all"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Sending(sending)
    }

    pub(crate) fn create_topic(&self, broker: &Broker, topic: &str) {
        let args = ["--create", "--topic", topic, "--partitions", "2"];
        self.tool("TopicCommand", broker, &args);
    }

    pub(crate) fn produce(&self, broker: &Broker, topic: &str, records: u32) {
        let records = records.to_string();
        let args = ["--topic", topic, "--max-messages", &records, "--acks", "-1"];
        self.tool("VerifiableProducer", broker, &args);
    }

    /// The sum of the end offsets of a topic's partitions.
    pub(crate) fn stored(&self, broker: &Broker, topic: &str) -> u64 {
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
