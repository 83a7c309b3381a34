//! What `ackproof check --from kafkatest` finds in files that are written as
//! scripts: one anomaly each, and the most similar files without it.

use std::fmt::Write as _;

use serde_json::Value;

use crate::fixture::Bench;
use crate::imports::{read, sent};

/// Lines of a file, `0#k` for a value with the key k: `+0@0` acknowledged, `!1` timed out, `x1` too large for the
/// client, `X1` for the broker, `=0@0` read, `s1` summed up, `c1` committed, `C1` refused, `|` a process starts, `.` a producer
/// ends and has sent as many as it told, `.N` has sent N.
fn script(words: &str) -> String {
    let mut text = String::new();
    let (mut told, mut acked) = (0, 0);
    for (second, word) in words.split_whitespace().enumerate() {
        let (kind, rest) = word.split_at(1);
        let (value, offset) = rest.split_once('@').unwrap_or((rest, "0"));
        let (value, key) = value.split_once('#').unwrap_or((value, ""));
        let offset: i64 = offset.parse().unwrap();
        let error = |class: &str, why: &str| {
            format!(
                r#"{{"timestamp":0,"name":"producer_send_error","topic":"t","key":null,"value":"{value}","exception":"class org.apache.kafka.common.errors.{class}","message":"{why}"}}"#
            )
        };
        let committed = |success: bool| {
            let error = if success {
                ""
            } else {
                r#""error":"Commit cannot be completed since","#
            };
            format!(
                r#"{{"timestamp":0,"name":"offsets_committed","offsets":[{{"topic":"t","partition":0,"offset":{rest}}}],{error}"success":{success}}}"#
            )
        };
        told = match kind {
            "|" => 0,
            "+" | "!" | "x" | "X" => told + 1,
            _ => told,
        };
        acked = match kind {
            "|" => 0,
            "+" => acked + 1,
            _ => acked,
        };
        let line = match kind {
            "|" => r#"{"timestamp":0,"name":"startup_complete"}"#.to_owned(),
            "+" => sent(value, offset),
            "!" => error("TimeoutException", "why"),
            "x" => error(
                "RecordTooLargeException",
                "The message is 9 bytes when serialized which is larger than 8",
            ),
            "X" => error("RecordTooLargeException", "larger than the server accepts"),
            "=" => read(value, offset),
            "c" => committed(true),
            "C" => committed(false),
            "." => {
                let sent = if rest.is_empty() {
                    told
                } else {
                    rest.parse().unwrap()
                };
                format!(r#"{{"timestamp":0,"name":"tool_data","sent":{sent},"acked":{acked}}}"#)
            }
            // `m` is what --max-messages leaves: one more than was taken.
            _ => {
                let count = rest.parse::<u64>().unwrap() + u64::from(kind == "m");
                format!(
                    r#"{{"timestamp":0,"name":"records_consumed","count":{count},"partitions":[{{"topic":"t","partition":0,"count":{rest}}}]}}"#
                )
            }
        };
        let line = match key {
            "" => line,
            key => line.replace("\"key\":null", &format!("\"key\":\"{key}\"")),
        };
        let (before, after) = line.split_once(',').unwrap();
        assert!(before.starts_with("{\"timestamp\":"));
        writeln!(text, "{{\"timestamp\":{},{after}", 1000 + second).unwrap();
    }
    text
}

/// What is found in files written as scripts, and the verdict.
fn judged(files: &[(&str, &str)], more: &[&str]) -> String {
    let bench = Bench::new();
    let mut args = vec!["check", "--from", "kafkatest", "--format", "json"];
    for (name, words) in files {
        bench.write(name, &script(words));
        args.push(*name);
    }
    args.extend(more);
    let said = bench.ackproof(&args).output().unwrap();
    assert!(
        said.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&said.stderr)
    );
    let document: Value = serde_json::from_slice(&said.stdout).unwrap();
    let mut words = vec![document["verdict"].as_str().unwrap().to_owned()];
    for finding in document["findings"].as_array().unwrap() {
        let anomaly = finding["anomaly"].as_str().unwrap();
        words.push(format!("{anomaly} {}", finding["count"]));
    }
    words.join(", ")
}

