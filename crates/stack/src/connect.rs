//! A Kafka Connect worker (distributed), and what is asked of it over REST.
//!
//! Knows Connect's REST interface; not what a connector captures.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::encoding::encoded;
use crate::jvm::JvmSpec;
use crate::ports::ReservedPort;
use crate::process::elapsed_ms;
use crate::rest::{Answer, Method, RestError, ask};
use crate::service::{Probe, Service};

/// How long a worker is asked again while it rebalances.
const REBALANCE_BOUND: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);
/// How much is told of a stack trace, at most: so many causes of such length.
const CAUSES_MAX: usize = 6;
const CAUSE_CHARS_MAX: usize = 300;

/// What went wrong with Connect.
#[derive(Debug, thiserror::Error)]
pub enum ConnectWorkerError {
    /// Its settings could not be written.
    #[error("cannot write {path}", path = path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// It did not answer.
    #[error(transparent)]
    Rest(#[from] RestError),
    /// It refused.
    #[error("Connect refused {method} {path} with {status}: {message}")]
    Refused {
        /// The method.
        method: Method,
        /// What was asked for.
        path: String,
        /// The HTTP status.
        status: u16,
        /// Its own words.
        message: String,
    },
    /// It answered something else than its documentation says.
    #[error("Connect's status of connector {connector} is not understood")]
    Status {
        /// Which connector.
        connector: String,
        /// Why not.
        #[source]
        source: serde_json::Error,
    },
    /// The connector or a task of it failed.
    #[error("{what} of connector {connector} failed: {trace}")]
    Failed {
        /// Which connector.
        connector: String,
        /// `the instance`, or `task N`.
        what: String,
        /// The first line of Connect's stack trace, and of each cause.
        trace: String,
    },
    /// Not all of it was running in time.
    #[error("connector {connector} was not running within {bound_ms} ms, its state is {state}")]
    NotRunning {
        /// Which connector.
        connector: String,
        /// How long it was given.
        bound_ms: u64,
        /// What it was last.
        state: String,
    },
}

/// What a restart over REST restarts. Connect's default is the instance
/// alone, which captures nothing: KIP-745.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestartScope {
    /// The connector instance; its tasks go on.
    InstanceOnly,
    /// The instance and all its tasks.
    WithTasks,
}

/// A connector's status, as Connect tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectorStatus {
    /// Its name.
    pub name: String,
    /// Of the instance.
    pub connector: UnitStatus,
    /// Of each task.
    pub tasks: Vec<TaskStatus>,
}

/// The status of a connector instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitStatus {
    /// `RUNNING`, `FAILED`, `UNASSIGNED`, `PAUSED`, `RESTARTING`, `STOPPED`.
    pub state: String,
    /// Which worker has it.
    #[serde(default)]
    pub worker_id: String,
    /// Why it failed.
    #[serde(default)]
    pub trace: Option<String>,
}

/// The status of a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskStatus {
    /// Its number, from 0.
    pub id: u32,
    /// And the rest.
    #[serde(flatten)]
    pub unit: UnitStatus,
}

impl UnitStatus {
    /// The first line of its stack trace, and of each cause.
    pub fn causes(&self) -> Vec<String> {
        let trace = self.trace.as_deref().unwrap_or_default();
        let mut lines = trace.lines().map(str::trim).filter(|line| !line.is_empty());
        let first = lines.next();
        let causes = lines.filter(|line| line.starts_with("Caused by:"));
        let all = first.into_iter().chain(causes).take(CAUSES_MAX);
        all.map(shortened).collect()
    }
}

impl ConnectorStatus {
    /// The instance and its tasks, with what they are called.
    pub fn units(&self) -> impl Iterator<Item = (String, &UnitStatus)> {
        let tasks = self.tasks.iter();
        std::iter::once(("the instance".to_owned(), &self.connector))
            .chain(tasks.map(|task| (format!("task {}", task.id), &task.unit)))
    }

    /// Whether the instance and at least one task run, and all tasks do.
    pub fn is_running(&self) -> bool {
        !self.tasks.is_empty() && self.units().all(|(_, unit)| unit.state == "RUNNING")
    }

    /// Whether nothing of it captures any more, and nothing is going to by
    /// itself: its tasks have failed, or it has none and failed itself.
    pub fn is_dead(&self) -> bool {
        let failed = |unit: &UnitStatus| unit.state == "FAILED";
        match &self.tasks[..] {
            [] => failed(&self.connector),
            tasks => tasks.iter().all(|task| failed(&task.unit)),
        }
    }

    fn failure(&self) -> Option<(String, String)> {
        self.units()
            .find(|(_, unit)| unit.state == "FAILED")
            .map(|(what, unit)| (what, unit.causes().join("; ")))
    }

