//! A broker is killed, and a topic's partition directories are deleted before
//! it is started again. The cluster's metadata stays.

use super::{
    BadKey, BrokerPick, Consequence, Deserialize, FaultDefinition, FaultParameters, FaultTarget,
    Phrase, Scenario, Serialize,
};

pub(super) const DEFINITION: FaultDefinition = FaultDefinition {
    name: "disk-loss",
    breaks: FaultTarget::Brokers,
    leads_to: &[Consequence::DiskLost],
};

/// Parameters of `disk-loss`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DiskLoss {
    /// Which.
    #[serde(default = "BrokerPick::first")]
    pub broker: BrokerPick,
    /// Whose partitions.
    pub topic: String,
}

impl FaultParameters for DiskLoss {
    fn words(&self, _: &Scenario) -> Phrase {
        self.broker
            .words()
            .plain(" is killed, the partition directories of ")
            .name(&self.topic)
            .plain(" are deleted, and it is started again; the cluster's metadata stays")
    }

    fn evidence(&self, _: &Scenario) -> &'static str {
        "the process was gone, and so were the directories"
    }

    fn broker(&self) -> Option<&BrokerPick> {
        Some(&self.broker)
    }

    fn names(&mut self) -> Vec<&mut String> {
        let mut names = self.broker.names();
        names.push(&mut self.topic);
        names
    }

    fn check(&self, scenario: &Scenario) -> Result<(), BadKey> {
        self.broker.check_one(&DEFINITION)?;
        let stored = scenario.check_stored(&self.topic);
        stored.map_err(|why| ("topic", why))
    }
}
