//! Clusters of users at the command line: listeners that are not what ackproof
//! speaks, the proxy before brokers that ask for SASL, and what a cluster does
//! not allow or cannot give, told before anything is sent.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use stack::artefacts::Parts;
use stack::embedded::{Stack, StackSpec};
use testkit::{Kafka, config};

use processes::{ackproof, send, wait_for_end};

#[allow(dead_code, reason = "others use more of it")]
mod processes;

/// Far above what any of it takes, and far below any retry.
const AT_ONCE: Duration = Duration::from_secs(30);

const SCENARIO: &str = r#"
name = "mine"
title = "Mine"

[[topic]]
name = "orders"
partitions = 1
replication_factor = 1

[[producer]]
topic = "orders"
records = 50
records_per_s = 100
record_bytes = 256
config = { acks = "all" }

[[group]]
name = "billing"
topic = "orders"
records_per_s = 200
commit_every_records = 10
config = { "session.timeout.ms" = "6000" }

[[guarantee]]
claim = "no-loss"
"#;

async fn one_broker(dir: &Path, settings: &[(&str, &str)]) -> Stack {
    let kafka = Kafka::find(Parts::Kafka);
    let spec = StackSpec {
        broker_config: config(settings),
        ..kafka.spec(dir.join("stack"))
    };
    kafka.start(spec).await
}

/// Its listener for clients speaks something else than the others.
fn with_clients_by(protocol: &str) -> String {
    format!("CLIENT:{protocol},DIRECT:PLAINTEXT,CONTROLLER:PLAINTEXT")
}

async fn sasl_broker(dir: &Path) -> Stack {
    let protocols = with_clients_by("SASL_PLAINTEXT");
    let settings = [
        ("listener.security.protocol.map", protocols.as_str()),
        ("listener.name.client.sasl.enabled.mechanisms", "PLAIN"),
        (
            "listener.name.client.plain.sasl.jaas.config",
            "org.apache.kafka.common.security.plain.PlainLoginModule required \
             user_alice=\"wonderland\";",
        ),
    ];
    one_broker(dir, &settings).await
}

async fn tls_broker(dir: &Path) -> Stack {
    let store = dir.join("keys.p12");
    let java = stack::java::find_java().unwrap();
    let made = Command::new(java.binary.with_file_name("keytool"))
        .args(["-genkeypair", "-alias", "broker", "-keyalg", "EC"])
        .args(["-dname", "CN=localhost", "-storetype", "PKCS12"])
        .args(["-storepass", "testing", "-keystore"])
        .arg(&store)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let protocols = with_clients_by("SSL");
    let store = store.display().to_string();
    let settings = [
        ("listener.security.protocol.map", protocols.as_str()),
        ("listener.name.client.ssl.keystore.location", &store),
        ("listener.name.client.ssl.keystore.password", "testing"),
        ("listener.name.client.ssl.key.password", "testing"),
        ("listener.name.client.ssl.keystore.type", "PKCS12"),
    ];
    one_broker(dir, &settings).await
}

