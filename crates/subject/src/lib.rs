//! The subject: a client under test in its own process, and what it says to
//! the engine.
//!
//! The only crate that knows librdkafka. The observer never shares a client
//! library with the subject, so nothing here is used to read the truth.
//! Knows nothing of faults, histories or verdicts: it is told to send or to
//! read, and says what happened to it.

use std::io;

use rdkafka::error::KafkaError;

pub mod clock;
mod complaints;
pub mod config;
mod consumer;
pub mod identity;
pub mod librdkafka_client;
mod log;
mod outcome;
mod pace;
mod producer;
pub mod protocol;
mod reporter;
pub mod role;
mod stop;
mod transform;

use crate::config::ConfigError;
use crate::reporter::Reporter;
use crate::role::Role;
use crate::stop::Stop;

/// Why a subject gave up before its work was done.
#[derive(Debug, thiserror::Error)]
pub enum SubjectError {
    /// Standard input ended or broke before a role had come.
    #[error("no role came over standard input: a subject is started by the engine, not by hand")]
    NoRole(#[source] io::Error),
    /// The line is not a role.
    #[error("the line on standard input is no role")]
    BadRole(#[source] serde_json::Error),
    /// The configuration cannot be honoured.
    #[error("the client cannot be configured as asked")]
    Config(#[from] ConfigError),
    /// The client could not be made, or gave up for good.
    #[error("the client cannot {doing}")]
    Client {
        /// What it was asked to do.
        doing: &'static str,
        /// Its own words.
        source: KafkaError,
    },
    /// A report could not be written: nobody listens any more.
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
        Role::Producer(role) => producer::produce(&role, &stop, Reporter::to_stdout(role.clock)),
        Role::Consumer(role) => consumer::consume(&role, &stop, Reporter::to_stdout(role.clock)),
        Role::Transform(role) => {
            transform::transform(&role, &stop, Reporter::to_stdout(role.clock))
        }
    }
}
