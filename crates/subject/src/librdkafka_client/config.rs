//! From the Java client's configuration, which users know from Kafka's
//! documentation, to librdkafka's: one table, [`KEYS`], and nothing that is
//! silently ignored. Knows nothing of what the clients are used for.

use std::collections::{BTreeMap, BTreeSet};

use librdkafka::{ConsumerClient, Librdkafka, ProducerClient, Properties, SetError};
use model::scenario::settings::{self, Whose};

mod keys;
mod native;

pub(super) use keys::MAX_BLOCK_MS;
pub use keys::{KEYS, Key, KeyRole, ValueRule};

/// Keys that begin so are librdkafka's own, and passed on without the prefix.
const PASS_THROUGH: &str = "librdkafka.";

/// Keys that ackproof sets itself, and gives to every client.
const GIVEN: [&str; 4] = [
    "bootstrap.servers",
    "group.id",
    "enable.auto.commit",
    "transactional.id",
];

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
    /// Nothing in the client does what the key says.
    #[error("{why}")]
    UnknownKey {
        /// The key.
        key: String,
        /// Why not, and what would be right.
        why: String,
    },
    /// The scenario says it elsewhere, or the subject depends on it.
    #[error("`{key}` is set by ackproof itself: leave it out")]
    Reserved {
        /// The key.
        key: String,
    },
    /// The value does not fit the key.
    #[error("`{key}` takes {expected}{}", not(key, value))]
    Value {
        /// The key.
        key: String,
        /// The value.
        value: String,
        /// What would fit.
        expected: String,
    },
    /// librdkafka itself refuses the key or the value.
    #[error("the client refuses `{key}`: {reason}")]
    Refused {
        /// The key as the scenario has it.
        key: String,
        /// librdkafka's words.
        reason: String,
    },
    /// Each key can be, and all of them together cannot.
    #[error("the client refuses these settings: {reason}")]
    Contradiction {
        /// The key that the client complains of, where it is one of them.
        key: Option<String>,
        /// Its words, in the names that the scenario has.
        reason: String,
    },
}

impl ConfigError {
    /// The key that is wrong, and whether its value is.
    pub fn place(&self) -> Option<(&str, bool)> {
        match self {
            Self::UnknownKey { key, .. } | Self::Reserved { key } => Some((key, false)),
            Self::Value { key, .. } | Self::Refused { key, .. } => Some((key, true)),
            Self::Contradiction { key, .. } => key.as_deref().map(|key| (key, true)),
        }
    }
}

/// A value that does not fit, unless it may be a secret.
fn not(key: &str, value: &str) -> String {
    if secret::is_secret(key) {
        String::new()
    } else {
        format!(", not `{value}`")
    }
}

/// Whether the version that is built in can honour a scenario's configuration:
/// the client itself is made of it, connected to nothing, and dropped. `own` is
/// what ackproof sets beside it.
///
/// # Errors
/// The first key that it cannot honour, or what the client says of all.
pub fn check_config(
    kind: RoleKind,
    config: &BTreeMap<String, String>,
    own: &[(&str, &str)],
) -> Result<(), ConfigError> {
    refuse_given(config)?;
    let mut translated = Translated::of(Librdkafka::built_in(), true, kind, config)?;
    java_rules(kind, config)?;
    for (key, value) in own {
        translated.set_own(key, value);
    }
    let (native, _) = translated.into_parts();
    let made = match kind {
        RoleKind::Producer => ProducerClient::new(native).map(drop),
        RoleKind::Consumer => ConsumerClient::new(native).map(drop),
    };
    made.map_err(|words| contradiction(kind, config, words))
}

/// The version of librdkafka that is built in.
pub fn built_in_version() -> String {
    Librdkafka::built_in().version()
}

/// Refuses keys of a scenario that ackproof sets itself, for any client.
///
/// # Errors
/// The first such key.
pub fn refuse_given(config: &BTreeMap<String, String>) -> Result<(), ConfigError> {
    for (key, value) in config {
        if key == "enable.auto.commit" {
            if value != "false" {
                return Err(ConfigError::Value {
                    key: key.clone(),
                    value: value.clone(),
                    expected: "`false`".to_owned(),
                });
            }
        } else if GIVEN.contains(&key.as_str()) {
            return Err(ConfigError::Reserved { key: key.clone() });
        }
    }
    Ok(())
}

/// What the Java client refuses of settings that librdkafka takes: a scenario
/// is written for both.
pub(super) fn java_rules(
    kind: RoleKind,
    config: &BTreeMap<String, String>,
) -> Result<(), ConfigError> {
    let set = |key: &str| config.get(key)?.parse::<i64>().ok();
    let refuse = |key: &str, reason: String| {
        Err(ConfigError::Contradiction {
            key: Some(key.to_owned()),
            reason,
        })
    };
    if kind == RoleKind::Producer {
        let (delivery, request) = (set("delivery.timeout.ms"), set("request.timeout.ms"));
        let linger = set("linger.ms").unwrap_or(0);
        if let (Some(delivery), Some(request)) = (delivery, request)
            && delivery < request.saturating_add(linger)
        {
            return refuse(
                "delivery.timeout.ms",
                format!(
                    "`delivery.timeout.ms` is {delivery}, and must be at least \
                     `request.timeout.ms` and `linger.ms` together, which are {}",
                    request.saturating_add(linger)
                ),
            );
        }
    } else if let (Some(heartbeat), Some(session)) =
        (set("heartbeat.interval.ms"), set("session.timeout.ms"))
        && heartbeat >= session
    {
        return refuse(
            "heartbeat.interval.ms",
            format!(
                "`heartbeat.interval.ms` is {heartbeat}, and must be below `session.timeout.ms`, \
                 which is {session}"
            ),
        );
    }
    Ok(())
}

