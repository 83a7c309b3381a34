//! What people wrote and could not run: each is refused before anything
//! starts, at its place, with what to write.

use std::fmt::Write as _;

use insta::assert_snapshot;

use crate::fixture::Bench;

/// A scenario that is right, and what people made of it.
const RIGHT: &str = r#"name = "mine"
title = "T"

[topology]
brokers = 1
link = "direct"

[[topic]]
name = "orders"
partitions = 3
replication_factor = 1

[[producer]]
topic = "orders"
records = 500
records_per_s = 100
record_bytes = 512
config = { acks = "all" }

[[group]]
name = "billing"
topic = "orders"
records_per_s = 500
commit_every_records = 20

[[fault]]
kind = "broker-restart"
after = { acknowledged = 100 }
signal = "kill"
down_ms = 3000

[[guarantee]]
claim = "no-loss"
"#;

/// What a file of the user's is refused for, by `explain`; `run` refuses it in
/// the same words, and starts nothing.
fn refused(bench: &Bench, name: &str, text: &str) -> String {
    let file = format!("{name}.toml");
    bench.write(&file, text);
    let said = bench.transcript(&["explain", &file]);
    let said = said
        .strip_prefix("exit code 2\n--- stderr\n")
        .unwrap_or_else(|| panic!("{name}: {said}"));
    said.to_owned()
}

/// Each change of the right scenario, and what is said of it.
fn all_refused(cases: &[(&str, &str, &str)]) -> String {
    let bench = Bench::new();
    let mut said = String::new();
    for (name, from, to) in cases {
        assert!(RIGHT.contains(from), "{name}");
        let text = RIGHT.replacen(from, to, 1);
        let _ = writeln!(said, "{}", refused(&bench, name, &text));
    }
    said
}

const CONFIG: &str = "config = { acks = \"all\" }";
const GROUP_END: &str = "commit_every_records = 20";
const FAULT: &str = "kind = \"broker-restart\"\nafter = { acknowledged = 100 }\nsignal = \"kill\"\n\
                     down_ms = 3000";
const CLAIM: &str = "claim = \"no-loss\"";

#[test]
fn the_right_one_is_right() {
    let bench = Bench::new();
    bench.write("right.toml", RIGHT);
    bench
        .ackproof(&["explain", "right.toml"])
        .assert()
        .success();
}

#[test]
fn what_is_no_scenario_file_is_said_in_the_formats_words() {
    assert_snapshot!(all_refused(&[
        ("single-bracket", "[[topic]]", "[topic]"),
        ("two-brackets", "[topology]", "[[topology]]"),
        ("config-int", CONFIG, "config = { acks = 1 }"),
        (
            "config-dotted",
            CONFIG,
            "config = { acks = \"all\", linger.ms = \"5\" }"
        ),
        ("setting-outside", CONFIG, "acks = \"all\""),
        ("key-of-another", CONFIG, "partitions = 3"),
        ("records-negative", "records = 500", "records = -5"),
        (
            "records-huge",
            "records = 500",
            "records = 99999999999999999999"
        ),
        ("records-fraction", "records = 500", "records = 500.5"),
        ("records-quoted", "records = 500", "records = \"500\""),
        ("duration", "down_ms = 3000", "down_ms = \"3s\""),
        ("duration-absurd", "down_ms = 3000", "down_ms = 99999999999"),
        (
            "two-triggers",
            "{ acknowledged = 100 }",
            "{ acknowledged = 100, elapsed_ms = 5 }"
        ),
        ("no-trigger", "{ acknowledged = 100 }", "{}"),
        ("signal", "signal = \"kill\"", "signal = \"SIGKILL\""),
        ("fault-key", "down_ms = 3000", "for_ms = 3000"),
        ("fault-unknown", "\"broker-restart\"", "\"broker-restarts\""),
        (
            "level",
            CLAIM,
            "claim = \"no-loss\"\nlevel = \"expected-violated\""
        ),
        ("claim-unknown", CLAIM, "claim = \"no-losses\""),
        ("missing", "title = \"T\"", ""),
        ("unclosed", "[[guarantee]]", "[[guarantee]"),
        (
            "auto-with-every",
            GROUP_END,
            "commit_every_records = 20\ncommit = \"auto\""
        ),
        (
            "one-broker",
            "replication_factor = 1",
            "replication_factor = 3"
        ),
        (
            "no-such-topic",
            "topic = \"orders\"\nrecords_per_s = 500",
            "topic = \"oders\"\nrecords_per_s = 500"
        ),
        (
            "too-long",
            "records = 500\nrecords_per_s = 100",
            "records = 900000000\nrecords_per_s = 1"
        ),
    ]));
}

