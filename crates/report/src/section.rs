//! The sections of the report, in their order. Each writes blocks into a
//! document and knows nothing of Markdown.

use crate::document::{Document, Span, Text, anchor, code, link, text};
use crate::run::Run;

pub(crate) mod advice;
pub(crate) mod analysis;
pub(crate) mod answers;
pub(crate) mod assumptions;
mod clients;
pub(crate) mod figures;
mod finding;
pub(crate) mod limitations;
pub(crate) mod plan_words;
pub(crate) mod recovery;
pub(crate) mod replay;
pub(crate) mod results;
pub(crate) mod scenarios;
pub(crate) mod summary;
pub(crate) mod test;

/// The heading of a scenario's section.
pub(crate) fn heading_of(scenario: &str) -> Text {
    text!["Scenario ", code(scenario)]
}

/// What a scenario's section is linked by.
pub(crate) fn anchor_of(scenario: &str) -> String {
    anchor(&heading_of(scenario))
}

/// A scenario's name, which leads to its section.
pub(crate) fn scenario(name: &str) -> Span {
    link(name, format!("#{}", anchor_of(name)))
}

/// What follows the summary in `report.md`.
pub(crate) fn all(run: &Run<'_>) -> Document {
    let mut document = Document::default();
    scenarios::write(&mut document, run);
    document.append(behind_the_scenarios(run));
    document
}

/// What follows the scenarios, in `report.md` and on the page.
pub(crate) fn behind_the_scenarios(run: &Run<'_>) -> Document {
    let mut document = Document::default();
    analysis::write(&mut document, run);
    assumptions::write(&mut document, run);
    limitations::write(&mut document, run);
    recovery::write(&mut document, run);
    advice::write(&mut document, run);
    document
}
