//! What can go wrong with a child process.

use std::io;
use std::path::PathBuf;

use super::signals::{Exit, Signal};

/// What went wrong with a child process.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// It could not be started.
    #[error("cannot start {program}", program = program.display())]
    Spawn {
        /// What was to be started.
        program: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Its log could not be opened.
    #[error("cannot open the log {path}", path = path.display())]
    Log {
        /// The log's path.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A signal could not be sent.
    #[error("cannot send {signal:?} to process {pid}")]
    Signal {
        /// Which signal.
        signal: Signal,
        /// The process.
        pid: u32,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// It has already ended.
    #[error("process {pid} has ended ({status})")]
    Ended {
        /// The pid it had.
        pid: u32,
        /// How it ended.
        status: Exit,
    },
    /// It did not get into the state that was asked for in time.
    #[error("process {pid} is in state {state} {waited_ms} ms after {signal:?}")]
    NotInState {
        /// Which process.
        pid: u32,
        /// What was sent to it.
        signal: Signal,
        /// The state it is in: proc(5).
        state: char,
        /// How long this was waited for.
        waited_ms: u64,
    },
    /// `/proc` could not be read.
    #[error("cannot read the state of process {pid}")]
    Snapshot {
        /// Which process.
        pid: u32,
        /// Why not.
        #[source]
        source: io::Error,
    },
}
