//! What `report.md` says, and above all what it must not say.

use std::collections::BTreeMap;

use model::plan::RunPlan;
use model::scenario::EMBEDDED;
use model::verdict::{RunVerdict, Verdict};

use super::made;
use report::markdown as rendered;

fn report(plan: &RunPlan, verdict: &RunVerdict) -> String {
    rendered(plan, verdict, &made::configurations(), &BTreeMap::new())
}

/// What the main job runs.
pub(super) fn all() -> RunPlan {
    let suites = ["delivery", "limitations"].map(|suite| format!("suite = \"{suite}\""));
    let of_the_main_job = |text: &&str| suites.iter().any(|suite| text.contains(suite));
    let names: Vec<&str> = EMBEDDED
        .iter()
        .filter(|(_, text)| of_the_main_job(text))
        .map(|(name, _)| *name)
        .collect();
    made::plan(&names, 1)
}

#[test]
fn all_scenarios_as_expected() {
    let plan = all();
    insta::assert_snapshot!(report(&plan, &made::verdict(&plan)));
}

/// Where the lag of each reading group is drawn is said, and which is not.
#[test]
fn a_groups_lag_curve_is_named() {
    let plan = made::plan(&["consumer-kill"], 1);
    let verdict = made::verdict(&plan);
    let lag = |group: &str| {
        let mut courses = super::html::recorded(&plan).courses;
        for course in courses.values_mut() {
            for series in &mut course.series {
                series.group = series.group.take().map(|_| group.to_owned());
            }
        }
        let text = rendered(&plan, &verdict, &BTreeMap::new(), &courses);
        let line = text.lines().find(|line| line.starts_with("- **Lag**"));
        line.unwrap().to_owned()
    };
    assert_eq!(
        lag("test-consumer-group"),
        "- **Lag**: the curve of `test-consumer-group` is on the timeline in `report.html`"
    );
    assert_eq!(
        lag("other"),
        "- **Lag**: no curve of `test-consumer-group`: it processed nothing"
    );
}

#[test]
fn violated() {
    let (plan, verdict) = made::violated();
    insta::assert_snapshot!(report(&plan, &verdict));
}

#[test]
fn inconclusive_with_doubts() {
    let (plan, verdict) = made::doubtful();
    insta::assert_snapshot!(report(&plan, &verdict));
}

#[test]
fn expected_violation() {
    let plan = made::plan(&["disk-loss"], 1);
    insta::assert_snapshot!(report(&plan, &made::verdict(&plan)));
}

#[test]
fn repetitions_of_which_one_is_violated() {
    let plan = made::plan(&["broker-restart", "consumer-kill"], 3);
    let mut verdict = made::verdict(&plan);
    let outcome = made::last(&mut verdict, "broker-restart");
    made::set(outcome, 0, Verdict::Violated, "1 lost-write");
    outcome.findings = vec![made::lost(1)];
    insta::assert_snapshot!(report(&plan, &made::judged(verdict)));
}

#[test]
fn empty() {
    let plan = made::plan(&[], 1);
    let verdict = made::verdict(&plan);
    insta::assert_snapshot!(rendered(
        &plan,
        &verdict,
        &BTreeMap::new(),
        &BTreeMap::new()
    ));
}

#[test]
fn a_planned_scenario_without_a_verdict_is_said_to_be_not_run() {
    let plan = made::plan(&["broker-restart", "broker-kill"], 1);
    let mut verdict = made::verdict(&plan);
    verdict.scenarios.truncate(1);
    let text = report(&plan, &verdict);
    assert!(text.contains("Planned and without a verdict: 1."));
    assert!(text.contains("**Results**: not run"));
    assert!(text.contains("`broker-kill`: 1 planned run without a verdict."));
}

/// Every verdict that the report prints stands in the verdict's data.
#[test]
fn no_verdict_word_and_no_check_mark_is_made_up() {
    let held = all();
    let expected = made::plan(&["disk-loss"], 1);
    let cases = [
        (held.clone(), made::verdict(&held)),
        (expected.clone(), made::verdict(&expected)),
        made::violated(),
        made::doubtful(),
        (made::plan(&[], 1), made::verdict(&made::plan(&[], 1))),
    ];
    for (plan, verdict) in cases {
        let text = report(&plan, &verdict);
        for word in [Verdict::Held, Verdict::Violated, Verdict::Inconclusive] {
            let in_data = verdict.verdict == word
                || verdict.scenarios.iter().any(|one| {
                    one.verdict == word || one.guarantees.iter().any(|g| g.verdict == word)
                });
            // A run of nothing is HELD by definition, which says nothing.
            let is_said = in_data && !verdict.scenarios.is_empty();
            assert_eq!(text.contains(word.name()), is_said, "{word} in:\n{text}");
        }
        for mark in ["✅", "✔", "✓", "⚠", "❌", "100%", "100 %"] {
            assert!(!text.contains(mark), "{mark}");
        }
    }
}

