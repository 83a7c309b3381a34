//! What processes logged around the faults of a scenario, folded.

use maud::{Markup, html};
use model::scenario::words::counted;

/// Lines of one log, as the caller has chosen them.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LogExcerpt {
    /// The log's name in the scenario's `logs`.
    pub file: String,
    /// The lines, in order.
    pub lines: Vec<String>,
    /// How many lines of the same time are left out.
    pub left_out: u64,
}

pub(super) fn folded(excerpts: &[LogExcerpt]) -> Markup {
    html! {
        @if !excerpts.is_empty() {
            details {
                summary { "Logs around the faults" }
                @for of in excerpts {
                    p { code { "logs/" (of.file) } }
                    pre.log tabindex="0" { (of.lines.join("\n")) }
                    @if of.left_out > 0 {
                        p.note { "Left out of that time: " (counted(of.left_out, "line")) "." }
                    }
                }
            }
        }
    }
}
