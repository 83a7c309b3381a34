//! `ackproof check --from` on files of other tools: recorded ones, and small
//! ones that are wrong in one way each.

use std::fs;
use std::path::{Path, PathBuf};

use insta::assert_snapshot;
use serde_json::Value;

use crate::fixture::Bench;

const STARTED: &str = r#"{"timestamp":1000,"name":"startup_complete"}"#;
const TOTAL: &str = r#"{"timestamp":2000,"name":"tool_data","sent":1,"acked":1,"target_throughput":-1,"avg_throughput":1.0}"#;

pub(crate) fn sent(value: &str, offset: i64) -> String {
    format!(
        r#"{{"timestamp":1001,"name":"producer_send_success","key":null,"value":"{value}","partition":0,"offset":{offset},"topic":"t"}}"#
    )
}

pub(crate) fn read(value: &str, offset: i64) -> String {
    format!(
        r#"{{"timestamp":1002,"name":"record_data","key":null,"value":"{value}","topic":"t","partition":0,"offset":{offset}}}"#
    )
}

/// A producer's file and a consumer's, one record each, and what to do to the
/// producer's.
fn bench(edit: impl FnOnce(&mut Vec<String>)) -> Bench {
    let bench = Bench::new();
    let mut producer = vec![STARTED.to_owned(), sent("0", 0), TOTAL.to_owned()];
    edit(&mut producer);
    bench.write("producer.jsonl", &(producer.join("\n") + "\n"));
    let consumer = [STARTED.to_owned(), read("0", 0)];
    bench.write("consumer-g-1.jsonl", &(consumer.join("\n") + "\n"));
    bench
}

const BOTH: [&str; 5] = [
    "check",
    "--from",
    "kafkatest",
    "producer.jsonl",
    "consumer-g-1.jsonl",
];

fn refusal(edit: impl FnOnce(&mut Vec<String>)) -> String {
    let said = bench(edit).transcript(&BOTH);
    assert!(said.starts_with("exit code 2"), "{said}");
    said
}

