//! Title, circumstances of the run, and the executive summary.

use model::claim::{Claim, Level};
use model::scenario::words::counted;
use model::verdict::{Interruption, Verdict};

use super::figures::key_figures;
use super::replay;
use super::results::in_repetition;
use crate::document::{Document, Item, Table, Text, code, strong, text};
use crate::run::{Run, Tally, Test, Word, is_as_wanted};
use crate::units::{duration_ms, gibibytes};

pub(crate) fn write(document: &mut Document, run: &Run<'_>) {
    document.heading(1, "Kafka delivery guarantees");
    document.table(facts(run));
    if let Some(command) = replay::command(run) {
        document.paragraph("The same plan again, from the folder in which it was run:");
        document.commands(vec![command]);
    }

    document.heading(2, "Executive summary");
    if run.tests.is_empty() {
        document.paragraph("No scenario was run, so nothing can be said.");
        return;
    }
    document.paragraph(headline(run));
    document.list(run.tests.iter().filter_map(complaint).collect());
    let observed: Vec<Item> = run.tests.iter().flat_map(observed).collect();
    if !observed.is_empty() {
        document.paragraph("Violations that were only observed, and decide nothing:");
        document.list(observed);
    }
    document.table(scenarios(run));
    document.paragraph(
        "Summary by guarantee. \"Observed\" is informational. \"Violation expected\" marks \
         scenarios that demonstrate a failure.",
    );
    document.table(claims(run));
}

fn facts(run: &Run<'_>) -> Table {
    let mut table = Table::new([text!["Run"], text![code(&run.verdict.run)]]);
    let mut add = |name: &str, value: Text| {
        if !value.is_empty() {
            table.row([text![name], value]);
        }
    };
    if let Some(circumstances) = &run.verdict.circumstances {
        add("Started", text![circumstances.started_at.as_str()]);
        let took = circumstances.duration_ms.map(duration_ms);
        add(
            "Took",
            text![took.unwrap_or_else(|| String::from("not known: it did not end"))],
        );
    }
    add("Seed", text![run.verdict.seed]);
    let versions: Vec<String> = run
        .verdict
        .versions
        .iter()
        .map(|(name, version)| format!("{name} {version}"))
        .collect();
    add(
        "Versions",
        Text::join(versions.into_iter().map(Text::from), ", "),
    );
    if let Some(cluster) = &run.plan.cluster {
        let at = Text::join(cluster.bootstrap.iter().map(|at| text![code(at)]), ", ");
        add(
            "Cluster",
            text![
                "at ",
                at,
                format!(
                    ", an existing cluster with {}; {} skipped",
                    counted(cluster.brokers as u64, "broker"),
                    counted(run.plan.skipped.len() as u64, "scenario"),
                ),
            ],
        );
    }
    if let Some(circumstances) = &run.verdict.circumstances {
        let machine = &circumstances.machine;
        let cores = machine.cores.map(|cores| counted(cores, "CPU"));
        let parts = [
            cores,
            machine.memory_bytes.map(gibibytes),
            machine.os.clone(),
        ];
        let parts = parts.into_iter().flatten().map(Text::from);
        add("Machine", Text::join(parts, ", "));
    }
    table
}

pub(crate) fn headline(run: &Run<'_>) -> Text {
    let tally = run.tally();
    let mut text = text!["Verdict of the run: ", strong(run.verdict.verdict), ". "];
    text.push(counted(run.tests.len() as u64, "scenario"));
    if tally.total() > run.tests.len() {
        text.push(format!(", {} runs in all", tally.total()));
    }
    if tally.total() > 0 {
        text.push(format!(": {}", tally.list()));
        let all = run.tests.iter().all(Test::is_as_expected);
        if all && tally.count(Word::ViolatedAsExpected) > 0 {
            text.push("; all as expected");
        }
    }
    text.push(".");
    let (interrupted, not_started) = (
        run.stopped(Interruption::Interrupted),
        run.stopped(Interruption::NotStarted),
    );
    if interrupted + not_started > 0 {
        text.push(format!(
            " The run was stopped by its user: {interrupted} interrupted, {not_started} not \
             started."
        ));
        return text;
    }
    let missing = run
        .tests
        .iter()
        .map(|test| test.planned.len().saturating_sub(test.outcomes.len()))
        .sum::<usize>();
    if missing > 0 {
        text.push(format!(" Planned and without a verdict: {missing}."));
    }
    text
}

/// Why a scenario is not as it should be; none where it is.
pub(crate) fn complaint(test: &Test<'_>) -> Option<Item> {
    let bad = test.outcomes.iter().find(|outcome| !outcome.as_expected)?;
    let mut item = Item::new(text![code(test.name), ": ", strong(test.tally()),]);
    for doubt in &bad.doubts {
        item = item.point(text![in_repetition(test, bad), doubt.as_str()]);
    }
    for guarantee in bad
        .guarantees
        .iter()
        .filter(|one| !is_as_wanted(one))
        // The doubts have said why.
        .filter(|one| bad.doubts.is_empty() || one.verdict == Verdict::Violated)
    {
        item = item.point(text![
            in_repetition(test, bad),
            code(guarantee.claim),
            format!(" {}: ", Word::of(guarantee)),
            guarantee.reason.as_str(),
        ]);
    }
    Some(item)
}

/// Claims that a scenario did not require and that were violated: a reader of the summary
/// must not have to look for it.
fn observed(test: &Test<'_>) -> Vec<Item> {
    let mut items = Vec::new();
    for claim in Claim::ALL {
        let told = test
            .guarantees(*claim)
            .into_iter()
            .find(|(_, one)| one.level == Level::Observed && one.verdict == Verdict::Violated);
        if let Some((outcome, guarantee)) = told {
            items.push(Item::new(text![
                code(test.name),
                ": ",
                in_repetition(test, outcome),
                code(claim),
                format!(" {}: ", test.claim_tally(*claim)),
                guarantee.reason.as_str(),
            ]));
        }
    }
    items
}

fn scenarios(run: &Run<'_>) -> Table {
    let mut table = Table::new(["Scenario", "Verdict", "Key figures"]);
    for test in &run.tests {
        table.row([
            text![code(test.name)],
            text![strong(test.tally())],
            key_figures(test),
        ]);
    }
    table
}

fn claims(run: &Run<'_>) -> Table {
    let mut table = Table::new([
        "Guarantee",
        "Meaning",
        "Required",
        "Observed",
        "Violation expected",
    ]);
    for claim in Claim::ALL {
        let at = |level: Level| -> Text {
            let tally: Tally = run
                .tests
                .iter()
                .flat_map(|test| test.guarantees(*claim))
                .filter(|(_, guarantee)| guarantee.level == level)
                .map(|(_, guarantee)| Word::of(guarantee))
                .collect();
            text![tally.list()]
        };
        let cells = [
            at(Level::Required),
            at(Level::Observed),
            at(Level::ExpectViolated),
        ];
        if cells.iter().any(|cell| !cell.is_empty()) {
            table.row(
                [text![code(claim)], text![claim.meaning()]]
                    .into_iter()
                    .chain(cells),
            );
        }
    }
    table
}
