//! Starts subjects, tells them their roles, and writes down what they report.
//! Knows the protocol and nothing of the clients behind it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use model::event::{Body, Isolation};
use model::ids::{GroupIx, MemberIx, Micros, ProducerIx, TopicIx};
use model::plan::{PlannedTopic, ScenarioPlan};
use model::scenario::Producer;
use secret::Secrets;
use stack::process::{Child, ChildSpec, Stream, Trouble};
use subject::role::{ClientCommand, ClientEvent, Report, Role};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use wire::ClientSecurity;

use crate::clients::Clients;
use crate::configs::{CLIENT, EffectiveConfigs, SET};
use crate::created::Created;
use crate::error::EngineError;
use crate::logs::log_of;
use crate::panics::caught;
use crate::processes::{Processes, subject_lost};
use crate::recorder::HistoryRecorder;
use crate::reports::{PendingOutput, ProducerReports, ReportDecoder, of_member};
use crate::roles::{Site, producer_role};

/// The command of our own program that drives a client.
const DRIVE_CLIENT: &str = "drive-client";

/// What every subject needs to be started.
#[derive(Clone)]
pub(crate) struct Launcher {
    /// The program; started as `PROGRAM drive-client`.
    pub(crate) program: PathBuf,
    /// Where logs go.
    pub(crate) logs: PathBuf,
    /// What must not be in them.
    pub(crate) secrets: Secrets,
    /// `bootstrap.servers`.
    pub(crate) bootstrap: String,
    /// How the client reaches them.
    pub(crate) security: ClientSecurity,
    pub(crate) clients: Clients,
    pub(crate) recorder: HistoryRecorder,
    pub(crate) configs: EffectiveConfigs,
    pub(crate) processes: Processes,
    pub(crate) created: Created,
}

/// What a subject's reports are about.
#[derive(Clone, Debug)]
pub(crate) enum ReportSource {
    Producer(ProducerReports),
    Member {
        member: MemberIx,
        group: GroupIx,
        topic: TopicIx,
    },
    Transformer(ReportDecoder),
}

impl ReportSource {
    const fn group(&self) -> Option<GroupIx> {
        match self {
            Self::Producer(_) => None,
            Self::Member { group, .. } => Some(*group),
            Self::Transformer(decoder) => Some(decoder.group()),
        }
    }
}

/// How far a subject has come, by its own word.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one thing that was said, independent of the others"
)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SubjectState {
    pub(crate) ready: bool,
    pub(crate) assigned: bool,
    pub(crate) ended: bool,
    /// Records that it made, that stand in the log, and that it did not commit
    /// so far.
    pub(crate) uncommitted: u64,
    /// Whether the brokers did not let it have its way, as one whose place is
    /// another's.
    pub(crate) fenced: bool,
}

/// A running subject.
pub(crate) struct Subject {
    pub(crate) name: String,
    pub(crate) child: Arc<Child>,
    pub(crate) state: watch::Receiver<SubjectState>,
    /// Ends when everything that the subject wrote has been written down.
    reader: Option<JoinHandle<Result<(), EngineError>>>,
    /// Why not everything was, once that is known.
    not_recorded: Option<String>,
    // Closing it asks the subject to stop, should nothing else reach it.
    _stdin: tokio::process::ChildStdin,
}