    /// The failure of a part of it, as an error.
    ///
    /// # Errors
    /// [`ConnectWorkerError::Failed`] when a part has failed.
    pub fn check(&self) -> Result<(), ConnectWorkerError> {
        match self.failure() {
            None => Ok(()),
            Some((what, trace)) => Err(ConnectWorkerError::Failed {
                connector: self.name.clone(),
                what,
                trace,
            }),
        }
    }

    fn summary(&self) -> String {
        let states: Vec<_> = self
            .units()
            .map(|(what, unit)| format!("{what} {}", unit.state))
            .collect();
        states.join(", ")
    }
}

/// A Connect worker.
#[derive(Debug)]
pub struct Connect {
    port: ReservedPort,
    config: BTreeMap<String, String>,
    service: Service,
}

/// What a worker is made of.
pub(crate) struct ConnectSetup<'a> {
    pub(crate) bootstrap: Vec<SocketAddr>,
    pub(crate) brokers: u8,
    pub(crate) plugin_path: &'a Path,
    pub(crate) overrides: &'a BTreeMap<String, String>,
    pub(crate) port: ReservedPort,
}

impl Connect {
    /// Writes its settings under `dir`.
    pub(crate) fn prepare(
        dir: &Path,
        setup: ConnectSetup<'_>,
        mut jvm: JvmSpec,
    ) -> Result<Self, ConnectWorkerError> {
        let config = settings(&setup);
        let properties = dir.join("config/connect.properties");
        jvm.set_properties(&properties, &config)
            .map_err(|source| ConnectWorkerError::Io {
                path: properties,
                source,
            })?;
        jvm.heap_mb = 512;
        let probe = Probe::Http {
            // Answered by the herder only once it has joined its group.
            url: format!("http://{}/connectors", setup.port.addr()),
        };
        Ok(Self {
            port: setup.port,
            config,
            service: Service::new("connect".to_owned(), jvm.child(), probe),
        })
    }

    /// Its process: to stop, kill, freeze and start again.
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// The settings it was given.
    pub fn config(&self) -> &BTreeMap<String, String> {
        &self.config
    }

    /// Where its REST interface is.
    pub(crate) fn rest_addr(&self) -> SocketAddr {
        self.port.addr()
    }

    /// Makes a connector, or gives an existing one this configuration.
    ///
    /// Brokers make no topics by themselves here: the configuration needs
    /// `topic.creation.default.partitions` and
    /// `topic.creation.default.replication.factor`, or the topics be there.
    ///
    /// # Errors
    /// [`ConnectWorkerError::Refused`] when the configuration is wrong.
    pub async fn create_connector(
        &self,
        name: &str,
        config: &BTreeMap<String, String>,
    ) -> Result<(), ConnectWorkerError> {
        let path = format!("/connectors/{}/config", encoded(name.as_bytes()));
        let body = Value::from_iter(config.clone());
        self.ask(Method::Put, path, Some(body)).await.map(drop)
    }

    /// How a connector is; `None` when there is none of that name, or Connect
    /// knows nothing of it yet.
    pub async fn status(&self, name: &str) -> Result<Option<ConnectorStatus>, ConnectWorkerError> {
        let path = format!("/connectors/{}/status", encoded(name.as_bytes()));
        let answer = match self.ask(Method::Get, path, None).await {
            Err(ConnectWorkerError::Refused { status: 404, .. }) => return Ok(None),
            answer => answer?,
        };
        serde_json::from_value(answer.body)
            .map(Some)
            .map_err(|source| ConnectWorkerError::Status {
                connector: name.to_owned(),
                source,
            })
    }

    /// The version of a connector's plugin, such as `3.7.0.Final`; `None` when
    /// Connect has no such plugin, or does not say.
    pub async fn plugin_version(&self, class: &str) -> Result<Option<String>, ConnectWorkerError> {
        let answer = self.ask(Method::Get, "/connector-plugins".to_owned(), None);
        let plugins = answer.await?.body;
        let mut plugins = plugins.as_array().into_iter().flatten();
        let plugin = plugins.find(|plugin| plugin["class"] == class);
        let version = plugin.and_then(|plugin| plugin["version"].as_str());
        Ok(version.map(str::to_owned))
    }

    /// Restarts a connector. Connect answers when it has taken note, not when
    /// it is done.
    pub async fn restart(&self, name: &str, scope: RestartScope) -> Result<(), ConnectWorkerError> {
        let query = match scope {
            RestartScope::InstanceOnly => "",
            RestartScope::WithTasks => "?includeTasks=true&onlyFailed=false",
        };
        let path = format!("/connectors/{}/restart{query}", encoded(name.as_bytes()));
        self.ask(Method::Post, path, None).await.map(drop)
    }

