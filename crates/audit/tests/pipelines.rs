//! Whole pipelines: one as it is begun with, the recommended configuration, and ten
//! files as people publish them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a panic is how a test fails"
)]

use std::fs;
use std::path::{Path, PathBuf};

use audit::baseline::Baseline;
use audit::policy::Policy;
use audit::product::Software;
use audit::read::{InputFile, read};
use audit::rules::Severity;
use audit::{AuditFinding, AuditReport, FindingState, audit, output};

fn inputs(folder: &str) -> Vec<InputFile> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/inputs")
        .join(folder);
    let mut files: Vec<PathBuf> = fs::read_dir(dir)
        .unwrap()
        .map(|it| it.unwrap().path())
        .collect();
    files.sort();
    let of = |path: PathBuf| InputFile {
        path: path.file_name().unwrap().to_string_lossy().into_owned(),
        text: fs::read_to_string(&path).unwrap(),
    };
    files
        .into_iter()
        .map(of)
        .filter(|it| it.path != "ackproof-audit.toml")
        .collect()
}

/// The report of some inputs; `clients` says of which file a client is whose.
fn report(
    inputs: &[InputFile],
    clients: &[(&str, &str)],
    policy: &str,
    baseline: Option<&Baseline>,
) -> AuditReport {
    let mut components = Vec::new();
    let mut notes = Vec::new();
    for input in inputs {
        let client = clients.iter().find(|(file, _)| *file == input.path);
        let client: Option<Software> = client.map(|(_, client)| client.parse().unwrap());
        let read = read(input, client.as_ref()).unwrap();
        components.extend(read.components);
        notes.extend(read.notes);
    }
    audit(
        components,
        notes,
        &Policy::parse(policy).unwrap(),
        inputs,
        baseline,
    )
}

const PROMISE: &str = "[promise]\noutage_s = 10\nrecovery_s = 5\n";

fn reference() -> AuditReport {
    let clients = [
        ("consumer.conf", "librdkafka@2.12.1"),
        ("producer.properties", "java@3.6.1"),
    ];
    report(&inputs("reference"), &clients, PROMISE, None)
}

#[test]
fn the_reference_pipeline_is_found_to_be_what_it_is() {
    let report = reference();
    let found = |rule: &str| -> Vec<&AuditFinding> {
        report
            .open()
            .filter(|it| it.rule == rule && it.severity > Severity::Note)
            .collect()
    };
    for rule in [
        "single-broker",
        "default-replication-1",
        "min-isr-1",
        "idempotence-off",
        "retries-reorder",
        "delivery-timeout-bounds-retries",
        "connect-topics-replication",
        "session-beyond-recovery",
        "wal-unbounded",
        "debezium-with-known-loss",
        "slot-ahead-unnoticed",
        "client-with-known-loss",
    ] {
        assert!(!found(rule).is_empty(), "{rule}: {:#?}", report.findings);
        // That of KAFKA-19012 would need a full buffer and a half-written request at once.
        let is_shown = found(rule).iter().all(|it| !it.shown_by.is_empty());
        assert!(is_shown || rule == "client-with-known-loss", "{rule}");
    }
    assert_eq!(found("connect-topics-replication").len(), 3);
    let place = found("min-isr-1")[0];
    assert_eq!(
        (place.file.as_str(), place.line),
        ("docker-compose.yml", Some(17))
    );
    assert_eq!(
        place.key,
        "services.kafka.environment.KAFKA_MIN_INSYNC_REPLICAS"
    );
    let session = found("session-beyond-recovery")[0];
    assert!(
        session
            .says
            .contains("45000 is the default of librdkafka 2.12.1"),
        "{}",
        session.says
    );
    assert!(found("outage-beyond-delivery-timeout").is_empty());
    assert!(found("transactional-id-random").is_empty());
}

#[test]
fn the_recommended_configuration_has_no_error_and_no_warning() {
    let report = report(
        &inputs("recommended"),
        &[],
        "[promise]\noutage_s = 60\npause_h = 72\n",
        None,
    );
    let bad: Vec<&AuditFinding> = report
        .open()
        .filter(|it| it.severity > Severity::Note)
        .collect();
    assert!(bad.is_empty(), "{bad:#?}");
    let promised = |about: &str, words: &str| {
        report
            .contract
            .iter()
            .any(|it| it.about == about && it.promises.contains(words))
    };
    assert!(
        promised("durability", "1 broker may lose its disk"),
        "{:#?}",
        report.contract
    );
    assert!(promised("availability", "1 broker may be down"));
    assert!(promised("delivery", "without duplicates"));
    assert!(promised("order", "kept within a partition"));
    assert!(promised("outage", "2 min"));
    assert!(promised("retention", "7 days"));
}

