//! Title, circumstances of the run, the executive summary on one screen, and the contents.

use std::collections::{BTreeMap, BTreeSet};

use model::claim::{Claim, Level};
use model::scenario::words::counted;
use model::scenario::{Commit, Producer, Scenario, Transactions};
use model::verdict::{Interruption, Verdict};

use super::{answers, figures, replay, scenario};
use crate::document::{Block, Document, Item, Span, Table, Text, anchor, code, link, strong, text};
use crate::run::{Run, Tally, Test, Word};
use crate::units::{duration_ms, gibibytes};

/// Entries of one answer that are shown; `report.html` has all.
const SHOWN_MAX: usize = 4;

/// Settings that tell how producers deliver.
const MODE_KEYS: [&str; 4] = ["acks", "retries", "enable.idempotence", "transactional.id"];

pub(crate) fn write(document: &mut Document, run: &Run<'_>) {
    document.heading(1, "Kafka delivery guarantees");
    document.list(circumstances(run));
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
    document.list(
        [
            answer("What was broken", answers::broken(run)),
            answer("What was lost", answers::lost(run)),
            answer("What it means for you", answers::meaning(run)),
            answer("Violations that were only observed", observed(run)),
        ]
        .into_iter()
        .flatten()
        .collect(),
    );
    let mut by_guarantee = Document::default();
    by_guarantee.table(claims(run));
    document.folded("Summary by guarantee", by_guarantee);
}

/// Links to the sections that follow, and to each scenario with its verdict.
pub(crate) fn contents(document: &mut Document, run: &Run<'_>, rest: &Document) {
    document.heading(2, "Contents");
    let headings = rest.blocks().iter().filter_map(|block| match block {
        Block::Heading(2, text) => Some(text),
        _ => None,
    });
    let links = headings.map(|heading| {
        let words: String = heading.spans().iter().map(Span::words).collect();
        text![link(words, format!("#{}", anchor(heading)))]
    });
    document.paragraph(Text::join(links, " · "));
    let mut table = Table::new(["Scenario", "Verdict", "Counted"]);
    for test in &run.tests {
        table.row([
            text![scenario(test.name)],
            text![strong(test.tally())],
            figures::counted(test),
        ]);
    }
    document.table(table);
}

fn answer(title: &str, entries: Vec<Text>) -> Option<Item> {
    if entries.is_empty() {
        return None;
    }
    let hidden = entries.len().saturating_sub(SHOWN_MAX);
    let item = Item::new(text![strong(title)]);
    let item = entries.into_iter().take(SHOWN_MAX).fold(item, Item::point);
    Some(match hidden {
        0 => item,
        more => item.point(format!("{more} more in report.html")),
    })
}

/// When, of what, how, and where.
fn circumstances(run: &Run<'_>) -> Vec<Item> {
    let mut items = Vec::new();
    let mut add = |name: &str, value: Text| {
        if !value.is_empty() {
            items.push(Item::new(text![strong(name), ": ", value]));
        }
    };
    let known = run.verdict.circumstances.as_ref();
    let mut generated = Text::default();
    if let Some(known) = known {
        generated.push(known.started_at.as_str());
        let took = known.duration_ms.map(duration_ms);
        generated.push(took.map_or_else(
            || String::from(", and did not end"),
            |took| format!(", in {took}"),
        ));
        generated.push(", ");
    }
    generated.push("run ");
    generated.push(code(&run.verdict.run));
    generated.push(format!(", seed {}", run.verdict.seed));
    add("Generated", generated);
    let versions = run.verdict.versions.iter();
    let versions = versions.map(|(name, version)| text![format!("{name} {version}")]);
    let suites: BTreeSet<&str> = scenarios(run).map(|it| it.suite.as_str()).collect();
    let suites = Text::join(suites.into_iter().map(|suite| text![code(suite)]), ", ");
    let feature = text![counted(run.tests.len() as u64, "scenario"), " of ", suites];
    let feature = [feature].into_iter().filter(|_| !run.tests.is_empty());
    add(
        "Feature",
        Text::join(feature.chain([Text::join(versions, ", ")]), "; "),
    );
    add("Delivery mode", mode(run));
    if let Some(cluster) = &run.plan.cluster {
        let at = Text::join(cluster.bootstrap.iter().map(|at| text![code(at)]), ", ");
        let brokers = counted(cluster.brokers as u64, "broker");
        let skipped = counted(run.plan.skipped.len() as u64, "scenario");
        add(
            "Cluster",
            text![
                "at ",
                at,
                format!(", an existing cluster with {brokers}; {skipped} skipped"),
            ],
        );
    }
    if let Some(known) = known {
        let machine = &known.machine;
        let parts = [
            machine.cores.map(|cores| counted(cores, "CPU")),
            machine.memory_bytes.map(gibibytes),
            machine.os.clone(),
        ];
        let parts = parts.into_iter().flatten().map(Text::from);
        add("Machine", Text::join(parts, ", "));
    }
    items
}

fn scenarios<'a>(run: &Run<'a>) -> impl Iterator<Item = &'a Scenario> {
    run.tests.iter().filter_map(|test| test.scenario)
}

/// How records are delivered by the plan, and the producers' settings where all have the
/// same.
fn mode(run: &Run<'_>) -> Text {
    let mut modes: BTreeMap<&str, u64> = BTreeMap::new();
    let mut settings: BTreeMap<&str, BTreeSet<Option<&str>>> = BTreeMap::new();
    for scenario in scenarios(run) {
        *modes.entry(mode_of(scenario)).or_default() += 1;
        for producer in &scenario.producers {
            for key in MODE_KEYS {
                let value = producer.config.get(key).map(String::as_str);
                settings.entry(key).or_default().insert(value);
            }
        }
    }
    let is_one = modes.len() == 1;
    let modes = modes.into_iter().map(|(mode, count)| {
        if is_one {
            text![mode]
        } else {
            text![format!("{mode} in {}", counted(count, "scenario"))]
        }
    });
    let mut mode = Text::join(modes, ", ");
    let settings = settings.into_iter().filter_map(|(key, values)| {
        let values: Vec<Option<&str>> = values.into_iter().collect();
        match values.as_slice() {
            [Some(value)] => Some(text![code(format!("{key}={value}"))]),
            _ => None,
        }
    });
    let settings = Text::join(settings, ", ");
    if !settings.is_empty() {
        mode.push(" (every producer: ");
        mode.push(settings);
        mode.push(")");
    }
    mode
}

fn mode_of(scenario: &Scenario) -> &'static str {
    let may_skip = |commit: Commit| commit != Commit::After;
    let without_answer = |of: &Producer| of.config.get("acks").is_some_and(|it| it == "0");
    if scenario.groups.iter().any(|group| may_skip(group.commit))
        || scenario.producers.iter().any(without_answer)
    {
        "at-most-once"
    } else if scenario
        .transforms
        .iter()
        .any(|it| it.transactions == Transactions::On)
    {
        "exactly-once"
    } else {
        "at-least-once"
    }
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

/// Claims that scenarios did not require and that were violated: a reader of the summary
/// must not have to look for them.
fn observed(run: &Run<'_>) -> Vec<Text> {
    let violated = Claim::ALL.iter().filter_map(|claim| {
        let tests = run.tests.iter().filter(|test| {
            let mut all = test.guarantees(*claim).into_iter();
            all.any(|(_, one)| one.level == Level::Observed && one.verdict == Verdict::Violated)
        });
        let names = Text::join(tests.map(|test| text![scenario(test.name)]), ", ");
        (!names.is_empty()).then(|| text![code(claim), " in ", names])
    });
    violated.collect()
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
