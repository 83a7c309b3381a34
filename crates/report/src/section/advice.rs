//! Recommendations, each for a figure of this run, and the next steps.

use std::collections::BTreeSet;

use model::anomaly::Anomaly;
use model::claim::{Claim, Level};
use model::scenario::{Consequence, FaultTarget, Scenario, embedded};
use model::verdict::Verdict;

use super::figures::found_where;
use super::replay;
use crate::document::{Document, Item, Text, code, source, strong, text};
use crate::run::{Run, Test, Word};
use crate::units::{duration_ms, number};

pub(crate) fn write(document: &mut Document, run: &Run<'_>) {
    document.heading(2, "Recommendations");
    let items: Vec<Item> = [
        explain_violations(run),
        repeat_inconclusive(run),
        replicate(run),
        make_idempotent(run),
        expect_unknown(run),
        bear_reprocessing(run),
        bear_repeated_changes(run),
        compare_connectors(run),
        alert_on_lag(run),
    ]
    .into_iter()
    .flatten()
    .collect();
    if items.is_empty() {
        document.paragraph("This run gives no ground for any.");
    }
    document.list(items);
    next_steps(document, run);
    related(document, run);
}

/// An action with its reasons.
fn item(action: Text, ground: Text, documented: &str) -> Item {
    let item = Item::new(action).point(text![strong("This run"), ": ", ground, "."]);
    match documented {
        "" => item,
        name => item.point(text![strong("Documented"), ": ", source(name), "."]),
    }
}

fn names<'a>(tests: impl IntoIterator<Item = &'a Test<'a>>) -> Text {
    Text::join(tests.into_iter().map(|test| text![code(test.name)]), ", ")
}

fn seen(run: &Run<'_>, anomaly: Anomaly) -> bool {
    run.tests
        .iter()
        .any(|test| test.found(anomaly).max() > Some(0))
}

fn where_seen(run: &Run<'_>, anomaly: Anomaly) -> Text {
    text![code(anomaly), ": ", found_where(run, anomaly, |_| true)]
}

fn explain_violations(run: &Run<'_>) -> Option<Item> {
    let bad = run.tests.iter().filter_map(|test| {
        let claims: BTreeSet<Claim> = test
            .outcomes
            .iter()
            .flat_map(|outcome| &outcome.guarantees)
            .filter(|one| one.level == Level::Required && one.verdict == Verdict::Violated)
            .map(|one| one.claim)
            .collect();
        let claims = Text::join(claims.into_iter().map(|claim| text![code(claim)]), ", ");
        (!claims.is_empty()).then(|| text![claims, " in ", code(test.name)])
    });
    let bad = Text::join(bad, "; ");
    (!bad.is_empty()).then(|| {
        item(
            text!["Do not rely on the violated guarantees until the violation is explained."],
            text![Verdict::Violated.name(), ": ", bad],
            "",
        )
    })
}

fn repeat_inconclusive(run: &Run<'_>) -> Option<Item> {
    let open: Vec<&Test<'_>> = run
        .tests
        .iter()
        .filter(|test| test.tally().count(Word::Inconclusive) > 0)
        .collect();
    (!open.is_empty()).then(|| {
        item(
            text!["Run again what could not be established, once its doubts are removed."],
            text![Verdict::Inconclusive.name(), " in ", names(open)],
            "",
        )
    })
}

fn replicate(run: &Run<'_>) -> Option<Item> {
    let lost: Vec<&Test<'_>> = run
        .ran(|scenario| {
            let one_copy = scenario
                .topics
                .iter()
                .any(|topic| topic.replication_factor == 1);
            one_copy && scenario.leads_to(Consequence::DiskLost)
        })
        .into_iter()
        .filter(|test| test.found(Anomaly::LostWrite).max() > Some(0))
        .collect();
    let parts = lost.iter().filter_map(|test| {
        let count = test.found(Anomaly::LostWrite).show(number)?;
        Some(text![
            count,
            " acknowledged records lost with the only replica in ",
            code(test.name)
        ])
    });
    let ground = Text::join(parts, ", ");
    (!ground.is_empty()).then(|| {
        item(
            text![
                "Keep more than one replica: replication factor 3 with ",
                code("min.insync.replicas=2"),
                " and ",
                code("acks=all"),
                ".",
            ],
            ground,
            "Kafka documentation, topic configs, min.insync.replicas",
        )
    })
}

fn make_idempotent(run: &Run<'_>) -> Option<Item> {
    let grounds: Vec<Text> = [Anomaly::Duplicate, Anomaly::NonmonotonicSend]
        .into_iter()
        .filter(|anomaly| seen(run, *anomaly))
        .map(|anomaly| where_seen(run, anomaly))
        .collect();
    let plain = run.ran(|scenario: &Scenario| {
        scenario.producers.iter().any(|producer| {
            producer
                .config
                .get("enable.idempotence")
                .is_some_and(|v| v == "false")
        })
    });
    (!grounds.is_empty() && !plain.is_empty()).then(|| {
        item(
            text![
                "Set ",
                code("enable.idempotence=true"),
                ": within a producer's session the broker then drops repeated batches and keeps \
                 order. Consumers must handle duplicates across producer restarts.",
            ],
            Text::join(grounds, "; "),
            "KIP-98; Kafka documentation, producer configs, enable.idempotence",
        )
    })
}