#[test]
fn settings_that_nothing_could_honour_are_refused_with_the_right_one() {
    let group = |config: &str| format!("{GROUP_END}\nconfig = {{ {config} }}");
    let isolation = group("\"isolation.level\" = \"committed\"");
    let acks = group("acks = \"all\"");
    let kip848 = group("\"group.protocol\" = \"consumer\", \"session.timeout.ms\" = \"9000\"");
    let topic = |config: &str| format!("replication_factor = 1\nconfig = {{ {config} }}");
    let min_insync = topic("\"min.insync.replica\" = \"2\"");
    let number = topic("\"retention.ms\" = \"3s\"");
    let word = topic("\"cleanup.policy\" = \"compacted\"");
    let of_broker = topic("\"log.retention.ms\" = \"3000\"");
    let brokers = |config: &str| format!("brokers = 1\nconfig = {{ {config} }}");
    let broker = brokers("\"num.io.thread\" = \"2\"");
    let broker_value = brokers("\"num.io.threads\" = \"0\"");
    let of_topic = brokers("\"retention.ms\" = \"3000\"");
    assert_snapshot!(all_refused(&[
        ("unknown-key", CONFIG, "config = { ack = \"all\" }"),
        ("bad-value", CONFIG, "config = { acks = \"two\" }"),
        (
            "serializer",
            CONFIG,
            "config = { \"key.serializer\" = \"org.apache.kafka.common.serialization.StringSerializer\" }"
        ),
        (
            "security",
            CONFIG,
            "config = { \"security.protocol\" = \"SASL_SSL\", \"sasl.password\" = \"hunter2\" }"
        ),
        (
            "own-secret",
            CONFIG,
            "config = { \"librdkafka.sasl.pasword\" = \"hunter2\" }"
        ),
        (
            "idempotence-acks-1",
            CONFIG,
            "config = { acks = \"1\", \"enable.idempotence\" = \"true\" }"
        ),
        (
            "idempotence-retries-0",
            CONFIG,
            "config = { retries = \"0\", \"enable.idempotence\" = \"true\" }"
        ),
        (
            "delivery-below-request",
            CONFIG,
            "config = { \"delivery.timeout.ms\" = \"4000\", \"request.timeout.ms\" = \"5000\" }"
        ),
        (
            "of-librdkafka",
            CONFIG,
            "config = { \"queue.buffering.max.ms\" = \"5\" }"
        ),
        ("isolation", GROUP_END, &isolation),
        ("producers-key-in-group", GROUP_END, &acks),
        ("session-with-kip-848", GROUP_END, &kip848),
        ("topic-setting", "replication_factor = 1", &min_insync),
        ("topic-number", "replication_factor = 1", &number),
        ("topic-word", "replication_factor = 1", &word),
        (
            "brokers-setting-in-topic",
            "replication_factor = 1",
            &of_broker
        ),
        ("broker-setting", "brokers = 1", &broker),
        ("broker-value", "brokers = 1", &broker_value),
        ("topics-setting-in-brokers", "brokers = 1", &of_topic),
    ]));
}

