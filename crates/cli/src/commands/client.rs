//! `ackproof subject`: this process becomes a client under test.

use crate::exit::Exit;
use crate::failure::Failure;

pub(crate) fn subject() -> Result<Exit, Failure> {
    ::subject::run().map_err(|error| Failure::environment(&error))?;
    Ok(Exit::Held)
}
