//! The report for machines and pages: JSON, SARIF, JUnit, Markdown, lines for GitHub
//! Actions. Text for a terminal is the command's own.

mod github;
mod junit;
mod markdown;
mod reference;
mod sarif;

pub use github::github;
pub use junit::{TestReportError, junit};
pub use markdown::markdown;
pub use reference::reference;
pub use sarif::sarif;

use crate::report::AuditReport;

/// The whole report as JSON.
///
/// # Errors
/// None that a report can have.
pub fn json(report: &AuditReport) -> Result<String, serde_json::Error> {
    Ok(serde_json::to_string_pretty(report)? + "\n")
}
