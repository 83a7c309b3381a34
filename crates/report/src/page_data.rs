//! The data inside `report.html`, and what `ackproof diff` compares. Knows nothing of the
//! rest of the page.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use model::plan::RunPlan;
use model::scenario::{Config, Scenario};
use model::verdict::{RunVerdict, SCHEMA};
use serde::{Deserialize, Serialize};

/// The `id` of the element that holds the data.
pub(crate) const ID: &str = "ackproof-data";
/// What the element holds: JSON, compressed (RFC 1950) and in base64. Browsers leave it alone.
pub(crate) const TYPE: &str = "application/vnd.ackproof.report+zlib";
/// What it held before it was compressed.
const PLAIN_TYPE: &str = "application/json";
/// The data of a page is not larger; what is, was made to be.
const BYTES_MAX: u64 = 512 << 20;
/// The value of `schema` in the data of a page of this version.
const PAGE_SCHEMA: &str = "ackproof.report/1";

/// Settings that a plan makes, by scenario, by the owner (`producer p0`), by key.
pub(crate) type Settings = BTreeMap<String, BTreeMap<String, Config>>;

/// A run as far as two runs are compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    schema: String,
    pub(crate) verdict: RunVerdict,
    /// Empty where only the verdict is known.
    #[serde(default)]
    pub(crate) settings: Settings,
}

/// Why a text is not a run that can be compared.
#[derive(Debug, thiserror::Error)]
pub enum NotComparable {
    /// A page without the element.
    #[error("there is no data of a report of ackproof in it")]
    NoData,
    /// The data is not whole.
    #[error("the data of the report in it is damaged")]
    Damaged,
    /// No verdict.
    #[error("it holds no verdict of ackproof")]
    NoVerdict(#[from] serde_json::Error),
    /// Another format.
    #[error("it is of format `{0}`, which this ackproof does not read")]
    OtherSchema(String),
}

impl Compared {
    /// A run of which only the verdict is known.
    pub fn new(verdict: RunVerdict) -> Self {
        Self {
            schema: PAGE_SCHEMA.to_owned(),
            verdict,
            settings: Settings::new(),
        }
    }

    /// The same with the settings of its plan.
    #[must_use]
    pub fn with_plan(self, plan: &RunPlan) -> Self {
        let settings = settings(plan);
        Self { settings, ..self }
    }

    /// Reads `report.html`, or `verdict.json`.
    ///
    /// # Errors
    /// When it is neither, or of another version's format.
    pub fn read(text: &str) -> Result<Self, NotComparable> {
        if text.trim_start().starts_with('{') {
            let verdict: RunVerdict = read(text, SCHEMA)?;
            return Ok(Self::new(verdict));
        }
        if let Some(data) = element(text, TYPE) {
            return read(&unpacked(data)?, PAGE_SCHEMA);
        }
        let data = element(text, PLAIN_TYPE).ok_or(NotComparable::NoData)?;
        read(data, PAGE_SCHEMA)
    }
}

/// The content of the element with the data, where it is of this type.
fn element<'t>(text: &'t str, of: &str) -> Option<&'t str> {
    let opening = format!("<script type=\"{of}\" id=\"{ID}\">");
    let (_, behind) = text.split_once(&opening)?;
    let (data, _) = behind.split_once("</script>")?;
    Some(data)
}

fn unpacked(data: &str) -> Result<String, NotComparable> {
    let packed = STANDARD.decode(data).map_err(|_| NotComparable::Damaged)?;
    let mut text = String::new();
    ZlibDecoder::new(&packed[..])
        .take(BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(|_| NotComparable::Damaged)?;
    Ok(text)
}

fn packed(text: &str) -> Option<String> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text.as_bytes()).ok()?;
    Some(STANDARD.encode(encoder.finish().ok()?))
}

/// Another format is told from damage before its fields are asked for.
fn read<T: for<'de> Deserialize<'de>>(text: &str, schema: &str) -> Result<T, NotComparable> {
    let value: serde_json::Value = serde_json::from_str(text)?;
    match value.get("schema").and_then(|found| found.as_str()) {
        Some(found) if found != schema => Err(NotComparable::OtherSchema(found.to_owned())),
        _ => Ok(serde_json::from_value(value)?),
    }
}

/// The data for the page. No character of it begins markup.
pub(crate) fn json(plan: &RunPlan, verdict: &RunVerdict) -> String {
    let data = Compared::new(verdict.clone()).with_plan(plan);
    // Every value of these types has a form in JSON, and memory takes every byte.
    let text = serde_json::to_string(&data).unwrap_or_default();
    packed(&text).unwrap_or_default()
}

fn settings(plan: &RunPlan) -> Settings {
    let scenarios = plan.scenarios.iter();
    let scenarios = scenarios.map(|it| (it.scenario.name.clone(), of_scenario(&it.scenario)));
    scenarios.collect()
}

pub(crate) fn of_scenario(scenario: &Scenario) -> BTreeMap<String, Config> {
    let mut all = BTreeMap::new();
    let mut add = |owner: String, config: &Config| {
        if config.iter().next().is_some() {
            all.insert(owner, config.clone());
        }
    };
    add(String::from("brokers"), &scenario.topology.config);
    let features = scenario.topology.features.iter();
    let features = features.map(|(name, level)| (name.clone(), level.to_string()));
    add(String::from("features"), &features.collect());
    for topic in &scenario.topics {
        add(format!("topic {}", topic.name), &topic.config);
    }
    for (producer, number) in scenario.producers.iter().zip(0..) {
        add(format!("producer p{number}"), &producer.config);
    }
    for group in &scenario.groups {
        add(format!("group {}", group.name), &group.config);
    }
    for transform in &scenario.transforms {
        add(format!("group {}", transform.name), &transform.config);
        let producers = format!("producers of {}", transform.name);
        add(producers, &transform.producer_config);
    }
    if let Some(capture) = &scenario.capture {
        add(format!("connector {}", capture.connector), &capture.config);
        add(String::from("Connect worker"), &capture.worker_config);
        add(String::from("PostgreSQL"), &capture.database_config);
    }
    all
}
