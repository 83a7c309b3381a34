//! Observations about a fault, independent of the injector.

use serde::{Deserialize, Serialize};

/// One independent observation about a fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Evidence {
    /// The observation, as a short phrase: "process state is T".
    pub observation: String,
    /// Whether it was found to be so.
    pub found: Found,
    /// The details, with the figures.
    pub detail: String,
}

/// Whether an observation was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Found {
    /// It was so.
    Yes,
    /// It was not so.
    No,
}
