//! A run as the report sees it: each scenario with all its repetitions, the plan beside the
//! results. Computes figures; knows no sentences beyond the words of a verdict.

use std::collections::BTreeMap;

use model::anomaly::Anomaly;
use model::claim::{Claim, Level};
use model::course::Course;
use model::plan::{RunPlan, ScenarioPlan};
use model::scenario::{Config, Scenario};
use model::verdict::{
    FaultVerdict, Finding, GuaranteeVerdict, Interruption, Measurements, RunVerdict,
    ScenarioVerdict, Verdict,
};

use crate::units::Spread;

/// A run: plan, verdict and machine, by scenario.
pub(crate) struct Run<'a> {
    pub(crate) plan: &'a RunPlan,
    pub(crate) verdict: &'a RunVerdict,
    /// The configurations in force, by their owners.
    pub(crate) configurations: &'a BTreeMap<String, Config>,
    /// The courses of the scenarios, by their folders.
    pub(crate) courses: &'a BTreeMap<String, Course>,
    /// In the order of the plan.
    pub(crate) tests: Vec<Test<'a>>,
}

/// One scenario with its repetitions.
#[derive(Clone)]
pub(crate) struct Test<'a> {
    pub(crate) name: &'a str,
    /// None when the verdict names a scenario that the plan does not have.
    pub(crate) scenario: Option<&'a Scenario>,
    /// One entry for each repetition that was planned.
    pub(crate) planned: Vec<&'a ScenarioPlan>,
    /// One entry for each repetition that was run and judged.
    pub(crate) outcomes: Vec<&'a ScenarioVerdict>,
}

impl<'a> Run<'a> {
    pub(crate) fn new(
        plan: &'a RunPlan,
        verdict: &'a RunVerdict,
        configurations: &'a BTreeMap<String, Config>,
        courses: &'a BTreeMap<String, Course>,
    ) -> Self {
        let mut names: Vec<&str> = Vec::new();
        let planned = plan
            .scenarios
            .iter()
            .map(|planned| planned.scenario.name.as_str());
        let judged = verdict.scenarios.iter().map(|judged| judged.name.as_str());
        for name in planned.chain(judged) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let tests = names
            .into_iter()
            .map(|name| {
                let planned: Vec<_> = plan
                    .scenarios
                    .iter()
                    .filter(|planned| planned.scenario.name == name)
                    .collect();
                Test {
                    name,
                    scenario: planned.first().map(|planned| &planned.scenario),
                    planned,
                    outcomes: verdict
                        .scenarios
                        .iter()
                        .filter(|judged| judged.name == name)
                        // Of one that never began there is nothing to tell.
                        .filter(|judged| judged.stopped != Some(Interruption::NotStarted))
                        .collect(),
                }
            })
            .filter(|test: &Test<'_>| !test.outcomes.is_empty() || !was_stopped(verdict))
            .collect();
        Self {
            plan,
            verdict,
            configurations,
            courses,
            tests,
        }
    }

    /// The scenarios that were run at least once and whose plan fits.
    pub(crate) fn ran(&self, fits: impl Fn(&Scenario) -> bool) -> Vec<&Test<'a>> {
        self.tests
            .iter()
            .filter(|test| !test.outcomes.is_empty() && test.scenario.is_some_and(&fits))
            .collect()
    }

    /// How many scenarios and repetitions the user kept from being carried out
    /// so.
    pub(crate) fn stopped(&self, how: Interruption) -> usize {
        let all = self.verdict.scenarios.iter();
        all.filter(|it| it.stopped == Some(how)).count()
    }

    /// The verdicts of all scenarios and repetitions.
    pub(crate) fn tally(&self) -> Tally {
        self.tests.iter().flat_map(Test::verdicts).collect()
    }
}

impl<'a> Test<'a> {
    fn verdicts(&self) -> impl Iterator<Item = Word> {
        self.outcomes
            .iter()
            .map(|outcome| Word::new(outcome.verdict, outcome.as_expected))
    }

    /// The verdicts of the repetitions.
    pub(crate) fn tally(&self) -> Tally {
        self.verdicts().collect()
    }

    /// Whether every repetition was judged, and came out as the scenario wants.
    pub(crate) fn is_as_expected(&self) -> bool {
        !self.outcomes.is_empty() && self.outcomes.iter().all(|outcome| outcome.as_expected)
    }

    /// Each repetition's verdict on one claim, where the scenario makes it.
    pub(crate) fn guarantees(
        &self,
        claim: Claim,
    ) -> Vec<(&'a ScenarioVerdict, &'a GuaranteeVerdict)> {
        self.outcomes
            .iter()
            .flat_map(|outcome| {
                outcome
                    .guarantees
                    .iter()
                    .filter(move |guarantee| guarantee.claim == claim)
                    .map(move |guarantee| (*outcome, guarantee))
            })
            .collect()
    }

    /// The repetitions' verdicts on one claim.
    pub(crate) fn claim_tally(&self, claim: Claim) -> Tally {
        let guarantees = self.guarantees(claim);
        guarantees.iter().map(|(_, one)| Word::of(one)).collect()
    }

    /// One figure over the repetitions.
    pub(crate) fn spread(&self, figure: impl Fn(&Measurements) -> Option<u64>) -> Spread {
        self.outcomes
            .iter()
            .map(|outcome| figure(&outcome.measurements))
            .collect()
    }

    /// One count over the repetitions.
    pub(crate) fn counted(&self, count: impl Fn(&ScenarioVerdict) -> u64) -> Spread {
        self.outcomes
            .iter()
            .map(|outcome| Some(count(outcome)))
            .collect()
    }

