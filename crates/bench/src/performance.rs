//! `performance.json`: what was measured of each benchmark, the criteria, and the price of
//! guarantees. Knows nothing of how it is shown.

use std::collections::BTreeMap;

use model::plan::Machine;
use model::verdict::{ScenarioVerdict, Verdict};
use serde::{Deserialize, Serialize};

use crate::benchmark::{Kind, Scope};
use crate::load::{Measured, Section};
use crate::price::PriceRow;
use crate::resources::{Conditions, Used};
use crate::stats::per_s;

/// The value of `schema` in a `performance.json` of this version.
pub const SCHEMA: &str = "ackproof.performance/1";

/// The JSON Schema (2020-12) of `performance.json`.
pub const PERFORMANCE_SCHEMA: &str = include_str!("../schema/performance.schema.json");

/// The results of all benchmarks of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Performance {
    /// The name of the format.
    #[cfg_attr(test, schemars(extend("const" = SCHEMA)))]
    pub schema: String,
    /// The run's identity, which its `verdict.json` has too.
    pub run: String,
    /// When it began, in UTC.
    pub started_at: String,
    /// The command that repeats it.
    pub command: Vec<String>,
    /// How much was run.
    pub scope: Scope,
    /// The versions of everything that took part, by name.
    pub versions: BTreeMap<String, String>,
    /// Where it ran: `cores`, `memory_bytes`, `os`.
    #[cfg_attr(test, schemars(with = "BTreeMap<String, serde_json::Value>"))]
    pub machine: Machine,
    /// The machine before the first benchmark.
    pub before: Conditions,
    /// And after the last.
    pub after: Conditions,
    /// The worst of the benchmarks.
    #[cfg_attr(test, schemars(schema_with = "verdicts"))]
    pub verdict: Verdict,
    /// In the order of running.
    pub benchmarks: Vec<BenchmarkResult>,
    /// What guarantees cost, where that was measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prices: Vec<PriceRow>,
    /// Common claims about costs, answered for this machine.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<CostClaim>,
    /// What follows from the figures.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub advice: Vec<String>,
}

/// One benchmark.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct BenchmarkResult {
    /// Which.
    pub kind: Kind,
    /// Its name, or that of the user's own scenario.
    pub name: String,
    /// One line for people.
    pub title: String,
    /// The worst of its criteria.
    #[cfg_attr(test, schemars(schema_with = "verdicts"))]
    pub verdict: Verdict,
    /// The criteria.
    pub criteria: Vec<Criterion>,
    /// What a reader has to know before anything else: a generator that fell behind, a busy
    /// machine, a load that is smaller than that of the criterion.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<String>,
    /// Figures in one line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub figures: Vec<String>,
    /// Its runs, in order.
    pub runs: Vec<RunResult>,
}

/// The verdict on one sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Criterion {
    /// What must be true.
    pub sentence: String,
    /// Whether it is.
    #[cfg_attr(test, schemars(schema_with = "verdicts"))]
    pub verdict: Verdict,
    /// With the figures.
    pub reason: String,
}

/// One run of a benchmark: a scenario, with the checker's verdict on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RunResult {
    /// Its folder in the run directory.
    pub scenario: String,
    /// The checker's verdict on its history.
    #[cfg_attr(test, schemars(schema_with = "verdicts"))]
    pub checked: Verdict,
    /// Why that is not HELD, or what was checked.
    pub checked_because: String,
    /// The bytes of a record's value; 0 where there are no producers.
    pub record_bytes: u32,
    /// How many of every 100 bytes of padding compress.
    pub compressible_percent: u8,
    /// What was measured of parts of the load.
    pub sections: Vec<Section>,
    /// From the beginning of the scenario, before its broker was started, to the first
    /// acknowledgement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_acknowledged_ms: Option<u64>,
    /// And to the first record that a group processed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_processed_ms: Option<u64>,
    /// What Debezium captured, where it is a snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captured: Option<Captured>,
    /// What it used.
    pub used: Used,
    /// Bytes of the values of acknowledged records, for each byte of the topics' segments,
    /// in hundredths; replicas count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compression_hundredths: Option<u64>,
}

