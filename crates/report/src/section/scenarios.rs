//! A compact section for each scenario: what it is about, what was broken, what came out.
//! Times, evidence in full and pictures are in `report.html`: two runs of a scenario differ
//! here in little.

use model::claim::Level;
use model::course::Quantity;
use model::scenario::Config;
use model::verdict::{FaultVerdict, Finding, GuaranteeVerdict, ScenarioVerdict, Verdict};

use super::results::{level, named};
use super::{figures, finding, heading_of, plan_words, results, scenario};
use crate::document::{Document, Item, Text, code, strong, text};
use crate::page_data;
use crate::run::{Run, Test, Word, is_as_wanted};
use crate::units::number;

/// Examples of one anomaly that are proven here; `report.html` draws them.
const EXAMPLES_MAX: usize = 1;

pub(crate) fn write(document: &mut Document, run: &Run<'_>) {
    document.heading(2, "Delivery guarantee tests");
    if run.tests.is_empty() {
        document.paragraph("None was run.");
    }
    let mut earlier: Vec<(&str, Text)> = Vec::new();
    for test in &run.tests {
        one(document, run, test, &mut earlier);
    }
}

fn one<'a>(
    document: &mut Document,
    run: &Run<'_>,
    test: &Test<'a>,
    earlier: &mut Vec<(&'a str, Text)>,
) {
    document.heading(3, heading_of(test.name));
    let mut items = Vec::new();
    let mut add = |title: &str, value: Text| {
        if !value.is_empty() {
            items.push(Item::new(text![strong(title), ": ", value]));
        }
    };
    if let Some(planned) = test.scenario {
        document.paragraph(text![strong(&planned.title)]);
        add("Success criterion", text![planned.criterion.as_str()]);
        add("Scenario", Text::join(plan_words::traffic(planned), "; "));
        let settings = settings(test);
        match earlier.iter().find(|(_, other)| *other == settings) {
            _ if settings.is_empty() => {}
            Some((name, _)) => add("Configuration", text!["as for ", scenario(name)]),
            None => {
                earlier.push((test.name, settings.clone()));
                add("Configuration", settings);
            }
        }
        add("Failure injection", injection(test));
        add("Expected behaviour", text![planned.expected.as_str()]);
    } else {
        document.paragraph("The plan of this run does not have this scenario.");
    }
    items.push(outcome(test));
    items.extend(lags(run, test));
    document.list(items);
    proofs(document, test);
}

/// Everything that the plan sets, by its owner.
fn settings(test: &Test<'_>) -> Text {
    let of_owner = |owner: &str, config: &Config| {
        let set = config.iter();
        let set = set.map(|(key, value)| text![code(format!("{key}={value}"))]);
        text![format!("{owner} "), Text::join(set, ", ")]
    };
    let all = test.scenario.map(page_data::of_scenario);
    let all = all.iter().flatten();
    Text::join(all.map(|(owner, config)| of_owner(owner, config)), "; ")
}

/// Each fault in words, whether it took effect, and what showed that.
fn injection(test: &Test<'_>) -> Text {
    let Some(planned) = test.scenario else {
        return Text::default();
    };
    if planned.faults.is_empty() {
        return text!["none"];
    }
    let faults = planned.faults.iter().enumerate().map(|(at, fault)| {
        let mut line = text![
            code(fault.kind.name()),
            " ",
            plan_words::trigger(&fault.after),
            ": ",
            plan_words::fault(fault, planned)
        ];
        let seen = test.faults(at);
        let landed = seen.iter().filter(|fault| fault.landed).count();
        if landed < seen.len() {
            line.push(" (");
            line.push(strong("took no effect"));
            line.push(format!(" in {} of {})", seen.len() - landed, seen.len()));
        } else if let Some(evidence) = seen.first().map(|fault| evidence(fault)) {
            line.push(format!(" (evidence: {evidence})"));
        }
        line
    });
    Text::join(faults, "; ")
}

fn evidence(fault: &FaultVerdict) -> String {
    let all = fault.evidence.iter();
    let all: Vec<&str> = all.map(|it| it.observation.as_str()).collect();
    all.join(", ")
}

/// The verdict with its figures, each guarantee, and the reasons of what is not HELD.
fn outcome(test: &Test<'_>) -> Item {
    if test.outcomes.is_empty() {
        return Item::new(text![strong("Results"), ": not run"]);
    }
    let mut line = text![strong("Results"), ": ", strong(test.tally())];
    let counted = figures::counted(test);
    if !counted.is_empty() {
        line.push(": ");
        line.push(counted);
    }
    let missing = test.planned.len().saturating_sub(test.outcomes.len());
    if missing > 0 && test.scenario.is_some() {
        line.push(format!(
            "; {missing} of {} planned runs have no verdict",
            test.planned.len()
        ));
    }
    let mut item = Item::new(line);
    for of in [Level::Required, Level::ExpectViolated, Level::Observed] {
        let guarantees = guarantees(test, of);
        if !guarantees.is_empty() {
            item = item.point(text![format!("{}: ", level(of)), guarantees]);
        }
    }
    for outcome in &test.outcomes {
        for doubt in &outcome.doubts {
            item = item.point(text![
                strong("Doubt"),
                ": ",
                results::in_repetition(test, outcome),
                doubt.as_str()
            ]);
        }
        for failure in &outcome.failures {
            item = item.point(text![
                results::in_repetition(test, outcome),
                failure.part.as_str(),
                " was ",
                code(&failure.state),
                " by itself"
            ]);
        }
    }
    let explained = reasons(test).into_iter().fold(item, Item::point);
    let missed = test.outcomes.iter().flat_map(|it| &it.calibration);
    let missed = missed.filter(|mutant| !mutant.found).count();
    match missed {
        0 => explained,
        1 => explained.point("calibration: one error that was planted into the history was missed"),
        more => explained.point(format!(
            "calibration: {more} errors that were planted into the history were missed"
        )),
    }
}

