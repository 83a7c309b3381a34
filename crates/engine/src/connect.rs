//! Reaches brokers as the observer does, on connections that no fault stands
//! before. Knows nothing of what is asked there.

use std::time::Duration;

use proxy::HostPort;
use wire::{ClientOptions, ClientSecurity, Cluster, ClusterOptions, Protocol, Topics, WireError};

use crate::error::EngineError;
use crate::listeners::probe_addresses;
use crate::wait::Wait;

/// Where brokers answer with no fault before them, and how they are reached.
#[derive(Clone, Debug, Default)]
pub(crate) struct Direct {
    /// `host:port` of brokers.
    pub(crate) servers: Vec<String>,
    /// TLS and SASL, if any.
    pub(crate) security: ClientSecurity,
}

impl Direct {
    /// The observer's options for one connection.
    pub(crate) fn client(&self) -> ClientOptions {
        ClientOptions {
            security: self.security.clone(),
            ..ClientOptions::default()
        }
    }
}

/// Connects to a cluster, as the observer does.
pub(crate) async fn connect(to: &Direct) -> Result<Cluster, EngineError> {
    let options = ClusterOptions {
        client: to.client(),
        retry_pause: Duration::from_millis(20),
        ..ClusterOptions::default()
    };
    Ok(Cluster::connect(to.servers.iter().cloned(), options).await?)
}

/// Whether a broker answers a request within the time given.
pub(crate) async fn answers(
    address: &str,
    security: &ClientSecurity,
    within: Duration,
) -> Result<(), WireError> {
    let client = ClientOptions {
        request_timeout: within,
        connect_timeout: within,
        security: security.clone(),
        ..ClientOptions::default()
    };
    let mut connection = wire::Connection::connect(address, client).await?;
    connection.metadata(Topics::Named(&[])).await.map(drop)
}

/// Connects to a cluster that should be there: who has mistyped an address
/// hears of it soon.
pub(crate) async fn reach(
    bootstrap: &[String],
    security: &ClientSecurity,
) -> Result<Cluster, EngineError> {
    let is_secured = security.protocol() != Protocol::Plaintext;
    let options = ClusterOptions {
        client: ClientOptions {
            security: security.clone(),
            ..ClientOptions::default()
        },
        retry_for: Wait::Reach.fixed(),
        ..ClusterOptions::default()
    };
    let connecting = Cluster::connect(bootstrap.iter().cloned(), options);
    match connecting.await {
        Ok(cluster) => Ok(cluster),
        Err(source) if is_secured => {
            let bootstrap = bootstrap.join(",");
            Err(EngineError::Unreachable { bootstrap, source })
        }
        Err(source) => Err(unreachable(bootstrap, security, source).await),
    }
}

/// Why no broker could be spoken to, by what listens at the addresses.
async fn unreachable(
    bootstrap: &[String],
    security: &ClientSecurity,
    source: WireError,
) -> EngineError {
    let addresses: Result<Vec<HostPort>, _> = bootstrap.iter().map(|at| at.parse()).collect();
    let probed = probe_addresses(&addresses.unwrap_or_default(), security).await;
    if probed.is_empty() || probed.iter().any(|it| it.listener.is_plain_broker()) {
        let bootstrap = bootstrap.join(",");
        return EngineError::Unreachable { bootstrap, source };
    }
    EngineError::NoBroker { probed }
}
