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
            return connector.plain(format!(
                " is stopped over REST (PUT …/stop), and resumed after {}",
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
        Ok(())
    }

    fn evidence(&self, _: &Scenario) -> &'static str {
        if self.down_ms > 0 {
            return "no replication connection served the slot while the connector was stopped";
        }
        "PostgreSQL no longer serves the replication slot over the connection of the task before"
    }
}
