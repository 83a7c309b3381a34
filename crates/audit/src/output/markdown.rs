//! The report as Markdown: for a pull request, or the summary of a job.

use std::fmt::Write as _;

use crate::report::{AuditReport, FindingState};
use crate::rules::Severity;

/// A table of the contract, one of the findings, and what was decided.
pub fn markdown(report: &AuditReport) -> String {
    let mut out = String::from("# Configuration audit\n\n");
    let counts = [Severity::Error, Severity::Warning, Severity::Note].map(|severity| {
        let count = report.count(severity);
        format!(
            "{count} {}{}",
            severity.name(),
            if count == 1 { "" } else { "s" }
        )
    });
    let _ = writeln!(out, "{}\n", counts.join(" · "));
    if !report.contract.is_empty() {
        out.push_str("## What it promises\n\n| component | about | promise | because |\n| --- | --- | --- | --- |\n");
        for clause in &report.contract {
            let cells = [
                &clause.component,
                clause.about,
                &clause.promises,
                &clause.because,
            ];
            row(&mut out, &cells);
        }
        out.push('\n');
    }
    let open: Vec<_> = report.open().collect();
    if !open.is_empty() {
        out.push_str("## What weakens it\n\n| severity | where | rule | what was read | fix | shown by |\n| --- | --- | --- | --- | --- | --- |\n");
        for finding in open {
            let place = finding.line.map_or_else(
                || finding.file.clone(),
                |line| format!("{}:{line}", finding.file),
            );
            let shown: Vec<String> = finding
                .shown_by
                .iter()
                .map(|scenario| match finding.demonstrated.get(*scenario) {
                    Some(shown) => format!("`{scenario}`: {}, {}", shown.verdict, shown.summary),
                    None => format!("`{scenario}`"),
                })
                .collect();
            let rule = format!("`{}`: {}", finding.rule, finding.title);
            let cells = [
                finding.severity.name(),
                &place,
                &rule,
                &finding.says,
                finding.fix,
                &shown.join("; "),
            ];
            row(&mut out, &cells);
        }
        out.push('\n');
    }
    let decided: Vec<_> = report
        .findings
        .iter()
        .filter(|it| it.state != FindingState::Open)
        .collect();
    if !decided.is_empty() {
        let _ = writeln!(
            out,
            "<details><summary>{} suppressed or in the baseline</summary>\n",
            decided.len()
        );
        for finding in decided {
            let why = match &finding.state {
                FindingState::Suppressed(reason) => reason.as_str(),
                FindingState::InBaseline | FindingState::Open => "in the baseline",
            };
            let _ = writeln!(
                out,
                "- `{}` at {} `{}`: {why}",
                finding.rule, finding.file, finding.key
            );
        }
        out.push_str("\n</details>\n\n");
    }
    for entry in &report.stale {
        let _ = writeln!(
            out,
            "- gone, remove it from the baseline: `{}` at {} `{}`",
            entry.rule, entry.file, entry.key
        );
    }
    for unused in &report.unused {
        let _ = writeln!(out, "- suppresses nothing: {unused}");
    }
    for note in &report.notes {
        let _ = writeln!(out, "- not known: {note}");
    }
    out
}

fn row(out: &mut String, cells: &[&str]) {
    let cells: Vec<String> = cells
        .iter()
        .map(|it| it.replace('|', "\\|").replace('\n', " "))
        .collect();
    let _ = writeln!(out, "| {} |", cells.join(" | "));
}
