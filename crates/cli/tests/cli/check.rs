//! `ackproof check` on run directories made by hand: whole, wrong, cut off,
//! damaged.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::fixture::{Bench, partition, record};
use insta::assert_snapshot;
use model::event::{Body, Content, Event};
use model::ids::{Offset, RunId};
use serde_json::Value;

const HUMAN: [&str; 2] = ["check", "run"];
const JSON: [&str; 4] = ["check", "run", "--format", "json"];

fn verdict(bench: &Bench) -> Value {
    let said = bench.ackproof(&JSON).output().unwrap();
    assert_eq!(String::from_utf8(said.stderr).unwrap(), "");
    serde_json::from_slice(&said.stdout).unwrap()
}

fn is_stored(event: &Event, sequence: u64) -> bool {
    matches!(&event.body, Body::Stored { content: Content::Ours(of), .. } if *of == record(sequence))
}

#[test]
fn a_whole_history_is_held() {
    let bench = Bench::new();
    bench.run_dir(|_| {});
    assert_snapshot!(bench.transcript(&HUMAN));
}

#[test]
fn an_acknowledged_record_that_is_not_stored_is_named() {
    let bench = Bench::new();
    bench.run_dir(|events| events.retain(|event| !is_stored(event, 17)));
    assert_snapshot!(bench.transcript(&HUMAN));
    let named = &verdict(&bench)["scenarios"][0]["findings"][0]["ranges"];
    assert_eq!(
        named,
        &serde_json::json!([{"of": "p0", "first": 17, "last": 17}])
    );
}

#[test]
fn as_many_examples_are_proved_as_are_asked_for() {
    let bench = Bench::new();
    bench.run_dir(|events| {
        events.retain(|event| !(17..25).any(|sequence| is_stored(event, sequence)));
    });
    let json = |examples: &[&str]| {
        let said = bench.ackproof(&[&JSON, examples].concat()).output();
        said.unwrap().stdout
    };
    assert_eq!(json(&[]), json(&["--examples", "5"]));
    let all: Value = serde_json::from_slice(&json(&["--examples", "100"])).unwrap();
    let finding = &all["scenarios"][0]["findings"][0];
    assert_eq!(finding["examples"].as_array().unwrap().len(), 8);
    assert_eq!(finding["lost_at"][0]["count"], 8);
    assert_snapshot!(bench.transcript(&[&HUMAN[..], &["--examples", "2"]].concat()));
    assert_snapshot!(bench.transcript(&[&HUMAN[..], &["--examples", "101"]].concat()));
}

#[test]
fn a_record_stored_twice_is_reported_where_it_is_only_observed() {
    let bench = Bench::new();
    bench.run_dir(|events| {
        for event in events.iter_mut() {
            if let Body::Pinned { end, .. } = &mut event.body {
                *end = Offset::new(end.get() + 1);
            }
        }
        let read = events
            .iter()
            .position(|it| matches!(it.body, Body::PartitionRead { .. }));
        let mut again = events[read.unwrap()].clone();
        again.body = Body::Stored {
            partition: partition(),
            offset: Offset::new(60),
            content: Content::Ours(record(3)),
        };
        events.insert(read.unwrap(), again);
    });
    assert_snapshot!(bench.transcript(&HUMAN));
}

#[test]
fn a_history_that_is_cut_off_cannot_tell() {
    let bench = Bench::new();
    bench.run_dir(|_| {});
    let whole = fs::metadata(bench.history()).unwrap().len();
    for bytes in [whole - 1, whole / 2, 10, 9, 0] {
        let file = OpenOptions::new()
            .write(true)
            .open(bench.history())
            .unwrap();
        file.set_len(bytes).unwrap();
        let said = bench.transcript(&HUMAN);
        assert!(said.starts_with("exit code 3"), "{bytes} bytes: {said}");
    }
    assert_snapshot!(bench.transcript(&HUMAN));
}

#[test]
fn a_cut_is_told_with_its_place() {
    let bench = Bench::new();
    bench.run_dir(|_| {});
    let whole = fs::metadata(bench.history()).unwrap().len();
    let file = OpenOptions::new()
        .write(true)
        .open(bench.history())
        .unwrap();
    file.set_len(whole - 1).unwrap();
    assert_snapshot!(bench.transcript(&HUMAN));
}

