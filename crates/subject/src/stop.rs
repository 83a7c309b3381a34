//! When to stop: on a signal, and when the engine has gone. Knows nothing of
//! what is being stopped.

use std::io::{self, BufRead};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::event::{PollFd, PollFlags, poll};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::SubjectError;
use crate::log;
use crate::role::Role;

/// The exit code when a second signal says that the first was not enough.
const EXIT_IMPATIENT: i32 = 130;

/// The exit code when the reader of the reports is gone.
const EXIT_ORPHANED: i32 = 4;

/// Whether the subject has been asked to stop.
#[derive(Clone, Debug)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Asked for by SIGTERM, and by SIGINT because a terminal sends that to
    /// the whole process group. The second one ends the process at once: a
    /// clean stop waits for brokers, who may not answer.
    pub(crate) fn on_signals() -> Result<Self, SubjectError> {
        let asked = Arc::new(AtomicBool::new(false));
        for signal in [SIGTERM, SIGINT] {
            // In this order: the first signal finds the flag still down.
            flag::register_conditional_shutdown(signal, EXIT_IMPATIENT, Arc::clone(&asked))
                .map_err(SubjectError::Signals)?;
            flag::register(signal, Arc::clone(&asked)).map_err(SubjectError::Signals)?;
        }
        Ok(Self(asked))
    }

    /// Asked for by the end of standard input too. Where no process holds the
    /// other end of standard output either, the engine is dead and the
    /// process ends at once: a subject never outlives it.
    pub(crate) fn on_end_of_input(&self) {
        let asked = Arc::clone(&self.0);
        thread::spawn(move || {
            // An input that breaks has ended as well.
            let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
            asked.store(true, Ordering::Relaxed);
            wait_until_input_has_no_writer();
            log::line("subject", "the engine has gone");
            process::exit(EXIT_ORPHANED);
        });
    }

    /// Whether it was asked for.
    pub(crate) fn asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Reads the role: the first line of standard input.
pub(crate) fn read_role() -> Result<Role, SubjectError> {
    let mut line = String::new();
    let bytes = io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(SubjectError::NoRole)?;
    if bytes == 0 {
        return Err(SubjectError::NoRole(io::ErrorKind::UnexpectedEof.into()));
    }
    serde_json::from_str(&line).map_err(SubjectError::BadRole)
}

/// Returns when the last reader of standard output has closed it; never where
/// it is a file.
fn wait_until_input_has_no_writer() {
    let stdout = io::stdout();
    loop {
        // Without any event asked for, poll(2) still reports POLLERR, which
        // is what the writing end of a pipe without readers gets.
        let mut fds = [PollFd::new(&stdout, PollFlags::empty())];
        match poll(&mut fds, None) {
            Ok(_) => return,
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => loop {
                thread::park();
            },
        }
    }
}
