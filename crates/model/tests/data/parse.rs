//! Scenarios that the parser accepts, and its messages for those that it refuses.

use model::scenario::{Commit, EMBEDDED, Fence, Transactions, parse};

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

#[test]
fn a_producers_topics_are_there_and_each_is_named_once() {
    let two = |also_to: &str| {
        let with = format!("topic = \"t\"\nalso_to = {also_to}\nrecords");
        let more = "\n[[topic]]\nname = \"u\"\npartitions = 1\nreplication_factor = 1\n";
        let text = GOOD.replacen("topic = \"t\"\nrecords", &with, 1) + more;
        parse("mine.toml", &text).map_err(|error| error.to_string())
    };
    let producer = &two("[\"u\"]").unwrap().producers[0];
    assert_eq!(producer.topics().collect::<Vec<_>>(), ["t", "u"]);
    for (also_to, wrong) in [
        ("[\"u\", \"t\"]", "`t` is named twice"),
        ("[\"v\"]", "there is no topic `v`"),
    ] {
        let error = two(also_to).unwrap_err();
        assert!(error.contains(wrong), "{error}");
    }
}

#[test]
fn a_slow_network_is_slow_or_narrow() {
    let slow = |keys: &str| {
        let fault = format!("kind = \"slow-network\"\nfor_ms = 100\n{keys}");
        let text = GOOD
            .replacen(
                "kind = \"broker-restart\"\nsignal = \"term\"\ndown_ms = 3000",
                &fault,
                1,
            )
            .replacen("[[topic]]", "[topology]\nlink = \"proxy\"\n\n[[topic]]", 1);
        parse("mine.toml", &text).map_err(|error| error.to_string())
    };
    for keys in [
        "latency_ms = 5",
        "bytes_per_s = 5",
        "latency_ms = 5\nbytes_per_s = 5",
    ] {
        slow(keys).unwrap();
    }
    for keys in ["", "latency_ms = 0"] {
        let error = slow(keys).unwrap_err();
        assert!(
            error.contains("the network is as fast as before"),
            "{error}"
        );
    }
}

#[test]
fn a_transaction_needs_no_flush_before_its_commit() {
    let transform = |keys: &str| {
        let text = format!(
            "{GOOD}\n[[topic]]\nname = \"u\"\npartitions = 1\nreplication_factor = 1\n\
             [[transform]]\nname = \"x\"\nfrom = \"t\"\nto = \"u\"\nrecords_per_s = 10\n\
             commit_every_records = 5\nrecord_bytes = 200\n{keys}\n"
        );
        parse("mine.toml", &text).map_err(|error| error.to_string())
    };
    transform("transactions = false\ncommit_when = \"flushed\"").unwrap();
    let error = transform("transactions = true\ncommit_when = \"flushed\"").unwrap_err();
    assert!(
        error.contains("a transaction commits the position"),
        "{error}"
    );
}

#[test]
fn a_groups_keys_fit_each_other() {
    let group = |keys: &str| {
        format!(
            "{GOOD}\n[[group]]\nname = \"g\"\ntopic = \"t\"\nrecords_per_s = 10\n\
             commit_every_records = 5\n{keys}\n"
        )
    };
    let plain = parse("mine.toml", &group("")).unwrap();
    let of = &plain.groups[0];
    assert_eq!(
        (of.commit, of.max_poll_records, of.fence),
        (Commit::After, 1, Fence::None)
    );
    assert!(
        parse(
            "mine.toml",
            &group("max_poll_records = 100\nfence = \"commit\"")
        )
        .is_ok()
    );
    for (keys, wrong) in [
        ("max_poll_records = 0", "at least 1, not 0"),
        ("max_poll_records = 101", "1 to 100 records here, not 101"),
        (
            "fence = \"commit\"\ncommit = \"before\"",
            "it needs `commit = \"after\"`",
        ),
        (
            "commit = \"auto\"",
            "`commit_every_records` means nothing with `commit = \"auto\"`",
        ),
    ] {
        let error = parse("mine.toml", &group(keys)).unwrap_err().to_string();
        assert!(error.contains(wrong), "{error}");
    }
}

