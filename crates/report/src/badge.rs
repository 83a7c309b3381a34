//! `badge.json`: the verdict as shields.io draws it (its endpoint form). Knows nothing of the
//! other formats.

use std::collections::BTreeMap;

use model::plan::RunPlan;
use model::verdict::{RunVerdict, Verdict};
use serde::Serialize;

use crate::json::JsonError;
use crate::run::Run;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Badge {
    schema_version: u8,
    label: &'static str,
    message: String,
    color: &'static str,
}

/// `badge.json`: the verdicts of the scenarios, counted. The same verdict gives the same
/// bytes.
///
/// # Errors
/// When a value has no form in JSON, which none has.
pub fn badge(plan: &RunPlan, verdict: &RunVerdict) -> Result<String, JsonError> {
    let (none, no_courses) = (BTreeMap::new(), BTreeMap::new());
    let tally = Run::new(plan, verdict, &none, &no_courses).tally();
    let badge = Badge {
        schema_version: 1,
        label: "kafka delivery",
        message: match tally.total() {
            0 => String::from("not tested"),
            _ => tally.list(),
        },
        color: match verdict.verdict {
            _ if tally.total() == 0 => "lightgrey",
            Verdict::Held => "brightgreen",
            Verdict::Inconclusive => "yellow",
            Verdict::Violated => "red",
        },
    };
    let mut text = serde_json::to_string(&badge)
        .map_err(|source| JsonError::new(format!("the badge of run {}", verdict.run), source))?;
    text.push('\n');
    Ok(text)
}