#[test]
fn what_could_never_come_to_anything_is_refused() {
    let proxied = RIGHT.replace("link = \"direct\"", "link = \"proxy\"");
    let bench = Bench::new();
    let mut said = String::new();
    let fault = |keys: &str| proxied.replace(FAULT, keys);
    let claim = |name: &str| format!("{RIGHT}\n[[guarantee]]\nclaim = \"{name}\"\n");
    let capture = |writes: &str, after: &str| {
        format!(
            "name = \"outbox\"\ntitle = \"T\"\n[capture]\nconnector = \"c\"\nslot = \"s\"\n\
             publication = \"p\"\nprefix = \"orders\"\nconfig = {{ \"snapshot.mode\" = \
             \"no_data\" }}\n{writes}\n[[fault]]\nkind = \"connector-restart\"\nafter = {after}\n\
             [[guarantee]]\nclaim = \"no-row-missing\"\n"
        )
    };
    let rows = |table: &str, rows: u64| format!("[[write]]\ntable = \"{table}\"\nrows = {rows}\n");
    let all = rows("users", 1) + &rows("videos", 1) + &rows("comments", 40);
    let producer = RIGHT.find("[[producer]]").unwrap();
    let group = RIGHT.find("[[group]]").unwrap();
    let no_producer = RIGHT[..producer].to_owned() + &RIGHT[group..];
    for (name, text) in [
        (
            "api",
            fault(
                "kind = \"answer-lost\"\nafter = { acknowledged = 100 }\napi = \"Produc\"\nfor_ms = 100",
            ),
        ),
        (
            "code",
            fault(
                "kind = \"request-refused\"\nafter = { acknowledged = 100 }\napi = \"Produce\"\ncode = \"NOT_ENUF_REPLICAS\"\nfor_ms = 100",
            ),
        ),
        (
            "code-far",
            fault(
                "kind = \"request-refused\"\nafter = { acknowledged = 100 }\napi = \"Produce\"\ncode = \"NOT_ENUF\"\nfor_ms = 100",
            ),
        ),
        (
            "group-of-requests",
            fault(
                "kind = \"answer-lost\"\nafter = { acknowledged = 100 }\napi = \"OffsetCommit\"\ngroup = \"biling\"\nfor_ms = 100",
            ),
        ),
        ("row-claim", claim("no-row-missing")),
        ("one-group", claim("groups-independent")),
        ("no-transactions", claim("read-committed")),
        (
            "no-restart",
            format!("{}limit_ms = 5\n", claim("recovers-within")),
        ),
        ("one-replica", claim("replicas-agree")),
        ("no-member-leaves", claim("reprocessed-within-window")),
        ("no-producer", no_producer),
        (
            "acknowledged",
            RIGHT.replace("acknowledged = 100", "acknowledged = 501"),
        ),
        (
            "name-taken",
            RIGHT.replace("name = \"mine\"", "name = \"broker-restart\""),
        ),
        ("captured", capture(&all, "{ captured = 43 }")),
        (
            "comments-alone",
            capture(&rows("comments", 40), "{ captured = 10 }"),
        ),
    ] {
        let _ = writeln!(said, "{}", refused(&bench, name, &text));
    }
    bench.write("reached.toml", &capture(&all, "{ captured = 42 }"));
    bench
        .ackproof(&["explain", "reached.toml"])
        .assert()
        .success();
    assert_snapshot!(said);
}

#[test]
fn a_value_that_may_be_a_secret_is_in_no_message() {
    let bench = Bench::new();
    for config in [
        "config = { \"sasl.password\" = \"hunter2\" }",
        "config = { ack = \"all\", \"librdkafka.sasl.password\" = \"hunter2\" }",
        "config = { \"ssl.truststore.password\" = 42, \"librdkafka.sasl.password\" = \"hunter2\" }",
        "config = { sasl.password = \"hunter2\" }",
        "config = { \"sasl.jaas.config\" = \"\"\"a\nhunter2\"\"\", acks = 1 }",
        "config = { \"sasl.password\" = \"hunter2",
    ] {
        let said = refused(&bench, "secret", &RIGHT.replace(CONFIG, config));
        assert!(!said.contains("hunter2"), "{config}: {said}");
    }
}

#[test]
fn numbers_of_options_are_asked_for_in_words() {
    let bench = Bench::new();
    let mut said = String::new();
    for args in [
        &["run", "--jobs", "0"][..],
        &["run", "--seed", "abc"],
        &["run", "--seed", "-1"],
        &["run", "--seed", "1e20"],
        &["run", "--repeat", "1001"],
        &["stack", "up", "--brokers", "4"],
        &["rnu"],
        &["explain", ""],
        &["run", "--kafka", "99.9.9"],
        &["run", "--kafka", "2.8.2"],
        &["run", "--debezium", "1.9.7.Final"],
        &["doctor", "--kafka", "9.9.9"],
        &["stack", "fetch", "--kafka", "latest"],
    ] {
        let _ = writeln!(said, "{args:?}: {}", bench.transcript(args));
    }
    assert_snapshot!(said);
}

