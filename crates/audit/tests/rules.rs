//! Each rule fires where it should and is silent in a twin: small configurations in
//! `rules/*.case`.
//!
//! `@@ RULE fires` or `@@ RULE silent` begins a case, with `client=java@3.9.1` and
//! promises (`outage_s=10`) behind it where they are needed; `@ FILE` begins a file.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a panic is how a test fails"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use audit::component::{Component, Kind, Origin, ReadSetting, fact};
use audit::policy::Policy;
use audit::product::{Product, Software};
use audit::read::{InputFile, read};
use audit::{AuditReport, audit, rules};

struct Case {
    at: String,
    rule: String,
    fires: bool,
    client: Option<Software>,
    policy: Policy,
    inputs: Vec<InputFile>,
}

fn cases() -> Vec<Case> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rules");
    let mut cases: Vec<Case> = Vec::new();
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|it| it.unwrap().path())
        .collect();
    files.sort();
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        for (line, number) in fs::read_to_string(&file).unwrap().lines().zip(1..) {
            if let Some(head) = line.strip_prefix("@@ ") {
                let mut words = head.split_whitespace();
                let rule = words.next().unwrap().to_owned();
                let is_firing = match words.next() {
                    Some("fires") => true,
                    Some("silent") => false,
                    other => panic!("{name}:{number}: {other:?}"),
                };
                let mut client = None;
                let mut promise = String::from("[promise]\n");
                for word in words {
                    let (key, value) = word.split_once('=').unwrap();
                    if key == "client" {
                        client = Some(value.parse().unwrap());
                    } else {
                        writeln!(promise, "{key} = {value}").unwrap();
                    }
                }
                cases.push(Case {
                    at: format!("{name}:{number}"),
                    rule,
                    fires: is_firing,
                    client,
                    policy: Policy::parse(&promise).unwrap(),
                    inputs: Vec::new(),
                });
            } else if let Some(path) = line.strip_prefix("@ ") {
                let case = cases.last_mut().unwrap();
                case.inputs.push(InputFile {
                    path: path.to_owned(),
                    text: String::new(),
                });
            } else if let Some(input) = cases.last_mut().and_then(|it| it.inputs.last_mut()) {
                input.text.push_str(line);
                input.text.push('\n');
            }
        }
    }
    cases
}

fn audited(case: &Case) -> AuditReport {
    let mut components = Vec::new();
    let mut notes = Vec::new();
    for input in &case.inputs {
        let read = read(input, case.client.as_ref())
            .unwrap_or_else(|error| panic!("{}: {error}", case.at));
        components.extend(read.components);
        notes.extend(read.notes);
    }
    audit(components, notes, &case.policy, &case.inputs, None)
}

