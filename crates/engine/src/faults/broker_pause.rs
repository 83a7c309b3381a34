//! Broker processes are frozen and continued.

use std::sync::Arc;
use std::time::Duration;

use model::scenario::{BrokerPick, Effect};
use stack::broker::Broker;
use tokio::time::Instant;

use super::broker::{PROBE, picked};
use super::{Breakable, Broken, FaultContext, Healed, Proof, Result, is_real};
use crate::observer::answers;
use crate::wait::pass_until;

/// How often a frozen process is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);
/// To be frozen and continued.
pub(super) struct Pause {
    pub(super) broker: BrokerPick,
    pub(super) for_ms: u64,
    pub(super) effect: Effect,
}

pub(super) struct Frozen {
    brokers: Vec<Arc<Broker>>,
    until: Instant,
    effect: Effect,
}

impl Breakable for Pause {
    type Broken = Frozen;

    async fn inject(self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<Frozen> {
        let brokers = picked(context, &self.broker, proof).await?;
        if is_real(self.effect) {
            for broker in &brokers {
                broker.service().pause().await?;
            }
        }
        Ok(Frozen {
            brokers,
            until: Instant::now() + Duration::from_millis(self.for_ms),
            effect: self.effect,
        })
    }
}

impl Broken for Frozen {
    async fn hold(&mut self, _: &FaultContext<'_>, proof: &mut Proof) -> Result<()> {
        for broker in &self.brokers {
            let address = broker.direct_addr().to_string();
            let answer = answers(&address, PROBE).await;
            proof.add(
                "the broker does not answer",
                answer.is_err(),
                answer.map_or_else(
                    |error| format!("broker {}: {error}", broker.id()),
                    |()| format!("broker {} answered", broker.id()),
                ),
            );
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
        let mended = context.ledger.clock().now();
        if is_real(self.effect) {
            for broker in &self.brokers {
                let after = broker.service().resume().await?;
                proof.after(
                    "the process goes on",
                    after.state != 'T',
                    format!("process {} is in state {}", after.pid, after.state),
                );
            }
        }
        Ok(Healed::At(mended))
    }
}
