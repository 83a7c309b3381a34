//! Clients on the command line: what is put in force, and what is refused
//! before anything starts.

use insta::assert_snapshot;

use crate::fixture::{Bench, SCENARIO};

#[test]
fn a_client_that_is_none_is_refused_with_the_nearest_one() {
    let bench = Bench::new();
    for args in [
        ["run", "delivery", "--client", "libdrkafka:1.8.2"],
        ["explain", "broker-restart", "--producer-client", "java:new"],
        ["matrix", "delivery", "--client", "command:"],
    ] {
        assert_snapshot!(bench.transcript(&args));
    }
    let own = SCENARIO.replace(
        "[[producer]]",
        "[[producer]]\nclient = \"kafka-clients:3.1.0\"",
    );
    bench.write("own.toml", &own);
    assert_snapshot!(bench.transcript(&["explain", "own.toml"]));
}

#[test]
fn a_scenario_about_its_client_runs_with_no_other() {
    let bench = Bench::new();
    let about = format!("about_client = \"KAFKA-1 is in it only\"\n{SCENARIO}");
    let about = about.replace("[[producer]]", "[[producer]]\nclient = \"java:3.0.0\"");
    bench.write("about.toml", &about);
    let run = ["run", "about.toml", "--dry-run", "--client"];
    assert_snapshot!(bench.transcript(&[&run[..], &["java"]].concat()));
    let output = bench
        .ackproof(&[&run[..], &["java:3.0.0"]].concat())
        .output();
    assert!(output.unwrap().status.success());
}

#[test]
fn a_setting_that_the_client_does_not_take_is_shown_at_its_place() {
    let bench = Bench::new();
    // The client of the table knows it; librdkafka has nothing for it.
    let own = |key: &str| {
        let set = format!("config = {{ \"{key}\" = \"1\" }}");
        SCENARIO.replace("[[producer]]", &format!("[[producer]]\n{set}"))
    };
    bench.write("java.toml", &own("metadata.max.idle.ms"));
    let explain = |file: &str, client: &str| {
        let args = ["explain", file, "--client", client];
        bench.transcript(&args)
    };
    assert_snapshot!(explain("java.toml", "librdkafka"));
    bench.write("neither.toml", &own("linger.msec"));
    assert_snapshot!(explain("neither.toml", "java"));
    bench.write("ours.toml", &own("key.serializer"));
    assert_snapshot!(explain("ours.toml", "command:python3 subject.py"));
}

#[test]
fn a_matrix_has_two_columns() {
    let bench = Bench::new();
    assert_snapshot!(bench.transcript(&["matrix", "delivery", "--client", "java"]));
}

#[test]
fn what_is_not_set_is_told_of_the_client_in_force() {
    let bench = Bench::new();
    let of = |client: &str| {
        let all = bench.transcript(&["explain", "in-flight-1-no-idempotence", "--client", client]);
        let lines = all.lines().filter(|line| {
            line.contains("client ") || line.contains("not set") || line.contains("  ordered")
        });
        lines.collect::<Vec<_>>().join("\n")
    };
    assert_snapshot!(of("librdkafka"));
    assert_snapshot!(of("java:2.8.1"));
    assert_snapshot!(of("command:./subject"));
}

/// The catalogue is for both: what one of them cannot run says why in `list`.
#[test]
fn every_scenario_runs_with_java() {
    let bench = Bench::new();
    let args = ["list", "--client", "java", "--format", "json"];
    let output = bench.ackproof(&args).output().unwrap();
    let all: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let why_not = all.as_array().unwrap().iter().filter_map(|it| {
        let why = it["not_with_these_clients"].as_str()?;
        Some(format!("{}: {why}", it["name"].as_str().unwrap()))
    });
    assert_snapshot!(why_not.collect::<Vec<_>>().join("\n"));
}
