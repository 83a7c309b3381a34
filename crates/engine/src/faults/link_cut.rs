//! The link between brokers: others cannot replicate from one, by the proxy
//! that brokers go through to each other.

use std::collections::BTreeMap;
use std::time::Duration;

use model::ids::{BrokerId, PartitionRef};
use model::scenario::{LinkCut, Peers};
use proxy::{FaultId, ProxyFault, Ways};
use tokio::time::Instant;
use wire::ClientSecurity;

use super::broker::{PROBE, wait_in_sync};
use super::injection::{Breakable, Broken, FaultContext, Healed, Proof, Result};
use super::roles::resolve;
use crate::connect::answers;
use crate::wait::{before_moment, pass_until};

/// Kafka's default of `replica.lag.time.max.ms`: how long a follower may lag
/// before it is out of sync.
const LAG_DEFAULT_MS: u64 = 30_000;
/// A leader looks for laggards every half of that time, and the controller has
/// to agree.
const LAG_SLACK: u64 = 2;

pub(super) struct LinksCut {
    cuts: Vec<FaultId>,
    from: Vec<u8>,
    before: BTreeMap<PartitionRef, Vec<BrokerId>>,
    shrinks: bool,
    until: Instant,
}

impl Breakable for LinkCut {
    type Broken = LinksCut;

    async fn inject(self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<LinksCut> {
        let proxy = context.target.between_proxy()?;
        let from = resolve(context, &self.broker, proof).await?;
        let before = context.recorder.counts().in_sync;
        let mut cuts = Vec::new();
        for broker in &from {
            let mut peers: Vec<u8> = context.target.brokers().iter().map(|it| it.id()).collect();
            peers.retain(|peer| peer != broker);
            if self.peers == Peers::One {
                peers.truncate(1);
            }
            if context.effect.is_real() {
                let mut fault = ProxyFault::new(proxy::FaultEffect::Cut { ways: Ways::Both });
                fault.brokers = vec![i32::from(*broker)];
                fault.clients = peers.iter().flat_map(|peer| client_ids(*peer)).collect();
                cuts.push(proxy.add(fault).await?);
            }
        }
        let lag_ms = context
            .plan
            .scenario
            .topology
            .config
            .get("replica.lag.time.max.ms")
            .and_then(|ms| ms.parse().ok())
            .unwrap_or(LAG_DEFAULT_MS);
        Ok(LinksCut {
            cuts,
            from,
            before,
            shrinks: self.for_ms > lag_ms.saturating_mul(LAG_SLACK),
            until: Instant::now() + Duration::from_millis(self.for_ms),
        })
    }
}

/// How a broker calls itself where it is another's client: replicating,
/// writing transaction markers, verifying transactions (Kafka 4.3).
fn client_ids(peer: u8) -> [String; 2] {
    [
        format!("broker-{peer}-"),
        format!("AddPartitionsManager-client-{peer}"),
    ]
}

impl Broken for LinksCut {
    async fn hold(&mut self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<()> {
        let own = ClientSecurity::default();
        for id in &self.from {
            let broker = context.target.broker(*id)?;
            let answer = answers(&broker.direct_addr().to_string(), &own, PROBE).await;
            proof.add(
                "the broker itself is alive",
                answer.is_ok(),
                answer.map_or_else(
                    |error| format!("broker {id}: {error}"),
                    |()| format!("broker {id} answers on the listener that is not cut"),
                ),
            );
        }
        if self.shrinks {
            let before = &self.before;
            let shrunk = context.recorder.until(|counts| {
                counts.in_sync.iter().any(|(partition, now)| {
                    before
                        .get(partition)
                        .is_some_and(|then| now.len() < then.len())
                })
            });
            let shrunk = before_moment(self.until, shrunk).await.is_some();
            proof.add(
                "the leader's ISR shrank",
                shrunk,
                isr_changes(context, &self.before),
            );
        }
        pass_until(self.until).await;
        Ok(())
    }

    async fn heal(self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<Healed> {
        let mended = context.recorder.clock().now();
        let proxy = context.target.between_proxy()?;
        let (mut connections, mut bytes) = (0, 0);
        for id in self.cuts {
            if let Some(report) = proxy.heal(id).await {
                connections += report.evidence.connections;
                bytes += report.evidence.bytes;
            }
        }
        proof.add(
            "what the others sent was swallowed",
            bytes > 0,
            format!("{bytes} bytes of {connections} connections between brokers"),
        );
        if self.shrinks
            && context
                .target
                .brokers()
                .iter()
                .all(|it| it.service().is_running())
        {
            let grown = wait_in_sync(context).await?;
            let since_ms = context.recorder.clock().now().since(mended).get() / 1000;
            proof.after(
                "the ISR grew back",
                grown,
                format!("{since_ms} ms after the link was mended"),
            );
        }
        Ok(Healed::At(mended))
    }
}

/// `orders/0: 3 to 1 in sync`, for each partition that changed.
fn isr_changes(
    context: &FaultContext<'_>,
    before: &BTreeMap<PartitionRef, Vec<BrokerId>>,
) -> String {
    let after = context.recorder.counts().in_sync;
    let topics = context.plan.topics();
    let changed: Vec<String> = before
        .iter()
        .filter_map(|(partition, then)| {
            let now = after.get(partition)?;
            let topic = topics.iter().find(|topic| topic.ix == partition.topic)?;
            (then.len() != now.len()).then(|| {
                format!(
                    "{}/{}: {} to {} in sync",
                    topic.name,
                    partition.partition,
                    then.len(),
                    now.len()
                )
            })
        })
        .collect();
    if changed.is_empty() {
        "no partition's changed".to_owned()
    } else {
        changed.join(", ")
    }
}
