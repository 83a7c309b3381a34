//! The table of keys: Java's name, librdkafka's, what values are taken, and
//! where the meanings differ. From the configuration reference of Apache Kafka
//! 4.3 and librdkafka's `CONFIGURATION.md` 2.12. Knows nothing of clients.

use super::RoleKind;

/// One key of the Java client that librdkafka can honour.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// The Java client's name.
    pub java: &'static str,
    /// Whose it is.
    pub role: KeyRole,
    /// librdkafka's names; all of them get the value.
    pub native: &'static [&'static str],
    /// What values are taken, and how they are converted.
    pub value: ValueRule,
    /// Where the two clients differ; empty where they do not.
    pub note: &'static str,
}

/// Whose key it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyRole {
    /// A producer's.
    Producer,
    /// A consumer's.
    Consumer,
    /// Either's.
    Both,
}

/// What values a key takes.
#[derive(Clone, Copy, Debug)]
pub enum ValueRule {
    /// Anything; librdkafka says whether it likes it.
    Text,
    /// A whole number in a range that both clients take.
    Integer {
        /// The smallest.
        min: i64,
        /// The largest.
        max: i64,
    },
    /// Bytes, of which librdkafka takes whole kibibytes, rounded down.
    BytesAsKibibytes,
    /// One of these words, and what librdkafka calls it.
    Choice(&'static [(&'static str, &'static str)]),
    /// A list of these, separated by commas, and what librdkafka calls them.
    List(&'static [(&'static str, &'static str)]),
}

impl Key {
    pub(super) fn is(&self, kind: RoleKind, key: &str) -> bool {
        self.java == key && self.role.includes(kind)
    }
}

impl KeyRole {
    pub(super) const fn includes(self, kind: RoleKind) -> bool {
        matches!(
            (self, kind),
            (Self::Both, _)
                | (Self::Producer, RoleKind::Producer)
                | (Self::Consumer, RoleKind::Consumer)
        )
    }
}

impl ValueRule {
    /// The value as librdkafka takes it; otherwise what would be right.
    pub(super) fn convert(self, value: &str) -> Result<String, String> {
        match self {
            Self::Text => Ok(value.to_owned()),
            Self::Integer { min, max } => integer(value, min, max).map(|n| n.to_string()),
            Self::BytesAsKibibytes => {
                integer(value, 1024, 1024 * INT_MAX).map(|bytes| (bytes / 1024).to_string())
            }
            Self::Choice(words) => choose(words, value),
            Self::List(words) => value
                .split(',')
                .map(|word| choose(words, word.trim()))
                .collect::<Result<Vec<_>, _>>()
                .map(|chosen| chosen.join(",")),
        }
    }
}

fn integer(value: &str, min: i64, max: i64) -> Result<i64, String> {
    value
        .parse()
        .ok()
        .filter(|number| (min..=max).contains(number))
        .ok_or_else(|| format!("a whole number from {min} to {max}"))
}

fn choose(words: &[(&'static str, &'static str)], value: &str) -> Result<String, String> {
    words
        .iter()
        .find(|(java, _)| *java == value)
        .map(|(_, native)| (*native).to_owned())
        .ok_or_else(|| {
            let known: Vec<_> = words.iter().map(|(java, _)| format!("`{java}`")).collect();
            match known.as_slice() {
                [only] => only.clone(),
                several => format!("one of {}", several.join(", ")),
            }
        })
}

const INT_MAX: i64 = i32::MAX as i64;

/// The key that the subject honours itself.
pub(in super::super) const MAX_BLOCK_MS: &str = "max.block.ms";
/// What it is where it is not set, as in the Java client.
pub(super) const MAX_BLOCK_MS_DEFAULT: u64 = 60_000;

const ACKS: ValueRule = ValueRule::Choice(&[("all", "all"), ("-1", "all"), ("1", "1"), ("0", "0")]);
/// All that Kafka has; a test asks librdkafka whether it was built with them.
const CODECS: ValueRule = ValueRule::Choice(&[
    ("none", "none"),
    ("gzip", "gzip"),
    ("snappy", "snappy"),
    ("lz4", "lz4"),
    ("zstd", "zstd"),
]);
const SWITCH: ValueRule = ValueRule::Choice(&[("true", "true"), ("false", "false")]);
const RESET: ValueRule = ValueRule::Choice(&[
    ("earliest", "earliest"),
    ("latest", "latest"),
    ("none", "error"),
]);
const ISOLATION: ValueRule = ValueRule::Choice(&[
    ("read_uncommitted", "read_uncommitted"),
    ("read_committed", "read_committed"),
]);
const PROTOCOL: ValueRule = ValueRule::Choice(&[("classic", "classic"), ("consumer", "consumer")]);
const ASSIGNORS: ValueRule = ValueRule::List(&[
    ("org.apache.kafka.clients.consumer.RangeAssignor", "range"),
    (
        "org.apache.kafka.clients.consumer.RoundRobinAssignor",
        "roundrobin",
    ),
    (
        "org.apache.kafka.clients.consumer.CooperativeStickyAssignor",
        "cooperative-sticky",
    ),
    ("range", "range"),
    ("roundrobin", "roundrobin"),
    ("cooperative-sticky", "cooperative-sticky"),
]);

const fn key(
    role: KeyRole,
    java: &'static str,
    native: &'static [&'static str],
    value: ValueRule,
    note: &'static str,
) -> Key {
    Key {
        java,
        role,
        native,
        value,
        note,
    }
}

const fn int(min: i64, max: i64) -> ValueRule {
    ValueRule::Integer { min, max }
}

use KeyRole::{Both, Consumer, Producer};

/// Every key of the Java client that can be honoured.
pub const KEYS: &[Key] = &[
    key(
        Producer,
        "acks",
        &["acks"],
        ACKS,
        "With 0 nothing is acknowledged: every outcome is unknown.",
    ),
    key(
        Producer,
        "retries",
        &["retries"],
        int(0, INT_MAX),
        "Bounded by delivery.timeout.ms in both. librdkafka does not count tries that cannot have written the record.",
    ),
    key(
        Both,
        "max.in.flight.requests.per.connection",
        &["max.in.flight.requests.per.connection"],
        int(1, 1_000_000),
        "5 by default in Java, 1000000 in librdkafka.",
    ),
    key(
        Both,
        "retry.backoff.ms",
        &["retry.backoff.ms"],
        int(1, 300_000),
        "0 is possible in Java, not in librdkafka.",
    ),
    key(
        Both,
        "retry.backoff.max.ms",
        &["retry.backoff.max.ms"],
        int(1, 300_000),
        "",
    ),
    key(
        Producer,
        "request.timeout.ms",
        &["request.timeout.ms", "socket.timeout.ms"],
        int(10, 300_000),
        "In Java both how long the client waits for an answer and how long the broker waits for replicas. librdkafka has a key for each (client: 60000 by default) and both are set.",
    ),
    key(
        Consumer,
        "request.timeout.ms",
        &["socket.timeout.ms"],
        int(10, 300_000),
        "30000 by default in Java, 60000 in librdkafka.",
    ),
    key(
        Producer,
        "delivery.timeout.ms",
        &["message.timeout.ms"],
        int(1, INT_MAX),
        "120000 by default in Java, 300000 in librdkafka. A record that expires may have been written: unknown, not failed.",
    ),
    key(
        Producer,
        "buffer.memory",
        &["queue.buffering.max.kbytes"],
        ValueRule::BytesAsKibibytes,
        "32 MiB by default in Java, 1 GiB in librdkafka, where queue.buffering.max.messages (100000) limits too. Java counts batches as they are sent, librdkafka the keys and values of records.",
    ),
    key(
        Producer,
        MAX_BLOCK_MS,
        &[],
        int(0, INT_MAX),
        "librdkafka refuses a record at once where its buffer is full; the subject then waits for room as long as the Java client would, 60000 by default, and reports the record as failed. Java waits as long for the topic's metadata too, librdkafka not at all.",
    ),
    key(Producer, "linger.ms", &["linger.ms"], int(0, 900_000), ""),
    key(
        Producer,
        "batch.size",
        &["batch.size"],
        int(1, INT_MAX),
        "16384 by default in Java, 1000000 in librdkafka; 0 is possible in Java only.",
    ),
    key(
        Producer,
        "compression.type",
        &["compression.type"],
        CODECS,
        "",
    ),
    key(
        Producer,
        "max.request.size",
        &["message.max.bytes"],
        int(1000, 1_000_000_000),
        "librdkafka limits the request by it, and refuses a larger record at once.",
    ),
    key(
        Producer,
        "enable.idempotence",
        &["enable.idempotence"],
        SWITCH,
        "true by default in Java, false in librdkafka.",
    ),
    key(
        Producer,
        "transaction.timeout.ms",
        &["transaction.timeout.ms"],
        int(1000, INT_MAX),
        "60000 by default in both. librdkafka lowers delivery.timeout.ms to it.",
    ),
    key(
        Consumer,
        "group.instance.id",
        &["group.instance.id"],
        ValueRule::Text,
        "",
    ),
    key(
        Consumer,
        "group.protocol",
        &["group.protocol"],
        PROTOCOL,
        "",
    ),
    key(
        Consumer,
        "group.remote.assignor",
        &["group.remote.assignor"],
        ValueRule::Text,
        "",
    ),
    key(
        Consumer,
        "session.timeout.ms",
        &["session.timeout.ms"],
        int(1, 3_600_000),
        "The broker refuses less than its group.min.session.timeout.ms, 6000 by default.",
    ),
    key(
        Consumer,
        "heartbeat.interval.ms",
        &["heartbeat.interval.ms"],
        int(1, 3_600_000),
        "",
    ),
    key(
        Consumer,
        "max.poll.interval.ms",
        &["max.poll.interval.ms"],
        int(1, 86_400_000),
        "",
    ),
    key(
        Consumer,
        "auto.offset.reset",
        &["auto.offset.reset"],
        RESET,
        "The subject's default is earliest; latest in both clients.",
    ),
    key(
        Consumer,
        "enable.auto.commit",
        &["enable.auto.commit"],
        ValueRule::Choice(&[("false", "false")]),
        "The group's `commit` says who commits, and when.",
    ),
    key(
        Consumer,
        "auto.commit.interval.ms",
        &["auto.commit.interval.ms"],
        int(1, 86_400_000),
        "Only with `commit = \"auto\"`. Java commits inside poll(), what an earlier poll() returned; librdkafka in the background, what it handed out.",
    ),
    key(
        Consumer,
        "isolation.level",
        &["isolation.level"],
        ISOLATION,
        "read_uncommitted by default in Java, read_committed in librdkafka.",
    ),
    key(
        Consumer,
        "partition.assignment.strategy",
        &["partition.assignment.strategy"],
        ASSIGNORS,
        "range and cooperative-sticky by default in Java, range and roundrobin in librdkafka, which has no eager sticky one.",
    ),
    key(
        Consumer,
        "fetch.min.bytes",
        &["fetch.min.bytes"],
        int(1, 100_000_000),
        "",
    ),
    key(
        Consumer,
        "fetch.max.bytes",
        &["fetch.max.bytes"],
        int(0, 2_147_483_135),
        "",
    ),
    key(
        Consumer,
        "fetch.max.wait.ms",
        &["fetch.wait.max.ms"],
        int(0, 300_000),
        "",
    ),
    key(
        Consumer,
        "max.partition.fetch.bytes",
        &["max.partition.fetch.bytes"],
        int(1, 1_000_000_000),
        "",
    ),
    key(
        Consumer,
        "check.crcs",
        &["check.crcs"],
        SWITCH,
        "true by default in Java, false in librdkafka.",
    ),
    key(
        Consumer,
        "allow.auto.create.topics",
        &["allow.auto.create.topics"],
        SWITCH,
        "true by default in Java, false in librdkafka.",
    ),
    key(Both, "client.id", &["client.id"], ValueRule::Text, ""),
    key(Both, "client.rack", &["client.rack"], ValueRule::Text, ""),
    key(
        Both,
        "reconnect.backoff.ms",
        &["reconnect.backoff.ms"],
        int(0, 3_600_000),
        "50 by default in Java, 100 in librdkafka.",
    ),
    key(
        Both,
        "reconnect.backoff.max.ms",
        &["reconnect.backoff.max.ms"],
        int(0, 3_600_000),
        "1000 by default in Java, 10000 in librdkafka: after a long outage librdkafka comes back later.",
    ),
    key(
        Both,
        "socket.connection.setup.timeout.ms",
        &["socket.connection.setup.timeout.ms"],
        int(1000, INT_MAX),
        "10000 by default in Java and growing, 30000 in librdkafka.",
    ),
    key(
        Both,
        "connections.max.idle.ms",
        &["connections.max.idle.ms"],
        int(0, INT_MAX),
        "0 is never, librdkafka's default.",
    ),
    key(
        Both,
        "metadata.max.age.ms",
        &["topic.metadata.refresh.interval.ms"],
        int(1, 3_600_000),
        "librdkafka's metadata.max.age.ms is something else: how long its cache is good.",
    ),
    key(
        Both,
        "send.buffer.bytes",
        &["socket.send.buffer.bytes"],
        int(0, 100_000_000),
        "The system's default is -1 in Java, 0 in librdkafka.",
    ),
    key(
        Both,
        "receive.buffer.bytes",
        &["socket.receive.buffer.bytes"],
        int(0, 100_000_000),
        "The system's default is -1 in Java, 0 in librdkafka.",
    ),
    key(
        Both,
        "security.protocol",
        &["security.protocol"],
        ValueRule::Text,
        "PLAINTEXT; this librdkafka is built without TLS and SASL over it.",
    ),
];
