//! A run's plan and verdict as `report.md`, `verdict.json` and `junit.xml`.
//!
//! Pure functions of data. This crate knows nothing of files, clocks,
//! processes, or of how a verdict is reached; it draws no verdict of its own.
//! What it says of a run is computed from the run's verdict; what it says of
//! Kafka is a fact with its source.

mod document;
mod json;
mod junit;
mod machine;
mod markdown;
mod run;
mod section;
#[cfg(test)]
mod tests;
mod units;

use model::plan::RunPlan;
use model::verdict::RunVerdict;

pub use json::{JsonError, VERDICT_SCHEMA, verdict_json};
pub use junit::{JunitError, junit};
pub use machine::Machine;

/// `report.md`: what was done, what came out, and what follows from it, for
/// people.
///
/// The same input gives the same bytes.
pub fn markdown(plan: &RunPlan, verdict: &RunVerdict, machine: &Machine) -> String {
    let run = run::Run::new(plan, verdict, machine);
    let mut document = document::Document::default();
    section::summary::write(&mut document, &run);
    section::test::write(&mut document, &run);
    section::analysis::write(&mut document, &run);
    section::limitations::write(&mut document, &run);
    section::recovery::write(&mut document, &run);
    section::advice::write(&mut document, &run);
    markdown::render(&document)
}