/// How a snapshot was captured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Captured {
    /// Rows that were there.
    pub rows: u64,
    /// Events that could be read in the end.
    pub events: u64,
    /// From the creation of the connector until there were as many events as rows; absent
    /// where there never were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<u64>,
    /// Rows a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_per_s: Option<u64>,
    /// Milliseconds since the creation of the connector, and events that could be read.
    pub course: Vec<(u64, u64)>,
}

/// A common claim about costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CostClaim {
    /// The claim.
    pub sentence: String,
    /// What the price table says of it.
    pub answer: Answer,
    /// With the figures.
    pub reason: String,
}

/// What a price table says of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// The claimed cost lies in the interval, which is narrow enough to tell.
    Agrees,
    /// The claimed cost is outside of the interval.
    Contradicts,
    /// The interval is too wide, or there is none.
    NotEstablished,
}

impl Answer {
    /// As people read it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Agrees => "agrees with what was measured",
            Self::Contradicts => "contradicted by what was measured",
            Self::NotEstablished => "not established",
        }
    }
}

/// Points of a curve that are kept, at most.
const POINTS_MAX: usize = 300;

impl Captured {
    /// Out of what was measured, where so many rows were there before the connector was.
    pub fn of(measured: &Measured, rows: u64) -> Option<Self> {
        let began = measured.capture_began?;
        let reached = measured.captured.iter().find(|(_, seen)| *seen >= rows);
        let took = reached.map(|(at, _)| at.since(began));
        let apart = measured.captured.len().div_ceil(POINTS_MAX).max(1);
        let course = measured.captured.iter().step_by(apart);
        Some(Self {
            rows,
            events: measured.captured.last().map_or(0, |(_, seen)| *seen),
            took_ms: took.map(model::ids::Micros::as_millis),
            rows_per_s: took.map(|took| per_s(rows, took.get())),
            course: course
                .map(|(at, seen)| (at.since(began).as_millis(), *seen))
                .collect(),
        })
    }
}

/// Why a scenario's verdict is what it is, in one line.
pub fn checked_because(verdict: &ScenarioVerdict) -> String {
    let findings: Vec<String> = verdict
        .findings
        .iter()
        .filter(|it| it.count > 0)
        .map(|it| format!("{} {}", it.count, it.anomaly.name()))
        .collect();
    let reasons = verdict
        .guarantees
        .iter()
        .filter(|it| it.verdict == verdict.verdict && verdict.verdict != Verdict::Held)
        .map(|it| format!("{}: {}", it.claim.name(), it.reason));
    let mut parts: Vec<String> = verdict.doubts.clone();
    parts.extend(reasons);
    parts.extend(findings);
    if parts.is_empty() {
        let counts = &verdict.counts;
        if counts.sent > 0 {
            format!(
                "{} sent, {} acknowledged, nothing lost, nothing doubled",
                counts.sent, counts.acknowledged
            )
        } else {
            "every committed change has its event".to_owned()
        }
    } else {
        parts.join("; ")
    }
}

/// `performance.json`: indented, a line break at the end.
///
/// # Errors
/// When a value has no form in JSON, as a ratio that is no number.
pub fn performance_json(performance: &Performance) -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string_pretty(performance)?;
    text.push('\n');
    Ok(text)
}

/// The verdicts, which another crate has the type of.
#[cfg(test)]
fn verdicts(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let names = [Verdict::Held, Verdict::Inconclusive, Verdict::Violated].map(Verdict::name);
    schemars::json_schema!({"type": "string", "enum": names})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_is_that_of_the_types() {
        let mut schema = schemars::schema_for!(Performance).to_value();
        schema["title"] = "ackproof performance".into();
        let made = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/schema/performance.schema.json"
        );
        if std::env::var_os("UPDATE_SCHEMAS").is_some() {
            std::fs::write(path, &made).unwrap();
        }
        assert!(
            std::fs::read_to_string(path).unwrap() == made,
            "run `make schemas`"
        );
    }
}
