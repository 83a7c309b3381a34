//! What a reader learns in the first minute: the verdict, what was broken, what was lost,
//! what that means, and a card for each scenario.

use maud::{Markup, html};

use super::{blocks, class_of, command};
use crate::document::Text;
use crate::run::{Run, Test, Word};
use crate::section::{anchor_of, answers, figures, replay, summary};
use crate::units::duration_ms;

/// Entries of one answer that are shown at once; the others are folded.
const SHOWN_MAX: usize = 4;

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
                    (answer("broken", "What was broken", &answers::broken(run)))
                    (answer("lost", "What was lost", &answers::lost(run)))
                    (answer("meaning", "What it means for you", &answers::meaning(run)))
                }
            }
        }
    }
}

fn fact(name: &str, value: &str) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

fn answer(id: &str, title: &str, entries: &[Text]) -> Markup {
    let (shown, folded) = entries.split_at(entries.len().min(SHOWN_MAX));
    html! {
        section aria-labelledby=(id) {
            h2 id=(id) { (title) }
            ul { @for entry in shown { li { (blocks::inline(entry)) } } }
            @if !folded.is_empty() {
                details {
                    summary { (folded.len()) " more" }
                    ul { @for entry in folded { li { (blocks::inline(entry)) } } }
                }
            }
        }
    }
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
            h3 { a href={ "#" (anchor_of(test.name)) } { (test.name) } }
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
