//! What can keep a scenario from being carried out. None of it says anything
//! about delivery: these are failures of the environment or of the instrument.

use std::path::{Path, PathBuf};

use cdc::rows::RowsError;
use cdc::schema::SchemaError;
use cdc::slot::SlotError;
use cdc::writer::WriterError;
use model::scenario::words::duration_ms;
use stack::ports::NoPort;
use stack::process::{Exit, ProcessError};
use wire::{ReadError, WireError};

use crate::containers::ContainerError;
use crate::listeners::ProbedAddress;
use crate::lost_process::LostProcess;
use crate::user_command::UserCommandError;

impl EngineError {
    /// Whether a process that is gone may be the cause.
    pub(crate) const fn may_be_a_process(&self) -> bool {
        !matches!(
            self,
            Self::ProcessLost(_)
                | Self::SubjectEnded { .. }
                | Self::NeverReached { .. }
                | Self::Refused { .. }
                | Self::Topic { .. }
                | Self::Lacking { .. }
                | Self::Feature { .. }
                | Self::Protocol { .. }
                | Self::Listing { .. }
                | Self::History { .. }
        )
    }

    /// Whether it was the environment that failed, and not the scenario that
    /// came to nothing.
    pub const fn is_environment_failure(&self) -> bool {
        !matches!(self, Self::NeverReached { .. })
    }

    /// The message with those of its causes.
    pub(crate) fn with_causes(&self) -> String {
        with_causes(self)
    }
}

/// The message of an error with those of its causes.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        message = format!("{message}: {inner}");
        cause = inner.source();
    }
    message
}

