//! A broker's log directory is full for a time.

use std::sync::Arc;
use std::time::Duration;

use model::scenario::DiskFull;
use stack::broker::LocalBroker;
use stack::broker::full_disk::FullDisk;
use stack::process::ProcessSnapshot;
use tokio::time::Instant;

use super::broker::{picked_one, start_again};
use super::injection::{Breakable, Broken, FaultContext, Healed, Proof, Result};
use crate::wait::{pass, pass_until};

/// How often a broker that is about to end is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

pub(super) struct Filled {
    broker: Arc<LocalBroker>,
    before: ProcessSnapshot,
    full: Option<FullDisk>,
    until: Instant,
}

impl Breakable for DiskFull {
    type Broken = Filled;

    async fn inject(self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<Filled> {
        let broker = picked_one(context, &self.broker, proof).await?;
        let before = broker.service().snapshot()?;
        let full = if context.effect.is_real() {
            // It ends by itself, and that is what the fault is.
            broker.service().may_end();
            Some(broker.fill_disk(&self.topic)?)
        } else {
            None
        };
        Ok(Filled {
            broker,
            before,
            full,
            until: Instant::now() + Duration::from_millis(self.for_ms),
        })
    }
}

impl Broken for Filled {
    async fn hold(&mut self, _: &FaultContext<'_>, proof: &mut Proof) -> Result<()> {
        while self.broker.service().is_running() && Instant::now() < self.until {
            pass(LOOK_INTERVAL).await;
        }
        let failures = match &self.full {
            Some(full) => self.broker.disk_failures(full)?,
            None => Vec::new(),
        };
        proof.add(
            "the broker's log says that its log directory failed",
            !failures.is_empty(),
            failures
                .first()
                .map_or_else(|| "it says nothing".to_owned(), Clone::clone),
        );
        proof.add(
            "the broker ended by itself",
            !self.broker.service().is_running(),
            format!("process {}", self.before.pid),
        );
        pass_until(self.until).await;
        Ok(())
    }

    async fn heal(self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<Healed> {
        if let Some(full) = self.full {
            self.broker.free_disk(full)?;
        }
        if self.broker.service().is_running() {
            return Ok(Healed::At(context.recorder.clock().now()));
        }
        start_again(&[self.broker], context, proof).await
    }
}