impl Launcher {
    /// The facts that every role names.
    pub(crate) fn site(&self) -> Site<'_> {
        Site {
            clock: self.recorder.clock(),
            bootstrap: &self.bootstrap,
            clients: &self.clients,
        }
    }

    pub(crate) async fn launch(
        &self,
        name: String,
        role: &Role,
        source: ReportSource,
    ) -> Result<Subject, EngineError> {
        let log = self.logs.join(log_of(&name));
        let mut spec = ChildSpec::new(&self.program, log).arg(DRIVE_CLIENT);
        spec.secrets = self.secrets.clone();
        spec.stdin = Stream::Piped;
        spec.stdout = Stream::Piped;
        let mut child = spec.spawn()?;
        let broken = |what: &str| EngineError::Broken(format!("{name}: {what}"));
        let mut stdin = child
            .take_stdin()
            .and_then(Result::ok)
            .ok_or_else(|| broken("no standard input"))?;
        let stdout = child
            .take_stdout()
            .and_then(Result::ok)
            .ok_or_else(|| broken("no standard output"))?;
        let mut line = serde_json::to_vec(&secured(role, &self.security))
            .map_err(|error| EngineError::Broken(error.to_string()))?;
        line.push(b'\n');
        // A subject that ends at once shows in its exit, which says more.
        let _ = stdin.write_all(&line).await;
        let (progress, state) = watch::channel(SubjectState::default());
        let reports = ReportReader {
            name: name.clone(),
            source,
            recorder: self.recorder.clone(),
            configs: self.configs.clone(),
            progress,
        };
        let child = Arc::new(child);
        self.processes.add_subject(&name, &child);
        Ok(Subject {
            name,
            child,
            state,
            reader: Some(tokio::spawn(caught(
                reports.read_all(BufReader::new(stdout)),
            ))),
            not_recorded: None,
            _stdin: stdin,
        })
    }
}

/// The role with what its client needs to reach the brokers, in that client's own keys.
fn secured(role: &Role, security: &ClientSecurity) -> Role {
    let add = |config: &mut BTreeMap<String, String>, client: &ClientCommand| match client {
        ClientCommand::Command(_) => config.extend(security.java_config()),
        ClientCommand::BuiltIn | ClientCommand::Library(_) => {
            let own = security.librdkafka_config().into_iter();
            config.extend(own.map(|(key, value)| (format!("librdkafka.{key}"), value)));
        }
    };
    let mut role = role.clone();
    match &mut role {
        Role::Producer(of) => add(&mut of.config, &of.client),
        Role::Consumer(of) => add(&mut of.config, &of.client),
        Role::Transform(of) => {
            add(&mut of.config, &of.client);
            add(&mut of.producer_config, &of.client);
        }
    }
    role
}

/// Which records a consumer is given, by its configuration in force. Clients'
/// defaults differ: librdkafka's is `read_committed`, the Java client's is not.
fn isolation(config: &BTreeMap<String, String>) -> Option<Isolation> {
    match config.get("isolation.level")?.as_str() {
        "read_committed" => Some(Isolation::ReadCommitted),
        "read_uncommitted" => Some(Isolation::ReadUncommitted),
        _ => None,
    }
}

fn is_assignment(what: &ClientEvent) -> bool {
    matches!(what, ClientEvent::Assigned { partitions } if !partitions.is_empty())
}

struct ReportReader {
    name: String,
    source: ReportSource,
    recorder: HistoryRecorder,
    configs: EffectiveConfigs,
    progress: watch::Sender<SubjectState>,
}

