//! A broker's disk: lost with a topic's partitions, or full.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::ids::{Offset, PartitionRef};
use model::scenario::{BrokerPick, Effect};
use stack::broker::{Broker, FullDisk, WipedDir};
use stack::process::ProcessSnapshot;
use tokio::time::Instant;

use super::broker::{picked, prove_gone, start_again};
use super::{Breakable, Broken, Healed, Proof, Site, is_real};
use crate::error::EngineError;
use crate::observer::Observer;

/// How often a broker that is about to end is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// To be lost.
pub(super) struct Loss {
    pub(super) broker: BrokerPick,
    pub(super) topic: String,
    pub(super) effect: Effect,
}

pub(super) struct Lost {
    broker: Arc<Broker>,
    ends_before: BTreeMap<PartitionRef, Offset>,
}

impl Breakable for Loss {
    type Broken = Lost;

    async fn inject(self, site: &Site<'_>, proof: &mut Proof) -> Result<Lost, EngineError> {
        let broker = one(picked(site, &self.broker, proof).await?)?;
        let ends_before = ends(site).await?;
        let before = broker.service().snapshot()?;
        broker.service().kill().await?;
        prove_gone(proof, before);
        let wiped = if is_real(self.effect) {
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
            ends_before,
        })
    }
}

impl Broken for Lost {
    async fn hold(&mut self, _: &Site<'_>, _: &mut Proof) -> Result<(), EngineError> {
        Ok(())
    }

    async fn heal(self, site: &Site<'_>, proof: &mut Proof) -> Result<Healed, EngineError> {
        let healed = start_again(&[self.broker], site, proof).await;
        if let Healed::Not { .. } = healed {
            return Ok(healed);
        }
        let total = |ends: &BTreeMap<_, Offset>| ends.values().map(|end| end.get()).sum::<i64>();
        let (before, after) = (total(&self.ends_before), total(&ends(site).await?));
        proof.after(
            "the logs end before where they ended",
            after < before,
            format!("{after} records in all after the start, at least {before} before the kill"),
        );
        Ok(healed)
    }
}

/// To be filled.
pub(super) struct Full {
    pub(super) broker: BrokerPick,
    pub(super) topic: String,
    pub(super) for_ms: u64,
    pub(super) effect: Effect,
}

pub(super) struct Filled {
    broker: Arc<Broker>,
    before: ProcessSnapshot,
    full: Option<FullDisk>,
    until: Instant,
}

impl Breakable for Full {
    type Broken = Filled;

    async fn inject(self, site: &Site<'_>, proof: &mut Proof) -> Result<Filled, EngineError> {
        let broker = one(picked(site, &self.broker, proof).await?)?;
        let before = broker.service().snapshot()?;
        let full = if is_real(self.effect) {
            Some(broker.fill_disk(&self.topic)?)
        } else {
            None
        };
        Ok(Filled {
            broker,
            before,
            full,
            until: Instant::now() + Duration::from_millis(self.for_ms),
        })
    }
}

impl Broken for Filled {
    async fn hold(&mut self, _: &Site<'_>, proof: &mut Proof) -> Result<(), EngineError> {
        while self.broker.service().is_running() && Instant::now() < self.until {
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        let failures = match &self.full {
            Some(full) => self.broker.disk_failures(full)?,
            None => Vec::new(),
        };
        proof.add(
            "the broker's log says that its log directory failed",
            !failures.is_empty(),
            failures
                .first()
                .map_or_else(|| "it says nothing".to_owned(), Clone::clone),
        );
        proof.add(
            "the broker ended by itself",
            !self.broker.service().is_running(),
            format!("process {}", self.before.pid),
        );
        tokio::time::sleep_until(self.until).await;
        Ok(())
    }

    async fn heal(self, site: &Site<'_>, proof: &mut Proof) -> Result<Healed, EngineError> {
        if let Some(full) = self.full {
            self.broker.free_disk(full)?;
        }
        if self.broker.service().is_running() {
            return Ok(Healed::At(site.ledger.clock().now()));
        }
        Ok(start_again(&[self.broker], site, proof).await)
    }
}

/// A disk is one broker's.
fn one(brokers: Vec<Arc<Broker>>) -> Result<Arc<Broker>, EngineError> {
    brokers
        .into_iter()
        .next()
        .ok_or_else(|| EngineError::Lacking {
            what: "broker to take a disk from".to_owned(),
        })
}

async fn ends(site: &Site<'_>) -> Result<BTreeMap<PartitionRef, Offset>, EngineError> {
    Observer::connect(&site.target.direct(), site.plan, site.ledger)
        .await?
        .ends()
        .await
}
