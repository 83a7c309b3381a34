//! The user's application is frozen (SIGSTOP) and continued.

use super::{
    Deserialize, FaultDefinition, FaultParameters, FaultTarget, Phrase, Scenario, Serialize,
    duration_ms, plain,
};

pub(super) const DEFINITION: FaultDefinition = FaultDefinition {
    name: "app-pause",
    breaks: FaultTarget::App,
    leads_to: &[],
};

/// Parameters of `app-pause`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AppPause {
    /// For how long, in milliseconds.
    #[cfg_attr(test, schemars(range(max = crate::schema::DURATION_MS_MAX)))]
    pub for_ms: u64,
}

impl FaultParameters for AppPause {
    fn words(&self, _: &Scenario) -> Phrase {
        plain(format!(
            "your application is frozen (SIGSTOP) for {}; it keeps what it has in hand",
            duration_ms(self.for_ms)
        ))
    }

    fn evidence(&self, _: &Scenario) -> &'static str {
        "its process, and all below it, stood still (state T) the whole time"
    }

    fn lasts_ms(&self) -> Option<u64> {
        Some(self.for_ms)
    }
}
