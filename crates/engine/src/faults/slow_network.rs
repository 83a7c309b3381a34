//! Everything between clients and brokers takes longer, or no more than so much
//! of it passes.

use std::time::Duration;

use model::scenario::SlowNetwork;
use proxy::{FaultId, Ways};
use tokio::time::Instant;

use super::broker::PROBE;
use super::injection::{Breakable, Broken, FaultContext, Healed, Proof, Result};
use super::network::{begin, broker_ids, end, fault_on};
use crate::connect::answers;
use crate::wait::pass_until;

pub(super) struct Slowed {
    effects: Vec<Option<FaultId>>,
    latency_ms: u64,
    until: Instant,
}

impl Breakable for SlowNetwork {
    type Broken = Slowed;

    async fn inject(self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<Slowed> {
        let numbers = broker_ids(context, &self.broker, proof).await?;
        let ways = Ways::Both;
        let slow = (self.latency_ms > 0).then_some(proxy::FaultEffect::Latency {
            latency_ms: self.latency_ms,
            jitter_ms: 0,
            ways,
        });
        let narrow = self
            .bytes_per_s
            .map(|bytes_per_s| proxy::FaultEffect::Bandwidth { bytes_per_s, ways });
        let mut effects = Vec::new();
        for effect in slow.into_iter().chain(narrow) {
            let fault = fault_on(&numbers, context.plan.seed, effect);
            effects.push(begin(context, fault).await?);
        }
        Ok(Slowed {
            effects,
            latency_ms: self.latency_ms,
            until: Instant::now() + Duration::from_millis(self.for_ms),
        })
    }
}

impl Broken for Slowed {
    async fn hold(&mut self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<()> {
        let slowed = context.target.clients_proxy()?.brokers();
        if self.latency_ms > 0
            && let Some(broker) = slowed.first()
        {
            let since = Instant::now();
            let security = context.target.subject_security();
            let limit = Duration::from_millis(self.latency_ms * 4) + PROBE;
            let answer = answers(&broker.listens.to_string(), security, limit).await;
            let took_ms = since.elapsed().as_millis();
            proof.add(
                "a request of our own takes as much longer",
                answer.is_ok() && took_ms >= u128::from(self.latency_ms) * 2,
                format!("answered after {took_ms} ms"),
            );
        }
        pass_until(self.until).await;
        Ok(())
    }

    async fn heal(self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<Healed> {
        for effect in self.effects {
            let seen = end(context, effect).await?;
            proof.add(
                "the proxy delayed bytes",
                seen.bytes > 0,
                format!("{} bytes of {} connections", seen.bytes, seen.connections),
            );
        }
        Ok(Healed::At(context.recorder.clock().now()))
    }
}
