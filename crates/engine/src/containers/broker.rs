//! A broker in a container: what it does by the engine's word, and what ends, freezes and
//! starts it. Knows nothing of faults.

use std::time::Duration;

use proxy::HostPort;
use tokio::time::Instant;
use wire::AddressOverrides;

use super::docker::{Container, ContainerError, ContainerState, Docker};
use super::find::address;
use super::restore::{Breaking, ContainerToRestore};
use crate::wait::{Wait, Waits};

/// How often a container is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// A broker whose container ackproof has a hold over.
#[derive(Clone, Debug)]
pub(crate) struct ContainerBroker {
    id: i32,
    docker: Docker,
    container: String,
    name: String,
    advertised: HostPort,
    /// Whether it is reached through a port that is published, and not at the container's
    /// own address.
    is_published: bool,
    /// Where all brokers are; shared with every client.
    overrides: AddressOverrides,
}

/// How a container ended.
#[derive(Clone, Debug)]
pub(crate) struct ContainerEnd {
    pub(crate) state: ContainerState,
    pub(crate) took_ms: u128,
}

impl ContainerBroker {
    pub(super) fn new(
        id: i32,
        docker: Docker,
        container: &Container,
        advertised: HostPort,
        overrides: AddressOverrides,
    ) -> Self {
        let place = overrides.of(&advertised.host, advertised.port).0;
        Self {
            is_published: address(container).is_none_or(|ip| ip != place),
            id,
            docker,
            container: container.id.clone(),
            name: container.name.trim_start_matches('/').to_owned(),
            advertised,
            overrides,
        }
    }

    /// Its node id.
    pub(crate) fn id(&self) -> i32 {
        self.id
    }

    /// The container's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What it advertises.
    pub(crate) fn advertised(&self) -> String {
        self.advertised.to_string()
    }

    /// What puts it back, whatever becomes of this program.
    pub(crate) fn to_restore(&self, breaking: Breaking) -> ContainerToRestore {
        let published_at = self.is_published.then(|| self.advertised.host.clone());
        ContainerToRestore::new(
            self.docker.socket(),
            (&self.container, &self.name),
            published_at,
            self.advertised.port,
            breaking,
        )
    }

    pub(crate) async fn state(&self) -> Result<ContainerState, ContainerError> {
        Ok(self.docker.inspect(&self.container).await?.state)
    }

    /// Kills it, and waits until the engine says that it has ended.
    pub(crate) async fn kill(&self) -> Result<ContainerEnd, ContainerError> {
        let since = Instant::now();
        self.docker.kill(&self.container).await?;
        self.ended(since).await
    }

    /// Asks it to end; it is killed where it takes too long.
    pub(crate) async fn stop(&self) -> Result<ContainerEnd, ContainerError> {
        let since = Instant::now();
        let grace = Wait::BrokerEnd.fixed();
        self.docker.stop(&self.container, grace).await?;
        self.ended(since).await
    }

    async fn ended(&self, since: Instant) -> Result<ContainerEnd, ContainerError> {
        let waiting = Waits::default().begin(Wait::BrokerEnd, &self.name);
        loop {
            let state = self.state().await?;
            if !state.running || !waiting.pause(LOOK_INTERVAL).await {
                let took_ms = since.elapsed().as_millis();
                return Ok(ContainerEnd { state, took_ms });
            }
        }
    }

    pub(crate) async fn pause(&self) -> Result<(), ContainerError> {
        self.docker.pause(&self.container).await
    }

    /// Where it is now: one that was started again may have another address.
    pub(crate) async fn locate(&self) -> Result<(), ContainerError> {
        let container = self.docker.inspect(&self.container).await?;
        let Some(ip) = address(&container) else {
            return Ok(());
        };
        if !self.is_published {
            let mut pairs = self.overrides.pairs();
            let HostPort { host, port } = &self.advertised;
            pairs.insert((host.to_ascii_lowercase(), *port), (ip, *port));
            self.overrides.replace(&AddressOverrides::new(pairs));
        }
        Ok(())
    }
}
