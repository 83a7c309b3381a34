//! The network between clients and brokers: cut, or slow, by the proxy that
//! clients go through.

use std::time::Duration;

use model::scenario::{BrokerPick, CutOnset, Effect};
use proxy::{ClusterProxy, Fault, FaultId, Ways};
use tokio::time::Instant;

use super::roles::find;
use super::{Breakable, Broken, FaultContext, Healed, Proof, Result, is_real};
use crate::observer::answers;
use crate::wait::{Wait, pass_until};

/// How long one who should be unreachable is given to answer.
const PROBE: Duration = Duration::from_millis(500);

const LOOK_INTERVAL: Duration = Duration::from_millis(1);

/// To be cut.
pub(super) struct Cut {
    pub(super) broker: BrokerPick,
    pub(super) for_ms: u64,
    pub(super) onset: CutOnset,
    pub(super) effect: Effect,
}

pub(super) struct CutOff {
    cut: Option<FaultId>,
    /// The numbers of the brokers that are cut off; none stands for all.
    numbers: Vec<i32>,
    until: Instant,
}

/// The node ids by which the proxy picks brokers: none stands for all.
async fn behind(
    context: &FaultContext<'_>,
    pick: &BrokerPick,
    proof: &mut Proof,
) -> Result<Vec<i32>> {
    match pick {
        BrokerPick::All => Ok(Vec::new()),
        one => Ok(vec![find(context, one, proof).await?.get()]),
    }
}

fn before(numbers: &[i32], seed: u64, effect: proxy::Effect) -> Fault {
    let mut fault = Fault::new(effect);
    fault.brokers = numbers.to_vec();
    fault.seed = seed;
    fault
}

impl Breakable for Cut {
    type Broken = CutOff;

    async fn inject(self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<CutOff> {
        let proxy = context.target.clients_proxy()?;
        let numbers = behind(context, &self.broker, proof).await?;
        let mut cut = None;
        if is_real(self.effect) {
            let ways = match self.onset {
                CutOnset::AtOnce => Ways::Both,
                CutOnset::AnswersFirst => Ways::Answers,
            };
            let fault = before(&numbers, context.plan.seed, proxy::Effect::Cut { ways });
            cut = Some(proxy.add(fault).await?);
        }
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
    let waiting = context.ledger.waits().begin(Wait::Answer, "");
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
        for (id, address) in context.target.addresses().await? {
            if !concerns(id) {
                continue;
            }
            let answer = answers(&address, PROBE).await;
            proof.add(
                "the broker itself is alive",
                answer.is_ok(),
                answer.map_or_else(
                    |error| error.to_string(),
                    |()| "it answers on the listener that is not cut".to_owned(),
                ),
            );
        }
        for broker in context.target.clients_proxy()?.brokers() {
            if !broker.node.is_none_or(concerns) {
                continue;
            }
            let answer = answers(&broker.listens.to_string(), PROBE).await;
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
        let mended = context.ledger.clock().now();
        let report = match self.cut {
            Some(id) => context.target.clients_proxy()?.heal(id).await,
            None => None,
        };
        let seen = report.map(|report| report.evidence).unwrap_or_default();
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

/// To be slowed down.
pub(super) struct Slow {
    pub(super) broker: BrokerPick,
    pub(super) latency_ms: u64,
    pub(super) for_ms: u64,
    pub(super) effect: Effect,
}

pub(super) struct Slowed {
    slow: Option<FaultId>,
    latency_ms: u64,
    until: Instant,
}

impl Breakable for Slow {
    type Broken = Slowed;

    async fn inject(self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<Slowed> {
        let proxy = context.target.clients_proxy()?;
        let numbers = behind(context, &self.broker, proof).await?;
        let mut slow = None;
        if is_real(self.effect) {
            let effect = proxy::Effect::Latency {
                latency_ms: self.latency_ms,
                jitter_ms: 0,
                ways: Ways::Both,
            };
            slow = Some(
                proxy
                    .add(before(&numbers, context.plan.seed, effect))
                    .await?,
            );
        }
        Ok(Slowed {
            slow,
            latency_ms: self.latency_ms,
            until: Instant::now() + Duration::from_millis(self.for_ms),
        })
    }
}

impl Broken for Slowed {
    async fn hold(&mut self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<()> {
        let slowed = context.target.clients_proxy()?.brokers();
        if let Some(broker) = slowed.first() {
            let since = Instant::now();
            let limit = Duration::from_millis(self.latency_ms * 4) + PROBE;
            let answer = answers(&broker.listens.to_string(), limit).await;
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
        let report = match self.slow {
            Some(id) => context.target.clients_proxy()?.heal(id).await,
            None => None,
        };
        let seen = report.map(|report| report.evidence).unwrap_or_default();
        proof.add(
            "the proxy delayed bytes",
            seen.bytes > 0,
            format!("{} bytes of {} connections", seen.bytes, seen.connections),
        );
        Ok(Healed::At(context.ledger.clock().now()))
    }
}
