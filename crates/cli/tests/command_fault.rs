//! The fault `command` on the real stack: commands that break and mend a file stand for any
//! system. It counts by its evidence only, and what is broken is mended however a run ends.
#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rustix::process::Signal;
use serde_json::Value;

use processes::{ackproof, send, until_in_force, wait_for_end};

mod processes;

struct Commands {
    inject: String,
    heal: Option<String>,
    evidence: String,
}

impl Commands {
    /// Makes a file, and removes it.
    fn on(file: &Path) -> Self {
        let file = file.display();
        Self {
            inject: format!("touch '{file}'"),
            heal: Some(format!("rm '{file}'")),
            evidence: format!("test -e '{file}' && echo broken"),
        }
    }

    fn scenario(&self, name: &str, for_ms: u64) -> String {
        let heal = self.heal.iter().map(|it| format!("heal = {it:?}\n"));
        format!(
            r#"
name = "{name}"
title = "A file is there for a while"

[[topic]]
name = "t"
partitions = 2
replication_factor = 1

[[producer]]
topic = "t"
records = 400
records_per_s = 100
record_bytes = 200
config = {{ acks = "all" }}

[[fault]]
kind = "command"
after = {{ acknowledged = 50 }}
title = "a file is made"
inject = {:?}
{}evidence = {:?}
for_ms = {for_ms}

[[guarantee]]
claim = "no-loss"
"#,
            self.inject,
            heal.collect::<String>(),
            self.evidence,
        )
    }
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

    fn run(&self, scenarios: &[(&str, String)]) -> Command {
        let mut command = ackproof();
        command.arg("run");
        for (name, text) in scenarios {
            let file = self.at(&format!("{name}.toml"));
            fs::write(&file, text).unwrap();
            command.arg(file);
        }
        command.args(["--seed", "1", "--out"]).arg(self.at("out"));
        command
    }

    fn scenarios(&self) -> Vec<Value> {
        let text = fs::read(self.at("out/verdict.json")).unwrap();
        let verdict: Value = serde_json::from_slice(&text).unwrap();
        verdict["scenarios"].as_array().unwrap().clone()
    }

    fn cleanup(&self) -> (Output, String) {
        let output = ackproof().arg("cleanup").arg(self.at("out")).output();
        let output = output.unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        (output, said)
    }
}

#[test]
fn it_counts_if_the_state_is_another_one_than_before() {
    let folder = Folder::new();
    let file = folder.at("broken");
    let commands = Commands::on(&file);
    // What does not come back by itself, and what does so only afterwards.
    let late = folder.at("replaced");
    let replaced = Commands {
        inject: "true".to_owned(),
        heal: Some(format!("touch '{}'", late.display())),
        evidence: format!("test -e '{}' && echo anew", late.display()),
    };
    let run = folder
        .run(&[
            ("made", commands.scenario("made", 1500)),
            ("replaced", replaced.scenario("replaced", 1000)),
        ])
        .output()
        .unwrap();
    assert!(run.status.success(), "{run:?}");
    assert!(!file.exists(), "it was not healed");
    for scenario in folder.scenarios() {
        assert_eq!(scenario["verdict"], "HELD", "{scenario:#}");
        assert_eq!(scenario["faults"][0]["landed"], true, "{scenario:#}");
    }
    let (cleaned, said) = folder.cleanup();
    assert!(cleaned.status.success(), "{cleaned:?}");
    assert!(said.starts_with("nothing to clean up"), "{said}");
}

#[test]
fn it_proves_nothing_without_another_state_or_with_one_that_changes_by_itself() {
    let folder = Folder::new();
    let with = |name: &str, evidence: &str| Commands {
        evidence: evidence.to_owned(),
        ..Commands::on(&folder.at(name))
    };
    let refused = Commands {
        inject: "echo no rights >&2; exit 4".to_owned(),
        heal: Some(format!("touch '{}'", folder.at("healed").display())),
        ..Commands::on(&folder.at("never"))
    };
    let run = folder
        .run(&[
            ("same", with("same", "echo same").scenario("same", 700)),
            ("clock", with("clock", "date +%s").scenario("clock", 700)),
            ("refused", refused.scenario("refused", 700)),
        ])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stderr).into_owned();
    assert_eq!(run.status.code(), Some(4), "{said}");
    let scenarios = folder.scenarios();
    for scenario in &scenarios {
        assert_eq!(scenario["verdict"], "INCONCLUSIVE", "{scenario:#}");
        assert_eq!(scenario["faults"][0]["landed"], false, "{scenario:#}");
    }
    for at in [0, 1] {
        let doubt = scenarios[at]["doubts"][0].as_str().unwrap();
        assert!(doubt.contains("never took effect"), "{doubt}");
    }
    let why = scenarios[2].to_string();
    assert!(why.contains("no rights"), "{why}");
    // It may have broken something before it failed.
    assert!(folder.at("healed").exists(), "{said}");
    assert!(!folder.at("same").exists() && !folder.at("clock").exists());
}

#[test]
fn it_is_healed_after_an_interrupt_and_by_cleanup_after_a_kill() {
    for signal in [Signal::INT, Signal::KILL] {
        let folder = Folder::new();
        let file = folder.at("broken");
        let scenario = Commands::on(&file).scenario("long", 60_000);
        let mut run = until_in_force(folder.run(&[("long", scenario)]));
        assert!(file.exists());
        send(signal, &run);
        let status = wait_for_end(&mut run);
        if signal == Signal::INT {
            assert_eq!(status.code(), Some(130));
            assert!(!file.exists());
            continue;
        }
        assert!(file.exists());
        let (cleaned, said) = folder.cleanup();
        assert!(cleaned.status.success(), "{cleaned:?}");
        assert_eq!(said, "healed fault \"a file is made\"\n");
        assert!(!file.exists());
        let (_, again) = folder.cleanup();
        assert!(again.starts_with("nothing to clean up"), "{again}");
    }
}
