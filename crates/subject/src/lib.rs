//! The subject: a client under test, and what drives it and says to the engine
//! what happened.
//!
//! A process of its own is the *driver*: it has a role ([`role`]), makes and
//! recognises the records, paces and commits, and asks everything of a client
//! through one protocol ([`protocol`]). That client is librdkafka, in this
//! process, or any program that speaks the protocol ([`process`]).
//!
//! The only crate that knows client libraries. The observer never shares one
//! with the subject, so nothing here is used to read the truth. Knows nothing
//! of faults, histories or verdicts: it is told to send or to read, and says
//! what happened to it.

use std::io;
use std::time::{Duration, Instant};

pub mod clock;
mod complaints;
mod consumer;
pub mod identity;
pub mod librdkafka_client;
mod log;
mod pace;
pub mod process;
mod producer;
pub mod protocol;
#[cfg(test)]
mod protocol_schema;
mod reporter;
pub mod role;
pub mod serve;
mod session;
mod stop;
mod transform;

use crate::librdkafka_client::LibrdkafkaClient;
use crate::process::ProcessClient;
use crate::protocol::{Client, ClientError, Request, Start, SubjectEvent};
use crate::reporter::Reporter;
use crate::role::{ClientCommand, Role};
use crate::stop::Stop;

/// Why a subject gave up before its work was done.
#[derive(Debug, thiserror::Error)]
pub enum SubjectError {
    /// Standard input ended or broke before a role had come.
    #[error("no role came over standard input: a driver is started by the engine, not by hand")]
    NoRole(#[source] io::Error),
    /// The line is not a role.
    #[error("the line on standard input is no role")]
    BadRole(#[source] serde_json::Error),
    /// A producer that is to send nowhere.
    #[error("the producer's role names no topic")]
    NoTopic,
    /// The client cannot be made of the configuration.
    #[error("the client cannot be configured as asked: {reason}")]
    Refused {
        /// The key, where it is one.
        key: Option<String>,
        /// The client's words.
        reason: String,
    },
    /// The client could not do something, or gave up for good.
    #[error("the client cannot {doing}")]
    Client {
        /// What it was asked to do.
        doing: &'static str,
        /// Its own words.
        source: ClientError,
    },
    /// The client's program could not be started.
    #[error("cannot start the client {program}")]
    Spawn {
        /// The program.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// The client's library cannot be used.
    #[error("cannot load the client's library")]
    Library(#[from] librdkafka::LoadError),
    /// The client's process is gone.
    #[error("the client {0}, and was not asked to")]
    Gone(String),
    /// The client did not answer.
    #[error("the client does not answer `{0}`")]
    Silent(&'static str),
    /// The client does not keep to the protocol.
    #[error("the client does not keep to the subject protocol: {0}")]
    Protocol(String),
    /// A report could not be written: the reader is gone.
    #[error("cannot write a report to standard output")]
    Report(#[source] io::Error),
    /// Signals cannot be received.
    #[error("cannot install the handler of signals")]
    Signals(#[source] io::Error),
}

/// Reads a role from standard input, carries it out, and reports on standard
/// output; returns when the work is done or was stopped cleanly.
///
/// # Errors
/// See [`SubjectError`]. What was reported until then stands.
pub fn run() -> Result<(), SubjectError> {
    let stop = Stop::on_signals()?;
    let role = stop::read_role()?;
    stop.on_end_of_input();
    match role {
        Role::Producer(role) => {
            let reporter = if role.is_silent {
                Reporter::silent(role.clock)
            } else {
                Reporter::to_stdout(role.clock)
            };
            producer::produce(&role, open(&role.client)?, &stop, reporter)
        }
        Role::Consumer(role) => {
            let reporter = Reporter::to_stdout(role.clock);
            consumer::consume(&role, open(&role.client)?, &stop, reporter)
        }
        Role::Transform(role) => {
            let reporter = Reporter::to_stdout(role.clock);
            transform::transform(&role, open(&role.client)?, &stop, reporter)
        }
    }
}

/// Starts a client, without a configuration so far.
///
/// # Errors
/// [`SubjectError::Spawn`] and [`SubjectError::Library`].
pub fn open(client: &ClientCommand) -> Result<Box<dyn Client>, SubjectError> {
    Ok(match client {
        ClientCommand::BuiltIn => Box::new(LibrdkafkaClient::built_in()),
        ClientCommand::Library(path) => Box::new(LibrdkafkaClient::load(path)?),
        ClientCommand::Command(command) => Box::new(ProcessClient::start(command, None)?),
    })
}

/// How long a client may take to say whether it can be made: a Java starts.
const ANSWER: Duration = Duration::from_mins(1);

/// Whether a client can be made of a configuration, without a connection.
/// `start` has `check`.
///
/// # Errors
/// [`SubjectError::Refused`] with what the client says, or what keeps it from
/// answering.
pub fn check(client: &ClientCommand, start: Start) -> Result<(), SubjectError> {
    let mut client = open(client)?;
    client.request(Request::Start(start))?;
    let until = Instant::now() + ANSWER;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match client.event(left)? {
            Some(SubjectEvent::Ready { .. }) => return client.request(Request::Close),
            Some(SubjectEvent::Refused { key, reason }) => {
                return Err(SubjectError::Refused { key, reason });
            }
            None if left.is_zero() => return Err(SubjectError::Silent("start")),
            Some(_) | None => {}
        }
    }
}
