//! A scenario in full, for the page to fold: criterion, plan, injection, expectation, and, in
//! [`results`](super::results), the results. What the page shows beside it of a single
//! repetition, it does not repeat.

use std::collections::BTreeMap;

use model::event::{Evidence, Found};
use model::scenario::{Config, Scenario};
use model::verdict::FaultVerdict;

use super::{clients, plan_words, results};
use crate::document::{Document, Item, Table, Text, code, strong, text};
use crate::run::{Test, outage_ms};
use crate::units::{Spread, duration_ms};

/// The tables that were printed, and for which scenario.
#[derive(Default)]
pub(crate) struct Earlier<'a> {
    clients: Vec<(&'a str, Table)>,
}

pub(crate) fn write<'a>(
    document: &mut Document,
    test: &Test<'a>,
    configurations: &BTreeMap<String, Config>,
    earlier: &mut Earlier<'a>,
) {
    if let Some(scenario) = test.scenario {
        if !scenario.criterion.is_empty() {
            document.paragraph(text![
                strong("Success criterion."),
                " ",
                scenario.criterion.as_str()
            ]);
        }
        document.paragraph(text![strong("Scenario.")]);
        document.list(
            plan_words::traffic(scenario)
                .into_iter()
                .map(Item::new)
                .collect(),
        );
        let ran = test.outcomes.first().map_or(1, |it| it.repetition);
        let mut planned = test.planned.iter();
        let folder = planned.find(|it| it.repetition == ran);
        let folder = folder.map_or_else(|| test.name.to_owned(), |it| it.folder());
        let table = clients::table(scenario, &folder, configurations);
        clients_once(document, scenario, table, earlier);
        injection(document, test);
        if !scenario.expected.is_empty() {
            document.paragraph(text![
                strong("Expected behaviour"),
                " (an expectation, not a result): ",
                scenario.expected.as_str(),
            ]);
        }
    } else {
        document.paragraph("The plan of this run does not have this scenario.");
    }
    if test.outcomes.len() != 1 {
        document.paragraph(text![strong("Results."), " ", verdict_line(test)]);
    }
    results::write(document, test);
}

/// The table of the clients, or where it has already been printed.
fn clients_once<'a>(
    document: &mut Document,
    scenario: &'a Scenario,
    table: Table,
    earlier: &mut Earlier<'a>,
) {
    if table.rows().is_empty() {
        return;
    }
    let mut told = earlier.clients.iter();
    if let Some((name, _)) = told.find(|(_, other)| *other == table) {
        document.paragraph(text![strong("Clients."), " As for ", code(name), "."]);
    } else {
        document.paragraph(text![strong("Clients"), ":"]);
        document.table(table.clone());
        earlier.clients.push((&scenario.name, table));
    }
}

fn verdict_line(test: &Test<'_>) -> Text {
    if test.outcomes.is_empty() {
        return text!["Not run."];
    }
    let mut line = text![test.tally().to_string(), "."];
    let missing = test.planned.len().saturating_sub(test.outcomes.len());
    if missing > 0 && test.scenario.is_some() {
        line.push(format!(
            " {missing} of {} planned runs have no verdict.",
            test.planned.len()
        ));
    }
    line
}

fn injection(document: &mut Document, test: &Test<'_>) {
    let Some(scenario) = test.scenario else {
        return;
    };
    if scenario.faults.is_empty() {
        document.paragraph(text![strong("Failure injection."), " None."]);
        return;
    }
    // The page tells of each fault of one run, beside the evidence.
    if let [outcome] = &test.outcomes[..]
        && outcome.faults.len() == scenario.faults.len()
    {
        return;
    }
    document.paragraph(text![strong("Failure injection.")]);
    document.list(
        scenario
            .faults
            .iter()
            .enumerate()
            .map(|(number, fault)| {
                let mut line = text![
                    code(fault.kind.name()),
                    ", ",
                    plan_words::trigger(&fault.after),
                ];
                let delays: Spread = test
                    .planned
                    .iter()
                    .map(|planned| planned.fault_delays_ms.get(number).copied())
                    .collect();
                if let Some(delay) = delays.show(duration_ms).filter(|_| delays.max() > Some(0)) {
                    line.push(format!(" and {delay} more"));
                }
                line.push(": ");
                line.push(plan_words::fault(fault, scenario));
                line.push(".");
                Item::new(line)
            })
            .collect(),
    );

    if test.outcomes.len() == 1 {
        return;
    }
    let mut landed = Table::new(["Fault", "Landed", "Start", "End", "Duration"]);
    let mut evidence = Table::new(["Evidence", "Found", "Seen"]);
    let mut aftermath = Table::new(["What became of it", "So", "Seen"]);
    for number in 0..scenario.faults.len() {
        let faults = test.faults(number);
        let Some(first) = faults.first() else {
            continue;
        };
        let time = |moment: fn(&FaultVerdict) -> Option<u64>| {
            let spread: Spread = faults.iter().map(|fault| moment(fault)).collect();
            spread.show(duration_ms)
        };
        let moment = |at: Option<String>| text![at.unwrap_or_else(|| String::from("never"))];
        landed.row([
            text![code(&first.kind)],
            text![share(faults.iter().map(|fault| fault.landed))],
            moment(time(|fault| fault.injected_ms)),
            moment(time(|fault| fault.healed_ms)),
            text![time(outage_ms).unwrap_or_default()],
        ]);
        let of = if scenario.faults.len() > 1 {
            format!("fault {}: ", number + 1)
        } else {
            String::new()
        };
        evidence_rows(&mut evidence, &of, &faults, |fault| &fault.evidence);
        evidence_rows(&mut aftermath, &of, &faults, |fault| &fault.aftermath);
    }
    document.table(landed);
    document.table(evidence);
    document.table(aftermath);
}

/// One row for each observation. The details are those of the first repetition that lacks
/// it, or else of the first.
fn evidence_rows(
    table: &mut Table,
    of: &str,
    faults: &[&FaultVerdict],
    which: fn(&FaultVerdict) -> &Vec<Evidence>,
) {
    let mut whats: Vec<&str> = Vec::new();
    for observation in faults.iter().flat_map(|fault| which(fault)) {
        if !whats.contains(&observation.observation.as_str()) {
            whats.push(&observation.observation);
        }
    }
    for what in whats {
        let observations: Vec<_> = faults
            .iter()
            .flat_map(|fault| which(fault))
            .filter(|observation| observation.observation == what)
            .collect();
        let was_found = |found: Found| found == Found::Yes;
        let told = observations
            .iter()
            .find(|observation| !was_found(observation.found))
            .or(observations.first());
        table.row([
            text![of, what],
            text![share(
                observations
                    .iter()
                    .map(|observation| was_found(observation.found))
            )],
            text![told.map_or("", |observation| observation.detail.as_str())],
        ]);
    }
}

/// `yes`, `no`, or `4 of 5`.
fn share(each: impl Iterator<Item = bool>) -> String {
    let each: Vec<bool> = each.collect();
    match each.as_slice() {
        [true] => String::from("yes"),
        [false] => String::from("no"),
        more => {
            let yes = more.iter().filter(|one| **one).count();
            format!("{yes} of {}", more.len())
        }
    }
}
