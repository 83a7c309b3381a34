//! A run's plan and verdict as `report.html`, `report.md`, `verdict.json`, `junit.xml` and
//! `badge.json`; and the differences of two runs.
//!
//! Pure functions of data. This crate knows nothing of files, clocks, processes, or of how
//! a verdict is reached; it draws no verdict of its own. Statements about a run are
//! computed from its verdict; statements about Kafka are facts with their sources.

mod badge;
mod diff;
mod document;
mod html;
mod json;
mod junit;
mod markdown;
mod matrix;
mod names;
mod page_data;
mod run;
mod section;
mod sources;
mod twins;
mod units;

use std::collections::BTreeMap;

use model::course::Course;
use model::plan::RunPlan;
use model::scenario::Config;
use model::verdict::RunVerdict;

/// What another page of the same form is made of.
pub mod page {
    pub use crate::html::{STYLE, Scale};
    pub use crate::units::separated;
}

pub use badge::badge;
pub use diff::{Diff, Difference, Direction};
pub use html::{LogExcerpt, Recorded, html};
pub use json::{JsonError, VERDICT_SCHEMA, verdict_json};
pub use junit::{JunitError, junit};
pub use matrix::{
    Change, MATRIX_SCHEMA, Matrix, MatrixCell, MatrixColumn, MatrixRow, MatrixRun, Upgrade,
};
pub use page_data::{Compared, NotComparable};

/// What [`names::bare_of`] returns to [`markdown()`].
type Bare = (
    RunPlan,
    (
        RunVerdict,
        BTreeMap<String, Config>,
        BTreeMap<String, Course>,
    ),
);

/// `report.md`: the plan, the results, and advice, for people.
///
/// `configurations` are those in force, as brokers and clients reported them themselves, by
/// their owner ("broker-restart: broker 1"); may be empty. `courses` are those of the
/// scenarios, by their folders; they tell rates, and whose lag is drawn. The same input gives the same bytes.
pub fn markdown(
    plan: &RunPlan,
    verdict: &RunVerdict,
    configurations: &BTreeMap<String, Config>,
    courses: &BTreeMap<String, Course>,
) -> String {
    let bare: Option<Bare> = names::bare_of(plan, &(verdict, configurations, courses));
    let given = (plan, verdict, configurations, courses);
    let (plan, verdict, configurations, courses) = bare.as_ref().map_or(given, |(plan, of)| {
        let (verdict, configurations, courses) = of;
        (plan, verdict, configurations, courses)
    });
    let run = run::Run::new(plan, verdict, configurations, courses);
    let rest = section::all(&run);
    let mut document = document::Document::default();
    section::summary::write(&mut document, &run);
    if !run.tests.is_empty() {
        section::summary::contents(&mut document, &run, &rest);
    }
    document.append(rest);
    markdown::render(&document)
}
