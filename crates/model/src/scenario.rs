//! Scenarios as data: what a scenario file means once it has been read. The
//! file's own form, with its errors, is in [`parse`]. Knows nothing of how a
//! scenario is carried out.

use secret::Secrets;
use serde::{Deserialize, Serialize};

use crate::claim::Guarantee;
use crate::pace::Pace;
use client::{ClientExpectation, ClientSpec};

mod alert;
mod app;
mod captured;
pub mod client;
mod config;
pub mod defaults;
mod embedded;
mod fault;
mod features;
mod foreign;
mod internal;
mod names;
mod occurrence;
mod parse;
mod releases;
pub mod settings;
mod transform;
pub mod words;

pub use alert::Alert;
pub use app::{App, Effects};
pub use config::Config;
pub use embedded::{EMBEDDED, embedded};
pub use fault::*;
pub use features::{FEATURES, Features, KafkaFeature};
pub use foreign::BrokerHold;
pub use internal::Keeper;
pub use occurrence::{Occurrence, OccurrenceKind};
pub use parse::{
    Half, PathStep, Problem, ScenarioError, locate, near, nearest, parse, parse_for_cluster,
};
pub use releases::NamedReleases;
pub use transform::{CommitWhen, Transactions, Transform};

/// A scenario: what runs, what is sent, what is broken and when, and what is claimed.
/// Documented in docs/reference/scenarios.md. `ackproof explain FILE` also checks rules
/// across tables (that a topic exists, that a fault has the proxy it needs).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(title = "ackproof scenario", transform = crate::schema::rules::of_scenario))]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The scenario's name: its folder in the run directory. Letters, digits,
    /// `.`, `_`, `-`.
    #[cfg_attr(test, schemars(regex(pattern = r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$")))]
    pub name: String,
    /// One line for people.
    pub title: String,
    /// The suite it belongs to.
    #[serde(default = "own_suite")]
    pub suite: String,
    /// The success criterion, in words, for the report.
    #[serde(default)]
    pub criterion: String,
    /// Why it matters, in words, for the report.
    #[serde(default)]
    pub why: String,
    /// The expected result, in words; compared with nothing.
    #[serde(default)]
    pub expected: String,
    /// Why the scenario is about the clients that it names: `--client` does not
    /// replace them, and leaves the scenario out where it names others. Where
    /// the key is missing, it replaces them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about_client: Option<String>,
    /// The brokers and their links.
    #[serde(default)]
    pub topology: Topology,
    /// The topics, created before traffic begins.
    #[serde(default, rename = "topic")]
    pub topics: Vec<Topic>,
    /// The producers.
    #[serde(default, rename = "producer")]
    pub producers: Vec<Producer>,
    /// The consumer groups.
    #[serde(default, rename = "group")]
    pub groups: Vec<Group>,
    /// The applications that read and write.
    #[serde(default, rename = "transform")]
    pub transforms: Vec<Transform>,
    /// Change data capture, if the scenario has it.
    #[serde(default)]
    pub capture: Option<Capture>,
    /// The rows to write to the database, in this order.
    #[serde(default, rename = "write")]
    pub writes: Vec<Write>,
    /// Client quotas.
    #[serde(default, rename = "quota", skip_serializing_if = "Vec::is_empty")]
    pub quotas: Vec<Quota>,
    /// The faults, numbered from 1 in the order of the file.
    #[serde(default, rename = "fault")]
    pub faults: Vec<Fault>,
    /// The claims. Each claim once.
    #[serde(default, rename = "guarantee")]
    #[cfg_attr(test, schemars(length(min = 1)))]
    pub guarantees: Vec<Guarantee>,
    /// An application of yours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<App>,
    /// What alerts are expected to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<Alert>,
    /// What other clients than the usual one are expected to do.
    #[serde(default, rename = "expect", skip_serializing_if = "Vec::is_empty")]
    pub expectations: Vec<ClientExpectation>,
    /// The events that the scenario tests: where one of these did not happen, nothing is
    /// HELD. Where the key is missing, the events that the settings imply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub must_happen: Option<Vec<OccurrenceKind>>,
    /// How long groups and connectors may take to reach the end after traffic
    /// has ended, in milliseconds.
    #[serde(default = "drain_timeout_ms_default")]
    #[cfg_attr(test, schemars(range(max = crate::schema::DURATION_MS_MAX)))]
    pub drain_timeout_ms: u64,
}

