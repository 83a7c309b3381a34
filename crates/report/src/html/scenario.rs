//! A section for each scenario: the contract, the timeline with its faults, what was found
//! with its proof, and everything else folded.

use maud::{Markup, html};
use model::anomaly::Anomaly;
use model::claim::Level;
use model::scenario::words::counted;
use model::verdict::{FaultVerdict, Finding, ScenarioVerdict};

use super::{Recorded, blocks, command, first_screen, lanes, logs, pipeline, strips, timeline};
use crate::document::{Document, Text};
use crate::page_data;
use crate::run::{Run, Test, Word};
use crate::section::{anchor_of, figures, plan_words, replay, test as whole};
use crate::units::duration_ms;

/// Preventions of one anomaly that are told, at most; `ackproof explain` tells all.
const PREVENTIONS_MAX: usize = 2;

/// What was told of an earlier scenario, and is not told again.
#[derive(Default)]
struct Earlier<'a> {
    tables: whole::Earlier<'a>,
    /// Anomalies whose prevention was told, and where.
    prevented: Vec<(Anomaly, &'a str)>,
}

pub(super) fn sections(run: &Run<'_>, recorded: &Recorded) -> Markup {
    let mut earlier = Earlier::default();
    html! {
        @for test in &run.tests { (section(run, test, recorded, &mut earlier)) }
    }
}

fn section<'a>(
    run: &Run<'_>,
    test: &Test<'a>,
    recorded: &Recorded,
    earlier: &mut Earlier<'a>,
) -> Markup {
    let mut full = Document::default();
    whole::write(&mut full, test, run.configurations, &mut earlier.tables);
    let id = anchor_of(test.name);
    html! {
        section.scenario id=(id) aria-labelledby={ (id) "-title" } {
            h2 id={ (id) "-title" } {
                (test.name) " "
                span class={ "badge " (first_screen::worst(test)) } { (test.tally()) }
            }
            @if let Some(scenario) = test.scenario {
                p.title { (scenario.title) }
                @if !scenario.why.is_empty() { p { (scenario.why) } }
            }
            (contract(test))
            @if let Some(outcome) = told(test) { (outcome_of(run, test, outcome, recorded, earlier)) }
            @else { p { "Not run." } }
            details {
                summary { "Everything that was planned and recorded" }
                (blocks::render(&full))
            }
        }
    }
}

/// The repetition that is drawn: the first that is not as it should be, or the first.
fn told<'a>(test: &Test<'a>) -> Option<&'a ScenarioVerdict> {
    let mut outcomes = test.outcomes.iter();
    let bad = outcomes.find(|outcome| !outcome.as_expected);
    bad.or(test.outcomes.first()).copied()
}

fn outcome_of<'a>(
    run: &Run<'_>,
    test: &Test<'a>,
    outcome: &ScenarioVerdict,
    recorded: &Recorded,
    earlier: &mut Earlier<'a>,
) -> Markup {
    let mut planned = test.planned.iter();
    let planned = planned.find(|planned| planned.repetition == outcome.repetition);
    let folder = planned.map(|planned| planned.folder()).unwrap_or_default();
    let course = recorded.courses.get(&folder);
    let logs = recorded.logs.get(&folder).map_or(&[][..], Vec::as_slice);
    html! {
        @if test.outcomes.len() > 1 {
            p.note {
                "Repetition " (outcome.repetition) " of " (test.outcomes.len()) " is shown."
            }
        }
        @if !outcome.doubts.is_empty() {
            div.doubts {
                p { strong { "Not everything could be established:" } }
                ul { @for doubt in &outcome.doubts { li { (doubt) } } }
            }
        }
        (timeline::figure(outcome, course))
        (faults(test, outcome))
        (logs::folded(logs))
        @for finding in &outcome.findings { (found(run, test, finding, earlier)) }
        @if let Some(course) = course { (strips::figures(&course.strips)) }
        (unknown(outcome))
        (calibration(outcome))
    }
}