#[test]
fn large_records_are_of_a_size_and_a_number() {
    let large = |keys: &str| {
        let producer = format!("record_bytes = 512\n{keys}");
        parse(
            "mine.toml",
            &GOOD.replacen("record_bytes = 512", &producer, 1),
        )
    };
    assert!(large("large_every = 10\nlarge_bytes = 1048000").is_ok());
    for keys in [
        "large_every = 10",
        "large_bytes = 1048000",
        "large_every = 0\nlarge_bytes = 1048000",
        "large_every = 10\nlarge_bytes = 5",
    ] {
        assert!(large(keys).is_err(), "{keys}");
    }
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
fn only_a_group_that_writes_gets_a_zombie() {
    let reader = r#"
[[group]]
name = "reader"
topic = "u"
records_per_s = 100
commit_every_records = 10
"#;
    let text = format!("{GOOD}{TRANSFORM}{reader}");
    parse("mine.toml", &text).unwrap();
    let text = text.replace("group = \"copier\"\nmember = 2", "group = \"reader\"");
    let error = parse("mine.toml", &text).unwrap_err().to_string();
    assert!(error.contains("did you mean `consumer-pause`?"), "{error}");
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
        ("members = 2", "members = 0", "from 1 to 64, not 0"),
        (
            "records_per_s = 100",
            "records_per_s = 0",
            "from 1 to 4,294,967,295, not 0",
        ),
        (
            "commit_every_records = 20",
            "commit_every_records = 0",
            "at least 1, not 0",
        ),
        (
            "record_bytes = 256",
            "record_bytes = 96",
            "from 97 to 900,000, not 96",
        ),
        ("member = 2", "member = 3", "members are numbered 1 to 2"),
        ("for_ms = 7000", "", "needs the key `for_ms`"),
        (
            "transactions = true\n",
            "",
            "needs the key `transactions`: true or false",
        ),
    ];
    for (from, to, said) in cases {
        let error = shown(from, to);
        assert!(error.contains(said), "{error}");
        assert!(error.starts_with("mine.toml:"), "{error}");
    }
}

#[test]
fn topics_that_others_keep_are_named_by_faults_only() {
    for (name, keeper) in [
        ("__consumer_offsets", "Kafka's own topic"),
        ("__transaction_state", "Kafka's own topic"),
        ("__share_group_state", "Kafka's own topic"),
        ("__cluster_metadata", "the controllers' own log"),
    ] {
        let topic = format!("name = \"{name}\"\npartitions = 3");
        let error = error_with("name = \"t\"\npartitions = 3", &topic);
        let wanted = format!("`{name}` is {keeper}: leave this [[topic]] out");
        assert!(error.contains(&wanted), "{error}");
        let error = error_with("topic = \"t\"", &format!("topic = \"{name}\""));
        assert!(
            error.contains("only faults of brokers and disks name it"),
            "{error}"
        );
    }
    // Without a capture these are anybody's.
    let other = GOOD.replace("\"t\"", "\"connect-offsets\"");
    assert!(parse("mine.toml", &other).is_ok());
    let capture = "[capture]\nconnector = \"c\"\nslot = \"s\"\npublication = \"p\"\n\
                   prefix = \"db\"\nworker_config = { \"status.storage.topic\" = \"states\" }\n";
    for (name, keeper) in [
        ("connect-offsets", "Kafka Connect's own topic"),
        ("states", "Kafka Connect's own topic"),
        ("db.transaction", "the connector's own topic"),
        ("__debezium-heartbeat.db", "the connector's own topic"),
        ("db.public.users", "the connector's own topic"),
    ] {
        let text = GOOD.replace("\"t\"", &format!("\"{name}\"")) + capture;
        let error = parse("mine.toml", &text).unwrap_err().to_string();
        assert!(error.contains(keeper), "{error}");
    }
}

#[test]
fn faults_name_internal_topics_as_they_are() {
    let fault = "kind = \"broker-restart\"\nsignal = \"term\"\ndown_ms = 3000\n";
    let lost = |topic: &str| format!("kind = \"disk-loss\"\ntopic = \"{topic}\"\n");
    let led = |topic: &str, partition: i32| {
        format!(
            "kind = \"broker-pause\"\nfor_ms = 10\nbroker = \"leader\"\ntopic = \"{topic}\"\n\
             partition = {partition}\n"
        )
    };
    for good in [
        lost("__consumer_offsets"),
        lost("__transaction_state"),
        led("__consumer_offsets", 3),
    ] {
        let text = GOOD.replace(fault, &good);
        parse("mine.toml", &text).unwrap_or_else(|error| panic!("{error}"));
    }
    for (bad, why) in [
        (
            lost("__cluster_metadata"),
            "brokers do not tell how far it reaches",
        ),
        (
            lost("__consumer_offset"),
            "there is no topic `__consumer_offset`",
        ),
        (
            led("__consumer_offsets", 4),
            "the partitions of __consumer_offsets are numbered 0 to 3",
        ),
        (led("__cluster_metadata", 0), "`broker = \"controller\"`"),
    ] {
        let error = error_with(fault, &bad);
        assert!(error.contains(why), "{error}");
    }
    let waiting = "after = { in_sync = { topic = \"__consumer_offsets\", replicas = 1 } }";
    let error = error_with("after = { acknowledged = 300 }", waiting);
    assert!(error.contains("its replicas are not followed"), "{error}");
}

