//! What a reader learns in the first minute: what was broken, what was lost, and what that
//! means for pipelines like it.

use model::anomaly::Anomaly;
use model::claim::Level;
use model::scenario::words::counted;
use model::verdict::Verdict;

use super::results::in_repetition;
use super::{plan_words, scenario};
use crate::document::{Text, source, strong, text};
use crate::run::{Run, Test, is_as_wanted};

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

/// Each kind of fault, how often it took effect, and in words what the first did.
pub(crate) fn broken(run: &Run<'_>) -> Vec<Text> {
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
        return vec![text!["Nothing: no scenario injected a fault."]];
    }
    let entry = |(kind, injected, landed, words): (&str, usize, usize, Option<Text>)| {
        let mut entry = text![strong(kind)];
        entry.push(if landed == injected {
            format!(", {injected}×")
        } else {
            format!(", took effect {landed} of {injected} times")
        });
        if let Some(words) = words {
            entry.push(": ");
            entry.push(words);
        }
        entry
    };
    kinds.into_iter().map(entry).collect()
}

/// Losses by scenario. That there are none is said only where it is established.
pub(crate) fn lost(run: &Run<'_>) -> Vec<Text> {
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
                    let mut entry =
                        text![strong(counted(most, words)), " in ", scenario(test.name)];
                    if expects(test, anomaly) {
                        entry.push(", as it expects");
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
        let nothing = text![
            strong("Nothing"),
            " in ",
            counted(clean, "scenario"),
            " that established it"
        ];
        unexpected.push(nothing);
    } else if unexpected.is_empty() && expected.is_empty() {
        unexpected.push(text!["Not established: no scenario could tell."]);
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

/// What follows for a reader who runs the like.
pub(crate) fn meaning(run: &Run<'_>) -> Vec<Text> {
    let mut entries = Vec::new();
    for test in &run.tests {
        for outcome in test.outcomes.iter().filter(|outcome| !outcome.as_expected) {
            let bad = outcome.guarantees.iter().filter(|one| !is_as_wanted(one));
            for guarantee in bad.filter(|one| one.verdict == Verdict::Violated) {
                let mut findings = outcome.findings.iter();
                let finding = findings
                    .find(|finding| guarantee.claim.contradicted_by().contains(&finding.anomaly));
                let fact = finding.and_then(|it| it.anomaly.definition().prevented_by.first());
                let mut entry = text![
                    strong("Do not rely on it"),
                    format!(" that {}, configured as in ", guarantee.claim.meaning()),
                    scenario(test.name),
                    format!(": {}.", guarantee.reason),
                ];
                if let Some(fact) = fact {
                    entry.push(format!(" Prevented by: {} (", fact.what));
                    entry.push(source(fact.source));
                    entry.push(")");
                }
                entries.push(entry);
            }
            let doubt = outcome.doubts.first().cloned().or_else(|| {
                let mut open = outcome.guarantees.iter();
                let open =
                    open.find(|one| !is_as_wanted(one) && one.verdict == Verdict::Inconclusive)?;
                Some(format!("{}: {}", open.claim, open.reason))
            });
            if let Some(doubt) = doubt {
                entries.push(text![
                    strong("Not known"),
                    ": ",
                    scenario(test.name),
                    " could not tell: ",
                    in_repetition(test, outcome),
                    doubt
                ]);
            }
        }
    }
    let fits = run
        .tests
        .iter()
        .filter(|test| test.is_as_expected())
        .count();
    if fits > 0 {
        entries.push(text![
            strong(counted(fits as u64, "scenario")),
            " came out as expected: what they require held under these faults, with their \
             configurations and versions, in this run.",
        ]);
    }
    let demonstrations = run.tests.iter().filter(|test| {
        let all = test.outcomes.iter();
        let mut shown = all.filter(|outcome| outcome.as_expected);
        shown.any(|outcome| outcome.verdict == Verdict::Violated)
    });
    for test in demonstrations {
        let mut entry = text![
            strong("Check yours"),
            " for what ",
            scenario(test.name),
            " shows"
        ];
        if let Some(scenario) = test.scenario {
            entry.push(format!(": {}", scenario.title));
        }
        entries.push(entry);
    }
    let unknown = run.tests.iter().flat_map(|test| &test.outcomes);
    let unknown: u64 = unknown.map(|outcome| outcome.counts.unknown).sum();
    if unknown > 0 {
        entries.push(text![
            strong(counted(unknown, "send")),
            " of unknown outcome: an application has to reckon with such a record as written and \
             as not written",
        ]);
    }
    entries
}
