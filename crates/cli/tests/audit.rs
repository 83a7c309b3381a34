//! `ackproof audit` of a running cluster: a real broker and a topic; and of a Connect worker
//! over TLS.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a panic is how a test fails"
)]

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use model::ids::TopicName;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;
use stack::artefacts::Parts;
use stack::embedded::StackSpec;
use testkit::{Kafka, config};
use wire::{Cluster, ClusterOptions, NewTopic};

/// The rules of what was found, with what was read.
fn found(output: &Output) -> Vec<(String, String, String)> {
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let findings = report["findings"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    findings
        .map(|it| (text(&it["rule"]), text(&it["component"]), text(&it["says"])))
        .collect()
}

fn audit(args: &[&str]) -> Output {
    Command::new(assert_cmd::cargo::cargo_bin!("ackproof"))
        .args(["audit", "--format", "json"])
        .args(args)
        .output()
        .unwrap()
}

#[tokio::test]
async fn a_running_cluster_is_read_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let kafka = Kafka::find(Parts::Kafka);
    let spec = StackSpec {
        brokers: 1,
        broker_config: config(&[("unclean.leader.election.enable", "true")]),
        ..kafka.spec(dir.path().join("stack"))
    };
    let stack = kafka.start(spec).await;
    let servers: Vec<String> = stack
        .bootstrap_servers()
        .iter()
        .map(ToString::to_string)
        .collect();
    let options = ClusterOptions::default();
    let mut cluster = Cluster::connect(servers.iter().cloned(), options)
        .await
        .unwrap();
    let topic = NewTopic {
        topic: TopicName::new("payments"),
        partitions: 1,
        replication_factor: 1,
        config: config(&[("retention.ms", "3600000")]),
    };
    let created = cluster.create_topics(&[topic]).await.unwrap();
    assert!(created.values().all(Result::is_ok), "{created:?}");
    cluster
        .await_topic(&TopicName::new("payments"))
        .await
        .unwrap();

    let bootstrap = servers.join(",");
    let output = tokio::task::spawn_blocking(move || {
        audit(&[
            "--bootstrap",
            &bootstrap,
            "--group",
            "absent",
            "--pause-h",
            "72",
        ])
    });
    let output = output.await;
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let found = found(&output);
    let says = |rule: &str, component: &str| {
        let of = found
            .iter()
            .find(|(it, of, _)| it == rule && of == component);
        of.unwrap_or_else(|| panic!("{rule} of {component}: {found:#?}"))
            .2
            .clone()
    };
    assert_eq!(says("single-broker", "broker 1"), "1 broker");
    assert_eq!(
        says("unclean-leader-election", "broker 1"),
        "unclean.leader.election.enable=true"
    );
    assert_eq!(
        says("one-replica", "topic payments"),
        "replication.factor=1"
    );
    assert!(says("retention-below-pause", "topic payments").contains("retention.ms=3600000"));
    let rules: Vec<&str> = found.iter().map(|(rule, ..)| rule.as_str()).collect();
    // A cluster that is formatted today has both.
    assert!(!rules.contains(&"last-replica-standing"), "{rules:?}");
    assert!(!rules.contains(&"old-transaction-protocol"), "{rules:?}");
    stack.stop(Duration::from_secs(5)).await;
}

#[test]
fn a_cluster_that_is_not_there_is_an_environment_that_failed() {
    let output = audit(&["--connect", "http://127.0.0.1:1"]);
    assert_eq!(output.status.code(), Some(4));
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("http://127.0.0.1:1"), "{error}");
}

const PASSWORD: &str = "correct horse";
/// Of `ada` and the password.
const AUTHORIZATION: &str = "Basic YWRhOmNvcnJlY3QgaG9yc2U=";
const CONNECTORS: &str = r#"{"orders": {"info": {"name": "orders", "config": {
    "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
    "database.password": "of the database", "slot.drop.on.stop": "true"}}}}"#;

/// A worker behind TLS that asks for a user and a password.
struct Worker {
    url: String,
    ca: PathBuf,
    auth: PathBuf,
    /// What it was asked: the first line of each request.
    asked: Arc<Mutex<Vec<String>>>,
}

