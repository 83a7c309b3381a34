//! The proxy delivers nothing either way between clients and brokers; new
//! connections are not answered. At the end the old connections are dead.

use super::{
    BrokerPick, Consequence, Deserialize, FaultDefinition, FaultParameters, FaultTarget, Phrase,
    Scenario, Serialize, duration_ms, plain,
};

pub(super) const DEFINITION: FaultDefinition = FaultDefinition {
    name: "network-cut",
    breaks: FaultTarget::ClientLink,
    leads_to: &[Consequence::BrokersUnreachable],
};

/// Parameters of `network-cut`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NetworkCut {
    /// Before which brokers.
    #[serde(default)]
    pub broker: BrokerPick,
    /// For how long, in milliseconds.
    #[cfg_attr(test, schemars(range(max = crate::schema::DURATION_MS_MAX)))]
    pub for_ms: u64,
    /// How it begins.
    #[serde(default)]
    pub onset: CutOnset,
}

/// How a network cut begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(inline))]
#[serde(rename_all = "kebab-case")]
pub enum CutOnset {
    /// Both ways at once.
    #[default]
    AtOnce,
    /// The way back first: the next request still arrives, and its answer is
    /// the first thing that is lost. What happens by chance when a network
    /// fails under traffic is so made to happen every time.
    AnswersFirst,
}

impl FaultParameters for NetworkCut {
    fn words(&self, _: &Scenario) -> Phrase {
        let before = match &self.broker {
            BrokerPick::All => Phrase::default(),
            one => plain("before ").phrase(one.words()).plain(", "),
        };
        before.plain(format!(
            "{}the proxy delivers nothing either way for {}, and new connections are not \
             answered; after that the old connections are dead",
            match self.onset {
                CutOnset::AtOnce => "",
                CutOnset::AnswersFirst => "an answer is lost on its way back, then ",
            },
            duration_ms(self.for_ms)
        ))
    }

    fn evidence(&self, _: &Scenario) -> &'static str {
        "the proxy swallowed bytes and cut connections, a new connection was not answered, and \
         the broker itself was alive"
    }

    fn lasts_ms(&self) -> Option<u64> {
        Some(self.for_ms)
    }

    fn broker(&self) -> Option<&BrokerPick> {
        Some(&self.broker)
    }

    fn names(&mut self) -> Vec<&mut String> {
        self.broker.names()
    }
}
