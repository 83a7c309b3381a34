//! Secrets are planted wherever one can be given, and looked for in every byte
//! that ackproof writes, in all that it says, and in what others can see of its
//! processes.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use processes::ackproof;

#[allow(dead_code, reason = "shared with tests that need more of it")]
mod processes;

/// What every planted secret begins with.
const MARK: &str = "planted-";
/// The same of those that a test gives on the command line itself.
const GIVEN: &str = "sown-";

/// A secret in the configuration of everything that can be configured, and a
/// client that tells as much of itself as it can.
const EVERYWHERE: &str = r#"
name = "sealed"
title = "Secrets everywhere"

[topology]
config = { "ssl.keystore.password" = "planted-a", "listener.name.client.custom.token" = "planted-b", "listener.name.client.plain.sasl.jaas.config" = "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"planted-c\" password=\"planted-d\";" }

[[topic]]
name = "t"
partitions = 1
replication_factor = 1

[[producer]]
topic = "t"
records = 50
records_per_s = 100
record_bytes = 200
config = { acks = "all", "librdkafka.sasl.username" = "planted-e", "librdkafka.sasl.password" = "planted-f", "librdkafka.debug" = "all" }

[[group]]
name = "g"
topic = "t"
records_per_s = 200
commit_every_records = 10
config = { "librdkafka.sasl.password" = "planted-{member}-g", "librdkafka.debug" = "all" }

[[topic]]
name = "u"
partitions = 1
replication_factor = 1

[[transform]]
name = "x"
from = "t"
to = "u"
transactions = false
records_per_s = 200
record_bytes = 200
commit_every_records = 10
config = { "librdkafka.sasl.password" = "planted-i" }
producer_config = { "librdkafka.sasl.password" = "planted-j" }

[capture]
connector = "c"
slot = "s"
publication = "p"
prefix = "events"
worker_config = { "ssl.key.password" = "planted-k", "producer.sasl.jaas.config" = "some.Module required password='planted-l';", "connector.client.config.override.policy" = "All" }

[capture.config]
"database.password" = "planted-m"
"producer.override.sasl.jaas.config" = """
some.Module required
  password="planted-n";"""
"some.registry.url" = "http://planted-o:planted-p@127.0.0.1/"
"basic.auth.user.info" = "planted-q:planted-r"

[[write]]
table = "videos"
rows = 20

[[guarantee]]
claim = "no-loss"

[[guarantee]]
claim = "no-row-missing"
"#;

/// What does not even start, and says why.
const DIES: &str = r#"
name = "dies"
title = "A broker that cannot start"

[topology]
config = { "ssl.keystore.password" = "planted-s", "controller.quorum.voters" = "planted" }

[[topic]]
name = "t"
partitions = 1
replication_factor = 1

[[producer]]
topic = "t"
records = 5
records_per_s = 100
record_bytes = 200

[[guarantee]]
claim = "no-loss"
"#;

/// A connector that Connect refuses.
const REFUSED: &str = r#"
name = "refused"
title = "A connector that is refused"

[capture]
connector = "c"
slot = "s"
publication = "p"
prefix = "events"
config = { "database.password" = "planted-t", "snapshot.mode" = "planted", "tasks.max" = "planted" }

[[write]]
table = "videos"
rows = 20

[[guarantee]]
claim = "no-row-missing"
"#;

/// Everything in files below `dir` that a mark is in.
fn leaks_in(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            leaks_in(&path, found);
        } else if leaks(&fs::read(&path).unwrap()) {
            found.push(path);
        }
    }
}

fn leaks(bytes: &[u8]) -> bool {
    has(bytes, MARK) || has(bytes, GIVEN)
}

fn has(bytes: &[u8], mark: &str) -> bool {
    bytes.windows(mark.len()).any(|it| it == mark.as_bytes())
}

/// What a command says, checked.
fn said(mut command: Command) -> Output {
    let output = command.output().unwrap();
    for said in [&output.stdout, &output.stderr] {
        assert!(!leaks(said), "{}", String::from_utf8_lossy(said));
    }
    output
}