    /// Stops a connector: it has no tasks until it is resumed, and keeps its
    /// configuration and its offsets (KIP-875). Connect answers when it has taken
    /// note, not when it is done.
    ///
    /// # Errors
    /// [`ConnectWorkerError`].
    pub async fn stop(&self, name: &str) -> Result<(), ConnectWorkerError> {
        let path = format!("/connectors/{}/stop", encoded(name.as_bytes()));
        self.ask(Method::Put, path, None).await.map(drop)
    }

    /// Resumes a connector that was stopped. Connect answers when it has taken
    /// note, not when it is done.
    ///
    /// # Errors
    /// [`ConnectWorkerError`].
    pub async fn resume(&self, name: &str) -> Result<(), ConnectWorkerError> {
        let path = format!("/connectors/{}/resume", encoded(name.as_bytes()));
        self.ask(Method::Put, path, None).await.map(drop)
    }

    /// Removes a connector; its offsets stay.
    pub async fn delete(&self, name: &str) -> Result<(), ConnectWorkerError> {
        let path = format!("/connectors/{}", encoded(name.as_bytes()));
        self.ask(Method::Delete, path, None).await.map(drop)
    }

    /// Waits until a connector and all its tasks run.
    ///
    /// # Errors
    /// [`ConnectWorkerError::Failed`] with the trace as soon as a part of it fails,
    /// [`ConnectWorkerError::NotRunning`] after `bound`.
    pub async fn wait_running(
        &self,
        name: &str,
        bound: Duration,
    ) -> Result<ConnectorStatus, ConnectWorkerError> {
        let since = Instant::now();
        loop {
            let status = self.status(name).await?;
            status.as_ref().map_or(Ok(()), ConnectorStatus::check)?;
            match status {
                Some(status) if status.is_running() => return Ok(status),
                status if since.elapsed() > bound => {
                    return Err(ConnectWorkerError::NotRunning {
                        connector: name.to_owned(),
                        bound_ms: elapsed_ms(since),
                        state: status.map_or("unknown".to_owned(), |it| it.summary()),
                    });
                }
                _ => tokio::time::sleep(POLL).await,
            }
        }
    }

    /// Asks, and asks again while the worker says that it is rebalancing.
    async fn ask(
        &self,
        method: Method,
        path: String,
        body: Option<Value>,
    ) -> Result<Answer, ConnectWorkerError> {
        let since = Instant::now();
        loop {
            let url = format!("http://{}{path}", self.rest_addr());
            let answer = ask(method, url, body.clone()).await?;
            match answer.status {
                200..=299 => return Ok(answer),
                409 if since.elapsed() < REBALANCE_BOUND => tokio::time::sleep(POLL).await,
                status => {
                    let message = answer.body.get("message").and_then(Value::as_str);
                    return Err(ConnectWorkerError::Refused {
                        method,
                        path,
                        status,
                        message: message.unwrap_or("no reason given").to_owned(),
                    });
                }
            }
        }
    }
}

fn settings(setup: &ConnectSetup<'_>) -> BTreeMap<String, String> {
    let bootstrap: Vec<_> = setup.bootstrap.iter().map(ToString::to_string).collect();
    let replicas = setup.brokers.min(3).to_string();
    let ours = [
        ("bootstrap.servers", bootstrap.join(",")),
        ("group.id", "ackproof-connect".to_owned()),
        ("config.storage.topic", "connect-configs".to_owned()),
        ("offset.storage.topic", "connect-offsets".to_owned()),
        ("status.storage.topic", "connect-status".to_owned()),
        ("config.storage.replication.factor", replicas.clone()),
        ("offset.storage.replication.factor", replicas.clone()),
        ("status.storage.replication.factor", replicas),
        ("offset.storage.partitions", "1".to_owned()),
        ("status.storage.partitions", "1".to_owned()),
        ("key.converter", JSON_CONVERTER.to_owned()),
        ("value.converter", JSON_CONVERTER.to_owned()),
        ("key.converter.schemas.enable", "false".to_owned()),
        ("value.converter.schemas.enable", "false".to_owned()),
        ("plugin.path", setup.plugin_path.display().to_string()),
        ("plugin.discovery", discovery(setup.plugin_path).to_owned()),
        ("listeners", format!("http://{}", setup.port.addr())),
        ("rest.advertised.host.name", "127.0.0.1".to_owned()),
        ("offset.flush.interval.ms", "1000".to_owned()),
        // Connect keeps a lost worker's tasks for it, 5 minutes by default;
        // after the only worker is killed no other comes.
        ("scheduled.rebalance.max.delay.ms", "0".to_owned()),
        // It starts together with its brokers: look for them often.
        ("reconnect.backoff.ms", "20".to_owned()),
        ("reconnect.backoff.max.ms", "100".to_owned()),
    ];
    let ours = ours.map(|(key, value)| (key.to_owned(), value));
    ours.into_iter().chain(setup.overrides.clone()).collect()
}