/// What each of ten published kinds of file is found to have: more would be a false
/// finding, less a missed one.
#[test]
fn published_kinds_of_files_are_judged_as_they_were_read() {
    let mut judged = String::new();
    for input in inputs("public") {
        let report = report(std::slice::from_ref(&input), &[], "", None);
        judged.push_str(&input.path);
        judged.push('\n');
        let mut lines: Vec<String> = report
            .open()
            .filter(|it| it.severity > Severity::Note)
            .map(|it| {
                let line = it.line.map_or_else(String::new, |it| format!(":{it}"));
                format!("  {} {}{line} {}\n", it.severity.name(), it.rule, it.says)
            })
            .collect();
        lines.sort();
        judged.push_str(&lines.concat());
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/public.txt");
    if std::env::var_os("UPDATE_CASES").is_some() {
        fs::write(&path, &judged).unwrap();
    }
    let kept = fs::read_to_string(path).unwrap();
    assert_eq!(
        judged, kept,
        "read it, and run with UPDATE_CASES=1 if it is right"
    );
    assert!(inputs("public").len() >= 10);
}

#[test]
fn sarif_is_valid_and_complete() {
    let report = reference();
    let made = output::sarif(&report, "0.1.0");
    let schema = include_str!("sarif-2.1.0.schema.json");
    let schema: serde_json::Value = serde_json::from_str(schema).unwrap();
    let validator = jsonschema::draft4::new(&schema).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(&made)
        .map(|it| format!("{} at {}", it, it.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
    let results = made["runs"][0]["results"].as_array().unwrap();
    assert_eq!(results.len(), report.findings.len());
    let broken = serde_json::json!({"version": "2.1.0", "runs": [{}]});
    assert!(!validator.is_valid(&broken));
}

#[test]
fn outputs_say_the_same_and_no_secret() {
    let report = reference();
    let outputs = [
        output::json(&report).unwrap(),
        output::junit(&report).unwrap(),
        output::markdown(&report),
        output::github(&report),
        output::sarif(&report, "0.1.0").to_string(),
    ];
    for text in &outputs {
        assert!(text.contains("min-isr-1"), "{text}");
        assert!(!text.contains("not-to-be-seen"), "{text}");
    }
    assert!(
        outputs[3].contains("::error file=docker-compose.yml,line=17,title=min-isr-1::"),
        "{}",
        outputs[3]
    );
    assert!(!outputs[1].contains(":17 "), "names have no lines");
}

#[test]
fn a_baseline_shrinks_and_tells_what_is_gone() {
    let before = reference();
    let baseline = Baseline::parse(&Baseline::of(&before.findings).text().unwrap()).unwrap();
    let clients = [
        ("consumer.conf", "librdkafka@2.12.1"),
        ("producer.properties", "java@3.6.1"),
    ];
    let mut changed = inputs("reference");
    let same = report(&changed, &clients, PROMISE, Some(&baseline));
    assert_eq!(same.open().count(), 0);
    assert!(same.stale.is_empty());
    for input in &mut changed {
        // A line above moves everything; one finding goes, another comes.
        input.text = input
            .text
            .replace("# One broker,", "#\n# One broker,")
            .replace(
                "KAFKA_MIN_INSYNC_REPLICAS: 1",
                "KAFKA_UNCLEAN_LEADER_ELECTION_ENABLE: 'true'",
            );
    }
    let after = report(&changed, &clients, PROMISE, Some(&baseline));
    let open: Vec<&str> = after.open().map(|it| it.rule).collect();
    // The default of 1 is another place than the variable that said so.
    assert_eq!(open, ["min-isr-1", "unclean-leader-election"]);
    let gone: Vec<&str> = after.stale.iter().map(|it| it.rule.as_str()).collect();
    assert_eq!(gone, ["min-isr-1"]);
}

#[test]
fn suppressions_are_shown_with_their_reason_and_unused_ones_are_told() {
    let policy = format!(
        "{PROMISE}\n[[suppress]]\nrule = \"single-broker\"\nreason = \"a machine of a developer\"\n\
         [[suppress]]\nrule = \"acks-none\"\nreason = \"was never there\"\n"
    );
    let mut files = inputs("reference");
    for input in &mut files {
        let line = "enable.idempotence=false";
        let comment = "# ackproof: allow idempotence-off, the consumer removes duplicates";
        input.text = input.text.replace(line, &format!("{comment}\n{line}"));
    }
    let clients = [("producer.properties", "java@3.6.1")];
    let report = report(&files, &clients, &policy, None);
    let state = |rule: &str| {
        &report
            .findings
            .iter()
            .find(|it| it.rule == rule)
            .unwrap()
            .state
    };
    assert_eq!(
        *state("single-broker"),
        FindingState::Suppressed("a machine of a developer".into())
    );
    assert_eq!(
        *state("idempotence-off"),
        FindingState::Suppressed("the consumer removes duplicates".into())
    );
    assert_eq!(report.unused, ["`acks-none` in the policy"]);
    let found_by = |text: String| text.contains("a machine of a developer");
    assert!(found_by(output::markdown(&report)) && found_by(output::junit(&report).unwrap()));
}