#[test]
fn each_anomaly_is_found_and_its_twin_is_clean() {
    for (producer, consumer, expected) in [
        ("| +0@0 +1@1 .", "| =0@0 =1@1", "HELD"),
        (
            "| +0@0 +1@1 +2@2 .",
            "| =0@0 =2@2",
            "VIOLATED, lost-write 1, poll-skip 1",
        ),
        ("| +0@0 +1@1 .", "| =0@0", "INCONCLUSIVE, unseen 1"),
        (
            "| +0@0 .",
            "| =0@0 =0@1",
            "VIOLATED, duplicate 1, reprocessed 1",
        ),
        (
            "| +0@1 +1@0 .",
            "| =1@0 =0@1",
            "VIOLATED, nonmonotonic-send 1",
        ),
        (
            "| +0@0 +1@0 .",
            "| =1@0",
            "VIOLATED, lost-write 1, inconsistent-offsets 1",
        ),
        ("| +0@0 .", "| =0@0 =1@1", "VIOLATED, phantom 1"),
        ("| +0@0 .", "| =0@0 =9.1@1", "VIOLATED, phantom 1"),
        ("| +0@0 .", "| =0@0 =news@1", "VIOLATED, phantom 1"),
        // Killed: it may have sent what it did not live to tell.
        ("| +0@0", "| =0@0 =1@1", "HELD"),
        ("| +0@0 .2", "| =0@0 =1@1", "HELD"),
        ("| +0@0", "| =0@0 =9.1@1", "VIOLATED, phantom 1"),
        ("| +0@0 !1 .", "| =0@0 =1@1", "HELD"),
        ("| +0@0 !1 .", "| =0@0", "HELD"),
        ("| +0@0 x1 .", "| =0@0", "HELD"),
        (
            "| +0@0 x1 .",
            "| =0@0 =1@1",
            "VIOLATED, failed-write-visible 1",
        ),
        // The attempt before the one that was refused may have been stored.
        ("| +0@0 X1 .", "| =0@0 =1@1", "HELD"),
        // Told success without an offset.
        ("| +0@-1 +1@0 .", "| =1@0", "VIOLATED, lost-write 1"),
        ("| +0@-1001 +1@0 .", "| =1@0", "VIOLATED, lost-write 1"),
        ("| +0@-1 +1@1 .", "| =0@0 =1@1", "HELD"),
        ("| +1@0 +0@-1 .", "| =1@0", "INCONCLUSIVE, unseen 1"),
        ("| +0@-1 +1@-1 .", "| =0@0 =1@1", "HELD"),
        ("| +0@-1 +1@-1 .", "| =1@0", "INCONCLUSIVE, unseen 1"),
        (
            "| +0@0 +1@1 .",
            "| =0@0 =1@1 =0@0",
            "VIOLATED, nonmonotonic-poll 1, reprocessed 1",
        ),
        ("| +0@0 +1@1 .", "| =0@0 =1@1 | =1@1", "HELD, reprocessed 1"),
        ("| +0@0 +1@1 .", "| =0@0 =1@1 c2", "HELD"),
        (
            "| +0@0 +1@1 .",
            "| =0@0 =1@1 c2 c1",
            "VIOLATED, commit-regression 1",
        ),
        ("| +0@0 +1@1 .", "| =0@0 =1@1 c2 C1", "HELD"),
        // What --max-messages leaves of the last poll was not read.
        ("| +0@0 +1@1 .", "| =0@0 =1@1 m2", "HELD"),
        ("| +0@0 +1@1 .", "| =0@0 m1 =1@1", "INCONCLUSIVE"),
        // A value at two offsets, one of them from its acknowledgement.
        // Where it was acknowledged, it was passed over.
        (
            "| +0@5 +1@6 .",
            "| =0@0 =1@6",
            "VIOLATED, duplicate 1, poll-skip 1",
        ),
        // The order of sending is known from acknowledgements alone.
        (
            "| +0@1 +1@0 .",
            "|",
            "VIOLATED, unseen 2, nonmonotonic-send 1",
        ),
        // Committed past, and no reader read it, however far they came.
        (
            "| +0@0 +1@1 .",
            "| =0@0 c2",
            "VIOLATED, unseen 1, group-gap 1",
        ),
        // Read with another key than acknowledged.
        ("| +0#a@0 +1#b@1 .", "| =0#a@0 =1#b@1", "HELD"),
        (
            "| +0#a@0 +1#b@1 .",
            "| =0#a@0 =1#a@1",
            "VIOLATED, corrupt 1",
        ),
        ("| +0#a@0 +1@1 .", "| =0#a@0 =1#a@1", "VIOLATED, corrupt 1"),
        ("| +0@0 +1@1 .", "| =0@0 =1#a@1", "VIOLATED, corrupt 1"),
        // Nothing is lost where not everything is told.
        ("| +0@0 +1@1 +2@2 .", "| =0@0 =2@2 s3", "INCONCLUSIVE"),
    ] {
        let files = [("p.jsonl", producer), ("consumer-g-1.jsonl", consumer)];
        assert_eq!(judged(&files, &[]), expected, "{producer} / {consumer}");
    }
}

