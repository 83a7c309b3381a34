//! A broker's log directory is full: appends fail. The broker gives up; when
//! there is room again, it is started again.

use super::{
    BadKey, BrokerPick, Deserialize, FaultDefinition, FaultParameters, FaultTarget, Phrase,
    Scenario, Serialize, duration_ms,
};

pub(super) const DEFINITION: FaultDefinition = FaultDefinition {
    name: "disk-full",
    breaks: FaultTarget::Brokers,
    leads_to: &[],
};

/// Parameters of `disk-full`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DiskFull {
    /// Which.
    #[serde(default = "BrokerPick::first")]
    pub broker: BrokerPick,
    /// The topic whose partition fills it.
    pub topic: String,
    /// For how long, in milliseconds.
    #[cfg_attr(test, schemars(range(max = crate::schema::DURATION_MS_MAX)))]
    pub for_ms: u64,
}

impl FaultParameters for DiskFull {
    fn words(&self, _: &Scenario) -> Phrase {
        self.broker
            .words()
            .plain(" finds no more room for the log of ")
            .name(&self.topic)
            .plain(format!(
                "; after {} there is room again, and it is started again",
                duration_ms(self.for_ms)
            ))
    }

    fn evidence(&self, _: &Scenario) -> &'static str {
        "the broker's log says that an append failed, and its process ended by itself"
    }

    fn lasts_ms(&self) -> Option<u64> {
        Some(self.for_ms)
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
