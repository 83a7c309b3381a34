//! Container images by name: what runs in them, in which version, and how they make
//! keys of environment variables.

use crate::product::{Product, Software};
use crate::version::Version;

/// What an image runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Broker,
    Worker,
    Database,
}

/// An image that is known.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    pub(crate) role: Role,
    /// The variables that become keys begin so.
    pub(crate) prefix: &'static str,
    pub(crate) software: Software,
    /// Debezium's version, where the image has it.
    pub(crate) debezium: Option<Version>,
    /// Where it keeps its data, where no key says otherwise.
    pub(crate) data: &'static str,
    /// What the image itself sets where its user sets nothing, as its own start script
    /// or its configuration has it.
    pub(crate) defaults: &'static [(&'static str, &'static str)],
}

/// bitnami/containers, kafka: the distribution's file, with another folder.
const BITNAMI: &[(&str, &str)] = &[
    ("offsets.topic.replication.factor", "1"),
    ("transaction.state.log.replication.factor", "1"),
    ("transaction.state.log.min.isr", "1"),
    ("log.dirs", "/bitnami/kafka/data"),
];
/// debezium/container-images, kafka: the distribution's file.
const DISTRIBUTION: &[(&str, &str)] = &[
    ("offsets.topic.replication.factor", "1"),
    ("transaction.state.log.replication.factor", "1"),
    ("transaction.state.log.min.isr", "1"),
    ("log.dirs", "/kafka/data/1"),
];
/// debezium/container-images, connect-base: the distribution's
/// connect-distributed.properties, and the start script.
const WORKER: &[(&str, &str)] = &[
    ("offset.flush.interval.ms", "60000"),
    ("config.storage.replication.factor", "1"),
    ("offset.storage.replication.factor", "1"),
    ("status.storage.replication.factor", "1"),
];
/// debezium/container-images, postgres: postgresql.conf.sample.
const CAPTURED: &[(&str, &str)] = &[
    ("wal_level", "logical"),
    ("max_wal_senders", "4"),
    ("max_replication_slots", "4"),
];

/// What an image runs, by its name; none where it is another.
pub(crate) fn image(name: &str) -> Option<Image> {
    let bare = name.split('@').next().unwrap_or_default();
    let (repository, tag) = match bare.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ => (bare, ""),
    };
    let words: Vec<&str> = repository.rsplit('/').collect();
    let (own, owner) = (words.first()?, words.get(1).copied().unwrap_or_default());
    let of = |role, prefix, product, version: Option<String>| Image {
        role,
        prefix,
        software: version.map_or(Software::any(product), |it| Software::of(product, &it)),
        debezium: None,
        defaults: &[],
        data: match role {
            Role::Broker => "/var/lib/kafka/data",
            Role::Database => "/var/lib/postgresql",
            Role::Worker => "",
        },
    };
    let as_is = || Version::parse(tag).map(|_| tag.to_owned());
    let image = match (owner, *own) {
        ("apache", "kafka" | "kafka-native") => Image {
            // With variables of the user's its own file is not read: Kafka's default.
            data: "/tmp/kafka-logs",
            ..of(Role::Broker, "KAFKA_", Product::Kafka, as_is())
        },
        ("bitnami" | "bitnamilegacy" | "soldevelo", "kafka") => Image {
            defaults: BITNAMI,
            ..of(Role::Broker, "KAFKA_CFG_", Product::Kafka, as_is())
        },
        (_, "cp-kafka" | "cp-server" | "confluent-local") => {
            of(Role::Broker, "KAFKA_", Product::Kafka, confluent(tag))
        }
        ("wurstmeister", "kafka") => {
            let version = tag.split_once('-').map(|(_, kafka)| kafka.to_owned());
            of(Role::Broker, "KAFKA_", Product::Kafka, version)
        }
        ("debezium", "kafka") => Image {
            defaults: DISTRIBUTION,
            ..of(Role::Broker, "KAFKA_", Product::Kafka, None)
        },
        (
            _,
            "cp-kafka-connect"
            | "cp-kafka-connect-base"
            | "cp-server-connect"
            | "cp-server-connect-base",
        ) => of(Role::Worker, "CONNECT_", Product::Kafka, confluent(tag)),
        ("debezium", "connect" | "connect-base") => Image {
            debezium: Version::parse(tag),
            defaults: WORKER,
            ..of(Role::Worker, "CONNECT_", Product::Kafka, None)
        },
        ("debezium", "postgres") => Image {
            defaults: CAPTURED,
            ..of(Role::Database, "", Product::Postgres, as_is())
        },
        // Its tag is Debezium's version.
        ("debezium", "example-postgres") => Image {
            defaults: CAPTURED,
            ..of(Role::Database, "", Product::Postgres, None)
        },
        (_, "postgres" | "postgresql" | "postgis" | "timescaledb") => {
            of(Role::Database, "", Product::Postgres, as_is())
        }
        _ => return None,
    };
    Some(image)
}

