//! What is written for other programs, and what a run that was stopped says.

use std::fs;

use model::event::Body;
use serde_json::Value;

use crate::fixture::{Bench, SCENARIO};

fn json(bench: &Bench, args: &[&str]) -> Value {
    let output = bench.ackproof(args).output().unwrap();
    assert!(output.status.success(), "{args:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn scenarios_anomalies_and_claims_are_told_to_programs() {
    let bench = Bench::new();
    let all = json(&bench, &["list", "--format", "json"]);
    let names: Vec<&str> = all
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["name"].as_str().unwrap())
        .collect();
    assert!(names.contains(&"broker-restart"), "{names:?}");
    assert_eq!(all[0]["guarantees"][0]["level"], "required");

    bench.write("by-hand.toml", SCENARIO);
    let plan = json(&bench, &["explain", "by-hand.toml", "--format", "json"]);
    assert_eq!(plan[0]["scenario"]["name"], "by-hand");
    let unset = plan[0]["clients"][0]["defaults"].as_array().unwrap();
    let idempotence = unset.iter().find(|it| it["key"] == "enable.idempotence");
    let idempotence = idempotence.unwrap();
    assert_eq!(idempotence["value"], "false");
    assert_eq!(idempotence["java"], "true");
    assert_eq!(idempotence["differs"], true);

    let both = json(&bench, &["explain", "commit-order", "--format", "json"]);
    assert_eq!(both[0]["kind"], "anomaly");
    assert_eq!(both[1]["kind"], "claim");
}

#[test]
fn a_first_scenario_is_written_once_and_can_be_explained() {
    let bench = Bench::new();
    let output = bench.ackproof(&["init", "my first.toml"]).output().unwrap();
    assert!(output.status.success());
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("ackproof run 'my first.toml'"), "{said}");
    let explained = bench
        .ackproof(&["explain", "my first.toml"])
        .output()
        .unwrap();
    assert!(explained.status.success());

    fs::write(bench.path().join("my first.toml"), "mine").unwrap();
    let again = bench.ackproof(&["init", "my first.toml"]).output().unwrap();
    assert_eq!(again.status.code(), Some(2));
    let kept = fs::read_to_string(bench.path().join("my first.toml")).unwrap();
    assert_eq!(kept, "mine");
}

#[test]
fn completions_know_scenarios_suites_and_claims() {
    let bench = Bench::new();
    for shell in ["bash", "zsh", "fish"] {
        let output = bench.ackproof(&["completions", shell]).output().unwrap();
        let script = String::from_utf8(output.stdout).unwrap();
        for name in ["broker-restart", "delivery", "no-row-missing"] {
            assert!(script.contains(name), "{shell} does not know {name}");
        }
    }
}

#[test]
fn a_scenario_that_was_stopped_says_so_and_nothing_else() {
    let bench = Bench::new();
    let dir = bench.run_dir(|events| {
        events.truncate(20);
        let at = events[19].at;
        let reason = "interrupted".to_owned();
        let body = Body::Aborted { reason };
        events.push(model::event::Event { at, body });
    });
    let dir = dir.to_str().unwrap();
    let output = bench.ackproof(&["check", dir]).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("  interrupted   by-hand\n"), "{said}");
    assert!(
        said.contains("0 INCONCLUSIVE · 1 interrupted, 0 not started"),
        "{said}"
    );
    assert!(!said.contains("cannot tell"), "{said}");

    fs::remove_file(bench.history()).unwrap();
    let output = bench.ackproof(&["check", dir]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("0 interrupted, 1 not started"), "{said}");
    assert_eq!(said.lines().count(), 2, "{said}");
}

#[test]
fn nothing_is_run_again_where_everything_came_out_as_it_should() {
    let bench = Bench::new();
    let dir = bench.run_dir(|_| {});
    let output = bench
        .ackproof(&["run", "--rerun-failed", dir.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(output.status.success());
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .contains("none to run again")
    );
    assert!(!bench.path().join("runs").exists());
}

#[test]
fn a_stack_is_asked_for_by_its_name() {
    let bench = Bench::new();
    let output = bench
        .ackproof(&["stack", "status", "--name", "mine", "--format", "json"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(4));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["name"], "mine");
    assert!(told["stack"].is_null());
    let odd = bench
        .ackproof(&["stack", "down", "--name", "../x"])
        .output()
        .unwrap();
    assert_eq!(odd.status.code(), Some(2));
}
