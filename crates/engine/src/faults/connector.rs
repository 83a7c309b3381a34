//! A connector, restarted over Connect's REST interface.

use std::time::Duration;

use capture::slot::SlotState;
use model::ids::Micros;
use model::scenario::{Effect, RestartTasks};
use stack::connect::{Connect, RestartScope};
use std::sync::Arc;
use tokio::time::Instant;

use super::{Breakable, Broken, Proof, Site, is_real};
use crate::database::{Database, is_sending};
use crate::error::EngineError;

/// How long a restarted task may take to open its replication connection
/// again. Debezium itself retries for longer; a scenario would not wait.
const RECONNECT_LIMIT: Duration = Duration::from_mins(1);
/// How long the connection is watched when no task was to be restarted.
const UNCHANGED_LIMIT: Duration = Duration::from_secs(3);
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// To be restarted.
pub(super) struct Restart {
    connect: Arc<Connect>,
    connector: String,
    slot: String,
    tasks: RestartTasks,
}

impl Restart {
    pub(super) fn of(
        site: &Site<'_>,
        tasks: RestartTasks,
        effect: Effect,
    ) -> Result<Self, EngineError> {
        let lacking = |what: &str| EngineError::Lacking {
            what: what.to_owned(),
        };
        let cdc = site.target.cdc().ok_or_else(|| lacking("Connect"))?;
        let capture = site.plan.scenario.capture.as_ref();
        let capture = capture.ok_or_else(|| lacking("capture"))?;
        Ok(Self {
            connect: Arc::clone(cdc.connect()),
            connector: capture.connector.clone(),
            slot: capture.slot.clone(),
            tasks: if is_real(effect) {
                tasks
            } else {
                RestartTasks::Left
            },
        })
    }
}

pub(super) struct Restarting {
    connect: Arc<Connect>,
    connector: String,
    slot: String,
    before: Option<SlotState>,
    tasks: RestartTasks,
}

impl Breakable for Restart {
    type Broken = Restarting;

    async fn inject(self, site: &Site<'_>, proof: &mut Proof) -> Result<Restarting, EngineError> {
        let before = database(site)?.slot().await?;
        let with = match self.tasks {
            RestartTasks::Included => RestartScope::WithTasks,
            RestartTasks::Left => RestartScope::InstanceOnly,
        };
        self.connect.restart(&self.connector, with).await?;
        proof.add("Connect accepted the restart", true, self.connector.clone());
        Ok(Restarting {
            connect: self.connect,
            connector: self.connector,
            slot: self.slot,
            before,
            tasks: self.tasks,
        })
    }
}

impl Broken for Restarting {
    async fn hold(&mut self, _: &Site<'_>, _: &mut Proof) -> Result<(), EngineError> {
        Ok(())
    }

    async fn heal(self, site: &Site<'_>, proof: &mut Proof) -> Result<Micros, EngineError> {
        let database = database(site)?;
        let limit = match self.tasks {
            RestartTasks::Included => RECONNECT_LIMIT,
            RestartTasks::Left => UNCHANGED_LIMIT,
        };
        let until = Instant::now() + limit;
        let after = loop {
            let now = database.slot().await?;
            let reconnected = now.as_ref().is_some_and(is_sending)
                && pid(now.as_ref()) != pid(self.before.as_ref());
            if reconnected || Instant::now() >= until {
                break now;
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        };
        let running = self.connect.wait_running(&self.connector, limit).await;
        proof.add(
            "connector and tasks are running",
            running.is_ok(),
            running.map_or_else(|error| error.to_string(), |_| self.connector.clone()),
        );
        proof.add(
            "the task's replication connection is a new one",
            pid(after.as_ref()).is_some() && pid(after.as_ref()) != pid(self.before.as_ref()),
            format!(
                "PostgreSQL serves slot {} by {}, before the restart by {}",
                self.slot,
                told(after.as_ref()),
                told(self.before.as_ref())
            ),
        );
        Ok(site.ledger.clock().now())
    }
}

/// The server process behind the replication connection, if there is one.
fn pid(slot: Option<&SlotState>) -> Option<i32> {
    let walsender = slot?.walsender.as_ref()?;
    Some(walsender.pid)
}

fn told(slot: Option<&SlotState>) -> String {
    pid(slot).map_or_else(|| "nobody".to_owned(), |pid| format!("process {pid}"))
}

fn database<'s>(site: &Site<'s>) -> Result<&'s Database, EngineError> {
    site.database.ok_or_else(|| EngineError::Lacking {
        what: "database".to_owned(),
    })
}
