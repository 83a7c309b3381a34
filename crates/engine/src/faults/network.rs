//! What faults on the network between clients and brokers have in common: the
//! proxy that clients go through.

use model::scenario::{BrokerPick, Effect};
use proxy::{FaultId, ProxyFault, TrafficEvidence};

use super::injection::{FaultContext, Proof, Result};
use super::roles::find;

/// The node ids by which the proxy picks brokers: none stands for all.
pub(super) async fn broker_ids(
    context: &FaultContext<'_>,
    pick: &BrokerPick,
    proof: &mut Proof,
) -> Result<Vec<i32>> {
    match pick {
        BrokerPick::All => Ok(Vec::new()),
        one => Ok(vec![find(context, one, proof).await?.get()]),
    }
}

pub(super) fn fault_on(numbers: &[i32], seed: u64, effect: proxy::FaultEffect) -> ProxyFault {
    let mut fault = ProxyFault::new(effect);
    fault.brokers = numbers.to_vec();
    fault.seed = seed;
    fault
}

/// Has the proxy do it, where it is really to be done.
pub(super) async fn begin(
    context: &FaultContext<'_>,
    fault: ProxyFault,
) -> Result<Option<FaultId>> {
    let proxy = context.target.clients_proxy()?;
    Ok(match context.effect {
        Effect::Real => Some(proxy.add(fault).await?),
        Effect::None => None,
    })
}

/// Ends it, and says what the proxy saw of it.
pub(super) async fn end(
    context: &FaultContext<'_>,
    id: Option<FaultId>,
) -> Result<TrafficEvidence> {
    let report = match id {
        Some(id) => context.target.clients_proxy()?.heal(id).await,
        None => None,
    };
    Ok(report.map(|report| report.evidence).unwrap_or_default())
}
