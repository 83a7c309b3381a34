//! Broker processes are frozen and continued.

use std::sync::Arc;
use std::time::Duration;

use model::scenario::BrokerPause;
use stack::broker::LocalBroker;
use tokio::time::Instant;

use super::broker::{picked, prove_continued, prove_silent};
use super::injection::{Breakable, Broken, FaultContext, Healed, Proof, Result};
use crate::wait::pass_until;

/// How often a frozen process is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);
pub(super) struct Frozen {
    brokers: Vec<Arc<LocalBroker>>,
    until: Instant,
}

impl Breakable for BrokerPause {
    type Broken = Frozen;

    async fn inject(self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<Frozen> {
        let brokers = picked(context, &self.broker, proof).await?;
        if context.effect.is_real() {
            for broker in &brokers {
                broker.service().pause().await?;
            }
        }
        Ok(Frozen {
            brokers,
            until: Instant::now() + Duration::from_millis(self.for_ms),
        })
    }
}

impl Broken for Frozen {
    async fn hold(&mut self, _: &FaultContext<'_>, proof: &mut Proof) -> Result<()> {
        for broker in &self.brokers {
            prove_silent("the broker does not answer", broker, proof).await;
        }
        let (mut looks, mut stopped) = (0u32, 0u32);
        loop {
            for broker in &self.brokers {
                looks += 1;
                stopped += u32::from(broker.service().snapshot()?.state == 'T');
            }
            let next = Instant::now() + LOOK_INTERVAL;
            if next >= self.until {
                break;
            }
            pass_until(next).await;
        }
        let mut processes = Vec::new();
        for broker in &self.brokers {
            processes.push(broker.service().pid()?.to_string());
        }
        proof.add(
            "the process state is T (stopped) all the while",
            looks == stopped,
            format!(
                "{stopped} of {looks} looks at process {}",
                processes.join(", ")
            ),
        );
        pass_until(self.until).await;
        Ok(())
    }

    async fn heal(self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<Healed> {
        // Nothing passed before; the answer to this may come before the proof.
        let mended = context.recorder.clock().now();
        if context.effect.is_real() {
            for broker in &self.brokers {
                prove_continued(proof, broker.service().resume().await?);
            }
        }
        Ok(Healed::At(mended))
    }
}
