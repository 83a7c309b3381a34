//! From findings to verdicts. Pure: the same analysis and contract give the
//! same verdict, whenever and wherever. Knows nothing of events.
//!
//! Proof is proof: a guarantee that a finding contradicts is VIOLATED,
//! whatever else is doubtful, because findings are made only from what was
//! read completely. HELD needs more than the absence of findings: every fault
//! landed and met traffic, the history is whole, the instrument found its own
//! mutants, and there was something that could have gone wrong.

mod alerts;
mod brokers;
mod claims;
mod clients;
mod doubts;
mod effects;
mod faults;
mod groups;
mod records;
mod recovery;
mod row_changes;
mod ruling;
mod sends;
mod transactions;

use model::claim::{Claim, Contract, Level};
use model::verdict::{
    Calibration, Counts, FaultVerdict, GuaranteeVerdict, Measurements, PartFailure,
    ScenarioVerdict, Verdict,
};

use crate::analysis::{Analysis, Coverage};
use crate::invariants::guarded;
use crate::verdict::judge::claims::rule;
use crate::verdict::judge::doubts::doubts;
use crate::verdict::judge::faults::judge_fault;
use crate::verdict::judge::ruling::Ruling;

/// The verdict on one scenario, run once. Where an invariant of the checker
/// does not hold, it is INCONCLUSIVE and says which.
pub fn judge(
    contract: &Contract,
    name: &str,
    repetition: u32,
    analysis: &Analysis,
    calibration: Vec<Calibration>,
) -> ScenarioVerdict {
    let judged = match &analysis.completeness.broken {
        Some(broken) => Err(broken.clone()),
        None => guarded(|| judge_all(contract, name, repetition, analysis, calibration)),
    };
    judged.unwrap_or_else(|broken| cannot_tell(contract, name, repetition, &broken))
}

/// The verdict where the checker cannot rely on itself.
fn cannot_tell(contract: &Contract, name: &str, repetition: u32, broken: &str) -> ScenarioVerdict {
    let doubt = format!("the checker has a defect, so that it cannot tell: {broken}");
    let guarantees = contract
        .guarantees
        .iter()
        .map(|guarantee| GuaranteeVerdict {
            claim: guarantee.claim,
            level: guarantee.level,
            verdict: Verdict::Inconclusive,
            reason: doubt.clone(),
        });
    let faults = contract.faults.iter().map(|fault| FaultVerdict {
        kind: fault.kind.clone(),
        landed: false,
        injected_ms: None,
        healed_ms: None,
        evidence: Vec::new(),
        aftermath: Vec::new(),
    });
    ScenarioVerdict {
        name: name.to_owned(),
        repetition,
        timing: None,
        stopped: None,
        verdict: Verdict::Inconclusive,
        as_expected: false,
        guarantees: guarantees.collect(),
        doubts: vec![doubt],
        findings: Vec::new(),
        counts: Counts::default(),
        faults: faults.collect(),
        failures: Vec::new(),
        measurements: Measurements::default(),
        calibration: Vec::new(),
    }
}

fn judge_all(
    contract: &Contract,
    name: &str,
    repetition: u32,
    analysis: &Analysis,
    calibration: Vec<Calibration>,
) -> ScenarioVerdict {
    let faults: Vec<FaultVerdict> = contract
        .faults
        .iter()
        .map(|fault| judge_fault(fault, analysis))
        .collect();
    let mut doubts = doubts(contract, &faults, analysis, &calibration);
    doubts.extend(clients::idle_quotas(contract, analysis));
    let guarantees: Vec<GuaranteeVerdict> = contract
        .guarantees
        .iter()
        .map(|guarantee| {
            let Ruling(verdict, reason) = match rule(guarantee, contract, analysis) {
                Ruling(Verdict::Held, reason) if !doubts.is_empty() => Ruling(
                    Verdict::Inconclusive,
                    format!("{reason}; but {}", doubts.join("; ")),
                ),
                ruling => ruling,
            };
            GuaranteeVerdict {
                claim: guarantee.claim,
                level: guarantee.level,
                verdict,
                reason,
            }
        })
        .collect();
    let (verdict, as_expected) = conclude(&guarantees, &doubts);
    for guarantee in guarantees.iter().filter(|it| it.verdict == Verdict::Held) {
        assert!(doubts.is_empty(), "{} is HELD in doubt", guarantee.claim);
        // How often a record may be processed again is a number of its own.
        let is_counted = guarantee.claim == Claim::ReprocessedWithinWindow;
        let mut against = guarantee.claim.contradicted_by().iter();
        let found = against.find(|anomaly| analysis.count(**anomaly) > 0);
        assert!(
            is_counted || found.is_none(),
            "{} is HELD, and {} was found",
            guarantee.claim,
            found.map_or("nothing", |anomaly| anomaly.name())
        );
    }
    assert!(
        !as_expected || faults.iter().all(|fault| fault.landed),
        "a scenario is as expected, and a fault of it did not land"
    );
    ScenarioVerdict {
        name: name.to_owned(),
        repetition,
        timing: None,
        stopped: None,
        verdict,
        as_expected,
        doubts,
        guarantees,
        findings: analysis.findings.clone(),
        counts: analysis.counts,
        faults,
        failures: failures(&analysis.coverage),
        measurements: analysis.measurements.clone(),
        calibration,
    }
}

/// The parts of the pipeline that failed by themselves.
fn failures(coverage: &Coverage) -> Vec<PartFailure> {
    let deleted = coverage.occurrences.deleted.iter();
    let capture = coverage.capture.iter().flat_map(|it| &it.failures);
    deleted.chain(capture).cloned().collect()
}

/// The scenario's verdict, and whether it is the one it is there to show.
fn conclude(guarantees: &[GuaranteeVerdict], doubts: &[String]) -> (Verdict, bool) {
    let at = |level: Level| {
        guarantees
            .iter()
            .filter(move |guarantee| guarantee.level == level)
            .map(|guarantee| guarantee.verdict)
    };
    let required = at(Level::Required).max().unwrap_or(Verdict::Held);
    let mut expected_seen = true;
    let mut verdict = required;
    for expected in at(Level::ExpectViolated) {
        let seen = expected == Verdict::Violated;
        expected_seen &= seen;
        verdict = verdict.max(if seen {
            Verdict::Violated
        } else {
            Verdict::Inconclusive
        });
    }
    let claims = at(Level::Required).count() + at(Level::ExpectViolated).count();
    if !doubts.is_empty() || claims == 0 {
        verdict = verdict.max(Verdict::Inconclusive);
    }
    let as_expected = required == Verdict::Held && expected_seen && doubts.is_empty() && claims > 0;
    (verdict, as_expected)
}
