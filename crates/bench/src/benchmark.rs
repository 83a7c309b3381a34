//! The benchmarks: which there are, how large they are, and the runs of which each is made.
//! A run is a scenario like any other, so that it is planned, carried out and judged as one.

use model::ids::ProducerIx;
use model::scenario::{Scenario, ScenarioError};
use serde::{Deserialize, Serialize};

use crate::load::{SectionSpec, Source};
use crate::price::PricePlan;
use crate::{price, scenarios};

/// How much is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Every kind with a small load: less than three minutes on an idle machine.
    Quick,
    /// The loads that the criteria name.
    Full,
}

impl Scope {
    /// As people read it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Full => "full",
        }
    }
}

/// A benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A steady load.
    Baseline,
    /// A load that is ten times as high for some seconds.
    Burst,
    /// A low load for long.
    Sustained,
    /// A load that grows in steps.
    Saturation,
    /// Rows that Debezium's snapshot captures.
    Snapshot,
    /// Row changes that Debezium streams.
    Streaming,
    /// The time until a broker is of use.
    Startup,
    /// The same load under several guarantees.
    Price,
    /// A scenario of the user's own.
    Own,
}

impl Kind {
    /// Those that come with ackproof, in the order of running.
    pub const ALL: [Self; 8] = [
        Self::Baseline,
        Self::Burst,
        Self::Sustained,
        Self::Saturation,
        Self::Snapshot,
        Self::Streaming,
        Self::Startup,
        Self::Price,
    ];

    /// As it is typed.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::Burst => "burst",
            Self::Sustained => "sustained",
            Self::Saturation => "saturation",
            Self::Snapshot => "snapshot",
            Self::Streaming => "streaming",
            Self::Startup => "startup",
            Self::Price => "price",
            Self::Own => "own",
        }
    }

    /// The benchmark of that name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }

    /// One line for people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Baseline => "Baseline (SC-001): a steady load",
            Self::Burst => "Burst: ten times the load for some seconds",
            Self::Sustained => "Sustained: a low load for long",
            Self::Saturation => "Saturation: the load grows in steps",
            Self::Snapshot => "Snapshot (SC-005): rows that Debezium finds",
            Self::Streaming => "Streaming capture: row changes while they are written",
            Self::Startup => "Start-up (SC-002): until the first produce and fetch",
            Self::Price => "Price of guarantees: the same load under each",
            Self::Own => "A scenario of your own",
        }
    }
}

/// How a broker is started for a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the start-up archive, where there is one.
    Warm,
    /// Without it.
    Cold,
}

/// One run of a benchmark.
#[derive(Clone, Debug)]
pub struct PlannedRun {
    /// What runs.
    pub scenario: Scenario,
    /// How its broker starts.
    pub start: Start,
    /// What is measured apart.
    pub sections: Vec<SectionSpec>,
    /// The variants and slots, where it is one of prices.
    pub price: Option<PricePlan>,
}

impl PlannedRun {
    pub(crate) fn new(scenario: Scenario, sections: Vec<SectionSpec>) -> Self {
        Self {
            scenario,
            start: Start::Warm,
            sections,
            price: None,
        }
    }
}

/// The runs of a benchmark, in the order of running. One of your own is made by [`own`].
///
/// # Errors
/// When a scenario of it is none, which the tests of this crate exclude.
pub fn plan(kind: Kind, scope: Scope) -> Result<Vec<PlannedRun>, ScenarioError> {
    Ok(match kind {
        Kind::Baseline => vec![scenarios::baseline(scope)?],
        Kind::Burst => vec![scenarios::burst(scope)?],
        Kind::Sustained => vec![scenarios::sustained(scope)?],
        Kind::Saturation => vec![scenarios::saturation(scope)?],
        Kind::Snapshot => vec![scenarios::snapshot(scope)?],
        Kind::Streaming => vec![scenarios::streaming(scope)?],
        Kind::Startup => scenarios::startup()?,
        Kind::Price => price::runs(scope)?,
        Kind::Own => Vec::new(),
    })
}

/// A scenario of the user's own as a benchmark: each producer's records are a section.
pub fn own(scenario: Scenario) -> PlannedRun {
    let producers = scenario.producers.iter().zip(0u32..);
    let sections = producers.map(|(producer, number)| SectionSpec {
        name: format!("p{}", ProducerIx::new(number)),
        source: Source::Producer(number),
        first: 0,
        end: producer.records,
    });
    let sections = sections.collect();
    PlannedRun::new(scenario, sections)
}