fn worker(folder: &std::path::Path, host: &str) -> Worker {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let ca = folder.join("ca.pem");
    fs::write(&ca, authority.self_signed(&key).unwrap().pem()).unwrap();
    let issuer = Issuer::new(authority, key);
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(vec![host.to_owned()]).unwrap();
    let own = own.signed_by(&key, &issuer).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![own.der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let auth = folder.join("auth");
    fs::write(&auth, format!("ada:{PASSWORD}\n")).unwrap();
    let (config, seen) = (Arc::new(config), Arc::clone(&asked));
    thread::spawn(move || {
        for socket in listener.incoming() {
            let tls = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = BufReader::new(StreamOwned::new(tls, socket.unwrap()));
            let mut request = String::new();
            // A client that does not trust the certificate goes away.
            while !request.ends_with("\r\n\r\n") {
                if stream.read_line(&mut request).is_ok_and(|read| read > 0) {
                    continue;
                }
                request.clear();
                break;
            }
            let Some(first) = request.lines().next() else {
                continue;
            };
            seen.lock().unwrap().push(first.to_owned());
            let answer = if request.contains(AUTHORIZATION) {
                let length = CONNECTORS.len();
                format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{CONNECTORS}")
            } else {
                String::from("HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n")
            };
            let stream = stream.get_mut();
            stream.write_all(answer.as_bytes()).unwrap();
            stream.flush().unwrap();
        }
    });
    Worker {
        url,
        ca,
        auth,
        asked,
    }
}

/// What was printed, in which no secret stands.
fn printed(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    let printed = String::from_utf8(both).unwrap();
    for secret in [PASSWORD, AUTHORIZATION, "of the database"] {
        assert!(!printed.contains(secret), "{printed}");
    }
    printed
}

#[test]
fn a_worker_is_read_over_tls_with_a_password_that_is_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let worker = worker(folder.path(), "127.0.0.1");
    let (ca, auth) = (worker.ca.to_str().unwrap(), worker.auth.to_str().unwrap());
    let asked = |args: &[&str]| audit(&[&["--connect", &worker.url], args].concat());

    let output = asked(&["--connect-ca", ca, "--connect-auth", auth]);
    assert_eq!(output.status.code(), Some(1), "{}", printed(&output));
    let says = |it: &(String, String, String)| it.2.contains("slot.drop.on.stop=true");
    assert!(found(&output).iter().any(says), "{}", printed(&output));
    assert!(printed(&output).contains(&worker.url));
    let requests = worker.asked.lock().unwrap().clone();
    assert_eq!(requests, ["GET /connectors?expand=info HTTP/1.1"]);

    let output = asked(&["--connect-ca", ca]);
    assert_eq!(output.status.code(), Some(4));
    assert!(printed(&output).contains("status 401"));
    assert!(printed(&output).contains("--connect-auth"));

    // Its CA is none that the machine trusts: it never sees the password.
    let before = worker.asked.lock().unwrap().len();
    let output = asked(&["--connect-auth", auth]);
    assert_eq!(output.status.code(), Some(4));
    assert!(printed(&output).contains("--connect-ca"));
    assert_eq!(worker.asked.lock().unwrap().len(), before);
}

#[test]
fn a_worker_with_the_certificate_of_another_never_sees_the_password() {
    let folder = tempfile::tempdir().unwrap();
    let worker = worker(folder.path(), "connect.invalid");
    let (ca, auth) = (worker.ca.to_str().unwrap(), worker.auth.to_str().unwrap());
    let output = audit(&[
        "--connect",
        &worker.url,
        "--connect-ca",
        ca,
        "--connect-auth",
        auth,
    ]);
    assert_eq!(output.status.code(), Some(4), "{}", printed(&output));
    assert!(printed(&output).contains("certificate"));
    assert!(worker.asked.lock().unwrap().is_empty());
}

#[test]
fn a_password_is_refused_where_others_would_see_it() {
    let folder = tempfile::tempdir().unwrap();
    let auth = folder.path().join("auth");
    fs::write(&auth, format!("ada:{PASSWORD}")).unwrap();
    let auth = auth.to_str().unwrap();
    let in_address = format!("https://ada:{PASSWORD}@connect.invalid").replace(' ', "-");
    let output = audit(&["--connect", &in_address]);
    assert_eq!(output.status.code(), Some(2));
    assert!(!printed(&output).contains("correct-horse"));
    let plain = "http://connect.invalid:8083";
    let output = audit(&["--connect", plain, "--connect-auth", auth]);
    assert_eq!(output.status.code(), Some(2));
    assert!(printed(&output).contains("https://"));
    let output = audit(&["--connect", plain, "--connect-ca", auth]);
    assert_eq!(output.status.code(), Some(2));
    assert!(printed(&output).contains("no certificate"));
}

#[test]
fn a_worker_that_never_answers_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let began = Instant::now();
    let output = audit(&["--connect", &url]);
    assert_eq!(output.status.code(), Some(4), "{}", printed(&output));
    assert!(began.elapsed() < Duration::from_secs(40));
}
