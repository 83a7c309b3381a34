//! Scenarios as data: what a scenario file means once it has been read. The
//! file's own form, with its errors, is in [`parse`]. Knows nothing of how a
//! scenario is carried out.

use secret::Secrets;
use serde::{Deserialize, Serialize};

use crate::claim::Guarantee;

mod captured;
mod config;
pub mod defaults;
mod embedded;
mod fault;
mod foreign;
mod internal;
mod names;
mod occurrence;
mod parse;
pub mod settings;
mod transform;
pub mod words;

pub use config::Config;
pub use embedded::{EMBEDDED, embedded};
pub use fault::*;
pub use foreign::Misfit;
pub use internal::Keeper;
pub use occurrence::{Happening, Occurrence};
pub use parse::{
    Half, Problem, ScenarioError, PathStep, locate, near, nearest, parse, parse_for_cluster,
};
pub use transform::{Transactions, Transform};

/// What is sent, what is broken and when, and what is claimed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The name, unique among the embedded ones.
    pub name: String,
    /// One line for people.
    pub title: String,
    /// The suite that runs it.
    pub suite: String,
    /// What must hold, in words, for the report.
    pub criterion: String,
    /// Why anybody should care.
    pub why: String,
    /// What is expected to be seen, in words; compared with nothing.
    pub expected: String,
    /// What runs.
    #[serde(default)]
    pub topology: Topology,
    /// The topics that are created before traffic starts.
    #[serde(default, rename = "topic")]
    pub topics: Vec<Topic>,
    /// Who sends.
    #[serde(default, rename = "producer")]
    pub producers: Vec<Producer>,
    /// Who reads.
    #[serde(default, rename = "group")]
    pub groups: Vec<Group>,
    /// Who reads and writes.
    #[serde(default, rename = "transform")]
    pub transforms: Vec<Transform>,
    /// Change data capture, if the scenario has it.
    #[serde(default)]
    pub capture: Option<Capture>,
    /// What is written to the database, in order.
    #[serde(default, rename = "write")]
    pub writes: Vec<Write>,
    /// How fast brokers let clients be.
    #[serde(default, rename = "quota", skip_serializing_if = "Vec::is_empty")]
    pub quotas: Vec<Quota>,
    /// What is broken, in order.
    #[serde(default, rename = "fault")]
    pub faults: Vec<Fault>,
    /// What is claimed.
    #[serde(default, rename = "guarantee")]
    pub guarantees: Vec<Guarantee>,
    /// What it is about, and so has to happen; where it does not say, what its
    /// topics' settings are there for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub must_happen: Option<Vec<Happening>>,
    /// How long groups and connectors may take to reach the end after traffic
    /// has ended, in milliseconds.
    #[serde(default = "drain_timeout_ms_default")]
    pub drain_timeout_ms: u64,
}

/// Keys that one producer's records have, at most: the checker knows of each
/// where its latest record stands.
pub const KEYS_MAX: u64 = 100_000;

const fn drain_timeout_ms_default() -> u64 {
    60_000
}

/// What runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topology {
    /// Combined brokers and controllers, 1 to 3.
    #[serde(default = "one_broker")]
    pub brokers: u8,
    /// How subjects reach the brokers.
    #[serde(default)]
    pub link: Link,
    /// How brokers reach each other, to replicate.
    #[serde(default)]
    pub replication_link: Link,
    /// Broker configuration on top of the defaults.
    #[serde(default)]
    pub config: Config,
}

const fn one_broker() -> u8 {
    1
}

impl Default for Topology {
    fn default() -> Self {
        Self {
            brokers: 1,
            link: Link::Direct,
            replication_link: Link::Direct,
            config: Config::new(),
        }
    }
}

/// How whoever connects to brokers reaches them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Link {
    /// Straight.
    #[default]
    Direct,
    /// Through the fault proxy.
    Proxy,
}

/// A topic to create.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topic {
    /// The name.
    pub name: String,
    /// Partitions, at least 1.
    pub partitions: i32,
    /// Replicas of each partition, at most as many as brokers.
    pub replication_factor: i16,
    /// Topic configuration.
    #[serde(default)]
    pub config: Config,
}

/// A client quota: how fast brokers let clients be. It is in force while there
/// is traffic, and gone before the truth is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// Clients of this `client.id`; where neither is said, each `client.id`
    /// for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Clients of this user; `ANONYMOUS` is who does not authenticate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The quotas, in Kafka's names.
    pub config: Config,
}

