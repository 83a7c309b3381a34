//! The Connect worker's process is ended, stays down, and is started again.

use super::{
    Deserialize, EndSignal, FaultDefinition, FaultParameters, FaultTarget, Phrase, Scenario,
    Serialize, duration_ms, plain,
};

pub(super) const DEFINITION: FaultDefinition = FaultDefinition {
    name: "worker-restart",
    breaks: FaultTarget::Connector,
    leads_to: &[],
};

/// Parameters of `worker-restart`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct WorkerRestart {
    /// How it is ended.
    pub signal: EndSignal,
    /// How long it is kept down, in milliseconds.
    #[cfg_attr(test, schemars(range(max = crate::schema::DURATION_MS_MAX)))]
    pub down_ms: u64,
}

impl FaultParameters for WorkerRestart {
    fn words(&self, _: &Scenario) -> Phrase {
        plain(format!(
            "the Connect worker is ended with {}, kept down for {}, and started again",
            self.signal.name(),
            duration_ms(self.down_ms)
        ))
    }

    fn evidence(&self, _: &Scenario) -> &'static str {
        "the process was ended by that signal and is gone, and no replication connection served \
         the slot while it was down"
    }

    fn lasts_ms(&self) -> Option<u64> {
        Some(self.down_ms)
    }
}
