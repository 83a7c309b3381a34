//! `ackproof history` on histories made by hand.

use std::fs::{self, OpenOptions};
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use history::{Reader, Recorder};
use insta::assert_snapshot;
use model::event::{Body, Event};
use model::ids::{Micros, PartitionRef, ProducerIx, RecordId, Sequence, TopicIx};
use serde_json::Value;

use crate::fixture::{Bench, partition};

fn cut(path: PathBuf, bytes: u64) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(file.metadata().unwrap().len() - bytes)
        .unwrap();
}

/// What one producer of several recorded.
fn part_of_a_run(bench: &Bench, name: &str, producer: u32) -> PathBuf {
    let path = bench.path().join(name);
    let mut recorder = Recorder::create(&path).unwrap();
    let record = |sequence| RecordId {
        producer: ProducerIx::new(producer),
        sequence: Sequence::new(sequence),
    };
    let sent = |sequence| Body::SendInvoked {
        record: record(sequence),
        to: PartitionRef::default(),
    };
    let declared = Body::TopicDeclared {
        topic: TopicIx::new(0),
        name: "t".to_owned(),
        partitions: 1,
    };
    let bodies = [
        declared,
        sent(0),
        sent(1),
        Body::TrafficEnded,
        Body::Completed,
    ];
    for (body, tick) in bodies.into_iter().zip(0..) {
        let at = Micros::new(tick * 1000 + u64::from(producer));
        recorder.record(&Event { at, body }).unwrap();
    }
    path
}

#[test]
fn help_says_what_there_is_to_do_with_histories() {
    let bench = Bench::new();
    assert_snapshot!(bench.transcript(&["history", "--help"]));
    assert_snapshot!(bench.transcript(&["history", "merge", "--help"]));
}

#[test]
fn stats_tell_what_is_in_a_history() {
    let bench = Bench::new();
    bench.run_dir(|_| {});
    let by_run = bench.transcript(&["history", "stats", "run"]);
    assert_snapshot!(by_run);
    for place in ["run/by-hand", "run/by-hand/history.ackproof"] {
        assert_eq!(bench.transcript(&["history", "stats", place]), by_run);
    }
    assert_snapshot!(bench.transcript(&["history", "stats", "run", "--format", "json"]));
}

#[test]
fn stats_tell_where_a_history_is_cut_off() {
    let bench = Bench::new();
    bench.run_dir(|_| {});
    cut(bench.history(), 1);
    let said = bench.transcript(&["history", "stats", "run"]);
    assert!(said.starts_with("exit code 2"), "{said}");
    assert!(said.contains("cut off at byte"), "{said}");
    assert!(said.contains("not completed"), "{said}");
    cut(
        bench.history(),
        fs::metadata(bench.history()).unwrap().len(),
    );
    let said = bench.transcript(&["history", "stats", "run"]);
    assert!(said.starts_with("exit code 2"), "{said}");
    assert!(said.contains("cut off at byte 0, not completed"), "{said}");
}

#[test]
fn export_prints_one_object_an_event() {
    let bench = Bench::new();
    bench.run_dir(|_| {});
    let said = bench
        .ackproof(&["history", "export", "run"])
        .output()
        .unwrap();
    assert!(said.status.success());
    let lines: Vec<Value> = said
        .stdout
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    let events: Vec<Event> = Reader::open(&bench.history())
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(lines.len(), events.len());
    for (line, event) in lines.iter().zip(&events) {
        assert_eq!(line["at_us"], event.at.get());
        assert_eq!(line["event"], event.body.kind());
    }
    let text = String::from_utf8(said.stdout).unwrap();
    assert_snapshot!(text.lines().take(3).collect::<Vec<_>>().join("\n"));
}

#[test]
fn export_of_a_history_that_is_cut_off_says_so() {
    let bench = Bench::new();
    bench.run_dir(|events| events.truncate(3));
    cut(bench.history(), 1);
    assert_snapshot!(bench.transcript(&["history", "export", "run/by-hand", "--format", "jsonl"]));
}

#[test]
fn export_ends_quietly_when_its_reader_is_gone() {
    let bench = Bench::new();
    let path = bench.path().join("long");
    let mut recorder = Recorder::create(&path).unwrap();
    for at in 0..50_000 {
        let partition = partition();
        let body = Body::PartitionRead { partition };
        let at = Micros::new(at);
        recorder.record(&Event { at, body }).unwrap();
    }
    drop(recorder);
    let mut export = Command::new(assert_cmd::cargo::cargo_bin!("ackproof"))
        .args(["history", "export"])
        .arg(&path)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    let mut out = BufReader::new(export.stdout.take().unwrap());
    out.read_line(&mut first).unwrap();
    drop(out);
    let ended = export.wait_with_output().unwrap();
    assert!(ended.status.success());
    assert_eq!(String::from_utf8(ended.stderr).unwrap(), "");
    assert!(first.starts_with("{\"at_us\":0,"), "{first}");
}

