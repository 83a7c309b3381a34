//! What clients of different kinds do to each other, and what is known of their
//! versions.

use super::Confidence::{Certain, Possible};
use super::Rule;
use super::Severity::{self, Error, Note, Warning};
use crate::component::{Component, Kind};
use crate::landscape::Effective;
use crate::product::Product;
use crate::version::Version;

/// A published bug of a client: it loses, doubles, misplaces or refuses records.
struct Bug {
    name: &'static str,
    product: Product,
    kinds: &'static [Kind],
    /// From the first on, before the end.
    spans: &'static [(&'static str, &'static str)],
    /// Which configurations meet it.
    meets: fn(&Component) -> bool,
    severity: Severity,
    what: &'static str,
    /// The release that has it, and its twin.
    shown_by: &'static [&'static str],
}

const CLIENT: &[Kind] = &[Kind::Producer, Kind::Client];
const PRODUCER: &[Kind] = &[Kind::Producer];

/// The scenarios of all bugs below.
const SHOWN: &[&str] = &[
    "librdkafka-3020",
    "librdkafka-3020-fixed",
    "librdkafka-4438",
    "librdkafka-4438-fixed",
    "librdkafka-4736",
    "librdkafka-4736-fixed",
    "librdkafka-4953",
    "librdkafka-4953-in-flight-1",
    "kafka-14034",
];

/// Those of which no release is free stand last. They are notes, and of the versions in which
/// they were seen.
const BUGS: [Bug; 8] = [
    Bug {
        name: "KAFKA-19012 (CVE-2026-35554)",
        product: Product::Java,
        kinds: CLIENT,
        spans: &[("2.8.0", "3.9.2"), ("4.0.0", "4.0.2"), ("4.1.0", "4.1.2")],
        meets: |_| true,
        severity: Error,
        what: "an expired batch may end up on another topic; fixed in 3.9.2, 4.0.2, 4.1.2",
        shown_by: &[],
    },
    Bug {
        name: "twmb/franz-go#1217",
        product: Product::FranzGo,
        kinds: CLIENT,
        spans: &[("1.0.0", "1.20.7")],
        meets: |_| true,
        severity: Error,
        what: "a record that follows a cancelled one is taken for its duplicate and lost; fixed in 1.20.7",
        shown_by: &[],
    },
    Bug {
        name: "librdkafka#4447",
        product: Product::Librdkafka,
        kinds: &[Kind::Consumer],
        spans: &[("2.1.0", "2.3.0")],
        meets: |_| true,
        severity: Error,
        what: "a leader that cannot be resolved resets the position; fixed in 2.3.0",
        shown_by: &[],
    },
    Bug {
        name: "librdkafka#3020",
        product: Product::Librdkafka,
        kinds: &[Kind::Consumer],
        spans: &[("1.2.0", "1.5.3")],
        meets: |it| {
            it.value("isolation.level")
                .is_some_and(|level| level.is("read_committed"))
        },
        severity: Warning,
        what: "compressed records of aborted transactions are read; fixed in 1.5.3",
        shown_by: &["librdkafka-3020", "librdkafka-3020-fixed"],
    },
    Bug {
        name: "librdkafka#4438",
        product: Product::Librdkafka,
        kinds: PRODUCER,
        spans: &[("1.0.0", "2.3.0")],
        meets: is_idempotent,
        severity: Warning,
        what: "one request that times out before it is written ends an idempotent producer: it \
               refuses all later records; fixed in 2.3.0",
        shown_by: &["librdkafka-4438", "librdkafka-4438-fixed"],
    },
    Bug {
        name: "librdkafka#4736",
        product: Product::Librdkafka,
        kinds: PRODUCER,
        spans: &[("2.2.0", "2.5.0")],
        meets: is_idempotent,
        severity: Warning,
        what: "a large batch that is sent again ends an idempotent producer: it refuses all later \
               records; fixed in 2.5.0",
        shown_by: &["librdkafka-4736", "librdkafka-4736-fixed"],
    },
    Bug {
        name: "librdkafka#4953",
        product: Product::Librdkafka,
        kinds: PRODUCER,
        spans: &[("2.12.1", "2.16.1")],
        meets: |it| is_idempotent(it) && has_several_in_flight(it),
        severity: Note,
        what: "an idempotent producer stores a batch twice when another partition's leader moves; \
               no release has a fix, max.in.flight.requests.per.connection=1 avoids it",
        shown_by: &["librdkafka-4953", "librdkafka-4953-in-flight-1"],
    },
    Bug {
        name: "KAFKA-14034",
        product: Product::Java,
        kinds: PRODUCER,
        spans: &[("4.3.1", "4.3.2")],
        meets: |it| is_idempotent(it) && has_several_in_flight(it),
        severity: Note,
        what: "an idempotent producer stores a batch twice when the one behind it fails for good; \
               no release has a fix",
        shown_by: &["kafka-14034"],
    },
];