#[test]
fn each_rule_fires_and_is_silent_in_its_twin() {
    let mut seen: BTreeMap<String, BTreeSet<bool>> = BTreeMap::new();
    let mut wrong = Vec::new();
    for case in cases() {
        assert!(
            rules::find(&case.rule).is_some(),
            "{}: no rule {}",
            case.at,
            case.rule
        );
        let report = audited(&case);
        let found: Vec<_> = report
            .findings
            .iter()
            .filter(|it| it.rule == case.rule)
            .collect();
        if found.is_empty() == case.fires {
            let says: Vec<_> = report
                .findings
                .iter()
                .map(|it| (it.rule, &it.says))
                .collect();
            wrong.push(format!(
                "{}: {} fires: {}; all: {says:?}",
                case.at, case.rule, !case.fires
            ));
        }
        seen.entry(case.rule.clone())
            .or_default()
            .insert(case.fires);
    }
    for rule in rules::all() {
        // Only a running cluster has what these look at: the test below.
        let is_live = [
            "last-replica-standing",
            "old-transaction-protocol",
            "position-deleted-unread",
        ];
        if !is_live.contains(&rule.id) && seen.get(rule.id).is_none_or(|it| it.len() < 2) {
            wrong.push(format!("{} lacks a case or its twin", rule.id));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What a running cluster says of itself, as components.
fn live(kind: Kind, settings: &[(&str, &str, &str)]) -> Component {
    let mut component = Component::new(kind, "1", "kafka:9092");
    component.software = Some(Software::any(Product::Kafka));
    component.settings = settings
        .iter()
        .map(|(key, path, value)| ReadSetting {
            key: (*key).to_owned(),
            path: (*path).to_owned(),
            value: (*value).to_owned(),
            origin: Origin::Live {
                of: "broker 1".to_owned(),
                is_default: false,
            },
        })
        .collect();
    component
}

#[test]
fn rules_about_a_running_cluster_fire_and_are_silent() {
    const ELR: &str = "@feature.eligible.leader.replicas.version";
    const TXN: &str = "@feature.transaction.version";
    let fires = |component: Component, rule: &str| {
        let report = audit(vec![component], Vec::new(), &Policy::default(), &[], None);
        report.findings.iter().any(|it| it.rule == rule)
    };
    let broker = |settings: &[(&str, &str, &str)]| live(Kind::Broker, settings);
    assert!(fires(broker(&[(ELR, "elr", "0")]), "last-replica-standing"));
    assert!(!fires(
        broker(&[(ELR, "elr", "1")]),
        "last-replica-standing"
    ));
    assert!(fires(
        broker(&[(TXN, "txn", "1")]),
        "old-transaction-protocol"
    ));
    assert!(!fires(
        broker(&[(TXN, "txn", "2")]),
        "old-transaction-protocol"
    ));
    let own = ("min.insync.replicas", "broker:min.insync.replicas", "2");
    let file = ("min.insync.replicas", "min.insync.replicas", "2");
    assert!(fires(
        broker(&[(ELR, "elr", "1"), own]),
        "broker-level-min-isr"
    ));
    assert!(!fires(
        broker(&[(ELR, "elr", "1"), file]),
        "broker-level-min-isr"
    ));
    assert!(!fires(
        broker(&[(ELR, "elr", "0"), own]),
        "broker-level-min-isr"
    ));
    let group = |settings: &[(&str, &str, &str)]| live(Kind::Group, settings);
    assert!(fires(
        group(&[(fact::DELETED_UNREAD, "t-0", "7")]),
        "position-deleted-unread"
    ));
    assert!(!fires(group(&[]), "position-deleted-unread"));
}

/// Each scenario that a rule names comes with the program.
#[test]
fn scenarios_that_show_findings_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/src/scenario/embedded.rs");
    let embedded = fs::read_to_string(root).unwrap();
    for rule in rules::all() {
        for scenario in rule.shown_by {
            let is_there = embedded.contains(&format!("\"{scenario}\""));
            assert!(is_there, "{}: no scenario {scenario}", rule.id);
        }
    }
}

/// A rule about several bugs names the scenario of the one that was found.
#[test]
fn a_known_bug_is_shown_by_its_own_scenarios() {
    let shown = |client: &str, text: &str| {
        let input = InputFile {
            path: "producer.properties".to_owned(),
            text: text.to_owned(),
        };
        let read = read(&input, Some(&client.parse().unwrap())).unwrap();
        let report = audit(read.components, read.notes, &Policy::default(), &[], None);
        let of = report.findings.into_iter();
        let of = of.filter(|it| it.rule == "client-with-known-loss");
        of.flat_map(|it| it.shown_by).copied().collect::<Vec<_>>()
    };
    let idempotent = "acks=all\nenable.idempotence=true\n";
    for (client, scenarios) in [
        ("librdkafka@1.9.2", &["librdkafka-4438"][..]),
        ("librdkafka@2.2.0", &["librdkafka-4438", "librdkafka-4736"]),
        ("librdkafka@2.4.0", &["librdkafka-4736"]),
        ("librdkafka@2.12.1", &["librdkafka-4953"]),
        ("librdkafka@2.6.0", &[]),
        ("java@3.9.1", &[]),
        ("java@4.3.1", &["kafka-14034"]),
    ] {
        let mut found = shown(client, idempotent);
        found.retain(|it| !it.ends_with("-fixed") && !it.ends_with("-in-flight-1"));
        assert_eq!(found, scenarios, "{client}");
    }
}

/// `make schemas` was run since a rule was changed last.
#[test]
fn the_reference_of_the_rules_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/audit-rules.md");
    let made = audit::output::reference();
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        fs::write(&path, &made).unwrap();
    }
    assert!(
        fs::read_to_string(path).unwrap() == made,
        "run `make schemas`"
    );
}
