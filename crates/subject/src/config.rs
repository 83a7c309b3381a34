//! From the Java client's configuration, which users know from Kafka's
//! documentation, to librdkafka's: one table, [`KEYS`], and nothing that is
//! silently ignored. Knows nothing of what the clients are used for.

use std::collections::BTreeMap;

use rdkafka::config::{ClientConfig, NativeClientConfig};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::util::get_rdkafka_version;

mod keys;

pub use keys::{KEYS, Key, KeyRole, ValueRule};

use crate::SubjectError;
use crate::log;
use crate::protocol::Happening;

/// Keys that begin so are librdkafka's own, and passed on without the prefix.
pub const PASS_THROUGH: &str = "librdkafka.";

/// librdkafka's keys that the subject sets itself.
const RESERVED: [&str; 9] = [
    "bootstrap.servers",
    "metadata.broker.list",
    "group.id",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "statistics.interval.ms",
    "delivery.report.only.error",
    "transactional.id",
    "log.queue",
];

/// Which client a configuration is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoleKind {
    /// A producer.
    Producer,
    /// A consumer.
    Consumer,
}

impl RoleKind {
    const fn name(self) -> &'static str {
        match self {
            Self::Producer => "producer",
            Self::Consumer => "consumer",
        }
    }
}

/// Why a configuration cannot be honoured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Nothing in librdkafka does what the key says.
    #[error(
        "`{key}` cannot be honoured by the librdkafka {role}{}; keys of librdkafka's own are passed on as `{PASS_THROUGH}KEY`",
        nearest.map(|known| format!(", did you mean `{known}`?")).unwrap_or_default()
    )]
    UnknownKey {
        /// The key.
        key: String,
        /// The client.
        role: &'static str,
        /// The most similar key that can be honoured, where one is similar.
        nearest: Option<&'static str>,
    },
    /// The scenario says it elsewhere, or the subject depends on it.
    #[error("`{key}` is set by the subject itself")]
    Reserved {
        /// The key.
        key: String,
    },
    /// The value does not fit the key.
    #[error("`{key}` is `{value}`, and must be {expected}")]
    Value {
        /// The key.
        key: String,
        /// The value.
        value: String,
        /// What would fit.
        expected: String,
    },
    /// librdkafka itself refuses the key or the value.
    #[error("librdkafka refuses `{key}`: {reason}")]
    Refused {
        /// The key as the scenario has it.
        key: String,
        /// librdkafka's words.
        reason: String,
    },
}

/// Whether the client can honour the configuration, so that a bad scenario is
/// refused before anything starts.
///
/// # Errors
/// The first key that it cannot honour.
pub fn check_config(kind: RoleKind, config: &BTreeMap<String, String>) -> Result<(), ConfigError> {
    client_config(kind, config).map(|_| ())
}

/// The configuration as librdkafka takes it, each key already accepted by it.
pub(crate) fn client_config(
    kind: RoleKind,
    config: &BTreeMap<String, String>,
) -> Result<ClientConfig, ConfigError> {
    let mut native = ClientConfig::new();
    for (key, value) in config {
        for (name, converted) in translate(kind, key, value)? {
            let mut single = ClientConfig::new();
            single.set(&name, &converted);
            single
                .create_native_config()
                .map_err(|error| ConfigError::Refused {
                    key: key.clone(),
                    reason: reason(error),
                })?;
            native.set(name, converted);
        }
    }
    native.set_log_level(log::LEVEL);
    Ok(native)
}

/// One key in librdkafka's words.
fn translate(kind: RoleKind, key: &str, value: &str) -> Result<Vec<(String, String)>, ConfigError> {
    let reserved = || ConfigError::Reserved {
        key: key.to_owned(),
    };
    if let Some(own) = key.strip_prefix(PASS_THROUGH) {
        return if RESERVED.contains(&own) {
            Err(reserved())
        } else {
            Ok(vec![(own.to_owned(), value.to_owned())])
        };
    }
    if let Some(known) = KEYS.iter().find(|known| known.is(kind, key)) {
        let converted = known
            .value
            .convert(value)
            .map_err(|expected| ConfigError::Value {
                key: key.to_owned(),
                value: value.to_owned(),
                expected,
            })?;
        return Ok(known
            .native
            .iter()
            .map(|name| ((*name).to_owned(), converted.clone()))
            .collect());
    }
    if RESERVED.contains(&key) {
        return Err(reserved());
    }
    Err(ConfigError::UnknownKey {
        key: key.to_owned(),
        role: kind.name(),
        nearest: nearest(kind, key),
    })
}

