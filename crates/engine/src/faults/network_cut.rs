//! The network between clients and brokers: cut, or slow, by the proxy that
//! clients go through.

use std::time::Duration;

use model::scenario::{CutOnset, NetworkCut};
use proxy::{ClusterProxy, FaultId, Ways};
use tokio::time::Instant;

use super::broker::PROBE;
use super::injection::{Breakable, Broken, FaultContext, Healed, Proof, Result};
use super::network::{begin, broker_ids, end, fault_on};
use crate::connect::answers;
use crate::wait::{Wait, pass_until};

const LOOK_INTERVAL: Duration = Duration::from_millis(1);

pub(super) struct CutOff {
    cut: Option<FaultId>,
    /// The numbers of the brokers that are cut off; none stands for all.
    numbers: Vec<i32>,
    until: Instant,
}

impl Breakable for NetworkCut {
    type Broken = CutOff;

    async fn inject(self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<CutOff> {
        let proxy = context.target.clients_proxy()?;
        let numbers = broker_ids(context, &self.broker, proof).await?;
        let ways = match self.onset {
            CutOnset::AtOnce => Ways::Both,
            CutOnset::AnswersFirst => Ways::Answers,
        };
        let fault = fault_on(
            &numbers,
            context.plan.seed,
            proxy::FaultEffect::Cut { ways },
        );
        let cut = begin(context, fault).await?;
        if self.onset == CutOnset::AnswersFirst {
            let lost_bytes = wait_for_lost_answer(context, proxy, cut).await;
            if let Some(id) = cut {
                proxy.complete(id).await;
            }
            proof.add(
                "an answer was lost before its request could be",
                lost_bytes > 0,
                format!("{lost_bytes} bytes of answers swallowed while requests still arrived"),
            );
        }
        Ok(CutOff {
            cut,
            numbers,
            until: Instant::now() + Duration::from_millis(self.for_ms),
        })
    }
}

/// Waits until an answer has been swallowed, and says how many bytes of
/// answers have been; none came where this is 0.
async fn wait_for_lost_answer(
    context: &FaultContext<'_>,
    proxy: &ClusterProxy,
    cut: Option<FaultId>,
) -> u64 {
    let Some(id) = cut else {
        return 0;
    };
    // Traffic that is slower is not what this fault is for.
    let waiting = context.recorder.waits().begin(Wait::Answer, "");
    loop {
        let lost_bytes = proxy.fault(id).await.map_or(0, |it| it.evidence.bytes);
        if lost_bytes > 0 || !waiting.pause(LOOK_INTERVAL).await {
            return lost_bytes;
        }
    }
}

impl Broken for CutOff {
    async fn hold(&mut self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<()> {
        let concerns = |id: i32| self.numbers.is_empty() || self.numbers.contains(&id);
        let security = context.target.direct().security;
        for (id, address) in context.target.addresses().await? {
            if !concerns(id) {
                continue;
            }
            let answer = answers(&address, &security, PROBE).await;
            proof.add(
                "the broker itself is alive",
                answer.is_ok(),
                answer.map_or_else(
                    |error| error.to_string(),
                    |()| "it answers on the listener that is not cut".to_owned(),
                ),
            );
        }
        // As a subject: another would not be answered without a cut either.
        let security = context.target.subject_security();
        for broker in context.target.clients_proxy()?.brokers() {
            if !broker.node.is_none_or(concerns) {
                continue;
            }
            let answer = answers(&broker.listens.to_string(), security, PROBE).await;
            proof.add(
                "a new connection through the proxy is not answered",
                answer.is_err(),
                answer.map_or_else(|error| error.to_string(), |()| "it is".to_owned()),
            );
        }
        pass_until(self.until).await;
        Ok(())
    }

    async fn heal(self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<Healed> {
        // Nothing passed before; the answer to this may come before the proof.
        let mended = context.recorder.clock().now();
        let seen = end(context, self.cut).await?;
        proof.add(
            "connections were cut",
            seen.connections > 0,
            format!("{} cut or left unanswered", seen.connections),
        );
        proof.add(
            "bytes were swallowed",
            seen.bytes > 0,
            format!("{} bytes, both ways", seen.bytes),
        );
        Ok(Healed::At(mended))
    }
}
