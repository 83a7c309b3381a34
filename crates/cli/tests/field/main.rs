//! Cases from the field on the real stack: scenarios that people met, each a
//! file in `cases/` that carries its right answer in lines that begin `#:`.
//!
//! | line | holds |
//! | --- | --- |
//! | `#: exit 1` | the exit code |
//! | `#: no-loss VIOLATED` | the verdict on a claim |
//! | `#: found lost-write` | a finding of the anomaly |
//! | `#: nothing reprocessed` | no finding of the anomaly |
//! | `#: doubt quota` | a doubt that contains the words |
//! | `#: reason no-loss 3 records` | the claim's reason contains the words |
//! | `#: landed` | every fault landed |
//! | `#: hop without-effect` | something was lost at the hop |
//! | `#: error billing _AUTO_OFFSET_RESET` | a client of billing reported the error |
//! | `#: throttled billing` | brokers throttled a client of billing |
//! | `#: says WORDS` | the output contains the words |
//!
//! `ACKPROOF_SEEDS=1,2,3 cargo test --package ackproof --test field` runs each
//! with several seeds; one is the default.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// A test for each case file of that name, with `_` for `-`.
macro_rules! cases {
    ($($name:ident),* $(,)?) => {$(
        #[test]
        fn $name() {
            crate::holds(stringify!($name));
        }
    )*};
}

mod capture;
mod clients;
mod groups;
mod occurrences;
mod pipelines;
mod sends;
mod waits;

fn case_file(name: &str) -> PathBuf {
    let file = format!("{}.toml", name.replace('_', "-"));
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/field/cases")
        .join(file)
}

/// Runs a case with each seed and holds it to its own words.
fn holds(name: &str) {
    let file = case_file(name);
    let text = fs::read_to_string(&file).unwrap();
    let expected: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("#: "))
        .collect();
    assert!(!expected.is_empty(), "{name} expects nothing");
    let seeds = std::env::var("ACKPROOF_SEEDS").unwrap_or_else(|_| "1".to_owned());
    for seed in seeds.split(',') {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let ran = Command::new(env!("CARGO_BIN_EXE_ackproof"))
            .arg("run")
            .arg(&file)
            .args(["--seed", seed, "--out"])
            .arg(&out)
            .output()
            .unwrap();
        let said = format!(
            "{name}, seed {seed}:\n{}{}",
            String::from_utf8_lossy(&ran.stdout),
            String::from_utf8_lossy(&ran.stderr)
        );
        let verdict = fs::read(out.join("verdict.json"));
        let verdict: Value =
            verdict.map_or(Value::Null, |json| serde_json::from_slice(&json).unwrap());
        for line in &expected {
            let found = match line.strip_prefix("says ") {
                Some(words) => said.contains(words),
                None => is_so(line, ran.status.code(), &verdict["scenarios"][0]),
            };
            assert!(found, "not so: {line}\n{said}");
        }
    }
}

fn is_so(line: &str, exit: Option<i32>, scenario: &Value) -> bool {
    let all = |key: &str| scenario[key].as_array().cloned().unwrap_or_default();
    let found = |anomaly: &str| all("findings").iter().any(|of| of["anomaly"] == anomaly);
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    match word {
        "exit" => exit == Some(rest.parse().unwrap()),
        "found" => found(rest),
        "nothing" => !found(rest),
        "hop" => all("findings")
            .iter()
            .flat_map(|of| of["lost_at"].as_array().cloned().unwrap_or_default())
            .any(|at| at["hop"] == rest),
        "error" => {
            let (of, error) = rest.split_once(' ').unwrap();
            let errors = scenario["measurements"]["errors"].as_array();
            errors
                .into_iter()
                .flatten()
                .any(|told| told["error"] == error && told["client"].as_str().unwrap().contains(of))
        }
        "throttled" => {
            let throttled = scenario["measurements"]["throttled"].as_array();
            let mut throttled = throttled.into_iter().flatten();
            throttled.any(|told| told["client"] == rest && told["total_ms"] != 0)
        }
        "landed" => all("faults").iter().all(|fault| fault["landed"] == true),
        "doubt" => all("doubts")
            .iter()
            .any(|doubt| doubt.as_str().unwrap().contains(rest)),
        "reason" => {
            let (claim, words) = rest.split_once(' ').unwrap();
            all("guarantees")
                .iter()
                .any(|of| of["claim"] == claim && of["reason"].as_str().unwrap().contains(words))
        }
        claim => all("guarantees")
            .iter()
            .any(|of| of["claim"] == claim && of["verdict"] == rest),
    }
}
