//! Broker processes are ended, stay down, and are started again.

use std::time::Duration;

use futures_util::future::try_join_all;
use model::scenario::BrokerRestart;
use tokio::time::Instant;

use super::held::{Before, HeldBroker, held, start_again};
use super::injection::{Breakable, Broken, FaultContext, Healed, Proof, Result};
use crate::error::EngineError;
use crate::wait::pass_until;

pub(super) struct Down {
    brokers: Vec<(HeldBroker, Before)>,
    until: Instant,
}

impl Breakable for BrokerRestart {
    type Broken = Down;

    async fn inject(self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<Down> {
        let mut brokers = Vec::new();
        for broker in held(context, &self.broker, proof).await? {
            let before = broker.before().await?;
            brokers.push((broker, before));
        }
        if context.effect.is_real() {
            let ends = brokers.iter_mut().map(|(broker, _)| async {
                let mut proof = Proof::default();
                broker.end(self.signal, context.folder, &mut proof).await?;
                Ok::<_, EngineError>(proof)
            });
            for ended in try_join_all(ends).await? {
                proof.extend(ended);
            }
        }
        Ok(Down {
            brokers,
            until: Instant::now() + Duration::from_millis(self.down_ms),
        })
    }
}

impl Broken for Down {
    async fn hold(&mut self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<()> {
        for (broker, before) in &self.brokers {
            broker.prove_gone(before, proof).await?;
            let what = "the broker's port does not answer";
            broker.prove_silent(what, context, proof).await;
        }
        pass_until(self.until).await;
        Ok(())
    }

    async fn heal(self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<Healed> {
        if !context.effect.is_real() {
            return Ok(Healed::At(context.recorder.clock().now()));
        }
        let brokers = self.brokers.into_iter();
        let mut brokers: Vec<HeldBroker> = brokers.map(|(broker, _)| broker).collect();
        start_again(&mut brokers, context, proof).await
    }
}
