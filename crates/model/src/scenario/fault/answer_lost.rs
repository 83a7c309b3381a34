//! Brokers act on requests, and the answers are lost with their connections.

use super::{
    BadKey, Deserialize, FaultDefinition, FaultParameters, FaultTarget, Phrase, Requests, Scenario,
    Serialize, duration_ms, plain,
};

pub(super) const DEFINITION: FaultDefinition = FaultDefinition {
    name: "answer-lost",
    breaks: FaultTarget::ClientLink,
    leads_to: &[],
};

/// Parameters of `answer-lost`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AnswerLost {
    /// Which requests.
    pub requests: Requests,
    /// For how long at most, in milliseconds; it is over as soon as no further
    /// request can meet it.
    #[cfg_attr(test, schemars(range(max = crate::schema::DURATION_MS_MAX)))]
    pub for_ms: u64,
}

impl FaultParameters for AnswerLost {
    fn words(&self, _: &Scenario) -> Phrase {
        plain("of ").phrase(self.requests.words()).plain(format!(
            ", the broker acts on each and the answer is lost with its connection, for {} at most",
            duration_ms(self.for_ms)
        ))
    }

    fn evidence(&self, _: &Scenario) -> &'static str {
        "the proxy let such requests pass and swallowed their answers"
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
