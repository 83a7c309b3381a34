//! `ackproof run --command-config` against real secured brokers: through the fault proxy and
//! without it, with librdkafka and with Java's client. The password is searched for in all
//! that is said, in every byte of the run directory, and in what others can see of processes.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use processes::{StackUp, ackproof};

#[allow(dead_code, reason = "others use more of it")]
mod processes;

/// A cut through the proxy, on which the broker is asked for its evidence too.
const CUT: &str = r#"
name = "cut"
title = "A cut of the network"

[topology]
brokers = 1
link = "proxy"

[[topic]]
name = "orders"
partitions = 3
replication_factor = 1

[[producer]]
topic = "orders"
records = 300
records_per_s = 100
record_bytes = 512
config = { acks = "all" }

[[group]]
name = "billing"
topic = "orders"
records_per_s = 1000
commit_every_records = 10

[[fault]]
kind = "network-cut"
after = { acknowledged = 100 }
for_ms = 2000
onset = "answers-first"

[[guarantee]]
claim = "no-loss"

[[guarantee]]
claim = "no-group-gap"
level = "observed"
"#;

/// An answer that never comes, also through the proxy; and a request that comes late, over a
/// connection of the proxy's own.
const LATE: &str = r#"
name = "late"
title = "A request that comes late"

[topology]
brokers = 1
link = "proxy"

[[topic]]
name = "orders"
partitions = 1
replication_factor = 1

[[producer]]
topic = "orders"
records = 200
records_per_s = 100
record_bytes = 512
config = { acks = "all", "enable.idempotence" = "true" }

[[fault]]
kind = "request-late"
after = { acknowledged = 50 }
api = "Produce"
topic = "orders"
pick = { first = 1 }
late_ms = 500
for_ms = 2000

[[guarantee]]
claim = "no-loss"

[[guarantee]]
claim = "no-duplicates"
"#;

/// Transactions straight to the brokers.
const DIRECT: &str = r#"
name = "direct"
title = "Transactions without a proxy"

[[topic]]
name = "orders"
partitions = 2
replication_factor = 1

[[topic]]
name = "invoices"
partitions = 2
replication_factor = 1

[[producer]]
topic = "orders"
records = 300
records_per_s = 200
record_bytes = 256
config = { acks = "all" }

[[transform]]
name = "biller"
from = "orders"
to = "invoices"
records_per_s = 300
commit_every_records = 20
transactions = true
record_bytes = 256
config = { "session.timeout.ms" = "6000" }

[[fault]]
kind = "consumer-restart"
group = "biller"
after = { processed = { group = "biller", percent = 30 } }
signal = "kill"
down_ms = 500

[[guarantee]]
claim = "no-loss"

[[guarantee]]
claim = "transactions-whole"
"#;

/// Secured brokers.
struct Up {
    stack: StackUp,
    config: PathBuf,
    /// No more than this is secret of what is made for it.
    secrets: Vec<String>,
}

impl Up {
    fn start(security: &str) -> Self {
        let stack = StackUp::start(&["--security", security]);
        let config = PathBuf::from(stack.printed("client.properties"));
        let text = fs::read_to_string(&config).unwrap();
        let password = text.split("password").nth(1);
        let password = password.and_then(|it| it.split(['"', '\\']).find(|it| it.len() > 10));
        let key = fs::read_to_string(config.with_file_name("client.pem")).ok();
        let key = key.and_then(|it| it.lines().nth(1).map(str::to_owned));
        let secrets: Vec<String> = password.map(str::to_owned).into_iter().chain(key).collect();
        assert_eq!(secrets.len(), 1, "{text}");
        Self {
            stack,
            config,
            secrets,
        }
    }

    fn at(&self) -> &str {
        self.stack.printed("bootstrap.servers")
    }

    fn leaks(&self, bytes: &[u8]) -> bool {
        let has = |secret: &str| {
            bytes
                .windows(secret.len())
                .any(|it| it == secret.as_bytes())
        };
        self.secrets.iter().any(|it| has(it))
    }