/// The client's words, in the names of the configuration.
pub(super) fn contradiction(
    kind: RoleKind,
    config: &BTreeMap<String, String>,
    mut reason: String,
) -> ConfigError {
    let set = KEYS.iter().filter(|it| it.role.includes(kind));
    for known in set.filter(|it| config.contains_key(it.java)) {
        for name in known.native.iter().flat_map(|it| native::names(it)) {
            reason = reason.replace(&format!("`{name}`"), &format!("`{}`", known.java));
        }
    }
    // The one that it names first is where the user has to look.
    let mut named = reason.split('`').skip(1).step_by(2);
    let key = named.find_map(|name| {
        let own = format!("{PASS_THROUGH}{name}");
        let mut keys = config.keys();
        keys.find(|key| **key == name || **key == own).cloned()
    });
    ConfigError::Contradiction { key, reason }
}

/// A configuration as librdkafka takes it, each key already accepted by it.
pub(super) struct Translated {
    config: Properties,
    /// Which of librdkafka's keys were set.
    set: BTreeSet<String>,
}

impl Translated {
    pub(super) fn of(
        library: Librdkafka,
        is_built_in: bool,
        kind: RoleKind,
        config: &BTreeMap<String, String>,
    ) -> Result<Self, ConfigError> {
        let mut native = Properties::new(library);
        let mut set = BTreeSet::new();
        for (key, value) in config {
            for (name, converted) in translate(kind, key, value, is_built_in)? {
                native
                    .set(&name, &converted)
                    .map_err(|error| ConfigError::Refused {
                        key: key.clone(),
                        reason: refusal(library, key, value, &name, error),
                    })?;
                set.insert(name);
            }
        }
        let mut translated = Self {
            config: native,
            set,
        };
        // librdkafka tells its topic-level keys (`acks`, the timeouts of a
        // record, `auto.offset.reset`) only once one of them was set, so one
        // is set to its default.
        let (key, default) = match kind {
            RoleKind::Producer => ("compression.level", "-1"),
            RoleKind::Consumer => ("consume.callback.max.messages", "0"),
        };
        if !translated.set.contains(key) {
            translated.set_own(key, default);
        }
        Ok(translated)
    }

    /// Sets what is the subject's own, which every version has.
    pub(super) fn set_own(&mut self, key: &str, value: &str) {
        let set = self.config.set(key, value);
        debug_assert_eq!(set, Ok(()), "{key}");
    }

    pub(super) fn into_parts(self) -> (Properties, BTreeSet<String>) {
        (self.config, self.set)
    }
}

/// One key in librdkafka's words.
fn translate(
    kind: RoleKind,
    key: &str,
    value: &str,
    is_built_in: bool,
) -> Result<Vec<(String, String)>, ConfigError> {
    let reserved = || ConfigError::Reserved {
        key: key.to_owned(),
    };
    if let Some(own) = key.strip_prefix(PASS_THROUGH) {
        if RESERVED.contains(&own) {
            return Err(reserved());
        }
        // Of another version the table says nothing.
        let why = is_built_in.then(|| unknown_native(kind, own)).flatten();
        if let Some(why) = why {
            let key = key.to_owned();
            return Err(ConfigError::UnknownKey { key, why });
        }
        return Ok(vec![(own.to_owned(), value.to_owned())]);
    }
    match (kind, key) {
        (_, "bootstrap.servers")
        | (RoleKind::Consumer, "group.id")
        | (RoleKind::Producer, "transactional.id") => {
            return Ok(vec![(key.to_owned(), value.to_owned())]);
        }
        // Stores the position behind what it hands out, and commits it.
        (RoleKind::Consumer, "enable.auto.commit") => {
            let keys = [key, "enable.auto.offset.store"];
            return Ok(keys.map(|it| (it.to_owned(), value.to_owned())).into());
        }
        _ => {}
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
        why: unknown(kind, key, is_built_in),
    })
}

