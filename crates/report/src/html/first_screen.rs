//! What a reader learns in the first minute: the verdict, what was broken, what was lost,
//! what that means, and a card for each scenario.

use maud::{Markup, html};
use model::anomaly::Anomaly;
use model::claim::Level;
use model::scenario::words::counted;
use model::verdict::Verdict;

use super::{blocks, class_of, command, links, scenario_id};
use crate::document::Text;
use crate::run::{Run, Test, Word, is_as_wanted};
use crate::section::results::in_repetition;
use crate::section::{figures, plan_words, replay, summary};
use crate::units::duration_ms;

/// Entries of one answer that are shown at once; the others are folded.
const SHOWN_MAX: usize = 4;

/// What is a loss, and what it is called behind a number of one.
const LOSSES: [(Anomaly, &str); 4] = [
    (Anomaly::LostWrite, "acknowledged record"),
    (Anomaly::RowMissing, "committed change without an event"),
    (Anomaly::GroupGap, "record that a group passed over"),
    (
        Anomaly::GroupIncomplete,
        "record that a group did not come to",
    ),
];

pub(super) fn header(run: &Run<'_>) -> Markup {
    let verdict = run.verdict.verdict;
    let circumstances = run.verdict.circumstances.as_ref();
    let took = circumstances.and_then(|it| it.duration_ms).map(duration_ms);
    html! {
        header {
            p.kicker { "Run " code { (run.verdict.run) } }
            h1 {
                "Kafka delivery guarantees: "
                span class={ "verdict " (class_of(Word::new(verdict, false))) } { (verdict) }
            }
            p.headline {
                @if run.tests.is_empty() { "No scenario was run, so nothing can be said." }
                @else { (blocks::inline(&summary::headline(run))) }
            }
            dl.facts {
                @if let Some(it) = circumstances { (fact("Started", &it.started_at)) }
                @if let Some(took) = &took { (fact("Took", took)) }
                @for (of, version) in &run.verdict.versions { (fact(of, version)) }
                (fact("Seed", &run.verdict.seed.to_string()))
                @if let Some(cluster) = &run.plan.cluster {
                    (fact("Cluster", &cluster.bootstrap.join(", ")))
                }
            }
            @if !run.tests.is_empty() {
                div.answers {
                    (answer("broken", "What was broken", &broken(run)))
                    (answer("lost", "What was lost", &lost(run)))
                    (answer("meaning", "What it means for you", &meaning(run)))
                }
            }
        }
    }
}

fn fact(name: &str, value: &str) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

fn answer(id: &str, title: &str, entries: &[Markup]) -> Markup {
    let (shown, folded) = entries.split_at(entries.len().min(SHOWN_MAX));
    html! {
        section aria-labelledby=(id) {
            h2 id=(id) { (title) }
            ul { @for entry in shown { li { (entry) } } }
            @if !folded.is_empty() {
                details {
                    summary { (folded.len()) " more" }
                    ul { @for entry in folded { li { (entry) } } }
                }
            }
        }
    }
}

/// Each kind of fault, how often it took effect, and in words what the first did.
fn broken(run: &Run<'_>) -> Vec<Markup> {
    let mut kinds: Vec<(&str, usize, usize, Option<Text>)> = Vec::new();
    for test in &run.tests {
        for fault in test.outcomes.iter().flat_map(|outcome| &outcome.faults) {
            let known = kinds.iter_mut().find(|(kind, ..)| *kind == fault.kind);
            let landed = usize::from(fault.landed);
            if let Some((_, injected, all, _)) = known {
                *injected += 1;
                *all += landed;
                continue;
            }
            let words = test.scenario.and_then(|scenario| {
                let mut faults = scenario.faults.iter();
                let planned = faults.find(|planned| planned.kind.name() == fault.kind)?;
                Some(plan_words::fault(planned, scenario))
            });
            kinds.push((&fault.kind, 1, landed, words));
        }
    }
    if kinds.is_empty() {
        return vec![html! { "Nothing: no scenario injected a fault." }];
    }
    let entry = |(kind, injected, landed, words): (&str, usize, usize, Option<Text>)| {
        html! {
            strong { (kind) }
            @if landed == injected { ", " (injected) "×" }
            @else { ", took effect " (landed) " of " (injected) " times" }
            @if let Some(words) = words { ": " (blocks::inline(&words)) }
        }
    };
    kinds.into_iter().map(entry).collect()
}

/// Losses by scenario. That there are none is said only where it is established.
fn lost(run: &Run<'_>) -> Vec<Markup> {
    let mut unexpected = Vec::new();
    let mut expected = Vec::new();
    let mut clean = 0u64;
    for test in run.ran(|_| true) {
        let mut is_clean = false;
        let mut has_lost = false;
        for (anomaly, words) in LOSSES {
            let found = test.found(anomaly);
            match found.max() {
                Some(0) => is_clean |= found.is_zero(),
                Some(most) => {
                    has_lost = true;
                    let is_expected = expects(test, anomaly);
                    let entry = html! {
                        strong { (counted(most, words)) } " in " (link(test))
                        @if is_expected { ", as it expects" }
                    };
                    if is_expected {
                        expected.push(entry);
                    } else {
                        unexpected.push(entry);
                    }
                }
                None => {}
            }
        }
        clean += u64::from(is_clean && !has_lost);
    }
    if clean > 0 {
        let nothing = html! { strong { "Nothing" } " in " (counted(clean, "scenario")) " that established it" };
        if unexpected.is_empty() {
            unexpected.insert(0, nothing);
        } else {
            unexpected.push(nothing);
        }
    } else if unexpected.is_empty() && expected.is_empty() {
        unexpected.push(html! { "Not established: no scenario could tell." });
    }
    unexpected.extend(expected);
    unexpected
}

