//! Every broker in turn is ended and started again, the controllers' leader
//! last; each waits until all replicas are in sync again.

use super::{
    Consequence, Deserialize, EndSignal, FaultDefinition, FaultParameters, FaultTarget, Phrase,
    Scenario, Serialize, plain,
};

pub(super) const DEFINITION: FaultDefinition = FaultDefinition {
    name: "rolling-bounce",
    breaks: FaultTarget::Brokers,
    leads_to: &[Consequence::BrokersEnd],
};

/// Parameters of `rolling-bounce`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RollingBounce {
    /// How each is ended.
    #[serde(default)]
    pub signal: EndSignal,
}

impl FaultParameters for RollingBounce {
    fn words(&self, _: &Scenario) -> Phrase {
        plain(format!(
            "every broker in turn is ended with {} and started again, the controllers' leader \
             last; each waits until all replicas are in sync again",
            self.signal.name()
        ))
    }

    fn evidence(&self, _: &Scenario) -> &'static str {
        "each process was ended by that signal and is gone"
    }
}
