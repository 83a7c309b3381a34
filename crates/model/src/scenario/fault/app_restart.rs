//! The user's application is ended, and started again.

use super::{
    Deserialize, EndSignal, FaultDefinition, FaultParameters, FaultTarget, Phrase, Scenario,
    Serialize, duration_ms, plain,
};

pub(super) const DEFINITION: FaultDefinition = FaultDefinition {
    name: "app-restart",
    breaks: FaultTarget::App,
    leads_to: &[],
};

/// Parameters of `app-restart`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AppRestart {
    /// How it is ended: its process and all below it.
    pub signal: EndSignal,
    /// How long until it is started again, in milliseconds.
    #[cfg_attr(test, schemars(range(max = crate::schema::DURATION_MS_MAX)))]
    pub down_ms: u64,
}

impl FaultParameters for AppRestart {
    fn words(&self, _: &Scenario) -> Phrase {
        plain(format!(
            "your application is ended with {}, and started again {} later",
            self.signal.name(),
            duration_ms(self.down_ms)
        ))
    }

    fn evidence(&self, _: &Scenario) -> &'static str {
        "its process ran until then, was ended, and is gone with all below it"
    }

    fn lasts_ms(&self) -> Option<u64> {
        Some(self.down_ms)
    }
}
