//! A client in a process of its own that speaks the subject protocol over its
//! standard streams. Knows nothing of what is asked of it.
//!
//! Two threads stand between: one writes requests, all that there are at once,
//! one reads events. So the driver never waits for a client that waits for the
//! driver: requests are taken whatever the client does, and as long as
//! [`Client::has_room`] is asked before a record and events are taken, both
//! sides are bounded.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group, set_parent_process_death_signal};

use crate::SubjectError;
use crate::protocol::{Client, Request, SubjectEvent};

/// The first argument with which our own program becomes a client's command:
/// `PROGRAM die-with-parent PID COMMAND…`, see [`exec_with_parent`].
pub const DIE_WITH_PARENT: &str = "die-with-parent";

/// Bytes of requests that wait to be written, beyond which there is no room.
const OUTBOX_BYTES: usize = 64 * 1024;
/// Events that wait to be taken, at most; then the client waits.
const INBOX_EVENTS: usize = 1024;
/// Bytes of an event's line, at most.
const LINE_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// How long a client that ends takes to be gone.
const ENDING: Duration = Duration::from_secs(2);
/// How often a process that ends is looked at.
const LOOK: Duration = Duration::from_millis(2);

/// A line of the conversation, as it was written or read.
pub type Tap = Box<dyn Fn(Spoken, &[u8]) + Send + Sync>;

/// Whose line it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoken {
    /// ackproof's.
    Request,
    /// The client's.
    Event,
}

/// A client that is a child process. Dropping it ends it.
pub struct ProcessClient {
    child: Child,
    outbox: Arc<Outbox>,
    inbox: Receiver<Result<SubjectEvent, SubjectError>>,
    tap: Option<Arc<Tap>>,
}