/// The quotas that clients can have, in Kafka's names.
pub(crate) const QUOTA_KEYS: [&str; 3] = [
    "producer_byte_rate",
    "consumer_byte_rate",
    "request_percentage",
];

impl Quota {
    /// Whom it is for, in words.
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
#[serde(deny_unknown_fields)]
pub struct Producer {
    /// Where it sends.
    pub topic: String,
    /// How many records.
    pub records: u64,
    /// How many a second.
    pub records_per_s: u32,
    /// Bytes of each value.
    pub record_bytes: u32,
    /// Every record of this number (the 10th, the 20th, …) is a large one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub large_every: Option<u64>,
    /// Bytes of each large value; goes with `large_every`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub large_bytes: Option<u32>,
    /// How many keys its records have, in turn; every record has a key of its
    /// own where it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<u64>,
    /// Client configuration, in the Java client's names.
    #[serde(default)]
    pub config: Config,
}

/// A consumer group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// The `group.id`.
    pub name: String,
    /// The topic it subscribes to.
    pub topic: String,
    /// How many consumers.
    #[serde(default = "one_member")]
    pub members: u32,
    /// How many records each processes in a second.
    pub records_per_s: u32,
    /// When a member commits.
    #[serde(default)]
    pub commit: Commit,
    /// A member commits after it has processed this many records, and when it
    /// stops cleanly; where it commits before processing, after it has taken
    /// so many in hand. Means nothing where the client commits by itself.
    #[serde(default = "one_record")]
    pub commit_every_records: u64,
    /// How many records a member takes in hand, at most, before it processes
    /// them one by one. It does not poll while it has any.
    #[serde(default = "one_record")]
    pub max_poll_records: u64,
    /// Whether a member makes sure that a partition is still its own before it
    /// processes a record of it.
    #[serde(default)]
    pub fence: Fence,
    /// When it starts.
    #[serde(default)]
    pub start: GroupStart,
    /// Whether the application treats all records as committed, whatever its
    /// `isolation.level` is: the claim `read-committed` holds it to that.
    #[serde(default)]
    pub requires_read_committed: bool,
    /// Client configuration, in the Java client's names. `{member}` in a
    /// value stands for the member's number in the group.
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
#[serde(rename_all = "kebab-case")]
pub enum Commit {
    /// What it has processed.
    #[default]
    After,
    /// What it has taken in hand, before it processes it.
    Before,
    /// The client commits what it has handed out, on its own, every
    /// `auto.commit.interval.ms`.
    Auto,
}

/// Whether a member makes sure that a partition is still its own before it
/// processes a record of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
#[serde(rename_all = "kebab-case")]
pub enum GroupStart {
    /// Before the first record is sent; it has its partitions by then.
    #[default]
    BeforeProducers,
    /// When everything has been sent and has an outcome.
    AfterProducers,
}

/// Change data capture: `PostgreSQL`, Debezium and Kafka Connect. The tables
/// are `videos`, `users` and `comments`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capture {
    /// The connector's name.
    pub connector: String,
    /// The replication slot.
    pub slot: String,
    /// The publication.
    pub publication: String,
    /// `topic.prefix`: events of a table go to `PREFIX.public.TABLE`.
    pub prefix: String,
    /// Connector configuration on top of the defaults.
    #[serde(default)]
    pub config: Config,
    /// Connect worker configuration on top of the defaults.
    #[serde(default)]
    pub worker_config: Config,
}

/// The tables of the capture scenarios, in the order in which they are made.
pub const TABLES: [&str; 3] = ["videos", "users", "comments"];

/// Rows to write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Write {
    /// The table, one of [`TABLES`].
    pub table: String,
    /// How many rows to insert.
    pub rows: u64,
    /// How.
    #[serde(default)]
    pub how: WriteHow,
    /// Inserts a second; 0 is as fast as the database answers. Not for `copy`.
    #[serde(default)]
    pub rows_per_s: u32,
    /// What to wait for first, beyond the previous write.
    #[serde(default)]
    pub after: Option<Trigger>,
    /// When it starts.
    #[serde(default)]
    pub start: WriteStart,
}

/// When rows are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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

    /// What must not be written anywhere: the secrets of all that is
    /// configured, as clients are given them.
    pub fn secrets(&self) -> Secrets {
        let topics = self.topics.iter().map(|topic| &topic.config);
        let quotas = self.quotas.iter().map(|quota| &quota.config);
        let producers = self.producers.iter().map(|producer| &producer.config);
        let capture = self.capture.iter();
        let capture = capture.flat_map(|capture| [&capture.config, &capture.worker_config]);
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
