//! The part of the Docker Engine API that ackproof needs, over the engine's Unix socket
//! (<https://docs.docker.com/reference/api/engine/>). Podman has the same API. Knows nothing
//! of what runs in containers.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Method, Request, header};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::time::Instant;

use crate::wait::before_moment;

/// Where the engine listens where nobody says.
const SOCKET: &str = "/var/run/docker.sock";
/// Names the engine's address, as for Docker's own tools.
const HOST_VARIABLE: &str = "DOCKER_HOST";
/// How long the engine may take to answer. It ends and starts containers meanwhile.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);
/// What a container is told to do that it does already.
const NOT_MODIFIED: u16 = 304;

/// The container engine did not do what was asked of it.
#[derive(Debug, thiserror::Error)]
pub enum ContainerError {
    /// The engine is somewhere else than at a socket of this machine.
    #[error(
        "DOCKER_HOST={0} is no Unix socket: ackproof breaks containers of this machine only \
         (unix:///PATH); run it there"
    )]
    Host(String),
    /// There is no engine.
    #[error(
        "no container engine at {}: start Docker, or say with DOCKER_HOST=unix:///PATH where it is",
        socket.display()
    )]
    Absent {
        /// Where it should be.
        socket: PathBuf,
        /// Why it cannot be reached.
        source: io::Error,
    },
    /// This user has no rights on the engine.
    #[error(
        "no rights on the container engine at {}: run ackproof as a user of the group that owns \
         this socket (mostly `docker`)",
        socket.display()
    )]
    NoRights {
        /// Where it is.
        socket: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It does not answer, or not as such an engine does.
    #[error("the container engine at {} does not answer as one: {reason}", socket.display())]
    Talk {
        /// Where it is.
        socket: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A container that was started ended again.
    #[error("{name} was started, and ended again with exit code {exit_code}")]
    Ended {
        /// Its name.
        name: String,
        /// How it ended.
        exit_code: i32,
    },
    /// It refuses.
    #[error("the container engine refuses to {action}: {said}")]
    Refused {
        /// What was asked.
        action: String,
        /// The HTTP status.
        status: u16,
        /// In its own words.
        said: String,
    },
}

/// A container, as far as the engine tells and ackproof asks.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Container {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) state: ContainerState,
    pub(super) config: ContainerConfig,
    pub(super) network_settings: NetworkSettings,
}

/// What a container is doing.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ContainerState {
    /// In one word: `running`, `paused`, `exited`.
    pub(crate) status: String,
    /// Also while it is paused.
    pub(crate) running: bool,
    pub(crate) paused: bool,
    /// Its first process, as the engine's machine numbers it; 0 where there is none.
    pub(crate) pid: u32,
    /// How it ended last.
    pub(crate) exit_code: i32,
    pub(crate) started_at: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ContainerConfig {
    #[serde(default)]
    pub(super) hostname: String,
    #[serde(default)]
    pub(super) image: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) env: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) labels: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) exposed_ports: BTreeMap<String, serde_json::Value>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct NetworkSettings {
    #[serde(default, deserialize_with = "or_default")]
    pub(super) ports: BTreeMap<String, Option<Vec<PublishedPort>>>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) networks: BTreeMap<String, Endpoint>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PublishedPort {
    #[serde(default)]
    pub(super) host_port: String,
}

/// A container's place in a network.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Endpoint {
    #[serde(default, deserialize_with = "or_default")]
    pub(super) aliases: Vec<String>,
    #[serde(default, rename = "DNSNames", deserialize_with = "or_default")]
    pub(super) dns_names: Vec<String>,
    #[serde(default, rename = "IPAddress")]
    pub(super) ip_address: String,
}

/// A container in a list of them.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Listed {
    pub(super) id: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) labels: BTreeMap<String, String>,
}

/// Go writes an empty list or map as null.
fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// The container engine of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Docker {
    socket: PathBuf,
}

impl Docker {
    /// The one that Docker's own tools would use.
    pub(super) fn of_environment() -> Result<Self, ContainerError> {
        let host = std::env::var(HOST_VARIABLE).unwrap_or_default();
        match host.trim() {
            "" => Ok(Self::at(Path::new(SOCKET))),
            host => match host.strip_prefix("unix://") {
                Some(path) if path.starts_with('/') => Ok(Self::at(Path::new(path))),
                _ => Err(ContainerError::Host(host.to_owned())),
            },
        }
    }

    pub(super) fn at(socket: &Path) -> Self {
        Self {
            socket: socket.to_owned(),
        }
    }

    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    /// All containers that Compose has made, also those that do not run.
    pub(super) async fn of_compose(&self) -> Result<Vec<Listed>, ContainerError> {
        // {"label": ["com.docker.compose.project"]}
        let path = "/containers/json?all=1&filters=%7B%22label%22%3A%5B%22com.docker.compose.\
                    project%22%5D%7D";
        self.ask(path, "list containers").await
    }

    pub(super) async fn inspect(&self, id: &str) -> Result<Container, ContainerError> {
        let path = format!("/containers/{id}/json");
        self.ask(&path, "inspect a container").await
    }

    /// Sends its first process a signal.
    pub(super) async fn kill(&self, id: &str) -> Result<(), ContainerError> {
        let path = format!("/containers/{id}/kill?signal=SIGKILL");
        self.tell(&path, "kill a container").await
    }