#[test]
fn producers_that_send_alike_are_told_apart_by_place() {
    for (first, second, consumer, expected) in [
        (
            "| +0@0 +1@1 .",
            "| +0@2 +1@3 .",
            "| =0@0 =1@1 =0@2 =1@3",
            "HELD",
        ),
        (
            "| +0@0 +1@1 .",
            "| +0@2 +1@3 .",
            "| =0@0 =0@2 =1@3",
            "VIOLATED, lost-write 1, poll-skip 1",
        ),
        // Both are acknowledged elsewhere: one of them was stored twice.
        (
            "| +0@0 .",
            "| +0@1 .",
            "| =0@0 =0@1 =0@2",
            "VIOLATED, duplicate 1, reprocessed 1",
        ),
        // Only the second can have sent so many.
        ("| +0@0 .", "| +0@1", "| =0@0 =0@1 =1@2", "HELD"),
        (
            "| +0@0 .",
            "| +0@1 .",
            "| =0@0 =0@1 =1@2",
            "VIOLATED, phantom 1",
        ),
        // The unannounced record of one, or the other's twice.
        (
            "| +0@0 !1 .",
            "| +0@1 +1@2 .",
            "| =0@0 =0@1 =1@2 =1@3",
            "INCONCLUSIVE",
        ),
        ("| +0@0", "| +0@1", "| =0@0 =0@1 =1@2", "INCONCLUSIVE"),
    ] {
        let apart = [
            ("a.jsonl", first),
            ("b.jsonl", second),
            ("consumer-g-1.jsonl", consumer),
        ];
        assert_eq!(
            judged(&apart, &[]),
            expected,
            "{first} / {second} / {consumer}"
        );
        let again = format!("{first} {second}");
        let again = [
            ("a.jsonl", again.as_str()),
            ("consumer-g-1.jsonl", consumer),
        ];
        // Who was started later cannot have sent what was read before.
        let read_later = format!("{} {consumer}", "| ".repeat(20));
        let again = [again[0], ("consumer-g-1.jsonl", read_later.as_str())];
        assert_eq!(
            judged(&again, &[]),
            expected,
            "again: {first} {second} / {consumer}"
        );
    }
}

#[test]
fn what_was_read_before_a_producer_began_is_another_ones() {
    let files = [
        ("a.jsonl", "| +0@0 | | | | | +0@2"),
        ("consumer-g-1.jsonl", "| =0@0 =1@1 | | | | | =0@2"),
    ];
    assert_eq!(judged(&files, &[]), "HELD");
}

#[test]
fn each_group_is_judged_by_itself() {
    let files = [
        ("p.jsonl", "| +0@0 +1@1 ."),
        ("consumer-g-1.jsonl", "| =0@0 c1"),
        ("consumer-g-2.jsonl", "| =1@1 c2"),
        ("consumer-h-1.jsonl", "| =0@0 =1@1 c2"),
    ];
    assert_eq!(judged(&files, &[]), "HELD");
    let one_group = &["--group", "g=consumer-h-1.jsonl"];
    assert_eq!(judged(&files[..1], &[]), "INCONCLUSIVE, unseen 2");
    assert_eq!(judged(&files, one_group), "HELD, reprocessed 2");
}

#[test]
fn readers_alone_prove_no_loss() {
    let files = [("consumer-g-1.jsonl", "| =0@0 =1@1 c2")];
    assert_eq!(judged(&files, &[]), "INCONCLUSIVE");
}