#[test]
fn what_is_no_history_is_refused() {
    let bench = Bench::new();
    bench.write("notes.txt", "mine");
    bench.write("empty/notes.txt", "mine");
    for place in ["notes.txt", "absent", "empty"] {
        assert_snapshot!(
            format!("no history in {place}"),
            bench.transcript(&["history", "stats", place])
        );
    }
}

#[test]
fn a_damaged_history_is_refused_by_its_byte() {
    let bench = Bench::new();
    bench.run_dir(|_| {});
    let mut bytes = fs::read(bench.history()).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 0x20;
    fs::write(bench.history(), bytes).unwrap();
    for command in [
        &["stats", "run"][..],
        &["export", "run"],
        &["merge", "run", "--out", "m"],
    ] {
        let said = bench.transcript(&[&["history"], command].concat());
        assert!(said.starts_with("exit code 2"), "{said}");
        assert!(
            said.contains("run/by-hand/history.ackproof is damaged at byte"),
            "{said}"
        );
    }
    assert!(!bench.path().join("m").exists());
}

#[test]
fn the_files_of_a_run_are_merged() {
    let bench = Bench::new();
    part_of_a_run(&bench, "a", 0);
    part_of_a_run(&bench, "b", 1);
    assert_snapshot!(bench.transcript(&["history", "merge", "a", "b", "--out", "m"]));
    assert_snapshot!(bench.transcript(&["history", "stats", "m"]));
    // It is there, and stays as it is.
    assert_snapshot!(bench.transcript(&["history", "merge", "a", "b", "--out", "m"]));
}

#[test]
fn a_file_that_is_cut_off_makes_the_merged_history_incomplete() {
    let bench = Bench::new();
    part_of_a_run(&bench, "a", 0);
    cut(part_of_a_run(&bench, "b", 1), 1);
    assert_snapshot!(bench.transcript(&["history", "merge", "a", "b", "--out", "m"]));
    let said = bench.transcript(&["history", "export", "m"]);
    assert!(said.contains("\"event\":\"incomplete\""), "{said}");
    assert!(!said.contains("\"event\":\"completed\""), "{said}");
}

#[test]
fn files_that_contradict_each_other_are_not_merged() {
    let bench = Bench::new();
    part_of_a_run(&bench, "a", 0);
    assert_snapshot!(bench.transcript(&["history", "merge", "a", "a", "--out", "m"]));
    assert!(!bench.path().join("m").exists());
}

#[test]
fn a_merged_history_cannot_go_where_there_is_no_place() {
    let bench = Bench::new();
    part_of_a_run(&bench, "a", 0);
    assert_snapshot!(bench.transcript(&["history", "merge", "a", "--out", "nowhere/m"]));
}

#[test]
fn a_merged_run_is_judged_as_the_run_that_was_recorded_in_one_file() {
    let bench = Bench::new();
    bench.run_dir(|_| {});
    let whole = bench.transcript(&["check", "run"]);
    let events: Vec<Event> = Reader::open(&bench.history())
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let of_producer = |event: &&Event| {
        matches!(
            event.body,
            Body::SendInvoked { .. }
                | Body::SendCompleted { .. }
                | Body::TopicDeclared { .. }
                | Body::TrafficEnded
                | Body::Completed
        )
    };
    let of_observer = |event: &&Event| {
        !matches!(
            event.body,
            Body::SendInvoked { .. } | Body::SendCompleted { .. }
        )
    };
    let split = |name: &str, events: Vec<&Event>| {
        let mut recorder = Recorder::create(&bench.path().join(name)).unwrap();
        for event in events {
            recorder.record(event).unwrap();
        }
    };
    split("a", events.iter().filter(of_producer).collect());
    split("b", events.iter().filter(of_observer).collect());
    fs::remove_file(bench.history()).unwrap();
    let out = bench.history().display().to_string();
    bench
        .ackproof(&["history", "merge", "a", "b", "--out", &out])
        .assert()
        .success();
    assert!(whole.starts_with("exit code 0"), "{whole}");
    assert_eq!(bench.transcript(&["check", "run"]), whole);
}
