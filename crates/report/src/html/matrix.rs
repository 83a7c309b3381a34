//! Each scenario by each guarantee, on one screen.

use maud::{Markup, html};
use model::claim::{Claim, Level};

use super::class_of;
use crate::run::{Run, Test, Word};
use crate::section::{anchor_of, results::level};

pub(super) fn of_guarantees(run: &Run<'_>) -> Markup {
    let claimed = |claim: &&Claim| {
        let mut tests = run.tests.iter();
        tests.any(|test| !test.guarantees(**claim).is_empty())
    };
    let claims: Vec<Claim> = Claim::ALL.iter().filter(claimed).copied().collect();
    if claims.is_empty() {
        return html! {};
    }
    html! {
        section aria-labelledby="matrix" {
            h2 #matrix { "Scenarios and guarantees" }
            ul.legend {
                @for word in [Word::Held, Word::ViolatedAsExpected, Word::Inconclusive, Word::Violated] {
                    li { span class={ "sign " (class_of(word)) } aria-hidden="true" { (sign(word)) } (word) ": " (meaning(word)) }
                }
                li { span class="sign observed held" aria-hidden="true" { (sign(Word::Held)) } "pale: only observed" }
            }
            div.scroll tabindex="0" role="group" aria-label="Scenarios and guarantees" {
                table.matrix {
                    thead { tr {
                        th scope="col" { "Scenario" }
                        @for claim in &claims {
                            th.turned scope="col" title=(claim.meaning()) { span { (claim) } }
                        }
                    } }
                    tbody {
                        @for test in &run.tests {
                            tr {
                                th scope="row" {
                                    a href={ "#" (anchor_of(test.name)) } { (test.name) }
                                }
                                @for claim in &claims { (cell(test, *claim)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn cell(test: &Test<'_>, claim: Claim) -> Markup {
    let all = test.guarantees(claim);
    let worst = all.iter().max_by_key(|(_, one)| Word::of(one));
    let Some((_, guarantee)) = worst else {
        return html! { td {} };
    };
    let word = Word::of(guarantee);
    let observed = guarantee.level == Level::Observed;
    let tally = format!("{}, {}", test.claim_tally(claim), level(guarantee.level));
    html! {
        td {
            span class={ "sign " (class_of(word)) @if observed { " observed" } } role="img"
                title=(format!("{claim}: {tally}")) { (sign(word)) }
        }
    }
}

const fn meaning(word: Word) -> &'static str {
    match word {
        Word::Held => "looked for in everything that was recorded, and never broken",
        Word::ViolatedAsExpected => "broken, which the scenario is there to show",
        Word::Inconclusive => "this run cannot tell",
        Word::Violated => "broken, with a proof below",
    }
}

/// Shapes, so that colour is not needed.
const fn sign(word: Word) -> &'static str {
    match word {
        Word::Held => "●",
        Word::ViolatedAsExpected => "◇",
        Word::Inconclusive => "?",
        Word::Violated => "✕",
    }
}
