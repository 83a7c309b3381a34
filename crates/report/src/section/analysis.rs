//! The meaning of the plan's configuration by Kafka's own documentation, and the result of
//! this run.

use std::collections::{BTreeMap, BTreeSet};

use model::anomaly::Anomaly;
use model::claim::Claim;
use model::scenario::{Producer, Scenario};

use super::figures::{found_where, held_where};
use crate::document::{Document, Table, Text, code, source, text};
use crate::run::{Run, Test};
use crate::units::{duration_ms, number};

/// Keys whose value in force decides about delivery.
const DELIVERY_KEYS: &[&str] = &[
    "acks",
    "auto.offset.reset",
    "buffer.memory",
    "delivery.timeout.ms",
    "eligible.leader.replicas.version",
    "enable.auto.commit",
    "enable.idempotence",
    "exactly.once.source.support",
    "flush.messages",
    "flush.ms",
    "group.instance.id",
    "isolation.level",
    "log.flush.interval.messages",
    "log.flush.interval.ms",
    "max.in.flight.requests.per.connection",
    "message.timeout.ms",
    "min.insync.replicas",
    "offset.flush.interval.ms",
    "request.timeout.ms",
    "retries",
    "retry.backoff.ms",
    "session.timeout.ms",
    "transaction.version",
    "transactional.id",
    "unclean.leader.election.enable",
];

/// Names listed where many report the same value.
const NAMED_MAX: usize = 3;

pub(crate) fn write(document: &mut Document, run: &Run<'_>) {
    document.heading(2, "Delivery guarantee analysis");
    document.heading(3, "At-least-once semantics");
    let rows: Vec<Row> = [
        acks(run),
        retries(run),
        in_flight(run),
        idempotence(run),
        request_timeout(run),
        buffer(run),
        min_in_sync(run),
        committed_offset(run),
        commit_after_processing(run),
        connector_offsets(run),
    ]
    .into_iter()
    .flatten()
    .collect();
    if rows.is_empty() {
        document.paragraph("Nothing was run that this section could speak of.");
        return;
    }
    let mut table = Table::new(["Setting", "Documented", "This run"]);
    for row in rows {
        table.row(row);
    }
    document.table(table);
    let mut reported = Document::default();
    in_force(&mut reported, run);
    document.folded("The configuration validated: what is in force", reported);
}

/// One setting: a fact with its source, and the run's result.
type Row = [Text; 3];

fn row(setting: Text, fact: &str, of: &str, shown: Text) -> Row {
    [setting, text![fact, " (", source(of), ")"], shown]
}

/// The values that the producers of scenarios that ran give to a key.
fn values<'a>(run: &Run<'a>, key: &str) -> BTreeSet<&'a str> {
    run.tests
        .iter()
        .filter(|test| !test.outcomes.is_empty())
        .filter_map(|test| test.scenario)
        .flat_map(|scenario| &scenario.producers)
        .filter_map(|producer| producer.config.get(key).map(String::as_str))
        .collect()
}

fn sets(producer: &Producer, key: &str, value: &str) -> bool {
    producer.config.get(key).is_some_and(|set| set == value)
}

/// Whether a producer of the scenario gives the key that value.
fn with<'a>(key: &'a str, value: &'a str) -> impl Fn(&Scenario) -> bool + Copy + 'a {
    move |scenario| {
        scenario
            .producers
            .iter()
            .any(|producer| sets(producer, key, value))
    }
}

fn setting(key: &str, value: &str) -> Text {
    text![code(format!("{key}={value}"))]
}

fn acks(run: &Run<'_>) -> Vec<Row> {
    let fact = |value: &str| match value {
        "0" => "the producer waits for no answer, so an acknowledgement proves nothing.",
        "1" => {
            "the leader answers when it has written the record itself; a follower may never get \
             it."
        }
        _ => "the leader answers when every replica in sync has the record.",
    };
    values(run, "acks")
        .into_iter()
        .map(|value| {
            row(
                setting("acks", value),
                fact(value),
                "Kafka documentation, producer configs, acks",
                held_where(run, Claim::NoLoss, with("acks", value)),
            )
        })
        .collect()
}

