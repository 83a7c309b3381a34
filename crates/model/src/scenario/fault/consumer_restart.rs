//! A consumer process is ended and a new one started.

use super::{
    BadKey, Consequence, Deserialize, EndSignal, FaultDefinition, FaultParameters, FaultTarget,
    Phrase, Scenario, Serialize, duration_ms, first_member, plain,
};

pub(super) const DEFINITION: FaultDefinition = FaultDefinition {
    name: "consumer-restart",
    breaks: FaultTarget::Member,
    leads_to: &[Consequence::MemberEnds],
};

/// Parameters of `consumer-restart`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ConsumerRestart {
    /// The `group.id`.
    pub group: String,
    /// Which member, from 1.
    #[serde(default = "first_member")]
    #[cfg_attr(test, schemars(range(min = 1, max = 64)))]
    pub member: u32,
    /// How it is ended.
    pub signal: EndSignal,
    /// How long until the new one starts, in milliseconds.
    #[cfg_attr(test, schemars(range(max = crate::schema::DURATION_MS_MAX)))]
    pub down_ms: u64,
    /// The state of the group's committed offsets meanwhile. `deleted` needs one member,
    /// `signal = "term"` and no `group.instance.id`.
    #[serde(default)]
    pub offsets: Offsets,
}

/// The state of a group's committed offsets while none of its members runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(inline))]
#[serde(rename_all = "kebab-case")]
pub enum Offsets {
    /// They stay.
    #[default]
    Kept,
    /// They are deleted, as they are when `offsets.retention.minutes` have
    /// passed since the last member left.
    Deleted,
}

impl FaultParameters for ConsumerRestart {
    fn words(&self, _: &Scenario) -> Phrase {
        let offsets = match self.offsets {
            Offsets::Kept => "",
            Offsets::Deleted => {
                "the group's committed offsets are deleted, as when offsets.retention.minutes \
                 have passed, "
            }
        };
        plain(format!("member {} of ", self.member))
            .name(&self.group)
            .plain(format!(
                " is ended with {}, {offsets}and a new one is started {} later",
                self.signal.name(),
                duration_ms(self.down_ms)
            ))
    }

    fn evidence(&self, scenario: &Scenario) -> &'static str {
        let mut transforms = scenario.transforms.iter();
        if self.offsets == Offsets::Deleted {
            "the process was ended by that signal and is gone, and the coordinator knew committed \
             offsets of the group before and none afterwards"
        } else if self.signal == EndSignal::Kill && transforms.any(|it| it.name == self.group) {
            "records that it had sent were not yet committed, and the process was ended by that \
             signal and is gone"
        } else {
            "the process was ended by that signal and is gone"
        }
    }

    fn lasts_ms(&self) -> Option<u64> {
        Some(self.down_ms)
    }

    fn member(&self) -> Option<(&str, u32)> {
        Some((&self.group, self.member))
    }

    fn down_ms(&self) -> u64 {
        self.down_ms
    }

    fn names(&mut self) -> Vec<&mut String> {
        vec![&mut self.group]
    }

    fn check(&self, scenario: &Scenario) -> Result<(), BadKey> {
        let is_static = scenario
            .config_of(&self.group)
            .contains_key("group.instance.id");
        let is_empty = scenario.members_of(&self.group) == Some(1)
            && self.signal == EndSignal::Term
            && !is_static;
        if self.offsets == Offsets::Deleted && !is_empty {
            let why = "offsets are deleted of a group without members: one member, ended by \
                       `term`, without `group.instance.id`";
            return Err(("offsets", why.to_owned()));
        }
        Ok(())
    }
}
