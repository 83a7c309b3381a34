//! Requests are answered with an error.

use super::{
    BadKey, Deserialize, FaultDefinition, FaultParameters, FaultTarget, Phrase, Requests, Scenario,
    Serialize, duration_ms,
};

pub(super) const DEFINITION: FaultDefinition = FaultDefinition {
    name: "request-refused",
    breaks: FaultTarget::ClientLink,
    leads_to: &[],
};

/// Parameters of `request-refused`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RequestRefused {
    /// Which requests.
    pub requests: Requests,
    /// Kafka's name of the error: `NOT_ENOUGH_REPLICAS`, `REQUEST_TIMED_OUT`, …
    pub code: String,
    /// Whether the broker has acted.
    #[serde(default)]
    pub moment: ErrorMoment,
    /// For how long at most, in milliseconds; it is over as soon as no further
    /// request can meet it.
    #[cfg_attr(test, schemars(range(max = crate::schema::DURATION_MS_MAX)))]
    pub for_ms: u64,
}

/// When a request is answered with an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(inline))]
#[serde(rename_all = "kebab-case")]
pub enum ErrorMoment {
    /// In the broker's place, which never sees the request.
    #[default]
    Before,
    /// In place of the broker's answer: it has acted.
    After,
}

impl FaultParameters for RequestRefused {
    fn words(&self, _: &Scenario) -> Phrase {
        self.requests
            .words()
            .plain(" is answered with ")
            .name(&self.code)
            .plain(format!(
                ", {}, for {} at most",
                match self.moment {
                    ErrorMoment::Before => "and the broker never sees it",
                    ErrorMoment::After => "although the broker has acted on it",
                },
                duration_ms(self.for_ms)
            ))
    }

    fn evidence(&self, _: &Scenario) -> &'static str {
        "the proxy answered such requests with that error"
    }

    fn limit_ms(&self) -> Option<u64> {
        Some(self.for_ms)
    }

    fn names(&mut self) -> Vec<&mut String> {
        self.requests.names()
    }

    fn check(&self, scenario: &Scenario) -> Result<(), BadKey> {
        self.requests.check(scenario)
    }
}
