//! A broker is killed and never comes back. It is over when every partition
//! has a leader again.

use super::{
    BadKey, BrokerPick, Consequence, Deserialize, FaultDefinition, FaultParameters, FaultTarget,
    Phrase, Scenario, Serialize, check_others_left,
};

pub(super) const DEFINITION: FaultDefinition = FaultDefinition {
    name: "broker-loss",
    breaks: FaultTarget::Brokers,
    leads_to: &[Consequence::BrokersEnd, Consequence::BrokerLost],
};

/// Parameters of `broker-loss`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct BrokerLoss {
    /// Which.
    #[serde(default = "BrokerPick::first")]
    pub broker: BrokerPick,
    /// The operator's reaction to partitions without a leader.
    #[serde(default)]
    pub election: Election,
}

/// A reaction to partitions without a leader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(inline))]
#[serde(rename_all = "kebab-case")]
pub enum Election {
    /// Nothing: the cluster elects by its own rules.
    #[default]
    Own,
    /// The operator forces one on a replica that is left, in sync or not
    /// (`kafka-leader-election.sh --election-type unclean`; KIP-460).
    Unclean,
}

impl FaultParameters for BrokerLoss {
    fn words(&self, _: &Scenario) -> Phrase {
        self.broker.words().plain(match self.election {
            Election::Own => " is killed and never comes back",
            Election::Unclean => {
                " is killed and never comes back; the operator forces an unclean election on \
                 what is left"
            }
        })
    }

    fn evidence(&self, _: &Scenario) -> &'static str {
        "the process was killed and is gone, and its port does not answer"
    }

    fn broker(&self) -> Option<&BrokerPick> {
        Some(&self.broker)
    }

    fn names(&mut self) -> Vec<&mut String> {
        self.broker.names()
    }

    fn check(&self, scenario: &Scenario) -> Result<(), BadKey> {
        self.broker.check_one(&DEFINITION)?;
        check_others_left(&DEFINITION, scenario)
    }
}