    fn leaks_in(&self, dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                self.leaks_in(&path, found);
            } else if self.leaks(&fs::read(&path).unwrap()) {
                found.push(path);
            }
        }
    }

    /// Looks at what can be seen of processes until it is told to stop.
    fn watch_processes(&self, stop: &AtomicBool) -> Vec<String> {
        let mut found = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            for process in fs::read_dir("/proc").unwrap().flatten() {
                for what in ["cmdline", "environ"] {
                    let path = process.path().join(what);
                    if fs::read(&path).is_ok_and(|bytes| self.leaks(&bytes)) {
                        found.push(path.display().to_string());
                    }
                }
            }
            thread::sleep(Duration::from_millis(100));
        }
        found
    }

    /// Runs the scenarios, all of which have to be held; returns the verdict.
    fn holds(&self, place: &Path, scenarios: &[&str], client: &str) -> Value {
        let out = place.join(client);
        let stop = AtomicBool::new(false);
        let (ran, seen) = thread::scope(|scope| {
            let seen = scope.spawn(|| self.watch_processes(&stop));
            let ran = ackproof()
                .current_dir(place)
                .arg("run")
                .args(scenarios)
                .args(["--bootstrap", self.at(), "--seed", "1", "--client", client])
                .arg("--command-config")
                .arg(&self.config)
                .arg("--out")
                .arg(&out)
                .stdin(Stdio::null())
                .output()
                .unwrap();
            stop.store(true, Ordering::Relaxed);
            (ran, seen.join().unwrap())
        });
        let said = [ran.stdout, ran.stderr].concat();
        assert!(!self.leaks(&said));
        let said = String::from_utf8(said).unwrap();
        assert_eq!(ran.status.code(), Some(0), "{client}\n{said}");
        assert_eq!(seen, [""; 0]);
        let mut found = Vec::new();
        self.leaks_in(&out, &mut found);
        assert_eq!(found, Vec::<PathBuf>::new());
        let verdict = fs::read(out.join("verdict.json")).unwrap();
        let verdict: Value = serde_json::from_slice(&verdict).unwrap();
        assert_eq!(verdict["verdict"], "HELD", "{verdict:#}");
        verdict
    }
}

fn write(place: &Path) -> [&'static str; 3] {
    let files = [
        ("cut.toml", CUT),
        ("late.toml", LATE),
        ("direct.toml", DIRECT),
    ];
    files.map(|(name, text)| {
        fs::write(place.join(name), text).unwrap();
        name
    })
}

#[test]
fn what_holds_on_plain_listeners_holds_on_secured_ones() {
    for security in ["sasl-ssl", "ssl"] {
        let up = Up::start(security);
        let place = tempfile::tempdir().unwrap();
        let files = write(place.path());
        for client in ["librdkafka", "java"] {
            let verdict = up.holds(place.path(), &files, client);
            let scenarios = verdict["scenarios"].as_array().unwrap();
            assert_eq!(scenarios.len(), 3, "{verdict:#}");
        }
        let wrong = fs::read_to_string(&up.config).unwrap();
        let wrong = wrong.replace(&up.secrets[0], "planted-wrong");
        let path = place.path().join("wrong.properties");
        fs::write(&path, wrong).unwrap();
        let ran = ackproof()
            .current_dir(place.path())
            .args([
                "run",
                "cut.toml",
                "--bootstrap",
                up.at(),
                "--command-config",
            ])
            .args(["wrong.properties", "--out", "wrong"])
            .output()
            .unwrap();
        let said = String::from_utf8([ran.stdout, ran.stderr].concat()).unwrap();
        if security == "sasl-ssl" {
            assert_eq!(ran.status.code(), Some(4), "{said}");
            assert!(said.contains("refused to authenticate"), "{said}");
            assert!(!said.contains("planted-wrong"), "{said}");
            assert!(!place.path().join("wrong").exists(), "nothing was begun");
        }
    }
}

#[test]
fn what_has_no_effect_or_is_beyond_clients_is_refused_before_anything_starts() {
    let place = tempfile::tempdir().unwrap();
    let said = |args: &[&str]| {
        let ran = ackproof().current_dir(place.path()).args(args).output();
        let ran = ran.unwrap();
        let said = String::from_utf8([ran.stdout, ran.stderr].concat()).unwrap();
        assert_eq!(ran.status.code(), Some(2), "{said}");
        said
    };
    let token = "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=OAUTHBEARER\n\
                 sasl.oauthbearer.token.endpoint.url=file:///nowhere\n\
                 sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.\
                 OAuthBearerLoginModule required;\n";
    fs::write(place.path().join("c.properties"), token).unwrap();
    let alone = said(&[
        "run",
        "multiple-consumers",
        "--command-config",
        "c.properties",
    ]);
    assert!(alone.contains("no effect without --bootstrap"), "{alone}");
    let beyond = said(&[
        "run",
        "multiple-consumers",
        "--bootstrap",
        "127.0.0.1:1",
        "--command-config",
        "c.properties",
    ]);
    assert!(beyond.contains("are given no tokens"), "{beyond}");
}
