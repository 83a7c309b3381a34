//! Runs against a cluster that ackproof did not start: three real brokers with
//! topics, records and groups of their own, which nothing may touch.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use model::ids::{GroupId, Offset, ProducerIx, RunId, TopicName, TopicPartition};
use model::pace::Pace;
use model::plan::{OwnNames, RunPlan};
use model::scenario::{Commit, Fence};
use rustix::process::Signal;
use stack::artefacts::Parts;
use stack::embedded::{Stack, StackSpec};
use subject::clock::Clock;
use subject::role::{ClientCommand, ConsumerRole, ProducerRole, Role, TargetTopic};
use testkit::{Kafka, config};
use wire::{Cluster, ClusterOptions, GroupState, Isolation, NewTopic, OffsetSpec, Topics};

use processes::{ackproof, send, until_in_force, wait_for_end};

mod processes;

const THEIR_TOPIC: &str = "payments";
const THEIR_GROUP: &str = "ledger";
const THEIR_RECORDS: u64 = 300;

/// What is in the cluster that is not ours.
#[derive(Debug, PartialEq, Eq)]
struct Theirs {
    topics: Vec<TopicName>,
    ends: BTreeMap<TopicPartition, Offset>,
    committed: BTreeMap<TopicPartition, Offset>,
}

struct TheirCluster {
    stack: Stack,
    cluster: Cluster,
    dir: tempfile::TempDir,
}

impl TheirCluster {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let kafka = Kafka::find(Parts::Kafka);
        let spec = StackSpec {
            brokers: 3,
            // Kafka's default, which would make a topic again for a client
            // that still asks for it.
            broker_config: config(&[("auto.create.topics.enable", "true")]),
            ..kafka.spec(dir.path().join("stack"))
        };
        let stack = kafka.start(spec).await;
        let servers = stack.bootstrap_servers();
        let servers = servers.iter().map(ToString::to_string);
        let cluster = Cluster::connect(servers, ClusterOptions::default())
            .await
            .unwrap();
        let mut theirs = Self {
            stack,
            cluster,
            dir,
        };
        theirs.fill().await;
        theirs
    }

    fn bootstrap(&self) -> String {
        let servers = self.stack.bootstrap_servers();
        let servers: Vec<String> = servers.iter().map(ToString::to_string).collect();
        servers.join(",")
    }

    /// Records in a topic, and a group that has committed.
    async fn fill(&mut self) {
        let topic = NewTopic {
            topic: TopicName::new(THEIR_TOPIC),
            partitions: 2,
            replication_factor: 3,
            config: BTreeMap::new(),
        };
        let created = self.cluster.create_topics(&[topic]).await.unwrap();
        assert!(created.values().all(Result::is_ok), "{created:?}");
        let name = TopicName::new(THEIR_TOPIC);
        self.cluster.await_topic(&name).await.unwrap();
        let clock = Clock::start();
        let mut producer = become_subject(&Role::Producer(ProducerRole {
            client: ClientCommand::BuiltIn,
            clock,
            bootstrap: self.bootstrap(),
            run: RunId::new(1),
            producer: ProducerIx::new(0),
            topics: vec![TargetTopic {
                name: THEIR_TOPIC.to_owned(),
                partitions: 2,
            }],
            partition_seed: 1,
            records: THEIR_RECORDS,
            pace: Pace::steady(1000),
            begin_at: None,
            record_bytes: 200,
            large: None,
            compressible_percent: 0,
            is_silent: false,
            keys: None,
            template: None,
            config: config(&[("acks", "all")]),
        }));
        // Its reports must be taken, or it blocks.
        let said = read_lines_until(&mut producer, |_| false);
        assert!(wait_for_end(&mut producer).success(), "{said}");
        let mut consumer = become_subject(&Role::Consumer(ConsumerRole {
            client: ClientCommand::BuiltIn,
            clock,
            bootstrap: self.bootstrap(),
            run: RunId::new(1),
            group: THEIR_GROUP.to_owned(),
            topic: THEIR_TOPIC.to_owned(),
            changes: None,
            records_per_s: 1000,
            commit: Commit::After,
            commit_every_records: 10,
            max_poll_records: 1,
            fence: Fence::None,
            config: BTreeMap::new(),
        }));
        let mut processed = 0;
        read_lines_until(&mut consumer, |line| {
            processed += u64::from(line.contains("processed"));
            processed >= THEIR_RECORDS / 2
        });
        drain(&mut consumer);
        send(Signal::TERM, &consumer);
        assert!(wait_for_end(&mut consumer).success());
    }

    async fn theirs(&mut self) -> Theirs {
        let metadata = self.cluster.metadata(Topics::All).await.unwrap();
        let mut topics: Vec<TopicName> = metadata.topics.into_iter().map(|it| it.topic).collect();
        // The cluster's own come when they are first needed.
        topics.retain(|topic| !topic.as_str().starts_with("__"));
        topics.sort();
        let places: Vec<TopicPartition> = (0..2)
            .map(|partition| TopicPartition {
                topic: TopicName::new(THEIR_TOPIC),
                partition: model::ids::PartitionIndex::new(partition),
            })
            .collect();
        let latest = OffsetSpec::Latest(Isolation::ReadUncommitted);
        let ends = self.cluster.list_offsets(&places, latest).await.unwrap();
        let group = GroupId::new(THEIR_GROUP);
        let committed = self.cluster.offset_fetch(&group).await.unwrap();
        Theirs {
            topics,
            ends,
            committed: committed
                .into_iter()
                .map(|(place, at)| (place, at.next))
                .collect(),
        }
    }

    /// What of a run's own is in the cluster.
    async fn own(&mut self, out: &Path) -> Vec<String> {
        let mut found = Vec::new();
        for names in own_names(out) {
            let metadata = self.cluster.metadata(Topics::Named(names.topics())).await;
            let topics = metadata.unwrap().topics.into_iter();
            let there = topics.filter(|topic| topic.partitions.is_ok());
            found.extend(there.map(|topic| format!("topic {}", topic.topic)));
            for group in names.groups() {
                let described = self.cluster.describe_group(group).await.unwrap();
                if described.state != GroupState::Dead {
                    found.push(format!("group {group}"));
                }
            }
        }
        found
    }

    fn out(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    fn run(&self, names: &[&str], out: &Path) -> Command {
        let mut command = ackproof();
        command
            .arg("run")
            .args(names)
            .args(["--bootstrap", &self.bootstrap(), "--seed", "1", "--out"])
            .arg(out);
        command
    }
}