#[test]
fn an_expectation_decides_what_counts() {
    let twice = [
        ("p.jsonl", "| +0@0 ."),
        ("consumer-g-1.jsonl", "| =0@0 | =0@0"),
    ];
    let stored_twice = [
        ("p.jsonl", "| +0@0 ."),
        ("consumer-g-1.jsonl", "| =0@0 =0@1"),
    ];
    for (files, expectation, expected) in [
        (&twice, "at-least-once", "HELD, reprocessed 1"),
        (&twice, "exactly-once", "VIOLATED, reprocessed 1"),
        (&twice, "strict", "VIOLATED, reprocessed 1"),
        (
            &stored_twice,
            "at-least-once",
            "HELD, duplicate 1, reprocessed 1",
        ),
        (
            &stored_twice,
            "exactly-once",
            "VIOLATED, duplicate 1, reprocessed 1",
        ),
    ] {
        let said = judged(files, &["--expect", expectation]);
        assert_eq!(said, expected, "{expectation}");
    }
}

#[test]
fn what_a_later_record_of_its_key_may_have_replaced_is_no_loss() {
    let all = "| +0#a@0 +1#b@1 +2#a@2 +3#b@3 .";
    for (consumer, unknown, compacted, kept) in [
        ("| =0#a@0 =1#b@1 =2#a@2 =3#b@3 c4", "HELD", "HELD", "HELD"),
        (
            "| =2#a@2 =3#b@3 c4",
            "INCONCLUSIVE",
            "HELD",
            "VIOLATED, lost-write 2, group-gap 2",
        ),
        (
            "| =0#a@0 =3#b@3 c4",
            "VIOLATED, lost-write 1, poll-skip 1, group-gap 1",
            "VIOLATED, lost-write 1, poll-skip 1, group-gap 1",
            "VIOLATED, lost-write 2, poll-skip 2, group-gap 2",
        ),
    ] {
        let files = [("p.jsonl", all), ("consumer-g-1.jsonl", consumer)];
        assert_eq!(judged(&files, &[]), unknown, "{consumer}");
        let cleanup = |policy| ["--cleanup", policy];
        assert_eq!(
            judged(&files, &cleanup("t=compact")),
            compacted,
            "{consumer}"
        );
        assert_eq!(judged(&files, &cleanup("t=none")), kept, "{consumer}");
    }
    // Another group came before the records were replaced.
    let files = [
        ("p.jsonl", all),
        ("consumer-g-1.jsonl", "| =0#a@0 =1#b@1 =2#a@2 =3#b@3"),
        ("consumer-h-1.jsonl", "| =2#a@2 =3#b@3 c4"),
    ];
    assert_eq!(judged(&files, &[]), "INCONCLUSIVE");
    assert_eq!(judged(&files, &["--cleanup", "t=compact"]), "HELD");
    assert_eq!(
        judged(&files, &["--cleanup", "t=delete"]),
        "VIOLATED, group-gap 2"
    );
}

#[test]
fn retention_takes_records_from_the_beginning_alone() {
    let files = [
        ("p.jsonl", "| +0@0 +1@1 +2@2 +3@3 ."),
        ("consumer-g-1.jsonl", "| =1@1 =3@3"),
    ];
    let lost = "VIOLATED, lost-write 2, poll-skip 1";
    assert_eq!(judged(&files, &[]), lost);
    let lost = "VIOLATED, lost-write 1, poll-skip 1";
    assert_eq!(judged(&files, &["--cleanup", "t=delete"]), lost);
    let expired = [files[0], ("consumer-g-1.jsonl", "| =1@1 =2@2 =3@3")];
    assert_eq!(judged(&expired, &["--cleanup", "t=delete"]), "INCONCLUSIVE");
}

#[test]
fn everything_can_be_demanded_to_be_acknowledged() {
    let consumer = ("consumer-g-1.jsonl", "| =0@0");
    for (producer, plain, all) in [
        ("| +0@0 .", "HELD", "HELD"),
        ("| +0@0 !1 .", "HELD", "VIOLATED"),
        ("| +0@0 x1 .", "HELD", "VIOLATED"),
        ("| +0@0 .2", "HELD", "VIOLATED"),
        // It may have sent more.
        ("| +0@0", "HELD", "INCONCLUSIVE"),
    ] {
        let files = [("p.jsonl", producer), consumer];
        assert_eq!(judged(&files, &[]), plain, "{producer}");
        for expect in ["all-acknowledged", "exactly-once,all-acknowledged"] {
            assert_eq!(judged(&files, &["--expect", expect]), all, "{producer}");
        }
    }
}

