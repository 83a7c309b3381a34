//! What puts a container back as it was, kept where it outlives this program.

use std::path::{Path, PathBuf};
use std::time::Duration;

use proxy::HostPort;
use serde::{Deserialize, Serialize};
use wire::{Listener, probe};

use super::docker::{ContainerError, Docker};
use super::find::address;
use crate::wait::{Wait, Waits};

const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// How long a pause that was asked for may take to come.
const PAUSE_LIMIT: Duration = Duration::from_secs(2);

/// How a container is about to be broken. The engine may still be at it when it is mended:
/// requests outlive the program that sent them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Breaking {
    /// It ends. It is another one afterwards, by its start.
    Ends {
        /// Since when it ran.
        started_at: String,
    },
    /// It is paused.
    Pauses,
}

/// A container that runs, and is about to be broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ContainerToRestore {
    socket: PathBuf,
    container: String,
    /// The container's name, for people.
    name: String,
    /// Where what is in it is reached, unless that is at the container's own address.
    published_at: Option<String>,
    port: u16,
    breaking: Breaking,
}

impl ContainerToRestore {
    pub(super) fn new(
        socket: &Path,
        (container, name): (&str, &str),
        published_at: Option<String>,
        port: u16,
        breaking: Breaking,
    ) -> Self {
        Self {
            socket: socket.to_owned(),
            container: container.to_owned(),
            name: name.to_owned(),
            published_at,
            port,
            breaking,
        }
    }

    /// The container's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Continues it if it is paused, starts it if it does not run, and waits until its broker
    /// answers, within a limit.
    ///
    /// # Errors
    /// [`ContainerError`].
    pub(crate) async fn restore(&self) -> Result<(), ContainerError> {
        let docker = Docker::at(&self.socket);
        let mut state = docker.inspect(&self.container).await?.state;
        if self.breaking == Breaking::Pauses {
            let waiting = Waits::default().begin_for(Wait::Restored, &self.name, PAUSE_LIMIT);
            while state.running && !state.paused && waiting.pause(LOOK_INTERVAL).await {
                state = docker.inspect(&self.container).await?.state;
            }
        }
        let may_end = match &self.breaking {
            Breaking::Ends { started_at } => *started_at == state.started_at,
            Breaking::Pauses => false,
        };
        if state.paused {
            docker.unpause(&self.container).await?;
        } else if !state.running {
            docker.start(&self.container).await?;
        } else if may_end {
            docker
                .restart(&self.container, Wait::BrokerEnd.fixed())
                .await?;
        }
        let waiting = Waits::default().begin(Wait::Restored, &self.name);
        loop {
            let container = docker.inspect(&self.container).await?;
            let host = self.published_at.clone().or_else(|| address(&container));
            if let Some(host) = host {
                let port = self.port;
                // A port that is published takes connections before the broker does.
                let listener = probe(&HostPort { host, port }.to_string()).await;
                if matches!(
                    listener,
                    Listener::Broker | Listener::Sasl { .. } | Listener::Tls
                ) {
                    return Ok(());
                }
            }
            if !container.state.running {
                return Err(ContainerError::Ended {
                    name: self.name.clone(),
                    exit_code: container.state.exit_code,
                });
            }
            // One that runs is as it was: what its broker does is for others to judge.
            if !waiting.pause(LOOK_INTERVAL).await {
                return Ok(());
            }
        }
    }
}
