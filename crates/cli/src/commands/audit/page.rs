//! The audit's report on a terminal.

use anstyle::Style;
use audit::report::Audited;
use audit::rules::{Confidence, Severity};
use audit::{AuditFinding, AuditReport, FindingState};
use model::scenario::words::counted;

use crate::style::{FAINT, INCONCLUSIVE, STRONG, VIOLATED};
use crate::text::Page;

/// The contract, the findings, what was decided, and the sum.
pub(super) fn page(report: &AuditReport, verbose: bool) -> String {
    let mut page = Page::for_output();
    page.title("audit", &format!(" · {}", read(&report.components)));
    for audited in &report.components {
        let software = audited.software.as_deref().unwrap_or("client not known");
        page.item(&format!(
            "{} ({software}): {}",
            audited.component, audited.file
        ));
    }
    if !report.contract.is_empty() {
        page.heading("What it promises");
        for clause in &report.contract {
            page.point(&format!(
                "{}, {}: {}",
                clause.component, clause.about, clause.promises
            ));
            page.line(&format!("    {FAINT}{}{FAINT:#}", clause.because));
        }
    }
    let mut open: Vec<&AuditFinding> = report.open().collect();
    open.sort_by_key(|it| std::cmp::Reverse(it.severity));
    if !open.is_empty() {
        page.heading("What weakens it");
    }
    for found in open {
        finding(&mut page, found, verbose);
    }
    decided(&mut page, report);
    page.line("");
    page.line(&format!("  {}", sum(report)));
    page.into_text()
}

fn read(components: &[Audited]) -> String {
    let mut files: Vec<&str> = components.iter().map(|it| it.file.as_str()).collect();
    files.sort_unstable();
    files.dedup();
    let settings: usize = components.iter().map(|it| it.settings).sum();
    format!(
        "{} · {} · {}",
        counted(files.len() as u64, "source"),
        counted(components.len() as u64, "component"),
        counted(settings as u64, "setting")
    )
}

const fn style(severity: Severity) -> Style {
    match severity {
        Severity::Error => VIOLATED,
        Severity::Warning => INCONCLUSIVE,
        Severity::Note => FAINT,
    }
}

fn finding(page: &mut Page, found: &AuditFinding, verbose: bool) {
    let style = style(found.severity);
    let name = found.severity.name().to_uppercase();
    let place = found.line.map_or_else(
        || found.file.clone(),
        |line| format!("{}:{line}", found.file),
    );
    page.line(&format!(
        "  {style}{name:<8}{style:#} {STRONG}{}{STRONG:#}  {place}  {FAINT}{}{FAINT:#}",
        found.rule, found.component
    ));
    page.prose("      ", &format!("{}: {}", found.title, found.says));
    if found.severity == Severity::Note && !verbose {
        return;
    }
    page.prose("      ", found.consequence);
    page.prose("      ", &format!("fix: {}", found.fix));
    if found.confidence != Confidence::Certain {
        let why = match found.confidence {
            Confidence::Possible => "possible: it depends on what the application does",
            Confidence::Likely | Confidence::Certain => "likely: it rests on what was assumed",
        };
        page.prose("      ", why);
    }
    if found.demonstrated.is_empty() && !found.shown_by.is_empty() {
        page.prose(
            "      ",
            &format!("shown by: ackproof run {}", found.shown_by.join(" ")),
        );
    }
    for (scenario, shown) in &found.demonstrated {
        let client = shown
            .client
            .as_deref()
            .map_or_else(String::new, |it| format!(" with {it}"));
        let expected = if shown.as_expected {
            ""
        } else {
            ", not as expected"
        };
        page.prose(
            "      ",
            &format!(
                "shown here by {scenario}{client}: {}{expected}: {} ({})",
                shown.verdict, shown.summary, shown.run
            ),
        );
    }
    page.line(&format!("      {FAINT}[{}]{FAINT:#}", found.source));
}

fn decided(page: &mut Page, report: &AuditReport) {
    let suppressed: Vec<(&AuditFinding, &str)> = report
        .findings
        .iter()
        .filter_map(|it| match &it.state {
            FindingState::Suppressed(reason) => Some((it, reason.as_str())),
            FindingState::Open | FindingState::InBaseline => None,
        })
        .collect();
    if !suppressed.is_empty() {
        page.heading("Suppressed");
    }
    for (found, reason) in suppressed {
        page.point(&format!(
            "{} in {}, {}: {reason}",
            found.rule, found.file, found.key
        ));
    }
    if !report.stale.is_empty() {
        page.heading("Gone from the findings: remove it from the baseline (--write-baseline)");
    }
    for entry in &report.stale {
        page.point(&format!("{} in {}, {}", entry.rule, entry.file, entry.key));
    }
    if !report.unused.is_empty() {
        page.heading("Suppresses nothing");
    }
    for unused in &report.unused {
        page.point(unused);
    }
    if !report.notes.is_empty() {
        page.heading("Not known");
    }
    for note in &report.notes {
        page.point(note);
    }
}

fn sum(report: &AuditReport) -> String {
    let count = |severity: Severity| counted(report.count(severity) as u64, severity.name());
    let mut parts = vec![
        count(Severity::Error),
        count(Severity::Warning),
        count(Severity::Note),
    ];
    let of = |is: &dyn Fn(&FindingState) -> bool| {
        report.findings.iter().filter(|it| is(&it.state)).count()
    };
    let suppressed = of(&|it| matches!(it, FindingState::Suppressed(_)));
    let known = of(&|it| *it == FindingState::InBaseline);
    if suppressed > 0 {
        parts.push(format!("{suppressed} suppressed"));
    }
    if known > 0 {
        parts.push(format!("{known} in the baseline"));
    }
    parts.join(" · ")
}