/// What has to happen, by the settings of the topic and of the brokers.
#[test]
fn a_scenario_is_about_what_its_settings_are_plainly_there_for() {
    let about = |topic: &str, topology: &str, top: &str| -> Vec<String> {
        let config = format!("replication_factor = 1\nconfig = {{ {topic} }}");
        let text = GOOD.replace("replication_factor = 1", &config);
        let text = format!("{top}\n{text}\n[topology]\nconfig = {{ {topology} }}\n");
        let scenario = parse("mine.toml", &text).unwrap_or_else(|error| panic!("{error}"));
        let occurrences = scenario.occurrences().into_iter();
        occurrences
            .map(|it| format!("{} {}", it.kind, it.topic.unwrap_or_default()))
            .collect()
    };
    let none: [&str; 0] = [];
    for (topic, topology, expected) in [
        ("", "", vec![]),
        ("\"cleanup.policy\" = \"compact\"", "", vec!["compaction t"]),
        (
            "",
            "\"log.cleanup.policy\" = \"compact\"",
            vec!["compaction t"],
        ),
        (
            "\"cleanup.policy\" = \"delete\"",
            "\"log.cleanup.policy\" = \"compact\"",
            vec![],
        ),
        ("\"retention.ms\" = \"1000\"", "", vec!["deletion t"]),
        ("", "\"log.retention.ms\" = \"1000\"", vec!["deletion t"]),
        ("\"retention.bytes\" = \"2097152\"", "", vec!["deletion t"]),
        (
            "\"cleanup.policy\" = \"compact,delete\", \"retention.ms\" = \"1000\"",
            "",
            vec!["compaction t", "deletion t"],
        ),
        (
            "\"cleanup.policy\" = \"compact\", \"retention.ms\" = \"1000\"",
            "",
            vec!["compaction t"],
        ),
        // As production has it.
        (
            "\"retention.ms\" = \"604800000\", \"retention.bytes\" = \"1073741824\"",
            "",
            vec![],
        ),
        (
            "\"retention.ms\" = \"-1\", \"retention.bytes\" = \"-1\"",
            "",
            vec![],
        ),
    ] {
        assert_eq!(about(topic, topology, ""), expected, "{topic} {topology}");
    }
    let compacts = "\"cleanup.policy\" = \"compact\"";
    assert_eq!(about(compacts, "", "must_happen = []"), none);
    assert_eq!(
        about(compacts, "", "must_happen = [\"rebalance\"]"),
        ["rebalance "]
    );
}

/// Writes of one transaction around one of their own.
#[test]
fn the_last_write_of_a_transaction_commits_it() {
    let comments = |more: &str| format!("[[write]]\ntable = \"comments\"\nrows = 5\n{more}\n");
    let text = |first: &str, last: &str| {
        let parents = "[capture]\nconnector = \"c\"\nslot = \"s\"\npublication = \"p\"\n\
                       prefix = \"db\"\n[[write]]\ntable = \"users\"\nrows = 1\n\
                       [[write]]\ntable = \"videos\"\nrows = 1\n";
        let writes = [comments(first), comments(""), comments(last)].concat();
        format!("{GOOD}{parents}{writes}")
    };
    let of_a = "transaction = \"a\"";
    let later = format!("{of_a}\ncommit_after = {{ captured = 7 }}");
    let scenario = parse("mine.toml", &text(of_a, &later)).unwrap();
    let commits: Vec<_> = (0..5).map(|at| scenario.commits(at)).collect();
    assert_eq!(commits, [None, None, None, None, Some("a")]);
    for (first, last, why) in [
        (
            later.as_str(),
            of_a,
            "the last [[write]] of a `transaction` commits it",
        ),
        // What is open has no events.
        (
            of_a,
            &format!("{of_a}\ncommit_after = {{ captured = 8 }}"),
            "`captured = 8` is never reached: 7 row changes",
        ),
        (of_a, "commit_after = { captured = 1 }", "`transaction`"),
        ("how = \"copy\"\ntransaction = \"a\"", of_a, "`how"),
    ] {
        let error = parse("mine.toml", &text(first, last))
            .unwrap_err()
            .to_string();
        assert!(error.contains(why), "{error}");
    }
}