/// What `ackproof` says that ends by itself, with its exit code before it.
fn said(args: &[&str], dir: &Path) -> String {
    let since = Instant::now();
    let output = ackproof().args(args).current_dir(dir).output().unwrap();
    assert!(since.elapsed() < AT_ONCE, "{args:?}");
    format!(
        "exit {}\n{}{}",
        output.status.code().unwrap(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Both commands refuse these addresses in these words.
fn refused(bootstrap: &str, dir: &Path, words: &[&str]) {
    let run = ["run", "mine.toml", "--bootstrap", bootstrap, "--out", "r"];
    let proxy = ["proxy", "--listen", "127.0.0.1:0", "--bootstrap", bootstrap];
    for args in [&run[..], &proxy[..]] {
        let said = said(args, dir);
        assert!(said.starts_with("exit 4"), "{said}");
        for words in words {
            assert!(said.contains(words), "{words}\n{said}");
        }
        assert!(
            !said.contains("bytes") && !said.contains("newer broker"),
            "{said}"
        );
    }
    assert!(!dir.join("r").exists());
}

fn scenario_in(dir: &Path) {
    std::fs::write(dir.join("mine.toml"), SCENARIO).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn listeners_of_other_kinds_are_called_by_their_names() {
    let dir = tempfile::tempdir().unwrap();
    scenario_in(dir.path());
    let stack = tls_broker(dir.path()).await;
    let broker = &stack.brokers()[0];
    let client = broker.client_addr().to_string();
    refused(
        &client,
        dir.path(),
        &[&client, "the listener speaks TLS", "--command-config FILE"],
    );
    let listeners = &broker.config()["listeners"];
    let controller = listeners
        .split(',')
        .find_map(|it| it.strip_prefix("CONTROLLER://"));
    let controller = controller.unwrap();
    refused(controller, dir.path(), &["a controller listens there"]);
    let unknown = "no-such-host.invalid:9092";
    refused(
        unknown,
        dir.path(),
        &["the name cannot be resolved", "--resolve"],
    );
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    refused(&closed.to_string(), dir.path(), &["nothing listens there"]);
    let all = format!("{client}, {closed}");
    refused(&all, dir.path(), &["TLS", "nothing listens there"]);
    stack.stop(Duration::from_secs(2)).await;
}

/// A proxy that runs, and where its clients find it.
struct Proxy {
    child: Child,
    said: Vec<String>,
    bootstrap: SocketAddr,
}

impl Proxy {
    fn start(bootstrap: &str) -> Self {
        let mut child = ackproof()
            .args(["proxy", "--listen", "127.0.0.1:0", "--api", "127.0.0.1:0"])
            .args(["--bootstrap", bootstrap])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut said = Vec::new();
        for line in lines.by_ref() {
            said.push(line.unwrap());
            if said.last().unwrap().starts_with("faults") {
                break;
            }
        }
        let first = said
            .first()
            .unwrap()
            .strip_prefix("bootstrap.servers")
            .unwrap();
        let bootstrap = first.trim().parse().unwrap();
        Self {
            child,
            said,
            bootstrap,
        }
    }

    fn stop(mut self) {
        send(Signal::INT, &self.child);
        wait_for_end(&mut self.child);
    }
}

/// Asks, and waits for the whole answer.
fn exchange(stream: &mut TcpStream, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap();
    stream.write_all(&length.to_be_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let mut answer = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut answer).unwrap();
    answer
}

/// `Metadata` in version 1, for no topic.
const METADATA: &[u8] = b"\0\x03\0\x01\0\0\0\x07\0\x04test\0\0\0\0";

#[tokio::test(flavor = "multi_thread")]
async fn sasl_passes_through_the_proxy() {
    let dir = tempfile::tempdir().unwrap();
    scenario_in(dir.path());
    let stack = sasl_broker(dir.path()).await;
    let client = stack.brokers()[0].client_addr();
    let run = [
        "run",
        "mine.toml",
        "--out",
        "r",
        "--bootstrap",
        &client.to_string(),
    ];
    let said = said(&run, dir.path());
    assert!(
        said.contains("the listener asks for SASL (PLAIN)"),
        "{said}"
    );

    let proxy = Proxy::start(&client.to_string());
    let mut stream = TcpStream::connect(proxy.bootstrap).unwrap();
    // SaslHandshake and SaslAuthenticate, both in version 1.
    let answer = exchange(&mut stream, b"\0\x11\0\x01\0\0\0\x05\0\x04test\0\x05PLAIN");
    assert_eq!(answer[4..6], [0, 0], "{answer:?}");
    let mut authenticate = b"\0\x24\0\x01\0\0\0\x06\0\x04test\0\0\0\x11".to_vec();
    authenticate.extend(b"\0alice\0wonderland");
    let answer = exchange(&mut stream, &authenticate);
    assert_eq!(answer[4..6], [0, 0], "{answer:?}");
    let answer = exchange(&mut stream, METADATA);
    // The broker's address is the proxy's: host, and a port of four bytes.
    let port = u32::from(proxy.bootstrap.port()).to_be_bytes();
    let host = b"127.0.0.1";
    let rewritten = [host.as_slice(), &port].concat();
    assert!(
        answer.windows(rewritten.len()).any(|it| it == rewritten),
        "{answer:?}"
    );
    let direct = [host.as_slice(), &u32::from(client.port()).to_be_bytes()].concat();
    assert!(
        !answer.windows(direct.len()).any(|it| it == direct),
        "{answer:?}"
    );
    proxy.stop();
    stack.stop(Duration::from_secs(2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_proxy_prints_an_address_that_works() {
    let dir = tempfile::tempdir().unwrap();
    let stack = one_broker(dir.path(), &[]).await;
    let dead = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let alive = stack.brokers()[0].client_addr();
    let proxy = Proxy::start(&format!("PLAINTEXT://{dead}, PLAINTEXT://{alive}"));
    assert!(
        proxy
            .said
            .iter()
            .all(|line| !line.contains(&dead.to_string())),
        "{:?}",
        proxy.said
    );
    let mut stream = TcpStream::connect(proxy.bootstrap).unwrap();
    assert!(exchange(&mut stream, METADATA).len() > 8);
    proxy.stop();
    stack.stop(Duration::from_secs(2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_cluster_cannot_give_is_told_before_anything_is_sent() {
    let dir = tempfile::tempdir().unwrap();
    scenario_in(dir.path());
    let settings = [
        ("offsets.topic.replication.factor", "3"),
        ("min.insync.replicas", "2"),
        ("group.min.session.timeout.ms", "10000"),
    ];
    let stack = one_broker(dir.path(), &settings).await;
    let client = stack.brokers()[0].client_addr().to_string();
    let run = ["run", "mine.toml", "--out", "r", "--bootstrap", &client];
    let lacking = said(&run, dir.path());
    assert!(lacking.starts_with("exit 4"), "{lacking}");
    for words in [
        "__consumer_offsets, which cannot be made: offsets.topic.replication.factor is 3",
        "min.insync.replicas=2",
    ] {
        assert!(lacking.contains(words), "{words}\n{lacking}");
    }
    assert!(!lacking.contains("left behind"), "{lacking}");
    stack.stop(Duration::from_secs(2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_is_missing_is_told_before_anything_is_sent() {
    let dir = tempfile::tempdir().unwrap();
    scenario_in(dir.path());
    let authorizer = "org.apache.kafka.metadata.authorizer.StandardAuthorizer";
    let settings = [
        ("authorizer.class.name", authorizer),
        ("allow.everyone.if.no.acl.found", "true"),
    ];
    let stack = one_broker(dir.path(), &settings).await;
    let client = stack.brokers()[0].client_addr().to_string();
    let direct = stack.brokers()[0].direct_addr().to_string();
    let kafka = Kafka::find(Parts::Kafka);
    kafka.tool(
        &direct,
        "AclCommand",
        &[
            "--add",
            "--deny-principal",
            "User:ANONYMOUS",
            "--operation",
            "All",
            "--group",
            "ackproof-",
            "--resource-pattern-type",
            "prefixed",
        ],
    );
    let run = ["run", "mine.toml", "--out", "r", "--bootstrap", &client];
    let lacking = said(&run, dir.path());
    assert!(lacking.starts_with("exit 4"), "{lacking}");
    assert!(
        lacking.contains("the rights Read and Delete on groups"),
        "{lacking}"
    );
    assert!(!lacking.contains("left behind"), "{lacking}");
    stack.stop(Duration::from_secs(2)).await;
}