impl ReportReader {
    async fn read_all(
        mut self,
        mut stdout: BufReader<tokio::process::ChildStdout>,
    ) -> Result<(), EngineError> {
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = stdout.read_until(b'\n', &mut line).await;
            // Killed while writing: a line that is not whole was not said.
            if !matches!(read, Ok(1..)) || line.last() != Some(&b'\n') {
                if let ReportSource::Transformer(decoder) = &mut self.source {
                    for body in decoder.unreported() {
                        self.recorder.note(body);
                    }
                }
                return Ok(());
            }
            let report: Report =
                serde_json::from_slice(&line).map_err(|_| EngineError::Protocol {
                    subject: self.name.clone(),
                    line: String::from_utf8_lossy(&line).chars().take(200).collect(),
                })?;
            self.handle(report);
        }
    }

    fn handle(&mut self, report: Report) {
        match (&mut self.source, report.what) {
            (
                source,
                ClientEvent::Ready {
                    client,
                    version,
                    mut config,
                    mut set,
                },
            ) => {
                if let Some(group) = source.group()
                    && let Some(isolation) = isolation(&config)
                {
                    let body = Body::IsolationDeclared { group, isolation };
                    self.recorder.record(report.at, body);
                }
                config.insert(CLIENT.to_owned(), format!("{client} {version}"));
                set.sort_unstable();
                config.insert(SET.to_owned(), set.join(", "));
                self.configs.set(&self.name, config.into());
                self.progress.send_modify(|state| state.ready = true);
            }
            (_, ClientEvent::Ended) => self.progress.send_modify(|state| state.ended = true),
            (_, ClientEvent::Note { .. }) => {}
            (ReportSource::Transformer(decoder), what) => {
                let (pending, fenced) = (
                    ReportDecoder::pending_output(&what),
                    ReportDecoder::is_fencing(&what),
                );
                let assigned = is_assignment(&what);
                for body in decoder.events_of(what) {
                    self.recorder.record(report.at, body);
                }
                self.progress.send_if_modified(|state| {
                    let before = *state;
                    match pending {
                        PendingOutput::Grew => state.uncommitted += 1,
                        PendingOutput::Committed => state.uncommitted = 0,
                        PendingOutput::Unchanged => {}
                    }
                    state.assigned |= assigned;
                    state.fenced |= fenced;
                    *state != before
                });
            }
            (ReportSource::Producer(producer), what) => {
                if let Some(body) = producer.event_of(what) {
                    self.recorder.record(report.at, body);
                }
            }
            (ReportSource::Member { member, topic, .. }, what) => {
                let assigned = is_assignment(&what);
                if let Some(body) = of_member(*member, *topic, what) {
                    self.recorder.record(report.at, body);
                }
                if assigned {
                    self.progress.send_modify(|state| state.assigned = true);
                }
            }
        }
    }
}

impl Subject {
    /// Waits until it says so, or fails when it ends first.
    pub(crate) async fn wait_until(
        &mut self,
        condition: impl Fn(&SubjectState) -> bool,
    ) -> Result<(), EngineError> {
        let mut state = self.state.clone();
        let waited = state.wait_for(|state| condition(state)).await.is_ok();
        if waited {
            return Ok(());
        }
        Err(self.ended_early().await)
    }

    async fn ended_early(&mut self) -> EngineError {
        if let Err(error) = self.all_recorded().await {
            return error;
        }
        let exit = self.child.wait().await;
        subject_lost(&self.name, Trouble::Ended(exit), self.child.log())
    }

    /// Waits until everything that it wrote is in the history. A report that was
    /// not recorded, whatever the reason, is an error.
    pub(crate) async fn all_recorded(&mut self) -> Result<(), EngineError> {
        let Some(reader) = &mut self.reader else {
            let reason = self.not_recorded.clone();
            return reason.map_or(Ok(()), |reason| Err(EngineError::Broken(reason)));
        };
        let read = reader.await;
        let read = read.unwrap_or_else(|error| Err(EngineError::Broken(error.to_string())));
        self.reader = None;
        self.not_recorded = read.as_ref().err().map(EngineError::with_causes);
        read
    }

    /// Waits until it has ended and everything it said is written down.
    async fn finish(mut self) -> Result<(), EngineError> {
        let exit = self.child.wait().await;
        self.all_recorded().await?;
        if self.state.borrow().ended && exit.is_success() {
            Ok(())
        } else {
            Err(subject_lost(
                &self.name,
                Trouble::Ended(exit),
                self.child.log(),
            ))
        }
    }
}

/// Runs one producer until every record has an outcome.
pub(crate) async fn run_producer(
    launcher: &Launcher,
    plan: &ScenarioPlan,
    number: ProducerIx,
    producer: &Producer,
    topics: &[PlannedTopic],
    traffic_began: Micros,
) -> Result<(), EngineError> {
    let site = launcher.site();
    let role = producer_role(&site, plan, number, producer, topics, traffic_began);
    let name = format!("producer {number}");
    let source = ReportSource::Producer(ProducerReports {
        producer: number,
        topics: topics.iter().map(|it| it.ix).collect(),
        keys: producer.keys,
    });
    let subject = launcher.launch(name, &role, source).await?;
    subject.finish().await
}