/// Keys that one producer's records have, at most: the checker knows of each
/// where its latest record stands.
pub const KEYS_MAX: u64 = 100_000;

/// Steps of a producer's rate, at most.
pub const STEPS_MAX: usize = 10_000;

/// Bytes of a record's value where a scenario does not say: room for its identity and for
/// the longest name of a topic.
const fn record_bytes_default() -> u32 {
    384
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
const fn is_zero(percent: &u8) -> bool {
    *percent == 0
}

fn own_suite() -> String {
    "own".to_owned()
}

const fn drain_timeout_ms_default() -> u64 {
    60_000
}

/// The brokers and their links.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "topology"))]
#[serde(deny_unknown_fields)]
pub struct Topology {
    /// Kafka's release, such as `3.9.1`. Where it is missing, the run's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kafka: Option<String>,
    /// Brokers, each a KRaft controller too.
    #[serde(default = "one_broker")]
    #[cfg_attr(test, schemars(range(min = 1, max = 3)))]
    pub brokers: u8,
    /// How clients reach the brokers; `network-cut`, `slow-network`,
    /// `answer-lost`, `request-refused` and `request-late` need the fault proxy.
    #[serde(default)]
    pub link: Link,
    /// How brokers reach each other; `link-cut` needs the fault proxy.
    #[serde(default)]
    pub replication_link: Link,
    /// Levels of Kafka's features that log directories are formatted with. Where
    /// one is missing, the level that this Kafka begins with.
    #[serde(default, skip_serializing_if = "Features::is_empty")]
    #[cfg_attr(test, schemars(schema_with = "crate::schema::rules::features"))]
    pub features: Features,
    /// Broker configuration on top of the defaults. Values are strings.
    #[serde(default)]
    pub config: Config,
}

const fn one_broker() -> u8 {
    1
}

impl Default for Topology {
    fn default() -> Self {
        Self {
            kafka: None,
            brokers: 1,
            link: Link::Direct,
            replication_link: Link::Direct,
            features: Features::new(),
            config: Config::new(),
        }
    }
}

/// How connections reach brokers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(inline))]
#[serde(rename_all = "kebab-case")]
pub enum Link {
    /// Straight.
    #[default]
    Direct,
    /// Through the fault proxy.
    Proxy,
}

/// A topic, created before traffic begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "topic"))]
#[serde(deny_unknown_fields)]
pub struct Topic {
    /// The topic's name.
    #[cfg_attr(
        test,
        schemars(regex(pattern = r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$"), length(max = 200))
    )]
    pub name: String,
    /// Partitions.
    #[cfg_attr(test, schemars(range(min = 1, max = 1000)))]
    pub partitions: i32,
    /// Replicas of each partition, at most as many as brokers.
    #[cfg_attr(test, schemars(range(min = 1, max = 3)))]
    pub replication_factor: i16,
    /// Topic configuration. Values are strings.
    #[serde(default)]
    pub config: Config,
    /// Whether the topic is made so on a user's cluster too, whatever its defaults and
    /// `--replication-factor`, `--topic-config` and `--like` say.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub as_written: bool,
}

/// A client quota: how fast brokers let clients be while there is traffic.
/// Without `client_id` and `user` it is for each `client.id` by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "quota"))]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// Clients of this `client.id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Clients of this user; `ANONYMOUS` is a client that does not authenticate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The quotas, in Kafka's names. Values are strings: numbers above 0.
    #[cfg_attr(test, schemars(schema_with = "crate::schema::rules::quotas"))]
    pub config: Config,
}

/// The quotas that clients can have, in Kafka's names.
pub(crate) const QUOTA_KEYS: [&str; 3] = [
    "producer_byte_rate",
    "consumer_byte_rate",
    "request_percentage",
];

impl Quota {
    /// The clients that it is for, in words.
    pub fn entity(&self) -> String {
        match (&self.user, &self.client_id) {
            (None, None) => "every client id".to_owned(),
            (None, Some(id)) => format!("client id {id}"),
            (Some(user), None) => format!("user {user}"),
            (Some(user), Some(id)) => format!("user {user}, client id {id}"),
        }
    }
}

