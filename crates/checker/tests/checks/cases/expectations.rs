//! What the checker and the judge say of a case, in the words of its file.

use std::collections::BTreeSet;

use checker::{Analysis, judge};
use model::anomaly::Anomaly;
use model::claim::{Claim, Contract};
use model::verdict::{Example, Finding, ScenarioVerdict};

use super::file::Case;
use super::values::value;
use crate::loss_location::{examined_events, holds_to_its_operations};
use crate::story::{Story, every_claim, required, story_of};

/// The lines that the case's expectations should be: what is always said, and
/// whatever else the expectations ask for.
pub(super) fn found(case: &Case) -> Vec<String> {
    let story = story_of(case.events.clone());
    let analysis = story.check();
    let examined = examined_events(&case.events, 100);
    assert_eq!(
        crate::story::found(&examined),
        crate::story::found(&analysis)
    );
    holds_to_its_operations(&examined, &case.name);
    let verdict = judge(&case.contract, "case", 1, &analysis, Vec::new());
    let mut lines = findings(&examined.findings);
    if case.contract != Contract::default() {
        lines.extend(ruled(&verdict));
    }
    if !case.calibrated.is_empty() {
        lines.extend(planted(&story, &case.calibrated));
    }
    for line in &case.expected {
        if let Some(asked) = line.strip_prefix("value: ") {
            let path = asked.split(" = ").next().unwrap_or(asked);
            let value = value(path, &examined, &verdict);
            lines.push(format!("value: {path} = {value}"));
        }
        if let Some(asked) = line.strip_prefix("proof: ") {
            lines.extend(proof(asked, &examined));
        }
    }
    lines
}

fn findings(all: &[Finding]) -> Vec<String> {
    if all.is_empty() {
        return vec!["finds: nothing".to_owned()];
    }
    let each = all.iter().map(|finding| {
        let named = finding.ranges.iter();
        let named: Vec<String> = named
            .map(|range| match range.last {
                last if last == range.first => format!("{} {last}", range.of),
                last => format!("{} {}-{last}", range.of, range.first),
            })
            .collect();
        let more = if finding.ranges_complete {
            ""
        } else {
            ", and more"
        };
        let lost = finding.lost_at.iter();
        let lost: Vec<String> = lost
            .map(|at| format!("{} {}", at.count, at.hop.name()))
            .collect();
        let lost = match lost.as_slice() {
            [] => String::new(),
            _ => format!("; {}", lost.join(", ")),
        };
        let (anomaly, count) = (finding.anomaly, finding.count);
        format!(
            "finds: {anomaly} {count} ({}{more}){lost}",
            named.join(", ")
        )
    });
    each.collect()
}

fn ruled(verdict: &ScenarioVerdict) -> Vec<String> {
    let rulings = verdict.guarantees.iter();
    let rulings = rulings.map(|of| format!("rules: {} {}: {}", of.claim, of.verdict, of.reason));
    let faults = verdict.faults.iter().map(|fault| {
        let landed = if fault.landed { "lands" } else { "misses" };
        format!("{landed}: {}", fault.kind)
    });
    let doubts = verdict
        .doubts
        .iter()
        .map(|doubt| format!("doubts: {doubt}"));
    let expected = if verdict.as_expected { "as" } else { "not as" };
    let overall = format!("verdict: {}, {expected} expected", verdict.verdict);
    rulings
        .chain(faults)
        .chain(doubts)
        .chain([overall])
        .collect()
}

/// The mutants of these anomalies that are planted for the claims that rest on
/// them alone. None may be missed, whatever is planted beside it.
pub(crate) fn planted(story: &Story, of: &[Anomaly]) -> Vec<String> {
    let rests_on_one = |claim: &Claim| {
        let mut rests_on = claim.contradicted_by().iter();
        rests_on.any(|anomaly| of.contains(anomaly))
    };
    let alone = required(Claim::ALL.iter().copied().filter(rests_on_one));
    let mut lines = BTreeSet::new();
    for (contract, shown) in [(every_claim(), false), (alone, true)] {
        for mutant in story.examine(&contract).1 {
            let (anomaly, what) = (mutant.anomaly, &mutant.mutation);
            if !mutant.found {
                lines.insert(format!("plants and misses: {anomaly}: {what}"));
            } else if shown && of.contains(&anomaly) {
                lines.insert(format!("plants: {anomaly}: {what}"));
            }
        }
    }
    if lines.is_empty() {
        return vec!["plants: nothing".to_owned()];
    }
    lines.into_iter().collect()
}

/// `proof: lost-write` asks for the first example of it.
fn proof(asked: &str, analysis: &Analysis) -> Vec<String> {
    let name = asked.split(", ").next().unwrap_or(asked);
    let mut findings = analysis.findings.iter();
    let finding = findings.find(|finding| finding.anomaly.name() == name);
    let Some(example) = finding.and_then(|finding| finding.examples.first()) else {
        return vec![format!("proof: {name}, which was not found")];
    };
    let Example {
        item, operations, ..
    } = example;
    let operations = operations
        .iter()
        .map(|operation| format!("    {}: {}", operation.actor, operation.operation));
    std::iter::once(format!("proof: {name}, {item}"))
        .chain(operations)
        .collect()
}