/// Why a scenario was given up.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The run directory cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// What.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The history can no longer be written, a full disk for example. What
    /// was written before still checks.
    #[error("cannot write the history: {reason}; the events before it can still be checked")]
    History {
        /// Why.
        reason: String,
    },
    /// The embedded stack failed.
    #[error("the embedded stack failed")]
    Stack(#[from] stack::embedded::StackError),
    /// A broker failed outside any fault.
    #[error("a broker failed")]
    Broker(#[from] stack::broker::BrokerError),
    /// A process of the stack failed outside any fault.
    #[error("a process of the stack failed")]
    Service(#[from] stack::service::ServiceError),
    /// Connect refused something or does not answer.
    #[error("Kafka Connect failed")]
    Connect(#[from] stack::connect::ConnectWorkerError),
    /// Prometheus does not tell its rules.
    #[error("Prometheus failed")]
    Prometheus(#[from] stack::prometheus::api::ApiError),
    /// The engine of the brokers' containers did not do what a fault asked.
    #[error("a fault in a container failed")]
    Container(#[from] ContainerError),
    /// A command of a fault came to nothing.
    #[error("the `{key}` command of a fault, `{line}`, failed")]
    UserCommand {
        /// Its key.
        key: &'static str,
        /// The command.
        line: String,
        /// Why.
        source: UserCommandError,
    },
    /// What an application did cannot be listed.
    #[error("`{line}`, which lists what the application did, failed")]
    Listing {
        /// The command.
        line: String,
        /// Why.
        source: UserCommandError,
    },
    /// No port could be had.
    #[error("no port could be had")]
    Port(#[from] NoPort),
    /// The proxy could not be started.
    #[error("the fault proxy failed")]
    Proxy(#[from] proxy::ClusterError),
    /// There is no certificate for the proxy.
    #[error("the fault proxy has no certificate for its clients")]
    Authority(#[from] proxy::AuthorityError),
    /// The proxy cannot learn who the brokers are.
    #[error("the fault proxy cannot ask the cluster for its brokers")]
    Greeting(#[from] proxy::GreetingError),
    /// No bootstrap address of a cluster answers.
    #[error("no broker answers at {bootstrap}")]
    Unreachable {
        /// The addresses.
        bootstrap: String,
        /// Why the last attempt failed.
        source: WireError,
    },
    /// A broker is not where the cluster says that it is.
    #[error(
        "broker {broker} does not answer at {address}, which is what it advertises \
         (advertised.listeners): {listener}; {}",
        listener.remedy_with_config()
    )]
    Advertised {
        /// Its node id.
        broker: String,
        /// `host:port`.
        address: String,
        /// What listens there instead.
        listener: wire::Listener,
    },
    /// A broker cannot be reached where the cluster says that it is.
    #[error(
        "broker {broker} cannot be reached at {address}, which is what it advertises \
             (advertised.listeners)"
    )]
    Elsewhere {
        /// Its node id.
        broker: String,
        /// `host:port`.
        address: String,
        /// Why not.
        source: Box<WireError>,
    },
    /// Some brokers cannot be told from each other.
    #[error(
        "brokers {brokers} are all at {address}: who is sent to one of them comes to whichever \
         answers there; give each broker an address of its own for clients outside \
         (advertised.listeners, or --resolve)"
    )]
    OneAddress {
        /// Their node ids.
        brokers: String,
        /// `host:port`.
        address: String,
    },
    /// The cluster does not have a feature at the level that it was formatted
    /// with.
    #[error(
        "the log directories were formatted with {name}={wanted}, and the brokers report {reported}"
    )]
    Feature {
        /// Kafka's name for it.
        name: String,
        /// The level that the scenario sets.
        wanted: i16,
        /// The level that is in force.
        reported: i16,
    },
    /// A cluster does not allow, or cannot give, what a plan needs.
    #[error("the cluster lacks what this run needs; nothing was sent:\n  {}", lacks.join("\n  "))]
    Lacks {
        /// What.
        lacks: Vec<String>,
    },
    /// At no bootstrap address is a broker that can be spoken to.
    #[error("no broker answers: {}", in_lines(probed))]
    NoBroker {
        /// What is there instead.
        probed: Vec<ProbedAddress>,
    },
    /// Nothing can be made like a topic of the user's.
    #[error("no topic can be made like {topic}: {reason}")]
    Unlike {
        /// Its name.
        topic: String,
        /// Why not.
        reason: String,
    },
    /// A plan has a name that is not its run's own.
    #[error("the plan has been changed: {name}; nothing was deleted")]
    ForeignName {
        /// What is wrong with it.
        name: String,
    },
    /// A cluster call failed.
    #[error("the observer cannot ask the cluster")]
    Wire(#[from] WireError),
    /// The log cannot be read.
    #[error("the observer cannot read the log")]
    Read(#[from] ReadError),
    /// The tables cannot be made.
    #[error("the tables cannot be made")]
    Schema(#[from] SchemaError),
    /// Rows cannot be written.
    #[error("rows cannot be written")]
    Writer(#[from] WriterError),
    /// The tables cannot be read.
    #[error("the tables cannot be read back")]
    Rows(#[from] RowsError),
    /// The replication slot cannot be looked at.
    #[error("the replication slot cannot be looked at")]
    Slot(#[from] SlotError),
    /// A topic was refused.
    #[error("topic {topic} cannot be created: {reason}")]
    Topic {
        /// Its name.
        topic: String,
        /// The broker's words.
        reason: String,
    },
    /// A subject could not be started or signalled.
    #[error("a subject failed")]
    Process(#[from] ProcessError),
    /// A subject ended by itself.
    #[error("{subject} gave up: {}", last_words(log, *exit))]
    SubjectEnded {
        /// Which.
        subject: String,
        /// How.
        exit: Exit,
        /// Where it says why.
        log: PathBuf,
    },
    /// A subject does not keep to the protocol.
    #[error("{subject} said something that is not of the protocol: {line}")]
    Protocol {
        /// Which.
        subject: String,
        /// What it said, cut to a sensible length.
        line: String,
    },
    /// A process of the pipeline is gone, and no fault did that.
    #[error("{0}")]
    ProcessLost(LostProcess),
    /// A stage went on for too long without a step forward.
    #[error("nothing came forward for {limit_s} s; {so_far}")]
    Stalled {
        /// How long.
        limit_s: u64,
        /// Which stage it was, how far it was, and what it waited for.
        so_far: String,
    },
    /// Brokers do not take a group's members as these are configured.
    #[error("the brokers refuse the members of group {group}: {said}")]
    Refused {
        /// The group.
        group: String,
        /// The client's words.
        said: String,
    },
    /// The trigger of a write was not reached.
    #[error(
        "write {number} ({table}) did not begin: its trigger was not reached ({trigger}), and \
         everything else was over"
    )]
    NeverReached {
        /// Its number in the file, from 1.
        number: usize,
        /// Of which table.
        table: String,
        /// What it waited for.
        trigger: String,
    },
    /// Something did not happen in its time.
    #[error("gave up after {} of waiting for {what}", duration_ms(*limit_ms))]
    Late {
        /// What.
        what: String,
        /// The limit.
        limit_ms: u64,
    },
    /// The scenario needs something that this target has not.
    #[error("this target has no {what}")]
    Lacking {
        /// What.
        what: String,
    },
    /// The engine itself failed: an invariant of its own is broken.
    #[error("the engine itself failed: {0}")]
    Broken(String),
}

/// What a program that gave up said last, how it ended, and where its log is,
/// where there is one.
fn last_words(log: &Path, exit: Exit) -> String {
    match last_line(log) {
        Some(line) => format!("{line} ({exit}; its log is {})", log.display()),
        None => format!("{exit}, without a word"),
    }
}

/// The last line of a log.
fn last_line(log: &Path) -> Option<String> {
    let text = std::fs::read(log).ok()?;
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().rev().find(|line| !line.trim().is_empty())?;
    let line = line.trim().trim_start_matches("error: ");
    Some(line.chars().take(300).collect())
}

/// One below the other, where there are several.
fn in_lines(probed: &[ProbedAddress]) -> String {
    let lines: Vec<String> = probed.iter().map(ToString::to_string).collect();
    lines.join("\n  ")
}