/// Where the lag of each group that reads is drawn, and which is not. Its figures differ from
/// run to run, and stand there.
fn lags(run: &Run<'_>, test: &Test<'_>) -> Option<Item> {
    let scenario = test.scenario?;
    let ran = test.outcomes.iter().map(|it| it.repetition);
    let ran: Vec<u32> = ran.collect();
    let folders = test
        .planned
        .iter()
        .filter(|it| ran.contains(&it.repetition));
    let courses = folders.filter_map(|it| run.courses.get(&it.folder()));
    let courses: Vec<_> = courses.collect();
    if courses.is_empty() {
        return None;
    }
    let groups = scenario.groups.iter().map(|it| it.name.as_str());
    let groups = groups.chain(scenario.transforms.iter().map(|it| it.name.as_str()));
    let (drawn, not_drawn): (Vec<&str>, Vec<&str>) = groups.partition(|name| {
        let mut series = courses.iter().flat_map(|course| &course.series);
        series.any(|it| it.of == Quantity::Lag && it.group.as_deref() == Some(name))
    });
    let list = |names: &[&str]| {
        let names: Vec<Text> = names.iter().map(|it| text![code(it)]).collect();
        match names.split_last() {
            Some((last, others)) if !others.is_empty() => {
                let others = Text::join(others.iter().cloned(), ", ");
                text![others, " and ", last.clone()]
            }
            _ => Text::join(names, ""),
        }
    };
    let mut parts = Vec::new();
    if !drawn.is_empty() {
        let (curves, are) = match drawn.len() {
            1 => ("the curve of ", " is"),
            _ => ("the curves of ", " are"),
        };
        parts.push(text![
            curves,
            list(&drawn),
            are,
            " on the timeline in ",
            code("report.html")
        ]);
    }
    if !not_drawn.is_empty() {
        parts.push(text![
            "no curve of ",
            list(&not_drawn),
            match not_drawn.len() {
                1 => ": it processed nothing",
                _ => ": they processed nothing",
            }
        ]);
    }
    let parts = Text::join(parts, "; ");
    (!parts.is_empty()).then(|| Item::new(text![strong("Lag"), ": ", parts]))
}

fn guarantees(test: &Test<'_>, of: Level) -> Text {
    let Some(first) = test.outcomes.first() else {
        return Text::default();
    };
    let claims = first.guarantees.iter().filter(|one| one.level == of);
    Text::join(
        claims.map(|one| text![code(one.claim), format!(" {}", test.claim_tally(one.claim))]),
        ", ",
    )
}

/// Why guarantees are not HELD: of each, the first of the worst.
fn reasons(test: &Test<'_>) -> Vec<Text> {
    let mut told: Vec<(&ScenarioVerdict, &GuaranteeVerdict)> = Vec::new();
    for outcome in test.outcomes.iter().copied() {
        for one in &outcome.guarantees {
            let known = told.iter_mut().find(|(_, other)| other.claim == one.claim);
            match known {
                Some(known) => {
                    let worse = |of: &GuaranteeVerdict| (!is_as_wanted(of), of.verdict);
                    if worse(one) > worse(known.1) {
                        *known = (outcome, one);
                    }
                }
                None => told.push((outcome, one)),
            }
        }
    }
    let open = told.into_iter();
    let open = open.filter(|(_, one)| one.verdict != Verdict::Held);
    open.map(|(outcome, one)| {
        text![
            results::in_repetition(test, outcome),
            code(one.claim),
            format!(" {}: {}", Word::of(one), one.reason)
        ]
    })
    .collect()
}

/// What was found against what was required, folded.
fn proofs(document: &mut Document, test: &Test<'_>) {
    for outcome in test.outcomes.iter().filter(|it| !it.as_expected) {
        for found in outcome
            .findings
            .iter()
            .filter(|it| contradicts(outcome, it))
        {
            let whose = results::in_repetition(test, outcome);
            let mut proof = Document::default();
            proof.list(vec![
                finding::explained(found, &whose),
                Item::new(text!["which: ", named(found)]),
            ]);
            for example in found.examples.iter().take(EXAMPLES_MAX) {
                proof.paragraph(text!["For example ", code(&example.item), ":"]);
                proof.table(results::proof(example));
            }
            let title = format!("Proof: {whose}{}, {}", found.anomaly, number(found.count));
            document.folded(title, proof);
        }
    }
}

/// Whether a finding contradicts what the scenario requires.
fn contradicts(outcome: &ScenarioVerdict, found: &Finding) -> bool {
    outcome.guarantees.iter().any(|one| {
        one.level == Level::Required && one.claim.contradicted_by().contains(&found.anomaly)
    })
}