/// A producer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "producer", transform = crate::schema::rules::of_producer))]
#[serde(deny_unknown_fields)]
pub struct Producer {
    /// The topic it sends to.
    pub topic: String,
    /// More topics: records go to each in turn, through one client.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also_to: Vec<String>,
    /// How many records it sends.
    #[cfg_attr(test, schemars(range(min = 1, max = 1_000_000_000)))]
    pub records: u64,
    /// How many a second.
    #[cfg_attr(test, schemars(range(min = 1, max = u32::MAX)))]
    pub records_per_s: u32,
    /// Rates of the first steps, in records a second, each for `step_ms`;
    /// `records_per_s` holds behind them. 0 is a pause.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(test, schemars(length(max = STEPS_MAX)))]
    pub steps_per_s: Vec<u32>,
    /// The length of a step, in milliseconds. Goes with `steps_per_s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(range(min = 1, max = crate::schema::DURATION_MS_MAX)))]
    pub step_ms: Option<u64>,
    /// When its schedule begins, in milliseconds from the beginning of traffic,
    /// whether its client is ready or not. Where it is missing, when the client
    /// is ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(range(max = crate::schema::DURATION_MS_MAX)))]
    pub start_ms: Option<u64>,
    /// Bytes of each value: at least 96 and the topic's name, which a record's
    /// identity may take. Where the topic is that of an `[app]`, its template decides.
    #[serde(default = "record_bytes_default")]
    #[cfg_attr(test, schemars(range(min = crate::record::OVERHEAD_BYTES_MAX + 1, max = 900_000)))]
    pub record_bytes: u32,
    /// Every record of this number (the 10th, the 20th, …) is a large one. Goes
    /// with `large_bytes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(range(min = 1)))]
    pub large_every: Option<u64>,
    /// Bytes of each large value. Goes with `large_every`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(range(min = crate::record::OVERHEAD_BYTES_MAX + 1, max = 10_000_000)))]
    pub large_bytes: Option<u32>,
    /// How many of every 100 bytes of a value's padding are one letter; the
    /// others are random, drawn from the record's identity.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[cfg_attr(test, schemars(range(max = 100)))]
    pub compressible_percent: u8,
    /// How many keys its records have, in turn; those of one key go to one
    /// partition. Where it is missing, every record has a key of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(range(min = 1, max = KEYS_MAX)))]
    pub keys: Option<u64>,
    /// The client: `librdkafka`, `java`, either with `:VERSION` or `:/PATH`, or
    /// `command:PROGRAM ARGS…`.
    #[serde(default)]
    pub client: ClientSpec,
    /// Producer configuration, in the Java client's names. Values are strings.
    #[serde(default)]
    pub config: Config,
}

impl Producer {
    /// Its rates, from the first record to the last.
    pub fn pace(&self) -> Pace {
        Pace {
            steps_per_s: self.steps_per_s.clone(),
            step_ms: self.step_ms.unwrap_or(0),
            records_per_s: self.records_per_s,
        }
    }

    /// The topics that it sends to, in turn.
    pub fn topics(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.topic)
            .chain(&self.also_to)
            .map(String::as_str)
    }

    /// How many of its records go to a topic, as [`crate::plan::topic_for`]
    /// shares them out.
    pub fn records_to(&self, topic: &str) -> u64 {
        let topics = 1 + self.also_to.len() as u64;
        let Some(at) = self.topics().position(|it| it == topic) else {
            return 0;
        };
        let among = |turns: u64| (turns + topics - 1 - at as u64) / topics;
        match self.keys {
            None | Some(0) => among(self.records),
            Some(keys) => {
                let rounds = self.records / keys;
                rounds
                    .saturating_mul(among(keys))
                    .saturating_add(among(self.records % keys))
            }
        }
    }
}

