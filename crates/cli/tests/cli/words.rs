//! What the program says where nothing is run: help, lists, explanations, and
//! one clear error for everything that cannot be.

use std::fs;

use crate::fixture::{Bench, SCENARIO};
use insta::assert_snapshot;

#[test]
fn help_names_every_command_and_every_exit_code() {
    let bench = Bench::new();
    assert_snapshot!(bench.transcript(&["--help"]));
    assert_snapshot!(bench.transcript(&["run", "--help"]));
    assert_snapshot!(bench.transcript(&["check", "--help"]));
    assert_snapshot!(bench.transcript(&["explain", "--help"]));
    assert_snapshot!(bench.transcript(&["stack", "up", "--help"]));
    assert_snapshot!(bench.transcript(&["cleanup", "--help"]));
}

#[test]
fn list_shows_suites_and_scenarios() {
    assert_snapshot!(Bench::new().transcript(&["list"]));
}

#[test]
fn explain_tells_a_plan_before_anything_happens() {
    let bench = Bench::new();
    assert_snapshot!(bench.transcript(&["explain", "broker-restart"]));
    assert_snapshot!(bench.transcript(&["explain", "consumer-kill", "--seed", "7"]));
    assert_snapshot!(bench.transcript(&["explain", "debezium-offset-recovery"]));
    assert_snapshot!(bench.transcript(&["explain", "network-partition"]));
}

#[test]
fn explain_tells_what_a_users_own_file_plans() {
    let bench = Bench::new();
    bench.write("by-hand.toml", SCENARIO);
    assert_snapshot!(bench.transcript(&["explain", "by-hand.toml"]));
}

#[test]
fn explain_knows_anomalies_and_claims() {
    let bench = Bench::new();
    assert_snapshot!(bench.transcript(&["explain", "lost-write"]));
    assert_snapshot!(bench.transcript(&["explain", "commit-order"]));
    assert_snapshot!(bench.transcript(&["explain", "recovers-within"]));
    assert_snapshot!(bench.transcript(&["explain", "g1a"]));
}

#[test]
fn explain_lists_the_catalogues() {
    let bench = Bench::new();
    assert_snapshot!(bench.transcript(&["explain", "anomalies"]));
    assert_snapshot!(bench.transcript(&["explain", "claims"]));
}

#[test]
fn a_name_that_is_nothings_comes_back_with_the_nearest_one() {
    let bench = Bench::new();
    assert_snapshot!(bench.transcript(&["run", "broker-restrat"]), @r"
    exit code 2
    --- stderr
    error: there is no suite or scenario `broker-restrat`; did you mean `broker-restart`?
    ");
    assert_snapshot!(bench.transcript(&["run", "delivry"]));
    assert_snapshot!(bench.transcript(&["run", "broker-restart", "x"]));
    assert_snapshot!(bench.transcript(&["explain", "lost-wirte"]));
    assert_snapshot!(bench.transcript(&["explain", "poll"]));
    assert_snapshot!(bench.transcript(&["explain", "nothing-like-it"]));
}

#[test]
fn a_scenario_file_with_a_fault_is_shown_at_the_place() {
    let bench = Bench::new();
    bench.write("key.toml", &SCENARIO.replace("partitions", "partitons"));
    bench.write(
        "type.toml",
        &SCENARIO.replace("records = 60", "records = \"many\""),
    );
    bench.write(
        "value.toml",
        &SCENARIO.replace("replication_factor = 1", "replication_factor = 3"),
    );
    for file in ["key.toml", "type.toml", "value.toml", "absent.toml"] {
        assert_snapshot!(
            format!("bad scenario {file}"),
            bench.transcript(&["run", file])
        );
    }
}

#[test]
fn two_scenarios_of_one_name_are_refused_and_the_same_one_twice_is_run_once() {
    let bench = Bench::new();
    let other = SCENARIO.replace("by-hand", "broker-kill");
    bench.write("mine.toml", &other);
    assert_snapshot!(bench.transcript(&["run", "broker-kill", "mine.toml"]));
    // Nothing is there to run it with, so it gets as far as that.
    bench
        .ackproof(&["run", "broker-kill", "broker-kill", "--out", "r"])
        .assert()
        .code(4);
}

#[test]
fn a_scenario_whose_folder_would_not_be_its_own_is_refused() {
    let bench = Bench::new();
    for name in ["..", "verdict.json", ".hidden"] {
        bench.write("own.toml", &SCENARIO.replace("by-hand", name));
        let said = bench.transcript(&["run", "own.toml", "--out", "r"]);
        assert!(said.starts_with("exit code 2"), "{said}");
        assert!(said.contains(&format!("`{name}`")), "{said}");
    }
    assert!(!bench.path().join("r").exists());
}

#[test]
fn numbers_that_cannot_be_are_refused() {
    let bench = Bench::new();
    assert_snapshot!(bench.transcript(&["run", "--jobs", "0"]));
    assert_snapshot!(bench.transcript(&["run", "--repeat", "0"]));
    assert_snapshot!(bench.transcript(&["stack", "up", "--brokers", "4"]));
}

#[test]
fn a_directory_that_holds_something_is_refused_and_stays_as_it_was() {
    let bench = Bench::new();
    let kept = bench.write("taken/notes.txt", "mine");
    assert_snapshot!(bench.transcript(&["run", "--out", "taken"]));
    assert_eq!(fs::read_to_string(kept).unwrap(), "mine");
    assert_eq!(fs::read_dir(bench.path().join("taken")).unwrap().count(), 1);
}

#[test]
fn a_place_that_cannot_be_a_directory_is_refused() {
    let bench = Bench::new();
    bench.write("file", "");
    assert_snapshot!(bench.transcript(&["run", "--out", "file"]));
    assert_snapshot!(bench.transcript(&["run", "--out", "file/inside"]));
    // Nobody, not even root, makes a directory there.
    let said = bench.transcript(&["run", "--out", "/proc/ackproof"]);
    assert!(said.starts_with("exit code 2"), "{said}");
    assert!(said.contains("cannot write to /proc/ackproof"), "{said}");
}

#[test]
fn a_machine_without_the_tools_is_told_so_and_nothing_is_left_behind() {
    let bench = Bench::new();
    let said = bench.transcript(&["run", "broker-kill", "--out", "r"]);
    assert!(said.starts_with("exit code 4"), "{said}");
    assert!(said.contains("install"), "{said}");
    assert!(!bench.path().join("r").exists());
    bench.ackproof(&["doctor"]).assert().code(4);
}

#[test]
fn no_stack_is_running_where_none_was_started() {
    let bench = Bench::new();
    assert_snapshot!(bench.transcript(&["stack", "status"]));
    assert_snapshot!(bench.transcript(&["stack", "down"]));
}

#[test]
fn shells_get_their_completions() {
    let bench = Bench::new();
    for (shell, mark) in [
        ("bash", "_ackproof()"),
        ("zsh", "#compdef ackproof"),
        ("fish", "complete -c ackproof"),
    ] {
        let said = bench.transcript(&["completions", shell]);
        assert!(
            said.starts_with("exit code 0") && said.contains(mark),
            "{said}"
        );
    }
}

#[test]
fn colours_are_for_terminals_and_for_who_insists() {
    let bench = Bench::new();
    let coloured = |name: &str, value: &str| {
        let mut list = bench.ackproof(&["list"]);
        let said = list.env(name, value).output().unwrap().stdout;
        said.contains(&0x1b)
    };
    assert!(!coloured("TERM", "xterm"));
    assert!(coloured("CLICOLOR_FORCE", "1"));
    assert!(!coloured("NO_COLOR", "1"));
}