/// The version of Kafka in one of Confluent's images: 7.6 is 3.6, 8.0 is 4.0
/// (Confluent's "supported versions and interoperability").
fn confluent(tag: &str) -> Option<String> {
    let version = Version::parse(tag)?;
    let minor = version.minor();
    match version.major() {
        7 => Some(format!("3.{minor}")),
        8 => Some(format!("4.{minor}")),
        6 => Some(format!("2.{}", 6 + minor)),
        5 => minor.checked_sub(5).map(|later| format!("2.{}", 5 + later)),
        _ => None,
    }
}

impl Image {
    /// The key that a variable sets, if it sets one.
    pub(crate) fn key(&self, variable: &str) -> Option<String> {
        let rest = variable.strip_prefix(self.prefix)?;
        if self.prefix.is_empty() || rest.is_empty() {
            return None;
        }
        // Confluent's way to write what is no dot.
        let dots = rest
            .replace("___", "\u{1}")
            .replace("__", "\u{2}")
            .replace('_', ".");
        let key = dots.replace('\u{1}', "-").replace('\u{2}', "_");
        Some(key.to_ascii_lowercase())
    }

    /// debezium/connect's own names for what a worker needs.
    pub(crate) fn short_key(&self, variable: &str) -> Option<&'static str> {
        if self.role != Role::Worker || self.defaults.is_empty() {
            return None;
        }
        Some(match variable {
            "BOOTSTRAP_SERVERS" => "bootstrap.servers",
            "GROUP_ID" => "group.id",
            "CONFIG_STORAGE_TOPIC" => "config.storage.topic",
            "OFFSET_STORAGE_TOPIC" => "offset.storage.topic",
            "STATUS_STORAGE_TOPIC" => "status.storage.topic",
            "OFFSET_FLUSH_INTERVAL_MS" => "offset.flush.interval.ms",
            "OFFSET_FLUSH_TIMEOUT_MS" => "offset.flush.timeout.ms",
            "SHUTDOWN_TIMEOUT" => "task.shutdown.graceful.timeout.ms",
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_tell_what_runs_in_them() {
        let of = |name: &str| image(name).unwrap();
        let cp = of("docker.io/confluentinc/cp-kafka:7.6.1");
        assert_eq!(cp.software.to_string(), "Kafka 3.6");
        assert_eq!(
            cp.key("KAFKA_MIN_INSYNC_REPLICAS").unwrap(),
            "min.insync.replicas"
        );
        assert_eq!(of("apache/kafka:4.1.0").software.to_string(), "Kafka 4.1.0");
        let bitnami = of("bitnami/kafka:3.7");
        assert_eq!(bitnami.key("KAFKA_CFG_LOG_DIRS").unwrap(), "log.dirs");
        assert_eq!(bitnami.key("KAFKA_HEAP_OPTS"), None);
        let connect = of("quay.io/debezium/connect:2.5");
        assert_eq!(connect.debezium.as_ref().unwrap().to_string(), "2.5");
        assert_eq!(
            of("postgres:16-alpine").software.to_string(),
            "PostgreSQL 16-alpine"
        );
        assert_eq!(of("localhost:5000/apache/kafka").software.version, None);
        assert!(image("redis:7").is_none());
    }
}
