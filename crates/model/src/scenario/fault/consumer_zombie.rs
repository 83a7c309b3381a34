//! A consumer process is frozen (SIGSTOP), a new one takes its place while it
//! stands still, and then it goes on.

use super::{
    BadKey, Consequence, Deserialize, FaultDefinition, FaultParameters, FaultTarget, Phrase,
    Scenario, Serialize, duration_ms, first_member, plain,
};

pub(super) const DEFINITION: FaultDefinition = FaultDefinition {
    name: "consumer-zombie",
    breaks: FaultTarget::Member,
    leads_to: &[Consequence::MemberReplaced],
};

/// Parameters of `consumer-zombie`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ConsumerZombie {
    /// The `group.id`.
    pub group: String,
    /// Which member, from 1.
    #[serde(default = "first_member")]
    #[cfg_attr(test, schemars(range(min = 1, max = 64)))]
    pub member: u32,
    /// For how long at least it stands still, in milliseconds: until the new
    /// one has its partitions in any case.
    #[cfg_attr(test, schemars(range(max = crate::schema::DURATION_MS_MAX)))]
    pub for_ms: u64,
}

impl FaultParameters for ConsumerZombie {
    fn words(&self, _: &Scenario) -> Phrase {
        plain(format!("member {} of ", self.member))
            .name(&self.group)
            .plain(format!(
                " is frozen (SIGSTOP) for {} at least, a new one takes its place meanwhile, and \
                 then it continues as if nothing had happened",
                duration_ms(self.for_ms)
            ))
    }

    fn evidence(&self, _: &Scenario) -> &'static str {
        "records that it had sent were not yet committed, the process stood still (state T) while \
         a new one took its number and its partitions, and the brokers refused its requests \
         when it went on"
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
        // One that only reads is frozen by `consumer-pause`, and finds out by
        // itself what became of its partitions.
        if scenario.groups.iter().any(|only| only.name == self.group) {
            let message = format!(
                "`consumer-zombie` takes the place of a member of a [[transform]], and `{}` only \
                 reads: did you mean `consumer-pause`?",
                self.group
            );
            return Err(("group", message));
        }
        Ok(())
    }
}
