//! `ackproof lag`, and what else takes `--command-config`, against real secured brokers: each
//! protocol and mechanism with right, wrong and missing credentials, certificates that are
//! not to be trusted, and listeners of another kind. Passwords that are planted appear in no
//! output.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use stack::artefacts::Parts;
use stack::embedded::{Stack, StackSpec};
use stack::secured::{BrokerCertificate, Protocol, Secured, USER};
use tempfile::TempDir;
use testkit::Kafka;
use tokio::runtime::Runtime;
use wire::{ClientOptions, ClientSecurity, Connection, Topics};

use processes::{StackUp, ackproof};

#[allow(dead_code, reason = "others use more of it")]
mod processes;

/// Far above what any of it takes, and far below a hang.
const AT_ONCE: Duration = Duration::from_secs(40);
/// What every planted secret begins with.
const PLANTED: &str = "planted-";
const PLAIN: &str = "org.apache.kafka.common.security.plain.PlainLoginModule required";
const SCRAM: &str = "org.apache.kafka.common.security.scram.ScramLoginModule required";
const OAUTH: &str = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required";
/// `{"alg":"none"}`, `{"sub":"alice","iat":1700000000,"exp":4102444800}`: Kafka's brokers
/// take such a token in development.
const TOKEN: &str = "eyJhbGciOiJub25lIn0.\
                     eyJzdWIiOiJhbGljZSIsImlhdCI6MTcwMDAwMDAwMCwiZXhwIjo0MTAyNDQ0ODAwfQ.";

/// A broker takes a whole core to start: one at a time.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Brokers, and a client of theirs.
struct Bench {
    at: String,
    /// The keys of a client that is let in.
    right: BTreeMap<String, String>,
    password: String,
    dir: TempDir,
}

impl Bench {
    fn new(at: String, client_properties: &Path) -> Self {
        let text = fs::read_to_string(client_properties).unwrap();
        let lines = text.lines().filter_map(|line| line.split_once('='));
        let right: BTreeMap<String, String> = lines
            .map(|(key, value)| {
                (
                    key.to_owned(),
                    value.replace("\\=", "=").replace("\\:", ":"),
                )
            })
            .collect();
        let jaas = right.get("sasl.jaas.config").cloned().unwrap_or_default();
        let password = jaas.split("password=\"").nth(1);
        let password = password.and_then(|it| it.split('"').next());
        Self {
            at,
            password: password.unwrap_or("no password at all").to_owned(),
            right,
            dir: tempfile::tempdir().unwrap(),
        }
    }

    /// The right configuration with these keys instead; an empty value takes one away.
    fn config(&self, changed: &[(&str, &str)]) -> PathBuf {
        let mut keys = self.right.clone();
        for (key, value) in changed {
            if value.is_empty() {
                keys.remove(*key);
            } else {
                keys.insert((*key).to_owned(), (*value).to_owned());
            }
        }
        let path = self.dir.path().join("client.properties");
        let lines = keys.iter().map(|(key, value)| format!("{key}={value}\n"));
        fs::write(&path, lines.collect::<String>()).unwrap();
        path
    }

    /// What `ackproof` says with the configuration changed so, with its exit code before it.
    fn said(&self, changed: &[(&str, &str)]) -> String {
        let path = self.config(changed);
        self.of(&["lag", "--window", "0s"], Some(&path))
    }

