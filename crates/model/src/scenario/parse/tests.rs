use super::*;
use crate::scenario::{EMBEDDED, Transactions};

const GOOD: &str = r#"
name = "mine"
title = "Mine"

[[topic]]
name = "t"
partitions = 3
replication_factor = 1

[[producer]]
topic = "t"
records = 1000
records_per_s = 100
record_bytes = 512

[[fault]]
kind = "broker-restart"
signal = "term"
down_ms = 3000
after = { acknowledged = 300 }

[[guarantee]]
claim = "no-loss"
"#;

/// Replaces `from` by `to` in the good scenario, and shows the error.
fn error_with(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    parse("mine.toml", &GOOD.replacen(from, to, 1))
        .map(|scenario| format!("accepted: {scenario:?}"))
        .unwrap_err()
        .to_string()
}

#[test]
fn a_good_scenario_is_accepted() {
    let scenario = parse("mine.toml", GOOD).unwrap();
    assert_eq!(scenario.records(), 1000);
    assert_eq!(scenario.faults[0].kind.name(), "broker-restart");
}

#[test]
fn every_embedded_scenario_is_accepted_and_named_after_its_file() {
    for (name, text) in EMBEDDED {
        let scenario = parse(name, text).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(scenario.name, *name);
        for said in [&scenario.criterion, &scenario.why, &scenario.expected] {
            assert!(!said.is_empty(), "{name} leaves something unsaid");
        }
    }
}

#[test]
fn errors_name_file_line_and_what_would_be_right() {
    let cases = [
        ("records = 1000", "recrods = 1000"),
        ("records = 1000", "records = \"many\""),
        ("records = 1000", "records = -1"),
        ("records = 1000", "records = 0"),
        ("record_bytes = 512", "record_bytes = 5"),
        ("signal = \"term\"", "signal = \"trem\""),
        ("signal = \"term\"\n", ""),
        ("signal = \"term\"", "signal = \"term\"\nfor_ms = 3"),
        ("kind = \"broker-restart\"", "kind = \"broker-restrat\""),
        ("acknowledged = 300", "acknowleged = 300"),
        ("acknowledged = 300", "acknowledged = 3000"),
        ("acknowledged = 300", "healed = 1"),
        ("claim = \"no-loss\"", "claim = \"no-lost\""),
        ("claim = \"no-loss\"", "claim = \"recovers-within\""),
        (
            "claim = \"no-loss\"",
            "claim = \"no-loss\"\nlevel = \"maybe\"",
        ),
        ("replication_factor = 1", "replication_factor = 3"),
        ("topic = \"t\"", "topic = \"tt\""),
        ("[[guarantee]]", "[[guarantee]"),
    ];
    let shown: Vec<String> = cases
        .iter()
        .map(|(from, to)| error_with(from, to))
        .collect();
    insta::assert_snapshot!(shown.join("\n\n"));
}

const TRANSFORM: &str = r#"
[[topic]]
name = "u"
partitions = 3
replication_factor = 1

[[transform]]
name = "copier"
from = "t"
to = "u"
members = 2
records_per_s = 100
commit_every_records = 20
transactions = true
record_bytes = 256

[[fault]]
kind = "consumer-zombie"
after = { processed = { group = "copier", percent = 30 } }
group = "copier"
member = 2
for_ms = 7000
"#;

#[test]
fn a_group_that_writes_is_a_group_and_an_enumeration_of_true_and_false() {
    let scenario = parse("mine.toml", &format!("{GOOD}{TRANSFORM}")).unwrap();
    let transform = &scenario.transforms[0];
    assert_eq!(transform.transactions, Transactions::On);
    assert_eq!(scenario.members_of("copier"), Some(2));
    let written = serde_json::to_value(transform).unwrap();
    assert_eq!(written["transactions"], true);
}

#[test]
fn what_a_group_that_writes_cannot_be_is_said() {
    let shown = |from: &str, to: &str| {
        assert!(TRANSFORM.contains(from), "{from}");
        let text = format!("{GOOD}{}", TRANSFORM.replacen(from, to, 1));
        parse("mine.toml", &text).unwrap_err().to_string()
    };
    let cases = [
        ("from = \"t\"", "from = \"tt\"", "did you mean `t`?"),
        ("from = \"t\"", "from = \"u\"", "comes behind"),
        ("members = 2", "members = 0", "1 to 64 members"),
        (
            "records_per_s = 100",
            "records_per_s = 0",
            "at least 1 record a second",
        ),
        (
            "commit_every_records = 20",
            "commit_every_records = 0",
            "at least 1 record",
        ),
        (
            "record_bytes = 256",
            "record_bytes = 5",
            "carries its identity",
        ),
        ("member = 2", "member = 3", "members are numbered 1 to 2"),
        ("for_ms = 7000", "", "needs the key `for_ms`"),
        ("transactions = true\n", "", "missing field `transactions`"),
    ];
    for (from, to, said) in cases {
        let error = shown(from, to);
        assert!(error.contains(said), "{error}");
        assert!(error.starts_with("mine.toml:"), "{error}");
    }
}
