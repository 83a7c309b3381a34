//! How a cluster of the user's is reached, and what a run makes in it. What the options mean
//! is for `settings`.

use std::path::PathBuf;

use clap::Args;
use model::plan::NameMark;
use proxy::{HostPort, HostPortError};

use super::whole;

/// A setting, as Kafka's own tools take it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TopicSetting {
    pub(crate) key: String,
    pub(crate) value: String,
}

impl std::str::FromStr for TopicSetting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => Ok(Self {
                key: key.trim().to_owned(),
                value: value.trim().to_owned(),
            }),
            _ => Err("it takes KEY=VALUE".to_owned()),
        }
    }
}

/// An address to connect to in place of one that brokers advertise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResolvedAddress {
    pub(crate) advertised: HostPort,
    pub(crate) place: HostPort,
}

impl std::str::FromStr for ResolvedAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (advertised, place) = text
            .split_once('=')
            .ok_or("it takes HOST:PORT=HOST:PORT: what brokers advertise, and where that is")?;
        let address = |text: &str| {
            text.parse()
                .map_err(|error: HostPortError| error.to_string())
        };
        Ok(Self {
            advertised: address(advertised)?,
            place: address(place)?,
        })
    }
}

impl std::fmt::Display for ResolvedAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}={}", self.advertised, self.place)
    }
}

/// Where brokers are whose own addresses mean nothing here.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ResolveArgs {
    /// Connect to the second address in place of the first, which brokers
    /// advertise: kafka:9092=localhost:19092; several, each with its own --resolve
    #[arg(long = "resolve", value_name = "HOST:PORT=HOST:PORT")]
    pub(crate) resolve: Vec<ResolvedAddress>,
}

#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ClusterArgs {
    /// How the observer and the clients reach it, where it asks for TLS or SASL:
    /// a client.properties, as Kafka's own tools take it
    #[arg(long, value_name = "FILE")]
    pub(crate) command_config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) resolve: ResolveArgs,
    /// Replicas of the run's topics there [default: the brokers'
    /// default.replication.factor; where that is 1, three, or as many as there
    /// are brokers]
    #[arg(long, value_name = "N", allow_negative_numbers = true,
          value_parser = whole::<i16>(1, 1000))]
    pub(crate) replication_factor: Option<i16>,
    /// A setting of the run's topics there; several, each with its own
    /// --topic-config. What a scenario sets itself stays, but min.insync.replicas
    #[arg(long = "topic-config", value_name = "KEY=VALUE")]
    pub(crate) topic_config: Vec<TopicSetting>,
    /// Make the run's topics like this one of yours: its replicas, its own
    /// settings, and at least its partitions
    #[arg(long, value_name = "TOPIC")]
    pub(crate) like: Option<String>,
    /// What the names of the run's topics, groups and transactional ids begin
    /// with there [default: ackproof-]
    #[arg(long, value_name = "PREFIX")]
    pub(crate) prefix: Option<NameMark>,
}

impl ClusterArgs {
    /// The options that are given, as they are typed.
    pub(crate) fn typed(&self) -> Vec<(&'static str, String)> {
        let mut typed = Vec::new();
        let mut add = |option, value: Option<String>| typed.extend(value.map(|it| (option, it)));
        let file = self.command_config.as_ref();
        add("--command-config", file.map(|it| it.display().to_string()));
        for resolved in &self.resolve.resolve {
            add("--resolve", Some(resolved.to_string()));
        }
        let replicas = self.replication_factor;
        add("--replication-factor", replicas.map(|it| it.to_string()));
        add("--like", self.like.clone());
        add("--prefix", self.prefix.as_ref().map(ToString::to_string));
        for TopicSetting { key, value } in &self.topic_config {
            add("--topic-config", Some(format!("{key}={value}")));
        }
        typed
    }
}
