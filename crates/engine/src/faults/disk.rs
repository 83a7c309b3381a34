//! A lost disk: the broker is killed, and a topic's partition directories are
//! gone when it starts again.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::ids::{Micros, Offset, PartitionRef};
use model::scenario::Effect;
use stack::broker::{Broker, WipedDir};
use stack::process::ProcessSnapshot;

use super::broker::{find, prove_replaced};
use super::{Breakable, Broken, Proof, Site, is_real};
use crate::error::EngineError;
use crate::observer::Observer;

/// To be lost.
pub(super) struct Loss {
    broker: Arc<Broker>,
    topic: String,
    effect: Effect,
}

impl Loss {
    pub(super) fn of(
        site: &Site<'_>,
        id: u8,
        topic: &str,
        effect: Effect,
    ) -> Result<Self, EngineError> {
        Ok(Self {
            broker: find(site, id)?,
            topic: topic.to_owned(),
            effect,
        })
    }
}

pub(super) struct Lost {
    broker: Arc<Broker>,
    before: ProcessSnapshot,
    ends_before: BTreeMap<PartitionRef, Offset>,
}

impl Breakable for Loss {
    type Broken = Lost;

    async fn inject(self, site: &Site<'_>, proof: &mut Proof) -> Result<Lost, EngineError> {
        let ends_before = ends(site).await?;
        let before = self.broker.service().snapshot()?;
        self.broker.service().kill().await?;
        let wiped = if is_real(self.effect) {
            self.broker.wipe_partitions(&self.topic)?
        } else {
            Vec::new()
        };
        let left = self.broker.partition_dirs(&self.topic)?;
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
            broker: self.broker,
            before,
            ends_before,
        })
    }
}

impl Broken for Lost {
    async fn hold(&mut self, _: &Site<'_>, _: &mut Proof) -> Result<(), EngineError> {
        Ok(())
    }

    async fn heal(self, site: &Site<'_>, proof: &mut Proof) -> Result<Micros, EngineError> {
        self.broker.service().start().await?;
        prove_replaced(proof, self.before, self.broker.service().snapshot()?);
        let total = |ends: &BTreeMap<_, Offset>| ends.values().map(|end| end.get()).sum::<i64>();
        let (before, after) = (total(&self.ends_before), total(&ends(site).await?));
        proof.add(
            "the logs end before where they ended",
            after < before,
            format!("{after} records in all after the start, at least {before} before the kill"),
        );
        Ok(site.ledger.clock().now())
    }
}

async fn ends(site: &Site<'_>) -> Result<BTreeMap<PartitionRef, Offset>, EngineError> {
    Observer::connect(&site.target.direct(), site.plan, site.ledger)
        .await?
        .ends()
        .await
}
