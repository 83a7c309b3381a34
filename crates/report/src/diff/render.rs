//! The differences as text, as Markdown for a pull request, and as JSON.

use std::fmt::Write as _;

use model::scenario::words::counted;

use super::{Diff, Direction, Side};
use crate::document::{Document, Table, code, strong, text};
use crate::markdown;

impl Diff {
    /// Lines for people.
    pub fn text(&self) -> String {
        let mut out = format!(
            "before  {}\nafter   {}\n",
            line(&self.before),
            line(&self.after)
        );
        let mut scenario = "";
        for change in &self.changes {
            if change.scenario != scenario {
                scenario = &change.scenario;
                let _ = writeln!(out, "\n{}", plain(scenario));
            }
            let _ = writeln!(
                out,
                "  {:<12} {}: {} -> {}",
                change.direction.name(),
                plain(&change.subject),
                plain(&change.before),
                plain(&change.after)
            );
        }
        let _ = writeln!(out, "\n{}", self.summary());
        if !self.times_compared {
            let _ = writeln!(out, "{TIMES}");
        }
        out
    }

    /// The same for a pull request.
    pub fn markdown(&self) -> String {
        let mut document = Document::default();
        let verdict = match (self.has_regression(), self.changes.is_empty()) {
            (true, _) => "regression",
            (false, true) => "no difference",
            (false, false) => "no regression",
        };
        document.heading(3, text!["Delivery guarantees: ", verdict]);
        let mut runs = Table::new(["", "Run", "Started", "Verdict"]);
        for (name, side) in [("before", &self.before), ("after", &self.after)] {
            runs.row([
                text![name],
                text![code(&side.run)],
                text![side.started_at.as_deref().unwrap_or("not known")],
                text![strong(side.verdict)],
            ]);
        }
        document.table(runs);
        let mut changes = Table::new(["Scenario", "Of", "Before", "After", ""]);
        for change in &self.changes {
            let direction = change.direction.name();
            changes.row([
                text![code(&change.scenario)],
                text![code(&change.subject)],
                text![change.before.as_str()],
                text![change.after.as_str()],
                if change.direction == Direction::Regression {
                    text![strong(direction)]
                } else {
                    text![direction]
                },
            ]);
        }
        document.table(changes);
        document.paragraph(self.summary());
        if !self.times_compared {
            document.paragraph(TIMES);
        }
        markdown::render(&document)
    }

    /// One JSON value.
    ///
    /// # Errors
    /// When a value has no form in JSON, which no difference has.
    pub fn json(&self) -> Result<String, serde_json::Error> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        Ok(text)
    }

    fn summary(&self) -> String {
        let compared = counted(self.compared as u64, "scenario");
        if self.changes.is_empty() {
            return format!("No difference in {compared}.");
        }
        let (worse, better, other) = (
            counted(self.count(Direction::Regression) as u64, "regression"),
            counted(self.count(Direction::Improvement) as u64, "improvement"),
            counted(self.count(Direction::Changed) as u64, "other change"),
        );
        format!("{worse}, {better}, {other}; {compared} compared.")
    }
}

const TIMES: &str = "Times were not compared: the machines differ, or are not known.";

fn line(of: &Side) -> String {
    let started = of.started_at.as_deref().unwrap_or("start not known");
    format!(
        "{:<12} run {}, {}",
        of.verdict,
        plain(&of.run),
        plain(started)
    )
}

/// A terminal obeys control characters.
fn plain(words: &str) -> String {
    let chars = words.chars();
    chars
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