    /// How often an anomaly was found, over the repetitions. A repetition
    /// counts as 0 only where its verdict establishes that.
    pub(crate) fn found(&self, anomaly: Anomaly) -> Spread {
        self.outcomes
            .iter()
            .map(|outcome| instances(outcome, anomaly))
            .collect()
    }

    /// The faults of this number, in the order of the plan, of all repetitions.
    pub(crate) fn faults(&self, number: usize) -> Vec<&'a FaultVerdict> {
        self.outcomes
            .iter()
            .filter_map(|outcome| outcome.faults.get(number))
            .collect()
    }

    /// How long the faults lasted, over all of them and the repetitions.
    pub(crate) fn outages(&self) -> Spread {
        let faults = self.outcomes.iter().flat_map(|outcome| &outcome.faults);
        faults.map(outage_ms).collect()
    }

    /// The same with those repetitions only in which every fault landed.
    pub(crate) fn where_faults_landed(&self) -> Self {
        let landed = |outcome: &&ScenarioVerdict| outcome.faults.iter().all(|fault| fault.landed);
        Self {
            outcomes: self.outcomes.iter().copied().filter(landed).collect(),
            ..self.clone()
        }
    }
}

/// Whether the user ended the run before its end.
fn was_stopped(verdict: &RunVerdict) -> bool {
    verdict.scenarios.iter().any(|it| it.stopped.is_some())
}

/// How often an anomaly was found. None where it was not found and the
/// verdict does not establish that there is none either: nothing that it
/// contradicts was claimed and HELD, or the run has doubts.
pub(crate) fn instances(outcome: &ScenarioVerdict, anomaly: Anomaly) -> Option<u64> {
    if let Some(finding) = finding(outcome, anomaly) {
        return Some(finding.count);
    }
    let established = outcome.doubts.is_empty()
        && outcome.guarantees.iter().any(|guarantee| {
            guarantee.verdict == Verdict::Held
                && guarantee.claim.contradicted_by().contains(&anomaly)
        });
    established.then_some(0)
}

fn finding(outcome: &ScenarioVerdict, anomaly: Anomaly) -> Option<&Finding> {
    outcome
        .findings
        .iter()
        .find(|finding| finding.anomaly == anomaly && finding.count > 0)
}

/// Whether a guarantee came out as the scenario wants it; an observed one
/// always does.
pub(crate) fn is_as_wanted(guarantee: &GuaranteeVerdict) -> bool {
    match guarantee.level {
        Level::Required => guarantee.verdict == Verdict::Held,
        Level::ExpectViolated => guarantee.verdict == Verdict::Violated,
        Level::Observed => true,
    }
}

/// From injection to heal, in milliseconds.
pub(crate) fn outage_ms(fault: &FaultVerdict) -> Option<u64> {
    fault.healed_ms?.checked_sub(fault.injected_ms?)
}

/// A verdict as it is spoken of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Word {
    Held,
    ViolatedAsExpected,
    Inconclusive,
    Violated,
}

impl Word {
    pub(crate) fn new(verdict: Verdict, as_expected: bool) -> Self {
        match (verdict, as_expected) {
            (Verdict::Held, _) => Self::Held,
            (Verdict::Inconclusive, _) => Self::Inconclusive,
            (Verdict::Violated, true) => Self::ViolatedAsExpected,
            (Verdict::Violated, false) => Self::Violated,
        }
    }

    pub(crate) fn of(guarantee: &GuaranteeVerdict) -> Self {
        Self::new(guarantee.verdict, guarantee.level == Level::ExpectViolated)
    }
}

impl std::fmt::Display for Word {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Held => f.write_str(Verdict::Held.name()),
            Self::ViolatedAsExpected => write!(f, "{} as expected", Verdict::Violated),
            Self::Inconclusive => f.write_str(Verdict::Inconclusive.name()),
            Self::Violated => f.write_str(Verdict::Violated.name()),
        }
    }
}

/// How many verdicts of each kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    words: Vec<Word>,
}

impl FromIterator<Word> for Tally {
    fn from_iter<T: IntoIterator<Item = Word>>(words: T) -> Self {
        let mut words: Vec<Word> = words.into_iter().collect();
        words.sort_unstable();
        Self { words }
    }
}

impl Tally {
    pub(crate) fn count(&self, word: Word) -> usize {
        self.words.iter().filter(|one| **one == word).count()
    }

    pub(crate) fn total(&self) -> usize {
        self.words.len()
    }

    /// Only HELD, and at least once.
    pub(crate) fn is_held(&self) -> bool {
        !self.words.is_empty() && self.count(Word::Held) == self.total()
    }

    /// The kinds among them.
    pub(crate) fn kinds(&self) -> Vec<Word> {
        let mut distinct = self.words.clone();
        distinct.dedup();
        distinct
    }

    /// `9 HELD, 1 VIOLATED as expected`.
    pub(crate) fn list(&self) -> String {
        self.kinds()
            .into_iter()
            .map(|word| format!("{} {word}", self.count(word)))
            .collect::<Vec<_>>()
            .join(", ")
    }
}

/// `HELD`; `5 HELD of 5`; `4 HELD, 1 VIOLATED of 5`; `not run`.
impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.words.as_slice() {
            [] => f.write_str("not run"),
            [one] => one.fmt(f),
            more => write!(f, "{} of {}", self.list(), more.len()),
        }
    }
}
