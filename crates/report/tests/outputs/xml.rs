//! What `junit.xml` says.

use super::made;
use report::junit;

#[test]
fn a_violation_is_a_failure_with_reasons_and_examples() {
    let (plan, verdict) = made::violated();
    insta::assert_snapshot!(junit(&plan, &verdict).unwrap());
}

#[test]
fn a_doubt_is_an_error() {
    let (plan, verdict) = made::doubtful();
    let text = junit(&plan, &verdict).unwrap();
    assert!(text.contains(r#"errors="1""#) && text.contains(r#"failures="0""#));
    assert!(text.contains("never took effect: no send met it"));
}

#[test]
fn an_expected_violation_is_a_success_that_says_why() {
    let plan = made::plan(&["broker-restart", "disk-loss"], 2);
    insta::assert_snapshot!(junit(&plan, &made::verdict(&plan)).unwrap());
}

#[test]
fn an_expected_violation_that_was_not_seen_is_an_error() {
    let plan = made::plan(&["disk-loss"], 1);
    let mut verdict = made::verdict(&plan);
    let outcome = made::last(&mut verdict, "disk-loss");
    made::set(
        outcome,
        0,
        model::verdict::Verdict::Inconclusive,
        "nothing was lost",
    );
    let text = junit(&plan, &verdict).unwrap();
    assert!(text.contains(r#"<error message="no-loss INCONCLUSIVE: nothing was lost""#));
}

#[test]
fn a_planned_scenario_without_a_verdict_is_an_error() {
    let plan = made::plan(&["broker-restart"], 1);
    let mut verdict = made::verdict(&plan);
    verdict.scenarios.clear();
    assert!(
        junit(&plan, &verdict)
            .unwrap()
            .contains("ended without a verdict on it")
    );
}

#[test]
fn a_verdict_that_was_not_planned_is_kept() {
    let (_, verdict) = made::violated();
    let text = junit(&made::plan(&[], 1), &verdict).unwrap();
    assert!(text.contains(r#"<testsuite name="unplanned" tests="1""#));
    assert!(text.contains(r#"failures="1""#));
}

#[test]
fn a_scenario_that_was_left_out_is_skipped_with_its_reasons() {
    let plan = made::plan(&["broker-restart", "consumer-restart"], 1);
    let plan = plan.on_cluster(vec![String::from("kafka-1:9092")], 3);
    let text = junit(&plan, &made::verdict(&plan)).unwrap();
    assert!(
        text.contains(r#"<skipped message="it needs to stop and start brokers"#),
        "{text}"
    );
    assert!(text.contains(r#"skipped="1""#), "{text}");
}