fn is_affected(component: &Component, bug: &Bug) -> bool {
    let is_old = |version: &Version| {
        let mut spans = bug.spans.iter();
        spans.any(|(first, end)| version.is_between(first, end))
    };
    component.is(bug.product)
        && bug.kinds.contains(&component.kind)
        && component.version().is_some_and(is_old)
        && (bug.meets)(component)
}

fn is_idempotent(component: &Component) -> bool {
    matches!(component.idempotence(), Some((true, _)))
}

fn has_several_in_flight(component: &Component) -> bool {
    let in_flight = component.value("max.in.flight.requests.per.connection");
    !in_flight.is_some_and(|it| it.is("1"))
}

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "client-with-known-loss",
        severity: Error,
        confidence: Certain,
        title: "this version of the client has a published bug that loses, doubles or refuses records",
        consequence: "See the bug; the client loses, misplaces, doubles or refuses records in the circumstances that it \
                      names.",
        fix: "the version that has the fix",
        source: "KAFKA-19012 (CVE-2026-35554); KAFKA-14034; twmb/franz-go#1217; confluentinc/librdkafka#3020, #4438, \
                 #4447, #4736, #4953",
        shown_by: SHOWN,
        check: |of, hits| {
            for it in &of.components {
                for bug in BUGS.iter().filter(|bug| is_affected(it, bug)) {
                    if let Some(version) = it.version() {
                        let says = format!(
                            "{} {version}: {}, {}",
                            bug.product.name(),
                            bug.name,
                            bug.what
                        );
                        hits.on(it, "version", says)
                            .as_severe(bug.severity)
                            .shown_by(bug.shown_by);
                    }
                }
            }
        },
    },
    Rule {
        id: "sequence-numbers-reused",
        severity: Error,
        confidence: Certain,
        title: "this version of librdkafka gives sequence numbers twice",
        consequence: "When a topic was unknown for a while, an idempotent producer counts from the beginning again: the \
                      broker takes new records for duplicates, and acknowledges what it does not store.",
        fix: "librdkafka 1.9.0 or later",
        source: "librdkafka, CHANGELOG 1.9.0; docs/reference/catalogue.md",
        shown_by: &[
            "librdkafka-sequences-reused",
            "librdkafka-sequences-reused-fixed",
        ],
        check: |of, hits| {
            for it in of.producers().filter(|it| it.is(Product::Librdkafka)) {
                let is_old = it
                    .version()
                    .is_some_and(|it| it.is_between("1.0.0", "1.9.0"));
                if let Some((true, idempotence)) = it.idempotence()
                    && is_old
                {
                    hits.at(it, &idempotence).and(
                        it.software
                            .as_ref()
                            .map_or_else(String::new, ToString::to_string),
                    );
                }
            }
        },
    },
    Rule {
        id: "flush-returns-early",
        severity: Warning,
        confidence: Possible,
        title: "`flush` may return before a split batch is stored",
        consequence: "A batch above the topic's limit is split and sent in parts; `flush` does not wait for them, and \
                      an application that commits its input then loses records when it ends.",
        fix: "kafka-clients 3.9.2, 4.0.2, 4.1.1 or later, or `batch.size` below the topic's `max.message.bytes`",
        source: "KAFKA-19479",
        shown_by: &["kafka-19479", "kafka-19479-fixed"],
        check: |of, hits| {
            let limits = of.topics().filter_map(|it| {
                it.value("max.message.bytes")
                    .filter(Effective::is_set)?
                    .number()
            });
            let Some(limit) = limits.min() else { return };
            for it in of.producers().filter(|it| it.is(Product::Java)) {
                let Some(version) = it.version() else {
                    continue;
                };
                let old = version.is_between("2.8.0", "3.9.2")
                    || version.is_between("4.0.0", "4.0.2")
                    || version.is_between("4.1.0", "4.1.1");
                if let Some(size) = it
                    .value("batch.size")
                    .filter(|it| it.number().is_some_and(|it| it > limit))
                    && old
                {
                    hits.at(it, &size)
                        .and(format!("max.message.bytes={limit}; version {version}"));
                }
            }
        },
    },
    Rule {
        id: "partitioners-differ",
        severity: Warning,
        confidence: Possible,
        title: "one key lies in two partitions",
        consequence: "Java's producers place keys by murmur2, librdkafka by CRC32 and sarama by FNV-1a unless told \
                      otherwise: where both write keys to one topic, the order of a key and joins break.",
        fix: "`partitioner=murmur2_random` in librdkafka",
        source: "librdkafka, CONFIGURATION.md; Kafka documentation, producer configuration `partitioner.class`",
        shown_by: &[],
        check: |of, hits| {
            let java = of
                .producers()
                .find(|it| it.is_java() && it.set("partitioner.class").is_none());
            let Some(java) = java else { return };
            for it in of.producers().filter(|it| it.is(Product::Librdkafka)) {
                let is_murmur = it
                    .text("partitioner")
                    .is_some_and(|it| it.starts_with("murmur2"));
                if !is_murmur && let Some(partitioner) = it.value("partitioner") {
                    hits.at(it, &partitioner)
                        .and(format!("{} uses murmur2", java.label()));
                } else if !is_murmur {
                    hits.on(
                        it,
                        "partitioner",
                        format!(
                            "partitioner is not set: consistent_random (CRC32); {} uses murmur2",
                            java.label()
                        ),
                    );
                }
            }
        },
    },
    Rule {
        id: "size-limits-differ",
        severity: Warning,
        confidence: Certain,
        title: "what one client sends another refuses",
        consequence: "librdkafka's `message.max.bytes` is 1000000 by default and Java's `max.request.size` 1048576: a \
                      record in between passes from one service and fails from the other.",
        fix: "the same limit in all clients of a topic",
        source: "librdkafka, CONFIGURATION.md; Kafka documentation, producer configuration `max.request.size`",
        shown_by: &[],
        check: |of, hits| {
            let java = of.producers().filter(|it| it.is_java());
            let Some(java) = java
                .filter_map(|it| it.value("max.request.size")?.number())
                .max()
            else {
                return;
            };
            for it in of.producers().filter(|it| it.is(Product::Librdkafka)) {
                if let Some(limit) = it
                    .value("message.max.bytes")
                    .filter(|it| it.number().is_some_and(|it| it < java))
                {
                    hits.at(it, &limit)
                        .and(format!("a Java producer's max.request.size is {java}"));
                }
            }
        },
    },
    Rule {
        id: "isolation-differs",
        severity: Note,
        confidence: Certain,
        title: "clients differ in what they read of transactions",
        consequence: "Without `isolation.level` Java's consumers read aborted records and librdkafka's do not.",
        fix: "set `isolation.level` everywhere",
        source: "librdkafka, CONFIGURATION.md; Kafka documentation, consumer configuration `isolation.level`",
        shown_by: &[],
        check: |of, hits| {
            let open = |it: &&Component| it.set("isolation.level").is_none();
            let has_java = of.consumers().filter(open).any(Component::is_java);
            for it in of
                .consumers()
                .filter(open)
                .filter(|it| has_java && it.is(Product::Librdkafka))
            {
                if let Some(level) = it.value("isolation.level") {
                    hits.at(it, &level)
                        .and("a Java consumer reads uncommitted records by default");
                }
            }
        },
    },
    Rule {
        id: "assignors-without-common",
        severity: Error,
        confidence: Certain,
        title: "members of one group have no assignor in common",
        consequence: "The second kind of member is refused with `INCONSISTENT_GROUP_PROTOCOL`.",
        fix: "one list of assignors for the group",
        source: "KIP-429; Kafka documentation, consumer configuration `partition.assignment.strategy`",
        shown_by: &[],
        check: |of, hits| {
            let all: Vec<&Component> = of.consumers().collect();
            for (at, it) in all.iter().enumerate() {
                let Some(group) = it.text("group.id") else {
                    continue;
                };
                let Some(own) = it
                    .value("partition.assignment.strategy")
                    .filter(Effective::is_set)
                else {
                    continue;
                };
                let names = |text: &str| text.split(',').map(short).collect::<Vec<_>>();
                let other = all.iter().take(at).find(|other| {
                    other.text("group.id") == Some(group)
                        && other
                            .text("partition.assignment.strategy")
                            .is_some_and(|other| {
                                names(other)
                                    .iter()
                                    .all(|it| !names(&own.value).contains(it))
                            })
                });
                if let Some(other) = other {
                    hits.at(it, &own).and(format!(
                        "{} is in group {group} too, with others",
                        other.label()
                    ));
                }
            }
        },
    },
];

/// An assignor without its package: `range` of librdkafka is Java's `RangeAssignor`.
fn short(name: &str) -> String {
    let last = name
        .trim()
        .rsplit('.')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    last.trim_end_matches("assignor").replace('-', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_names_the_scenarios_of_its_bugs() {
        let of_bugs: Vec<&str> = BUGS.iter().flat_map(|bug| bug.shown_by).copied().collect();
        assert_eq!(of_bugs, SHOWN);
    }
}