/// What is configured, what that is to guarantee, and what was seen.
fn contract(test: &Test<'_>) -> Markup {
    let settings = test
        .scenario
        .map(page_data::of_scenario)
        .unwrap_or_default();
    let guarantees = told(test).map_or(&[][..], |outcome| &outcome.guarantees);
    let at = |level: Level| guarantees.iter().filter(move |one| one.level == level);
    let key_figures = figures::key_figures(test);
    html! {
        dl.contract {
            div {
                dt { "Configured" }
                dd {
                    @if settings.is_empty() { "Nothing: defaults." }
                    ul {
                        @for (owner, config) in &settings {
                            li {
                                (owner) ": "
                                @for (at, (key, value)) in config.iter().enumerate() {
                                    @if at > 0 { ", " }
                                    code { (key) "=" (value) }
                                }
                            }
                        }
                    }
                }
            }
            div {
                dt { "To be guaranteed" }
                dd {
                    ul {
                        @for one in at(Level::Required) { li { (one.claim.meaning()) } }
                        @for one in at(Level::ExpectViolated) {
                            li { strong { "not" } ", as the scenario shows, that " (one.claim.meaning()) }
                        }
                    }
                }
            }
            div {
                dt { "Seen" }
                dd {
                    ul {
                        @for one in guarantees {
                            li {
                                span class={ "badge " (super::class_of(Word::of(one))) } { (Word::of(one)) }
                                " " (one.claim) @if one.level == Level::Observed { " (observed)" }
                                @if !one.reason.is_empty() { ": " (one.reason) }
                            }
                        }
                    }
                    @if !key_figures.is_empty() { p.figures { (blocks::inline(&key_figures)) } }
                }
            }
        }
    }
}

/// The faults by the numbers of their bands, each with its evidence.
fn faults(test: &Test<'_>, outcome: &ScenarioVerdict) -> Markup {
    let words = |at: usize| -> Option<Text> {
        let scenario = test.scenario?;
        Some(plan_words::fault(scenario.faults.get(at)?, scenario))
    };
    html! {
        @if !outcome.faults.is_empty() {
            h3 { "What was broken" }
            ol.faults {
                @for (at, fault) in outcome.faults.iter().enumerate() {
                    li {
                        strong { (fault.kind) } ", " (begun(test, outcome, at)) (lasted(fault))
                        @if !fault.landed { " " span.badge.inconclusive { "took no effect" } }
                        @if let Some(words) = words(at) { ": " (blocks::inline(&words)) "." }
                        (observations(fault))
                    }
                }
            }
        }
    }
}

/// What it waited for, where the plan tells.
fn begun(test: &Test<'_>, outcome: &ScenarioVerdict, at: usize) -> Markup {
    let fault = test.scenario.and_then(|it| it.faults.get(at));
    let mut planned = test.planned.iter();
    let planned = planned.find(|planned| planned.repetition == outcome.repetition);
    let delay = planned.and_then(|it| it.fault_delays_ms.get(at).copied());
    html! {
        @if let Some(fault) = fault {
            (blocks::inline(&plan_words::trigger(&fault.after)))
            @if let Some(delay) = delay.filter(|delay| *delay > 0) {
                " and " (duration_ms(delay)) " more"
            }
            ", "
        }
    }
}

fn lasted(fault: &FaultVerdict) -> String {
    match (fault.injected_ms, fault.healed_ms) {
        (Some(from), Some(to)) => format!("from {} to {}", duration_ms(from), duration_ms(to)),
        (Some(from), None) => format!("from {} on", duration_ms(from)),
        _ => String::from("never in force"),
    }
}

