//! The Java client as a subject, in several versions, against a real broker.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stack::artefacts::{FetchError, Parts};
use stack::cache::Cache;
use stack::embedded::Stack;
use stack::java_client::{JavaClient, JavaClientError, SUBJECT_JAR, command};
use stack::maven::MavenError;
use testkit::Kafka;

/// The oldest, both sides of KAFKA-13598, the last with the classic protocol
/// alone in most users' hands, and today's.
const VERSIONS: [&str; 5] = ["2.8.2", "3.0.0", "3.1.1", "3.9.1", "4.3.1"];
const BOUND: Duration = Duration::from_mins(1);
const RECORDS: usize = 10_000;

/// A running subject.
struct Subject {
    child: Child,
    stdin: ChildStdin,
    events: Receiver<Value>,
}

impl Subject {
    fn run(words: &[String]) -> Self {
        let mut child = Command::new(&words[0])
            .args(&words[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, events) = mpsc::channel();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let event = serde_json::from_str(&line);
                let _ = sender.send(event.unwrap_or_else(|_| panic!("no JSON: {line}")));
            }
        });
        Self {
            stdin: child.stdin.take().unwrap(),
            child,
            events,
        }
    }

    fn say(&mut self, request: &Value) {
        writeln!(self.stdin, "{request}").unwrap();
    }

    fn hear(&self) -> Value {
        self.events.recv_timeout(BOUND).unwrap()
    }

    /// Makes a request and returns the events up to its answer.
    fn ask(&mut self, request: &Value) -> Vec<Value> {
        self.say(request);
        let mut events = Vec::new();
        loop {
            let event = self.hear();
            match event["event"].as_str().unwrap() {
                "revoked" => self.say(&json!({"op": "continue"})),
                "done" | "polled" | "ready" | "refused" => {
                    events.push(event);
                    return events;
                }
                _ => {}
            }
            events.push(event);
        }
    }

    /// The error in the answer to a request without fields.
    fn error(&mut self, op: &str) -> Value {
        self.ask(&json!({"op": op})).pop().unwrap()["error"].take()
    }

    #[track_caller]
    fn succeeds(&mut self, op: &str) {
        assert_eq!(self.error(op), Value::Null, "{op}");
    }

    fn close(mut self) {
        self.succeeds("close");
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

/// One version of the client, and a broker.
struct Bench<'b> {
    words: Vec<String>,
    version: &'b str,
    bootstrap: String,
    topic: String,
}

