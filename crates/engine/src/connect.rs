//! Reaches brokers as the observer does, on connections that no fault stands
//! before. Knows nothing of what is asked there.

use std::time::Duration;

use wire::{ClientOptions, Cluster, ClusterOptions, Topics, WireError};

use crate::error::EngineError;

/// Connects to a cluster, as the observer does.
pub(crate) async fn connect(bootstrap: &[String]) -> Result<Cluster, EngineError> {
    let options = ClusterOptions {
        retry_pause: Duration::from_millis(20),
        ..ClusterOptions::default()
    };
    Ok(Cluster::connect(bootstrap.iter().cloned(), options).await?)
}

/// Whether a broker answers a plain request within the time given.
pub(crate) async fn answers(address: &str, within: Duration) -> Result<(), WireError> {
    let client = ClientOptions {
        request_timeout: within,
        connect_timeout: within,
        ..ClientOptions::default()
    };
    let mut connection = wire::Connection::connect(address, client).await?;
    connection.metadata(Topics::Named(&[])).await.map(drop)
}
