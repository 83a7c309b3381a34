//! Applications of the user's on the real stack: the examples are judged rightly, and one that
//! is none ends with one message.
#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rustix::process::Signal;
use serde_json::Value;

use processes::{ackproof, send, until_in_force, wait_for_end};

mod processes;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// An application that does nothing of its own: `sh` with a script.
fn scenario(command: &str, listing: &str) -> String {
    format!(
        r#"
name = "own"
title = "An application of the test's"

[[topic]]
name = "orders"
partitions = 1
replication_factor = 1

[[producer]]
topic = "orders"
records = 100
records_per_s = 100
config = {{ acks = "all" }}

[app]
command = ["sh", "-c", {command:?}]
topic = "orders"
group = "app"
value = '{{"id": "{{id}}"}}'
effects = {{ command = ["sh", "-c", {listing:?}] }}

[[guarantee]]
claim = "effects-once"
"#
    )
}

struct Folder {
    dir: tempfile::TempDir,
}

impl Folder {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { dir }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn run(&self, scenario: &str) -> Output {
        let file = self.at("own.toml");
        fs::write(&file, scenario).unwrap();
        let mut command = ackproof();
        command.arg("run").arg(file);
        command.args(["--seed", "1", "--out"]).arg(self.at("out"));
        command.output().unwrap()
    }

    fn scenarios(&self) -> Vec<Value> {
        let text = fs::read(self.at("out/verdict.json")).unwrap();
        let verdict: Value = serde_json::from_slice(&text).unwrap();
        verdict["scenarios"].as_array().unwrap().clone()
    }
}

fn of_claim<'v>(scenario: &'v Value, claim: &str) -> &'v str {
    let guarantees = scenario["guarantees"].as_array().unwrap();
    let found = guarantees.iter().find(|it| it["claim"] == claim).unwrap();
    found["verdict"].as_str().unwrap()
}

/// Whether the toolchain and the client of an example are there; a reason is printed where not.
fn is_ready(program: &str, setup: &str) -> bool {
    let known = Command::new(program).arg("version").output();
    let ready = known.is_ok()
        && Command::new(root().join(setup))
            .arg("--setup")
            .output()
            .is_ok_and(|it| it.status.success());
    if !ready {
        eprintln!("skipped: {setup} cannot be set up ({program})");
    }
    ready
}

#[test]
fn the_examples_are_judged_rightly() {
    let python = is_ready("python3", "clients/confluent-kafka/run");
    let go = is_ready("go", "examples/bills-lost/run");
    let examples = [
        ("orders-doubled", python, "effects-once", "VIOLATED"),
        ("orders-once", python, "effects-once", "HELD"),
        ("bills-lost", go, "effects-none-lost", "VIOLATED"),
    ];
    let folder = Folder::new();
    let examples = examples.into_iter().filter(|(_, ready, ..)| *ready);
    let examples: Vec<_> = examples.collect();
    if examples.is_empty() {
        return;
    }
    let mut command = ackproof();
    command.current_dir(root()).arg("run");
    for (name, ..) in &examples {
        command.arg(format!("examples/{name}/scenario.toml"));
    }
    command.args(["--seed", "1", "--out"]).arg(folder.at("out"));
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    for (scenario, (name, _, claim, verdict)) in folder.scenarios().iter().zip(&examples) {
        assert_eq!(scenario["name"], *name);
        assert_eq!(of_claim(scenario, claim), *verdict, "{said}");
        assert_eq!(scenario["as_expected"], true, "{said}");
    }
}

#[test]
fn an_application_that_ends_at_once_is_told_with_its_last_words() {
    let folder = Folder::new();
    let output = folder.run(&scenario("echo no DATABASE_URL >&2; exit 3", "true"));
    assert!(!output.status.success());
    let scenario = &folder.scenarios()[0];
    let told = scenario["doubts"].to_string();
    assert!(told.contains("no DATABASE_URL"), "{told}");
    assert!(told.contains("exit code 3"), "{told}");
    assert_eq!(scenario["counts"]["sent"], 0, "nothing was sent");
}

#[test]
fn what_is_not_there_is_refused_before_anything_starts() {
    let folder = Folder::new();
    let with = |from: &str, to: &str| scenario("true", "true").replace(from, to);
    for (scenario, message) in [
        (
            with(r#""sh", "-c", "true""#, r#""no-such-program""#),
            "there is no program `no-such-program` in PATH",
        ),
        (
            with("{id}", "{number}"),
            "a record is recognised by its identity: put `{id}` where your application keeps one",
        ),
        (
            with("{id}", "{uuid}"),
            "there is no placeholder `{uuid}`; did you mean `{id}`?",
        ),
    ] {
        let output = folder.run(&scenario);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(message), "{said}");
        assert!(!folder.at("out").exists(), "{said}");
    }
}

/// What an application starts in a session of its own is left behind by a run that is killed,
/// and ended by `cleanup`.
#[test]
fn cleanup_ends_what_a_killed_run_left_of_an_application() {
    if !is_ready("python3", "clients/confluent-kafka/run") {
        return;
    }
    let folder = Folder::new();
    let pid = folder.at("pid");
    let app = root().join("clients/confluent-kafka/run");
    let app = format!(
        "exec '{}' --exec '{}'",
        app.display(),
        root().join("examples/orders-once/app.py").display()
    );
    let left = format!(
        "setsid sh -c 'echo $$ > {0}.new; mv {0}.new {0}; exec sleep 600' & {app}",
        pid.display()
    );
    let text = scenario(&left, "true")
        .replace(
            "group = \"app\"",
            "group = \"app\"\nenv = { DATABASE = \"{folder}/o.db\" }",
        )
        .replace("{\"id\": ", "{\"amount\": {number}, \"order_id\": ")
        .replace("records = 100\n", "records = 5000\n")
        + "\n[[fault]]\nkind = \"app-pause\"\nafter = { acknowledged = 50 }\nfor_ms = 20000\n";
    let file = folder.at("own.toml");
    fs::write(&file, text).unwrap();
    let mut command = ackproof();
    command.arg("run").arg(file).args(["--seed", "1", "--out"]);
    command.arg(folder.at("out"));
    let mut run = until_in_force(command);
    send(Signal::KILL, &run);
    wait_for_end(&mut run);
    let pid = fs::read_to_string(pid).unwrap();
    let alive = || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
        stat.is_ok_and(|it| !it.contains(") Z "))
    };
    assert!(alive(), "it outlives the run");
    let output = ackproof()
        .arg("cleanup")
        .arg(folder.at("out"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("ended application app"), "{said}");
    assert!(!alive(), "it is ended");
}
