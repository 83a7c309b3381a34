//! The Connect worker, ended, kept down and started again. It is healed when a task streams
//! from the slot again: Connect keeps a lost worker's tasks back until its session
//! is over.

use std::sync::Arc;
use std::time::Duration;

use model::scenario::{EndSignal, WorkerRestart};
use stack::connect::Connect;
use stack::process::ProcessSnapshot;
use tokio::time::Instant;

use super::broker::{ended_by, prove_gone};
use super::connector_restart::{database, lacking, pid, sender_of};
use super::injection::{Breakable, Broken, FaultContext, Healed, Proof, Result};
use crate::database::is_sending;
use crate::error::EngineError;
use crate::wait::{Wait, pass_until};

const LOOK_INTERVAL: Duration = Duration::from_millis(50);

pub(super) struct Down {
    connect: Arc<Connect>,
    slot: String,
    before: ProcessSnapshot,
    until: Instant,
}

impl Breakable for WorkerRestart {
    type Broken = Down;

    async fn inject(self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<Down> {
        let cdc = context.target.cdc().ok_or_else(|| lacking("Connect"))?;
        let capture = context.plan.scenario.capture.as_ref();
        let capture = capture.ok_or_else(|| lacking("capture"))?;
        let connect = Arc::clone(cdc.connect());
        let before = connect.service().snapshot()?;
        if context.effect.is_real() {
            let stopped = match self.signal {
                EndSignal::Term => connect.service().stop(Wait::BrokerEnd.fixed()).await?,
                EndSignal::Kill => connect.service().kill().await?,
            };
            proof.add(
                &format!("the process ended by {}", self.signal.name()),
                ended_by(self.signal, stopped.exit),
                format!("{}, after {} ms", stopped.exit, stopped.took_ms),
            );
        }
        Ok(Down {
            connect,
            slot: capture.slot.clone(),
            before,
            until: Instant::now() + Duration::from_millis(self.down_ms),
        })
    }
}

impl Broken for Down {
    async fn hold(&mut self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<()> {
        prove_gone(proof, &[self.before]);
        pass_until(self.until).await;
        let now = database(context)?.slot().await?;
        proof.add(
            "no replication connection serves the slot",
            pid(now.as_ref()).is_none(),
            format!(
                "PostgreSQL served slot {} by {} at the end of it",
                self.slot,
                sender_of(now.as_ref())
            ),
        );
        Ok(())
    }

    async fn heal(self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<Healed> {
        if !context.effect.is_real() {
            return Ok(Healed::At(context.recorder.clock().now()));
        }
        match self.connect.service().start().await {
            Ok(started) => proof.after(
                "the worker is ready again",
                true,
                format!("{} ms after its start", started.ready_ms),
            ),
            Err(error) if error.is_by_others() => return Err(error.into()),
            Err(error) => {
                let why = EngineError::from(error).with_causes();
                proof.after("the worker is ready again", false, why.clone());
                return Ok(Healed::Not { why });
            }
        }
        let ready = Instant::now();
        let database = database(context)?;
        let waiting = context.recorder.waits().begin(Wait::TakenUp, &self.slot);
        let streams = loop {
            let now = database.slot().await?;
            if now.as_ref().is_some_and(is_sending) {
                break true;
            }
            if !waiting.pause(LOOK_INTERVAL).await {
                break false;
            }
        };
        drop(waiting);
        let waited = ready.elapsed().as_secs();
        proof.after(
            "a task streams from the slot again",
            streams,
            format!("{waited} s after the worker was ready"),
        );
        if streams {
            return Ok(Healed::At(context.recorder.clock().now()));
        }
        let why = format!(
            "no task streams from slot {} {waited} s after the worker was ready",
            self.slot
        );
        Ok(Healed::Not { why })
    }
}