    /// Ends it by its stop signal, and kills it after so long.
    pub(super) async fn stop(&self, id: &str, grace: Duration) -> Result<(), ContainerError> {
        let path = format!("/containers/{id}/stop?t={}", grace.as_secs());
        let limit = grace + ANSWER_LIMIT;
        self.exchange(Method::POST, &path, "stop a container", limit)
            .await
            .map(drop)
    }

    /// Ends it as [`Self::stop`] does, if it runs, and starts it.
    pub(super) async fn restart(&self, id: &str, grace: Duration) -> Result<(), ContainerError> {
        let path = format!("/containers/{id}/restart?t={}", grace.as_secs());
        let limit = grace + ANSWER_LIMIT;
        self.exchange(Method::POST, &path, "restart a container", limit)
            .await
            .map(drop)
    }

    pub(super) async fn start(&self, id: &str) -> Result<(), ContainerError> {
        let path = format!("/containers/{id}/start");
        self.tell(&path, "start a container").await
    }

    pub(super) async fn pause(&self, id: &str) -> Result<(), ContainerError> {
        let path = format!("/containers/{id}/pause");
        self.tell(&path, "pause a container").await
    }

    pub(super) async fn unpause(&self, id: &str) -> Result<(), ContainerError> {
        let path = format!("/containers/{id}/unpause");
        self.tell(&path, "unpause a container").await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        path: &str,
        action: &str,
    ) -> Result<T, ContainerError> {
        let body = self
            .exchange(Method::GET, path, action, ANSWER_LIMIT)
            .await?;
        serde_json::from_slice(&body).map_err(|error| self.talk(&error))
    }

    async fn tell(&self, path: &str, action: &str) -> Result<(), ContainerError> {
        self.exchange(Method::POST, path, action, ANSWER_LIMIT)
            .await
            .map(drop)
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        action: &str,
        limit: Duration,
    ) -> Result<Bytes, ContainerError> {
        let answer = before_moment(Instant::now() + limit, self.talk_once(method, path)).await;
        let (status, body) = answer.unwrap_or_else(|| {
            Err(self.talk(&format!("no answer within {} s", limit.as_secs())))
        })?;
        if (200..300).contains(&status) || status == NOT_MODIFIED {
            return Ok(body);
        }
        Err(ContainerError::Refused {
            action: action.to_owned(),
            status,
            said: words(&body),
        })
    }

    /// One request on a connection of its own, and the answer's status and body.
    async fn talk_once(&self, method: Method, path: &str) -> Result<(u16, Bytes), ContainerError> {
        let stream = UnixStream::connect(&self.socket).await;
        let stream = stream.map_err(|source| {
            let socket = self.socket.clone();
            match source.kind() {
                io::ErrorKind::PermissionDenied => ContainerError::NoRights { socket, source },
                _ => ContainerError::Absent { socket, source },
            }
        })?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.talk(&error))?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "docker")
            .header(header::CONTENT_LENGTH, "0")
            .body(Full::<Bytes>::default())
            .map_err(|error| self.talk(&error))?;
        let exchange = async {
            let answer = sender.send_request(request).await?;
            let status = answer.status().as_u16();
            let body = answer.into_body().collect().await?;
            Ok::<_, hyper::Error>((status, body.to_bytes()))
        };
        tokio::pin!(exchange);
        tokio::select! {
            biased;
            answer = &mut exchange => answer.map_err(|error| self.talk(&error)),
            ended = connection => match ended {
                // What it has sent before is still to be taken.
                Ok(()) => exchange.await.map_err(|error| self.talk(&error)),
                Err(error) => Err(self.talk(&error)),
            },
        }
    }

    fn talk(&self, reason: &dyn ToString) -> ContainerError {
        ContainerError::Talk {
            socket: self.socket.clone(),
            reason: reason.to_string(),
        }
    }
}

/// The engine's own words, which it puts into a JSON object.
fn words(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Said {
        message: String,
    }
    serde_json::from_slice(body).map_or_else(
        |_| String::from_utf8_lossy(body).trim().to_owned(),
        |said: Said| said.message,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_nothing_are_null() {
        let text = r#"{"Id": "a", "Name": "/kafka", "State": {"Status": "running",
            "Running": true, "Paused": false, "Pid": 7, "ExitCode": 0, "StartedAt": "then"},
            "Config": {"Env": null, "Labels": null},
            "NetworkSettings": {"Ports": {"9092/tcp": null},
                                "Networks": {"n": {"Aliases": null, "IPAddress": "172.18.0.2"}}}}"#;
        let container: Container = serde_json::from_str(text).unwrap();
        assert!(container.config.env.is_empty());
        assert_eq!(
            container.network_settings.networks["n"].ip_address,
            "172.18.0.2"
        );
    }

    #[tokio::test]
    async fn an_engine_that_is_not_there_is_named_with_its_socket() {
        let dir = tempfile::tempdir().unwrap();
        let docker = Docker::at(&dir.path().join("docker.sock"));
        let told = docker.of_compose().await.unwrap_err();
        assert!(matches!(told, ContainerError::Absent { .. }), "{told:?}");
        assert!(told.to_string().contains("docker.sock"), "{told}");
    }

    #[test]
    fn it_is_told_in_the_engines_own_words() {
        assert_eq!(
            words(br#"{"message":"No such container: a"}"#),
            "No such container: a"
        );
        assert_eq!(words(b"page not found\n"), "page not found");
    }
}
