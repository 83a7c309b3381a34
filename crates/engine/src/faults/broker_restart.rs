//! Broker processes are ended, stay down, and are started again.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use model::scenario::BrokerRestart;
use stack::broker::LocalBroker;
use stack::process::ProcessSnapshot;
use tokio::time::Instant;

use super::broker::{end, picked, prove_gone, prove_silent, start_again};
use super::injection::{Breakable, Broken, FaultContext, Healed, Proof, Result};
use crate::error::EngineError;
use crate::wait::pass_until;

pub(super) struct Down {
    brokers: Vec<(Arc<LocalBroker>, ProcessSnapshot)>,
    until: Instant,
}

impl Breakable for BrokerRestart {
    type Broken = Down;

    async fn inject(self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<Down> {
        let mut brokers = Vec::new();
        for broker in picked(context, &self.broker, proof).await? {
            let before = broker.service().snapshot()?;
            brokers.push((broker, before));
        }
        if context.effect.is_real() {
            let ends = brokers.iter().map(|(broker, _)| async {
                let mut proof = Proof::default();
                end(broker, self.signal, &mut proof).await?;
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
    async fn hold(&mut self, _: &FaultContext<'_>, proof: &mut Proof) -> Result<()> {
        for (broker, before) in &self.brokers {
            prove_gone(proof, &[*before]);
            prove_silent("the broker's port does not answer", broker, proof).await;
        }
        pass_until(self.until).await;
        Ok(())
    }

    async fn heal(self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<Healed> {
        if !context.effect.is_real() {
            return Ok(Healed::At(context.recorder.clock().now()));
        }
        let brokers: Vec<_> = self.brokers.into_iter().map(|(broker, _)| broker).collect();
        start_again(&brokers, context, proof).await
    }
}
