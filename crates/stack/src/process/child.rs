//! A running child: signalled, watched, reaped.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::error::ProcessError;
use super::log::LOG_BOUND;
use super::signals::{Exit, Signal};
use super::snapshot::ProcessSnapshot;
use super::spawner::lock;
use crate::linux;

/// How long to wait for the kernel to end a process after SIGKILL. Only one
/// that hangs in the kernel (a dead disk) takes longer than milliseconds.
pub(super) const KILL_BOUND: Duration = Duration::from_secs(2);

/// How long a process must stand still, unasked, to be in trouble.
pub(super) const STILL_FOR: Duration = Duration::from_secs(2);

/// How often a process is looked at that somebody waits for.
pub(super) const TROUBLE_POLL: Duration = Duration::from_millis(200);

/// What became of a child that nobody here meant to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It ended.
    Ended(Exit),
    /// It stands still: somebody sent it SIGSTOP.
    Stopped {
        /// Its process id.
        pid: u32,
    },
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(exit) => write!(f, "ended ({exit})"),
            Self::Stopped { pid } => {
                write!(f, "stands still (process {pid} is in state T: SIGSTOP)")
            }
        }
    }
}

/// What a child is meant to do, by what was done to it here: whoever sends it
/// a signal says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Intent {
    Run,
    StandStill,
    End,
}

/// A running child. Dropping it kills it and every process below it, and reaps
/// it.
#[derive(Debug)]
pub struct Child {
    pid: u32,
    log: PathBuf,
    log_start: u64,
    exit: watch::Receiver<Option<Exit>>,
    intent: Mutex<Intent>,
    /// Since when it was seen to stand still unasked.
    stopped_since: Mutex<Option<Instant>>,
    reaping: Arc<Reaping>,
    stdin: Option<process::ChildStdin>,
    stdout: Option<process::ChildStdout>,
}

/// How it ended, once it is reaped. The lock is held while a signal is sent
/// and while it is reaped: a signal can then never reach a stranger who was
/// given its pid.
#[derive(Debug, Default)]
struct Reaping {
    exit: Mutex<Option<Exit>>,
    done: Condvar,
}

impl Reaping {
    fn lock(&self) -> MutexGuard<'_, Option<Exit>> {
        lock(&self.exit)
    }
}

