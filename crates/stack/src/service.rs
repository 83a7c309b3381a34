//! One long-running process of the stack that can be stopped, killed, frozen
//! and started again on the same data and ports: a broker, Connect,
//! PostgreSQL.
//!
//! Knows when such a process is ready; not what it is for. Its data and
//! settings are on disk, so a start after a kill is a recovery.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;

use crate::logtail::{LogTail, LogWatch};
use crate::process::{
    Child, ChildSpec, Exit, ProcessError, ProcessSnapshot, Signal, Trouble, elapsed_ms,
};

/// How often a starting process is looked at.
const POLL: Duration = Duration::from_millis(4);

/// What went wrong with a service.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// It ended, or was stopped, while starting.
    #[error("{name} {trouble} while starting; {tail}")]
    Died {
        /// Which.
        name: String,
        /// How.
        trouble: Trouble,
        /// What it said last.
        tail: LogTail,
    },
    /// It did not get ready.
    #[error("{name} was not ready within {bound_ms} ms; {tail}")]
    Late {
        /// Which.
        name: String,
        /// How long it was given.
        bound_ms: u64,
        /// What it said last.
        tail: LogTail,
    },
    /// It is down, and what was asked needs it up.
    #[error("{name} is not running")]
    NotRunning {
        /// Which.
        name: String,
    },
    /// It is up, and what was asked needs it down.
    #[error("{name} is running")]
    Running {
        /// Which.
        name: String,
    },
    /// Its process could not be handled.
    #[error("{name}")]
    Process {
        /// Which.
        name: String,
        /// What failed.
        #[source]
        source: ProcessError,
    },
}

impl ServiceError {
    /// Whether another program ended or stopped it.
    pub const fn is_by_others(&self) -> bool {
        matches!(
            self,
            Self::Died {
                trouble: Trouble::Stopped { .. } | Trouble::Ended(Exit::Signal(9 | 15)),
                ..
            }
        )
    }
}

/// How one knows that it is ready.
#[derive(Clone, Debug)]
pub(crate) enum Probe {
    /// It has logged this since it was started, and accepts connections.
    LogAndPort {
        wanted: &'static str,
        addr: SocketAddr,
    },
    /// It answers a GET of this address with 200.
    Http { url: String },
}

/// A start that succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Started {
    /// From the process's start until it was ready, in milliseconds.
    pub ready_ms: u64,
    /// The process.
    pub process: ProcessSnapshot,
}

/// A stop, or kill, that succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// How it ended.
    pub exit: Exit,
    /// From the signal until it was gone, in milliseconds.
    pub took_ms: u64,
}

/// A process of the stack.
#[derive(Debug)]
pub struct Service {
    name: String,
    spec: ChildSpec,
    probe: Probe,
    start_bound: Duration,
    stop_signal: Signal,
    child: Mutex<Option<Arc<Child>>>,
    /// Whether its process became ready.
    ready: AtomicBool,
}

impl Service {
    pub(crate) fn new(name: String, spec: ChildSpec, probe: Probe) -> Self {
        Self {
            name,
            spec,
            probe,
            start_bound: Duration::from_mins(1),
            stop_signal: Signal::Term,
            child: Mutex::new(None),
            ready: AtomicBool::new(false),
        }
    }

    pub(crate) fn with_stop_signal(mut self, signal: Signal) -> Self {
        self.stop_signal = signal;
        self
    }

    /// What it is called in messages, such as `broker 1`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The log of all its starts.
    pub fn log_file(&self) -> &Path {
        &self.spec.log
    }

    /// Its process id, while it runs.
    ///
    /// # Errors
    /// [`ServiceError::NotRunning`].
    pub fn pid(&self) -> Result<u32, ServiceError> {
        Ok(self.child()?.pid())
    }

    /// A look at its process, while it runs.
    ///
    /// # Errors
    /// [`ServiceError::NotRunning`].
    pub fn snapshot(&self) -> Result<ProcessSnapshot, ServiceError> {
        self.child()?.snapshot().map_err(|it| self.failed(it))
    }

    /// Starts it, on the data and ports it had before, and waits until it is
    /// ready.
    ///
    /// # Errors
    /// [`ServiceError::Running`], [`ServiceError::Died`],
    /// [`ServiceError::Late`].
    pub async fn start(&self) -> Result<Started, ServiceError> {
        let since = Instant::now();
        self.ready.store(false, Ordering::Release);
        let child = self.launch()?;
        let ready = tokio::time::timeout(self.start_bound, self.wait_ready(&child)).await;
        match ready {
            Ok(Ok(())) => {
                self.ready.store(true, Ordering::Release);
                Ok(Started {
                    ready_ms: elapsed_ms(since),
                    process: child.snapshot().map_err(|it| self.failed(it))?,
                })
            }
            Ok(Err(trouble)) => Err(ServiceError::Died {
                name: self.name.clone(),
                trouble,
                tail: LogTail::of(child.log()),
            }),
            Err(_elapsed) => Err(ServiceError::Late {
                name: self.name.clone(),
                bound_ms: u64::try_from(self.start_bound.as_millis()).unwrap_or(u64::MAX),
                tail: LogTail::of(child.log()),
            }),
        }
    }

