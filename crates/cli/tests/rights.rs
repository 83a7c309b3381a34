//! The ACLs that the guide tells users to give, with Kafka's own authorizer: with them
//! everything works, and without each of them it is named and nothing is left behind.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::fs;
use std::path::Path;
use std::time::Duration;

use kafka_protocol::messages::create_acls_request::AclCreation;
use kafka_protocol::messages::delete_acls_request::DeleteAclsFilter;
use kafka_protocol::messages::{CreateAclsRequest, DeleteAclsRequest};
use kafka_protocol::protocol::StrBytes;
use stack::artefacts::Parts;
use stack::embedded::StackSpec;
use stack::secured::{BrokerCertificate, Protocol, Secured, USER};
use testkit::{Kafka, send_request};

use processes::ackproof;

#[allow(dead_code, reason = "others use more of it")]
mod processes;

const GUIDE: &str = include_str!("../../../docs/guides/cluster.md");

const SCENARIO: &str = r#"
name = "rights"
title = "All that needs a right"

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
records = 60
records_per_s = 100
record_bytes = 256
config = { acks = "all", "enable.idempotence" = "true" }

[[transform]]
name = "biller"
from = "orders"
to = "invoices"
records_per_s = 300
commit_every_records = 20
transactions = true
record_bytes = 256

[[group]]
name = "ledger"
topic = "invoices"
records_per_s = 300
commit_every_records = 10
config = { "isolation.level" = "read_committed" }

[[guarantee]]
claim = "no-loss"

[[guarantee]]
claim = "no-group-gap"
"#;

/// The guide's commands, each a list of arguments for the tool.
fn commands() -> Vec<Vec<String>> {
    let text = GUIDE.replace("\\\n", " ");
    let lines = text
        .lines()
        .filter_map(|it| it.strip_prefix("$ kafka-acls "));
    let commands = lines.map(|line| {
        let mut words = line.split_whitespace();
        let mut kept = Vec::new();
        while let Some(word) = words.next() {
            match word {
                "--bootstrap-server" | "--command-config" => drop(words.next()),
                "User:ackproof" => kept.push(format!("User:{USER}")),
                word => kept.push(word.to_owned()),
            }
        }
        kept
    });
    commands.collect()
}

/// One right, by the numbers of Kafka's protocol.
struct Right {
    resource: i8,
    name: &'static str,
    /// Literal or prefixed.
    pattern: i8,
    operation: i8,
    /// What is said without it.
    words: &'static str,
}

const TOPIC: (i8, &str, i8) = (2, "ackproof-", 4);
const GROUP: (i8, &str, i8) = (3, "ackproof-", 4);
const TRANSACTIONAL_ID: (i8, &str, i8) = (5, "ackproof-", 4);
const CLUSTER: (i8, &str, i8) = (4, "kafka-cluster", 3);

