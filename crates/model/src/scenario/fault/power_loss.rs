//! Brokers lose their power: what the operating system had not forced to disk is
//! gone.

use super::{
    BrokerPick, Consequence, Deserialize, FaultDefinition, FaultParameters, FaultTarget, Phrase,
    Scenario, Serialize, duration_ms,
};

pub(super) const DEFINITION: FaultDefinition = FaultDefinition {
    name: "power-loss",
    breaks: FaultTarget::Brokers,
    leads_to: &[Consequence::BrokersEnd, Consequence::PowerLost],
};

/// What a `power-loss` has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PowerLoss {
    /// Which.
    #[serde(default = "BrokerPick::first")]
    pub broker: BrokerPick,
    /// How long they are kept down, in milliseconds.
    #[serde(default)]
    #[cfg_attr(test, schemars(range(max = crate::schema::DURATION_MS_MAX)))]
    pub down_ms: u64,
}

impl FaultParameters for PowerLoss {
    fn words(&self, _: &Scenario) -> Phrase {
        let down = match self.down_ms {
            0 => String::new(),
            ms => format!(" after {}", duration_ms(ms)),
        };
        self.broker.words().plain(format!(
            " loses its power: it is killed, each of its logs is cut back to what was forced to \
             disk, and it is started again{down}"
        ))
    }

    fn evidence(&self, _: &Scenario) -> &'static str {
        "the process was killed and is gone, and its logs end where they were forced to disk"
    }

    fn lasts_ms(&self) -> Option<u64> {
        Some(self.down_ms)
    }

    fn broker(&self) -> Option<&BrokerPick> {
        Some(&self.broker)
    }

    fn names(&mut self) -> Vec<&mut String> {
        self.broker.names()
    }
}
