//! Findings as lines that GitHub Actions shows beside the file.

use std::fmt::Write as _;

use crate::report::AuditReport;
use crate::rules::Severity;

/// One line a finding that counts: `::error file=…,line=…::`.
pub fn github(report: &AuditReport) -> String {
    let mut out = String::new();
    for finding in report.open() {
        let level = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "notice",
        };
        let line = finding
            .line
            .map_or_else(String::new, |it| format!(",line={it}"));
        let title = property(finding.rule);
        let file = property(&finding.file);
        let words = format!("{}: {}. Fix: {}", finding.title, finding.says, finding.fix);
        let _ = writeln!(
            out,
            "::{level} file={file}{line},title={title}::{}",
            data(&words)
        );
    }
    out
}

/// Escaped as GitHub's toolkit does (`@actions/core`, command.ts).
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
