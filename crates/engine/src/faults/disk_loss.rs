//! A broker's disk: lost with a topic's partitions, or full.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::ids::{Offset, TopicName, TopicPartition};
use model::scenario::DiskLoss;
use stack::broker::{LocalBroker, WipedDir};
use wire::{Isolation, OffsetSpec, Topics};

use super::broker::{picked_one, prove_gone, start_again};
use super::injection::{Breakable, Broken, FaultContext, Healed, Proof, Result};
use crate::connect::connect;

pub(super) struct Lost {
    broker: Arc<LocalBroker>,
    topic: String,
    /// Where the partitions ended that no other broker holds.
    ends_before: BTreeMap<TopicPartition, Offset>,
}

impl Breakable for DiskLoss {
    type Broken = Lost;

    async fn inject(self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<Lost> {
        let broker = picked_one(context, &self.broker, proof).await?;
        let ends_before = ends_of_only_replicas(context, &self.topic).await?;
        let before = broker.service().snapshot()?;
        broker.service().kill().await?;
        prove_gone(proof, &[before]);
        let wiped = if context.effect.is_real() {
            broker.wipe_partitions(&self.topic)?
        } else {
            Vec::new()
        };
        let left = broker.partition_dirs(&self.topic)?;
        proof.add(
            "the partition directories are gone",
            !wiped.is_empty() && left.is_empty(),
            format!(
                "{} deleted with {} bytes, {} left",
                wiped.len(),
                wiped.iter().map(|dir: &WipedDir| dir.bytes).sum::<u64>(),
                left.len()
            ),
        );
        Ok(Lost {
            broker,
            topic: self.topic,
            ends_before,
        })
    }
}

impl Broken for Lost {
    async fn heal(self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<Healed> {
        let healed = start_again(&[self.broker], context, proof).await?;
        if matches!(healed, Healed::Not { .. }) || self.ends_before.is_empty() {
            // Others hold what was lost: how far they reach says nothing.
            return Ok(healed);
        }
        let after = ends_of_only_replicas(context, &self.topic).await?;
        let shorter = self
            .ends_before
            .iter()
            .filter(|(partition, before)| after.get(partition).is_some_and(|end| end < before));
        let (shorter, all) = (shorter.count(), self.ends_before.len());
        proof.after(
            "the logs end before where they ended",
            shorter > 0,
            format!("{shorter} of {all} partitions of {}", self.topic),
        );
        Ok(healed)
    }
}

/// Where those partitions of a topic end, whosever it is, that one broker alone
/// holds.
async fn ends_of_only_replicas(
    context: &FaultContext<'_>,
    topic: &str,
) -> Result<BTreeMap<TopicPartition, Offset>> {
    let mut cluster = connect(&context.target.direct()).await?;
    let name = TopicName::new(topic);
    let asked = Topics::Named(std::slice::from_ref(&name));
    let found = cluster.metadata(asked).await?.topics.into_iter();
    let partitions = found.filter_map(|it| it.partitions.ok()).flatten();
    let alone: Vec<TopicPartition> = partitions
        .filter(|state| state.replicas.len() == 1)
        .map(|state| TopicPartition {
            topic: name.clone(),
            partition: state.partition,
        })
        .collect();
    let latest = OffsetSpec::Latest(Isolation::ReadUncommitted);
    Ok(cluster.list_offsets(&alone, latest).await?)
}
