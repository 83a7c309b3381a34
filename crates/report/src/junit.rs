//! `junit.xml`: one test suite for each suite, one test case for each scenario
//! and repetition. Knows nothing of the other formats.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::names;
use chrono::{DateTime, TimeDelta};
use model::claim::Level;
use model::plan::{RunPlan, SkippedScenario};
use model::scenario::words::shell_words;
use model::verdict::{Finding, Interruption, RunVerdict, ScenarioVerdict, Verdict};
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
/// VIOLATED is a failure, unless the scenario is there to show it; everything else that is
/// not as the scenario wants it, a planned scenario without a verdict included, is an
/// error. A scenario that was left out, or not started because the user stopped the run, is
/// skipped. The measurements stand in the properties. Names are those of the scenarios, the
/// same in every run.
///
/// # Errors
/// When the XML cannot be serialised.
pub fn junit(plan: &RunPlan, verdict: &RunVerdict) -> Result<String, JunitError> {
    let bare = names::bare(plan, verdict, &BTreeMap::new());
    let (plan, verdict) = bare
        .as_ref()
        .map_or((plan, verdict), |(plan, verdict, _)| (plan, verdict));
    let mut suites: Vec<TestSuite> = Vec::new();
    let circumstances = verdict.circumstances.as_ref();
    let began = circumstances.and_then(|it| DateTime::parse_from_rfc3339(&it.started_at).ok());
    for planned in &plan.scenarios {
        let judged = verdict.scenarios.iter().find(|judged| {
            judged.name == planned.scenario.name && judged.repetition == planned.repetition
        });
        let suite = &planned.scenario.suite;
        let mut case = case(suite, planned.folder(), judged);
        if let Some(timing) = planned.timing {
            case.set_time(Duration::from_millis(timing.duration_ms));
            if let Some(began) = began {
                case.set_timestamp(began + TimeDelta::milliseconds(millis(timing.start_ms)));
            }
        }
        add(&mut suites, suite, case);
    }
    for scenario in &verdict.skipped {
        let suite = &scenario.suite;
        add(&mut suites, suite, skipped(scenario));
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
    let mut report = Report::new("ackproof");
    if let Some(began) = began {
        report.set_timestamp(began);
    }
    if let Some(duration_ms) = circumstances.and_then(|it| it.duration_ms) {
        report.set_time(Duration::from_millis(duration_ms));
    }
    for suite in &mut suites {
        let cases = suite.test_cases.iter();
        let (began, time) = cases.fold((None, Duration::ZERO), |(began, time), case| {
            let first = [began, case.timestamp].into_iter().flatten().min();
            (first, time + case.time.unwrap_or_default())
        });
        suite.timestamp = began;
        suite.set_time(time);
        suite.add_properties(about(verdict));
    }
    report.add_test_suites(suites);
    report.to_string().map_err(|source| JunitError {
        run: verdict.run.clone(),
        source,
    })
}

/// The properties of the run.
fn about(verdict: &RunVerdict) -> Vec<(String, String)> {
    let own = [
        ("run", verdict.run.clone()),
        ("seed", verdict.seed.to_string()),
    ];
    let own = own.map(|(name, value)| (name.to_owned(), value));
    let versions = verdict.versions.iter();
    let versions = versions.map(|(of, version)| (format!("version.{of}"), version.clone()));
    let circumstances = verdict.circumstances.iter().flat_map(|it| {
        let machine = &it.machine;
        [
            ("command", Some(shell_words(&it.command))),
            (
                "machine.cores",
                machine.cores.map(|cores| cores.to_string()),
            ),
            (
                "machine.memory_bytes",
                machine.memory_bytes.map(|bytes| bytes.to_string()),
            ),
            ("machine.os", machine.os.clone()),
        ]
    });
    let circumstances = circumstances.filter_map(|(name, value)| Some((name.to_owned(), value?)));
    own.into_iter()
        .chain(versions)
        .chain(circumstances)
        .collect()
}

fn millis(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
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

fn skipped(scenario: &SkippedScenario) -> TestCase {
    let mut status = TestCaseStatus::skipped();
    status.set_message(format!("it {}", scenario.reasons.join("; it ")));
    let mut case = TestCase::new(scenario.scenario.clone(), status);
    case.set_classname(format!("ackproof.{}", scenario.suite));
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
        Some(judged) if judged.stopped == Some(Interruption::NotStarted) => {
            let mut status = TestCaseStatus::skipped();
            status.set_message("not started: the run was stopped by its user");
            return status;
        }
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
        lines.push(format!("  {}", example.item));
        lines.extend(example.operations.iter().map(|operation| {
            let at = operation
                .at_us
                .map_or_else(String::new, |at_us| format!(" at {at_us} us"));
            format!("    {}{at}: {}", operation.actor, operation.operation)
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
