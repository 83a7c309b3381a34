//! Other brokers cannot replicate from a broker, nor reach it otherwise over
//! the link that brokers share; clients and controllers still can.

use super::{
    BadKey, BrokerPick, Deserialize, FaultDefinition, FaultParameters, FaultTarget, Phrase,
    Scenario, Serialize, check_others_left, duration_ms, plain,
};

pub(super) const DEFINITION: FaultDefinition = FaultDefinition {
    name: "link-cut",
    breaks: FaultTarget::ReplicationLink,
    leads_to: &[],
};

/// Parameters of `link-cut`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LinkCut {
    /// From which.
    #[serde(default = "BrokerPick::first")]
    pub broker: BrokerPick,
    /// Which of the others.
    #[serde(default)]
    pub peers: Peers,
    /// For how long, in milliseconds.
    #[cfg_attr(test, schemars(range(max = crate::schema::DURATION_MS_MAX)))]
    pub for_ms: u64,
}

/// Which of the other brokers a link cut is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(inline))]
#[serde(rename_all = "kebab-case")]
pub enum Peers {
    /// All of them.
    #[default]
    All,
    /// One: the one of the lowest number.
    One,
}

impl FaultParameters for LinkCut {
    fn words(&self, _: &Scenario) -> Phrase {
        plain(match self.peers {
            Peers::All => "no other broker can replicate from ",
            Peers::One => "one other broker cannot replicate from ",
        })
        .phrase(self.broker.words())
        .plain(format!(
            " for {}; clients and controllers still reach all of them",
            duration_ms(self.for_ms)
        ))
    }

    fn evidence(&self, _: &Scenario) -> &'static str {
        "the proxy between the brokers swallowed bytes of those that were cut off, the broker \
         itself was alive, and the ISR shrank, if the cut is long enough for that"
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

    fn check(&self, scenario: &Scenario) -> Result<(), BadKey> {
        check_others_left(&DEFINITION, scenario)
    }
}
