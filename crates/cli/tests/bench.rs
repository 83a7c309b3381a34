//! `ackproof bench` on a real broker: what it measures is what the history holds, and a
//! benchmark in which records are lost fails.

#![allow(clippy::unwrap_used, clippy::panic)] // a panic is how a test fails

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

fn ackproof() -> Command {
    Command::new(env!("CARGO_BIN_EXE_ackproof"))
}

fn bench(name: &str, out: &Path) -> (i32, Value) {
    let mut command = ackproof();
    command.args(["bench", name, "--quick", "--format", "json", "--out"]);
    let output = command.arg(out).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let json = serde_json::from_slice(&output.stdout);
    let json: Value = json.unwrap_or_else(|error| panic!("{error}: {told}"));
    let written = fs::read(out.join("performance.json")).unwrap();
    assert_eq!(json, serde_json::from_slice::<Value>(&written).unwrap());
    let schema: Value = serde_json::from_str(bench::performance::PERFORMANCE_SCHEMA).unwrap();
    let errors: Vec<String> = jsonschema::validator_for(&schema)
        .unwrap()
        .iter_errors(&json)
        .map(|error| error.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
    let exit = output.status.code().unwrap();
    let verdict = json["verdict"].as_str().unwrap();
    let expected = [("HELD", 0), ("VIOLATED", 1), ("INCONCLUSIVE", 3)];
    let expected = expected.iter().find(|it| it.0 == verdict).unwrap().1;
    assert_eq!(exit, expected, "{told}");
    (exit, json)
}

#[test]
fn the_baseline_is_measured_and_checked() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let (_, json) = bench("baseline", &out);
    let benchmark = &json["benchmarks"][0];
    assert_eq!(benchmark["kind"], "baseline");
    // How fast it is hangs on the machine; that it was delivered does not.
    let delivered = &benchmark["criteria"][0];
    assert_eq!(delivered["verdict"], "HELD", "{delivered}");
    let run = &benchmark["runs"][0];
    let section = &run["sections"][0];
    assert_eq!(section["planned"], 8000, "{section}");
    assert_eq!(section["acknowledged"], 8000);
    assert_eq!(section["processed"], 8000);
    assert_eq!(section["offered_per_s"], 1000);
    assert_eq!(section["latency"]["count"], 8000);
    assert_eq!(section["end_to_end"]["count"], 8000);
    assert!(section["course"].as_array().unwrap().len() >= 8);
    let of = |latency: &Value, key: &str| latency[key].as_u64().unwrap();
    let latency = &section["latency"];
    assert!(of(latency, "p50_us") <= of(latency, "p999_us"));
    assert!(of(latency, "p999_us") <= of(latency, "max_us"));
    // A record is processed when it is there, and it was sent after it was due.
    assert!(of(&section["end_to_end"], "max_us") > 0);
    assert!(run["used"]["disk_max_bytes"].as_u64().unwrap() > 1_000_000);
    assert!(run["used"]["loopback_bytes"].as_u64().unwrap() > 2_000_000);
    let processes = run["used"]["processes"].as_array().unwrap();
    let broker = processes.iter().find(|it| it["name"] == "broker 1");
    let broker = broker.unwrap_or_else(|| panic!("{processes:?}"));
    assert!(broker["cpu_ms"].as_u64().unwrap() > 100);
    assert!(broker["resident_max_bytes"].as_u64().unwrap() > 50_000_000);
    // Half of the padding is one letter, and lz4 finds it.
    let ratio = run["compression_hundredths"].as_u64().unwrap();
    assert!((110..300).contains(&ratio), "{ratio}");
    let report = fs::read_to_string(out.join("performance.md")).unwrap();
    assert!(report.contains("Baseline (SC-001)"), "{report}");
    let page = fs::read_to_string(out.join("performance.html")).unwrap();
    assert!(page.contains("<svg") && page.contains("curve latency"));
    // It is a run like any other.
    let mut check = ackproof();
    let check = check.arg("check").arg(&out).output().unwrap();
    assert_eq!(check.status.code(), Some(0));
}

#[test]
fn a_benchmark_that_loses_records_fails_and_says_which() {
    let dir = tempfile::tempdir().unwrap();
    // Its broker's disk is lost on purpose, and as a scenario it expects that.
    let (exit, json) = bench("disk-loss", &dir.path().join("out"));
    assert_eq!(exit, 1, "{json}");
    let benchmark = &json["benchmarks"][0];
    assert_eq!(benchmark["kind"], "own");
    let delivered = &benchmark["criteria"][0];
    assert_eq!(delivered["verdict"], "VIOLATED", "{delivered}");
    let reason = delivered["reason"].as_str().unwrap();
    assert!(reason.contains("lost-write"), "{reason}");
}

#[test]
fn a_name_that_is_almost_one_of_a_benchmark_is_told_so() {
    let output = ackproof().args(["bench", "base-line"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("did you mean `baseline`?"), "{told}");
}
