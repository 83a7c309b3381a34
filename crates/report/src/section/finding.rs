//! A finding explained: its meaning, the place of the loss, its prevention. The words are
//! the catalogue's.

use model::verdict::Finding;

use crate::document::{Item, Text, code, strong, text};

/// Preventions of one anomaly that are told, at most; `ackproof explain` tells
/// all.
const PREVENTIONS_MAX: usize = 2;

/// One anomaly that was found. `whose` says of which repetition the figures
/// are, where there are several.
pub(super) fn explained(finding: &Finding, whose: &str) -> Item {
    let definition = finding.anomaly.definition();
    let mut item = Item::new(text![code(definition.name), ": ", definition.meaning]);
    let lost = finding.lost_at.iter().map(|at| {
        text![format!(
            "{} {} ({})",
            at.count,
            at.hop.words(),
            at.certainty.name()
        )]
    });
    let lost = Text::join(lost, "; ");
    if !lost.is_empty() {
        item = item.point(text![strong("Where it was lost"), ": ", whose, lost, "."]);
    }
    for fact in definition.prevented_by.iter().take(PREVENTIONS_MAX) {
        item = item.point(text![
            strong("Prevented by"),
            " (",
            fact.source,
            "): ",
            fact.what
        ]);
    }
    item
}
