//! The connector is restarted over Connect's REST interface.

use super::{
    Deserialize, FaultDefinition, FaultParameters, FaultTarget, Phrase, Scenario, Serialize, plain,
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
        connector.plain(match self.tasks {
            RestartTasks::Included => {
                " and its task are restarted over REST (?includeTasks=true&onlyFailed=false)"
            }
            RestartTasks::Left => " is restarted over REST without its task",
        })
    }

    fn evidence(&self, _: &Scenario) -> &'static str {
        "PostgreSQL no longer serves the replication slot over the connection of the task before"
    }
}
