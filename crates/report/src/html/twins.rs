//! Scenarios that differ in one key, side by side: what that key changed.

use maud::{Markup, html};
use model::claim::Claim;

use super::{blocks, class_of, first_screen};
use crate::run::{Run, Test, Word};
use crate::section::{anchor_of, figures};
use crate::twins::{self, Twins};

pub(super) fn side_by_side(run: &Run<'_>) -> Markup {
    let all = twins::of(run);
    html! {
        @if !all.is_empty() {
            section aria-labelledby="twins" {
                h2 #twins { "What one key changes" }
                p { "Pairs of scenarios that are planned alike but for one key." }
                div.scroll tabindex="0" role="group" aria-label="What one key changes" {
                    table.twins {
                        thead { tr {
                            th scope="col" { "Key" }
                            th scope="col" colspan="2" { "Scenario, verdict, and the guarantees that differ" }
                        } }
                        tbody { @for twins in &all { (row(twins)) } }
                    }
                }
            }
        }
    }
}

fn row(twins: &Twins<'_, '_>) -> Markup {
    let differ = Claim::ALL.iter().copied();
    let differ = differ.filter(|claim| word(twins.one, *claim) != word(twins.other, *claim));
    let differ: Vec<Claim> = differ.collect();
    let [one, other] = &twins.values;
    html! {
        tr {
            th scope="row" { code { (twins.key) } }
            td { (side(twins.one, one.as_deref(), &differ)) }
            td { (side(twins.other, other.as_deref(), &differ)) }
        }
    }
}

/// The worst verdict on a claim.
fn word(test: &Test<'_>, claim: Claim) -> Option<Word> {
    let guarantees = test.guarantees(claim).into_iter();
    guarantees.map(|(_, one)| Word::of(one)).max()
}

fn side(test: &Test<'_>, value: Option<&str>, differ: &[Claim]) -> Markup {
    html! {
        @match value {
            Some(value) => code { (value) },
            None => "not set",
        }
        " in " a href={ "#" (anchor_of(test.name)) } { (test.name) } ": "
        span class={ "badge " (first_screen::worst(test)) } { (test.tally()) }
        @if !differ.is_empty() {
            ul {
                @for claim in differ {
                    @if let Some(word) = word(test, *claim) {
                        li { (claim) " " span class={ "badge " (class_of(word)) } { (word) } }
                    }
                }
            }
        }
        p.figures { (blocks::inline(&figures::counted(test))) }
    }
}