/// Looks at what can be seen of processes until it is told to stop.
fn watch_processes(stop: &AtomicBool) -> Vec<String> {
    let mut found = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        for process in fs::read_dir("/proc").unwrap().flatten() {
            for what in ["cmdline", "environ"] {
                let path = process.path().join(what);
                if fs::read(&path).is_ok_and(|bytes| has(&bytes, MARK)) {
                    found.push(path.display().to_string());
                }
            }
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    found
}

#[test]
fn no_planted_secret_is_found_anywhere() {
    let place = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = place.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let files = [
        ("a.toml", EVERYWHERE),
        ("b.toml", DIES),
        ("c.toml", REFUSED),
    ];
    let files = files.map(|(name, text)| write(name, text));
    let out = place.path().join("out");
    let asked = |args: &[&str]| {
        let mut command = ackproof();
        command.args(args);
        command
    };

    for file in &files {
        let explained = said(asked(&["explain", file.to_str().unwrap()]));
        assert!(String::from_utf8_lossy(&explained.stdout).contains("[hidden]"));
    }
    let stop = AtomicBool::new(false);
    let (run, seen) = std::thread::scope(|scope| {
        let seen = scope.spawn(|| watch_processes(&stop));
        let mut command = asked(&["run", "--seed", "5", "--out"]);
        command.arg(&out).args(&files).stdin(Stdio::null());
        let run = said(command);
        stop.store(true, Ordering::Relaxed);
        (run, seen.join().unwrap())
    });
    assert_eq!(seen, [""; 0]);
    let told = String::from_utf8_lossy(&run.stdout);
    assert!(told.contains("1 HELD"), "{told}");
    let mut found = Vec::new();
    leaks_in(&out, &mut found);
    assert_eq!(found, Vec::<PathBuf>::new());
    // The run is what it would be without: what is shown is not what is used.
    let log = fs::read_to_string(out.join("sealed/logs/producer-0.log")).unwrap();
    assert!(!log.is_empty());

    let dir = out.to_str().unwrap();
    assert!(said(asked(&["check", dir])).status.code() == Some(3));
    said(asked(&["check", dir, "--format", "json"]));
    said(asked(&["history", "stats", dir]));
    said(asked(&["history", "export", &format!("{dir}/sealed")]));
    said(asked(&["doctor"]));
}

#[test]
fn no_error_quotes_a_secret() {
    let place = tempfile::tempdir().unwrap();
    let wrong = [
        (
            "librdkafka.sasl.password\" = { x = \"sown-1\" }",
            "\"sasl.mechanism",
        ),
        ("sasl.password\" = \"sown-1\"", "\"acks"),
        ("librdkafka.sasl.pasword\" = \"sown-1\"", "\"acks"),
        ("librdkafka.ssl.key.password\" = \"sown-1\"", "\"acks"),
        ("some.token\" = \"sown-1\", records = \"x", "\"acks"),
        ("ssl.key\" = \"sown-1\", acks = 1, \"x", "\"y"),
        ("api.secret\" = \"sown-1\" x", "\"y"),
    ];
    for (number, (setting, next)) in wrong.iter().enumerate() {
        let text = EVERYWHERE.replace(
            "\"librdkafka.debug\" = \"all\" }\n\n[[group]]",
            &format!("\"{setting}, {next}\" = \"1\" }}\n\n[[group]]"),
        );
        let file = place.path().join(format!("{number}.toml"));
        fs::write(&file, text).unwrap();
        for how in ["explain", "run"] {
            let mut command = ackproof();
            command.arg(how).arg(&file).current_dir(place.path());
            let output = said(command);
            assert_eq!(output.status.code(), Some(2), "{setting}");
        }
    }
    for address in [
        "sown-1:sown-2@host:9092",
        "SASL_SSL://sown-1:sown-2@host:9092",
    ] {
        for how in ["run", "proxy"] {
            let mut command = ackproof();
            command.args([how, "--bootstrap", address]);
            assert_eq!(said(command).status.code(), Some(2), "{address}");
        }
    }
}
