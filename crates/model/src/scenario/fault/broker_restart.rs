//! Broker processes are ended, stay down, and are started again on the same
//! data.

use super::{
    BrokerPick, Consequence, Deserialize, EndSignal, FaultDefinition, FaultParameters, FaultTarget,
    Phrase, Scenario, Serialize, duration_ms,
};

pub(super) const DEFINITION: FaultDefinition = FaultDefinition {
    name: "broker-restart",
    breaks: FaultTarget::Brokers,
    leads_to: &[Consequence::BrokersEnd],
};

/// Parameters of `broker-restart`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct BrokerRestart {
    /// Which.
    #[serde(default = "BrokerPick::first")]
    pub broker: BrokerPick,
    /// How they are ended.
    pub signal: EndSignal,
    /// How long they are kept down, in milliseconds.
    #[cfg_attr(test, schemars(range(max = crate::schema::DURATION_MS_MAX)))]
    pub down_ms: u64,
}

impl FaultParameters for BrokerRestart {
    fn words(&self, _: &Scenario) -> Phrase {
        self.broker.words().plain(format!(
            " is ended with {}, kept down for {}, and started again on the same data",
            self.signal.name(),
            duration_ms(self.down_ms)
        ))
    }

    fn evidence(&self, _: &Scenario) -> &'static str {
        "the process was ended by that signal and is gone, and its port did not answer"
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
