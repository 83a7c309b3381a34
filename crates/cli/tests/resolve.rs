//! A broker that advertises a name which means nothing here, and `--resolve` that says where
//! it is: for the observer, for the fault proxy, and through it for the clients.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Output, Stdio};

use model::ids::TopicName;
use rustix::process::Signal;
use serde_json::Value;
use stack::artefacts::Parts;
use stack::embedded::{Stack, StackSpec};
use stack::ports::ReservedPort;
use testkit::{Kafka, config};
use wire::{AddressOverrides, ClientOptions, ClientSecurity, Cluster, ClusterOptions, Topics};

use processes::{ackproof, send, until_in_force, wait_for_end};

mod processes;

const ADVERTISED: &str = "kafka.invalid:9092";

struct Unresolvable {
    stack: Stack,
    dir: tempfile::TempDir,
}

impl Unresolvable {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let kafka = Kafka::find(Parts::Kafka);
        let spec = StackSpec {
            broker_config: config(&[
                ("advertised.listeners", "CLIENT://kafka.invalid:9092"),
                ("inter.broker.listener.name", "CLIENT"),
            ]),
            client_ports: BTreeMap::from([(1, ReservedPort::take().unwrap())]),
            ..kafka.spec(dir.path().join("stack"))
        };
        let stack = kafka.start(spec).await;
        Self { stack, dir }
    }

    fn place(&self) -> String {
        self.stack.bootstrap_servers()[0].to_string()
    }

    fn resolve(&self) -> String {
        format!("{ADVERTISED}={}", self.place())
    }

    async fn topics(&self) -> Vec<TopicName> {
        let port = self.stack.bootstrap_servers()[0].port();
        let place = ("127.0.0.1".to_owned(), port);
        let advertised = ("kafka.invalid".to_owned(), 9092);
        let overrides = AddressOverrides::new([(advertised, place)]);
        let options = ClusterOptions {
            client: ClientOptions {
                security: ClientSecurity::default().with_overrides(overrides),
                ..ClientOptions::default()
            },
            ..ClusterOptions::default()
        };
        let connected = Cluster::connect([ADVERTISED.to_owned()], options).await;
        let metadata = connected.unwrap().metadata(Topics::All).await.unwrap();
        let topics = metadata.topics.into_iter().map(|it| it.topic);
        topics.filter(|it| !it.as_str().starts_with("__")).collect()
    }
}

fn words(output: &Output) -> String {
    format!(
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_is_reached_where_it_is_said_to_be() {
    let theirs = Unresolvable::start().await;
    let resolve = theirs.resolve();
    let run = |out: &str, more: &[&str]| {
        let mut command = ackproof();
        command
            .args(["run", "consumer-kill", "multiple-consumers", "--seed", "1"])
            .args(more)
            .arg("--out")
            .arg(theirs.dir.path().join(out));
        command
    };

    // Without it, the message says what is missing.
    let place = theirs.place();
    let lost = run("lost", &["--bootstrap", &place]).output().unwrap();
    assert_eq!(lost.status.code(), Some(4), "{}", words(&lost));
    assert!(words(&lost).contains(ADVERTISED), "{}", words(&lost));
    assert!(words(&lost).contains("--resolve"), "{}", words(&lost));

    let with = ["--bootstrap", ADVERTISED, "--resolve", &resolve];
    let whole = run("whole", &with).output().unwrap();
    assert!(whole.status.success(), "{}", words(&whole));
    let plan = fs::read(theirs.dir.path().join("whole/plan.json")).unwrap();
    let plan: Value = serde_json::from_slice(&plan).unwrap();
    for scenario in plan["scenarios"].as_array().unwrap() {
        let link = &scenario["scenario"]["topology"]["link"];
        assert_eq!(link, "proxy", "clients do not find the broker otherwise");
    }
    assert_eq!(theirs.topics().await, []);

    // One that is of no use is told.
    let more = [&with[..], &["--resolve", "kafka-7:9092=127.0.0.1:1"]].concat();
    let told = run("told", &more).output().unwrap();
    let said = words(&told);
    assert!(told.status.success(), "{said}");
    let useless = "--resolve kafka-7:9092=127.0.0.1:1 has no effect: brokers advertise kafka.inv";
    assert!(said.contains(useless), "{said}");

    // What a killed run has left is found where the run found it.
    let mut killed = until_in_force(run("killed", &with));
    send(Signal::KILL, &killed);
    wait_for_end(&mut killed);
    assert_ne!(theirs.topics().await, []);
    let cleaned = ackproof()
        .arg("cleanup")
        .arg(theirs.dir.path().join("killed"))
        .output()
        .unwrap();
    assert!(cleaned.status.success(), "{}", words(&cleaned));
    assert_eq!(theirs.topics().await, []);

    let lag = ackproof()
        .args(["lag", "--window", "0s"])
        .args(with)
        .output()
        .unwrap();
    assert!(lag.status.success(), "{}", words(&lag));
    let audit = ackproof().arg("audit").args(with).output().unwrap();
    assert!(
        matches!(audit.status.code(), Some(0 | 1)),
        "{}",
        words(&audit)
    );

    // Behind the proxy nobody needs it.
    let (first, second) = {
        let ports = [ReservedPort::take().unwrap(), ReservedPort::take().unwrap()];
        (ports[0].addr(), ports[1].addr())
    };
    let mut proxy = ackproof()
        .args(["proxy", "--listen", &first.to_string(), "--ports"])
        .arg(second.port().to_string())
        .args(with)
        .args(["--bootstrap", &place])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let mut stdout = BufReader::new(proxy.stdout.take().unwrap());
    while !said.contains("faults ") {
        assert!(stdout.read_line(&mut said).unwrap() > 0, "{said}");
    }
    assert!(
        said.contains(&format!("{first} for {ADVERTISED}")),
        "{said}"
    );
    assert!(said.contains(&format!("{second} for {place}")), "{said}");
    let lag = ackproof()
        .args(["lag", "--window", "0s", "--bootstrap", &first.to_string()])
        .output()
        .unwrap();
    assert!(lag.status.success(), "{}", words(&lag));
    send(Signal::INT, &proxy);
    assert!(wait_for_end(&mut proxy).success());
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_starts() {
    for (command, said) in [
        (
            "run consumer-kill --bootstrap a:1 --resolve a",
            "HOST:PORT=HOST:PORT",
        ),
        (
            "run consumer-kill --bootstrap a:1 --resolve a:1=b",
            "`b` is not HOST:PORT",
        ),
        (
            "run consumer-kill --bootstrap a:1 --resolve a:1=b:1 --resolve A:1=c:1",
            "--resolve says of A:1 that it is b:1, and that it is c:1",
        ),
        (
            "run consumer-kill --resolve a:1=b:1",
            "--resolve has no effect without --bootstrap",
        ),
        (
            "run consumer-kill --compose c.yml --resolve a:1=b:1",
            "cannot be used with",
        ),
        (
            "audit . --resolve a:1=b:1",
            "--resolve has no effect without --bootstrap",
        ),
        ("proxy --bootstrap a:1 --ports 5-4", "FIRST-LAST"),
    ] {
        let output = ackproof().args(command.split(' ')).output().unwrap();
        let words = words(&output);
        assert_eq!(output.status.code(), Some(2), "{command}: {words}");
        assert!(words.contains(said), "{command}: {words}");
    }
}