const fn right(of: (i8, &'static str, i8), operation: i8, words: &'static str) -> Right {
    Right {
        resource: of.0,
        name: of.1,
        pattern: of.2,
        operation,
        words,
    }
}

/// Every right that the guide has, as a test that it does not name one too many.
const RIGHTS: [Right; 9] = [
    right(
        TOPIC,
        5,
        "the right Create on topics whose names begin with `ackproof-`",
    ),
    right(
        TOPIC,
        3,
        "the right Read on topics whose names begin with `ackproof-`",
    ),
    right(
        TOPIC,
        4,
        "the right Write on topics whose names begin with `ackproof-`",
    ),
    right(
        TOPIC,
        6,
        "the right Delete on topics whose names begin with `ackproof-`",
    ),
    right(
        TOPIC,
        10,
        "the right DescribeConfigs on topics whose names begin with `ackproof-`",
    ),
    right(
        GROUP,
        3,
        "the right Read on groups whose names begin with `ackproof-`",
    ),
    right(
        GROUP,
        6,
        "the right Delete on groups whose names begin with `ackproof-`",
    ),
    right(
        TRANSACTIONAL_ID,
        4,
        "the right Write on transactional ids that begin with `ackproof-`",
    ),
    right(
        CLUSTER,
        10,
        "the brokers' settings cannot be read (DescribeConfigs",
    ),
];

impl Right {
    async fn take(&self, direct: &str) {
        let filter = DeleteAclsFilter::default()
            .with_resource_type_filter(self.resource)
            .with_resource_name_filter(Some(StrBytes::from_static_str(self.name)))
            .with_pattern_type_filter(self.pattern)
            .with_principal_filter(Some(StrBytes::from_string(format!("User:{USER}"))))
            .with_host_filter(Some(StrBytes::from_static_str("*")))
            .with_operation(self.operation)
            .with_permission_type(3);
        let request = DeleteAclsRequest::default().with_filters(vec![filter]);
        let answer = send_request(direct, request, 1).await;
        let taken = &answer.filter_results[0];
        assert_eq!(taken.error_code, 0, "{taken:?}");
        assert_eq!(
            taken.matching_acls.len(),
            1,
            "the guide gives {}",
            self.words
        );
    }

    async fn give(&self, direct: &str) {
        let creation = AclCreation::default()
            .with_resource_type(self.resource)
            .with_resource_name(StrBytes::from_static_str(self.name))
            .with_resource_pattern_type(self.pattern)
            .with_principal(StrBytes::from_string(format!("User:{USER}")))
            .with_host(StrBytes::from_static_str("*"))
            .with_operation(self.operation)
            .with_permission_type(3);
        let request = CreateAclsRequest::default().with_creations(vec![creation]);
        let answer = send_request(direct, request, 1).await;
        assert_eq!(answer.results[0].error_code, 0, "{answer:?}");
    }
}

/// What a run says, its exit code before it.
fn run(place: &Path, at: &str, out: &str) -> String {
    let ran = ackproof()
        .current_dir(place)
        .args(["run", "rights.toml", "--seed", "1", "--bootstrap", at])
        .args(["--command-config", "client.properties", "--out", out])
        .output()
        .unwrap();
    let said = String::from_utf8([ran.stdout, ran.stderr].concat()).unwrap();
    format!("exit {}\n{said}", ran.status.code().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rights_of_the_guide_are_enough_and_none_is_too_many() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path();
    let certificate = BrokerCertificate::default();
    let secured = Secured::make(
        &place.join("security"),
        Protocol::SaslPlaintext,
        &certificate,
    )
    .unwrap();
    let kafka = Kafka::find(Parts::Kafka);
    let mut config = secured.broker_config.clone();
    config.extend(testkit::config(&[
        (
            "authorizer.class.name",
            "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        ),
        // The brokers themselves, and this test, on listeners without SASL.
        ("super.users", "User:ANONYMOUS"),
    ]));
    let spec = StackSpec {
        broker_config: config,
        secrets: secured.secrets,
        ..kafka.spec(place.join("stack"))
    };
    let stack = kafka.start(spec).await;
    let at = stack.bootstrap_servers()[0].to_string();
    let direct = stack.direct_servers()[0].to_string();
    let plain = "org.apache.kafka.common.security.plain.PlainLoginModule";
    let password = &secured.password;
    let client = format!(
        "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\n\
         sasl.jaas.config={plain} required username=\"{USER}\" password=\"{password}\";\n"
    );
    fs::write(place.join("client.properties"), client).unwrap();
    fs::write(place.join("rights.toml"), SCENARIO).unwrap();

    let none = run(place, &at, "none");
    assert!(none.starts_with("exit 4\n"), "{none}");
    assert!(none.contains(RIGHTS[0].words), "{none}");
    let commands = commands();
    assert_eq!(commands.len(), 4, "{commands:?}");
    for command in &commands {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        kafka.tool(&direct, "AclCommand", &words);
    }
    let all = run(place, &at, "all");
    assert!(all.starts_with("exit 0\n"), "{all}");
    assert!(!all.contains("left behind"), "{all}");
    for (number, right) in RIGHTS.iter().enumerate() {
        right.take(&direct).await;
        // A broker hears of it a little later than the controller.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let said = run(place, &at, &format!("r{number}"));
        let exit = if right.resource == CLUSTER.0 { 0 } else { 4 };
        assert!(said.starts_with(&format!("exit {exit}\n")), "{said}");
        assert!(said.contains(right.words), "{}\n{said}", right.words);
        assert!(!said.contains("left behind"), "{said}");
        right.give(&direct).await;
    }
    let given: usize = commands
        .iter()
        .map(|it| it.iter().filter(|word| *word == "--operation").count())
        .sum();
    assert_eq!(given, RIGHTS.len());
    stack.stop(Duration::from_secs(2)).await;
}
