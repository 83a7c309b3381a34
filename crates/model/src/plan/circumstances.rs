//! When, where and how a run was carried out: what is written down beside its
//! plan, so that its verdict can tell. Knows no clocks and no machines.

use serde::{Deserialize, Serialize};

use super::ScenarioPlan;

/// When, where and how a run was carried out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Circumstances {
    /// When it began, in UTC (RFC 3339). Absent where it was not written down,
    /// as are duration, command and machine.
    #[cfg_attr(test, schemars(extend("format" = "date-time")))]
    pub started_at: String,
    /// How long it took, in milliseconds; absent where it never ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// The words of the command that repeats it: scenarios as they were named,
    /// and everything else that the plan depends on (versions, seed).
    pub command: Vec<String>,
    /// The machine that it ran on.
    pub machine: Machine,
}

impl Circumstances {
    /// The words of the command that repeats one of its scenarios.
    pub fn command_for(&self, scenario: &ScenarioPlan) -> Vec<String> {
        let options = self
            .command
            .iter()
            .skip_while(|word| !word.starts_with("--"));
        let name = scenario.file.as_ref().unwrap_or(&scenario.scenario.name);
        ["ackproof", "run", name]
            .into_iter()
            .map(str::to_owned)
            .chain(options.cloned())
            .collect()
    }
}

/// A machine, as far as it matters for how long things take.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Machine {
    /// Processors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(range(min = 1)))]
    pub cores: Option<u64>,
    /// Memory, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Operating system and kernel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os: Option<String>,
}

/// When a scenario was carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Timing {
    /// From the beginning of the run to that of the scenario, in milliseconds.
    pub start_ms: u64,
    /// From its own beginning until its history was closed, in milliseconds.
    pub duration_ms: u64,
}