fn own_names(out: &Path) -> Vec<OwnNames> {
    let text = fs::read(out.join("plan.json")).unwrap();
    let plan: RunPlan = serde_json::from_slice(&text).unwrap();
    let names = plan.scenarios.iter().map(|it| OwnNames::of(it).unwrap());
    names.collect()
}

fn become_subject(role: &Role) -> Child {
    let mut child = ackproof()
        .arg("drive-client")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let stdin = child.stdin.as_mut().unwrap();
    let line = serde_json::to_string(role).unwrap();
    writeln!(stdin, "{line}").unwrap();
    child
}

/// Reads its standard output, line by line, until one is the last.
fn read_lines_until(child: &mut Child, mut is_last: impl FnMut(&str) -> bool) -> String {
    let mut said = String::new();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap() == 0 {
            break;
        }
        let last = is_last(&line);
        said += &line;
        if last {
            break;
        }
    }
    child.stdout = Some(reader.into_inner());
    said
}

/// Whatever else it says must not block it.
fn drain(child: &mut Child) {
    let mut stdout = child.stdout.take().unwrap();
    std::thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
}

fn words(output: &Output) -> String {
    format!(
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn cleanup(out: &Path) -> Output {
    ackproof().arg("cleanup").arg(out).output().unwrap()
}

const REPLICATED: &str = r#"
name = "replicated"
title = "Three replicas on a foreign cluster"

[topology]
brokers = 3

[[topic]]
name = "t"
partitions = 2
replication_factor = 3

[[producer]]
topic = "t"
records = 200
records_per_s = 200
record_bytes = 200
config = { acks = "all" }

[[guarantee]]
claim = "no-loss"

[[guarantee]]
claim = "replicas-agree"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_cluster_is_tested_and_left_as_it_was() {
    let mut theirs = TheirCluster::start().await;
    let before = theirs.theirs().await;
    assert_eq!(before.topics, [TopicName::new(THEIR_TOPIC)]);
    assert!(!before.committed.is_empty());

    // What fits is run, and what was made for it is gone.
    let file = theirs.out("replicated.toml");
    fs::write(&file, REPLICATED).unwrap();
    let out = theirs.out("whole");
    let names = [
        "consumer-restart",
        "answer-lost-idempotence",
        "multiple-consumers",
        "network-partition",
        file.to_str().unwrap(),
    ];
    let ran = theirs.run(&names, &out).output().unwrap();
    let said = words(&ran);
    assert_eq!(ran.status.code(), Some(0), "{said}");
    assert!(said.contains("5 HELD"), "{said}");
    assert!(
        own_names(&out)
            .iter()
            .all(|names| !names.topics().is_empty())
    );
    assert_eq!(theirs.own(&out).await, [""; 0], "{said}");
    assert_eq!(theirs.theirs().await, before);
    let checked = ackproof().arg("check").arg(&out).output().unwrap();
    assert_eq!(checked.status.code(), Some(0), "{}", words(&checked));
    let removed = cleanup(&out);
    assert!(
        words(&removed).contains("nothing to do"),
        "{}",
        words(&removed)
    );

    // Topics are like theirs, and begin as they say.
    let out = theirs.out("like");
    let mut like = theirs.run(&["multiple-consumers"], &out);
    like.args(["--like", THEIR_TOPIC, "--prefix", "team-x."]);
    let ran = like.args(["--topic-config", "max.message.bytes=900000"]);
    let ran = ran.output().unwrap();
    let said = words(&ran);
    assert_eq!(ran.status.code(), Some(0), "{said}");
    for names in own_names(&out) {
        let mut names = names.topics().iter();
        assert!(names.all(|it| it.as_str().starts_with("team-x.")));
    }
    let plan: RunPlan = serde_json::from_slice(&fs::read(out.join("plan.json")).unwrap()).unwrap();
    let topics = plan.scenarios.iter().flat_map(|it| &it.scenario.topics);
    assert!(topics.clone().count() > 0);
    for topic in topics {
        assert_eq!(topic.replication_factor, 3, "{topic:?}");
    }
    let configs = fs::read_to_string(out.join("multiple-consumers/configs.json")).unwrap();
    let set = "\"max.message.bytes\": \"900000\"";
    assert!(configs.contains(set), "{configs}");
    assert_eq!(theirs.own(&out).await, [""; 0], "{said}");

    // A suite leaves out what does not fit; what was named is refused.
    let out = theirs.out("named");
    let ran = theirs
        .run(&["delivery", "broker-restart"], &out)
        .output()
        .unwrap();
    let said = words(&ran);
    assert_eq!(ran.status.code(), Some(2), "{said}");
    assert!(
        said.contains(
            "broker-restart cannot run on this cluster: it needs to stop and start broker"
        ),
        "{said}"
    );
    assert!(!out.exists());

    // A run that is killed leaves things behind, until it is healed.
    let out = theirs.out("killed");
    let mut run = until_in_force(theirs.run(&["consumer-restart"], &out));
    let too_early = cleanup(&out);
    let said = words(&too_early);
    assert_eq!(too_early.status.code(), Some(2), "{said}");
    assert!(said.contains("is still going on"), "{said}");
    send(Signal::KILL, &run);
    wait_for_end(&mut run);
    assert_eq!(theirs.own(&out).await.len(), 2, "a topic and a group");
    let removed = cleanup(&out);
    let said = words(&removed);
    assert_eq!(removed.status.code(), Some(0), "{said}");
    assert!(said.contains("deleted topic ackproof-"), "{said}");
    assert!(said.contains("deleted group ackproof-"), "{said}");
    assert_eq!(theirs.own(&out).await, [""; 0]);
    let again = cleanup(&out);
    assert_eq!(again.status.code(), Some(0));
    assert!(words(&again).contains("nothing to do"), "{}", words(&again));

    // One that is interrupted cleans up by itself, members and all.
    let out = theirs.out("interrupted");
    let mut run = until_in_force(theirs.run(&["exactly-once", "multiple-consumers"], &out));
    send(Signal::INT, &run);
    assert_eq!(wait_for_end(&mut run).code(), Some(130));
    assert_eq!(theirs.own(&out).await, [""; 0]);

    assert_eq!(theirs.theirs().await, before);
    let TheirCluster { stack, dir, .. } = theirs;
    stack.stop(Duration::from_millis(500)).await;
    drop(dir);
}

const SENT_WHILE_DELETED: &str = r#"
name = "deleted-under-a-producer"
title = "The topic is deleted while records are sent"

[[topic]]
name = "t"
partitions = 2
replication_factor = 1

[[producer]]
topic = "t"
records = 600
records_per_s = 200
record_bytes = 200
config = { acks = "all", "delivery.timeout.ms" = "5000" }

[[guarantee]]
claim = "no-loss"
"#;

const READ_WHILE_DELETED: &str = r#"
name = "deleted-under-a-group"
title = "The topic is deleted while a group still reads it"
drain_timeout_ms = 30000

[[topic]]
name = "t"
partitions = 2
replication_factor = 1

[[producer]]
topic = "t"
records = 200
records_per_s = 1000
record_bytes = 200
config = { acks = "all" }

[[group]]
name = "g"
topic = "t"
records_per_s = 20
commit_every_records = 5

[[guarantee]]
claim = "no-loss"

[[guarantee]]
claim = "no-group-gap"
level = "observed"
"#;

/// The verdict of a scenario whose topic is deleted when so many records
/// are acknowledged.
async fn deleted_at(theirs: &mut TheirCluster, text: &str, acknowledged: u64) -> serde_json::Value {
    let name = text.split('"').nth(1).unwrap();
    let file = theirs.out(&format!("{name}.toml"));
    fs::write(&file, text).unwrap();
    let out = theirs.out(name);
    let mut run = theirs.run(&[file.to_str().unwrap(), "--format", "json-lines"], &out);
    let mut run = run.stdout(Stdio::piped()).spawn().unwrap();
    let said = read_lines_until(&mut run, |line| {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        event["acknowledged"].as_u64() >= Some(acknowledged)
    });
    assert!(out.join("plan.json").exists(), "{said}");
    let topic = own_names(&out)[0].topics()[0].clone();
    let deleted = theirs.cluster.delete_topics(&[topic]).await.unwrap();
    assert!(deleted.values().all(Result::is_ok), "{deleted:?}");
    drain(&mut run);
    assert_eq!(wait_for_end(&mut run).code(), Some(1));
    let verdict = fs::read(out.join("verdict.json")).unwrap();
    let verdict: serde_json::Value = serde_json::from_slice(&verdict).unwrap();
    assert_eq!(theirs.own(&out).await, [""; 0]);
    verdict["scenarios"][0].clone()
}

/// What a topic held is lost with it, whether or not brokers create another of
/// that name for a producer that goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_deleted_is_named_and_its_records_are_lost() {
    let mut theirs = TheirCluster::start().await;
    for (text, acknowledged, state) in [
        (SENT_WHILE_DELETED, 200, "RECREATED"),
        (READ_WHILE_DELETED, 200, "DELETED"),
    ] {
        let verdict = deleted_at(&mut theirs, text, acknowledged).await;
        assert_eq!(verdict["verdict"], "VIOLATED", "{verdict:#}");
        let failure = &verdict["failures"][0];
        assert_eq!(failure["state"], state, "{verdict:#}");
        let part = failure["part"].as_str().unwrap();
        assert!(part.starts_with("topic ackproof-"), "{part}");
        let loss = &verdict["guarantees"][0];
        assert_eq!(loss["verdict"], "VIOLATED", "{verdict:#}");
    }
    let TheirCluster { stack, dir, .. } = theirs;
    stack.stop(Duration::from_millis(500)).await;
    drop(dir);
}