fn retries(run: &Run<'_>) -> Vec<Row> {
    values(run, "retries")
        .into_iter()
        .map(|value| {
            let fits = with("retries", value);
            let shown = [
                most(
                    run,
                    fits,
                    "longest time without an acknowledgement",
                    duration_ms,
                    |test| test.spread(|m| m.silent_longest_ms).max(),
                ),
                most(run, fits, "most requests sent again", number, |test| {
                    test.spread(|m| m.retries).max()
                }),
                most(
                    run,
                    fits,
                    "most records with an unknown outcome",
                    number,
                    |test| test.counted(|outcome| outcome.counts.unknown).max(),
                ),
            ];
            row(
                setting("retries", value),
                "not for ever. delivery.timeout.ms (Java client, 120 s by default) or \
                 message.timeout.ms (librdkafka, 300 s) ends the attempts, and whether the record \
                 was written is then unknown.",
                "KIP-91; librdkafka CONFIGURATION.md, message.timeout.ms",
                Text::join(shown, "; "),
            )
        })
        .collect()
}

/// The largest value of a figure, and the first scenario that has it.
fn most(
    run: &Run<'_>,
    fits: impl Fn(&Scenario) -> bool,
    what: &str,
    unit: fn(u64) -> String,
    figure: impl Fn(&Test<'_>) -> Option<u64>,
) -> Text {
    let tests = run.ran(fits);
    let values = tests
        .iter()
        .filter_map(|test| Some((figure(test)?, test.name)));
    match values.rev().max_by_key(|(value, _)| *value) {
        None => text![what, " not measured"],
        Some((0, _)) => text![what, " 0"],
        Some((value, name)) => text![format!("{what} {} in ", unit(value)), code(name)],
    }
}

fn in_flight(run: &Run<'_>) -> Vec<Row> {
    const KEY: &str = "max.in.flight.requests.per.connection";
    let mut rows = Vec::new();
    for value in values(run, KEY) {
        for idempotence in ["false", "true"] {
            let fits = |scenario: &Scenario| {
                scenario.producers.iter().any(|producer| {
                    sets(producer, KEY, value) && sets(producer, "enable.idempotence", idempotence)
                })
            };
            if run.ran(fits).is_empty() {
                continue;
            }
            let fact = match (idempotence, value) {
                ("true", _) => "with idempotence, order survives retries for values up to 5.",
                (_, "1") => "one request at a time keeps order across retries.",
                _ => {
                    "without idempotence, a request that is sent again can be overtaken by the \
                     next: order is not kept."
                }
            };
            let mut of = setting(KEY, value);
            of.push(" with ");
            of.push(code(format!("enable.idempotence={idempotence}")));
            rows.push(row(
                of,
                fact,
                "Kafka documentation, producer configs, max.in.flight.requests.per.connection; \
                 KIP-98",
                text![
                    code(Anomaly::NonmonotonicSend),
                    ": ",
                    found_where(run, Anomaly::NonmonotonicSend, fits),
                ],
            ));
        }
    }
    rows
}

fn idempotence(run: &Run<'_>) -> Vec<Row> {
    values(run, "enable.idempotence")
        .into_iter()
        .map(|value| {
            row(
                setting("enable.idempotence", value),
                if value == "true" {
                    "the broker drops what one producer session sends again."
                } else {
                    "a request whose answer was lost is sent again, and the broker cannot know \
                     it: its records may be stored twice."
                },
                "Kafka documentation, producer configs, enable.idempotence; KIP-98",
                text![
                    "extra copies: ",
                    found_where(run, Anomaly::Duplicate, with("enable.idempotence", value)),
                ],
            )
        })
        .collect()
}

fn request_timeout(run: &Run<'_>) -> Vec<Row> {
    const KEY: &str = "request.timeout.ms";
    values(run, KEY)
        .into_iter()
        .map(|value| {
            let fits = |scenario: &Scenario| {
                let mut faults = scenario.faults.iter();
                faults.any(|fault| fault.kind.definition().breaks.holds_up_producers())
                    && with(KEY, value)(scenario)
            };
            let parts = run.ran(fits).into_iter().filter_map(|test| {
                let retries = test.spread(|m| m.retries).show(number)?;
                let outage = test.outages().show(duration_ms)?;
                Some(text![
                    format!("{retries} in an outage of {outage} in "),
                    code(test.name)
                ])
            });
            let parts = Text::join(parts, ", ");
            row(
                setting(KEY, value),
                "an answer that does not come within it makes the client send again; a broken \
                 connection does so at once.",
                "Kafka documentation, producer configs, request.timeout.ms",
                if parts.is_empty() {
                    text!["requests sent again were not measured under a fault"]
                } else {
                    text!["requests sent again: ", parts]
                },
            )
        })
        .collect()
}

/// How full the buffer was: only where one producer's records are all that
/// can have waited.
fn buffer(run: &Run<'_>) -> Vec<Row> {
    const KEY: &str = "buffer.memory";
    values(run, KEY)
        .into_iter()
        .map(|value| {
            let fullest = run
                .ran(with(KEY, value))
                .into_iter()
                .filter_map(|test| {
                    let [producer] = test.scenario?.producers.as_slice() else {
                        return None;
                    };
                    let peak = test.spread(|m| m.outstanding_peak).max()?;
                    Some((
                        peak.checked_mul(u64::from(producer.record_bytes))?,
                        peak,
                        test.name,
                    ))
                })
                .max();
            let shown = match (fullest, value.parse::<u64>()) {
                (Some((bytes, peak, name)), Ok(limit)) if limit > 0 => {
                    let tenths = bytes.saturating_mul(1000) / limit;
                    text![
                        format!(
                            "at most {peak} records had no outcome at one moment, {bytes} B of \
                             values ({}.{} % of it), in ",
                            tenths / 10,
                            tenths % 10
                        ),
                        code(name),
                    ]
                }
                _ => text!["records waiting were not measured"],
            };
            row(
                setting(KEY, value),
                "what waits to be sent is kept in this much memory; when it is full, send() \
                 blocks, for max.block.ms at most, and then fails.",
                "Kafka documentation, producer configs, buffer.memory",
                shown,
            )
        })
        .collect()
}

fn min_in_sync(run: &Run<'_>) -> Vec<Row> {
    const KEY: &str = "min.insync.replicas";
    let mut pairs: BTreeSet<(&str, i16)> = BTreeSet::new();
    for test in run.tests.iter().filter(|test| !test.outcomes.is_empty()) {
        for topic in test.scenario.iter().flat_map(|scenario| &scenario.topics) {
            pairs.extend(
                topic
                    .config
                    .get(KEY)
                    .map(|value| (value.as_str(), topic.replication_factor)),
            );
        }
    }
    pairs
        .into_iter()
        .map(|(value, replicas)| {
            let fits = |scenario: &Scenario| {
                scenario.topics.iter().any(|topic| {
                    topic.replication_factor == replicas
                        && topic.config.get(KEY).is_some_and(|set| set == value)
                })
            };
            let mut of = setting(KEY, value);
            of.push(format!(" with replication factor {replicas}"));
            row(
                of,
                if value == "1" {
                    "acks=all is satisfied by the leader alone when no other replica is in sync, \
                     and the broker answers before it has forced the record to disk: it is as \
                     durable as that one machine."
                } else {
                    "acks=all fails while fewer replicas than this are in sync, so an \
                     acknowledged record had that many copies."
                },
                "Kafka documentation, topic configs, min.insync.replicas, flush.messages",
                text![
                    code(Anomaly::LostWrite),
                    ": ",
                    found_where(run, Anomaly::LostWrite, fits),
                ],
            )
        })
        .collect()
}

fn has_group(scenario: &Scenario) -> bool {
    !scenario.groups.is_empty()
}

fn committed_offset(run: &Run<'_>) -> Vec<Row> {
    if run.ran(has_group).is_empty() {
        return Vec::new();
    }
    vec![row(
        text!["The committed offset"],
        "it is the next offset to read, not the last one read: a consumer goes on at it, not \
         after it.",
        "KafkaConsumer, Offsets and Consumer Position",
        text![
            code(Anomaly::GroupGap),
            ": ",
            found_where(run, Anomaly::GroupGap, has_group),
        ],
    )]
}

fn commit_after_processing(run: &Run<'_>) -> Vec<Row> {
    if run.ran(has_group).is_empty() {
        return Vec::new();
    }
    vec![row(
        text!["Commit after processing"],
        "it is at-least-once, not exactly-once: what was processed and not yet committed when a \
         consumer goes away is processed again.",
        "Kafka documentation, Design, Message Delivery Semantics",
        text![
            code(Anomaly::Reprocessed),
            ": ",
            found_where(run, Anomaly::Reprocessed, has_group),
        ],
    )]
}

fn connector_offsets(run: &Run<'_>) -> Vec<Row> {
    let captures = |scenario: &Scenario| scenario.capture.is_some();
    if run.ran(captures).is_empty() {
        return Vec::new();
    }
    vec![row(
        text!["The connector's offsets"],
        "Connect stores a source connector's offset after its records; unless \
         exactly.once.source.support is on, what was sent since the last stored offset is sent \
         again after a failure.",
        "KIP-618",
        text![
            code(Anomaly::RowMissing),
            ": ",
            found_where(run, Anomaly::RowMissing, captures),
            "; ",
            code(Anomaly::RowDuplicate),
            ": ",
            found_where(run, Anomaly::RowDuplicate, captures),
        ],
    )]
}

/// A line for each key and value, however many report it: readers look for differences.
fn in_force(document: &mut Document, run: &Run<'_>) {
    let mut said: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for (of, config) in run.configurations {
        for (key, value) in config {
            if DELIVERY_KEYS.contains(&key.as_str()) {
                said.entry((key, value)).or_default().push(of);
            }
        }
    }
    if said.is_empty() {
        document.paragraph(
            "The configurations in force were not reported; the settings above are those of the \
             plan.",
        );
        return;
    }
    document.paragraph(
        "In force, as brokers and clients reported it themselves (keys that decide about \
         delivery):",
    );
    let mut table = Table::new(["Key", "In force", "Of"]);
    for ((key, value), of) in said {
        let who = whose(&of);
        table.row([text![code(key)], text![code(value)], text![who]]);
    }
    document.table(table);
}

/// The owners of a value: by name while they are few, else counted by kind.
fn whose(of: &[&str]) -> String {
    if of.len() <= NAMED_MAX {
        return of.join(", ");
    }
    // A broker of a cluster takes part in many scenarios, and is one.
    let mut kinds: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut scenarios = BTreeSet::new();
    for name in of {
        let (scenario, within) = name.split_once(": ").unwrap_or(("", name));
        scenarios.insert(scenario);
        let kind = ["broker", "topic", "producer", "connector"]
            .into_iter()
            .find(|kind| within.starts_with(kind))
            .unwrap_or("consumer");
        kinds.entry(kind).or_default().insert(within);
    }
    let counted = kinds.iter().map(|(kind, names)| match names.len() {
        1 => names.iter().copied().collect(),
        count => format!("{count} {kind}s"),
    });
    let counted = counted.collect::<Vec<String>>().join(", ");
    match scenarios.len() {
        1 => counted,
        more => format!("{counted} in {more} scenarios"),
    }
}