impl Child {
    pub(super) fn watch(
        mut child: process::Child,
        log: PathBuf,
        log_start: u64,
        cleaned: Option<mpsc::Receiver<()>>,
    ) -> io::Result<Self> {
        let pid = child.id();
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let (exit_sender, exit) = watch::channel(None);
        let reaping = Arc::new(Reaping::default());
        let reaping_there = Arc::clone(&reaping);
        thread::Builder::new()
            .name(format!("reaper-{pid}"))
            .stack_size(64 * 1024)
            .spawn(move || {
                // When this fails, wait() below blocks or fails in its place.
                let _ = linux::wait_without_reaping(pid);
                let exit = {
                    let mut reaped = reaping_there.lock();
                    let exit = child.wait().map_or(Exit::Unknown, Exit::from);
                    *reaped = Some(exit);
                    exit
                };
                // Whoever is told of the end may read the log.
                if let Some(cleaned) = cleaned {
                    let _ = cleaned.recv_timeout(LOG_BOUND);
                }
                exit_sender.send_replace(Some(exit));
                reaping_there.done.notify_all();
            })?;
        Ok(Self {
            pid,
            log,
            log_start,
            exit,
            intent: Mutex::new(Intent::Run),
            stopped_since: Mutex::new(None),
            reaping,
            stdin,
            stdout,
        })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Its log.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// How many bytes its log held when it was started.
    pub fn log_start(&self) -> u64 {
        self.log_start
    }

    /// The pipe to its standard input, once, when it was asked for. Needs a
    /// tokio runtime.
    pub fn take_stdin(&mut self) -> Option<io::Result<tokio::process::ChildStdin>> {
        Some(tokio::process::ChildStdin::from_std(self.stdin.take()?))
    }

    /// The pipe from its standard output, once, when it was asked for. Needs
    /// a tokio runtime.
    pub fn take_stdout(&mut self) -> Option<io::Result<tokio::process::ChildStdout>> {
        Some(tokio::process::ChildStdout::from_std(self.stdout.take()?))
    }

    /// Sends a signal to it alone, not to its group.
    ///
    /// # Errors
    /// [`ProcessError::Ended`] when it is gone, [`ProcessError::Signal`].
    pub fn signal(&self, signal: Signal) -> Result<(), ProcessError> {
        let reaped = self.reaping.lock();
        if let Some(status) = *reaped {
            return Err(ProcessError::Ended {
                pid: self.pid,
                status,
            });
        }
        self.intend(signal);
        linux::signal_process(self.pid, signal.raw()).map_err(|source| ProcessError::Signal {
            signal,
            pid: self.pid,
            source,
        })
    }

    fn intend(&self, signal: Signal) {
        let mut intent = lock(&self.intent);
        *intent = match signal {
            // One that was asked to end is continued so that it can.
            _ if *intent == Intent::End => Intent::End,
            Signal::Stop => Intent::StandStill,
            Signal::Cont => Intent::Run,
            Signal::Term | Signal::Kill | Signal::Int | Signal::Quit => Intent::End,
        };
    }

    /// From now on it may end by itself, and that is no trouble.
    pub fn may_end(&self) {
        *lock(&self.intent) = Intent::End;
    }

    /// What became of it that nobody here meant to: it ended, or it has been
    /// standing still for a while (a debugger looks, and goes).
    pub fn trouble(&self) -> Option<Trouble> {
        let intent = *lock(&self.intent);
        let mut since = lock(&self.stopped_since);
        if intent == Intent::End {
            return None;
        }
        if let Some(exit) = self.try_status() {
            return Some(Trouble::Ended(exit));
        }
        let still = self.snapshot().is_ok_and(|it| it.state == 'T');
        if intent == Intent::StandStill || !still {
            *since = None;
            return None;
        }
        let since = since.get_or_insert_with(Instant::now);
        (since.elapsed() >= STILL_FOR).then_some(Trouble::Stopped { pid: self.pid })
    }

    /// Returns when it is in trouble.
    pub(crate) async fn in_trouble(&self) -> Trouble {
        loop {
            if let Some(trouble) = self.trouble() {
                return trouble;
            }
            tokio::time::sleep(TROUBLE_POLL).await;
        }
    }

    /// Kills (SIGKILL) it and every process below it, and waits until all of
    /// them are gone: PostgreSQL refuses to start while one that served the
    /// last server lives on.
    pub async fn kill(&self) -> Exit {
        let below = self.kill_tree();
        let exit = self.wait().await;
        let since = Instant::now();
        while below.iter().any(ProcessSnapshot::is_alive) && since.elapsed() < KILL_BOUND {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        exit
    }

    /// Sends SIGKILL to it, its group and every process below it, some of
    /// which may have left the group. Says which those were.
    pub(crate) fn kill_tree(&self) -> Vec<ProcessSnapshot> {
        let reaped = self.reaping.lock();
        if reaped.is_some() {
            return Vec::new();
        }
        self.intend(Signal::Kill);
        let mut below = self.below();
        // All of the signals can only fail because their target has ended.
        if !below.is_empty() {
            // Frozen, it starts no further ones while we look.
            let _ = linux::signal_process(self.pid, rustix::process::Signal::STOP);
            below = self.below();
        }
        let _ = linux::signal_group(self.pid, rustix::process::Signal::KILL);
        below
            .into_iter()
            .filter(ProcessSnapshot::is_alive)
            .inspect(|it| {
                let _ = linux::signal_process(it.pid, rustix::process::Signal::KILL);
            })
            .collect()
    }

    /// How it ended, if it has.
    pub fn try_status(&self) -> Option<Exit> {
        *self.exit.borrow()
    }

    /// Waits until it has ended. Any number may wait.
    pub async fn wait(&self) -> Exit {
        let mut exit = self.exit.clone();
        // The sender goes away only after it has sent.
        exit.wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|exit| *exit)
            .unwrap_or(Exit::Unknown)
    }

    /// Waits until it has ended, blocking the thread, or for `bound`.
    pub(crate) fn wait_blocking(&self, bound: Duration) -> Option<Exit> {
        let reaped = self.reaping.lock();
        let (reaped, _) = self
            .reaping
            .done
            .wait_timeout_while(reaped, bound, |exit| exit.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        *reaped
    }

    /// Asks it to end by `signal`, waits for `grace`, and kills it with all
    /// below it if need be. A frozen process is continued: a signal that asks
    /// would wait for that.
    pub async fn end(&self, signal: Signal, grace: Duration) -> Exit {
        // Both can only fail because it has ended.
        let _ = self.signal(signal);
        let _ = self.signal(Signal::Cont);
        self.signal_below(Signal::Cont);
        if let Ok(exit) = tokio::time::timeout(grace, self.wait()).await {
            return exit;
        }
        self.kill().await
    }

    /// Freezes it and every process below it, and confirms that every thread
    /// of them stands still.
    ///
    /// # Errors
    /// [`ProcessError::NotInState`] when one does not stop within 2 s.
    pub async fn pause(&self) -> Result<ProcessSnapshot, ProcessError> {
        self.signal(Signal::Stop)?;
        let stopped = self
            .reach(self.pid, Signal::Stop, |state| state == 'T')
            .await?;
        // Those below may start others until they stand still themselves.
        loop {
            let below = self.below();
            let Some(moving) = below.iter().find(|it| it.is_alive() && it.state != 'T') else {
                return Ok(stopped);
            };
            self.signal_below(Signal::Stop);
            match self
                .reach(moving.pid, Signal::Stop, |state| matches!(state, 'T' | 'Z'))
                .await
            {
                // It ended on the way.
                Ok(_) | Err(ProcessError::Snapshot { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Lets a frozen process go on, with all below it, and confirms it.
    ///
    /// # Errors
    /// [`ProcessError::NotInState`] when it does not go on within 2 s.
    pub async fn resume(&self) -> Result<ProcessSnapshot, ProcessError> {
        self.signal_below(Signal::Cont);
        self.signal(Signal::Cont)?;
        self.reach(self.pid, Signal::Cont, |state| state != 'T')
            .await
    }

    /// It, and every process below it.
    ///
    /// # Errors
    /// [`ProcessError::Ended`] when it is gone.
    pub fn tree(&self) -> Result<Vec<ProcessSnapshot>, ProcessError> {
        let mut tree = vec![self.snapshot()?];
        tree.extend(self.below());
        Ok(tree)
    }

    fn below(&self) -> Vec<ProcessSnapshot> {
        let below = linux::descendants(self.pid).into_iter();
        below
            .map(|(pid, stat)| ProcessSnapshot {
                pid,
                start_ticks: stat.start_ticks,
                state: stat.state,
            })
            .collect()
    }

    /// It can only fail for one that has ended.
    fn signal_below(&self, signal: Signal) {
        for it in self.below().iter().filter(|it| it.is_alive()) {
            let _ = linux::signal_process(it.pid, signal.raw());
        }
    }

    async fn reach(
        &self,
        pid: u32,
        signal: Signal,
        reached: fn(char) -> bool,
    ) -> Result<ProcessSnapshot, ProcessError> {
        let since = Instant::now();
        loop {
            let own = self.snapshot()?;
            let snapshot = if pid == self.pid {
                own
            } else {
                ProcessSnapshot::of(pid)?
            };
            if reached(snapshot.state) {
                return Ok(snapshot);
            }
            if since.elapsed() > KILL_BOUND {
                return Err(ProcessError::NotInState {
                    pid,
                    signal,
                    state: snapshot.state,
                    waited_ms: elapsed_ms(since),
                });
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Looks at it.
    ///
    /// # Errors
    /// [`ProcessError::Ended`] when it is gone.
    pub fn snapshot(&self) -> Result<ProcessSnapshot, ProcessError> {
        let reaped = self.reaping.lock();
        if let Some(status) = *reaped {
            return Err(ProcessError::Ended {
                pid: self.pid,
                status,
            });
        }
        ProcessSnapshot::of(self.pid)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.reaping.lock().is_none() {
            self.kill_tree();
            self.wait_blocking(KILL_BOUND);
        }
    }
}

/// Milliseconds since `since`.
pub(crate) fn elapsed_ms(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
