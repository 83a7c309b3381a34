//! The requests that a fault meets. Knows nothing of their fate.

use super::{BadKey, Deserialize, Phrase, Scenario, Serialize, plain};

/// Which requests a fault meets: those that fit all that is given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Requests {
    /// Kafka's name of the API: `Produce`, `Fetch`, `OffsetCommit`, …
    pub api: String,
    /// That name this topic.
    pub topic: Option<String>,
    /// That name this partition.
    #[cfg_attr(test, schemars(range(min = 0, max = 999)))]
    pub partition: Option<i32>,
    /// That name this consumer group.
    pub group: Option<String>,
    /// Which of the requests that fit; all of them by default.
    #[serde(default)]
    pub pick: RequestPick,
}

/// Which of the requests that fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "pick"))]
#[serde(rename_all = "kebab-case")]
pub enum RequestPick {
    /// All of them.
    #[default]
    Every,
    /// The n-th, from 1, and no other.
    Nth(#[cfg_attr(test, schemars(range(min = 1)))] u64),
    /// The first so many.
    First(#[cfg_attr(test, schemars(range(min = 1)))] u64),
    /// Each with this probability, drawn from the seed.
    Probability(#[cfg_attr(test, schemars(extend("exclusiveMinimum" = 0, "maximum" = 1)))] f64),
}

impl Requests {
    /// Which requests, as the subject of a sentence.
    pub(super) fn words(&self) -> Phrase {
        let api = &self.api;
        let which = match self.pick {
            RequestPick::Every => plain(format!("every {api} request")),
            RequestPick::Nth(nth) => plain(format!("{api} request number {nth}")),
            RequestPick::First(1) => plain(format!("the first {api} request")),
            RequestPick::First(count) => plain(format!("each of the first {count} {api} requests")),
            RequestPick::Probability(share) => {
                plain(format!("{api} requests, each with probability {share},"))
            }
        };
        let which = match (&self.topic, self.partition) {
            (Some(topic), Some(partition)) => {
                which.plain(" for ").name(format!("{topic}/{partition}"))
            }
            (Some(topic), None) => which.plain(" for ").name(topic),
            (None, Some(partition)) => which.plain(format!(" for partition {partition}")),
            (None, None) => which,
        };
        match &self.group {
            Some(group) => which.plain(" of group ").name(group),
            None => which,
        }
    }

    /// The names in it that a cluster knows.
    pub(super) fn names(&mut self) -> Vec<&mut String> {
        self.topic.iter_mut().chain(&mut self.group).collect()
    }

    /// Checks that its API and topics exist.
    pub(super) fn check(&self, scenario: &Scenario) -> Result<(), BadKey> {
        if let Some(topic) = &self.topic {
            scenario.check_topic(topic).map_err(|why| ("topic", why))?;
            if let Some(partition) = self.partition {
                let numbered = scenario.check_partition(topic, partition);
                numbered.map_err(|why| ("partition", why))?;
            }
        }
        if let Some(group) = &self.group {
            scenario.check_group(group).map_err(|why| ("group", why))?;
        }
        Ok(())
    }
}
