//! Runs beside each other: what is better, worse or the same.

use std::collections::BTreeMap;

use model::claim::{Claim, Level};
use model::verdict::Verdict::{self, Held, Inconclusive, Violated};
use model::verdict::{GuaranteeVerdict, RunVerdict, SCHEMA, ScenarioVerdict};
use report::{Change, Matrix, MatrixRun, Upgrade};

fn scenario(repetition: u32, of: &[(Claim, Level, Verdict)]) -> ScenarioVerdict {
    let guarantees = of.iter().map(|(claim, level, verdict)| GuaranteeVerdict {
        claim: *claim,
        level: *level,
        verdict: *verdict,
        reason: format!("because of {repetition}"),
    });
    ScenarioVerdict {
        name: "restart".to_owned(),
        repetition,
        timing: None,
        stopped: None,
        verdict: Held,
        as_expected: true,
        doubts: Vec::new(),
        guarantees: guarantees.collect(),
        findings: Vec::new(),
        counts: model::verdict::Counts::default(),
        faults: Vec::new(),
        failures: Vec::new(),
        measurements: model::verdict::Measurements::default(),
        calibration: Vec::new(),
    }
}

fn run(scenarios: Vec<ScenarioVerdict>) -> RunVerdict {
    RunVerdict {
        schema: SCHEMA.to_owned(),
        run: "1".to_owned(),
        seed: 7,
        versions: BTreeMap::from([("kafka".to_owned(), "4.3.1".to_owned())]),
        circumstances: None,
        verdict: Held,
        scenarios,
        skipped: Vec::new(),
    }
}

fn compared(runs: &[RunVerdict]) -> Matrix {
    let names = ["java:3.1.0", "java:4.3.1", "librdkafka"];
    let dirs = ["java-3.1.0", "java-4.3.1", "librdkafka"];
    let runs = runs.iter().zip(names).zip(dirs);
    let runs: Vec<MatrixRun<'_>> = runs
        .map(|((verdict, name), dir)| MatrixRun { name, dir, verdict })
        .collect();
    Matrix::of(&runs)
}

fn of(claim: Claim, level: Level, verdict: Verdict) -> RunVerdict {
    run(vec![scenario(1, &[(claim, level, verdict)])])
}

#[test]
fn a_guarantee_is_worse_where_it_was_held_and_is_violated() {
    for (before, after, change, upgrade) in [
        (Held, Held, Change::Same, Upgrade::NoneWorse),
        (Held, Violated, Change::Worse, Upgrade::Worse),
        (Held, Inconclusive, Change::NotConfirmed, Upgrade::NotKnown),
        (Violated, Held, Change::Better, Upgrade::NoneWorse),
        (Violated, Violated, Change::Same, Upgrade::NoneWorse),
        (Violated, Inconclusive, Change::NotWorse, Upgrade::NoneWorse),
        (Inconclusive, Held, Change::NotWorse, Upgrade::NoneWorse),
        (Inconclusive, Violated, Change::Unknown, Upgrade::NotKnown),
        (
            Inconclusive,
            Inconclusive,
            Change::Unknown,
            Upgrade::NotKnown,
        ),
    ] {
        let both = |level| [before, after].map(|it| of(Claim::NoLoss, level, it));
        let matrix = compared(&both(Level::Required));
        assert_eq!(matrix.rows[0].change, Some(change), "{before} {after}");
        assert_eq!(matrix.rows[0].differs, before != after);
        assert_eq!(matrix.upgrade(), Some(upgrade), "{before} {after}");
        let shown = compared(&both(Level::ExpectViolated)).upgrade();
        assert_eq!(shown, Some(upgrade));
        let observed = compared(&both(Level::Observed)).upgrade();
        assert_eq!(observed, Some(Upgrade::NoneWorse));
    }
}

#[test]
fn the_worst_repetition_counts_and_names_its_evidence() {
    let held = [(Claim::NoLoss, Level::Required, Held)];
    let lost = [(Claim::NoLoss, Level::Required, Violated)];
    let three = vec![scenario(1, &held), scenario(2, &lost), scenario(3, &lost)];
    let matrix = compared(&[run(three), of(Claim::NoLoss, Level::Required, Held)]);
    let cell = matrix.rows[0].cells[0].as_ref().unwrap();
    assert_eq!(cell.words(), "VIOLATED in 2 of 3");
    assert_eq!(cell.evidence, "java-3.1.0/restart.2");
    assert_eq!(matrix.rows[0].change, Some(Change::Better));
}

#[test]
fn a_column_without_the_scenario_is_compared_with_nothing() {
    let mut without = run(Vec::new());
    without.skipped.push(model::plan::SkippedScenario {
        scenario: "restart".to_owned(),
        suite: String::new(),
        reasons: vec!["is about java:3.1.0 (KAFKA-1)".to_owned()],
    });
    let matrix = compared(&[of(Claim::NoLoss, Level::Required, Held), without]);
    assert_eq!(matrix.rows[0].change, Some(Change::NotCompared));
    assert!(!matrix.rows[0].differs);
    assert_eq!(matrix.upgrade(), Some(Upgrade::NoneWorse));
    assert!(matrix.markdown().contains("is about java:3.1.0"));
}

#[test]
fn the_table_marks_what_differs() {
    let two = |ordered: Verdict| {
        run(vec![scenario(
            1,
            &[
                (Claim::NoLoss, Level::Required, Held),
                (Claim::Ordered, Level::ExpectViolated, ordered),
            ],
        )])
    };
    let matrix = compared(&[two(Held), two(Held), two(Violated)]);
    assert_eq!(matrix.upgrade(), None);
    insta::assert_snapshot!(matrix.markdown());
    insta::assert_snapshot!(matrix.json().unwrap());
}