impl Bench<'_> {
    fn config(&self, settings: &[(&str, &str)]) -> Value {
        let mut config = json!({"bootstrap.servers": self.bootstrap});
        for (key, value) in settings {
            config[key] = json!(value);
        }
        config
    }

    fn producer(&self, settings: &[(&str, &str)]) -> (Subject, Value) {
        let mut subject = Subject::run(&self.words);
        let config = self.config(settings);
        let start = json!({"op": "start", "protocol": 1, "producer": {"config": config}});
        let ready = subject.ask(&start).pop().unwrap();
        (subject, ready)
    }

    fn member(&self, settings: &[(&str, &str)]) -> Subject {
        let mut subject = Subject::run(&self.words);
        let mut config = self.config(settings);
        config["group.id"] = json!(format!("{}-{}", self.topic, settings[0].1));
        config["enable.auto.commit"] = json!("false");
        config["auto.offset.reset"] = json!("earliest");
        let consumer = json!({"config": config, "topics": [self.topic]});
        let start = json!({"op": "start", "protocol": 1, "consumer": consumer});
        let ready = subject.ask(&start).pop().unwrap();
        assert_eq!(ready["event"], "ready", "{ready}");
        subject
    }

    fn refuses_what_the_client_would_ignore(&self) {
        let (mut subject, refused) = self.producer(&[("linger.mss", "5")]);
        assert_eq!(refused["event"], "refused");
        assert_eq!(refused["key"], "linger.mss");
        let reason = refused["reason"].as_str().unwrap();
        assert!(reason.ends_with("the nearest is linger.ms"), "{reason}");
        assert_eq!(subject.child.wait().unwrap().code(), Some(2));
    }

    fn produces(&self) {
        let (mut subject, ready) = self.producer(&[("acks", "all")]);
        assert_eq!(ready["version"], self.version, "{ready}");
        // KAFKA-13598: 3.0.0 has the default and does not act on it.
        let idempotent = !["2.8.2", "3.0.0"].contains(&self.version);
        let told = &ready["config"]["enable.idempotence"];
        assert_eq!(*told, json!(idempotent.to_string()));
        for id in 0..RECORDS {
            let partition = id % 4;
            subject.say(&json!({"op": "send", "id": id, "topic": self.topic,
                "partition": partition, "key": "aw==", "value": "dg==",
                "headers": [{"key": "h", "value": "eA=="}]}));
        }
        let events = subject.ask(&json!({"op": "flush"}));
        let places: BTreeSet<_> = events
            .iter()
            .filter(|event| event["event"] == "acknowledged")
            .map(|event| (event["partition"].to_string(), event["offset"].to_string()))
            .collect();
        assert_eq!(places.len(), RECORDS);

        let large = "A".repeat(2_000_000);
        subject.say(&json!({"op": "send", "id": RECORDS, "topic": self.topic, "value": large}));
        let failed = subject.hear();
        assert_eq!(failed["event"], "failed");
        assert_eq!(failed["error"]["name"], "RecordTooLargeException");
        subject.close();
    }

    /// One member reads everything and commits; another one takes over a part.
    fn consumes(&self, settings: &[(&str, &str)]) {
        let poll = json!({"op": "poll", "max": 700, "wait_ms": 20});
        let mut first = self.member(settings);
        let mut records = Vec::new();
        let mut owned = 0;
        let began = Instant::now();
        while records.len() < RECORDS && began.elapsed() < BOUND {
            for mut event in first.ask(&poll) {
                if event["event"] == "assigned" {
                    owned += event["partitions"].as_array().unwrap().len();
                } else if event["event"] == "polled" {
                    let polled = event["records"].as_array_mut().unwrap();
                    assert!(polled.len() <= 700);
                    records.append(polled);
                }
            }
        }
        assert_eq!((records.len(), owned), (RECORDS, 4));
        assert_eq!(records[0]["headers"][0]["value"], "eA==");
        assert_eq!(records[0]["key"], "aw==");
        let next = |it: i32| json!({"topic": self.topic, "partition": it, "offset": RECORDS / 4});
        let offsets: Vec<_> = (0..4).map(next).collect();
        let done = first.ask(&json!({"op": "commit", "offsets": offsets}));
        assert_eq!(done, [json!({"event": "done", "op": "commit"})]);

        let mut second = self.member(settings);
        let mut revoked = 0;
        let mut given = 0;
        while (revoked < 2 || given < 2) && began.elapsed() < BOUND {
            let count = |events: Vec<Value>, name: &str| -> usize {
                let of = events.iter().filter(|event| event["event"] == name);
                of.map(|event| event["partitions"].as_array().unwrap().len())
                    .sum()
            };
            revoked += count(first.ask(&poll), "revoked");
            let events = second.ask(&poll);
            // What was committed is not read again.
            assert_eq!(events.last().unwrap()["records"], json!([]));
            given += count(events, "assigned");
        }
        assert!(revoked >= 2, "{revoked} revoked");
        assert_eq!(given, 2);
        first.close();
        second.close();
    }

    fn is_fenced(&self) {
        let id = [("transactional.id", self.topic.as_str())];
        let send = json!({"op": "send", "id": 1, "topic": self.topic, "value": "dg=="});
        let (mut old, _) = self.producer(&id);
        old.succeeds("init-transactions");
        old.succeeds("begin-transaction");
        old.say(&send);
        old.succeeds("commit-transaction");
        let (mut new, _) = self.producer(&id);
        new.succeeds("init-transactions");
        new.close();
        old.succeeds("begin-transaction");
        old.say(&json!({"op": "send", "id": 2, "topic": self.topic, "value": "dg=="}));
        let mut class = old.error("commit-transaction")["class"].take();
        if class == "abortable" {
            // A broker of today lets the abort find out.
            class = old.error("abort-transaction")["class"].take();
        }
        assert_eq!(class, "fenced");
        old.close();
    }
}

