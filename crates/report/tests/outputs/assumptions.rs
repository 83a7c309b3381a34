//! Common assumptions: each answer follows from the run's scenarios, and each can be another.

use std::collections::BTreeMap;

use model::anomaly::Anomaly;
use model::claim::{Claim, Level};
use model::course::{Course, Quantity, Series};
use model::plan::RunPlan;
use model::scenario::{embedded, parse};
use model::verdict::{RunVerdict, Verdict};

use super::{html, made};

const RETRIES: &str = "retries for ever";
const IN_FLIGHT: &str = "Five requests in flight";
const OFFSET: &str = "committed offset + 1";
const COMMITS: &str = "Manual commits";
const PAUSE: &str = "A paused broker";
const MIN_ISR: &str = "With `min.insync.replicas=1`";
const IDEMPOTENCE: &str = "Idempotence removes";
const ONE_FAILURE: &str = "Replication factor 3";

const CONFIRMED: &str = "CONFIRMED";
const REFUTED: &str = "REFUTED";
const NOT_TESTED: &str = "NOT TESTED";

/// The row of an assumption in `report.md`.
fn row(plan: &RunPlan, verdict: &RunVerdict, of: &str) -> String {
    let text = report::markdown(plan, verdict, &made::configurations(), &BTreeMap::new());
    let mut lines = text.lines().filter(|line| line.starts_with("| "));
    let row = lines.find(|line| line.contains(of) && !line.contains("Scenario"));
    row.unwrap().to_owned()
}

/// Both the report and the page give the answer.
fn assert_answer(plan: &RunPlan, verdict: &RunVerdict, of: &str, expected: &str) {
    let row = row(plan, verdict, of);
    let page = html::page(plan, verdict);
    let (_, after) = page.split_once("Common assumptions").unwrap();
    let (_, after) = after
        .split_once(of.split('`').next().unwrap_or(of))
        .unwrap_or(("", ""));
    for answer in [CONFIRMED, REFUTED, NOT_TESTED] {
        let is = answer == expected;
        assert_eq!(row.contains(&format!("**{answer}**")), is, "{row}");
    }
    if !of.contains('`') {
        let strong = format!("<strong>{expected}</strong>");
        let first = after.find("<strong>").unwrap();
        assert!(after[first..].starts_with(&strong), "{of}: {expected}");
    }
}

/// Changes the verdict on a claim in the only scenario.
fn with(plan: &RunPlan, claim: Claim, to: Verdict) -> RunVerdict {
    let mut verdict = made::verdict(plan);
    let outcome = &mut verdict.scenarios[0];
    let mut guarantees = outcome.guarantees.iter();
    let at = guarantees.position(|one| one.claim == claim).unwrap();
    made::set(outcome, at, to, "as a test sets it");
    made::judged(verdict)
}

/// A claim decides: violated, held, and neither.
fn assert_follows(scenario: &str, claim: Claim, of: &str) {
    let plan = made::plan(&[scenario], 1);
    for (verdict, expected) in [
        (Verdict::Violated, REFUTED),
        (Verdict::Held, CONFIRMED),
        (Verdict::Inconclusive, NOT_TESTED),
    ] {
        assert_answer(&plan, &with(&plan, claim, verdict), of, expected);
    }
}

#[test]
fn an_answer_is_that_of_the_claim_which_says_the_same() {
    assert_follows(
        "outage-beyond-delivery-timeout",
        Claim::AllAcknowledged,
        RETRIES,
    );
    assert_follows("in-flight-5-no-idempotence", Claim::Ordered, IN_FLIGHT);
    assert_follows("disk-loss", Claim::NoLoss, MIN_ISR);
    assert_follows("min-isr-1-last-replica-lost", Claim::NoLoss, MIN_ISR);
    assert_follows("answer-lost-idempotence", Claim::NoDuplicates, IDEMPOTENCE);
    assert_follows("recommended-leader-kill", Claim::NoLoss, ONE_FAILURE);
}

/// An outage within the timeout says nothing of for ever; nor does a claim that held by the
/// way, or without a retry.
#[test]
fn what_does_not_put_it_to_the_test_gives_no_answer() {
    let not_tested = |scenarios: &[&str], of: &str| {
        let plan = made::plan(scenarios, 1);
        assert_answer(&plan, &made::verdict(&plan), of, NOT_TESTED);
    };
    not_tested(&["outage-within-delivery-timeout"], RETRIES);
    not_tested(&["broker-restart"], IN_FLIGHT);
    not_tested(&["in-flight-5-idempotence"], IN_FLIGHT);
    not_tested(&["consumer-kill"], COMMITS);
    not_tested(&["consumer-restart"], COMMITS);
    not_tested(&["broker-pause"], PAUSE);
    not_tested(&["broker-kill"], MIN_ISR);
    not_tested(&["min-isr-2-last-replica-lost"], MIN_ISR);
    not_tested(&["power-loss-flushed"], MIN_ISR);
    not_tested(&["nothing-broken"], ONE_FAILURE);
    let plan = made::plan(&["in-flight-5-no-idempotence"], 1);
    let mut verdict = made::verdict(&plan);
    verdict.scenarios[0].measurements.retries = Some(0);
    made::set(&mut verdict.scenarios[0], 0, Verdict::Held, "in order");
    assert_answer(&plan, &verdict, IN_FLIGHT, NOT_TESTED);
}

