//! The differences of two runs of benchmarks. Knows nothing of files.

use std::fmt::Write as _;

use model::verdict::Verdict;
use report::{Difference, Direction};
use serde::Serialize;

use crate::load::Section;
use crate::performance::{BenchmarkResult, Performance};
use crate::price::PriceRow;
use crate::words::{latency_us, number};

/// A run tells little of how much a latency varies: single runs of one load on one machine
/// were seen to differ threefold.
const LATENCY_FACTOR: u64 = 4;
/// Below this, in microseconds, no p95 is called longer.
const LATENCY_FLOOR_US: u64 = 5_000;
/// A rate that is lower by a third.
const RATE_PERCENT: u64 = 67;

/// The value of `schema` in a difference as JSON.
const SCHEMA: &str = "ackproof.performance-diff/1";

/// What of a later run differs by more than noise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PerformanceDiff {
    schema: &'static str,
    /// When the runs began.
    before: String,
    after: String,
    /// Whether figures were compared: not between machines that differ, or loads that do.
    figures_compared: bool,
    /// How many benchmarks both have.
    compared: usize,
    changes: Vec<Difference>,
}

impl PerformanceDiff {
    /// Compares a run with a later one, benchmark by benchmark.
    pub fn new(before: &Performance, after: &Performance) -> Self {
        let alike = before.machine == after.machine && before.scope == after.scope;
        let mut diff = Self {
            schema: SCHEMA,
            before: before.started_at.clone(),
            after: after.started_at.clone(),
            figures_compared: alike,
            compared: 0,
            changes: Vec::new(),
        };
        for old in &before.benchmarks {
            let mut later = after.benchmarks.iter();
            let Some(new) = later.find(|it| it.name == old.name) else {
                continue;
            };
            diff.compared += 1;
            diff.verdicts(old, new);
            if alike {
                diff.sections(old, new);
            }
        }
        if alike {
            for old in &before.prices {
                let same = |it: &&PriceRow| it.variant == old.variant && it.table == old.table;
                if let Some(new) = after.prices.iter().find(same) {
                    diff.price(old, new);
                }
            }
        }
        diff
    }

    /// Whether something is worse.
    pub fn has_regression(&self) -> bool {
        let mut changes = self.changes.iter();
        changes.any(|it| it.direction == Direction::Regression)
    }

    /// For people: a line for each difference.
    pub fn text(&self) -> String {
        let mut lines: Vec<String> = self
            .changes
            .iter()
            .map(|it| {
                format!(
                    "  {:11}  {}: {}: {} -> {}",
                    it.direction.name(),
                    it.scenario,
                    it.subject,
                    it.before,
                    it.after
                )
            })
            .collect();
        if lines.is_empty() {
            lines.push("  nothing differs by more than noise".to_owned());
        }
        lines.push(format!("  {}", self.scope_words()));
        lines.join("\n") + "\n"
    }

    /// For a pull request.
    pub fn markdown(&self) -> String {
        let mut out = String::from("| | benchmark | what | before | after |\n");
        out.push_str("| --- | --- | --- | --- | --- |\n");
        for it in &self.changes {
            let cells = [
                it.direction.name(),
                &it.scenario,
                &it.subject,
                &it.before,
                &it.after,
            ];
            let cells = cells.map(|cell| cell.replace('|', "\\|"));
            let _ = writeln!(out, "| {} |", cells.join(" | "));
        }
        out + "\n" + &self.scope_words() + ".\n"
    }

    /// One JSON value.
    ///
    /// # Errors
    /// None for the types as they stand.
    pub fn json(&self) -> Result<String, serde_json::Error> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    fn scope_words(&self) -> String {
        let count = crate::words::counted(self.compared as u64, "benchmark");
        if self.figures_compared {
            format!("{count} compared")
        } else {
            format!(
                "{count} compared by verdicts only: the machines differ, or one run is quick and the \
                 other is not"
            )
        }
    }

    fn add(&mut self, of: &str, subject: String, both: [String; 2], direction: Direction) {
        let [before, after] = both;
        self.changes.push(Difference {
            scenario: of.to_owned(),
            subject,
            before,
            after,
            direction,
        });
    }

    fn verdicts(&mut self, old: &BenchmarkResult, new: &BenchmarkResult) {
        for before in &old.criteria {
            let mut later = new.criteria.iter();
            let Some(after) = later.find(|it| it.sentence == before.sentence) else {
                continue;
            };
            let direction = match (before.verdict, after.verdict) {
                (before, after) if before == after => continue,
                (_, Verdict::Violated) => Direction::Regression,
                (_, Verdict::Held) => Direction::Improvement,
                (_, Verdict::Inconclusive) => Direction::Changed,
            };
            let words = [before, after].map(|it| format!("{} ({})", it.verdict, it.reason));
            self.add(&old.name, before.sentence.clone(), words, direction);
        }
    }

    fn sections(&mut self, old: &BenchmarkResult, new: &BenchmarkResult) {
        for (old_run, new_run) in old.runs.iter().zip(&new.runs) {
            for before in &old_run.sections {
                let mut later = new_run.sections.iter();
                let after = later.find(|it| it.name == before.name);
                // The turns of prices are compared in their rows.
                if let Some(after) = after.filter(|_| old.runs.len() == 1) {
                    self.section(&old.name, before, after);
                }
            }
        }
    }

    fn section(&mut self, of: &str, before: &Section, after: &Section) {
        let p95 = |it: &Section| Some(it.latency.or(it.end_to_end)?.p95_us);
        if let (Some(old), Some(new)) = (p95(before), p95(after)) {
            let is_longer = |new: u64, old: u64| {
                new > LATENCY_FACTOR * old && new.saturating_sub(old) > LATENCY_FLOOR_US
            };
            if let Some(direction) = direction(is_longer(new, old), is_longer(old, new)) {
                let both = [old, new].map(latency_us);
                self.add(
                    of,
                    format!("{}: p95 of latency", before.name),
                    both,
                    direction,
                );
            }
        }
        let rate = |it: &Section| it.acknowledged_per_s.max(it.processed_per_s);
        let (old, new) = (rate(before), rate(after));
        let is_lower = |new: u64, old: u64| new * 100 < old * RATE_PERCENT;
        if let Some(direction) = direction(is_lower(new, old), is_lower(old, new)) {
            let both = [old, new].map(number);
            self.add(of, format!("{}: records/s", before.name), both, direction);
        }
    }

    /// A price differs where the intervals of its ratios lie apart.
    fn price(&mut self, before: &PriceRow, after: &PriceRow) {
        let (Some(old), Some(new)) = (before.rate, after.rate) else {
            return;
        };
        if let Some(direction) = direction(new.high < old.low, new.low > old.high) {
            let both =
                [old, new].map(|it| format!("{:.2} ({:.2} to {:.2})", it.mean, it.low, it.high));
            let subject = format!("{} against {}", before.variant, before.base);
            self.add("price", subject, both, direction);
        }
    }
}

fn direction(is_worse: bool, is_better: bool) -> Option<Direction> {
    match (is_worse, is_better) {
        (true, _) => Some(Direction::Regression),
        (_, true) => Some(Direction::Improvement),
        _ => None,
    }
}
