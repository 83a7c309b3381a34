//! Broker processes are frozen and continued.

use std::collections::BTreeSet;
use std::time::Duration;

use model::scenario::BrokerPause;
use tokio::time::Instant;

use super::held::{HeldBroker, held};
use super::injection::{Breakable, Broken, FaultContext, Healed, Proof, Result};
use crate::wait::pass_until;

/// How often a frozen process is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);
pub(super) struct Frozen {
    brokers: Vec<HeldBroker>,
    until: Instant,
}

impl Breakable for BrokerPause {
    type Broken = Frozen;

    async fn inject(self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<Frozen> {
        let mut brokers = held(context, &self.broker, proof).await?;
        if context.effect.is_real() {
            for broker in &mut brokers {
                broker.freeze(context.folder).await?;
            }
        }
        Ok(Frozen {
            brokers,
            until: Instant::now() + Duration::from_millis(self.for_ms),
        })
    }
}

impl Broken for Frozen {
    async fn hold(&mut self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<()> {
        for broker in &self.brokers {
            let what = "the broker does not answer";
            broker.prove_silent(what, context, proof).await;
        }
        let (mut looks, mut stopped) = (0u32, 0u32);
        let mut processes = BTreeSet::new();
        loop {
            for broker in &self.brokers {
                let (is_frozen, pid) = broker.is_frozen().await?;
                looks += 1;
                stopped += u32::from(is_frozen);
                processes.insert(pid.to_string());
            }
            let next = Instant::now() + LOOK_INTERVAL;
            if next >= self.until {
                break;
            }
            pass_until(next).await;
        }
        let processes: Vec<String> = processes.into_iter().collect();
        let words = self.brokers.first().map_or("", HeldBroker::frozen_words);
        proof.add(
            words,
            looks == stopped,
            format!(
                "{stopped} of {looks} looks at process {}",
                processes.join(", ")
            ),
        );
        pass_until(self.until).await;
        Ok(())
    }

    async fn heal(mut self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<Healed> {
        // Nothing passed before; the answer to this may come before the proof.
        let mended = context.recorder.clock().now();
        if context.effect.is_real() {
            let mut stuck = Vec::new();
            for broker in &mut self.brokers {
                stuck.extend(broker.resume(proof).await?);
            }
            if !stuck.is_empty() {
                let why = stuck.join("; ");
                return Ok(Healed::Not { why });
            }
        }
        Ok(Healed::At(mended))
    }
}
