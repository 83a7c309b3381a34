//! The colours of the terminal. Whether they are shown is for the stream to
//! decide (`NO_COLOR`, `CLICOLOR`, a pipe).

use anstyle::{AnsiColor, Style};
use model::verdict::ScenarioVerdict;
use model::verdict::Verdict;

pub(crate) const HELD: Style = AnsiColor::Green.on_default().bold();
pub(crate) const VIOLATED: Style = AnsiColor::Red.on_default().bold();
pub(crate) const AS_EXPECTED: Style = AnsiColor::Cyan.on_default().bold();
pub(crate) const INCONCLUSIVE: Style = AnsiColor::Yellow.on_default().bold();
pub(crate) const STRONG: Style = Style::new().bold();
pub(crate) const FAINT: Style = Style::new().dimmed();

/// The colour of a scenario's verdict.
pub(crate) fn of(verdict: &ScenarioVerdict) -> Style {
    match verdict.verdict {
        Verdict::Violated if verdict.as_expected => AS_EXPECTED,
        verdict => of_verdict(verdict),
    }
}

/// The colour of a verdict that was not expected.
pub(crate) const fn of_verdict(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Held => HELD,
        Verdict::Inconclusive => INCONCLUSIVE,
        Verdict::Violated => VIOLATED,
    }
}
