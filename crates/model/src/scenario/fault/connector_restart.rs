//! The connector is restarted over Connect's REST interface, or stopped and
//! resumed.

use super::{
    BadKey, Deserialize, FaultDefinition, FaultParameters, FaultTarget, Phrase, Scenario,
    Serialize, duration_ms, plain,
};

pub(super) const DEFINITION: FaultDefinition = FaultDefinition {
    name: "connector-restart",
    breaks: FaultTarget::Connector,
    leads_to: &[],
};

/// Parameters of `connector-restart`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ConnectorRestart {
    /// Whether its tasks are restarted with it.
    #[serde(default)]
    pub tasks: RestartTasks,
    /// How long the connector is stopped, in milliseconds; 0 is a restart over
    /// REST, which leaves no time between.
    #[serde(default)]
    #[cfg_attr(test, schemars(range(max = crate::schema::DURATION_MS_MAX)))]
    pub down_ms: u64,
    /// What becomes of the replication slot while the connector is stopped.
    #[serde(default)]
    pub slot: SlotWhileDown,
}

/// What becomes of a replication slot while nothing reads it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(inline))]
#[serde(rename_all = "kebab-case")]
pub enum SlotWhileDown {
    /// It stays where the connector left it.
    #[default]
    Kept,
    /// It is moved to the end of the write-ahead log just before the connector
    /// is resumed, as when somebody makes it anew.
    Advanced,
}

/// Whether a connector's tasks are restarted with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(inline))]
#[serde(rename_all = "kebab-case")]
pub enum RestartTasks {
    /// `?includeTasks=true&onlyFailed=false`.
    #[default]
    Included,
    /// The bare call: the connector's own instance only, which captures
    /// nothing itself.
    Left,
}

impl FaultParameters for ConnectorRestart {
    fn words(&self, scenario: &Scenario) -> Phrase {
        let connector = match &scenario.capture {
            Some(capture) => plain("connector ").name(&capture.connector),
            None => plain("the connector"),
        };
        if self.down_ms > 0 {
            let slot = match self.slot {
                SlotWhileDown::Kept => "",
                SlotWhileDown::Advanced => ", its slot moved to the end of the log before",
            };
            return connector.plain(format!(
                " is stopped over REST (PUT …/stop), and resumed after {}{slot}",
                duration_ms(self.down_ms)
            ));
        }
        connector.plain(match self.tasks {
            RestartTasks::Included => {
                " and its task are restarted over REST (?includeTasks=true&onlyFailed=false)"
            }
            RestartTasks::Left => " is restarted over REST without its task",
        })
    }

    fn lasts_ms(&self) -> Option<u64> {
        (self.down_ms > 0).then_some(self.down_ms)
    }

    fn check(&self, _: &Scenario) -> Result<(), BadKey> {
        if self.down_ms > 0 && self.tasks == RestartTasks::Left {
            let message = "a connector that is stopped has no tasks: `tasks = \"left\"` goes \
                           without `down_ms`";
            return Err(("down_ms", message.to_owned()));
        }
        if self.down_ms == 0 && self.slot == SlotWhileDown::Advanced {
            let message = "a slot can be moved only while nothing reads it: `slot = \"advanced\"` \
                           needs `down_ms`";
            return Err(("slot", message.to_owned()));
        }
        Ok(())
    }

    fn evidence(&self, _: &Scenario) -> &'static str {
        if self.slot == SlotWhileDown::Advanced {
            return "no replication connection served the slot while the connector was stopped, \
                    and the slot's position was the end of the log then";
        }
        if self.down_ms > 0 {
            return "no replication connection served the slot while the connector was stopped";
        }
        "PostgreSQL no longer serves the replication slot over the connection of the task before"
    }
}