#[test]
fn a_line_that_is_wrong_is_named_with_its_file() {
    for (name, line) in [
        ("cut off in the middle", r#"{"timestamp":1"#.to_owned()),
        (
            "an offset beyond 63 bits",
            sent("1", 7).replace(":7,", ":9223372036854775808,"),
        ),
        ("the last offset there is", sent("1", i64::MAX)),
        (
            "no partition",
            sent("1", 1).replace("\"partition\":0", "\"partition\":-1"),
        ),
        (
            "a text for a number",
            sent("1", 1).replace("\"offset\":1", "\"offset\":\"1\""),
        ),
        ("a consumer's event", read("0", 0)),
        (
            "not UTF-8 as JSON wants it",
            sent("1", 1).replace("\"t\"", "\"\\ud800\""),
        ),
    ] {
        let said = refusal(|lines| lines.insert(2, line));
        assert!(said.contains("producer.jsonl:3: "), "{name}: {said}");
        assert_snapshot!(name, said);
    }
}

#[test]
fn absurd_lines_are_refused_and_nothing_breaks() {
    let nested = |open: &str, close: &str| {
        let deep = open.repeat(100_000) + "1" + &close.repeat(100_000);
        format!(r#"{{"timestamp":1,"name":"partitions_assigned","partitions":{deep}}}"#)
    };
    let padded = |bytes: usize| sent(&"9".repeat(bytes), 1);
    for line in [nested("[", "]"), nested("{\"a\":", "}"), padded(200 << 20)] {
        let said = refusal(|lines| lines.insert(2, line));
        assert!(said.contains("producer.jsonl:3: "), "{said}");
        assert!(said.len() < 300, "{} bytes", said.len());
    }
}

#[test]
fn what_may_be_passed_over_is_passed_over_and_told() {
    let bench = bench(|lines| {
        lines.insert(0, "Picked up JAVA_TOOL_OPTIONS: -Xmx1g".to_owned());
        lines.insert(2, "2026-11-29 17:41:57,522 WARN [a] b".to_owned());
        lines.insert(2, "[1]".to_owned());
        lines.insert(2, "{thread-1} INFO up".to_owned());
        lines.insert(2, r#"{"level":"WARN","message":"no name"}"#.to_owned());
        lines.insert(
            2,
            r#"{"timestamp":"?","name":"news","offset":[]}"#.to_owned(),
        );
        lines.insert(
            3,
            r#"{"timestamp":1,"name":"shutdown_complete","extra":{}}"#.to_owned(),
        );
    });
    let consumer = bench.path().join("consumer-g-1.jsonl");
    let text = fs::read_to_string(&consumer).unwrap();
    fs::write(&consumer, text + &read("1", 1)[..40]).unwrap();
    let said = bench.transcript(&BOTH);
    assert!(!said.starts_with("exit code 2"), "{said}");
    for note in [
        "consumer-g-1.jsonl:3: the last line is cut off: skipped",
        "5 lines of other programs: skipped",
        "1 event `news`: skipped",
        "1 field of unknown names: skipped",
    ] {
        assert!(said.contains(note), "{note}: {said}");
    }
}

#[test]
fn nothing_is_not_held() {
    let bench = Bench::new();
    bench.write("a.jsonl", "");
    bench.write("b.edn", "");
    let said = bench.transcript(&["check", "--from", "kafkatest", "a.jsonl"]);
    assert!(said.starts_with("exit code 2"), "{said}");
    // A history without operations is one.
    let said = bench.transcript(&["check", "--from", "jepsen", "b.edn"]);
    assert!(said.starts_with("exit code 3"), "{said}");
    assert!(said.contains("INCONCLUSIVE"), "{said}");
}

#[test]
fn a_consumers_file_needs_a_group() {
    let bench = bench(|_| {});
    let from = bench.path().join("consumer-g-1.jsonl");
    fs::rename(from, bench.path().join("members.jsonl")).unwrap();
    let check = ["check", "--from", "kafkatest", "producer.jsonl"];
    assert_snapshot!(bench.transcript(&[&check[..], &["members.jsonl"]].concat()));
    for group in [
        &["--group", "g=members.jsonl"][..],
        &["members.jsonl", "--group", "g=members.jsonl"],
    ] {
        let said = bench.transcript(&[&check[..], group].concat());
        assert!(!said.starts_with("exit code 2"), "{said}");
        assert!(said.contains("g: 1 read"), "{said}");
    }
}

#[test]
fn arguments_that_do_not_go_together_are_refused() {
    let bench = bench(|_| {});
    for args in [
        &["check"][..],
        &["check", "a", "b"],
        &["check", "run", "--expect", "strict"],
        &["check", "run", "--group", "g=f"],
        &["check", "--from", "kafkatest"],
        &["check", "--from", "kafkatest", "--group", "g"],
        &[
            "check",
            "--from",
            "kafkatest",
            "producer.jsonl",
            "./producer.jsonl",
        ],
        &[
            "check",
            "--from",
            "kafkatest",
            "--group",
            "g=producer.jsonl",
        ],
        &["check", "--from", "kafkatest", "absent.jsonl"],
        &["check", "--from", "kafkatest", "."],
        &["check", "--from", "jepsen", "a", "b"],
        &["check", "--from", "jepsen", "a", "--group", "g=f"],
    ] {
        let said = bench.transcript(args);
        assert!(said.starts_with("exit code 2"), "{args:?}: {said}");
    }
}

#[test]
fn a_pipe_is_read_as_a_file_is() {
    let bench = bench(|_| {});
    let direct = bench.transcript(&BOTH);
    let check = ["check", "--from", "kafkatest", "-", "consumer-g-1.jsonl"];
    let producer = bench.path().join("producer.jsonl");
    let piped = bench
        .ackproof(&check)
        .pipe_stdin(producer)
        .unwrap()
        .output()
        .unwrap();
    let piped = String::from_utf8(piped.stdout).unwrap();
    assert!(direct.contains(&piped), "{direct}\n{piped}");
    assert!(piped.contains("1 acked"), "{piped}");
}

#[test]
fn json_is_one_document() {
    let said = bench(|_| {})
        .ackproof(&[&BOTH[..], &["--format", "json"]].concat())
        .output()
        .unwrap();
    let document: Value = serde_json::from_slice(&said.stdout).unwrap();
    assert!(document["verdict"].is_string());
    assert!(document["findings"].is_array());
}

fn recordings() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../import/tests/kafkatest")
}

/// A recording, judged: what `expected.json` beside it says.
#[test]
fn recordings_are_judged_as_expected() {
    for entry in fs::read_dir(recordings()).unwrap() {
        let folder = entry.unwrap().path();
        let Ok(expected) = fs::read_to_string(folder.join("expected.json")) else {
            continue;
        };
        let expected: Value = serde_json::from_str(&expected).unwrap();
        let bench = Bench::new();
        let mut args = vec!["check", "--format", "json", "--from", "kafkatest"];
        let mut names = Vec::new();
        for file in fs::read_dir(&folder).unwrap() {
            let file = file.unwrap().path();
            if file.extension().is_some_and(|it| it == "jsonl") {
                let name = file.file_name().unwrap().to_str().unwrap().to_owned();
                fs::copy(&file, bench.path().join(&name)).unwrap();
                names.push(name);
            }
        }
        args.extend(names.iter().map(String::as_str));
        let said = bench.ackproof(&args).output().unwrap();
        let document: Value = serde_json::from_slice(&said.stdout).unwrap();
        let found: serde_json::Map<String, Value> = document["findings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| {
                (
                    it["anomaly"].as_str().unwrap().to_owned(),
                    it["count"].clone(),
                )
            })
            .collect();
        assert_eq!(
            document["verdict"], expected["verdict"],
            "{folder:?}: {document:#}"
        );
        assert_eq!(Value::Object(found), expected["findings"], "{folder:?}");
    }
}