/// A zero is a judgement where it stands for "none": it needs a HELD.
#[test]
fn no_zero_is_claimed_where_nothing_was_established() {
    let (plan, verdict) = made::doubtful();
    let text = report(&plan, &verdict);
    let mut only_doubted = made::verdict(&plan);
    only_doubted.scenarios[0].doubts = vec![String::from("the history is not whole")];
    let text = text + &report(&plan, &only_doubted);
    for claim in ["0 lost", "0 doubled", "none in", "**Nothing**"] {
        assert!(!text.contains(claim), "{claim}");
    }
    let plan = made::plan(&["broker-pause"], 1);
    assert!(report(&plan, &made::verdict(&plan)).contains("0 lost"));
}

/// No guarantee's verdict can change without the text saying so.
#[test]
fn every_guarantee_that_changes_changes_the_text() {
    let plan = all();
    let before = report(&plan, &made::verdict(&plan));
    let mut flipped = 0;
    for (scenario, planned) in plan.scenarios.iter().enumerate() {
        for at in 0..planned.scenario.guarantees.len() {
            for word in [Verdict::Held, Verdict::Violated, Verdict::Inconclusive] {
                let mut verdict = made::verdict(&plan);
                let guarantee = &mut verdict.scenarios[scenario].guarantees[at];
                if guarantee.verdict == word {
                    continue;
                }
                guarantee.verdict = word;
                let after = report(&plan, &verdict);
                let row = format!("`{}`", planned.scenario.guarantees[at].claim);
                let changed = after
                    .lines()
                    .zip(before.lines())
                    .filter(|(new, old)| new != old)
                    .any(|(new, _)| new.contains(&row) && new.contains(word.name()));
                assert!(changed, "{} of {}", row, planned.scenario.name);
                flipped += 1;
            }
        }
    }
    assert!(flipped > 100, "{flipped}");
}

#[test]
fn hostile_data_stays_data() {
    let mut plan = made::plan(&["broker-restart"], 1);
    plan.scenarios[0].scenario.topics[0].name = String::from("a|b`c\n# d");
    plan.scenarios[0].scenario.producers[0].topic = String::from("a|b`c\n# d");
    let mut verdict = made::verdict(&plan);
    let guarantee = &mut verdict.scenarios[0].guarantees[0];
    guarantee.verdict = Verdict::Inconclusive;
    guarantee.reason = String::from("x | y\n| HELD | <b>");
    let text = report(&plan, &verdict);
    assert!(text.contains("``a|b`c # d``"));
    assert!(text.contains(r"x \| y \| HELD \| \<b>"));
    assert!(!text.contains("\n# d"));
}

#[test]
fn on_a_foreign_cluster_the_report_names_what_was_left_out_and_why() {
    let plan = all().on_cluster(vec!["kafka-1:9092".to_owned()], 3);
    let text = report(&plan, &made::verdict(&plan));
    assert!(
        text.contains("an existing cluster with 3 brokers"),
        "{text}"
    );
    assert!(text.contains(
        "- `broker-restart` was skipped: it needs to stop and start brokers (broker-restart)."
    ));
}

/// A reader sees the answers at once.
#[test]
fn the_summary_is_one_screen() {
    for (plan, verdict) in [
        (all(), made::verdict(&all())),
        made::violated(),
        made::doubtful(),
    ] {
        let text = report(&plan, &verdict);
        let (_, summary) = text.split_once("## Executive summary").unwrap();
        let (summary, _) = summary.split_once("<details>").unwrap();
        assert!(summary.lines().count() <= 30, "{summary}");
    }
}

/// Two runs of the same scenarios take different times, and find the same.
#[test]
fn the_reports_of_two_runs_differ_in_few_lines() {
    let plan = all();
    let first = made::verdict(&plan);
    let mut later = plan.clone();
    if let Some(circumstances) = &mut later.circumstances {
        circumstances.started_at = String::from("2026-12-01T08:00:00Z");
        circumstances.duration_ms = Some(70_123);
    }
    let mut second = made::verdict(&later);
    for outcome in &mut second.scenarios {
        let measured = &mut outcome.measurements;
        measured.silent_longest_ms = measured.silent_longest_ms.map(|ms| ms + 217);
        measured.healed_to_first_ack_ms = measured.healed_to_first_ack_ms.map(|ms| ms * 3);
        measured.outstanding_peak = measured.outstanding_peak.map(|records| records + 40);
        for latency in [&mut measured.latency_before, &mut measured.latency_during] {
            *latency = latency.map(|mut latency| {
                latency.p99_us *= 7;
                latency
            });
        }
        for group in &mut measured.groups {
            group.outage_ms = group.outage_ms.map(|ms| ms + 1_000);
            group.lag_peak += 3;
        }
        for fault in &mut outcome.faults {
            fault.injected_ms = fault.injected_ms.map(|ms| ms + 11);
            for evidence in &mut fault.evidence {
                evidence.detail.push_str(", more or less");
            }
        }
    }
    let (first, second) = (report(&plan, &first), report(&later, &second));
    assert_eq!(first.lines().count(), second.lines().count());
    let differ = first.lines().zip(second.lines());
    let differ: Vec<_> = differ.filter(|(one, other)| one != other).collect();
    // A line for each scenario, in each pattern that it shows, and a few for all of them.
    assert!(differ.len() <= 2 * plan.scenarios.len(), "{differ:#?}");
}
