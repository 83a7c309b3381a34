//! A first look at a cluster of somebody else's: whether it can be reached, and
//! what it tells of itself. Changes nothing in it.

use std::time::Duration;

use proxy::HostPort;
use wire::{Cluster, ClusterOptions, Topics};

use crate::error::EngineError;
use crate::observer::answers;
use crate::wait::Wait;

/// How long each broker may take.
const BROKER_LIMIT: Duration = Duration::from_secs(5);

/// What a cluster tells of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survey {
    /// Its id.
    pub id: Option<String>,
    /// How many brokers it has.
    pub brokers: usize,
    /// The level of its metadata (`metadata.version`, KIP-584), where it has
    /// one.
    pub metadata_version: Option<i16>,
}

/// Looks at a cluster.
///
/// # Errors
/// [`EngineError`] within a few seconds when no bootstrap address answers, or
/// when a broker does not where the cluster says that it is.
pub async fn survey(bootstrap: &[HostPort]) -> Result<Survey, EngineError> {
    let bootstrap: Vec<String> = bootstrap.iter().map(HostPort::to_string).collect();
    let mut cluster = reach(&bootstrap).await?;
    let metadata = cluster.metadata(Topics::Named(&[])).await?;
    for broker in &metadata.brokers {
        answers(&broker.address, BROKER_LIMIT)
            .await
            .map_err(|source| EngineError::Advertised {
                broker: broker.id.to_string(),
                address: broker.address.clone(),
                source: Box::new(source),
            })?;
    }
    // Clusters without features, and those that keep them to themselves, run
    // scenarios too.
    let features = cluster.finalized_features().await.unwrap_or_default();
    Ok(Survey {
        id: metadata.cluster_id,
        brokers: metadata.brokers.len(),
        metadata_version: features.get("metadata.version").copied(),
    })
}

/// Connects to a cluster that should be there: who has mistyped an address
/// hears of it soon.
pub(crate) async fn reach(bootstrap: &[String]) -> Result<Cluster, EngineError> {
    let options = ClusterOptions {
        retry_for: Wait::Reach.fixed(),
        ..ClusterOptions::default()
    };
    let unreachable = |source| EngineError::Unreachable {
        bootstrap: bootstrap.join(","),
        source,
    };
    let connecting = Cluster::connect(bootstrap.iter().cloned(), options);
    connecting.await.map_err(unreachable)
}