#[test]
fn a_group_that_skips_nothing_resumes_at_its_committed_offset() {
    let plan = made::plan(&["consumer-restart"], 1);
    assert_answer(&plan, &made::verdict(&plan), OFFSET, REFUTED);
    let open = with(&plan, Claim::NoGroupGap, Verdict::Inconclusive);
    assert_answer(&plan, &open, OFFSET, NOT_TESTED);
    // A record of each partition was passed over.
    let mut gap = with(&plan, Claim::NoGroupGap, Verdict::Violated);
    let mut finding = made::lost(3);
    finding.anomaly = Anomaly::GroupGap;
    gap.scenarios[0].findings = vec![finding];
    assert_answer(&plan, &gap, OFFSET, CONFIRMED);
    gap.scenarios[0].findings[0].count = 100;
    assert_answer(&plan, &gap, OFFSET, NOT_TESTED);
}

#[test]
fn manual_commits_repeat_what_was_not_committed() {
    let mut plan = made::plan(&["consumer-kill"], 1);
    let violated = with(&plan, Claim::NothingReprocessed, Verdict::Violated);
    assert_answer(&plan, &violated, COMMITS, REFUTED);
    // Only a scenario that requires it can confirm it.
    for guarantee in &mut plan.scenarios[0].scenario.guarantees {
        guarantee.level = Level::Required;
    }
    assert_answer(&plan, &made::verdict(&plan), COMMITS, CONFIRMED);
}

#[test]
fn a_pause_is_told_from_a_partition_by_what_is_sent_again() {
    let plan = made::plan(&["broker-pause", "network-partition"], 1);
    let answer = |paused, cut, expected| {
        let mut verdict = made::verdict(&plan);
        verdict.scenarios[0].measurements.retries = paused;
        verdict.scenarios[1].measurements.retries = cut;
        assert_answer(&plan, &verdict, PAUSE, expected);
    };
    answer(Some(0), Some(6), REFUTED);
    answer(Some(2), Some(6), CONFIRMED);
    answer(Some(0), Some(0), NOT_TESTED);
    answer(None, Some(6), NOT_TESTED);
}

#[test]
fn what_was_not_tested_names_a_command_that_tests_it() {
    let plan = made::plan(&["multiple-consumers"], 1);
    let verdict = made::verdict(&plan);
    let text = report::markdown(&plan, &verdict, &made::configurations(), &BTreeMap::new());
    let (_, table) = text.split_once("### Common assumptions").unwrap();
    let (table, _) = table.split_once("### ").unwrap();
    let rows: Vec<&str> = table.lines().filter(|line| line.contains("**")).collect();
    assert!(rows.len() >= 8, "{table}");
    for row in rows {
        assert!(row.contains("**NOT TESTED**"), "{row}");
        let (_, command) = row.split_once("`ackproof run ").unwrap();
        let (names, _) = command.split_once('`').unwrap();
        for name in names.split(' ').take_while(|word| !word.starts_with("--")) {
            let place = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
            let is_folder = std::path::Path::new(place).join(name).is_dir();
            assert!(embedded(name).is_some() || is_folder, "{name}");
        }
    }
}

/// Twins at full speed, three times each, and the rates of their courses.
#[test]
fn a_cost_is_what_twins_at_full_speed_show() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guides/costs");
    let read = |name: &str| {
        let text = std::fs::read_to_string(format!("{folder}/{name}.toml")).unwrap();
        parse(name, &text).unwrap()
    };
    for (names, sentence, of_the_size) in [
        (
            ["producer-plain", "producer-idempotent"],
            "Idempotence costs",
            950,
        ),
        (
            ["transform-at-least-once", "transform-exactly-once"],
            "Exactly once costs",
            700,
        ),
    ] {
        let scenarios = names.map(read);
        let plan = |repeat| made::plan_of(&scenarios, repeat);
        let answer = |plan: &RunPlan, with: u64, without: u64| {
            let courses = plan.scenarios.iter().map(|it| {
                let rate = if it.scenario.name == names[1] {
                    with
                } else {
                    without
                };
                (it.folder(), at_a_rate(rate))
            });
            let courses = courses.collect();
            let verdict = made::verdict(plan);
            let text = report::markdown(plan, &verdict, &made::configurations(), &courses);
            let row = text
                .lines()
                .find(|line| line.starts_with("| ") && line.contains(sentence));
            row.unwrap().to_owned()
        };
        let three = plan(3);
        assert!(answer(&three, of_the_size, 1000).contains("**CONFIRMED**"));
        assert!(answer(&three, 1000, 1000).contains("**REFUTED**"));
        assert!(answer(&three, 1100, 1000).contains("**REFUTED**"));
        assert!(answer(&three, 200, 1000).contains("**REFUTED**"));
        assert!(answer(&plan(2), of_the_size, 1000).contains("**NOT TESTED**"));
        // At the pace that was planned, it was the pace.
        let pace = 4_000_000;
        assert!(answer(&three, pace, pace).contains("**NOT TESTED**"));
    }
}

/// Ten seconds at a rate, or less where the scenario has not so many records.
fn at_a_rate(per_s: u64) -> Course {
    let intervals = if per_s > 100_000 { 1 } else { 100 };
    let mut values = vec![0, 0];
    values.resize(2 + intervals, per_s / 10);
    Course {
        interval_ms: if intervals == 1 { 1 } else { 100 },
        series: vec![Series {
            of: Quantity::Acknowledged,
            group: None,
            values,
        }],
        ..Course::default()
    }
}