/// How long a send waits for room in the client's buffer, at most, in
/// milliseconds: what the Java client does by `max.block.ms`, and librdkafka
/// leaves to the application.
pub(crate) fn max_block_ms(config: &BTreeMap<String, String>) -> u64 {
    let set = config.get(keys::MAX_BLOCK_MS);
    set.and_then(|value| value.parse().ok())
        .unwrap_or(keys::MAX_BLOCK_MS_DEFAULT)
}

fn nearest(kind: RoleKind, key: &str) -> Option<&'static str> {
    const SIMILAR: f64 = 0.6;
    KEYS.iter()
        .filter(|known| known.role.includes(kind))
        .map(|known| (strsim::normalized_levenshtein(known.java, key), known.java))
        .filter(|(similarity, _)| *similarity >= SIMILAR)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, java)| java)
}

fn reason(error: KafkaError) -> String {
    match error {
        KafkaError::ClientConfig(_, reason, _, _) => reason,
        other => other.to_string(),
    }
}

/// What is worth reporting of a producer besides what was set.
const PRODUCER_DEFAULTS: [&str; 15] = [
    "acks",
    "retries",
    "retry.backoff.ms",
    "retry.backoff.max.ms",
    "max.in.flight.requests.per.connection",
    "enable.idempotence",
    "message.timeout.ms",
    "request.timeout.ms",
    "socket.timeout.ms",
    "linger.ms",
    "batch.size",
    "compression.type",
    "queue.buffering.max.kbytes",
    "queue.buffering.max.messages",
    "reconnect.backoff.max.ms",
];

/// What is worth reporting of a consumer besides what was set.
const CONSUMER_DEFAULTS: [&str; 13] = [
    "group.protocol",
    "session.timeout.ms",
    "heartbeat.interval.ms",
    "max.poll.interval.ms",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "auto.offset.reset",
    "isolation.level",
    "partition.assignment.strategy",
    "fetch.wait.max.ms",
    "fetch.min.bytes",
    "socket.timeout.ms",
    "reconnect.backoff.max.ms",
];

/// The report that the client is made, with the configuration in force as it
/// says itself: what was set, and the defaults that matter; secrets are hidden.
///
/// What librdkafka adjusts on its own when a client is made (idempotence
/// lowers the requests in flight to 5) is not in it.
pub(crate) fn ready(kind: RoleKind, config: &ClientConfig) -> Result<Happening, SubjectError> {
    let native = native_config(config).map_err(|source| SubjectError::Client {
        doing: "tell its configuration",
        source,
    })?;
    let defaults: &[&str] = match kind {
        RoleKind::Producer => &PRODUCER_DEFAULTS,
        RoleKind::Consumer => &CONSUMER_DEFAULTS,
    };
    let set = config.config_map();
    let in_force = set
        .keys()
        .chain(defaults)
        .filter_map(|key| {
            let value = native.get(key).ok()?;
            Some(((*key).to_owned(), secret::shown(key, &value).into_owned()))
        })
        .collect();
    Ok(Happening::Ready {
        client: format!("librdkafka {}", get_rdkafka_version().1),
        config: in_force,
    })
}

/// A copy to read from. librdkafka tells its topic-level keys (`acks`, the
/// timeouts of a record, `auto.offset.reset`) only once one of them was set,
/// so one is set to its default.
fn native_config(config: &ClientConfig) -> KafkaResult<NativeClientConfig> {
    let mut readable = config.clone();
    if readable.get("compression.level").is_none() {
        readable.set("compression.level", "-1");
    }
    readable.create_native_config()
}

#[cfg(test)]
mod tests;
