//! A connector, restarted over Connect's REST interface, or stopped and resumed.

use std::sync::Arc;
use std::time::Duration;

use cdc::slot::SlotStatus;
use model::ids::Lsn;
use model::scenario::{ConnectorRestart, RestartTasks, SlotWhileDown};
use stack::connect::{Connect, RestartScope};
use tokio::time::Instant;

use super::injection::{Breakable, Broken, FaultContext, Healed, Proof, Result};
use crate::database::{Database, is_sending};
use crate::error::EngineError;
use crate::wait::{Wait, pass_until};

const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// How long Connect must report a failure before it is taken for the end of
/// the restart.
const DEAD_FOR: Duration = Duration::from_secs(2);

pub(super) struct Restarting {
    connect: Arc<Connect>,
    connector: String,
    slot: String,
    before: Option<SlotStatus>,
    tasks: RestartTasks,
    /// When one that is stopped is resumed.
    until: Option<Instant>,
    while_down: SlotWhileDown,
}

impl Breakable for ConnectorRestart {
    type Broken = Restarting;

    async fn inject(self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<Restarting> {
        let cdc = context.target.cdc().ok_or_else(|| lacking("Connect"))?;
        let capture = context.plan.scenario.capture.as_ref();
        let capture = capture.ok_or_else(|| lacking("capture"))?;
        let before = database(context)?.slot().await?;
        if self.down_ms > 0 {
            let connect = Arc::clone(cdc.connect());
            return stop(self, context, connect, before, proof).await;
        }
        let (tasks, scope) = match self.tasks {
            RestartTasks::Included if context.effect.is_real() => {
                (RestartTasks::Included, RestartScope::WithTasks)
            }
            _ => (RestartTasks::Left, RestartScope::InstanceOnly),
        };
        let connector = capture.connector.clone();
        cdc.connect().restart(&connector, scope).await?;
        proof.add("Connect accepted the restart", true, connector.clone());
        Ok(Restarting {
            connect: Arc::clone(cdc.connect()),
            connector,
            slot: capture.slot.clone(),
            before,
            tasks,
            until: None,
            while_down: SlotWhileDown::Kept,
        })
    }
}

/// Stops the connector, and returns when its task is gone: what is committed
/// from then on nothing captures until it is resumed.
async fn stop(
    fault: ConnectorRestart,
    context: &FaultContext<'_>,
    connect: Arc<Connect>,
    before: Option<SlotStatus>,
    proof: &mut Proof,
) -> Result<Restarting> {
    let capture = context.plan.scenario.capture.as_ref();
    let capture = capture.ok_or_else(|| lacking("capture"))?;
    let connector = capture.connector.clone();
    if context.effect.is_real() {
        connect.stop(&connector).await?;
        proof.add("Connect accepted the stop", true, connector.clone());
        let waiting = context.recorder.waits().begin(Wait::Reconnect, &connector);
        while pid(database(context)?.slot().await?.as_ref()).is_some() {
            if !waiting.pause(LOOK_INTERVAL).await {
                break;
            }
        }
    }
    Ok(Restarting {
        connect,
        connector,
        slot: capture.slot.clone(),
        before,
        tasks: fault.tasks,
        until: Some(Instant::now() + Duration::from_millis(fault.down_ms)),
        while_down: fault.slot,
    })
}

impl Broken for Restarting {
    /// The old task must go: its replication connection shows that it did.
    async fn hold(&mut self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<()> {
        let database = database(context)?;
        if let Some(until) = self.until {
            pass_until(until).await;
            let now = database.slot().await?;
            proof.add(
                "no replication connection serves the slot",
                pid(now.as_ref()).is_none(),
                format!(
                    "PostgreSQL served slot {} by {} before the stop, and by {} at its end",
                    self.slot,
                    sender_of(self.before.as_ref()),
                    sender_of(now.as_ref())
                ),
            );
            if let Some(now) = &now {
                proof.after("the slot kept the write-ahead log", !now.lost, kept(now));
            }
            if self.while_down == SlotWhileDown::Advanced {
                advance(context, database, proof).await?;
            }
            return Ok(());
        }
        let wait = match self.tasks {
            RestartTasks::Included => Wait::Reconnect,
            RestartTasks::Left => Wait::Unchanged,
        };
        let waiting = context.recorder.waits().begin(wait, &self.connector);
        let now = loop {
            let now = database.slot().await?;
            let changed = pid(now.as_ref()) != pid(self.before.as_ref());
            if changed || !waiting.pause(LOOK_INTERVAL).await {
                break now;
            }
        };
        drop(waiting);
        proof.add(
            "the replication connection is not the one before",
            pid(now.as_ref()) != pid(self.before.as_ref()),
            format!(
                "PostgreSQL served slot {} by {} before the restart, and then by {}",
                self.slot,
                sender_of(self.before.as_ref()),
                sender_of(now.as_ref())
            ),
        );
        Ok(())
    }

    async fn heal(self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<Healed> {
        let database = database(context)?;
        if self.until.is_some() && context.effect.is_real() {
            self.connect.resume(&self.connector).await?;
        }
        let waits = context.recorder.waits();
        let waiting = waits.begin(Wait::Reconnect, &self.connector);
        let mut dead_since = None;
        let (back, why) = loop {
            let now = database.slot().await?;
            if now.as_ref().is_some_and(is_sending) {
                break (true, sender_of(now.as_ref()));
            }
            // What was reported before the restart may still be reported for a
            // moment behind it.
            match self.connect.status(&self.connector).await? {
                Some(status) if status.is_dead() => {
                    let since = *dead_since.get_or_insert_with(Instant::now);
                    if since.elapsed() >= DEAD_FOR {
                        let failed = status.check().err();
                        let why = failed.map_or_else(String::new, |failed| failed.to_string());
                        break (false, why);
                    }
                }
                _ => dead_since = None,
            }
            if !waiting.pause(LOOK_INTERVAL).await {
                let limit_ms = Wait::Reconnect.fixed().as_millis();
                break (false, format!("none within {limit_ms} ms"));
            }
        };
        drop(waiting);
        let what = "a task streams from the slot again";
        proof.after(what, back, why.clone());
        if back {
            let _waiting = waits.begin(Wait::Settled, &self.connector);
            let settled = Wait::Settled.fixed();
            let running = self.connect.wait_running(&self.connector, settled).await;
            proof.after(
                "connector and tasks are running",
                running.is_ok(),
                running.map_or_else(|error| error.to_string(), |_| self.connector.clone()),
            );
            return Ok(Healed::At(context.recorder.clock().now()));
        }
        let why = format!("no task streams from slot {} again: {why}", self.slot);
        Ok(Healed::Not { why })
    }
}

/// Moves the slot to the end of the log: what was committed since the connector was stopped
/// lies before it.
async fn advance(context: &FaultContext<'_>, database: &Database, proof: &mut Proof) -> Result<()> {
    let before = database.slot().await?;
    if context.effect.is_real() {
        database.advance_slot().await?;
    }
    let after = database.slot().await?;
    let position = |of: Option<&SlotStatus>| of.and_then(|it| it.confirmed_flush_lsn);
    let (from, to) = (position(before.as_ref()), position(after.as_ref()));
    let end = before.as_ref().map(|it| it.current_wal_lsn);
    let shown = |of: Option<Lsn>| {
        let words = |lsn: Lsn| format!("{:X}/{:X}", lsn.get() >> 32, lsn.get() & 0xffff_ffff);
        of.map_or_else(|| "nothing".to_owned(), words)
    };
    proof.add(
        "the slot's position is the end of the log",
        to > from && to >= end,
        format!("from {} to {}", shown(from), shown(to)),
    );
    Ok(())
}

/// How much log a slot keeps, and what limits that.
fn kept(slot: &SlotStatus) -> String {
    const MEBIBYTE: u64 = 1 << 20;
    if slot.lost {
        return "PostgreSQL has removed log that it needs (max_slot_wal_keep_size)".to_owned();
    }
    let kept = slot.kept_bytes().unwrap_or_default().div_ceil(MEBIBYTE);
    match slot.safe_wal_size {
        Some(left) => {
            let left = u64::try_from(left).unwrap_or_default() / MEBIBYTE;
            format!("{kept} MiB, and {left} MiB more until it is removed")
        }
        None => format!("{kept} MiB, and nothing limits it (max_slot_wal_keep_size=-1)"),
    }
}

/// The server process behind the replication connection, if there is one.
pub(super) fn pid(slot: Option<&SlotStatus>) -> Option<i32> {
    let walsender = slot?.walsender.as_ref()?;
    Some(walsender.pid)
}

pub(super) fn sender_of(slot: Option<&SlotStatus>) -> String {
    pid(slot).map_or_else(|| "no process".to_owned(), |pid| format!("process {pid}"))
}

pub(super) fn database<'s>(context: &FaultContext<'s>) -> Result<&'s Database> {
    context.database.ok_or_else(|| lacking("database"))
}

pub(super) fn lacking(what: &str) -> EngineError {
    EngineError::Lacking {
        what: what.to_owned(),
    }
}
