//! `ackproof audit` of a running cluster: a real broker and a topic.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a panic is how a test fails"
)]

use std::process::{Command, Output};
use std::time::Duration;

use model::ids::TopicName;
use serde_json::Value;
use stack::artefacts::Parts;
use stack::embedded::StackSpec;
use testkit::{Kafka, config};
use wire::{Cluster, ClusterOptions, NewTopic};

/// The rules of what was found, with what was read.
fn found(output: &Output) -> Vec<(String, String, String)> {
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let findings = report["findings"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    findings
        .map(|it| (text(&it["rule"]), text(&it["component"]), text(&it["says"])))
        .collect()
}

fn audit(args: &[&str]) -> Output {
    Command::new(assert_cmd::cargo::cargo_bin!("ackproof"))
        .args(["audit", "--format", "json"])
        .args(args)
        .output()
        .unwrap()
}

#[tokio::test]
async fn a_running_cluster_is_read_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let kafka = Kafka::find(Parts::Kafka);
    let spec = StackSpec {
        brokers: 1,
        broker_config: config(&[("unclean.leader.election.enable", "true")]),
        ..kafka.spec(dir.path().join("stack"))
    };
    let stack = kafka.start(spec).await;
    let servers: Vec<String> = stack
        .bootstrap_servers()
        .iter()
        .map(ToString::to_string)
        .collect();
    let options = ClusterOptions::default();
    let mut cluster = Cluster::connect(servers.iter().cloned(), options)
        .await
        .unwrap();
    let topic = NewTopic {
        topic: TopicName::new("payments"),
        partitions: 1,
        replication_factor: 1,
        config: config(&[("retention.ms", "3600000")]),
    };
    let created = cluster.create_topics(&[topic]).await.unwrap();
    assert!(created.values().all(Result::is_ok), "{created:?}");
    cluster
        .await_topic(&TopicName::new("payments"))
        .await
        .unwrap();

    let bootstrap = servers.join(",");
    let output = tokio::task::spawn_blocking(move || {
        audit(&[
            "--bootstrap",
            &bootstrap,
            "--group",
            "absent",
            "--pause-h",
            "72",
        ])
    });
    let output = output.await;
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let found = found(&output);
    let says = |rule: &str, component: &str| {
        let of = found
            .iter()
            .find(|(it, of, _)| it == rule && of == component);
        of.unwrap_or_else(|| panic!("{rule} of {component}: {found:#?}"))
            .2
            .clone()
    };
    assert_eq!(says("single-broker", "broker 1"), "1 broker");
    assert_eq!(
        says("unclean-leader-election", "broker 1"),
        "unclean.leader.election.enable=true"
    );
    assert_eq!(
        says("one-replica", "topic payments"),
        "replication.factor=1"
    );
    assert!(says("retention-below-pause", "topic payments").contains("retention.ms=3600000"));
    let rules: Vec<&str> = found.iter().map(|(rule, ..)| rule.as_str()).collect();
    // A cluster that is formatted today has both.
    assert!(!rules.contains(&"last-replica-standing"), "{rules:?}");
    assert!(!rules.contains(&"old-transaction-protocol"), "{rules:?}");
    stack.stop(Duration::from_secs(5)).await;
}

#[test]
fn a_cluster_that_is_not_there_is_an_environment_that_failed() {
    let output = audit(&["--connect", "http://127.0.0.1:1"]);
    assert_eq!(output.status.code(), Some(4));
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("http://127.0.0.1:1"), "{error}");
}