impl ProcessClient {
    /// Starts a command: a program and its arguments. It dies with the thread
    /// that calls this. `tap` hears every line.
    ///
    /// # Errors
    /// Where it cannot be started. A program that is not there shows in its
    /// end.
    pub fn start<S: AsRef<OsStr>>(command: &[S], tap: Option<Tap>) -> Result<Self, SubjectError> {
        let failed = |source| SubjectError::Spawn {
            program: command
                .first()
                .map(|it| it.as_ref().to_string_lossy().into_owned())
                .unwrap_or_default(),
            source,
        };
        let mut child = Command::new(std::env::current_exe().map_err(failed)?)
            .arg(DIE_WITH_PARENT)
            .arg(std::process::id().to_string())
            .args(command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // With its own children, it can be ended as one.
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (stdin, stdout) = pipes.ok_or_else(|| failed(std::io::ErrorKind::BrokenPipe.into()))?;
        let outbox = Arc::new(Outbox::default());
        let tap = tap.map(Arc::new);
        let (to, inbox) = sync_channel(INBOX_EVENTS);
        let from = Arc::clone(&outbox);
        let thread = |name: &str| thread::Builder::new().name(name.to_owned());
        thread("requests")
            .spawn(move || from.write_all(stdin))
            .map_err(failed)?;
        let hears = tap.clone();
        thread("events")
            .spawn(move || read_all(stdout, &to, hears.as_deref()))
            .map_err(failed)?;
        Ok(Self {
            child,
            outbox,
            inbox,
            tap,
        })
    }

    /// Writes a line as it is, without its end.
    pub fn write_line(&self, line: &[u8]) {
        if let Some(tap) = &self.tap {
            tap(Spoken::Request, line);
        }
        self.outbox.put(line);
    }

    /// Ends its standard input once everything is written.
    pub fn end_input(&self) {
        self.outbox.close();
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, where it does within `bound`.
    pub fn wait(&mut self, bound: Duration) -> Option<ExitStatus> {
        let until = Instant::now() + bound;
        loop {
            match self.child.try_wait() {
                Ok(Some(exit)) => return Some(exit),
                Ok(None) if Instant::now() < until => thread::sleep(LOOK),
                Ok(None) | Err(_) => return None,
            }
        }
    }

    /// It says no more.
    fn gone(&mut self) -> SubjectError {
        SubjectError::Gone(match self.wait(ENDING) {
            None => "closed its standard output".to_owned(),
            Some(exit) => match (exit.code(), exit.signal()) {
                (Some(code), _) => format!("ended with code {code}"),
                (None, Some(signal)) => format!("was ended by signal {signal}"),
                (None, None) => "ended".to_owned(),
            },
        })
    }
}

impl Client for ProcessClient {
    /// What cannot be written any more is lost: the client has ended, which is
    /// told by [`Client::event`] after all that it said before.
    fn request(&mut self, request: Request) -> Result<(), SubjectError> {
        let line = serde_json::to_vec(&request)
            .map_err(|error| SubjectError::Protocol(error.to_string()))?;
        self.write_line(&line);
        Ok(())
    }

    fn event(&mut self, wait: Duration) -> Result<Option<SubjectEvent>, SubjectError> {
        match self.inbox.recv_timeout(wait) {
            Ok(event) => event.map(Some),
            Err(RecvTimeoutError::Disconnected) => Err(self.gone()),
            Err(RecvTimeoutError::Timeout) => {
                // A child of its own may hold its standard output open.
                if !self.outbox.is_broken() && !matches!(self.child.try_wait(), Ok(Some(_))) {
                    return Ok(None);
                }
                match self.inbox.recv_timeout(ENDING) {
                    Ok(event) => event.map(Some),
                    Err(_) => Err(self.gone()),
                }
            }
        }
    }

    fn has_room(&self) -> bool {
        let pending = self.outbox.lock();
        pending.broken || pending.lines.len() < OUTBOX_BYTES
    }
}

impl Drop for ProcessClient {
    fn drop(&mut self) {
        self.outbox.close();
        if self.wait(ENDING).is_none()
            && let Ok(pid) = i32::try_from(self.child.id())
            && let Some(group) = Pid::from_raw(pid)
        {
            // Both fail only where it is gone.
            let _ = kill_process_group(group, Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

/// Requests that are not written yet.
#[derive(Default)]
struct Outbox {
    pending: Mutex<Pending>,
    changed: Condvar,
}

#[derive(Default)]
struct Pending {
    lines: Vec<u8>,
    closed: bool,
    broken: bool,
}

impl Outbox {
    fn put(&self, line: &[u8]) {
        let mut pending = self.lock();
        if !pending.broken {
            pending.lines.extend_from_slice(line);
            pending.lines.push(b'\n');
            self.changed.notify_one();
        }
    }

    fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_one();
    }

    fn is_broken(&self) -> bool {
        self.lock().broken
    }

    /// Writes what comes until it is closed; then ends the client's input.
    fn write_all(&self, mut to: ChildStdin) {
        let mut lines = Vec::new();
        loop {
            lines.clear();
            let mut pending = self.lock();
            while pending.lines.is_empty() && !pending.closed {
                pending = (self.changed.wait(pending)).unwrap_or_else(PoisonError::into_inner);
            }
            std::mem::swap(&mut lines, &mut pending.lines);
            drop(pending);
            if lines.is_empty() {
                return;
            }
            if to.write_all(&lines).is_err() {
                let mut pending = self.lock();
                pending.broken = true;
                pending.lines = Vec::new();
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads events until there are no more, or a line is none.
fn read_all(
    from: ChildStdout,
    to: &SyncSender<Result<SubjectEvent, SubjectError>>,
    tap: Option<&Tap>,
) {
    let mut from = BufReader::with_capacity(64 * 1024, from);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = from
            .by_ref()
            .take(LINE_BYTES_MAX)
            .read_until(b'\n', &mut line);
        // What is not a whole line was not said: it was killed on the way.
        if !matches!(read, Ok(1..)) || line.pop() != Some(b'\n') {
            return;
        }
        if let Some(tap) = tap {
            tap(Spoken::Event, &line);
        }
        let event = serde_json::from_slice(&line).map_err(|error| {
            let start: String = String::from_utf8_lossy(&line).chars().take(300).collect();
            SubjectError::Protocol(format!("no event ({error}): {start}"))
        });
        let is_last = event.is_err();
        if to.send(event).is_err() || is_last {
            return;
        }
    }
}

/// Has the kernel end this process with its parent, and becomes the command:
/// what `PROGRAM die-with-parent PARENT COMMAND…` does. Only returns where that
/// fails. (A process cannot say so of a child that it is about to start without
/// code between fork and exec.)
pub fn exec_with_parent(parent: u32, command: &[OsString]) -> std::io::Error {
    let Some((program, arguments)) = command.split_first() else {
        return std::io::ErrorKind::InvalidInput.into();
    };
    if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
        return error.into();
    }
    // It may have died before the line above took effect.
    if std::os::unix::process::parent_id() != parent {
        return std::io::ErrorKind::NotFound.into();
    }
    Command::new(program).args(arguments).exec()
}