/// Whether a scenario is there to show this anomaly.
fn expects(test: &Test<'_>, anomaly: Anomaly) -> bool {
    let guarantees = test.outcomes.iter().flat_map(|outcome| &outcome.guarantees);
    guarantees
        .filter(|one| one.level == Level::ExpectViolated)
        .any(|one| one.claim.contradicted_by().contains(&anomaly))
}

fn link(test: &Test<'_>) -> Markup {
    html! { a href={ "#" (scenario_id(test.name)) } { (test.name) } }
}

/// What follows for a reader who runs the like.
fn meaning(run: &Run<'_>) -> Vec<Markup> {
    let mut entries = Vec::new();
    for test in &run.tests {
        for outcome in test.outcomes.iter().filter(|outcome| !outcome.as_expected) {
            let bad = outcome.guarantees.iter().filter(|one| !is_as_wanted(one));
            for guarantee in bad.filter(|one| one.verdict == Verdict::Violated) {
                let mut findings = outcome.findings.iter();
                let finding = findings
                    .find(|finding| guarantee.claim.contradicted_by().contains(&finding.anomaly));
                let fact = finding.and_then(|it| it.anomaly.definition().prevented_by.first());
                entries.push(html! {
                    strong { "Do not rely on it" } " that " (guarantee.claim.meaning())
                    ", configured as in " (link(test)) ": " (guarantee.reason) "."
                    @if let Some(fact) = fact {
                        " Prevented by: " (fact.what) " (" (links::source(fact.source)) ")"
                    }
                });
            }
            let doubt = outcome.doubts.first().cloned().or_else(|| {
                let mut open = outcome.guarantees.iter();
                let open =
                    open.find(|one| !is_as_wanted(one) && one.verdict == Verdict::Inconclusive)?;
                Some(format!("{}: {}", open.claim, open.reason))
            });
            if let Some(doubt) = doubt {
                entries.push(html! {
                    strong { "Not known" } ": " (link(test)) " could not tell: "
                    (in_repetition(test, outcome)) (doubt)
                });
            }
        }
    }
    let fits = run
        .tests
        .iter()
        .filter(|test| test.is_as_expected())
        .count();
    if fits > 0 {
        entries.push(html! {
            strong { (counted(fits as u64, "scenario")) } " came out as expected: what they \
             require held under these faults, with their configurations and versions, in this \
             run."
        });
    }
    let demonstrations = run.tests.iter().filter(|test| {
        let all = test.outcomes.iter();
        let mut shown = all.filter(|outcome| outcome.as_expected);
        shown.any(|outcome| outcome.verdict == Verdict::Violated)
    });
    for test in demonstrations {
        entries.push(html! {
            strong { "Check yours" } " for what " (link(test)) " shows"
            @if let Some(scenario) = test.scenario { ": " (scenario.title) }
        });
    }
    let unknown = run.tests.iter().flat_map(|test| &test.outcomes);
    let unknown: u64 = unknown.map(|outcome| outcome.counts.unknown).sum();
    if unknown > 0 {
        entries.push(html! {
            strong { (counted(unknown, "send")) } " of unknown outcome: an application has to \
             reckon with such a record as written and as not written"
        });
    }
    entries
}

pub(super) fn cards(run: &Run<'_>) -> Markup {
    html! {
        @if !run.tests.is_empty() {
            section aria-labelledby="scenarios" {
                h2 #scenarios { "Scenarios" }
                ul.cards { @for test in &run.tests { (card(test)) } }
            }
        }
    }
}

fn card(test: &Test<'_>) -> Markup {
    let key_figures = figures::key_figures(test);
    html! {
        li class={ "card " (worst(test)) } {
            h3 { (link(test)) }
            p.word { (test.tally()) }
            @if let Some(scenario) = test.scenario { p { (scenario.title) } }
            @if !key_figures.is_empty() { p.figures { (blocks::inline(&key_figures)) } }
        }
    }
}

/// The class of a scenario's worst verdict.
pub(super) fn worst(test: &Test<'_>) -> &'static str {
    let words = test.outcomes.iter();
    let words = words.map(|outcome| Word::new(outcome.verdict, outcome.as_expected));
    words.max().map_or("not-run", class_of)
}

pub(super) fn footer(run: &Run<'_>) -> Markup {
    html! {
        footer {
            @if let Some(line) = replay::command(run) {
                p { "The same plan again, from the folder in which it was run:" }
                (command(&line))
            }
            p.note {
                "Made by ackproof. The verdict's data is in this file: "
                code { "ackproof diff BEFORE.html AFTER.html" } " compares two of them."
            }
        }
    }
}
