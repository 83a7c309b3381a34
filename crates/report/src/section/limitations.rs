//! Claims that did not hold in this run, and claims that it did not test.

use std::collections::BTreeSet;

use model::anomaly::Anomaly;
use model::claim::{Claim, Level};
use model::scenario::words::counted;
use model::scenario::{Consequence, EMBEDDED, Scenario};

use super::figures::found_where;
use super::results::in_repetition;
use super::scenario;
use crate::document::{Document, Item, Text, code, strong, text};
use crate::run::{Run, Word};

pub(crate) fn write(document: &mut Document, run: &Run<'_>) {
    document.heading(3, "Known limitations");
    let shown = demonstrated(run);
    if !shown.is_empty() {
        document.paragraph(text![strong("Demonstrated.")]);
        document.list(shown);
    }
    let open = not_established(run);
    if !open.is_empty() {
        document.paragraph(text![strong("Could not be established.")]);
        document.list(open);
    }
    document.paragraph(text![strong("Not tested.")]);
    document.list(not_tested(run));
}

/// Scenarios that are there to show a violation, and copies and reorderings
/// that were really seen.
fn demonstrated(run: &Run<'_>) -> Vec<Item> {
    let mut items = Vec::new();
    for test in &run.tests {
        for outcome in &test.outcomes {
            for guarantee in &outcome.guarantees {
                if guarantee.level != Level::ExpectViolated
                    || Word::of(guarantee) != Word::ViolatedAsExpected
                {
                    continue;
                }
                items.push(Item::new(text![
                    scenario(&outcome.name),
                    ": ",
                    in_repetition(test, outcome),
                    code(guarantee.claim),
                    format!(" {}: ", Word::of(guarantee)),
                    guarantee.reason.as_str(),
                ]));
            }
        }
    }
    for anomaly in [
        Anomaly::Duplicate,
        Anomaly::NonmonotonicSend,
        Anomaly::Reprocessed,
        Anomaly::RowDuplicate,
    ] {
        let seen = run
            .tests
            .iter()
            .any(|test| test.found(anomaly).max() > Some(0));
        if seen {
            items.push(Item::new(text![
                code(anomaly),
                ": ",
                found_where(run, anomaly, |_| true),
            ]));
        }
    }
    items
}

fn not_established(run: &Run<'_>) -> Vec<Item> {
    run.tests
        .iter()
        .filter(|test| test.tally().count(Word::Inconclusive) > 0)
        .map(|test| {
            let doubts: BTreeSet<&str> = test
                .outcomes
                .iter()
                .flat_map(|outcome| outcome.doubts.iter().map(String::as_str))
                .collect();
            let item = Item::new(text![code(test.name), format!(": {}", test.tally())]);
            doubts.into_iter().fold(item, Item::point)
        })
        .collect()
}

fn not_tested(run: &Run<'_>) -> Vec<Item> {
    let ran = run.ran(|_| true);
    let scenarios: Vec<&Scenario> = ran.iter().filter_map(|test| test.scenario).collect();
    let mut items = Vec::new();

    let skipped = &run.plan.skipped;
    items.extend(skipped.iter().map(|skipped| {
        Item::new(text![
            code(&skipped.scenario),
            " was skipped: it ",
            skipped.reasons.join("; it "),
            ".",
        ])
    }));
    let absent = EMBEDDED
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| !ran.iter().any(|test| test.name == *name))
        .filter(|name| !skipped.iter().any(|it| it.scenario == *name));
    let absent = Text::join(absent.map(|name| text![code(name)]), ", ");
    if !absent.is_empty() {
        items.push(Item::new(text![
            "Scenarios that were not run: ",
            absent,
            "."
        ]));
    }

    let claimed: BTreeSet<Claim> = ran
        .iter()
        .flat_map(|test| &test.outcomes)
        .flat_map(|outcome| outcome.guarantees.iter().map(|guarantee| guarantee.claim))
        .collect();
    let unclaimed = Claim::ALL.iter().filter(|claim| !claimed.contains(claim));
    let unclaimed = Text::join(unclaimed.map(|claim| text![code(claim)]), ", ");
    if !unclaimed.is_empty() {
        items.push(Item::new(text![
            "Guarantees that no scenario checked: ",
            unclaimed,
            "."
        ]));
    }

    if !scenarios.is_empty() {
        let brokers = scenarios
            .iter()
            .map(|s| s.topology.brokers)
            .max()
            .unwrap_or(0);
        if brokers == 1 {
            items.push(Item::new(
                "Every scenario ran on one broker: nothing here says what happens when a leader \
                 fails over to another replica.",
            ));
        }
        let kinds: BTreeSet<&str> = scenarios
            .iter()
            .flat_map(|scenario| &scenario.faults)
            .filter(|fault| fault.effect.is_real())
            .map(|fault| fault.kind.name())
            .collect();
        let broken = Text::join(kinds.into_iter().map(|kind| text![code(kind)]), ", ");
        items.push(Item::new(if broken.is_empty() {
            text!["Nothing was broken."]
        } else {
            text!["Faults exercised: ", broken, "."]
        }));
        let killed = scenarios.iter().any(|scenario| {
            scenario.leads_to(Consequence::BrokersEnd) || scenario.leads_to(Consequence::DiskLost)
        });
        let power = scenarios
            .iter()
            .any(|scenario| scenario.leads_to(Consequence::PowerLost));
        if killed && !power {
            items.push(Item::new(
                "Brokers were ended as processes on a machine that went on, with its page \
                 cache. A power failure was not tested.",
            ));
        }
        let exactly_once = scenarios.iter().flat_map(|s| &s.producers).any(|producer| {
            ["transactional.id", "enable.idempotence"]
                .iter()
                .any(|key| {
                    producer
                        .config
                        .get(*key)
                        .is_some_and(|value| value != "false")
                })
        });
        if !exactly_once
            && scenarios
                .iter()
                .any(|scenario| !scenario.producers.is_empty())
        {
            items.push(Item::new(
                "No producer was idempotent or transactional: nothing here speaks of \
                 exactly-once.",
            ));
        }
    }

    for test in &run.tests {
        let missing = test.planned.len().saturating_sub(test.outcomes.len());
        if missing > 0 {
            items.push(Item::new(text![
                code(test.name),
                ": ",
                counted(missing as u64, "planned run"),
                " without a verdict.",
            ]));
        }
    }
    items
}
