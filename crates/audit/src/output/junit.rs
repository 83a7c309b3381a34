//! Findings as JUnit: a suite a file, a case a finding. Names have no lines, so that they
//! stay the same.

use std::collections::BTreeMap;

use quick_junit::{NonSuccessKind, Report as Document, TestCase, TestCaseStatus, TestSuite};

use crate::report::{AuditFinding, AuditReport, FindingState};
use crate::rules::Severity;

/// Why a report could not be written as XML.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the findings as JUnit XML")]
pub struct TestReportError(#[from] quick_junit::SerializeError);

/// Errors and warnings are failures, notes pass, and what is suppressed or in the
/// baseline is skipped. A file without findings has one case that passes.
///
/// # Errors
/// When the XML cannot be serialised.
pub fn junit(report: &AuditReport) -> Result<String, TestReportError> {
    let mut suites: BTreeMap<&str, TestSuite> = BTreeMap::new();
    for audited in &report.components {
        suites
            .entry(&audited.file)
            .or_insert_with(|| TestSuite::new(audited.file.clone()));
    }
    for finding in &report.findings {
        let suite = suites
            .entry(&finding.file)
            .or_insert_with(|| TestSuite::new(finding.file.clone()));
        suite.add_test_case(case(finding));
    }
    for suite in suites.values_mut() {
        if suite.test_cases.is_empty() {
            let mut case = TestCase::new("no findings", TestCaseStatus::success());
            case.set_classname(suite.name.to_string());
            suite.add_test_case(case);
        }
    }
    let mut document = Document::new("ackproof audit");
    document.add_test_suites(suites.into_values());
    Ok(document.to_string()?)
}

fn case(finding: &AuditFinding) -> TestCase {
    let status = match (&finding.state, finding.severity) {
        (FindingState::Suppressed(reason), _) => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(format!("suppressed: {reason}"));
            status
        }
        (FindingState::InBaseline, _) => {
            let mut status = TestCaseStatus::skipped();
            status.set_message("in the baseline");
            status
        }
        (FindingState::Open, Severity::Note) => TestCaseStatus::success(),
        (FindingState::Open, severity) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(format!("{}: {}", finding.title, finding.says));
            status.set_type(severity.name());
            let place = finding.line.map_or_else(
                || finding.file.clone(),
                |line| format!("{}:{line}", finding.file),
            );
            status.set_description(format!(
                "{place}\n{}\nfix: {}\nsource: {}",
                finding.consequence, finding.fix, finding.source
            ));
            status
        }
    };
    let name = format!("{} {} {}", finding.rule, finding.component, finding.key);
    let mut case = TestCase::new(name, status);
    case.set_classname(finding.file.clone());
    case
}