#[test]
fn bytes_behind_a_completed_history_make_it_doubtful() {
    let bench = Bench::new();
    bench.run_dir(|_| {});
    let mut bytes = fs::read(bench.history()).unwrap();
    bytes.extend([7; 5]);
    fs::write(bench.history(), bytes).unwrap();
    let said = bench.transcript(&HUMAN);
    assert!(said.starts_with("exit code 3"), "{said}");
    assert!(said.contains("cut off at byte"), "{said}");
    let verdict = verdict(&bench);
    let claims = verdict["scenarios"][0]["guarantees"].as_array().unwrap();
    assert!(
        claims.iter().all(|it| it["verdict"] == "INCONCLUSIVE"),
        "{verdict}"
    );
}

#[test]
fn a_scenario_that_never_began_cannot_tell() {
    let bench = Bench::new();
    bench.run_dir(|_| {});
    fs::remove_dir_all(bench.path().join("run/by-hand")).unwrap();
    assert_snapshot!(bench.transcript(&HUMAN));
}

#[test]
fn a_history_that_is_damaged_in_the_middle_is_refused() {
    let bench = Bench::new();
    bench.run_dir(|_| {});
    let mut bytes = fs::read(bench.history()).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x40;
    fs::write(bench.history(), bytes).unwrap();
    let said = bench.transcript(&HUMAN);
    assert!(said.starts_with("exit code 2"), "{said}");
    assert!(
        said.contains("run/by-hand/history.ackproof is damaged at byte"),
        "{said}"
    );
    fs::write(bench.history(), "something else entirely").unwrap();
    assert_snapshot!(bench.transcript(&HUMAN));
}

/// As where directories were copied over one another: it is whole, and every
/// record of it would be held to a plan that it does not belong to.
#[test]
fn a_history_of_another_run_is_refused() {
    let bench = Bench::new();
    bench.run_dir(|events| {
        events[0].body = Body::RunDeclared {
            run: RunId::new(0xb0b),
        };
    });
    assert_snapshot!(bench.transcript(&HUMAN));
}

#[test]
fn what_is_no_run_directory_is_refused() {
    let bench = Bench::new();
    assert_snapshot!(bench.transcript(&["check", "nowhere"]));
    bench.write("run/plan.json", "{}");
    assert_snapshot!(bench.transcript(&HUMAN));
    bench.write("run/plan.json", r#"{"schema": "ackproof.plan/9"}"#);
    assert_snapshot!(bench.transcript(&HUMAN));
}

#[test]
fn a_plan_of_another_version_is_told_from_a_damaged_one() {
    let bench = Bench::new();
    let plan = bench.run_dir(|_| {}).join("plan.json");
    let text = fs::read_to_string(&plan).unwrap();
    let mut older: Value = serde_json::from_str(&text).unwrap();
    older["versions"]["ackproof"] = "0.0.1".into();
    older.as_object_mut().unwrap().remove("seed");
    fs::write(&plan, older.to_string()).unwrap();
    assert_snapshot!(bench.transcript(&HUMAN));
}

#[test]
fn a_plan_cannot_lead_out_of_its_directory() {
    let bench = Bench::new();
    let plan = bench.run_dir(|_| {}).join("plan.json");
    let text = fs::read_to_string(&plan).unwrap();
    fs::write(&plan, text.replace("by-hand", "../run/by-hand")).unwrap();
    let said = bench.transcript(&HUMAN);
    assert!(said.starts_with("exit code 2"), "{said}");
}

#[test]
fn checking_twice_gives_the_same_bytes_and_changes_nothing() {
    let bench = Bench::new();
    let dir = bench.run_dir(|_| {});
    let before = contents(&dir);
    let first = bench.ackproof(&JSON).output().unwrap().stdout;
    let second = bench.ackproof(&JSON).output().unwrap().stdout;
    assert_eq!(first, second);
    assert_eq!(contents(&dir), before);
}

#[test]
fn verdicts_follow_their_schema() {
    let schema: Value = serde_json::from_str(report::VERDICT_SCHEMA).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let edits: [fn(&mut Vec<Event>); 3] = [
        |_whole| {},
        |lost| lost.retain(|event| !is_stored(event, 17)),
        |half| half.truncate(70),
    ];
    for edit in edits {
        let bench = Bench::new();
        bench.run_dir(edit);
        let verdict = verdict(&bench);
        let errors: Vec<String> = validator
            .iter_errors(&verdict)
            .map(|error| error.to_string())
            .collect();
        assert_eq!(errors, [""; 0], "{verdict}");
    }
}

/// Every file with its time and bytes.
fn contents(dir: &Path) -> BTreeMap<PathBuf, (SystemTime, Vec<u8>)> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        if path.is_dir() {
            found.extend(contents(&path));
            found.insert(path, (modified, Vec::new()));
        } else {
            let bytes = fs::read(&path).unwrap();
            found.insert(path, (modified, bytes));
        }
    }
    found
}
