//! What of this program ackproof starts itself: the driver of a client, and the
//! step before a client's own command.

use std::ffi::OsString;

use crate::exit::Exit;
use crate::failure::Failure;

/// `ackproof drive-client`: this process drives a client under test.
pub(crate) fn drive() -> Result<Exit, Failure> {
    ::subject::run().map_err(|error| Failure::environment(&error))?;
    Ok(Exit::Held)
}

/// `ackproof die-with-parent`: this process becomes a client's command.
pub(crate) fn die_with_parent(parent: u32, command: &[OsString]) -> Result<Exit, Failure> {
    /// The command is not there, or is none.
    #[derive(Debug, thiserror::Error)]
    #[error("cannot start {}", .command.to_string_lossy())]
    struct NotStarted {
        command: OsString,
        source: std::io::Error,
    }

    let source = ::subject::process::exec_with_parent(parent, command);
    let command = command.first().cloned().unwrap_or_default();
    Err(Failure::environment(&NotStarted { command, source }))
}