    fn of(&self, args: &[&str], config: Option<&Path>) -> String {
        let mut command = ackproof();
        command.args(args).args(["--bootstrap", &self.at]);
        if let Some(path) = config {
            command.arg("--command-config").arg(path);
        }
        let since = Instant::now();
        let output = command.output().unwrap();
        assert!(since.elapsed() < AT_ONCE, "{args:?}");
        let said = format!(
            "exit {}\n{}{}",
            output.status.code().unwrap(),
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        for secret in [PLANTED, self.password.as_str(), TOKEN] {
            assert!(!said.contains(secret), "{said}");
        }
        said
    }

    fn works(&self, changed: &[(&str, &str)]) {
        let said = self.said(changed);
        assert!(said.starts_with("exit 0\n"), "{changed:?}\n{said}");
    }

    fn fails(&self, exit: u8, changed: &[(&str, &str)], words: &[&str]) {
        let said = self.said(changed);
        told(&said, exit, words);
    }

    /// Without `--command-config`.
    fn refuses_plain(&self, words: &[&str]) {
        for command in [&["lag", "--window", "0s"][..], &["audit"]] {
            told(&self.of(command, None), 4, words);
        }
    }

    fn mechanisms(&self) {
        for (mechanism, module) in [
            ("PLAIN", PLAIN),
            ("SCRAM-SHA-256", SCRAM),
            ("SCRAM-SHA-512", SCRAM),
        ] {
            let by = |user: &str, password: &str| {
                format!("{module} username=\"{user}\" password=\"{password}\";")
            };
            let right = by(USER, &self.password);
            let mechanism_key = ("sasl.mechanism", mechanism);
            self.works(&[mechanism_key, ("sasl.jaas.config", &right)]);
            let refused = format!("refused to authenticate by {mechanism}: ");
            let words = ["127.0.0.1:", &refused, "check the credentials"];
            for wrong in [by(USER, "planted-wrong"), by("nobody", "planted-other")] {
                self.fails(4, &[mechanism_key, ("sasl.jaas.config", &wrong)], &words);
            }
            let missing = [mechanism_key, ("sasl.jaas.config", "")];
            self.fails(2, &missing, &["`sasl.jaas.config` is missing", module]);
        }
        let token = self.token_file(TOKEN);
        let bearer = [
            ("sasl.mechanism", "OAUTHBEARER"),
            ("sasl.jaas.config", &format!("{OAUTH};")),
            ("sasl.oauthbearer.token.endpoint.url", &token),
        ];
        let words = [
            "does not offer the mechanism OAUTHBEARER, but",
            "PLAIN",
            "SCRAM-SHA-256",
            "SCRAM-SHA-512",
        ];
        self.fails(4, &bearer, &words);
    }

    fn token_file(&self, token: &str) -> String {
        let path = self.dir.path().join("token");
        fs::write(&path, token).unwrap();
        format!("file://{}", path.display())
    }
}

fn told(said: &str, exit: u8, words: &[&str]) {
    assert!(
        said.starts_with(&format!("exit {exit}\n")),
        "{words:?}\n{said}"
    );
    for words in words {
        assert!(said.contains(words), "{words}\n{said}");
    }
    // One mistake, one message.
    assert_eq!(said.matches("error: ").count(), 1, "{said}");
}

/// A stack that can be used as it is printed, and a client of it.
fn up(args: &[&str]) -> (StackUp, Bench) {
    let stack = StackUp::start(args);
    let config = PathBuf::from(stack.printed("client.properties"));
    let bench = Bench::new(stack.printed("bootstrap.servers").to_owned(), &config);
    let as_printed = bench.of(&["lag", "--window", "0s"], Some(&config));
    assert!(as_printed.starts_with("exit 0\n"), "{as_printed}");
    (stack, bench)
}

#[test]
fn sasl_without_tls() {
    let _turn = turn();
    let (_up, bench) = up(&["--security", "sasl-plaintext"]);
    bench.mechanisms();
    bench.refuses_plain(&[
        "the listener asks for SASL (",
        "--command-config",
        "SASL_PLAINTEXT",
    ]);
    let words = ["does not speak TLS", "set security.protocol=SASL_PLAINTEXT"];
    bench.fails(4, &[("security.protocol", "SASL_SSL")], &words);
}

#[test]
fn sasl_within_tls() {
    let _turn = turn();
    let (_up, bench) = up(&["--security", "sasl-ssl", "--brokers", "2"]);
    bench.mechanisms();
    bench.refuses_plain(&["the listener speaks TLS", "--command-config", "SASL_SSL"]);
    let no_trust = [("ssl.truststore.type", ""), ("ssl.truststore.location", "")];
    bench.fails(
        4,
        &no_trust,
        &["no authority that is trusted", "ssl.truststore.location"],
    );
    let mut plain = no_trust.to_vec();
    plain.push(("security.protocol", "SASL_PLAINTEXT"));
    bench.fails(4, &plain, &["speaks TLS; set security.protocol=SASL_SSL"]);
    let tls_only = [
        ("security.protocol", "SSL"),
        ("sasl.mechanism", ""),
        ("sasl.jaas.config", ""),
    ];
    bench.fails(
        4,
        &tls_only,
        &["asks for SASL (", "set security.protocol=SASL_SSL"],
    );
    // The same way leads every command there.
    let path = bench.config(&[]);
    let said = bench.of(&["audit", "--format", "json"], Some(&path));
    let report: Value = serde_json::from_str(said.split_once('\n').unwrap().1).unwrap();
    assert!(
        report["components"]
            .as_array()
            .is_none_or(|it| !it.is_empty()),
        "{said}"
    );
    assert!(
        said.starts_with("exit 0\n") || said.starts_with("exit 1\n"),
        "{said}"
    );
}

#[test]
fn tls_with_client_certificates() {
    let _turn = turn();
    let (_up, bench) = up(&["--security", "ssl"]);
    bench.works(&[]);
    bench.refuses_plain(&["the listener speaks TLS", "--command-config", "SSL"]);
    let none = [("ssl.keystore.type", ""), ("ssl.keystore.location", "")];
    bench.fails(
        4,
        &none,
        &["asks for a client certificate", "set ssl.keystore.location"],
    );
    let others = bench.dir.path().join("others");
    let certificate = BrokerCertificate::default();
    let others = Secured::make(&others, Protocol::Ssl, &certificate).unwrap();
    let foreign = others.client_properties.with_file_name("client.pem");
    let foreign = foreign.display().to_string();
    let words = [
        "does not accept the client certificate",
        "ssl.keystore.location",
    ];
    bench.fails(4, &[("ssl.keystore.location", &foreign)], &words);
    let foreign = others.authority.display().to_string();
    let words = ["no authority that is trusted", "ssl.truststore.location"];
    bench.fails(4, &[("ssl.truststore.location", &foreign)], &words);
    let sasl = format!("{PLAIN} username=\"u\" password=\"planted-a\";");
    let sasl = [
        ("security.protocol", "SASL_SSL"),
        ("sasl.mechanism", "PLAIN"),
        ("sasl.jaas.config", &sasl),
    ];
    bench.fails(4, &sasl, &["asks for no SASL", "set security.protocol=SSL"]);
    let words = ["`ssl.trustore.location`; did you mean `ssl.truststore.location`?"];
    bench.fails(2, &[("ssl.trustore.location", "planted-b")], &words);
}

#[test]
fn a_detached_stack_says_where_its_configuration_is() {
    let _turn = turn();
    let state = tempfile::tempdir().unwrap();
    let stack = |args: &[&str]| {
        let mut command = ackproof();
        command
            .arg("stack")
            .args(args)
            .env("XDG_STATE_HOME", state.path());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    stack(&[
        "up",
        "--detach",
        "--name",
        "secured",
        "--security",
        "sasl-plaintext",
    ]);
    let status = stack(&["status", "--name", "secured", "--format", "json"]);
    let status: Value = serde_json::from_str(&status).unwrap();
    let at = status["stack"]["bootstrap_servers"][0].as_str().unwrap();
    let config = PathBuf::from(status["stack"]["client_properties"].as_str().unwrap());
    let bench = Bench::new(at.to_owned(), &config);
    bench.works(&[]);
    stack(&["down", "--name", "secured"]);
    assert!(!config.exists());
}

/// A broker of our own with this certificate, and what else it is to be told.
fn broker(
    runtime: &Runtime,
    dir: &Path,
    protocol: Protocol,
    certificate: &BrokerCertificate,
    more: &[(&str, &str)],
) -> (Stack, Bench) {
    let secured = Secured::make(&dir.join("security"), protocol, certificate).unwrap();
    let kafka = Kafka::find(Parts::Kafka);
    let mut config = secured.broker_config;
    config.extend(testkit::config(more));
    let spec = StackSpec {
        broker_config: config,
        secrets: secured.secrets,
        ..kafka.spec(dir.join("stack"))
    };
    let stack = runtime.block_on(kafka.start(spec));
    let at = stack.bootstrap_servers()[0].to_string();
    let mut bench = Bench::new(at, &secured.client_properties);
    // SCRAM's users are told to a running broker only.
    if protocol == Protocol::SaslSsl {
        let jaas = format!(
            "{PLAIN} username=\"{USER}\" password=\"{}\";",
            bench.password
        );
        bench.right.insert("sasl.jaas.config".to_owned(), jaas);
        bench
            .right
            .insert("sasl.mechanism".to_owned(), "PLAIN".to_owned());
    }
    (stack, bench)
}

#[test]
fn a_certificate_that_has_expired() {
    let _turn = turn();
    let (runtime, dir) = (Runtime::new().unwrap(), tempfile::tempdir().unwrap());
    let certificate = BrokerCertificate {
        last_year: 2020,
        ..BrokerCertificate::default()
    };
    let (stack, bench) = broker(&runtime, dir.path(), Protocol::Ssl, &certificate, &[]);
    bench.fails(4, &[], &["has expired (it was valid until 2020-12-31)"]);
    runtime.block_on(stack.stop(Duration::from_secs(2)));
}

/// A certificate for another host, tokens, and sessions that end: one broker for all three.
#[test]
fn another_host_tokens_and_sessions_that_end() {
    let _turn = turn();
    let (runtime, dir) = (Runtime::new().unwrap(), tempfile::tempdir().unwrap());
    let certificate = BrokerCertificate {
        hosts: vec!["other.example".to_owned()],
        ..BrokerCertificate::default()
    };
    let of_brokers = format!("{OAUTH} unsecuredLoginStringClaim_sub=\"broker\";");
    let more = [
        (
            "listener.name.client.sasl.enabled.mechanisms",
            "PLAIN,OAUTHBEARER",
        ),
        (
            "listener.name.client.oauthbearer.sasl.jaas.config",
            of_brokers.as_str(),
        ),
        (
            "listener.name.client.plain.connections.max.reauth.ms",
            "3000",
        ),
    ];
    let (stack, mut bench) = broker(&runtime, dir.path(), Protocol::SaslSsl, &certificate, &more);
    bench.fails(4, &[], &["not for this host name", "other.example"]);
    let off = ("ssl.endpoint.identification.algorithm", " ");
    bench.right.insert(off.0.to_owned(), off.1.to_owned());
    let said = bench.said(&[]);
    assert!(said.starts_with("exit 0\n"), "{said}");
    assert!(said.contains("host names are not checked"), "{said}");

    let token = bench.token_file(TOKEN);
    let module = format!("{OAUTH} extension_cluster=\"lkc\";");
    let bearer = [
        ("sasl.mechanism", "OAUTHBEARER"),
        ("sasl.jaas.config", module.as_str()),
        ("sasl.oauthbearer.token.endpoint.url", token.as_str()),
    ];
    bench.works(&bearer);
    bench.token_file("planted-no-token");
    bench.fails(4, &bearer, &["refused to authenticate by OAUTHBEARER"]);
    fs::remove_file(token.strip_prefix("file://").unwrap()).unwrap();
    bench.fails(
        4,
        &bearer,
        &["cannot authenticate", "cannot read the token in"],
    );

    let url = token_endpoint();
    let client =
        |secret: &str| format!("{OAUTH} clientId=\"id\" clientSecret=\"{secret}\" scope=\"s\";");
    let fetched = |module: &str, url: &str| {
        [
            ("sasl.mechanism".to_owned(), "OAUTHBEARER".to_owned()),
            ("sasl.jaas.config".to_owned(), module.to_owned()),
            (
                "sasl.oauthbearer.token.endpoint.url".to_owned(),
                url.to_owned(),
            ),
        ]
    };
    let with = |keys: &[(String, String); 3]| -> String {
        let keys: Vec<(&str, &str)> = keys.iter().map(|(key, value)| (&**key, &**value)).collect();
        bench.said(&keys)
    };
    let said = with(&fetched(&client("planted-right"), &url));
    assert!(said.starts_with("exit 0\n"), "{said}");
    let said = with(&fetched(&client("planted-wrong"), &url));
    told(
        &said,
        4,
        &[
            "answers 401: invalid_client",
            "check the client's id and secret",
        ],
    );
    let absent = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let absent = format!("http://{absent}/token");
    let said = with(&fetched(&client("planted-right"), &absent));
    told(&said, 4, &["was not answered"]);

    cleaned_up(&bench, &stack.direct_servers()[0].to_string());
    let security = ClientSecurity::read(&bench.config(&[])).unwrap();
    runtime.block_on(stays_authenticated(&bench.at, security));
    runtime.block_on(stack.stop(Duration::from_secs(2)));
}

const SCENARIO: &str = r#"
name = "mine"
title = "Mine"

[[topic]]
name = "orders"
partitions = 1
replication_factor = 1

[[producer]]
topic = "orders"
records = 20
records_per_s = 100
record_bytes = 256
config = { acks = "all" }

[[guarantee]]
claim = "no-loss"
"#;

/// A run by a plain listener, whose cluster has only the secured one by now.
fn cleaned_up(bench: &Bench, direct: &str) {
    let place = bench.dir.path();
    fs::write(place.join("mine.toml"), SCENARIO).unwrap();
    let mut run = ackproof();
    run.current_dir(place)
        .args(["run", "mine.toml", "--out", "r", "--bootstrap", direct]);
    let run = run.output().unwrap();
    assert!(run.status.success(), "{run:?}");
    let plan = place.join("r/plan.json");
    let text = fs::read_to_string(&plan)
        .unwrap()
        .replace(direct, &bench.at);
    fs::write(&plan, text).unwrap();
    let config = bench.config(&[]);
    let cleanup = |more: &[&str]| {
        let output = ackproof()
            .args(["cleanup", "r"])
            .args(more)
            .current_dir(place)
            .output();
        let output = output.unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        format!("exit {}\n{said}", output.status.code().unwrap())
    };
    told(&cleanup(&[]), 4, &["the listener speaks TLS"]);
    let said = cleanup(&["--command-config", config.to_str().unwrap()]);
    assert!(said.starts_with("exit 0\n"), "{said}");
    assert!(said.contains("nothing to do"), "{said}");
}

/// Beyond two lifetimes of its session a connection is still good.
async fn stays_authenticated(at: &str, security: ClientSecurity) {
    let options = ClientOptions {
        security,
        ..ClientOptions::default()
    };
    let counts = options.requests.clone();
    let mut connection = Connection::connect(at, options).await.unwrap();
    for _ in 0..4 {
        connection.metadata(Topics::Named(&[])).await.unwrap();
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    connection.metadata(Topics::Named(&[])).await.unwrap();
    assert!(
        counts.by_name()["SaslHandshake"] >= 3,
        "{:?}",
        counts.by_name()
    );
}

/// An endpoint that gives the token to who has the secret; returns its address.
fn token_endpoint() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut asked = Vec::new();
            let mut bytes = [0; 4096];
            while !String::from_utf8_lossy(&asked).contains("grant_type=client_credentials&scope=s")
            {
                let read = stream.read(&mut bytes).unwrap();
                if read == 0 {
                    break;
                }
                asked.extend_from_slice(&bytes[..read]);
            }
            // `id:planted-right`.
            let is_right =
                String::from_utf8_lossy(&asked).contains("Basic aWQ6cGxhbnRlZC1yaWdodA==");
            let (status, body) = if is_right {
                (
                    "200 OK",
                    format!("{{\"access_token\":\"{TOKEN}\",\"expires_in\":60}}"),
                )
            } else {
                (
                    "401 Unauthorized",
                    "{\"error\":\"invalid_client\"}".to_owned(),
                )
            };
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
                 Connection: close\r\n\r\n{body}"
            );
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    format!("http://{address}/token")
}