/// Why a key means nothing to the client, and what would be right.
fn unknown(kind: RoleKind, key: &str, is_built_in: bool) -> String {
    let (whose, other) = match kind {
        RoleKind::Producer => (Whose::Producer, RoleKind::Consumer),
        RoleKind::Consumer => (Whose::Consumer, RoleKind::Producer),
    };
    let of_java = settings::find(whose, key).is_some();
    let is_of = |role| KEYS.iter().any(|known| known.is(role, key));
    if !of_java && (is_of(other) || settings::owner(key, whose).is_some()) {
        return settings::owner(key, whose).unwrap_or_else(|| {
            format!(
                "`{key}` is a setting of a {}, not of a {}",
                other.name(),
                kind.name()
            )
        });
    }
    if key.ends_with(".serializer") || key.ends_with(".deserializer") {
        return format!(
            "`{key}` has no use here: ackproof makes the keys and values of records itself, so \
             that it can tell each; leave it out"
        );
    }
    if is_built_in && (key.starts_with("sasl.") || key.starts_with("ssl.")) {
        return format!(
            "`{key}` has no use here: the built-in client is made without TLS and SASL; leave it \
             out"
        );
    }
    if native::find(key).is_some_and(|it| it.is_for(kind) && !it.is_a_call()) {
        return format!(
            "`{key}` is a name of librdkafka's own, the built-in client: write \
             `\"{PASS_THROUGH}{key}\"`"
        );
    }
    if of_java {
        return format!(
            "`{key}` is a setting of the Java client that librdkafka, the built-in client, has \
             nothing for: leave it out"
        );
    }
    let role = kind.name();
    match nearest(kind, key) {
        Some(near) => format!("a {role} has no setting `{key}`; did you mean `{near}`?"),
        None => format!(
            "a {role} has no setting `{key}`; names of librdkafka's own are written \
             `{PASS_THROUGH}KEY`"
        ),
    }
}

/// What is wrong with a name of librdkafka's own.
fn unknown_native(kind: RoleKind, own: &str) -> Option<String> {
    let role = kind.name();
    let Some(property) = native::find(own) else {
        let near = model::scenario::nearest(own, native::of(kind).map(|it| it.name));
        let near = near.map_or(String::new(), |near| {
            format!("; did you mean `{PASS_THROUGH}{near}`?")
        });
        return Some(format!(
            "there is no `{PASS_THROUGH}{own}`: librdkafka has no such property{near}"
        ));
    };
    if property.is_a_call() {
        return Some(format!(
            "`{own}` cannot be set by a text: programs of librdkafka's give it in a call"
        ));
    }
    (!property.is_for(kind)).then(|| format!("`{own}` does nothing in a {role}: leave it out"))
}

/// How long a send waits for room in the client's buffer, at most, in
/// milliseconds: what the Java client does by `max.block.ms`, and librdkafka
/// leaves to the application.
pub(super) fn max_block_ms(config: &BTreeMap<String, String>) -> u64 {
    let set = config.get(keys::MAX_BLOCK_MS);
    set.and_then(|value| value.parse().ok())
        .unwrap_or(keys::MAX_BLOCK_MS_DEFAULT)
}

fn nearest(kind: RoleKind, key: &str) -> Option<&'static str> {
    let known = KEYS.iter().filter(|known| known.role.includes(kind));
    model::scenario::nearest(key, known.map(|known| known.java))
}

/// librdkafka's words on one property; what it takes, where its table says so.
fn refusal(library: Librdkafka, key: &str, value: &str, name: &str, error: SetError) -> String {
    let reason = match error {
        SetError::Unknown(_) => {
            return format!("librdkafka {} has no `{name}`", library.version());
        }
        SetError::Invalid(reason) => reason,
    };
    if reason.contains("not available at build time") {
        return "the built-in client is made without TLS and SASL".to_owned();
    }
    let takes = native::find(name).map_or("", |it| it.takes);
    if takes.is_empty() {
        return reason;
    }
    let takes = match takes.split_once(" .. ") {
        Some((least, most)) => format!("a number from {least} to {most}"),
        None => format!("one of {takes}"),
    };
    format!("it takes {takes}{}", not(key, value))
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

/// The configuration in force: what was set, and the defaults that matter.
pub(super) struct InForce {
    /// By librdkafka's names; secrets are hidden.
    pub(super) config: BTreeMap<String, String>,
    /// Which were set.
    pub(super) set: BTreeSet<String>,
}

impl InForce {
    /// As the client tells it (`value`), after what it adjusts on its own:
    /// idempotence lowers the requests in flight to 5.
    pub(super) fn of(
        kind: RoleKind,
        set: BTreeSet<String>,
        value: impl Fn(&str) -> Option<String>,
    ) -> Self {
        let defaults: &[&str] = match kind {
            RoleKind::Producer => &PRODUCER_DEFAULTS,
            RoleKind::Consumer => &CONSUMER_DEFAULTS,
        };
        let keys = set
            .iter()
            .map(String::as_str)
            .chain(defaults.iter().copied());
        let config = keys
            .filter_map(|key| {
                let value = value(key)?;
                Some((key.to_owned(), secret::shown(key, &value).into_owned()))
            })
            .collect();
        Self { config, set }
    }

    /// A key that is the subject's own.
    pub(super) fn add(&mut self, key: &str, value: String, given: &BTreeMap<String, String>) {
        self.config.insert(key.to_owned(), value);
        if given.contains_key(key) {
            self.set.insert(key.to_owned());
        }
    }
}

#[cfg(test)]
mod tests;
