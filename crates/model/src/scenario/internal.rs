//! Topics that Kafka, Connect and Debezium make for themselves: faults may name them, and
//! nothing is sent to, read from or claimed of them. Knows nothing of their contents.

use std::fmt;

use super::{Capture, Config, Scenario, TABLES};

/// Partitions of each of Kafka's own topics on the embedded stack, where the
/// topology does not set another number.
const OWN_PARTITIONS: i32 = 4;
/// Kafka's own topics, with the broker setting for their partitions.
const KAFKAS: [(&str, &str); 3] = [
    ("__consumer_offsets", "offsets.topic.num.partitions"),
    (
        "__transaction_state",
        "transaction.state.log.num.partitions",
    ),
    (
        "__share_group_state",
        "share.coordinator.state.topic.num.partitions",
    ),
];
/// The controllers' log, which has a topic's name and is none.
const METADATA: &str = "__cluster_metadata";

/// The owner of a topic that is not the scenario's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeper {
    /// Kafka's brokers.
    Kafka,
    /// The controllers: their log, which no fault of a topic reaches.
    Controllers,
    /// The Connect worker.
    Connect,
    /// The connector.
    Debezium,
}

impl fmt::Display for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kafka => "Kafka's own topic",
            Self::Controllers => "the controllers' own log",
            Self::Connect => "Kafka Connect's own topic",
            Self::Debezium => "the connector's own topic",
        })
    }
}

/// Whether Kafka itself made a topic of that name, in whichever scenario.
pub(super) fn is_kafkas(topic: &str) -> bool {
    topic == METADATA || KAFKAS.iter().any(|(name, _)| *name == topic)
}

impl Scenario {
    /// The owner of a topic of that name, where it is not the scenario's own.
    pub(crate) fn keeper_of(&self, topic: &str) -> Option<Keeper> {
        if topic == METADATA {
            return Some(Keeper::Controllers);
        }
        if is_kafkas(topic) {
            return Some(Keeper::Kafka);
        }
        let capture = self.capture.as_ref()?;
        if capture.of_connect().contains(&topic) {
            Some(Keeper::Connect)
        } else if capture.of_connector().iter().any(|own| own == topic) {
            Some(Keeper::Debezium)
        } else {
            None
        }
    }

    /// How many partitions one of Kafka's own topics has on the embedded
    /// stack; nothing of other topics.
    pub(crate) fn partitions_of_kafkas(&self, topic: &str) -> Option<i32> {
        let (_, key) = KAFKAS.iter().find(|(name, _)| *name == topic)?;
        let set = self.topology.config.get(*key);
        Some(
            set.and_then(|set| set.parse().ok())
                .unwrap_or(OWN_PARTITIONS),
        )
    }
}

impl Capture {
    /// The topics that the Connect worker keeps.
    fn of_connect(&self) -> [&str; 3] {
        [
            ("config.storage.topic", "connect-configs"),
            ("offset.storage.topic", "connect-offsets"),
            ("status.storage.topic", "connect-status"),
        ]
        .map(|(key, known)| set(&self.worker_config, key).unwrap_or(known))
    }

    /// The topics that the connector writes beside those of its tables, and
    /// those of the tables, which are made with the scenario's own.
    fn of_connector(&self) -> Vec<String> {
        let prefix = &self.prefix;
        let heartbeats = set(&self.config, "topic.heartbeat.prefix");
        let heartbeats = heartbeats.unwrap_or("__debezium-heartbeat");
        let transactions = set(&self.config, "topic.transaction").unwrap_or("transaction");
        let history = set(&self.config, "schema.history.internal.kafka.topic");
        TABLES
            .iter()
            .map(|table| format!("{prefix}.public.{table}"))
            .chain([
                prefix.clone(),
                format!("{heartbeats}.{prefix}"),
                format!("{prefix}.{transactions}"),
            ])
            .chain(history.map(str::to_owned))
            .collect()
    }
}

fn set<'c>(config: &'c Config, key: &str) -> Option<&'c str> {
    config.get(key).map(String::as_str)
}
