//! A consumer process is frozen (SIGSTOP) and continued.

use super::{
    BadKey, Deserialize, FaultDefinition, FaultParameters, FaultTarget, Phrase, Scenario,
    Serialize, duration_ms, first_member, plain,
};

pub(super) const DEFINITION: FaultDefinition = FaultDefinition {
    name: "consumer-pause",
    breaks: FaultTarget::Member,
    leads_to: &[],
};

/// Parameters of `consumer-pause`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ConsumerPause {
    /// The `group.id`.
    pub group: String,
    /// Which member, from 1.
    #[serde(default = "first_member")]
    #[cfg_attr(test, schemars(range(min = 1, max = 64)))]
    pub member: u32,
    /// For how long, in milliseconds.
    #[cfg_attr(test, schemars(range(max = crate::schema::DURATION_MS_MAX)))]
    pub for_ms: u64,
    /// Whether its partitions must have gone to another member before it goes
    /// on; `awaited` needs a second member.
    #[serde(default)]
    pub takeover: Takeover,
}

/// Whether a frozen member's partitions must have gone to another one before
/// it goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(inline))]
#[serde(rename_all = "kebab-case")]
pub enum Takeover {
    /// They may.
    #[default]
    Open,
    /// They must: otherwise the fault never took effect.
    Awaited,
}

impl FaultParameters for ConsumerPause {
    fn words(&self, _: &Scenario) -> Phrase {
        plain(format!("member {} of ", self.member))
            .name(&self.group)
            .plain(format!(
                " is frozen (SIGSTOP) for {}{}; it keeps its polled records",
                duration_ms(self.for_ms),
                match self.takeover {
                    Takeover::Open => "",
                    Takeover::Awaited => " at least, and until another member has taken over",
                }
            ))
    }

    fn evidence(&self, _: &Scenario) -> &'static str {
        match self.takeover {
            Takeover::Open => "the process stood still (state T) the whole time",
            Takeover::Awaited => {
                "the process stood still (state T) the whole time, and the coordinator accepted \
                 another member's commits of its partitions"
            }
        }
    }

    fn lasts_ms(&self) -> Option<u64> {
        Some(self.for_ms)
    }

    fn member(&self) -> Option<(&str, u32)> {
        Some((&self.group, self.member))
    }

    fn names(&mut self) -> Vec<&mut String> {
        vec![&mut self.group]
    }

    fn check(&self, scenario: &Scenario) -> Result<(), BadKey> {
        if self.takeover == Takeover::Awaited && scenario.members_of(&self.group) < Some(2) {
            let why = "there is no other member to take over";
            return Err(("takeover", why.to_owned()));
        }
        Ok(())
    }
}
