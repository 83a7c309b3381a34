//! Broker processes are frozen (SIGSTOP) and continued.

use super::{
    BrokerPick, Consequence, Deserialize, FaultDefinition, FaultParameters, FaultTarget, Phrase,
    Scenario, Serialize, duration_ms,
};

pub(super) const DEFINITION: FaultDefinition = FaultDefinition {
    name: "broker-pause",
    breaks: FaultTarget::Brokers,
    leads_to: &[Consequence::BrokersFreeze, Consequence::BrokersUnreachable],
};

/// Parameters of `broker-pause`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct BrokerPause {
    /// Which.
    #[serde(default = "BrokerPick::first")]
    pub broker: BrokerPick,
    /// For how long, in milliseconds.
    #[cfg_attr(test, schemars(range(max = crate::schema::DURATION_MS_MAX)))]
    pub for_ms: u64,
}

impl FaultParameters for BrokerPause {
    fn words(&self, _: &Scenario) -> Phrase {
        self.broker.words().plain(format!(
            " is frozen (SIGSTOP) for {}; its connections stay open",
            duration_ms(self.for_ms)
        ))
    }

    fn evidence(&self, _: &Scenario) -> &'static str {
        "the process stood still (state T) the whole time and answered no request"
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
