//! What counts as a difference of two runs: each kind of change with its twin, which is none.

use model::anomaly::Anomaly;
use model::claim::{Claim, Level};
use model::plan::RunPlan;
use model::verdict::{RunVerdict, Verdict};
use report::{Compared, Diff, Direction, html};

use super::made;

fn diff(before: &RunVerdict, after: &RunVerdict) -> Diff {
    Diff::new(
        &Compared::new(before.clone()),
        &Compared::new(after.clone()),
    )
}

/// The changes as `direction subject: before -> after`.
fn told(diff: &Diff) -> Vec<String> {
    let changes = diff.changes().iter().map(|it| {
        let direction = it.direction.name();
        format!("{direction} {}: {} -> {}", it.subject, it.before, it.after)
    });
    changes.collect()
}

fn run(names: &[&str], repeat: u32) -> (RunPlan, RunVerdict) {
    let plan = made::plan(names, repeat);
    let verdict = made::verdict(&plan);
    (plan, verdict)
}

/// A verdict after one change of its last scenario, compared with itself before.
fn changed(change: impl Fn(&mut RunVerdict)) -> (Diff, Diff) {
    let (_, before) = run(&["broker-restart", "consumer-kill"], 1);
    let mut after = before.clone();
    change(&mut after);
    (diff(&before, &after), diff(&after, &before))
}

#[test]
fn a_run_does_not_differ_from_itself() {
    for verdict in [
        made::violated().1,
        made::doubtful().1,
        run(&["disk-loss"], 3).1,
    ] {
        let diff = diff(&verdict, &verdict);
        assert_eq!(diff.changes(), []);
        assert!(!diff.has_regression());
        assert!(diff.text().contains("No difference in 1 scenario."));
    }
}

#[test]
fn a_guarantee_that_no_longer_holds_is_a_regression_and_the_reverse_an_improvement() {
    let (worse, better) = changed(|verdict| {
        let outcome = made::last(verdict, "broker-restart");
        made::set(outcome, 0, Verdict::Violated, "1 lost-write");
        outcome.findings = vec![made::lost(1)];
    });
    assert_eq!(
        told(&worse),
        [
            "regression scenario: HELD -> VIOLATED",
            "regression no-loss: HELD -> VIOLATED",
            "regression lost-write: 0 -> 1",
        ]
    );
    assert!(worse.has_regression() && !better.has_regression());
    assert!(
        better
            .changes()
            .iter()
            .all(|it| it.direction == Direction::Improvement)
    );
}

#[test]
fn inconclusive_after_held_is_a_regression() {
    let (worse, better) = changed(|verdict| {
        let outcome = made::last(verdict, "broker-restart");
        made::set(outcome, 0, Verdict::Inconclusive, "not put to the test");
    });
    assert!(told(&worse).contains(&String::from("regression no-loss: HELD -> INCONCLUSIVE")));
    assert!(worse.has_regression() && !better.has_regression());
}

#[test]
fn an_expected_violation_of_another_size_is_none() {
    let (_, before) = run(&["disk-loss"], 1);
    let with = |count| {
        let mut after = before.clone();
        let outcome = made::last(&mut after, "disk-loss");
        outcome.findings = vec![made::lost(count)];
        diff(&before, &after)
    };
    assert_eq!(told(&with(260)), Vec::<String>::new());
    assert_eq!(told(&with(900)), ["changed lost-write: 252 -> 900"]);
    // It has to show its violation.
    let mut after = before.clone();
    let outcome = made::last(&mut after, "disk-loss");
    let shows = |one: &model::verdict::GuaranteeVerdict| one.level == Level::ExpectViolated;
    let at = outcome.guarantees.iter().position(shows).unwrap();
    made::set(outcome, at, Verdict::Held, "none");
    outcome.findings.clear();
    assert!(diff(&before, &after).has_regression());
}

#[test]
fn duplicates_are_compared_beyond_chance() {
    let doubled = |count| {
        changed(move |verdict| {
            let outcome = made::last(verdict, "broker-restart");
            let of = outcome.guarantees.iter_mut();
            for guarantee in of.filter(|one| one.claim == Claim::NoDuplicates) {
                guarantee.level = Level::Observed;
                guarantee.verdict = Verdict::Violated;
            }
            outcome.findings = vec![made::doubled(count)];
        })
    };
    let counted = |diff: &Diff| {
        let changes = diff.changes().iter();
        changes
            .filter(|it| it.subject == Anomaly::Duplicate.name())
            .count()
    };
    assert_eq!(counted(&doubled(3).0), 0);
    let (more, fewer) = doubled(18);
    assert!(told(&more).contains(&String::from("regression duplicate: 0 -> 18")));
    assert!(told(&fewer).contains(&String::from("improvement duplicate: 18 -> 0")));
}