    fn launch(&self) -> Result<Arc<Child>, ServiceError> {
        let mut slot = self.slot();
        if slot.as_ref().is_some_and(|it| it.try_status().is_none()) {
            return Err(ServiceError::Running {
                name: self.name.clone(),
            });
        }
        let child = Arc::new(self.spec.spawn().map_err(|it| self.failed(it))?);
        *slot = Some(Arc::clone(&child));
        Ok(child)
    }

    /// Waits until it is ready; what became of it if that comes before.
    async fn wait_ready(&self, child: &Child) -> Result<(), Trouble> {
        let became_ready = async {
            match &self.probe {
                Probe::LogAndPort { wanted, addr } => {
                    let mut log = LogWatch::new(child.log(), child.log_start(), wanted);
                    // A log that cannot be read yet is a log that has not
                    // said it yet.
                    while !log.seen().unwrap_or(false) {
                        tokio::time::sleep(POLL).await;
                    }
                    while TcpStream::connect(addr).await.is_err() {
                        tokio::time::sleep(POLL).await;
                    }
                }
                Probe::Http { url } => {
                    while !crate::rest::answers(url).await {
                        tokio::time::sleep(POLL).await;
                    }
                }
            }
        };
        tokio::select! {
            () = became_ready => Ok(()),
            exit = child.wait() => Err(Trouble::Ended(exit)),
            trouble = child.in_trouble() => Err(trouble),
        }
    }

    /// Asks it to end in order and waits for that; kills it after `grace`,
    /// which the exit then shows.
    ///
    /// # Errors
    /// [`ServiceError::NotRunning`].
    pub async fn stop(&self, grace: Duration) -> Result<Stopped, ServiceError> {
        self.stop_until(grace, std::future::pending()).await
    }

    /// As [`Self::stop`], and kills it too once `enough` is over.
    pub(crate) async fn stop_until(
        &self,
        grace: Duration,
        enough: impl Future<Output = ()>,
    ) -> Result<Stopped, ServiceError> {
        let since = Instant::now();
        let child = self.child()?;
        let exit = tokio::select! {
            biased;
            exit = child.end(self.stop_signal, grace) => exit,
            () = enough => child.kill().await,
        };
        Ok(Stopped {
            exit,
            took_ms: elapsed_ms(since),
        })
    }

    /// Kills it (SIGKILL), with every process it has, and waits until all of
    /// that is gone.
    ///
    /// # Errors
    /// [`ServiceError::NotRunning`].
    pub async fn kill(&self) -> Result<Stopped, ServiceError> {
        let since = Instant::now();
        let child = self.child()?;
        Ok(Stopped {
            exit: child.kill().await,
            took_ms: elapsed_ms(since),
        })
    }

    /// Freezes it (SIGSTOP) and confirms that it stands still: state `T`.
    ///
    /// # Errors
    /// [`ServiceError::NotRunning`], [`ProcessError::NotInState`].
    pub async fn pause(&self) -> Result<ProcessSnapshot, ServiceError> {
        let child = self.child()?;
        child.pause().await.map_err(|it| self.failed(it))
    }

    /// Lets it go on (SIGCONT) and confirms that.
    ///
    /// # Errors
    /// [`ServiceError::NotRunning`], [`ProcessError::NotInState`].
    pub async fn resume(&self) -> Result<ProcessSnapshot, ServiceError> {
        let child = self.child()?;
        child.resume().await.map_err(|it| self.failed(it))
    }

    /// Waits until it ends by itself, or by someone else's hand.
    ///
    /// # Errors
    /// [`ServiceError::NotRunning`].
    pub async fn wait(&self) -> Result<Exit, ServiceError> {
        Ok(self.child()?.wait().await)
    }

    /// Its process's end or stop that we did not cause. One that has not become
    /// ready is reported by its start.
    pub fn trouble(&self) -> Option<Trouble> {
        if !self.ready.load(Ordering::Acquire) {
            return None;
        }
        let child = self.slot().clone();
        child?.trouble()
    }

    /// From now on it may end by itself, until it is started again.
    pub fn may_end(&self) {
        if let Ok(child) = self.child() {
            child.may_end();
        }
    }

    /// Whether there is a process, frozen or not.
    pub fn is_running(&self) -> bool {
        self.child().is_ok()
    }

    /// Sends SIGKILL to it and all its processes, without waiting.
    pub(crate) fn kill_now(&self) {
        if let Ok(child) = self.child() {
            child.kill_tree();
        }
    }

    /// Asks it to end at once (SIGQUIT), and waits for that, blocking.
    pub(crate) fn quit_now(&self, bound: Duration) {
        if let Ok(child) = self.child() {
            // Both can only fail because it has ended.
            let _ = child.signal(Signal::Quit);
            let _ = child.signal(Signal::Cont);
            child.wait_blocking(bound);
        }
    }

    fn child(&self) -> Result<Arc<Child>, ServiceError> {
        self.slot()
            .as_ref()
            .filter(|child| child.try_status().is_none())
            .cloned()
            .ok_or_else(|| ServiceError::NotRunning {
                name: self.name.clone(),
            })
    }

    fn slot(&self) -> MutexGuard<'_, Option<Arc<Child>>> {
        // What it guards is whole at any time, also after a panic.
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, source: ProcessError) -> ServiceError {
        ServiceError::Process {
            name: self.name.clone(),
            source,
        }
    }
}