fn observations(fault: &FaultVerdict) -> Markup {
    html! {
        ul.evidence {
            @for (observation, after) in fault.evidence.iter().map(|it| (it, false))
                .chain(fault.aftermath.iter().map(|it| (it, true))) {
                li {
                    @if after { "afterwards: " }
                    (observation.observation)
                    @if observation.found != model::event::Found::Yes { strong { ": not seen" } }
                    @if !observation.detail.is_empty() { ": " (observation.detail) }
                }
            }
        }
    }
}

/// One finding with its counterexample.
fn found<'a>(
    run: &Run<'_>,
    test: &Test<'a>,
    finding: &Finding,
    earlier: &mut Earlier<'a>,
) -> Markup {
    let definition = finding.anomaly.definition();
    let of_rows = matches!(
        finding.anomaly,
        Anomaly::RowMissing
            | Anomaly::RowDuplicate
            | Anomaly::RowPhantom
            | Anomaly::CommitOrder
            | Anomaly::StateDivergence
    );
    html! {
        h3 { (counted(finding.count, "instance")) " of " code { (definition.name) } }
        p { (definition.meaning) }
        @if !finding.lost_at.is_empty() {
            p { strong { "Where it was lost" } ": "
                @for (at, lost) in finding.lost_at.iter().enumerate() {
                    @if at > 0 { "; " }
                    (lost.count) " " (lost.hop.words()) " (" (lost.certainty.name()) ")"
                }
                "."
            }
        }
        @if let Some(scenario) = test.scenario { (pipeline::figure(scenario, &finding.lost_at)) }
        @if let Some(example) = finding.examples.first() {
            p { "For example " code { (example.item) } ":" }
            (lanes::figure(example, of_rows))
            @if !example.logs.is_empty() {
                p.note { "Logs of its members: "
                    @for (at, log) in example.logs.iter().enumerate() {
                        @if at > 0 { ", " } code { "logs/" (log) }
                    }
                }
            }
        }
        (prevention(finding.anomaly, test.name, earlier))
        @if let Some(line) = replay::command_for(run, test) {
            p { "Again, with the same seed and versions:" }
            (command(&line))
        }
    }
}

/// What prevents an anomaly, once; then where it was told.
fn prevention<'a>(anomaly: Anomaly, scenario: &'a str, earlier: &mut Earlier<'a>) -> Markup {
    let facts = anomaly.definition().prevented_by;
    let mut told = earlier.prevented.iter();
    let told = told.find(|(of, _)| *of == anomaly).map(|(_, name)| *name);
    if told.is_none() {
        earlier.prevented.push((anomaly, scenario));
    }
    html! {
        @match told {
            _ if facts.is_empty() => {},
            Some(name) => p {
                strong { "Prevented" } " as told of " a href={ "#" (anchor_of(name)) } { (name) } "."
            },
            None => ul {
                @for fact in facts.iter().take(PREVENTIONS_MAX) {
                    li { strong { "Prevented by" } ": " (fact.what) " ("
                        (blocks::source(fact.source)) ")" }
                }
            },
        }
    }
}

/// Sends of unknown outcome are no losses and no successes, and stand apart.
fn unknown(outcome: &ScenarioVerdict) -> Markup {
    let counts = &outcome.counts;
    html! {
        @if counts.unknown > 0 {
            p.unknown {
                strong { (counted(counts.unknown, "send")) " of unknown outcome" }
                ": the client was told neither success nor certain failure. Stored or not, "
                "neither is wrong, and none of them counts as lost."
            }
        }
    }
}

fn calibration(outcome: &ScenarioVerdict) -> Markup {
    let all = outcome.calibration.len();
    let missed: Vec<_> = outcome.calibration.iter().filter(|it| !it.found).collect();
    html! {
        p.note {
            "Calibration: "
            @if all == 0 { "none was recorded." }
            @else {
                (all - missed.len()) " of " (all)
                " errors planted into this history were found."
                @for mutant in &missed {
                    " Missed: " code { (mutant.anomaly) } ", " (mutant.mutation) "."
                }
            }
        }
    }
}