fn expect_unknown(run: &Run<'_>) -> Option<Item> {
    let parts = run.tests.iter().filter_map(|test| {
        let unknown = test.counted(|outcome| outcome.counts.unknown);
        unknown.max().filter(|count| *count > 0)?;
        let silent = test.spread(|m| m.silent_longest_ms).show(duration_ms);
        Some(text![
            unknown.show(number)?,
            " in ",
            code(test.name),
            silent.map_or_else(String::new, |silent| format!(
                " (longest gap without an ack: {silent})"
            )),
        ])
    });
    let parts = Text::join(parts, ", ");
    (!parts.is_empty()).then(|| {
        item(
            text![
                "Treat a delivery error after a timeout as \"may be written\", and give ",
                code("delivery.timeout.ms"),
                " (librdkafka: ",
                code("message.timeout.ms"),
                ") more than the longest outage to be borne.",
            ],
            text!["records with an unknown outcome: ", parts],
            "KIP-91; librdkafka CONFIGURATION.md, message.timeout.ms",
        )
    })
}

fn bear_reprocessing(run: &Run<'_>) -> Option<Item> {
    seen(run, Anomaly::Reprocessed).then(|| {
        item(
            text![
                "Make processing idempotent, or store its result together with the offset; \
                 committing more often only narrows the window."
            ],
            where_seen(run, Anomaly::Reprocessed),
            "Kafka documentation, Design, Message Delivery Semantics",
        )
    })
}

fn bear_repeated_changes(run: &Run<'_>) -> Option<Item> {
    seen(run, Anomaly::RowDuplicate).then(|| {
        item(
            text!["Apply change events by key and position, so that a repeated one does nothing."],
            where_seen(run, Anomaly::RowDuplicate),
            "KIP-618 (source connectors are at-least-once unless it is switched on)",
        )
    })
}

fn compare_connectors(run: &Run<'_>) -> Option<Item> {
    let restarted = |scenario: &Scenario| {
        scenario
            .faults
            .iter()
            .any(|fault| fault.kind.definition().breaks == FaultTarget::Connector)
    };
    let lost = |test: &&Test<'_>| test.found(Anomaly::RowMissing).max() > Some(0);
    run.ran(restarted).into_iter().find(lost)?;
    let mut ground = where_seen(run, Anomaly::RowMissing);
    if let Some(version) = run.verdict.versions.get("debezium") {
        ground.push(format!(", with Debezium {version}"));
    }
    Some(item(
        text![
            "Do not restart this connector under load; see whether another version loses rows \
             too: the same command with ",
            code("--debezium VERSION"),
            ".",
        ],
        ground,
        "",
    ))
}

fn alert_on_lag(run: &Run<'_>) -> Option<Item> {
    let undisturbed =
        |scenario: &Scenario| !scenario.groups.is_empty() && scenario.faults.is_empty();
    let parts = run.ran(undisturbed).into_iter().flat_map(|test| {
        let mut names: Vec<&str> = Vec::new();
        for group in test
            .outcomes
            .iter()
            .flat_map(|outcome| &outcome.measurements.groups)
        {
            if !names.contains(&group.group.as_str()) {
                names.push(&group.group);
            }
        }
        names.into_iter().filter_map(|name| {
            let peak = test.spread(|m| {
                m.groups
                    .iter()
                    .find(|group| group.group == name)
                    .map(|group| group.lag_peak)
            });
            Some(text![code(name), format!(" {}", peak.show(number)?)])
        })
    });
    let parts = Text::join(parts, ", ");
    (!parts.is_empty()).then(|| {
        item(
            text!["Base lag alerts on measured lag, not on a guess."],
            text!["peak lag without a fault: ", parts],
            "",
        )
    })
}

fn next_steps(document: &mut Document, run: &Run<'_>) {
    document.heading(2, "Next steps");
    let open: Vec<&Test<'_>> = run
        .tests
        .iter()
        .filter(|test| !test.is_as_expected())
        .collect();
    let again: Vec<String> = open
        .iter()
        .filter_map(|test| replay::command_for(run, test))
        .collect();
    if !again.is_empty() {
        document.paragraph("Rerun failed and inconclusive scenarios, with the same plan:");
        document.commands(again);
    }
    document.paragraph(text![
        "Compute this verdict again from the recorded evidence (",
        code("RUN_DIR"),
        " is the folder that holds this report):",
    ]);
    document.commands(vec![String::from("ackproof check RUN_DIR")]);
    let explained = open.first().copied().or(run.tests.first());
    if let Some(test) = explained.filter(|test| embedded(test.name).is_some()) {
        document.paragraph("See what a scenario is going to do, before it does it:");
        document.commands(vec![format!("ackproof explain {}", test.name)]);
    }
}

/// What else tells of this run, and of what it rests on.
fn related(document: &mut Document, run: &Run<'_>) {
    document.heading(2, "Related documents");
    let captures = !run.ran(|scenario| scenario.capture.is_some()).is_empty();
    let debezium = captures.then(|| Item::new(source("Debezium connector for PostgreSQL")));
    let mut items = vec![
        Item::new(text![
            code("report.html"),
            ": timelines, evidence, proofs, configurations in force; ",
            code("verdict.json"),
            ": the same for programs; ",
            code("plan.json"),
            ": what was planned"
        ]),
        Item::new(text![
            code("ackproof explain claims"),
            ": what each guarantee means, and what contradicts it"
        ]),
        Item::new(source(
            "Kafka documentation, Design, Message Delivery Semantics",
        )),
        Item::new(source("KIP-91; KIP-98; KIP-679; KIP-618")),
    ];
    items.extend(debezium);
    document.list(items);
}