async fn broker(kafka: &Kafka) -> Stack {
    let dir = testkit::fresh_dir(env!("CARGO_TARGET_TMPDIR"), "java-client");
    kafka.start(kafka.spec(dir)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_version_speaks_the_protocol() {
    let kafka = Kafka::find(Parts::Kafka);
    let stack = broker(&kafka).await;
    let bootstrap = stack.bootstrap_servers()[0].to_string();
    let versions = VERSIONS.map(|it| (it, JavaClient::Version(it)));
    let of_brokers = (
        kafka.artefacts.kafka.version.as_str(),
        JavaClient::OfBrokers(&kafka.artefacts),
    );
    for (number, (version, client)) in versions.into_iter().chain([of_brokers]).enumerate() {
        let bench = Bench {
            words: command(&kafka.cache, client, &mut |_| {}).unwrap(),
            version,
            bootstrap: bootstrap.clone(),
            topic: format!("orders-{number}"),
        };
        let of_topic = ["--create", "--topic", &bench.topic, "--partitions", "4"];
        kafka.tool(&bootstrap, "TopicCommand", &of_topic);
        bench.refuses_what_the_client_would_ignore();
        bench.produces();
        let prefix = "org.apache.kafka.clients.consumer";
        for assignor in ["RangeAssignor", "CooperativeStickyAssignor"] {
            let class = format!("{prefix}.{assignor}");
            let strategy = ("partition.assignment.strategy", class.as_str());
            bench.consumes(&[strategy, ("heartbeat.interval.ms", "300")]);
        }
        if version >= "3.9" {
            bench.consumes(&[("group.protocol", "consumer")]);
        }
        bench.is_fenced();
    }
}

#[test]
fn the_jar_is_what_its_sources_make() {
    let version = Command::new("javac").arg("-version").output();
    let version = version.map(|it| String::from_utf8_lossy(&it.stdout).into_owned());
    // Another compiler makes other bytes of the same source.
    if !version.is_ok_and(|it| it.starts_with("javac 17")) {
        eprintln!("skipped: no JDK 17 in PATH to build the Java subject with");
        return;
    }
    let built = tempfile::tempdir().unwrap();
    let jar = built.path().join("subject.jar");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../clients/java/build.sh");
    assert!(Command::new(script).arg(&jar).status().unwrap().success());
    assert!(
        fs::read(jar).unwrap() == SUBJECT_JAR,
        "`make java-subject` builds it anew"
    );
}

#[test]
fn a_client_that_is_not_there_is_told() {
    let cache = Cache::user().unwrap();
    let error = |client| command(&cache, client, &mut |_| {}).unwrap_err();
    let unpublished = error(JavaClient::Version("2.8.999"));
    assert!(
        matches!(
            unpublished,
            JavaClientError::Fetch(FetchError::Maven {
                source: MavenError::NotInRepository { .. },
                ..
            })
        ),
        "{unpublished:?}"
    );
    let old = error(JavaClient::Version("2.7.2")).to_string();
    assert!(old.contains("from 2.8 on"), "{old}");
    let empty = tempfile::tempdir().unwrap();
    let none = error(JavaClient::Folder(empty.path())).to_string();
    assert!(none.ends_with("holds no kafka-clients-*.jar"), "{none}");
}
