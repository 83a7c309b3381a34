//! Standard output: results, and nothing else. Knows nothing of what they are.

use std::io::{self, Write};

use crate::failure::Failure;

/// Standard output could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output")]
struct OutputError(#[source] io::Error);

/// Writes results; colours are left out where they would not show.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    outcome(write(&mut anstream::stdout(), text))
}

/// Writes results byte by byte as they are.
pub(crate) fn print_raw(text: &str) -> Result<(), Failure> {
    outcome(write(&mut io::stdout().lock(), text))
}

/// Says something that is no result.
pub(crate) fn note(text: &str) {
    // Without standard error there is no place for a message.
    let _ = write(&mut anstream::stderr(), text);
}

pub(crate) fn write(to: &mut impl Write, text: &str) -> io::Result<()> {
    to.write_all(text.as_bytes())?;
    to.flush()
}

/// A reader that has seen enough (`ackproof list | head -1`) is no failure.
fn outcome(written: io::Result<()>) -> Result<(), Failure> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|error| Failure::environment(&OutputError(error))),
    }
}
