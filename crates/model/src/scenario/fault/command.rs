//! Commands of the user's break something, show that it is broken, and mend it: for
//! machines, containers and clusters that are not this run's own.

use super::{
    BadKey, Deserialize, FaultDefinition, FaultParameters, FaultTarget, Phrase, Scenario,
    Serialize, duration_ms, plain,
};

pub(super) const DEFINITION: FaultDefinition = FaultDefinition {
    name: "command",
    breaks: FaultTarget::External,
    leads_to: &[],
};

/// Parameters of `command`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Command {
    /// What it does, in words, as in "pod kafka-1 is deleted".
    #[cfg_attr(test, schemars(length(min = 1)))]
    pub title: String,
    /// Breaks it: a line for `sh -c`.
    #[cfg_attr(test, schemars(length(min = 1)))]
    pub inject: String,
    /// Mends it, where it does not come back by itself. Also carried out when the run is
    /// interrupted, and by `ackproof cleanup` after one that was killed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(length(min = 1)))]
    pub heal: Option<String>,
    /// Prints in which state it is, without breaking anything. The fault counts if this prints
    /// something else, or ends with another exit code, than before.
    #[cfg_attr(test, schemars(length(min = 1)))]
    pub evidence: String,
    /// How long it lasts, in milliseconds: from the end of `inject` until `heal` begins.
    #[cfg_attr(test, schemars(range(max = crate::schema::DURATION_MS_MAX)))]
    pub for_ms: u64,
    /// How long each command may take, in milliseconds.
    #[serde(default = "command_limit_ms")]
    #[cfg_attr(test, schemars(range(min = 1, max = crate::schema::DURATION_MS_MAX)))]
    pub limit_ms: u64,
}

/// A command's time, where a scenario says nothing.
const fn command_limit_ms() -> u64 {
    30_000
}

impl FaultParameters for Command {
    fn words(&self, _: &Scenario) -> Phrase {
        plain(format!(
            "{}, for {}, by a command of yours",
            self.title,
            duration_ms(self.for_ms)
        ))
    }

    fn evidence(&self, _: &Scenario) -> &'static str {
        "your evidence command said the same twice before, and something else since"
    }

    fn lasts_ms(&self) -> Option<u64> {
        Some(self.for_ms)
    }

    fn limit_ms(&self) -> Option<u64> {
        // Before it, after it, and each look at it.
        Some(self.for_ms.saturating_add(self.limit_ms.saturating_mul(5)))
    }

    fn check(&self, _: &Scenario) -> Result<(), BadKey> {
        let commands = [
            ("title", Some(&self.title)),
            ("inject", Some(&self.inject)),
            ("heal", self.heal.as_ref()),
            ("evidence", Some(&self.evidence)),
        ];
        for (key, text) in commands {
            let Some(text) = text else { continue };
            if text.trim().is_empty() {
                return Err((key, format!("`{key}` is empty")));
            }
            if !secret::Secrets::in_text(text).is_empty() {
                let message = format!(
                    "`{key}` has a secret in it, and plans and reports show it: let the command \
                     read a file or a variable of the environment"
                );
                return Err((key, message));
            }
        }
        if self.limit_ms == 0 {
            return Err(("limit_ms", "a command needs some time".to_owned()));
        }
        Ok(())
    }
}
