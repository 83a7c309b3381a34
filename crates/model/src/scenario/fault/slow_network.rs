//! Everything between clients and brokers takes longer, or no more than so much
//! of it passes.

use super::{
    BadKey, BrokerPick, Deserialize, FaultDefinition, FaultParameters, FaultTarget, Phrase,
    Scenario, Serialize, counted, duration_ms, plain,
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
    #[serde(default)]
    #[cfg_attr(test, schemars(range(max = crate::schema::DURATION_MS_MAX)))]
    pub latency_ms: u64,
    /// How many bytes each connection carries each way, a second; all where it is
    /// missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(range(min = 1)))]
    pub bytes_per_s: Option<u64>,
    /// For how long, in milliseconds.
    #[cfg_attr(test, schemars(range(max = crate::schema::DURATION_MS_MAX)))]
    pub for_ms: u64,
}

impl FaultParameters for SlowNetwork {
    fn words(&self, _: &Scenario) -> Phrase {
        let every = plain(match self.latency_ms {
            0 => "each connection between clients and ",
            _ => "everything between clients and ",
        })
        .phrase(self.broker.words());
        let slow = match self.latency_ms {
            0 => String::new(),
            latency_ms => format!(" takes {latency_ms} ms longer each way"),
        };
        let narrow = match (self.bytes_per_s, self.latency_ms) {
            (None, _) => String::new(),
            (Some(rate), 0) => format!(" carries at most {} a second", counted(rate, "byte")),
            (Some(rate), _) => format!(
                ", at most {} a second on each connection",
                counted(rate, "byte")
            ),
        };
        every.plain(format!("{slow}{narrow}, for {}", duration_ms(self.for_ms)))
    }

    fn evidence(&self, _: &Scenario) -> &'static str {
        match self.latency_ms {
            0 => "the proxy delayed bytes",
            _ => "the proxy delayed bytes, and a request of ackproof's own took that much longer",
        }
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

    fn check(&self, _: &Scenario) -> Result<(), BadKey> {
        if self.latency_ms == 0 && self.bytes_per_s.is_none() {
            let message =
                "the network is as fast as before: give `latency_ms`, `bytes_per_s` or both";
            return Err(("latency_ms", message.to_owned()));
        }
        Ok(())
    }
}