/// How Connect finds the connector: to search every jar by reflection takes
/// seconds, and one that does not say what it has (Debezium did not before
/// 2.5) is found in no other way.
fn discovery(plugins: &Path) -> &'static str {
    const DECLARED: &str = "META-INF/services/org.apache.kafka.connect.source.SourceConnector";
    let declares = |jar: &Path| {
        let jar = fs::File::open(jar).ok().map(zip::ZipArchive::new);
        jar.is_some_and(|jar| jar.is_ok_and(|jar| jar.index_for_name(DECLARED).is_some()))
    };
    let dirs = fs::read_dir(plugins).into_iter().flatten().flatten();
    let files = dirs.flat_map(|dir| fs::read_dir(dir.path()).into_iter().flatten().flatten());
    let mut jars = files
        .map(|file| file.path())
        .filter(|path| path.extension().is_some_and(|it| it == "jar"));
    if jars.any(|jar| declares(&jar)) {
        "service_load"
    } else {
        "hybrid_warn"
    }
}

const JSON_CONVERTER: &str = "org.apache.kafka.connect.json.JsonConverter";

/// A line without its middle, where it is long: what is wrong stands at the
/// ends.
fn shortened(line: &str) -> String {
    let chars: Vec<char> = line.chars().collect();
    let Some(rest) = chars
        .len()
        .checked_sub(CAUSE_CHARS_MAX)
        .filter(|it| *it > 0)
    else {
        return line.to_owned();
    };
    let half = CAUSE_CHARS_MAX / 2;
    let (head, tail) = (&chars[..half], &chars[half + rest..]);
    head.iter().chain(&[' ', '…', ' ']).chain(tail).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(json: &str) -> ConnectorStatus {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_connector_without_tasks_is_not_running_yet() {
        let none = r#"{"name":"c","connector":{"state":"RUNNING","worker_id":"w"},"tasks":[],"type":"source"}"#;
        assert!(!status(none).is_running());
        let one = r#"{"name":"c","connector":{"state":"RUNNING","worker_id":"w"},
            "tasks":[{"id":0,"state":"RUNNING","worker_id":"w"}]}"#;
        assert!(status(one).is_running());
    }

    #[test]
    fn a_failed_task_brings_its_trace() {
        let failed = r#"{"name":"c","connector":{"state":"RUNNING","worker_id":"w"},
            "tasks":[{"id":0,"state":"FAILED","worker_id":"w","trace":"why"}]}"#;
        assert_eq!(
            status(failed).failure(),
            Some(("task 0".to_owned(), "why".to_owned()))
        );
    }

    #[test]
    fn of_a_trace_the_causes_are_told_without_the_middle_of_long_ones() {
        let trace = format!(
            "E: it broke\n\tat x.y(Z.java:1)\nCaused by: {}end\n\tat q",
            "m".repeat(900)
        );
        let unit = UnitStatus {
            state: "FAILED".to_owned(),
            worker_id: String::new(),
            trace: Some(trace),
        };
        let causes = unit.causes();
        assert_eq!(causes[0], "E: it broke");
        assert!(causes[1].starts_with("Caused by: m") && causes[1].ends_with("mend"));
        assert_eq!(causes[1].chars().count(), CAUSE_CHARS_MAX + 3);
        assert_eq!(causes.len(), 2);
    }

    #[test]
    fn a_connector_is_dead_when_all_its_tasks_have_failed() {
        let of = |states: &[&str]| {
            let tasks: Vec<String> = states
                .iter()
                .enumerate()
                .map(|(id, state)| format!(r#"{{"id":{id},"state":"{state}","worker_id":"w"}}"#))
                .collect();
            let instance = r#""connector":{"state":"RUNNING","worker_id":"w"}"#;
            status(&format!(
                r#"{{"name":"c",{instance},"tasks":[{}]}}"#,
                tasks.join(",")
            ))
        };
        assert!(of(&["FAILED"]).is_dead());
        assert!(!of(&["FAILED", "RUNNING"]).is_dead());
        assert!(!of(&["RESTARTING"]).is_dead());
        assert!(!of(&[]).is_dead());
        assert!(of(&["FAILED"]).check().is_err());
    }

    #[test]
    fn a_name_cannot_reach_another_path() {
        assert_eq!(encoded(b"a-b_c"), "a-b_c");
        assert_eq!(encoded(b"../x y"), "..%2Fx%20y");
    }
}