/// A consumer group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "group", transform = crate::schema::rules::of_group))]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// The `group.id`.
    pub name: String,
    /// The topic it subscribes to.
    pub topic: String,
    /// How many consumers, numbered from 1, each a process of its own.
    #[serde(default = "one_member")]
    #[cfg_attr(test, schemars(range(min = 1, max = 64)))]
    pub members: u32,
    /// How many records each member processes in a second.
    #[cfg_attr(test, schemars(range(min = 1, max = u32::MAX)))]
    pub records_per_s: u32,
    /// When a member commits.
    #[serde(default)]
    pub commit: Commit,
    /// A member commits after it has processed this many records, and when it
    /// stops cleanly; where it commits before processing, after it has taken so
    /// many in hand. Needed, but with `commit = "auto"`, where it means
    /// nothing.
    #[serde(default = "one_record")]
    #[cfg_attr(test, schemars(range(min = 1)))]
    pub commit_every_records: u64,
    /// How many records a member takes in hand, at most, before it processes
    /// them one by one; it does not poll meanwhile. At most 10 s of work.
    #[serde(default = "one_record")]
    #[cfg_attr(test, schemars(range(min = 1)))]
    pub max_poll_records: u64,
    /// Whether a member makes sure, before each record, that the partition is
    /// still its own. `commit` needs `commit = "after"`.
    #[serde(default)]
    pub fence: Fence,
    /// When it starts.
    #[serde(default)]
    pub start: GroupStart,
    /// Whether the application treats all records as committed, whatever its
    /// `isolation.level` is: the claim `read-committed` is then checked for it.
    #[serde(default)]
    pub requires_read_committed: bool,
    /// The members' client, as a producer's.
    #[serde(default)]
    pub client: ClientSpec,
    /// Consumer configuration, in the Java client's names. Values are strings.
    /// `{member}` stands for the member's number.
    #[serde(default)]
    pub config: Config,
}

const fn one_member() -> u32 {
    1
}

const fn one_record() -> u64 {
    1
}

/// When a member commits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(inline))]
#[serde(rename_all = "kebab-case")]
pub enum Commit {
    /// The processed records.
    #[default]
    After,
    /// The records that it has polled, before it processes them.
    Before,
    /// The client commits the records that it has handed out, on its own, every
    /// `auto.commit.interval.ms`.
    Auto,
}

/// Whether a member makes sure that a partition is still its own before it
/// processes a record of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(inline))]
#[serde(rename_all = "kebab-case")]
pub enum Fence {
    /// It takes it for granted.
    #[default]
    None,
    /// It commits its position first, and goes on only when the group's
    /// coordinator accepts it: the coordinator refuses a member that is none
    /// any more.
    Commit,
}

/// When a group starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(inline))]
#[serde(rename_all = "kebab-case")]
pub enum GroupStart {
    /// Before the first record is sent; it has its partitions by then.
    #[default]
    BeforeProducers,
    /// When everything has been sent and has an outcome.
    AfterProducers,
}

/// Change data capture: PostgreSQL with the tables videos, users and comments,
/// one Kafka Connect worker, and Debezium's connector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "capture"))]
#[serde(deny_unknown_fields)]
pub struct Capture {
    /// The connector's name.
    pub connector: String,
    /// The replication slot.
    pub slot: String,
    /// The publication.
    pub publication: String,
    /// Debezium's release, such as `3.6.3.Final`. Where it is missing, the
    /// run's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub debezium: Option<String>,
    /// `topic.prefix`: the events of a table go to `PREFIX.public.TABLE`.
    pub prefix: String,
    /// Connector configuration on top of the defaults. Values are strings.
    #[serde(default)]
    pub config: Config,
    /// Configuration of the Connect worker on top of the defaults. Values are
    /// strings.
    #[serde(default)]
    pub worker_config: Config,
    /// Configuration of the PostgreSQL server (`postgresql.conf`) on top of the
    /// defaults. Values are strings.
    #[serde(default)]
    pub database_config: Config,
}

/// The tables of the capture scenarios, in the order in which they are made.
pub const TABLES: [&str; 3] = ["videos", "users", "comments"];

