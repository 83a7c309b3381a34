//! Writes reports, one whole line at a time, each before the work goes on: a
//! SIGKILL after the call cannot take the line back. Knows nothing of clients.

use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::SubjectError;
use crate::clock::Clock;
use crate::role::{ClientEvent, Report};

/// The way out for reports. Clients call back while they are being polled and
/// cannot be answered with an error, so the first failure is kept until
/// [`Reporter::check`] asks for it.
pub(crate) struct Reporter {
    clock: Clock,
    out: Mutex<Out>,
    is_silent: bool,
}

struct Out {
    to: Box<dyn Write + Send>,
    failed: Option<io::Error>,
}

impl Reporter {
    /// Reports to the engine.
    pub(crate) fn to_stdout(clock: Clock) -> Self {
        Self::new(clock, Box::new(io::stdout()))
    }

    /// Reports the beginning and the end only.
    pub(crate) fn silent(clock: Clock) -> Self {
        Self {
            is_silent: true,
            ..Self::to_stdout(clock)
        }
    }

    fn new(clock: Clock, to: Box<dyn Write + Send>) -> Self {
        Self {
            clock,
            is_silent: false,
            out: Mutex::new(Out { to, failed: None }),
        }
    }

    /// The clock that stamps reports.
    pub(crate) const fn clock(&self) -> Clock {
        self.clock
    }

    /// Writes a line, and returns when the pipe has it.
    pub(crate) fn say(&self, what: ClientEvent) {
        let is_end = matches!(what, ClientEvent::Ready { .. } | ClientEvent::Ended);
        if self.is_silent && !is_end {
            return;
        }
        let mut out = self.lock();
        // Stamped under the lock, so that lines are in the order of time.
        let report = Report {
            at: self.clock.now(),
            what,
        };
        let written = serde_json::to_vec(&report)
            .map_err(io::Error::other)
            .and_then(|mut line| {
                line.push(b'\n');
                out.to.write_all(&line)?;
                out.to.flush()
            });
        if let Err(error) = written {
            out.failed.get_or_insert(error);
        }
    }

    /// Writes a note.
    pub(crate) fn note(&self, text: impl Into<String>) {
        self.say(ClientEvent::Note { text: text.into() });
    }

    /// Whether all lines were written so far.
    pub(crate) fn check(&self) -> Result<(), SubjectError> {
        match self.lock().failed.take() {
            None => Ok(()),
            Some(error) => Err(SubjectError::Report(error)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Out> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_that_could_not_be_written_is_an_error_at_the_next_check() {
        let reporter = Reporter::new(Clock::start(), Box::new(Closed));
        reporter.check().unwrap();
        reporter.say(ClientEvent::Ended);
        assert!(matches!(reporter.check(), Err(SubjectError::Report(_))));
    }
}