#[test]
fn what_is_not_established_is_not_compared() {
    let (unknown, _) = changed(|verdict| {
        let outcome = made::last(verdict, "broker-restart");
        outcome.doubts = vec![String::from("the history is not whole")];
    });
    assert_eq!(told(&unknown), Vec::<String>::new());
}

/// Two runs of which the later one is out for so long, on a machine of so many cores.
fn slower(repeat: u32, ms: u64, cores: u64) -> Diff {
    let (_, before) = run(&["consumer-kill"], repeat);
    let mut after = before.clone();
    for outcome in &mut after.scenarios {
        for group in &mut outcome.measurements.groups {
            group.outage_ms = Some(ms);
        }
    }
    after.circumstances.as_mut().unwrap().machine.cores = Some(cores);
    diff(&before, &after)
}

#[test]
fn a_recovery_is_slower_beyond_its_spread_only_and_on_a_like_machine_only() {
    let worse = slower(3, 6_000, 2);
    assert_eq!(
        told(&worse),
        ["regression outage of a group: 3792 ms -> 6000 ms"]
    );
    assert_eq!(told(&slower(3, 4_700, 2)), Vec::<String>::new());
    let elsewhere = slower(3, 20_000, 16);
    assert_eq!(told(&elsewhere), Vec::<String>::new());
    assert!(elsewhere.text().contains("Times were not compared"));
}

#[test]
fn a_time_of_one_run_is_no_regression() {
    let once = slower(1, 20_000, 2);
    assert_eq!(
        told(&once),
        ["changed outage of a group: 3791 ms -> 20.0 s"]
    );
    assert!(!once.has_regression());
    assert_eq!(told(&slower(1, 9_000, 2)), Vec::<String>::new());
}

#[test]
fn latency_is_compared_where_it_was_measured() {
    let (worse, _) = changed(|verdict| {
        let outcome = made::last(verdict, "broker-restart");
        let latency = outcome.measurements.latency_before.as_mut().unwrap();
        latency.p50_us = 40_000;
    });
    let line = "changed latency before the first fault, median: 0.9 ms -> 40 ms";
    assert_eq!(told(&worse), [line]);
    let (gone, _) = changed(|verdict| {
        let outcome = made::last(verdict, "broker-restart");
        outcome.measurements.latency_before = None;
    });
    assert_eq!(told(&gone), Vec::<String>::new());
}

#[test]
fn scenarios_that_only_one_run_has_are_named() {
    let (_, both) = run(&["broker-restart", "consumer-kill"], 1);
    let (_, one) = run(&["broker-restart"], 1);
    assert_eq!(
        told(&diff(&both, &one)),
        ["changed scenario: HELD -> not run"]
    );
    assert_eq!(
        told(&diff(&one, &both)),
        ["changed scenario: not run -> HELD"]
    );
}

#[test]
fn two_scenarios_by_themselves_are_compared_whatever_their_names_are() {
    let (without, mut before) = run(&["answer-lost-no-idempotence"], 1);
    let outcome = &mut before.scenarios[0];
    outcome.findings = vec![made::doubled(18)];
    let (with, after) = run(&["answer-lost-idempotence"], 1);
    let page = |plan: &RunPlan, verdict| {
        let none = std::collections::BTreeMap::new();
        let page = html(plan, verdict, &none, &report::Recorded::default());
        Compared::read(&page).unwrap()
    };
    let diff = Diff::new(&page(&without, &before), &page(&with, &after));
    insta::assert_snapshot!(diff.text());
    insta::assert_snapshot!(diff.markdown());
    insta::assert_snapshot!(diff.json().unwrap());
}

#[test]
fn what_is_no_run_is_refused() {
    let refused = |text: &str| Compared::read(text).unwrap_err().to_string();
    assert_eq!(
        refused("<html>"),
        "there is no data of a report of ackproof in it"
    );
    assert_eq!(refused("{}"), "it holds no verdict of ackproof");
    let other = "{\"schema\": \"ackproof.verdict/9\"}";
    assert!(refused(other).contains("`ackproof.verdict/9`"));
}