#[test]
fn several_things_are_all_right_or_none_is_started() {
    let bench = Bench::new();
    let mine = RIGHT.replace("name = \"mine\"", "name = \"other\"");
    bench.write("some/a.toml", RIGHT);
    bench.write("some/b.toml", &mine);
    bench.write("some/notes.txt", "no scenario");
    bench.write("empty/notes.txt", "no scenario");
    let explained = bench.transcript(&["explain", "some"]);
    assert!(explained.starts_with("exit code 0"), "{explained}");
    assert!(explained.contains("mine: T") && explained.contains("other: T"));
    let each = bench.transcript(&["explain", "some/a.toml", "some/b.toml"]);
    assert_eq!(each, explained);
    let planned = bench.transcript(&["run", "--dry-run", "some", "--out", "r"]);
    assert_eq!(planned, explained);
    let suite = bench.transcript(&["explain", "durability"]);
    assert!(suite.starts_with("exit code 0"), "{suite}");

    bench.write("some/c.toml", &RIGHT.replace("acks", "ack"));
    bench.write(
        "some/d.toml",
        &RIGHT.replace("records = 500", "records = -1"),
    );
    for args in [
        &["run", "broker-restart", "some", "--out", "r"][..],
        &["run", "--dry-run", "broker-restart", "some", "--out", "r"],
        &["explain", "broker-restart", "some"],
    ] {
        let said = bench.transcript(args);
        assert_snapshot!("one wrong of several", said);
    }
    assert_snapshot!(bench.transcript(&["run", "empty"]));
    assert_snapshot!(bench.transcript(&["explain", "absent.toml"]));
    assert!(!bench.path().join("r").exists() && !bench.path().join("runs").exists());
}

#[test]
fn a_recording_of_nothing_is_refused() {
    let bench = Bench::new();
    bench.write("empty.jsonl", "");
    bench.write("foreign.jsonl", "{\"level\": \"info\"}\nhello\n");
    let mut said = String::new();
    for file in ["empty.jsonl", "foreign.jsonl"] {
        let text = bench.transcript(&["check", "--from", "kafkatest", file]);
        assert!(text.starts_with("exit code 2"), "{text}");
        said.push_str(&text);
    }
    assert_snapshot!(said);
}

/// Before Kafka 3.9 no KRaft controller holds an unclean election by itself.
#[test]
fn what_an_older_kafka_cannot_do_is_left_out_of_suites_and_refused_by_name() {
    let bench = Bench::new();
    let old = ["--kafka", "3.8.1", "--dry-run"];
    let named = bench.transcript(&[&["run", "unclean-election-on"], &old[..]].concat());
    assert!(named.starts_with("exit code 2"), "{named}");
    assert!(
        named.contains("unclean-election-on cannot run on Kafka 3.8: it needs unclean.leader"),
        "{named}"
    );
    let suite = bench.transcript(&[&["run", "durability"], &old[..]].concat());
    assert!(suite.starts_with("exit code 0"), "{suite}");
    assert!(!suite.contains("\nunclean-election-on:"), "{suite}");
    assert!(suite.contains("\nunclean-election-off:"), "{suite}");
    assert!(
        suite.contains("  skipped       unclean-election-on: needs"),
        "{suite}"
    );
}

/// Files that were written for the names before.
#[test]
fn an_old_name_is_told_the_new_one() {
    let bench = Bench::new();
    let topic = "[[topic]]\nname = \"t\"\npartitions = 1\nreplication_factor = 1\n";
    for (old, now) in [
        (
            "drain_limit_ms = 1",
            "`drain_limit_ms`: it is `drain_timeout_ms` now",
        ),
        (
            "[[group]]\nbatch_records = 1",
            "`batch_records`: it is `max_poll_records` now",
        ),
        (
            "[[group]]\nrelies_on = \"committed\"",
            "`relies_on`: it is `requires_read_committed` now",
        ),
        (
            "[[guarantee]]\nclaim = \"outcomes-told\"",
            "`outcomes-told` is `outcomes-reported` now",
        ),
        (
            "[[guarantee]]\nclaim = \"commits-forward\"",
            "`commits-forward` is `no-commit-regression` now",
        ),
        (
            "[[write]]\nafter = { elapsed-ms = 5 }",
            "`elapsed-ms`: it is `elapsed_ms` now",
        ),
        (
            "[[write]]\nafter = { in-sync = 5 }",
            "`in-sync`: it is `in_sync` now",
        ),
    ] {
        bench.write(
            "own.toml",
            &format!("name = \"own\"\ntitle = \"Own\"\n{old}\n{topic}"),
        );
        let said = bench.transcript(&["explain", "own.toml"]);
        assert!(said.starts_with("exit code 2"), "{said}");
        assert!(said.contains(now), "{now}: {said}");
    }
}
