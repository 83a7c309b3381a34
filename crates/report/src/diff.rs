//! The differences of two runs: what of the later one is worse. Knows nothing of files.

mod compare;
mod noise;
mod render;

use serde::Serialize;

use crate::page_data::Compared;

/// The value of `schema` in a difference as JSON.
const SCHEMA: &str = "ackproof.diff/1";

/// The differences of two runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diff {
    schema: &'static str,
    before: Side,
    after: Side,
    /// How many scenarios both have.
    compared: usize,
    /// Whether times were compared: not between machines that differ.
    times_compared: bool,
    /// In the order of the earlier run's scenarios.
    changes: Vec<Difference>,
}

/// One of the runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Side {
    run: String,
    started_at: Option<String>,
    verdict: &'static str,
}

/// Something that differs by more than noise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The scenario; `a / b` where two of different names are compared.
    pub scenario: String,
    /// What differs: a claim, an anomaly, a time, a setting.
    pub subject: String,
    /// Before.
    pub before: String,
    /// After.
    pub after: String,
    /// Whether that is better.
    pub direction: Direction,
}

/// Whether a change is for the better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// The later run is worse.
    Regression,
    /// The later run is better.
    Improvement,
    /// Neither.
    Changed,
}

impl Direction {
    /// As people read it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Regression => "regression",
            Self::Improvement => "improvement",
            Self::Changed => "changed",
        }
    }

    const fn of(is_worse: bool, is_better: bool) -> Self {
        match (is_worse, is_better) {
            (true, _) => Self::Regression,
            (_, true) => Self::Improvement,
            _ => Self::Changed,
        }
    }
}

impl Diff {
    /// Compares a run with a later one.
    ///
    /// Scenarios are compared by name; two runs of one scenario each are compared whatever
    /// their names are. Counts and times differ only where they do so by more than noise.
    pub fn new(before: &Compared, after: &Compared) -> Self {
        let side = |of: &Compared| Side {
            run: of.verdict.run.clone(),
            started_at: of
                .verdict
                .circumstances
                .as_ref()
                .map(|it| it.started_at.clone()),
            verdict: of.verdict.verdict.name(),
        };
        let machine = |of: &Compared| {
            let circumstances = of.verdict.circumstances.as_ref();
            circumstances.map(|it| it.machine.clone())
        };
        let times_compared = machine(before).is_some_and(|it| Some(it) == machine(after));
        let (compared, changes) = compare::all(before, after, times_compared);
        Self {
            schema: SCHEMA,
            before: side(before),
            after: side(after),
            compared,
            times_compared,
            changes,
        }
    }

    /// What differs.
    pub fn changes(&self) -> &[Difference] {
        &self.changes
    }

    /// Whether anything is worse.
    pub fn has_regression(&self) -> bool {
        self.count(Direction::Regression) > 0
    }

    fn count(&self, direction: Direction) -> usize {
        let changes = self.changes.iter();
        changes
            .filter(|change| change.direction == direction)
            .count()
    }
}
