//! What topics risk: replicas, retention, compaction.

use super::Confidence::Certain;
use super::Severity::{Error, Warning};
use super::{Rule, duration_ms, signed};
use crate::component::{Component, Kind};
use crate::landscape::{Effective, Landscape};

/// Replicas and the least that have to be in sync, of topics and of what brokers give to
/// new ones.
fn replication(of: &Landscape) -> Vec<(&Component, Effective<'_>, Effective<'_>)> {
    let mut all = Vec::new();
    for topic in of.topics() {
        let isr = of.of_topic(topic, "min.insync.replicas", "min.insync.replicas");
        if let (Some(factor), Some(isr)) = (of.replication(topic), isr) {
            all.push((topic, factor, isr));
        }
    }
    for broker in of.brokers() {
        if let (Some(factor), Some(isr)) = (
            broker.value("default.replication.factor"),
            broker.value("min.insync.replicas"),
        ) && (factor.is_set() || isr.is_set())
        {
            all.push((broker, factor, isr));
        }
    }
    all
}

fn compacts(of: &Landscape, topic: &Component) -> bool {
    of.of_topic(topic, "cleanup.policy", "log.cleanup.policy")
        .is_some_and(|it| it.value.contains("compact"))
}

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "one-replica",
        severity: Error,
        confidence: Certain,
        title: "the topic has one replica",
        consequence: "When that broker's disk is gone, so are its records, acknowledged ones too.",
        fix: "replication factor 3",
        source: "Kafka documentation, Replication",
        shown_by: &["disk-loss"],
        check: |of, hits| {
            for it in of.topics() {
                if let Some(one) = it
                    .value(crate::component::fact::REPLICATION_FACTOR)
                    .filter(|it| it.number() == Some(1))
                {
                    hits.at(it, &one);
                }
            }
        },
    },
    Rule {
        id: "two-replicas",
        severity: Warning,
        confidence: Certain,
        title: "two replicas: either loss or no writes after one failure",
        consequence: "With `min.insync.replicas=1` the replica that is left acknowledges alone; with 2 nothing can be \
                      written while one broker is down.",
        fix: "replication factor 3 and `min.insync.replicas=2`",
        source: "Kafka documentation, topic configuration `min.insync.replicas`",
        shown_by: &[],
        check: |of, hits| {
            for (it, factor, isr) in replication(of) {
                if factor.number() == Some(2) {
                    hits.at(it, &factor).and(isr.words());
                }
            }
        },
    },
    Rule {
        id: "min-isr-equals-replicas",
        severity: Warning,
        confidence: Certain,
        title: "one broker that is down stops all writes",
        consequence: "Every replica has to be in sync: a restart of one broker makes `acks=all` fail with \
                      `NOT_ENOUGH_REPLICAS`.",
        fix: "`min.insync.replicas` of one less than the replicas",
        source: "Kafka documentation, topic configuration `min.insync.replicas`",
        shown_by: &[],
        check: |of, hits| {
            for (it, factor, isr) in replication(of) {
                if factor.number() == isr.number() && factor.number().is_some_and(|it| it > 2) {
                    hits.at(it, &isr).and(factor.words());
                }
            }
        },
    },
    Rule {
        id: "min-isr-above-replicas",
        severity: Error,
        confidence: Certain,
        title: "no write with `acks=all` ever succeeds",
        consequence: "More replicas have to be in sync than there are.",
        fix: "`min.insync.replicas` of one less than the replicas",
        source: "Kafka documentation, topic configuration `min.insync.replicas`",
        shown_by: &[],
        check: |of, hits| {
            for (it, factor, isr) in replication(of) {
                // Without a factor of its own the broker's 1 is no topic's.
                let is_told = factor.is_set() || it.kind == Kind::Topic;
                if is_told && isr.number() > factor.number() {
                    hits.at(it, &isr).and(factor.words());
                }
            }
        },
    },
    Rule {
        id: "more-replicas-than-brokers",
        severity: Error,
        confidence: Certain,
        title: "the topic cannot be made",
        consequence: "A topic with more replicas than brokers is refused with `INVALID_REPLICATION_FACTOR`.",
        fix: "as many brokers, or fewer replicas",
        source: "Kafka documentation, Replication",
        shown_by: &[],
        check: |of, hits| {
            let Some(brokers) = of.broker_count().map(i64::from) else {
                return;
            };
            for (it, factor, _) in replication(of) {
                if factor.is_set() && factor.number().is_some_and(|it| it > brokers) {
                    hits.at(it, &factor).and(format!("{brokers} brokers"));
                }
            }
        },
    },
    Rule {
        id: "retention-below-pause",
        severity: Warning,
        confidence: Certain,
        title: "records are deleted before a consumer that paused returns",
        consequence: "What was deleted unread is missing, and nothing says so but the position that jumps.",
        fix: "`retention.ms` above the longest pause",
        source: "Kafka documentation, topic configuration `retention.ms`",
        shown_by: &[
            "retention-overtakes-consumer",
            "retention-outlasts-consumer",
        ],
        check: |of, hits| {
            let Some(pause) = of.promise.pause_h.map(|it| signed(it) * 3_600_000) else {
                return;
            };
            for it in of.topics() {
                if let Some(kept) = it
                    .value("retention.ms")
                    .filter(|it| it.number().is_some_and(|it| it >= 0 && it < pause))
                {
                    hits.at(it, &kept)
                        .and(format!("promised: a pause of {}", duration_ms(pause)));
                }
            }
            for it in of.brokers() {
                let hours = it.value("log.retention.ms").filter(Effective::is_set);
                let ms = hours.map(|it| (it.number(), it)).or_else(|| {
                    let hours = it.value("log.retention.hours")?;
                    Some((hours.number().map(|it| it * 3_600_000), hours))
                });
                if let Some((Some(number), kept)) = ms
                    && number >= 0
                    && number < pause
                {
                    hits.at(it, &kept)
                        .and(format!("promised: a pause of {}", duration_ms(pause)));
                }
            }
        },
    },
    Rule {
        id: "size-limit-below-retention",
        severity: Warning,
        confidence: Certain,
        title: "the size limit deletes long before the time does",
        consequence: "`retention.bytes` counts for each partition: at the promised rate it is full before \
                      `retention.ms` is over, even if the records were spread over a hundred partitions.",
        fix: "a larger `retention.bytes`",
        source: "Kafka documentation, topic configuration `retention.bytes`",
        shown_by: &[
            "retention-overtakes-consumer",
            "retention-outlasts-consumer",
        ],
        check: |of, hits| {
            const PARTITIONS: i64 = 100;
            let Some(rate) = of.promise.bytes_per_s.map(signed).filter(|it| *it > 0) else {
                return;
            };
            for it in of.topics() {
                let Some(size) = it
                    .value("retention.bytes")
                    .filter(|it| it.is_set() && it.number().is_some_and(|it| it > 0))
                else {
                    continue;
                };
                let time = of
                    .of_topic(it, "retention.ms", "log.retention.ms")
                    .and_then(|it| it.number())
                    .unwrap_or(604_800_000);
                let full_ms = size
                    .number()
                    .unwrap_or_default()
                    .saturating_mul(1000 * PARTITIONS)
                    / rate;
                if time > 0 && full_ms < time {
                    hits.at(it, &size).and(format!(
                        "full after {} at most",
                        duration_ms(full_ms / 1000 * 1000)
                    ));
                }
            }
        },
    },
    Rule {
        id: "tombstones-below-pause",
        severity: Warning,
        confidence: Certain,
        title: "a consumer that paused misses deletions",
        consequence: "Tombstones are removed after `delete.retention.ms`: a consumer that returns later never learns \
                      that a key is gone, and keeps it for ever.",
        fix: "`delete.retention.ms` above the longest pause",
        source: "Kafka documentation, topic configuration `delete.retention.ms`",
        shown_by: &[],
        check: |of, hits| {
            let Some(pause) = of.promise.pause_h.map(|it| signed(it) * 3_600_000) else {
                return;
            };
            for it in of.topics().filter(|it| compacts(of, it)) {
                if let Some(kept) = it
                    .value("delete.retention.ms")
                    .filter(|it| it.number().is_some_and(|it| it < pause))
                {
                    hits.at(it, &kept)
                        .and(format!("promised: a pause of {}", duration_ms(pause)));
                }
            }
        },
    },
    Rule {
        id: "captured-topic-deletes",
        severity: Warning,
        confidence: Certain,
        title: "a table's topic forgets rows that did not change",
        consequence: "With `compact,delete` a row whose last change is older than the retention is gone for consumers \
                      that build the table anew.",
        fix: "`cleanup.policy=compact` on topics that stand for a table",
        source: "Kafka documentation, topic configuration `cleanup.policy`",
        shown_by: &[],
        check: |of, hits| {
            let prefixes: Vec<&str> = of
                .captures()
                .filter_map(|it| it.text("topic.prefix").or(it.text("database.server.name")))
                .collect();
            for it in of.topics() {
                let is_captured = prefixes
                    .iter()
                    .any(|prefix| it.name.starts_with(&format!("{prefix}.")));
                if let Some(policy) = it
                    .value("cleanup.policy")
                    .filter(|it| it.value.contains("compact") && it.value.contains("delete"))
                    && is_captured
                {
                    hits.at(it, &policy);
                }
            }
        },
    },
];