/// Rows to insert. Needs `[capture]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "write", transform = crate::schema::rules::of_write))]
#[serde(deny_unknown_fields)]
pub struct Write {
    /// The table.
    #[cfg_attr(test, schemars(extend("enum" = TABLES)))]
    pub table: String,
    /// How many rows to insert.
    #[cfg_attr(test, schemars(range(min = 1, max = 10_000_000)))]
    pub rows: u64,
    /// How rows are written.
    #[serde(default)]
    pub how: WriteHow,
    /// Inserts a second; 0 is as fast as the database answers. Not with `copy`.
    #[serde(default)]
    #[cfg_attr(test, schemars(range(max = u32::MAX)))]
    pub rows_per_s: u32,
    /// A trigger to wait for, beyond the write before it. Not with `start =
    /// "before-capture"`.
    #[serde(default)]
    pub after: Option<Trigger>,
    /// When it starts. Writes before the capture stand before the others.
    #[serde(default)]
    pub start: WriteStart,
    /// The transaction that all its rows belong to, by a name of the scenario's:
    /// writes of one name share a transaction on a connection of its own, and
    /// the last of them commits it. Only for comments, with `how = "insert"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<String>,
    /// What the commit waits for. Needs `transaction`, in the last write of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit_after: Option<Trigger>,
}

/// When rows are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(inline))]
#[serde(rename_all = "kebab-case")]
pub enum WriteStart {
    /// When the connector streams changes.
    #[default]
    AfterCapture,
    /// Before the connector is created: only a snapshot can find the rows.
    BeforeCapture,
}

/// How rows are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(inline))]
#[serde(rename_all = "kebab-case")]
pub enum WriteHow {
    /// One transaction a row.
    #[default]
    Insert,
    /// One transaction a row; a comment also updates its video's counter in
    /// the same transaction.
    InsertAndTouch,
    /// All rows in one transaction, by COPY.
    Copy,
}

impl Scenario {
    /// The transaction that this write commits, if it does.
    pub fn commits(&self, write: usize) -> Option<&str> {
        let name = self.writes.get(write)?.transaction.as_deref()?;
        let mut later = self.writes.iter().skip(write + 1);
        let is_last = later.all(|it| it.transaction.as_deref() != Some(name));
        is_last.then_some(name)
    }

    /// How many members the group of that name has; one that writes is a group
    /// as well.
    pub fn members_of(&self, group: &str) -> Option<u32> {
        let groups = self.groups.iter().map(|group| (&group.name, group.members));
        let transforms = self.transforms.iter();
        let mut all = groups.chain(transforms.map(|it| (&it.name, it.members)));
        all.find(|(name, _)| *name == group)
            .map(|(_, members)| members)
    }

    /// The consumers' configuration of a group; nothing for one that is not
    /// there.
    pub(crate) fn config_of(&self, group: &str) -> &Config {
        const NOTHING: &Config = &Config::new();
        let groups = self.groups.iter().map(|group| (&group.name, &group.config));
        let transforms = self.transforms.iter();
        let mut all = groups.chain(transforms.map(|it| (&it.name, &it.config)));
        all.find(|(name, _)| *name == group)
            .map_or(NOTHING, |(_, config)| config)
    }

    /// Whether one of its faults leads to this.
    pub fn leads_to(&self, what: Consequence) -> bool {
        let mut kinds = self.faults.iter().map(|fault| fault.kind.definition());
        kinds.any(|kind| kind.leads_to.contains(&what))
    }

    /// The secrets of all configurations, which must not be written anywhere.
    pub fn secrets(&self) -> Secrets {
        let topics = self.topics.iter().map(|topic| &topic.config);
        let quotas = self.quotas.iter().map(|quota| &quota.config);
        let producers = self.producers.iter().map(|producer| &producer.config);
        let capture = self.capture.iter();
        let capture = capture.flat_map(|capture| {
            [
                &capture.config,
                &capture.worker_config,
                &capture.database_config,
            ]
        });
        let alike = std::iter::once(&self.topology.config)
            .chain(topics)
            .chain(quotas)
            .chain(producers)
            .chain(capture)
            .map(Config::secrets);
        let groups = self
            .groups
            .iter()
            .map(|group| (&group.config, group.members));
        let transforms = self.transforms.iter().flat_map(|transform| {
            [&transform.config, &transform.producer_config].map(|it| (it, transform.members))
        });
        let each = groups.chain(transforms).flat_map(|(config, members)| {
            let members = if config.secrets().is_empty() {
                0
            } else {
                members
            };
            let of_member = |number| Config::from(config.for_member(number)).secrets();
            std::iter::once(config.secrets()).chain((1..=members).map(of_member))
        });
        alike.chain(each).fold(Secrets::default(), Secrets::and)
    }

    /// All records that the producers are going to send.
    pub fn records(&self) -> u64 {
        self.producers.iter().map(|producer| producer.records).sum()
    }
}
