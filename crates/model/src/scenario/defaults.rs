//! What clients do where nothing is set, as far as it decides about delivery:
//! librdkafka, and the Java client, whose names scenarios use. From the
//! configuration reference of Apache Kafka 4.3 and librdkafka's
//! `CONFIGURATION.md` 2.12; a test of the subject holds the former column to
//! librdkafka itself. Where Java's defaults were others before, the KIP says
//! since when. Knows nothing of what a client reports when it runs.

use super::Config;
use super::client::{ClientSpec, Library, Release};

/// Which client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientKind {
    /// A producer.
    Producer,
    /// A consumer.
    Consumer,
}

/// The value of a key that is not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientDefault {
    /// Whose it is.
    pub kind: ClientKind,
    /// The Java client's name of the key.
    pub key: &'static str,
    /// What it is in the client in question; librdkafka in the table.
    pub value: &'static str,
    /// What it is in the Java client of today.
    pub java: &'static str,
}

impl ClientDefault {
    /// Whether a user of the Java client has another one.
    pub fn differs(&self) -> bool {
        self.value != self.java
    }

    /// The default in words: `false (Java: true)`.
    pub fn words(&self) -> String {
        if self.differs() {
            format!("{} (Java: {})", self.value, self.java)
        } else {
            self.value.to_owned()
        }
    }
}

const fn producer(key: &'static str, value: &'static str, java: &'static str) -> ClientDefault {
    ClientDefault {
        kind: ClientKind::Producer,
        key,
        value,
        java,
    }
}

const fn consumer(key: &'static str, value: &'static str, java: &'static str) -> ClientDefault {
    ClientDefault {
        kind: ClientKind::Consumer,
        key,
        value,
        java,
    }
}

/// Every default that decides about delivery.
pub const CLIENT_DEFAULTS: [ClientDefault; 18] = [
    producer("acks", "all", "all"),
    producer("enable.idempotence", "false", "true"),
    producer("max.in.flight.requests.per.connection", "1000000", "5"),
    producer("retries", "2147483647", "2147483647"),
    producer("delivery.timeout.ms", "300000", "120000"),
    producer("request.timeout.ms", "30000", "30000"),
    producer("linger.ms", "5", "5"),
    producer("batch.size", "1000000", "16384"),
    producer("buffer.memory", "1073741824", "33554432"),
    producer("compression.type", "none", "none"),
    consumer("auto.offset.reset", "earliest", "latest"),
    consumer("isolation.level", "read_committed", "read_uncommitted"),
    consumer("group.protocol", "classic", "classic"),
    consumer("session.timeout.ms", "45000", "45000"),
    consumer("heartbeat.interval.ms", "3000", "3000"),
    consumer("max.poll.interval.ms", "300000", "300000"),
    consumer("check.crcs", "false", "true"),
    consumer("reconnect.backoff.max.ms", "10000", "1000"),
];

/// The defaults that a configuration leaves in force in a client; none for a
/// program of the user's, whose defaults only it knows.
pub fn unset<'c>(
    kind: ClientKind,
    client: &'c ClientSpec,
    config: &'c Config,
) -> impl Iterator<Item = ClientDefault> + use<'c> {
    let defaults = CLIENT_DEFAULTS.into_iter();
    defaults
        .filter(move |it| it.kind == kind && !config.contains_key(it.key))
        .filter_map(move |it| {
            let value = match client.library()? {
                Library::Librdkafka => of_librdkafka(&it, config),
                Library::Java => of_java(&it, client, config),
            };
            Some(ClientDefault { value, ..it })
        })
}

fn of_librdkafka(default: &ClientDefault, config: &Config) -> &'static str {
    let is_idempotent = config
        .get("enable.idempotence")
        .is_some_and(|it| it == "true");
    match default.key {
        // It is lowered when the producer is made idempotent.
        "max.in.flight.requests.per.connection" if is_idempotent => default.java,
        _ => default.value,
    }
}

/// Java's default in a version. A folder of jars may hold any, and a cluster's
/// own version is today's unless the user names another.
fn of_java(default: &ClientDefault, client: &ClientSpec, config: &Config) -> &'static str {
    let line = match client {
        ClientSpec::Java(Release::Version(version)) => line_of(version),
        _ => None,
    };
    let is_before = |since: (u32, u32, u32)| line.is_some_and(|line| line < since);
    let acks = config.get("acks").map_or("all", |it| it.trim());
    match default.key {
        // KIP-679.
        "acks" if is_before((3, 0, 0)) => "1",
        // 3.0.0 and 3.1.0 did not heed their own default (KAFKA-13598).
        "enable.idempotence"
            if is_before((3, 0, 1)) || (!is_before((3, 1, 0)) && is_before((3, 1, 1))) =>
        {
            "false"
        }
        // It is switched off where another setting excludes it (KIP-679).
        "enable.idempotence" if !["all", "-1"].contains(&acks) => "false",
        // KIP-735.
        "session.timeout.ms" if is_before((3, 0, 0)) => "10000",
        // KIP-1030.
        "linger.ms" if is_before((4, 0, 0)) => "0",
        _ => default.java,
    }
}

/// `3.1.0-rc1`: 3, 1 and 0.
fn line_of(version: &str) -> Option<(u32, u32, u32)> {
    let numbers = version.split('-').next()?;
    let mut numbers = numbers.split('.').map(|it| it.parse().ok());
    let (major, minor) = (numbers.next()??, numbers.next()??);
    Some((major, minor, numbers.next().flatten().unwrap_or(0)))
}
