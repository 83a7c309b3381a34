//! Where the brokers are: the embedded stack, with the fault proxy before it
//! where the scenario asks for one. Knows nothing of what is sent.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use model::plan::ScenarioPlan;
use model::scenario::Link;
use proxy::Proxy;
use stack::ports::ReservedPort;
use stack::stack::{CdcSpec, Stack, StackSpec};

use crate::error::EngineError;
use crate::run::Embedded;

/// Evidence has been read by then: nothing hangs on a clean end.
const STOP_GRACE: Duration = Duration::from_millis(500);

/// A running target.
pub(crate) struct Target {
    pub(crate) stack: Stack,
    proxies: BTreeMap<u8, Proxy>,
}

impl Target {
    /// Starts what the scenario's topology asks for.
    pub(crate) async fn start(
        plan: &ScenarioPlan,
        embedded: &Embedded,
        folder: &Path,
    ) -> Result<Self, EngineError> {
        let topology = &plan.scenario.topology;
        let mut spec = StackSpec::new(folder);
        spec.archives = embedded.archives.clone();
        spec.brokers = topology.brokers;
        spec.broker_config.clone_from(&topology.config);
        spec.cdc = plan.scenario.capture.as_ref().map(|capture| CdcSpec {
            worker_config: capture.worker_config.clone(),
        });
        let mut proxies = BTreeMap::new();
        if topology.link == Link::Proxy {
            for broker in 1..=topology.brokers {
                let port = ReservedPort::take()?;
                let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
                let proxy = Proxy::start(anywhere, port.addr()).await?;
                spec.advertise.insert(broker, proxy.addr());
                spec.client_ports.insert(broker, port);
                proxies.insert(broker, proxy);
            }
        }
        let stack = Stack::start(&embedded.artefacts, &embedded.java, spec, |_| {}).await?;
        Ok(Self { stack, proxies })
    }

    /// `bootstrap.servers` for subjects.
    pub(crate) fn bootstrap(&self) -> String {
        let servers: Vec<String> = self
            .stack
            .bootstrap_servers()
            .iter()
            .map(SocketAddr::to_string)
            .collect();
        servers.join(",")
    }

    /// The addresses that no fault stands before.
    pub(crate) fn direct(&self) -> Vec<String> {
        self.stack
            .direct_servers()
            .iter()
            .map(SocketAddr::to_string)
            .collect()
    }

    /// The proxies, by broker.
    pub(crate) fn proxies(&self) -> &BTreeMap<u8, Proxy> {
        &self.proxies
    }

    /// Ends it all. What the logs say stays; the data goes, which is large
    /// and which the history has read.
    pub(crate) async fn stop(self) {
        let data = self.stack.dir().join("data");
        self.stack.stop(STOP_GRACE).await;
        for proxy in self.proxies.into_values() {
            proxy.stop().await;
        }
        // A folder that stays costs space and nothing else.
        let _ = tokio::fs::remove_dir_all(data).await;
    }
}
