//! The rules: one form of each condition, and the names that each exporter has for what it
//! needs. Knows nothing of files.

use std::fmt::Write as _;
use std::time::Duration;

use crate::args::{AlertsInitArgs, Exporter};

/// How long a group may have no members: offsets go after `offsets.retention.minutes`, 7 days
/// by default.
const DESERTED: &str = "5d";
/// How much of what a partition holds may be unread while retention deletes from it.
const RETENTION_SHARE: &str = "0.8";

/// The names of one exporter, as its source has them.
struct Metrics {
    name: &'static str,
    /// Where the names come from.
    source: &'static str,
    group: &'static str,
    topic: &'static str,
    /// The labels that identify a partition.
    partition: &'static str,
    /// Offsets behind, of a group in a topic.
    topic_lag: &'static str,
    /// Offsets behind, of a group in a partition.
    partition_lag: &'static str,
    /// The committed position and the lag with the same labels, for a position that stalls.
    position: (&'static str, &'static str),
    /// The first offset and the end of a partition.
    log: (&'static str, &'static str),
    /// A metric of each group, and its value where the group has no members.
    without_members: (&'static str, u8),
    /// Seconds behind, of a group.
    age: Option<&'static str>,
    /// Records deleted unread, of a group in a partition; without it they are told by a lag
    /// that is longer than the log.
    lost: Option<&'static str>,
    /// There while the exporter works.
    is_up: &'static str,
}

const KMINION: Metrics = Metrics {
    name: "kminion",
    source: "github.com/redpanda-data/kminion, prometheus/exporter.go and docs/metrics.md",
    group: "group_id",
    topic: "topic_name",
    partition: "topic_name, partition_id",
    topic_lag: "kminion_kafka_consumer_group_topic_lag",
    partition_lag: "kminion_kafka_consumer_group_topic_partition_lag",
    position: (
        "kminion_kafka_consumer_group_topic_offset_sum",
        "kminion_kafka_consumer_group_topic_lag",
    ),
    log: (
        "kminion_kafka_topic_partition_low_water_mark",
        "kminion_kafka_topic_partition_high_water_mark",
    ),
    without_members: ("kminion_kafka_consumer_group_members", 0),
    age: None,
    lost: None,
    is_up: "kminion_exporter_up == 1",
};

const KAFKA_EXPORTER: Metrics = Metrics {
    name: "kafka_exporter",
    source: "github.com/danielqsj/kafka_exporter, README.md",
    group: "consumergroup",
    topic: "topic",
    partition: "topic, partition",
    // Its own sum, `kafka_consumergroup_lag_sum`, is the last series of a scrape, which gets
    // lost in most of them (danielqsj/kafka_exporter#513). A partition without a position is -1.
    topic_lag: "sum by (consumergroup, topic) (clamp_min(kafka_consumergroup_lag, 0))",
    partition_lag: "kafka_consumergroup_lag",
    position: (
        "kafka_consumergroup_current_offset",
        "kafka_consumergroup_lag",
    ),
    log: (
        "kafka_topic_partition_oldest_offset",
        "kafka_topic_partition_current_offset",
    ),
    without_members: ("kafka_consumergroup_members", 0),
    age: None,
    lost: None,
    is_up: "kafka_brokers > 0",
};

const KLAG_EXPORTER: Metrics = Metrics {
    name: "klag-exporter",
    source: "github.com/softwaremill/klag-exporter, src/metrics/definitions.rs and README.md",
    group: "group",
    topic: "topic",
    partition: "cluster_name, topic, partition",
    topic_lag: "kafka_consumergroup_group_topic_sum_lag",
    partition_lag: "kafka_consumergroup_group_lag",
    position: (
        "kafka_consumergroup_group_offset",
        "kafka_consumergroup_group_lag",
    ),
    log: (
        "kafka_partition_earliest_offset",
        "kafka_partition_latest_offset",
    ),
    // The state is a number: 5 is Empty.
    without_members: ("kafka_consumergroup_group_state", 5),
    age: Some("kafka_consumergroup_group_max_lag_seconds"),
    lost: Some("kafka_consumergroup_group_messages_lost"),
    is_up: "kafka_lag_exporter_up == 1",
};

/// One alert.
struct Rule {
    alert: &'static str,
    /// What it means, in a comment.
    why: &'static str,
    expr: String,
    lasting: String,
    severity: &'static str,
    summary: String,
}

/// The whole file.
pub(super) fn rules(args: &AlertsInitArgs) -> String {
    let metrics = match args.exporter {
        Exporter::Kminion => &KMINION,
        Exporter::Kafka => &KAFKA_EXPORTER,
        Exporter::Klag => &KLAG_EXPORTER,
    };
    let mut out = format!(
        "# Alerts on consumer lag, for {}.\n# Metric names: {}.\n# Written by `ackproof alerts \
         init`; docs/guides/lag.md explains each rule.\n",
        metrics.name, metrics.source
    );
    if metrics.age.is_none() {
        out.push_str(
            "# This exporter does not tell the age of the next unread record: `ackproof lag \
             --max-age` does.\n",
        );
    }
    out.push_str("groups:\n  - name: kafka-lag\n    rules:\n");
    for rule in all(metrics, args) {
        let _ = write!(
            out,
            "      # {}\n      - alert: {}\n        expr: |-\n",
            rule.why, rule.alert
        );
        for line in rule.expr.lines() {
            let _ = writeln!(out, "          {line}");
        }
        let _ = write!(
            out,
            "        for: {}\n        labels:\n          severity: {}\n        annotations:\n          \
             summary: \"{}\"\n",
            rule.lasting, rule.severity, rule.summary
        );
    }
    out
}

fn all(metrics: &Metrics, args: &AlertsInitArgs) -> Vec<Rule> {
    let Metrics {
        group,
        topic,
        partition,
        topic_lag,
        partition_lag,
        is_up,
        ..
    } = metrics;
    let lasting = prometheus(args.lasting);
    let (stalled, vanished) = (prometheus(args.stalled), prometheus(args.vanished));
    let (position, its_lag) = metrics.position;
    let (start, end) = metrics.log;
    let (members, none) = metrics.without_members;
    let named = format!("group {{{{ $labels.{group} }}}}");
    let in_topic = format!("{named} in {{{{ $labels.{topic} }}}}");
    let held = format!("max by ({partition}) ({end} - {start})");
    let rule = |alert, why, severity, expr: String, summary: String| Rule {
        alert,
        why,
        expr,
        lasting: lasting.clone(),
        severity,
        summary,
    };
    let mut rules = vec![rule(
        "KafkaConsumerLag",
        "More behind than the threshold.",
        "warning",
        format!("{topic_lag} > {}", args.max_lag),
        format!("{in_topic} is {{{{ $value }}}} records behind"),
    )];
    if let Some(age) = metrics.age {
        rules.push(rule(
            "KafkaConsumerLagAge",
            "The next unread record is older than the threshold.",
            "warning",
            format!("{age} > {}", args.max_age.as_secs_f64()),
            format!("{named} is {{{{ $value }}}} seconds behind"),
        ));
    }
    rules.push(rule(
        "KafkaConsumerStalled",
        "Something is unread, and the position does not move.",
        "critical",
        format!("changes({position}[{stalled}]) == 0\nand min_over_time({its_lag}[{stalled}]) > 0"),
        format!("{in_topic} has committed nothing for {stalled} and is behind"),
    ));
    rules.push(rule(
        "KafkaConsumerGone",
        "Something is unread, and the group has no members.",
        "critical",
        format!("sum by ({group}) ({topic_lag}) > 0\nand on ({group}) {members} == {none}"),
        format!("{named} has no members and is {{{{ $value }}}} records behind"),
    ));
    rules.push(rule(
        "KafkaConsumerGroupVanished",
        "The group was there a while ago: deleted, or its offsets expired.",
        "critical",
        format!(
            "max by ({group}) ({members} offset {vanished})\nunless on ({group}) max by ({group}) \
             ({members})\nand on () ({is_up})"
        ),
        format!("{named} is not there any more"),
    ));
    rules.push(rule(
        "KafkaConsumerOffsetsExpire",
        "No members for days: its offsets go after offsets.retention.minutes (7 days by default).",
        "warning",
        format!(
            "max_over_time({members}[{DESERTED}]) == {none}\nand min_over_time({members}\
             [{DESERTED}]) == {none}\nand {members} offset {DESERTED} == {none}"
        ),
        format!("{named} has had no members for {DESERTED}; its offsets expire soon"),
    ));
    rules.push(rule(
        "KafkaRetentionOvertakesConsumer",
        "Most of what the partition holds is unread, and retention deletes from it.",
        "critical",
        format!(
            "{partition_lag}\n  / on ({partition}) group_left () {held}\n  > {RETENTION_SHARE}\n\
             and on ({partition}) changes({start}[1d]) > 0"
        ),
        format!("retention is about to delete what {in_topic} has not read"),
    ));
    rules.push(rule(
        "KafkaRecordsDeletedUnread",
        "The position lies before the log's start.",
        "critical",
        metrics.lost.map_or_else(
            || format!("{partition_lag} > on ({partition}) group_left () {held}"),
            |lost| format!("{lost} > 0"),
        ),
        format!("records were deleted that {in_topic} had not read"),
    ));
    rules.push(rule(
        "KafkaLagExporterDown",
        "Without the exporter none of these alerts can fire.",
        "critical",
        format!("absent({is_up})"),
        format!("{} gives no metrics", metrics.name),
    ));
    rules
}

/// As Prometheus writes durations.
fn prometheus(of: Duration) -> String {
    let ms = of.as_millis();
    let units = [
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1000),
    ];
    let whole = units
        .iter()
        .find(|(_, unit_ms)| ms > 0 && ms.is_multiple_of(*unit_ms));
    whole.map_or_else(
        || format!("{ms}ms"),
        |(unit, unit_ms)| format!("{}{unit}", ms / unit_ms),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(exporter: Exporter) -> AlertsInitArgs {
        AlertsInitArgs {
            file: "rules.yml".into(),
            exporter,
            max_lag: 10_000,
            max_age: Duration::from_mins(5),
            lasting: Duration::from_mins(2),
            stalled: Duration::from_mins(10),
            vanished: Duration::from_hours(1),
        }
    }

    #[test]
    fn the_rules_of_each_exporter() {
        for exporter in [Exporter::Kminion, Exporter::Kafka, Exporter::Klag] {
            insta::assert_snapshot!(format!("{exporter:?}"), rules(&args(exporter)));
        }
    }
}
