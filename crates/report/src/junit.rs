//! `junit.xml`: one test suite for each suite, one test case for each scenario
//! and repetition. Knows nothing of the other formats.

use model::claim::Level;
use model::plan::{LeftOut, RunPlan};
use model::verdict::{Finding, RunVerdict, ScenarioVerdict, Verdict};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

/// Why a verdict could not be written as XML.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the verdict of run {run} as JUnit XML")]
pub struct JunitError {
    run: String,
    source: quick_junit::SerializeError,
}

/// `junit.xml`.
///
/// VIOLATED is a failure, unless the scenario is there to show it; everything
/// else that is not as the scenario wants it, a planned scenario without a
/// verdict included, is an error. A scenario that was left out is skipped. A
/// verdict has no durations, so test cases carry no time; what was measured
/// stands in their properties.
///
/// # Errors
/// When the XML cannot be serialised.
pub fn junit(plan: &RunPlan, verdict: &RunVerdict) -> Result<String, JunitError> {
    let mut suites: Vec<TestSuite> = Vec::new();
    for planned in &plan.scenarios {
        let judged = verdict.scenarios.iter().find(|judged| {
            judged.name == planned.scenario.name && judged.repetition == planned.repetition
        });
        let suite = &planned.scenario.suite;
        add(&mut suites, suite, case(suite, planned.folder(), judged));
    }
    for left_out in &verdict.left_out {
        let suite = &left_out.suite;
        add(&mut suites, suite, skipped(left_out));
    }
    // A verdict that no plan asked for must not get lost either.
    for judged in &verdict.scenarios {
        let is_planned = plan.scenarios.iter().any(|planned| {
            judged.name == planned.scenario.name && judged.repetition == planned.repetition
        });
        if !is_planned {
            let name = format!("{}.{}", judged.name, judged.repetition);
            let suite = "unplanned";
            add(&mut suites, suite, case(suite, name, Some(judged)));
        }
    }
    let mut report = Report::new(format!("ackproof {}", verdict.run));
    report.add_test_suites(suites);
    report.to_string().map_err(|source| JunitError {
        run: verdict.run.clone(),
        source,
    })
}

fn add(suites: &mut Vec<TestSuite>, name: &str, case: TestCase) {
    let at = suites.iter().position(|suite| suite.name.as_str() == name);
    if let Some(suite) = at.and_then(|at| suites.get_mut(at)) {
        suite.add_test_case(case);
    } else {
        let mut suite = TestSuite::new(name);
        suite.add_test_case(case);
        suites.push(suite);
    }
}

fn skipped(left_out: &LeftOut) -> TestCase {
    let mut status = TestCaseStatus::skipped();
    status.set_message(format!("it {}", left_out.reasons.join("; it ")));
    let mut case = TestCase::new(left_out.scenario.clone(), status);
    case.set_classname(format!("ackproof.{}", left_out.suite));
    case
}

fn case(suite: &str, name: String, judged: Option<&ScenarioVerdict>) -> TestCase {
    let mut case = TestCase::new(name, status(judged));
    case.set_classname(format!("ackproof.{suite}"));
    let Some(judged) = judged else {
        return case;
    };
    case.add_properties(measured(judged));
    if judged.verdict == Verdict::Violated && judged.as_expected {
        case.set_system_out(format!(
            "{} as expected\n{}",
            judged.verdict,
            explanation(judged)
        ));
    }
    case
}

fn status(judged: Option<&ScenarioVerdict>) -> TestCaseStatus {
    let (kind, verdict, description) = match judged {
        None => (
            NonSuccessKind::Error,
            String::from("no verdict"),
            String::from("planned, and the run ended without a verdict on it"),
        ),
        Some(judged) => {
            let kind = match judged.verdict {
                Verdict::Held | Verdict::Violated if judged.as_expected => {
                    return TestCaseStatus::success();
                }
                Verdict::Violated => NonSuccessKind::Failure,
                Verdict::Held | Verdict::Inconclusive => NonSuccessKind::Error,
            };
            (kind, judged.verdict.to_string(), explanation(judged))
        }
    };
    let headline = description.lines().next().unwrap_or_default().to_owned();
    let mut status = TestCaseStatus::non_success(kind);
    status
        .set_type(verdict)
        .set_message(headline)
        .set_description(description);
    status
}

/// Doubts, the reasons of every guarantee that is not HELD, and the findings
/// with their examples, one on a line.
fn explanation(judged: &ScenarioVerdict) -> String {
    let mut lines = judged.doubts.clone();
    let mut open: Vec<_> = judged
        .guarantees
        .iter()
        .filter(|guarantee| guarantee.verdict != Verdict::Held)
        .collect();
    open.sort_by_key(|guarantee| {
        (
            guarantee.level == Level::Observed,
            std::cmp::Reverse(guarantee.verdict),
        )
    });
    lines.extend(open.into_iter().map(|guarantee| {
        format!(
            "{} {}: {}",
            guarantee.claim, guarantee.verdict, guarantee.reason
        )
    }));
    lines.extend(judged.findings.iter().flat_map(finding));
    lines.join("\n")
}

fn finding(finding: &Finding) -> Vec<String> {
    let mut lines = vec![format!("found {}: {}", finding.anomaly, finding.count)];
    for example in &finding.examples {
        lines.push(format!("  {}", example.what));
        lines.extend(example.operations.iter().map(|operation| {
            let at = operation
                .at_us
                .map_or_else(String::new, |at_us| format!(" at {at_us} us"));
            format!("    {}{at}: {}", operation.who, operation.what)
        }));
        if !example.logs.is_empty() {
            lines.push(format!("    logs: {}", example.logs.join(", ")));
        }
    }
    lines
}

fn measured(judged: &ScenarioVerdict) -> Vec<(String, String)> {
    let m = &judged.measurements;
    let capture = m.capture.as_ref();
    [
        ("silent_longest_ms", m.silent_longest_ms),
        ("healed_to_first_ack_ms", m.healed_to_first_ack_ms),
        ("outstanding_peak", m.outstanding_peak),
        ("retries", m.retries),
        ("duplicates", m.duplicates),
        (
            "capture.first_event_ms",
            capture.and_then(|of| of.first_event_ms),
        ),
        (
            "capture.caught_up_ms",
            capture.and_then(|of| of.caught_up_ms),
        ),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name.to_owned(), value?.to_string())))
    .chain(m.groups.iter().flat_map(|group| {
        [
            ("recovery_ms", group.recovery_ms),
            ("reprocessed", Some(group.reprocessed)),
            ("lag_peak", Some(group.lag_peak)),
        ]
        .into_iter()
        .filter_map(|(name, value)| {
            Some((format!("group.{}.{name}", group.group), value?.to_string()))
        })
    }))
    .collect()
}