#[test]
fn an_empty_file_is_known_by_its_name() {
    let files = [
        ("producer-1.jsonl", "| +0@0 ."),
        ("consumer-g-1.jsonl", "| =0@0"),
        ("consumer-h-1.jsonl", "|"),
    ];
    assert_eq!(judged(&files, &[]), "HELD");
    // Its producer may have sent what was read.
    let files = [
        ("producer-1.jsonl", ""),
        ("producer-2.jsonl", "| +0@0 ."),
        ("consumer-g-1.jsonl", "| =0@0 =1@1"),
    ];
    assert_eq!(judged(&files, &[]), "INCONCLUSIVE");
    let bench = Bench::new();
    bench.write("producer-1.jsonl", &script("| +0@0 ."));
    bench.write("consumer-g-1.jsonl", &script("| =0@0"));
    bench.write("consumer-h-1.jsonl", &script("|"));
    let said = bench.transcript(&[
        "check",
        "--from",
        "kafkatest",
        "producer-1.jsonl",
        "consumer-g-1.jsonl",
        "consumer-h-1.jsonl",
    ]);
    assert!(said.contains("h: 0 read"), "{said}");
    assert!(
        said.contains("consumer-h-1.jsonl: nothing was read in it"),
        "{said}"
    );
}

#[test]
fn facts_that_contradict_one_another_leave_a_recording_open() {
    for (producer, consumer) in [
        // One more was summed up than told, of a partition; and one fewer.
        ("| +0@0 +1@1 .", "| =0@0 =1@1 s3"),
        ("| +0@0 +1@1 .", "| =0@0 =1@1 s1"),
        // Sent less than it tells of.
        ("| +0@0 +1@1 .1", "| =0@0 =1@1"),
    ] {
        let files = [("p.jsonl", producer), ("consumer-g-1.jsonl", consumer)];
        assert_eq!(
            judged(&files, &[]),
            "INCONCLUSIVE",
            "{producer} / {consumer}"
        );
    }
}

#[test]
fn offsets_that_were_given_again_are_of_another_log() {
    for (producer, consumer, expected) in [
        // Made again: everything was read before and since.
        (
            "| +0@0 +1@1 | | | +2@0 +3@1 .",
            "| =0@0 =1@1 c2 | | =2@0 =3@1 c2",
            "INCONCLUSIVE",
        ),
        // What had not been read by then cannot be told.
        (
            "| +0@0 +1@1 | | | +2@0 +3@1 .",
            "| =0@0 c1 | | | =2@0 =3@1 c2",
            "INCONCLUSIVE, unseen 1",
        ),
        // Cut: what stood below is still read, and what stood there is gone.
        (
            "| +0@0 +1@1 +2@2 | | | +3@1 +4@2 .",
            "| =0@0 =1@1 | | | | | | =0@0 =3@1 =4@2",
            "VIOLATED, lost-write 1, log-truncation 1, reprocessed 1",
        ),
        // Both at one time: one log, and two truths.
        (
            "| +0@0 +1@1 | +2@0 .",
            "| =0@0 =1@1 | | | | =2@0 =0@0 =2@0",
            "VIOLATED",
        ),
    ] {
        let producer = producer.replace("| | |", "");
        let files = [
            ("p.jsonl", producer.as_str()),
            ("consumer-g-1.jsonl", consumer),
        ];
        let said = judged(&files, &[]);
        let same = said == expected || (expected == "VIOLATED" && said.starts_with(expected));
        assert!(same, "{producer} / {consumer}: {said}");
    }
}

#[test]
fn what_the_page_says_that_clients_print_is_read() {
    const PAGE: &str = include_str!("../../../../docs/guides/imports.md");
    let blocks = PAGE.split("```jsonl ").skip(1);
    let mut languages = 0;
    for block in blocks {
        let (language, lines) = block.split_once('\n').unwrap();
        let lines = lines.split("```").next().unwrap();
        let bench = Bench::new();
        let of = |read: bool| {
            let mine = lines.lines().filter(|line| {
                let consumers = ["record_data", "offsets_committed"];
                consumers.iter().any(|name| line.contains(name)) == read
            });
            mine.collect::<Vec<_>>().join("\n") + "\n"
        };
        bench.write("producer-1.jsonl", &of(false));
        bench.write("consumer-g-1.jsonl", &of(true));
        let said = bench.transcript(&[
            "check",
            "--from",
            "kafkatest",
            "producer-1.jsonl",
            "consumer-g-1.jsonl",
        ]);
        assert!(said.contains("1 acked"), "{language}: {said}");
        assert!(said.contains("g: 1 read"), "{language}: {said}");
        assert!(!said.contains("skipped"), "{language}: {said}");
        languages += 1;
    }
    assert_eq!(languages, 4);
}
