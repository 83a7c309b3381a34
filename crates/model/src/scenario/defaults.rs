//! Clients' defaults that affect delivery: librdkafka, which scenarios run on, and the Java
//! client, whose names scenarios use. From the configuration reference of Apache Kafka 4.3
//! and librdkafka's `CONFIGURATION.md` 2.12; a test of the subject holds the former column
//! to librdkafka itself.

use super::Config;

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
    /// The default here.
    pub value: &'static str,
    /// The default of the Java client.
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

/// The defaults that a configuration leaves in force.
pub fn unset(kind: ClientKind, config: &Config) -> impl Iterator<Item = ClientDefault> {
    let is_idempotent = config
        .get("enable.idempotence")
        .is_some_and(|value| value == "true");
    CLIENT_DEFAULTS
        .into_iter()
        .filter(move |it| it.kind == kind && !config.contains_key(it.key))
        .map(move |it| match it.key {
            // librdkafka lowers it when it is made idempotent.
            "max.in.flight.requests.per.connection" if is_idempotent => ClientDefault {
                value: it.java,
                ..it
            },
            _ => it,
        })
}
