//! `ackproof audit` as a program: exit codes, outputs, refusals, secrets.

use std::fs;

use serde_json::Value;

use crate::fixture::Bench;

const SAFE: &str = "max.block.ms=60000\nacks=all\nenable.idempotence=true\n";
const UNSAFE: &str = "max.block.ms=60000\nacks=1\nssl.key.password=planted-secret\n";

/// Exit code, standard output and standard error.
fn audit(bench: &Bench, args: &[&str]) -> (i32, String, String) {
    let mut command = bench.ackproof(&[&["audit"], args].concat());
    let output = command.env_remove("GITHUB_ACTIONS").output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn the_exit_code_says_whether_something_counts() {
    let bench = Bench::new();
    bench.write("safe.properties", SAFE);
    bench.write("unsafe.properties", UNSAFE);
    let (code, out, _) = audit(&bench, &["safe.properties"]);
    assert_eq!(code, 0, "{out}");
    let (code, out, _) = audit(&bench, &["unsafe.properties"]);
    assert_eq!(code, 1, "{out}");
    for words in [
        "acks-leader-only",
        "unsafe.properties:2",
        "shown by: ackproof run acks-1-leader-kill acks-all-leader-kill",
    ] {
        assert!(out.contains(words), "{out}");
    }
    let (code, ..) = audit(&bench, &["unsafe.properties", "--fail-on", "never"]);
    assert_eq!(code, 0);
    let (code, out, _) = audit(&bench, &["."]);
    assert_eq!(code, 1);
    assert!(out.contains("2 sources"), "{out}");
}

#[test]
fn every_output_is_written_in_one_run_and_holds_no_secret() {
    let bench = Bench::new();
    bench.write("unsafe.properties", UNSAFE);
    let args = [
        "unsafe.properties",
        "--format",
        "json",
        "--sarif",
        "a.sarif",
        "--junit",
        "a.xml",
        "--markdown",
        "a.md",
        "--json",
        "a.json",
    ];
    let (code, out, err) = audit(&bench, &args);
    assert_eq!(code, 1, "{err}");
    let report: Value = serde_json::from_str(&out).unwrap();
    assert!(
        report["findings"]
            .as_array()
            .is_some_and(|it| !it.is_empty())
    );
    let read = |name: &str| fs::read_to_string(bench.path().join(name)).unwrap();
    for text in [
        read("a.sarif"),
        read("a.xml"),
        read("a.md"),
        read("a.json"),
        out,
        err,
    ] {
        assert!(!text.contains("planted-secret"), "{text}");
    }
    assert!(read("a.sarif").contains("\"2.1.0\""));
    assert!(read("a.xml").contains("<testsuite name=\"unsafe.properties\""));
}

#[test]
fn a_job_of_github_shows_findings_beside_the_file() {
    let bench = Bench::new();
    bench.write("unsafe.properties", UNSAFE);
    let summary = bench.write("summary.md", "");
    let mut command = bench.ackproof(&["audit", "unsafe.properties"]);
    command.env("GITHUB_ACTIONS", "true");
    command.env("GITHUB_STEP_SUMMARY", &summary);
    let output = command.output().unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(
        out.contains("::error file=unsafe.properties,line=2,title="),
        "{out}"
    );
    let summary = fs::read_to_string(summary).unwrap();
    assert!(summary.contains("# Configuration audit"), "{summary}");
}

#[test]
fn what_is_no_configuration_is_refused_with_one_message() {
    let bench = Bench::new();
    bench.write("notes.properties", "colour=blue\n");
    bench.write("broken.yml", "a: [1,\n");
    bench.write("ackproof-audit.toml", "");
    let refused = |args: &[&str]| {
        let (code, out, err) = audit(&bench, args);
        assert_eq!((code, out.as_str()), (2, ""), "{err}");
        err
    };
    assert!(refused(&["absent.properties"]).contains("cannot read absent.properties"));
    assert!(refused(&["notes.properties"]).contains("no key of Kafka is in it"));
    assert!(refused(&["broken.yml"]).contains("broken.yml is no valid YAML: line"));
    assert!(refused(&["notes.properties", "--client", "jav@3"]).contains("did you mean `java`?"));
    let policy = bench.write(
        "policy.toml",
        "[[suppress]]\nrule = \"acks-nune\"\nreason = \"x\"\n",
    );
    let policy = policy.to_string_lossy().into_owned();
    let error = refused(&["notes.properties", "--policy", &policy]);
    assert!(error.contains("did you mean `acks-none`?"), "{error}");
    assert!(refused(&[]).contains("required"));
}

#[test]
fn a_baseline_lets_old_findings_pass_and_new_ones_fail() {
    let bench = Bench::new();
    bench.write("p.properties", UNSAFE);
    let baseline = ["p.properties", "--baseline", "b.json"];
    let (code, _, err) = audit(&bench, &baseline);
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("--write-baseline"), "{err}");
    audit(&bench, &[&baseline[..], &["--write-baseline"]].concat());
    let (code, out, _) = audit(&bench, &baseline);
    assert_eq!(code, 0, "{out}");
    bench.write("p.properties", &format!("# moved\n{UNSAFE}retries=0\n"));
    let (code, out, _) = audit(&bench, &[&baseline[..], &["--fail-on", "warning"]].concat());
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("retries-few"), "{out}");
    bench.write("p.properties", SAFE);
    let (code, out, _) = audit(&bench, &baseline);
    assert_eq!(code, 0);
    assert!(out.contains("Gone from the findings"), "{out}");
}

#[test]
fn a_rule_is_explained() {
    let bench = Bench::new();
    let said = bench.transcript(&["explain", "acks-leader-only"]);
    for words in ["rule of the audit, error", "acks-1-leader-kill", "KIP-679"] {
        assert!(said.contains(words), "{said}");
    }
    let said = bench.transcript(&["explain", "acks-leader-olny"]);
    assert!(said.contains("did you mean `acks-leader-only`"), "{said}");
    let said = bench.transcript(&["explain", "rules", "--format", "json"]);
    assert!(said.contains("\"kind\": \"rule\""), "{said}");
}
