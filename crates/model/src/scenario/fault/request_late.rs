//! Requests reach their brokers when their clients have gone on without them.

use super::{
    BadKey, Deserialize, FaultDefinition, FaultParameters, FaultTarget, Phrase, Requests, Scenario,
    Serialize, duration_ms,
};

pub(super) const DEFINITION: FaultDefinition = FaultDefinition {
    name: "request-late",
    breaks: FaultTarget::ClientLink,
    leads_to: &[],
};

/// What a `request-late` has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RequestLate {
    /// Which requests.
    pub requests: Requests,
    /// How much later they arrive, in milliseconds.
    #[cfg_attr(test, schemars(range(min = 1, max = crate::schema::DURATION_MS_MAX)))]
    pub late_ms: u64,
    /// For how long at most, in milliseconds; it is over as soon as no further
    /// request can meet it.
    #[cfg_attr(test, schemars(range(max = crate::schema::DURATION_MS_MAX)))]
    pub for_ms: u64,
}

impl FaultParameters for RequestLate {
    fn words(&self, _: &Scenario) -> Phrase {
        self.requests.words().plain(format!(
            " is held and its connection reset; the broker gets it {} later, for {} at most",
            duration_ms(self.late_ms),
            duration_ms(self.for_ms)
        ))
    }

    fn evidence(&self, _: &Scenario) -> &'static str {
        "the proxy reset the connections of such requests, and brokers answered the requests later"
    }

    fn limit_ms(&self) -> Option<u64> {
        Some(self.for_ms)
    }

    fn names(&mut self) -> Vec<&mut String> {
        self.requests.names()
    }

    fn check(&self, scenario: &Scenario) -> Result<(), BadKey> {
        if self.late_ms >= self.for_ms {
            let message = "no request arrives in that time: `late_ms` is less than `for_ms`";
            return Err(("late_ms", message.to_owned()));
        }
        self.requests.check(scenario)
    }
}
