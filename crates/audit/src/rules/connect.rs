//! What Kafka Connect risks, whatever the connector.

use super::Confidence::{Certain, Possible};
use super::Severity::{Error, Note, Warning};
use super::{Rule, duration_ms, signed};
use crate::component::{Component, Kind, fact};
use crate::landscape::{Effective, Landscape, is_all};

/// The settings of a producer that a worker or a connector puts in place of Connect's own.
fn overrides<'a>(
    component: &'a Component,
    side: &str,
    key: &str,
) -> Option<&'a crate::component::ReadSetting> {
    let prefix = match component.kind {
        Kind::Worker => side.to_owned(),
        _ => format!("{side}.override"),
    };
    component.set(&format!("{prefix}.{key}"))
}

fn number(text: &str) -> Option<i64> {
    text.trim().parse().ok()
}

const INTERNAL: [(&str, &str); 3] = [
    ("offset.storage.replication.factor", "offset.storage.topic"),
    ("config.storage.replication.factor", "config.storage.topic"),
    ("status.storage.replication.factor", "status.storage.topic"),
];

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "connect-topics-replication",
        severity: Error,
        confidence: Certain,
        title: "Connect's own topics lie on one broker",
        consequence: "When that broker's disk is gone, connectors and their positions are gone: a source takes a new \
                      snapshot, or leaves a gap.",
        fix: "3 for `config`, `offset` and `status.storage.replication.factor`",
        source: "Kafka documentation, Connect worker configuration `offset.storage.replication.factor`",
        shown_by: &["disk-loss"],
        check: |of, hits| {
            for it in of.workers() {
                for (key, _) in INTERNAL {
                    if let Some(few) = it
                        .value(key)
                        .filter(|it| it.number().is_some_and(|it| it == 1 || it == 2))
                    {
                        let is_one = few.number() == Some(1);
                        let hit = hits.at(it, &few);
                        if !is_one || key.starts_with("status") {
                            hit.as_severe(Warning);
                        }
                    }
                }
            }
        },
    },
    Rule {
        id: "connect-topics-not-compacted",
        severity: Error,
        confidence: Certain,
        title: "Connect's positions are deleted after a while",
        consequence: "Connect's own topics have to be compacted: with `delete` positions and connectors vanish when \
                      the retention is over.",
        fix: "`cleanup.policy=compact`",
        source: "Kafka documentation, Running Kafka Connect",
        shown_by: &[],
        check: |of, hits| {
            for worker in of.workers() {
                for (_, key) in INTERNAL {
                    let Some(name) = worker.text(key) else {
                        continue;
                    };
                    for it in of.topics().filter(|it| it.name == name) {
                        if let Some(policy) = it
                            .value("cleanup.policy")
                            .filter(|it| it.value.contains("delete"))
                        {
                            hits.at(it, &policy)
                                .and(format!("{} keeps its state there", worker.label()));
                        }
                    }
                }
            }
        },
    },
    Rule {
        id: "standalone-positions-in-temporary-folder",
        severity: Error,
        confidence: Certain,
        title: "the positions of sources are in a temporary folder",
        consequence: "What cleans `/tmp`, or a new container, makes every source begin anew.",
        fix: "`offset.storage.file.filename` on a disk, or distributed mode",
        source: "Kafka documentation, Running Kafka Connect",
        shown_by: &[],
        check: |of, hits| {
            for it in of.workers() {
                if let Some(file) = it
                    .value("offset.storage.file.filename")
                    .filter(|it| it.value.starts_with("/tmp"))
                {
                    hits.at(it, &file);
                }
            }
        },
    },
    Rule {
        id: "worker-lost-for-minutes",
        severity: Warning,
        confidence: Certain,
        title: "after a kill nothing runs until the rebalance delay is over",
        consequence: "The tasks of a worker that is lost wait until its session is over and then, where another one \
                      is left to lead the group, for `scheduled.rebalance.max.delay.ms`.",
        fix: "a delay below the promised recovery",
        source: "KIP-415; Kafka documentation, Connect worker configuration `scheduled.rebalance.max.delay.ms`",
        shown_by: &[],
        check: |of, hits| {
            let Some(promised) = of.promise.recovery_s.map(|it| signed(it) * 1000) else {
                return;
            };
            // One that comes back is a new leader, and waits for the session only.
            if told_workers(of) == 1 {
                return;
            }
            for it in of
                .workers()
                .filter(|it| it.set("offset.storage.file.filename").is_none())
            {
                if let Some(delay) = it
                    .value("scheduled.rebalance.max.delay.ms")
                    .filter(|it| it.number().is_some_and(|it| it > promised))
                {
                    hits.at(it, &delay)
                        .and(format!("promised: back after {}", duration_ms(promised)));
                }
            }
        },
    },
    Rule {
        id: "source-writes-twice",
        severity: Note,
        confidence: Certain,
        title: "a lost response writes a source's record twice",
        consequence: "Connect disables idempotence for the producers of sources unless it is asked for.",
        fix: "`producer.override.enable.idempotence=true`, or exactly-once support",
        source: "Apache Kafka, Connect's Worker.java; notable changes in 3.0.1",
        shown_by: &["answer-lost-no-idempotence", "answer-lost-idempotence"],
        check: |of, hits| {
            let eos = of.eos_worker().is_some();
            let is_on = |it: &Component| {
                overrides(it, "producer", "enable.idempotence").is_some_and(|it| it.value == "true")
            };
            let by_worker = of.workers().any(is_on);
            for it in of
                .of(&[Kind::Source])
                .filter(|it| !eos && !by_worker && !is_on(it))
            {
                hits.on(
                    it,
                    "producer.override.enable.idempotence",
                    "producer.override.enable.idempotence is not set: Connect disables it",
                );
            }
        },
    },
    Rule {
        id: "connect-producer-weakened",
        severity: Error,
        confidence: Certain,
        title: "an override takes away what Connect guarantees",
        consequence: "Connect's producers wait for all replicas, keep one request in flight and retry for weeks; with \
                      this override records of a source get lost or out of order.",
        fix: "remove the override",
        source: "Apache Kafka, Connect's Worker.java, baseProducerConfigs",
        shown_by: &["acks-1-leader-kill", "acks-all-leader-kill"],
        check: |of, hits| {
            for it in of.of(&[Kind::Worker, Kind::Source]) {
                let idempotent = overrides(it, "producer", "enable.idempotence")
                    .is_some_and(|it| it.value == "true");
                let acks = overrides(it, "producer", "acks").filter(|it| !is_all(&it.value));
                let in_flight = overrides(it, "producer", "max.in.flight.requests.per.connection")
                    .filter(|it| !idempotent && number(&it.value).is_some_and(|it| it > 1));
                let retries = overrides(it, "producer", "retries")
                    .filter(|it| number(&it.value).is_some_and(|it| it < 10));
                for setting in [acks, in_flight, retries].into_iter().flatten() {
                    hits.on(
                        it,
                        &setting.path,
                        format!("{}={}", setting.key, setting.value),
                    )
                    .origin = Some(setting.origin.clone());
                }
                if let Some(timeout) = overrides(it, "producer", "delivery.timeout.ms")
                    .filter(|it| number(&it.value).is_some_and(|it| it < 120_000))
                {
                    let hit = hits.on(
                        it,
                        &timeout.path,
                        format!("{}={}", timeout.key, timeout.value),
                    );
                    hit.origin = Some(timeout.origin.clone());
                    hit.as_severe(Warning);
                }
            }
        },
    },
    Rule {
        id: "errors-tolerated",
        severity: Error,
        confidence: Certain,
        title: "records that fail are skipped",
        consequence: "With `errors.tolerance=all` a record that cannot be converted or written is left out, and the \
                      connector goes on.",
        fix: "`errors.tolerance=none`, or a dead letter queue for a sink, and an alert on it",
        source: "KIP-298; Kafka documentation, sink connector configuration `errors.tolerance`",
        shown_by: &[],
        check: |of, hits| {
            for it in of.connectors() {
                let has_queue = it
                    .text("errors.deadletterqueue.topic.name")
                    .is_some_and(|it| !it.is_empty());
                if let Some(all) = it.value("errors.tolerance").filter(|it| it.is("all"))
                    && (it.kind == Kind::Source || !has_queue)
                {
                    hits.at(it, &all);
                }
            }
        },
    },
    Rule {
        id: "dead-letters-replication",
        severity: Warning,
        confidence: Certain,
        title: "the dead letter queue does not fit the cluster",
        consequence: "With more replicas than brokers the sink fails at the first bad record; with one replica the \
                      queue is lost with a disk.",
        fix: "`errors.deadletterqueue.topic.replication.factor` of 3, on 3 brokers",
        source: "KIP-298; Kafka documentation, sink connector configuration",
        shown_by: &[],
        check: |of, hits| {
            let brokers = of.broker_count().map(i64::from);
            for it in of.of(&[Kind::Sink]) {
                let is_used = it
                    .text("errors.deadletterqueue.topic.name")
                    .is_some_and(|it| !it.is_empty());
                let key = "errors.deadletterqueue.topic.replication.factor";
                let own = it.value(key);
                let factor = own.as_ref().and_then(Effective::number).unwrap_or(3);
                if is_used && brokers.is_some_and(|it| it < factor) {
                    let says = own.map_or_else(
                        || format!("{key} is not set: 3 is the default"),
                        |it| it.words(),
                    );
                    hits.on(it, key, says)
                        .and(format!("{} brokers", brokers.unwrap_or_default()))
                        .as_severe(Error);
                } else if is_used && factor == 1 {
                    hits.on(it, key, format!("{key}=1"));
                }
            }
        },
    },
    Rule {
        id: "dead-letters-without-context",
        severity: Note,
        confidence: Certain,
        title: "dead letters do not say why they are there",
        consequence: "Without the headers a dead letter names neither its topic nor its error, and cannot be replayed.",
        fix: "`errors.deadletterqueue.context.headers.enable=true`",
        source: "KIP-298; Kafka documentation, sink connector configuration",
        shown_by: &[],
        check: |of, hits| {
            for it in of.of(&[Kind::Sink]) {
                let is_used = it
                    .text("errors.deadletterqueue.topic.name")
                    .is_some_and(|it| !it.is_empty());
                let key = "errors.deadletterqueue.context.headers.enable";
                if is_used && it.text(key) != Some("true") {
                    hits.on(it, key, format!("{key} is not true"));
                }
            }
        },
    },
    Rule {
        id: "tolerance-stops-positions",
        severity: Error,
        confidence: Certain,
        title: "this version stops committing after one tolerated error",
        consequence: "Connect 3.2.0 with `errors.tolerance=all` commits no position of a source any more once a record \
                      failed: all is repeated after a restart.",
        fix: "3.2.1 or later",
        source: "KAFKA-14079",
        shown_by: &[],
        check: |of, hits| {
            let is_old = of.workers().any(|it| {
                it.version()
                    .is_some_and(|it| it.is_exact() && it.is_in("3.2.0"))
            });
            for it in of.of(&[Kind::Source]).filter(|_| is_old) {
                if let Some(all) = it.value("errors.tolerance").filter(|it| it.is("all")) {
                    hits.at(it, &all).and("the worker is 3.2.0");
                }
            }
        },
    },
    Rule {
        id: "exactly-once-by-half",
        severity: Error,
        confidence: Certain,
        title: "the connector asks for exactly once, and the worker does not have it",
        consequence: "With `exactly.once.support=required` the connector is refused; otherwise it is at least once and \
                      believed to be more.",
        fix: "`exactly.once.source.support=enabled` on every worker",
        source: "KIP-618; Kafka documentation, Connect worker configuration `exactly.once.source.support`",
        shown_by: &[],
        check: |of, hits| {
            if of.workers().count() == 0 || of.eos_worker().is_some() {
                return;
            }
            for it in of.of(&[Kind::Source]) {
                if let Some(asked) = it
                    .value("exactly.once.support")
                    .filter(|it| it.is("required"))
                {
                    hits.at(it, &asked)
                        .and("exactly.once.source.support of the worker is not enabled");
                }
            }
        },
    },
    Rule {
        id: "sink-reads-aborted",
        severity: Error,
        confidence: Certain,
        title: "the sink delivers records of aborted transactions",
        consequence: "The producers use transactions, and Connect's consumers read uncommitted records unless told \
                      otherwise.",
        fix: "`consumer.override.isolation.level=read_committed`",
        source: "KIP-618; Apache Kafka, Connect's Worker.java, baseConsumerConfigs",
        shown_by: &["read-uncommitted", "exactly-once"],
        check: |of, hits| {
            let Some(writer) = of.transactional() else {
                return;
            };
            let is_set = |it: &Component| {
                overrides(it, "consumer", "isolation.level")
                    .is_some_and(|it| it.value == "read_committed")
            };
            let by_worker = of.workers().any(is_set);
            for it in of.of(&[Kind::Sink]).filter(|it| !by_worker && !is_set(it)) {
                hits.on(it, "consumer.override.isolation.level", format!("consumer.override.isolation.level is not read_committed; {} uses transactions", writer.label()));
            }
        },
    },
    Rule {
        id: "sink-starts-at-end",
        severity: Error,
        confidence: Certain,
        title: "the sink skips what is already there",
        consequence: "Connect lets sinks begin at the beginning; with this override a new sink, or one whose position \
                      expired, leaves a gap.",
        fix: "remove the override",
        source: "Apache Kafka, Connect's Worker.java, baseConsumerConfigs",
        shown_by: &["offsets-expired-latest", "offsets-expired-earliest"],
        check: |of, hits| {
            for it in of.of(&[Kind::Sink, Kind::Worker]) {
                if let Some(latest) =
                    overrides(it, "consumer", "auto.offset.reset").filter(|it| it.value == "latest")
                {
                    hits.on(it, &latest.path, format!("{}=latest", latest.key))
                        .origin = Some(latest.origin.clone());
                }
            }
        },
    },
    Rule {
        id: "positions-flushed-rarely",
        severity: Warning,
        confidence: Certain,
        title: "much is repeated after a crash",
        consequence: "A source repeats what it wrote since its positions were last stored.",
        fix: "`offset.flush.interval.ms` of a minute at most",
        source: "Kafka documentation, Connect worker configuration `offset.flush.interval.ms`",
        shown_by: &[],
        check: |of, hits| {
            for it in of.workers() {
                if let Some(rare) = it
                    .value("offset.flush.interval.ms")
                    .filter(|it| it.is_set() && it.number().is_some_and(|it| it > 60_000))
                {
                    hits.at(it, &rare);
                }
            }
        },
    },
    Rule {
        id: "source-topics-one-replica",
        severity: Error,
        confidence: Possible,
        title: "the topics of a source have one replica",
        consequence: "Topics that Connect makes for a source have the replication that is asked for here, or the \
                      brokers' default, which is 1.",
        fix: "`topic.creation.default.replication.factor=3`",
        source: "KIP-158; Kafka documentation, Connect worker configuration `topic.creation.enable`",
        shown_by: &["disk-loss"],
        check: |of, hits| {
            const KEY: &str = "topic.creation.default.replication.factor";
            let broker_one = of
                .cluster("default.replication.factor")
                .is_some_and(|(_, it)| it.number() == Some(1));
            for it in of.of(&[Kind::Source]) {
                match it.text(KEY).and_then(number) {
                    Some(1) => {
                        hits.on(it, KEY, format!("{KEY}=1"));
                    }
                    Some(factor) if factor > 1 => {}
                    _ if broker_one => {
                        hits.on(
                            it,
                            KEY,
                            format!(
                                "{KEY} is not set; the brokers' default.replication.factor is 1"
                            ),
                        );
                    }
                    _ => {}
                }
            }
        },
    },
    Rule {
        id: "one-worker",
        severity: Note,
        confidence: Certain,
        title: "there is one worker",
        consequence: "Connectors stand still while it restarts.",
        fix: "two workers or more with one `group.id`",
        source: "Kafka documentation, Running Kafka Connect",
        shown_by: &["worker-kill"],
        check: |of, hits| {
            if told_workers(of) == 1
                && let Some(it) = of.workers().find(|it| is_told(it))
            {
                hits.on(it, "replicas", "1 worker");
            }
        },
    },
];

/// Whether a file tells how many workers there are of a kind.
fn is_told(worker: &Component) -> bool {
    worker.set(fact::IMAGE).is_some() || worker.set(fact::REPLICAS).is_some()
}

fn told_workers(of: &Landscape) -> u32 {
    let told = of.workers().filter(|it| is_told(it));
    told.map(|it| crate::read::replicas(it).unwrap_or(1)).sum()
}
