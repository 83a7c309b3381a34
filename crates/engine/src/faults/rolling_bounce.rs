//! A rolling bounce: every broker in turn is ended and started again, as an
//! upgrade does it.

use model::scenario::{BrokerPick, EndSignal, RollingBounce};
use tokio::time::Instant;

use super::broker::wait_in_sync;
use super::held::{HeldBroker, held, start_again};
use super::injection::{Breakable, Broken, FaultContext, Healed, Proof, Result};
use super::roles::find;

pub(super) struct Rolling {
    order: Vec<HeldBroker>,
    signal: EndSignal,
    /// Which broker did not come up again, so that the others stay as they are.
    dead: Option<String>,
}

impl Breakable for RollingBounce {
    type Broken = Rolling;

    async fn inject(self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<Rolling> {
        // The controllers' leader last, as Kafka's documentation advises for
        // upgrades: each earlier one would otherwise move the leadership on.
        let last = find(context, &BrokerPick::Controller, proof).await?;
        let mut order = held(context, &BrokerPick::All, proof).await?;
        order.sort_by_key(|broker| (broker.id() == last, broker.id()));
        Ok(Rolling {
            order,
            signal: self.signal,
            dead: None,
        })
    }
}

impl Broken for Rolling {
    async fn hold(&mut self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<()> {
        for broker in &mut self.order {
            context.recorder.step();
            let before = broker.before().await?;
            if context.effect.is_real() {
                broker.end(self.signal, context.folder, proof).await?;
            }
            broker.prove_gone(&before, proof).await?;
            let id = broker.id();
            if context.effect.is_real() {
                let one = std::slice::from_mut(broker);
                if let Healed::Not { why } = start_again(one, context, proof).await? {
                    self.dead = Some(why);
                    return Ok(());
                }
            }
            let since = Instant::now();
            let in_sync = wait_in_sync(context).await?;
            proof.after(
                "all replicas are in sync before the next",
                in_sync,
                format!(
                    "broker {}: {} ms after it was ready",
                    id,
                    since.elapsed().as_millis()
                ),
            );
        }
        Ok(())
    }

    async fn heal(self, context: &FaultContext<'_>, _: &mut Proof) -> Result<Healed> {
        Ok(match self.dead {
            Some(why) => Healed::Not { why },
            None => Healed::At(context.recorder.clock().now()),
        })
    }
}
