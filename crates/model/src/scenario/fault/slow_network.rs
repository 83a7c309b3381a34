//! Everything between clients and brokers takes longer.

use super::{
    BrokerPick, Deserialize, FaultDefinition, FaultParameters, FaultTarget, Phrase, Scenario,
    Serialize, duration_ms, plain,
};

pub(super) const DEFINITION: FaultDefinition = FaultDefinition {
    name: "slow-network",
    breaks: FaultTarget::ClientLink,
    leads_to: &[],
};

/// Parameters of `slow-network`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SlowNetwork {
    /// Before which brokers.
    #[serde(default)]
    pub broker: BrokerPick,
    /// How much longer each way takes, in milliseconds.
    #[cfg_attr(test, schemars(range(max = crate::schema::DURATION_MS_MAX)))]
    pub latency_ms: u64,
    /// For how long, in milliseconds.
    #[cfg_attr(test, schemars(range(max = crate::schema::DURATION_MS_MAX)))]
    pub for_ms: u64,
}

impl FaultParameters for SlowNetwork {
    fn words(&self, _: &Scenario) -> Phrase {
        plain("everything between clients and ")
            .phrase(self.broker.words())
            .plain(format!(
                " takes {} ms longer each way, for {}",
                self.latency_ms,
                duration_ms(self.for_ms)
            ))
    }

    fn evidence(&self, _: &Scenario) -> &'static str {
        "the proxy delayed bytes, and a request of ackproof's own took that much longer"
    }

    fn lasts_ms(&self) -> Option<u64> {
        Some(self.for_ms)
    }

    fn broker(&self) -> Option<&BrokerPick> {
        Some(&self.broker)
    }

    fn names(&mut self) -> Vec<&mut String> {
        self.broker.names()
    }
}
