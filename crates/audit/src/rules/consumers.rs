//! What consumers risk.

use super::Confidence::{Certain, Possible};
use super::Severity::{Error, Note, Warning};
use super::{Rule, duration_ms, signed};
use crate::landscape::{Effective, is_open};
use crate::product::Product;

/// `group.min.session.timeout.ms` and `group.max.session.timeout.ms` where no broker says.
const SESSION_MS: (i64, i64) = (6_000, 1_800_000);

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "auto-commit",
        severity: Warning,
        confidence: Possible,
        title: "positions are committed before the work is done",
        consequence: "A record that was handed on to other threads, or that librdkafka stored the position of before \
                      the application saw it, is committed and lost when the process ends.",
        fix: "`enable.auto.commit=false` and commit after the work; with librdkafka `enable.auto.offset.store=false` is enough",
        source: "Kafka documentation, consumer configuration `enable.auto.commit`; librdkafka, CONFIGURATION.md",
        shown_by: &["auto-commit-slow-processing", "commit-after-processing"],
        check: |of, hits| {
            for it in of.consumers() {
                let stores_itself = it
                    .value("enable.auto.offset.store")
                    .is_some_and(|it| it.is("false"));
                if let Some(auto) = it.value("enable.auto.commit").filter(|it| it.is("true"))
                    && !stores_itself
                {
                    // Java's client commits what the poll before returned: safe where
                    // the work ends before the next poll.
                    let is_loop = it.is_java() && !auto.is_set();
                    let hit = hits.at(it, &auto);
                    if is_loop {
                        hit.as_severe(Note);
                    }
                }
            }
        },
    },
    Rule {
        id: "auto-commit-interval-long",
        severity: Note,
        confidence: Certain,
        title: "much is processed again after a crash",
        consequence: "What was processed since the last automatic commit is processed again.",
        fix: "commit more often",
        source: "Kafka documentation, consumer configuration `auto.commit.interval.ms`",
        shown_by: &[],
        check: |of, hits| {
            for it in of.consumers() {
                let is_on = it
                    .value("enable.auto.commit")
                    .is_some_and(|it| it.is("true"));
                if let Some(long) = it
                    .value("auto.commit.interval.ms")
                    .filter(|it| it.is_set() && it.number().is_some_and(|it| it > 60_000))
                    && is_on
                {
                    hits.at(it, &long);
                }
            }
        },
    },
    Rule {
        id: "reset-to-latest",
        severity: Warning,
        confidence: Certain,
        title: "without a position, reading begins at the end",
        consequence: "A new group skips what is there, a group whose position expired skips what came since, and \
                      records of a new partition are skipped until the consumer sees it.",
        fix: "`auto.offset.reset=earliest`, or `none` and decide in the application",
        source: "Kafka documentation, consumer configuration `auto.offset.reset`; KIP-1106",
        shown_by: &["offsets-expired-latest", "offsets-expired-earliest"],
        check: |of, hits| {
            for it in of.consumers() {
                let ends = |it: &Effective<'_>| {
                    ["latest", "largest", "end", "newest"]
                        .iter()
                        .any(|word| it.is(word))
                };
                if let Some(reset) = it.value("auto.offset.reset").filter(ends) {
                    hits.at(it, &reset);
                }
            }
        },
    },
    Rule {
        id: "reads-aborted-records",
        severity: Error,
        confidence: Certain,
        title: "records of aborted transactions are processed",
        consequence: "The producers use transactions, and this consumer reads what they abort as if it were committed.",
        fix: "`isolation.level=read_committed`",
        source: "KIP-98; Kafka documentation, consumer configuration `isolation.level`",
        shown_by: &["read-uncommitted", "exactly-once"],
        check: |of, hits| {
            let Some(writer) = of.transactional() else {
                return;
            };
            for it in of.consumers() {
                if let Some(level) = it
                    .value("isolation.level")
                    .filter(|it| !it.is("read_committed"))
                {
                    hits.at(it, &level)
                        .and(format!("{} uses transactions", writer.label()));
                }
            }
        },
    },
    Rule {
        id: "session-beyond-recovery",
        severity: Warning,
        confidence: Certain,
        title: "after a kill its partitions are not read until the session times out",
        consequence: "A consumer that is killed keeps its partitions until its session is over, also when it starts \
                      again at once: it comes back as another member.",
        fix: "`group.instance.id` for each instance: it takes its partitions back when it returns; or a shorter session",
        source: "KIP-345; Kafka documentation, consumer configuration `session.timeout.ms`",
        shown_by: &["crash-dynamic-member", "crash-static-member"],
        check: |of, hits| {
            let Some(promised) = of.promise.recovery_s.map(|it| signed(it) * 1000) else {
                return;
            };
            for it in of
                .consumers()
                .filter(|it| it.set("group.instance.id").is_none())
            {
                if it
                    .value("group.protocol")
                    .is_some_and(|it| it.is("consumer"))
                {
                    continue;
                }
                if let Some(session) = it
                    .value("session.timeout.ms")
                    .filter(|it| it.number().is_some_and(|it| it > promised))
                {
                    hits.at(it, &session)
                        .and("group.instance.id is not set")
                        .and(format!("promised: back after {}", duration_ms(promised)));
                }
            }
        },
    },
    Rule {
        id: "session-outside-limits",
        severity: Error,
        confidence: Certain,
        title: "the brokers refuse this session timeout",
        consequence: "A member whose `session.timeout.ms` lies outside the brokers' limits cannot join its group.",
        fix: "a session within `group.min.session.timeout.ms` and `group.max.session.timeout.ms`",
        source: "Kafka documentation, broker configuration `group.min.session.timeout.ms`",
        shown_by: &[],
        check: |of, hits| {
            let limit = |key, other| {
                of.cluster(key)
                    .and_then(|(_, it)| it.number())
                    .unwrap_or(other)
            };
            let least = limit("group.min.session.timeout.ms", SESSION_MS.0);
            let most = limit("group.max.session.timeout.ms", SESSION_MS.1);
            for it in of.consumers() {
                if let Some(session) = it.value("session.timeout.ms").filter(|it| {
                    it.is_set() && it.number().is_some_and(|it| it < least || it > most)
                }) {
                    hits.at(it, &session)
                        .and(format!("the limits are {least} and {most}"));
                }
            }
        },
    },
    Rule {
        id: "heartbeat-too-slow",
        severity: Warning,
        confidence: Certain,
        title: "one lost heartbeat ends the session",
        consequence: "A member that misses a heartbeat or two is thrown out, and its records are processed again.",
        fix: "`heartbeat.interval.ms` of a third of `session.timeout.ms` at most",
        source: "Kafka documentation, consumer configuration `heartbeat.interval.ms`",
        shown_by: &[],
        check: |of, hits| {
            for it in of.consumers() {
                if let Some(heartbeat) = it.value("heartbeat.interval.ms")
                    && let Some(session) = it.value("session.timeout.ms")
                    && (heartbeat.is_set() || session.is_set())
                    && let (Some(beat), Some(limit)) = (heartbeat.number(), session.number())
                    && beat > limit / 3
                {
                    let hit = hits.at(it, &heartbeat).and(session.words());
                    if beat >= limit {
                        hit.as_severe(Error);
                    }
                }
            }
        },
    },
    Rule {
        id: "group-protocol-ignores-settings",
        severity: Warning,
        confidence: Certain,
        title: "the brokers decide this, not the client",
        consequence: "With `group.protocol=consumer` the group's own configuration at the brokers rules; Java's client \
                      refuses these keys.",
        fix: "remove it, and set `consumer.session.timeout.ms` or `consumer.heartbeat.interval.ms` of the group",
        source: "KIP-848; Kafka documentation, consumer configuration `session.timeout.ms`",
        shown_by: &[],
        check: |of, hits| {
            const IGNORED: [&str; 3] = [
                "session.timeout.ms",
                "heartbeat.interval.ms",
                "partition.assignment.strategy",
            ];
            for it in of.consumers().filter(|it| {
                it.value("group.protocol")
                    .is_some_and(|it| it.is("consumer"))
            }) {
                for key in IGNORED {
                    if let Some(value) = it.value(key).filter(Effective::is_set) {
                        hits.at(it, &value).and("group.protocol=consumer");
                    }
                }
            }
        },
    },
    Rule {
        id: "work-longer-than-poll",
        severity: Error,
        confidence: Certain,
        title: "the work of one poll takes too long",
        consequence: "A member that does not poll for `max.poll.interval.ms` loses its partitions: the records in hand \
                      are processed twice, and their commit fails.",
        fix: "fewer records a poll (`max.poll.records`), or a longer `max.poll.interval.ms`",
        source: "KIP-62; Kafka documentation, consumer configuration `max.poll.interval.ms`",
        shown_by: &["zombie-in-hand", "zombie-fenced"],
        check: |of, hits| {
            let Some(record_ms) = of.promise.record_ms.map(signed) else {
                return;
            };
            for it in of.consumers() {
                if let (Some(records), Some(interval)) = (
                    it.value("max.poll.records"),
                    it.value("max.poll.interval.ms"),
                ) && let (Some(count), Some(limit)) = (records.number(), interval.number())
                    && count.saturating_mul(record_ms) > limit
                {
                    hits.at(it, &records)
                        .and(interval.words())
                        .and(format!("one record takes {record_ms} ms"));
                }
            }
        },
    },
    Rule {
        id: "static-id-shared",
        severity: Error,
        confidence: Certain,
        title: "instances share one group instance id",
        consequence: "Each instance that joins fences the one before: they end each other for ever.",
        fix: "a `group.instance.id` for each instance",
        source: "KIP-345; Kafka documentation, consumer configuration `group.instance.id`",
        shown_by: &[],
        check: |of, hits| {
            for it in of.consumers() {
                let many = crate::read::replicas(it).filter(|it| *it > 1);
                if let (Some(many), Some(id)) = (many, it.set("group.instance.id"))
                    && !is_open(&id.value)
                {
                    hits.on(
                        it,
                        &id.path,
                        format!("group.instance.id={}; {many} replicas", id.value),
                    )
                    .origin = Some(id.origin.clone());
                }
            }
        },
    },
    Rule {
        id: "cooperative-on-broken-client",
        severity: Warning,
        confidence: Certain,
        title: "this version rebalances cooperatively with a bug",
        consequence: "librdkafka 1.6 to 2.8 may lose its assignment when a commit meets a rebalance; Java 3.2.1 and \
                      3.2.2 process records again after one.",
        fix: "librdkafka 2.10.0, kafka-clients 3.2.3, or later",
        source: "confluentinc/librdkafka#4908; KAFKA-14196",
        shown_by: &[],
        check: |of, hits| {
            for it in of.consumers() {
                let Some(version) = it.version() else {
                    continue;
                };
                let old = it.is(Product::Librdkafka) && version.is_between("1.6.0", "2.10.0")
                    || it.is(Product::Java) && version.is_between("3.2.1", "3.2.3");
                let cooperative = |it: &Effective<'_>| {
                    it.is_set() && it.value.to_ascii_lowercase().contains("cooperative")
                };
                if let Some(strategy) = it
                    .value("partition.assignment.strategy")
                    .filter(cooperative)
                    && old
                {
                    hits.at(it, &strategy).and(format!("version {version}"));
                }
            }
        },
    },
    Rule {
        id: "consumer-creates-topics",
        severity: Note,
        confidence: Certain,
        title: "a typing error in a topic's name makes a topic",
        consequence: "A consumer that may create topics reads an empty one of the brokers' default replication and \
                      waits for ever.",
        fix: "`allow.auto.create.topics=false`",
        source: "KIP-361; Kafka documentation, consumer configuration `allow.auto.create.topics`",
        shown_by: &[],
        check: |of, hits| {
            for it in of.consumers() {
                if let Some(may) = it
                    .value("allow.auto.create.topics")
                    .filter(|it| it.is_set() && it.is("true"))
                {
                    hits.at(it, &may);
                }
            }
        },
    },
    Rule {
        id: "crc-unchecked",
        severity: Note,
        confidence: Certain,
        title: "a damaged batch is handed on",
        consequence: "Without `check.crcs` a batch that was damaged on its way or on a disk reaches the application.",
        fix: "`check.crcs=true`",
        source: "librdkafka, CONFIGURATION.md; Kafka documentation, consumer configuration `check.crcs`",
        shown_by: &[],
        check: |of, hits| {
            for it in of.consumers() {
                if let Some(off) = it.value("check.crcs").filter(|it| it.is("false")) {
                    hits.at(it, &off);
                }
            }
        },
    },
    Rule {
        id: "receive-limit-refused",
        severity: Error,
        confidence: Certain,
        title: "the consumer refuses to start",
        consequence: "librdkafka needs a `receive.message.max.bytes` of `fetch.max.bytes` and 512 bytes at least.",
        fix: "raise `receive.message.max.bytes`, or lower `fetch.max.bytes`",
        source: "librdkafka, CONFIGURATION.md",
        shown_by: &[],
        check: |of, hits| {
            for it in of.consumers().filter(|it| it.is(Product::Librdkafka)) {
                if let (Some(receive), Some(fetch)) = (
                    it.value("receive.message.max.bytes"),
                    it.value("fetch.max.bytes"),
                ) && (receive.is_set() && fetch.is_set())
                    && let (Some(most), Some(asked)) = (receive.number(), fetch.number())
                    && most < asked.saturating_add(512)
                {
                    hits.at(it, &receive).and(fetch.words());
                }
            }
        },
    },
    Rule {
        id: "receive-limit-below-records",
        severity: Error,
        confidence: Certain,
        title: "the largest records cannot be read",
        consequence: "A batch above librdkafka's `receive.message.max.bytes` stops the partition: it can never be \
                      fetched.",
        fix: "`receive.message.max.bytes` above the brokers' and topics' limit",
        source: "librdkafka, CONFIGURATION.md; Kafka documentation, topic configuration `max.message.bytes`",
        shown_by: &[],
        check: |of, hits| {
            let broker = of
                .cluster("message.max.bytes")
                .filter(|(_, it)| it.is_set())
                .and_then(|(_, it)| it.number());
            let topics = of.topics().filter_map(|it| {
                it.value("max.message.bytes")
                    .filter(Effective::is_set)?
                    .number()
            });
            let Some(largest) = topics.chain(broker).max() else {
                return;
            };
            for it in of.consumers().filter(|it| it.is(Product::Librdkafka)) {
                if let Some(limit) = it
                    .value("receive.message.max.bytes")
                    .filter(|it| it.number().is_some_and(|it| it < largest))
                {
                    hits.at(it, &limit)
                        .and(format!("records may have {largest} bytes"));
                }
            }
        },
    },
    Rule {
        id: "poll-interval-below-session",
        severity: Error,
        confidence: Certain,
        title: "the consumer refuses to start",
        consequence: "librdkafka needs a `max.poll.interval.ms` of `session.timeout.ms` at least.",
        fix: "raise `max.poll.interval.ms`, or lower `session.timeout.ms`",
        source: "librdkafka, CONFIGURATION.md",
        shown_by: &[],
        check: |of, hits| {
            for it in of.consumers().filter(|it| it.is(Product::Librdkafka)) {
                if let (Some(poll), Some(session)) = (
                    it.value("max.poll.interval.ms"),
                    it.value("session.timeout.ms"),
                ) && (poll.is_set() || session.is_set())
                    && let (Some(poll_ms), Some(session_ms)) = (poll.number(), session.number())
                    && poll_ms < session_ms
                {
                    hits.at(it, &poll).and(session.words());
                }
            }
        },
    },
    Rule {
        id: "position-deleted-unread",
        severity: Error,
        confidence: Certain,
        title: "records were deleted before the group read them",
        consequence: "The group's position lies before the beginning of the log: what lay between is gone for it, and \
                      `auto.offset.reset` decides where it goes on.",
        fix: "longer retention, more consumers, an alert on the lag",
        source: "Kafka documentation, topic configuration `retention.ms`",
        shown_by: &[
            "retention-overtakes-consumer",
            "retention-outlasts-consumer",
        ],
        check: |of, hits| {
            for it in of.of(&[crate::component::Kind::Group]) {
                for gone in it.with_prefix(crate::component::fact::DELETED_UNREAD) {
                    hits.on(
                        it,
                        &gone.path,
                        format!(
                            "{} records of {} were deleted unread",
                            gone.value, gone.path
                        ),
                    )
                    .origin = Some(gone.origin.clone());
                }
            }
        },
    },
];
