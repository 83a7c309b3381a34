//! What the program says of a cluster of the user's where there is none.

use std::fs;
use std::time::{Duration, Instant};

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::fixture::Bench;

/// Nobody listens on the first port.
const NOWHERE: &str = "127.0.0.1:1";

#[test]
fn a_cluster_that_does_not_answer_is_told_soon_and_nothing_is_left_behind() {
    let bench = Bench::new();
    let since = Instant::now();
    let args = ["run", "delivery", "--bootstrap", NOWHERE, "--out", "r"];
    let said = bench.transcript(&args);
    // No tool is needed to find out, and no minute.
    assert!(since.elapsed() < Duration::from_secs(30));
    assert!(said.starts_with("exit code 4"), "{said}");
    assert!(
        said.contains("127.0.0.1:1: nothing listens there; check the port"),
        "{said}"
    );
    assert!(said.contains("--command-config how to reach it"), "{said}");
    assert!(!bench.path().join("r").exists());
}

#[test]
fn a_cluster_of_the_users_has_its_own_versions_and_addresses_are_addresses() {
    let bench = Bench::new();
    for other in [
        ["--kafka", "4.2.0"],
        ["--kafka-home", "k"],
        ["--debezium", "3.6.3.Final"],
    ] {
        let args = ["run", "--bootstrap", NOWHERE, other[0], other[1]];
        let said = bench.transcript(&args);
        assert!(said.starts_with("exit code 2"), "{said}");
        assert!(said.contains("cannot be used with"), "{said}");
    }
    assert_snapshot!(bench.transcript(&["run", "--bootstrap", "kafka"]));
}

#[test]
fn a_run_with_brokers_of_its_own_leaves_nothing_to_clean_up() {
    let bench = Bench::new();
    bench.run_dir(|_| {});
    assert_snapshot!(bench.transcript(&["cleanup", "run"]));
    assert_snapshot!(bench.transcript(&["cleanup", "elsewhere"]));
}

/// A run directory whose plan is for a cluster, after a change.
fn on_cluster(bench: &Bench, change: impl FnOnce(&mut Value)) {
    let plan = bench.run_dir(|_| {}).join("plan.json");
    let mut value: Value = serde_json::from_slice(&fs::read(&plan).unwrap()).unwrap();
    value["cluster"] = json!({"bootstrap": [NOWHERE], "brokers": 3});
    value["skipped"] = json!([
        {"scenario": "broker-kill", "reasons": ["needs to stop and start brokers"]}
    ]);
    change(&mut value);
    fs::write(plan, value.to_string()).unwrap();
}

#[test]
fn what_was_skipped_is_said_when_a_run_is_judged_again() {
    let bench = Bench::new();
    on_cluster(&bench, |_| {});
    let said = bench.transcript(&["check", "run"]);
    assert!(
        said.contains("  skipped       broker-kill: needs to stop and start brokers"),
        "{said}"
    );
    assert!(said.contains("0 INCONCLUSIVE · 1 skipped"), "{said}");
}

#[test]
fn a_cluster_that_does_not_answer_is_not_cleaned_up() {
    let bench = Bench::new();
    on_cluster(&bench, |_| {});
    let said = bench.transcript(&["cleanup", "run"]);
    assert!(said.starts_with("exit code 4"), "{said}");
    assert!(
        said.contains("127.0.0.1:1: nothing listens there; check the port"),
        "{said}"
    );
}

#[test]
fn a_copy_of_a_directory_is_not_cleaned_up_while_the_run_goes_on_in_it() {
    let bench = Bench::new();
    on_cluster(&bench, |_| {});
    let first = bench.path().join("first");
    fs::create_dir(&first).unwrap();
    on_cluster_again(&bench, &first);
    let held = fs::File::open(&first).unwrap();
    held.lock().unwrap();
    let said = bench.transcript(&["cleanup", "run"]);
    assert!(said.starts_with("exit code 2"), "{said}");
    assert!(said.contains("first is still going on"), "{said}");
    drop(held);
    // Nobody holds it: the cluster is asked.
    let said = bench.transcript(&["cleanup", "run"]);
    assert!(said.starts_with("exit code 4"), "{said}");
}

/// Says in the plan that its run was in another directory.
fn on_cluster_again(bench: &Bench, first: &std::path::Path) {
    let plan = bench.path().join("run/plan.json");
    let mut value: Value = serde_json::from_slice(&fs::read(&plan).unwrap()).unwrap();
    value["cluster"]["run_dir"] = json!(first.canonicalize().unwrap());
    fs::write(plan, value.to_string()).unwrap();
}

#[test]
fn a_plan_that_names_topics_of_others_is_refused_before_anything_is_asked() {
    let bench = Bench::new();
    on_cluster(&bench, |plan| {
        plan["scenarios"][0]["prefix"] = json!("ackproof-000000000000abcd-1-by-hand-");
        plan["scenarios"][0]["scenario"]["topic"][0]["name"] = json!("payments");
    });
    let said = bench.transcript(&["cleanup", "run"]);
    assert!(said.starts_with("exit code 2"), "{said}");
    assert!(said.contains("`payments`"), "{said}");
    assert!(said.contains("nothing was deleted"), "{said}");
}
