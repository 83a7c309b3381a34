//! What faults on the network between clients and brokers have in common.

use model::scenario::BrokerPick;
use proxy::Fault;

use super::roles::find;
use super::{FaultContext, Proof, Result};

/// The node ids by which the proxy picks brokers: none stands for all.
pub(super) async fn behind(
    context: &FaultContext<'_>,
    pick: &BrokerPick,
    proof: &mut Proof,
) -> Result<Vec<i32>> {
    match pick {
        BrokerPick::All => Ok(Vec::new()),
        one => Ok(vec![find(context, one, proof).await?.get()]),
    }
}

pub(super) fn before(numbers: &[i32], seed: u64, effect: proxy::Effect) -> Fault {
    let mut fault = Fault::new(effect);
    fault.brokers = numbers.to_vec();
    fault.seed = seed;
    fault
}
