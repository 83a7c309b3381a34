//! A child's log, without the secrets that it was given.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::time::Duration;

use secret::Secrets;

/// A line of a log that is longer is cleaned in pieces.
const LINE_BYTES_MAX: u64 = 1024 * 1024;

/// How long the rest of a log is waited for when its child has ended: others
/// may still hold the pipe.
pub(super) const LOG_BOUND: Duration = Duration::from_millis(500);

/// Copies line by line, without the secrets.
pub(super) fn clean(from: io::PipeReader, mut to: File, secrets: &Secrets) -> io::Result<()> {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    loop {
        line.clear();
        if from
            .by_ref()
            .take(LINE_BYTES_MAX)
            .read_until(b'\n', &mut line)?
            == 0
        {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&line);
        to.write_all(secrets.scrub(&text).as_bytes())?;
    }
}
