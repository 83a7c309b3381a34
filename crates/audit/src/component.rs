//! What an input is read into: components, each with its settings and where they were
//! read. Knows nothing of file formats and rules.

use std::fmt;

use serde::Serialize;

use crate::product::Software;

/// What a component is in a pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A client that writes.
    Producer,
    /// A client that reads.
    Consumer,
    /// A client of which the settings do not tell whether it reads or writes.
    Client,
    /// A Kafka Streams application.
    Streams,
    /// A broker.
    Broker,
    /// A node that is a controller only.
    Controller,
    /// A topic.
    Topic,
    /// A consumer group in a cluster.
    Group,
    /// A Connect worker.
    Worker,
    /// A connector that reads from elsewhere into Kafka.
    Source,
    /// A connector that writes from Kafka to elsewhere.
    Sink,
    /// `MirrorMaker` 2.
    Mirror,
    /// A `PostgreSQL` server.
    Database,
    /// A table of such a server.
    Table,
}

impl Kind {
    /// As people say it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Producer => "producer",
            Self::Consumer => "consumer",
            Self::Client => "client",
            Self::Streams => "Streams application",
            Self::Broker => "broker",
            Self::Controller => "controller",
            Self::Topic => "topic",
            Self::Group => "group",
            Self::Worker => "Connect worker",
            Self::Source => "source connector",
            Self::Sink => "sink connector",
            Self::Mirror => "MirrorMaker",
            Self::Database => "database",
            Self::Table => "table",
        }
    }
}

/// Where a setting was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// In a file.
    File {
        /// As the user names it.
        path: String,
        /// From 1.
        line: usize,
    },
    /// From a running system, such as `broker 1` or `http://connect:8083`.
    Live {
        /// Which part of it.
        of: String,
        /// Whether nothing set it there.
        is_default: bool,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line } => write!(f, "{path}:{line}"),
            Self::Live { of, .. } => f.write_str(of),
        }
    }
}

/// One setting as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadSetting {
    /// The key by its own documentation, in dots: `KAFKA_MIN_INSYNC_REPLICAS` is
    /// `min.insync.replicas`. A key that begins with `@` is a fact of the component that
    /// no configuration holds, such as its image.
    pub key: String,
    /// The key as it is written there, with its way to it.
    pub path: String,
    /// Its value.
    pub value: String,
    /// Where.
    pub origin: Origin,
}

/// Facts of components that stand in no configuration.
pub mod fact {
    /// The container's image.
    pub const IMAGE: &str = "@image";
    /// How many instances are deployed.
    pub const REPLICAS: &str = "@replicas";
    /// `ephemeral` where the data goes with the container, `persistent` where it stays.
    pub const STORAGE: &str = "@storage";
    /// How long a container may take to stop, in seconds.
    pub const STOP_GRACE_S: &str = "@stop-grace-s";
    /// The replicas of a topic.
    pub const REPLICATION_FACTOR: &str = "@replication.factor";
    /// A table's primary key, `none` without.
    pub const PRIMARY_KEY: &str = "@primary-key";
    /// A table's replica identity.
    pub const REPLICA_IDENTITY: &str = "@replica-identity";
    /// Tables of a publication, separated by commas.
    pub const PUBLISHED: &str = "@published";
    /// A column whose values are stored out of line when they are long.
    pub const TOAST: &str = "@toast";
    /// Whether the server reads a configuration file that was not given.
    pub const CONFIG_FILE: &str = "@config-file";
    /// The finalised level of a feature follows: `@feature.transaction.version`.
    pub const FEATURE: &str = "@feature.";
    /// Records of a group that were deleted before it read them.
    pub const DELETED_UNREAD: &str = "@deleted-unread";
    /// The name of the service in its compose file.
    pub const SERVICE: &str = "@service";
}

/// A part of the pipeline, with its settings.
#[derive(Clone, Debug)]
pub struct Component {
    /// What it is.
    pub kind: Kind,
    /// What people call it: a service, a topic, a connector, a file.
    pub name: String,
    /// Whose configuration it is; none where nothing tells.
    pub software: Option<Software>,
    /// The file, or the address, that it is from.
    pub file: String,
    /// Its settings in the order of reading: the last of a key is in force.
    pub settings: Vec<ReadSetting>,
}

impl Component {
    /// One without settings.
    pub fn new(kind: Kind, name: impl Into<String>, file: impl Into<String>) -> Self {
        Self {
            kind,
            name: name.into(),
            software: None,
            file: file.into(),
            settings: Vec::new(),
        }
    }

    /// The setting of a key, where it is set.
    pub fn set(&self, key: &str) -> Option<&ReadSetting> {
        self.settings.iter().rev().find(|it| it.key == key)
    }

    /// The value of a key, where it is set.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.set(key).map(|it| it.value.as_str())
    }

    /// Settings of keys that begin so.
    pub fn with_prefix<'c>(&'c self, prefix: &'c str) -> impl Iterator<Item = &'c ReadSetting> {
        self.settings
            .iter()
            .filter(move |it| it.key.starts_with(prefix))
    }

    /// As it is called in a sentence.
    pub fn label(&self) -> String {
        format!("{} {}", self.kind.name(), self.name)
    }
}
