//! A child process with its own log, which dies with us.
//!
//! Every child is spawned by one thread that lives as long as the program
//! (the kernel's parent-death signal is tied to the thread, see
//! `crate::linux`), leads its own process group (the terminal's Ctrl-C must
//! not reach it: the order in which things end is ours to choose), and is
//! reaped by a thread that waits for nothing else. Knows nothing of what the
//! children do.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{self, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use secret::Secrets;
use tokio::sync::watch;

use crate::linux;

/// How long to wait for the kernel to end a process after SIGKILL. Only one
/// that hangs in the kernel (a dead disk) takes longer than milliseconds.
const KILL_BOUND: Duration = Duration::from_secs(2);

/// How long a process must stand still, unasked, to be in trouble.
const STILL_FOR: Duration = Duration::from_secs(2);
/// How often a process is looked at that somebody waits for.
const TROUBLE_POLL: Duration = Duration::from_millis(200);

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
        /// To whom.
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

/// Where one of a child's standard streams goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stream {
    /// To, or from, nowhere.
    #[default]
    Null,
    /// A pipe, taken from the [`Child`].
    Piped,
    /// Into the child's log.
    Log,
}

/// The user a child runs as, when that is not ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// What to start, and how. Its standard error always goes into its log.
#[derive(Clone, Debug)]
pub struct ChildSpec {
    /// The program: a path, or a name to look up in `PATH`.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Variables added to our own environment.
    pub env: Vec<(OsString, OsString)>,
    /// Variables of our environment that it must not see.
    pub env_remove: Vec<OsString>,
    /// Its working directory, ours by default.
    pub cwd: Option<PathBuf>,
    /// The user it runs as, ours by default. Needs root.
    pub owner: Option<Owner>,
    /// Its log, appended to: a restarted process goes on in the same file.
    pub log: PathBuf,
    /// Standard input; [`Stream::Log`] means [`Stream::Null`] here.
    pub stdin: Stream,
    /// Standard output.
    pub stdout: Stream,
    /// What it reads from standard input, in place of `stdin`.
    pub input: Option<Input>,
    /// What must not get into its log, whatever it writes.
    pub secrets: Secrets,
    /// How willingly it gives way: 0 as we are, 19 only when nobody else
    /// wants the processor (nice(1)).
    pub nice: u8,
}

impl ChildSpec {
    /// `program` without arguments, without input, its output in `log`.
    pub fn new(program: impl Into<PathBuf>, log: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            env_remove: Vec::new(),
            cwd: None,
            owner: None,
            log: log.into(),
            stdin: Stream::Null,
            stdout: Stream::Log,
            input: None,
            secrets: Secrets::default(),
            nice: 0,
        }
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn env(mut self, key: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((key.into(), value.into()));
        self
    }

    /// Starts it.
    ///
    /// # Errors
    /// [`ProcessError::Log`] and [`ProcessError::Spawn`].
    pub fn spawn(&self) -> Result<Child, ProcessError> {
        let log_error = |source| ProcessError::Log {
            path: self.log.clone(),
            source,
        };
        if let Some(parent) = self.log.parent() {
            fs::create_dir_all(parent).map_err(log_error)?;
        }
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)
            .map_err(log_error)?;
        let log_start = log.metadata().map_err(log_error)?.len();
        let (log, cleaned) = self.cleaned(log).map_err(log_error)?;
        let command = self.command(log).map_err(log_error)?;
        let spawn = || -> io::Result<Child> {
            let mut spawned = Spawner::global()?.spawn(command)?;
            if let Some(input) = &self.input
                && let Some(stdin) = spawned.stdin.take()
            {
                input.clone().write(stdin)?;
            }
            Child::watch(spawned, self.log.clone(), log_start, cleaned)
        };
        spawn().map_err(|source| ProcessError::Spawn {
            program: self.program.clone(),
            source,
        })
    }

    /// Where it writes what goes into its log: the log itself, or where there
    /// are secrets, a thread that removes them. That one tells when all is
    /// written.
    fn cleaned(&self, log: File) -> io::Result<(OwnedFd, Option<mpsc::Receiver<()>>)> {
        if self.secrets.is_empty() {
            return Ok((log.into(), None));
        }
        let (reader, writer) = io::pipe()?;
        let secrets = self.secrets.clone();
        let (tell, done) = mpsc::channel();
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || {
                // A log that can no longer be written must not stop the child.
                let _ = clean(reader, log, &secrets);
                let _ = tell.send(());
            })?;
        Ok((writer.into(), Some(done)))
    }

    fn command(&self, log: OwnedFd) -> io::Result<Command> {
        let mut command = if self.nice == 0 {
            Command::new(&self.program)
        } else {
            let mut nice = Command::new("nice");
            nice.arg("-n").arg(self.nice.to_string()).arg(&self.program);
            nice
        };
        command
            .args(&self.args)
            .envs(self.env.iter().map(|(key, value)| (key, value)))
            .stdin(match self.stdin {
                _ if self.input.is_some() => Stdio::piped(),
                Stream::Piped => Stdio::piped(),
                Stream::Null | Stream::Log => Stdio::null(),
            })
            .stdout(match self.stdout {
                Stream::Null => Stdio::null(),
                Stream::Piped => Stdio::piped(),
                Stream::Log => log.try_clone()?.into(),
            })
            .stderr(log)
            .process_group(0);
        for key in &self.env_remove {
            command.env_remove(key);
        }
        if let Some(cwd) = &self.cwd {
            command.current_dir(cwd);
        }
        if let Some(owner) = self.owner {
            command.uid(owner.uid).gid(owner.gid);
        }
        linux::die_with_parent(&mut command);
        Ok(command)
    }
}

/// What a child reads from its standard input: secrets among it, perhaps.
#[derive(Clone)]
pub struct Input(Arc<[u8]>);

/// Tells nothing of what it is.
impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Input({} bytes)", self.0.len())
    }
}

impl Input {
    /// These bytes, and then the end.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into().into())
    }

    /// Beside whatever else goes on: a pipe may be too small for it.
    fn write(self, mut to: process::ChildStdin) -> io::Result<()> {
        let write = move || {
            // A child that has ended reads no more.
            let _ = to.write_all(&self.0);
        };
        thread::Builder::new()
            .name("input".to_owned())
            .spawn(write)
            .map(drop)
    }
}

/// A line of a log that is longer is cleaned in pieces.
const LINE_BYTES_MAX: u64 = 1024 * 1024;
/// How long the rest of a log is waited for when its child has ended: others
/// may still hold the pipe.
const LOG_BOUND: Duration = Duration::from_millis(500);

/// Copies line by line, without the secrets.
fn clean(from: io::PipeReader, mut to: File, secrets: &Secrets) -> io::Result<()> {
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

/// The thread that all children are spawned by. It never ends.
struct Spawner {
    requests: mpsc::Sender<SpawnRequest>,
}

struct SpawnRequest {
    command: Command,
    answer: mpsc::SyncSender<io::Result<process::Child>>,
}

impl Spawner {
    fn global() -> io::Result<&'static Self> {
        static SPAWNER: OnceLock<Spawner> = OnceLock::new();
        static STARTING: Mutex<()> = Mutex::new(());
        if let Some(spawner) = SPAWNER.get() {
            return Ok(spawner);
        }
        let _starting = lock(&STARTING);
        if let Some(spawner) = SPAWNER.get() {
            return Ok(spawner);
        }
        let spawner = Self::start()?;
        Ok(SPAWNER.get_or_init(|| spawner))
    }

    fn start() -> io::Result<Self> {
        let (requests, inbox) = mpsc::channel::<SpawnRequest>();
        thread::Builder::new()
            .name("spawner".to_owned())
            .spawn(move || {
                for mut request in inbox {
                    let spawned = request.command.spawn();
                    if let Err(mpsc::SendError(Ok(mut orphan))) = request.answer.send(spawned) {
                        // Nobody waits for it any more; both may fail only
                        // when it has ended by itself.
                        let _ = orphan.kill();
                        let _ = orphan.wait();
                    }
                }
            })?;
        Ok(Self { requests })
    }

    fn spawn(&self, command: Command) -> io::Result<process::Child> {
        let gone = || io::Error::other("the spawning thread is gone");
        let (answer, answered) = mpsc::sync_channel(1);
        self.requests
            .send(SpawnRequest { command, answer })
            .map_err(|_| gone())?;
        answered.recv().map_err(|_| gone())?
    }
}

/// The signals we use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Asks it to end in order.
    Term,
    /// Ends it at once.
    Kill,
    /// Freezes it: it keeps its memory and connections, and does nothing.
    Stop,
    /// Lets a frozen one go on.
    Cont,
    /// What Ctrl-C sends.
    Int,
    /// Asks it to end at once, in its own way.
    Quit,
}

impl Signal {
    fn raw(self) -> rustix::process::Signal {
        match self {
            Self::Term => rustix::process::Signal::TERM,
            Self::Kill => rustix::process::Signal::KILL,
            Self::Stop => rustix::process::Signal::STOP,
            Self::Cont => rustix::process::Signal::CONT,
            Self::Int => rustix::process::Signal::INT,
            Self::Quit => rustix::process::Signal::QUIT,
        }
    }
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// Someone else reaped it, so nobody knows.
    Unknown,
}

impl Exit {
    /// Whether it ended by itself and said that all is well.
    pub fn is_success(self) -> bool {
        self == Self::Code(0)
    }
}

impl From<ExitStatus> for Exit {
    fn from(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Code(code),
            (None, Some(signal)) => Self::Signal(signal),
            (None, None) => Self::Unknown,
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
            Self::Unknown => f.write_str("unknown exit"),
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

/// One look at a process: evidence that a restart gave a new one (pid and
/// start differ), or that a pause really stopped it (state `T`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ProcessSnapshot {
    /// Process id.
    pub pid: u32,
    /// Clock ticks from the machine's start to the process's: proc(5).
    pub start_ticks: u64,
    /// `R` running, `S` sleeping, `T` stopped, `Z` ended and not reaped:
    /// proc(5).
    pub state: char,
}

impl ProcessSnapshot {
    /// Looks at any process.
    ///
    /// # Errors
    /// [`ProcessError::Snapshot`] when there is none of that pid.
    pub fn of(pid: u32) -> Result<Self, ProcessError> {
        let stat =
            linux::proc_stat(pid).map_err(|source| ProcessError::Snapshot { pid, source })?;
        Ok(Self {
            pid,
            start_ticks: stat.start_ticks,
            state: stat.state,
        })
    }

    /// Whether that very process still lives; one that has ended and is not
    /// reaped yet does not.
    pub fn is_alive(&self) -> bool {
        Self::of(self.pid).is_ok_and(|now| now.is_same_process(self) && now.state != 'Z')
    }

    /// Whether both are looks at one and the same process.
    pub fn is_same_process(&self, other: &Self) -> bool {
        (self.pid, self.start_ticks) == (other.pid, other.start_ticks)
    }
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
    fn watch(
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
    pub async fn in_trouble(&self) -> Trouble {
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
        let mut below = linux::descendants(self.pid);
        // All of the signals can only fail because their target has ended.
        if !below.is_empty() {
            // Frozen, it starts no further ones while we look.
            let _ = linux::signal_process(self.pid, rustix::process::Signal::STOP);
            below = linux::descendants(self.pid);
        }
        let _ = linux::signal_group(self.pid, rustix::process::Signal::KILL);
        let below = below.into_iter().map(|(pid, stat)| ProcessSnapshot {
            pid,
            start_ticks: stat.start_ticks,
            state: stat.state,
        });
        below
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
    pub fn wait_blocking(&self, bound: Duration) -> Option<Exit> {
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
        if let Ok(exit) = tokio::time::timeout(grace, self.wait()).await {
            return exit;
        }
        self.kill().await
    }

    /// Freezes it, and confirms that every thread of it stands still.
    ///
    /// # Errors
    /// [`ProcessError::NotInState`] when it does not stop within 2 s.
    pub async fn pause(&self) -> Result<ProcessSnapshot, ProcessError> {
        self.signal(Signal::Stop)?;
        self.reach(Signal::Stop, |state| state == 'T').await
    }

    /// Lets a frozen process go on, and confirms it.
    ///
    /// # Errors
    /// [`ProcessError::NotInState`] when it does not go on within 2 s.
    pub async fn resume(&self) -> Result<ProcessSnapshot, ProcessError> {
        self.signal(Signal::Cont)?;
        self.reach(Signal::Cont, |state| state != 'T').await
    }

    async fn reach(
        &self,
        signal: Signal,
        reached: fn(char) -> bool,
    ) -> Result<ProcessSnapshot, ProcessError> {
        let since = Instant::now();
        loop {
            let snapshot = self.snapshot()?;
            if reached(snapshot.state) {
                return Ok(snapshot);
            }
            if since.elapsed() > KILL_BOUND {
                return Err(ProcessError::NotInState {
                    pid: self.pid,
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

/// A poisoned lock only means that another thread panicked; what it guards
/// here is a plain value that is always whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    fn sleeper(dir: &Path) -> Child {
        ChildSpec::new("sleep", dir.join("log"))
            .arg("60")
            .spawn()
            .unwrap()
    }

    #[tokio::test]
    async fn a_child_that_ends_says_how_to_everyone_who_waits() {
        let dir = tempfile::tempdir().unwrap();
        let child = ChildSpec::new("sh", dir.path().join("log"))
            .args(["-c", "echo out; echo err >&2; exit 7"])
            .spawn()
            .unwrap();
        let (a, b) = tokio::join!(child.wait(), child.wait());
        assert_eq!((a, b), (Exit::Code(7), Exit::Code(7)));
        assert_eq!(child.try_status(), Some(Exit::Code(7)));
        let log = fs::read_to_string(child.log()).unwrap();
        assert_eq!(log, "out\nerr\n");
        assert!(matches!(
            child.signal(Signal::Term),
            Err(ProcessError::Ended { .. })
        ));
    }

    #[tokio::test]
    async fn a_paused_child_is_stopped_and_a_resumed_one_is_the_same_process() {
        let dir = tempfile::tempdir().unwrap();
        let child = sleeper(dir.path());
        let before = child.snapshot().unwrap();
        let paused = child.pause().await.unwrap();
        assert_eq!(paused.state, 'T');
        let resumed = child.resume().await.unwrap();
        assert_ne!(resumed.state, 'T');
        assert!(before.is_same_process(&paused) && paused.is_same_process(&resumed));
    }

    #[tokio::test]
    async fn what_nobody_here_did_to_a_child_is_trouble() {
        let dir = tempfile::tempdir().unwrap();
        let stranger = |child: &Child, signal: Signal| {
            linux::signal_process(child.pid(), signal.raw()).unwrap();
        };
        let ended = sleeper(dir.path());
        assert_eq!(ended.trouble(), None);
        stranger(&ended, Signal::Kill);
        assert_eq!(
            ended.in_trouble().await,
            Trouble::Ended(Exit::Signal(9)),
            "somebody killed it"
        );
        let stopped = sleeper(dir.path());
        stranger(&stopped, Signal::Stop);
        let pid = stopped.pid();
        assert_eq!(stopped.in_trouble().await, Trouble::Stopped { pid });
        stopped.resume().await.unwrap();
        assert_eq!(stopped.trouble(), None, "it goes on");
        stopped.pause().await.unwrap();
        let still = tokio::time::timeout(STILL_FOR + TROUBLE_POLL * 3, stopped.in_trouble());
        assert!(still.await.is_err(), "it was stopped here");
        stopped.end(Signal::Term, KILL_BOUND).await;
        assert_eq!(stopped.trouble(), None, "it was ended here");
        let free = sleeper(dir.path());
        free.may_end();
        stranger(&free, Signal::Kill);
        free.wait().await;
        assert_eq!(free.trouble(), None, "it was free to end");
    }

    #[tokio::test]
    async fn ending_a_paused_child_does_not_hang() {
        let dir = tempfile::tempdir().unwrap();
        let child = sleeper(dir.path());
        child.pause().await.unwrap();
        assert_eq!(
            child.end(Signal::Term, Duration::from_secs(5)).await,
            Exit::Signal(15)
        );
    }

    #[tokio::test]
    async fn a_child_deaf_to_sigterm_is_killed_after_the_grace() {
        let dir = tempfile::tempdir().unwrap();
        let mut child = ChildSpec {
            stdout: Stream::Piped,
            ..ChildSpec::new("sh", dir.path().join("log"))
                .args(["-c", "trap '' TERM; echo deaf; while :; do sleep 60; done"])
        }
        .spawn()
        .unwrap();
        let mut said = [0; 5];
        let mut stdout = child.take_stdout().unwrap().unwrap();
        stdout.read_exact(&mut said).await.unwrap();
        assert_eq!(
            child.end(Signal::Term, Duration::from_millis(50)).await,
            Exit::Signal(9)
        );
    }

    #[tokio::test]
    async fn pipes_carry_what_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let mut child = ChildSpec {
            stdin: Stream::Piped,
            stdout: Stream::Piped,
            ..ChildSpec::new("cat", dir.path().join("log"))
        }
        .spawn()
        .unwrap();
        let mut stdin = child.take_stdin().unwrap().unwrap();
        let mut stdout = child.take_stdout().unwrap().unwrap();
        stdin.write_all(b"through and back").await.unwrap();
        drop(stdin);
        let mut back = String::new();
        stdout.read_to_string(&mut back).await.unwrap();
        assert_eq!(back, "through and back");
        assert!(child.wait().await.is_success());
    }

    #[tokio::test]
    async fn a_dropped_child_is_gone_with_its_own_children() {
        let dir = tempfile::tempdir().unwrap();
        let mut child = ChildSpec {
            stdout: Stream::Piped,
            ..ChildSpec::new("sh", dir.path().join("log")).args(["-c", "sleep 60 & echo $!; wait"])
        }
        .spawn()
        .unwrap();
        let mut stdout = child.take_stdout().unwrap().unwrap();
        let mut digits = Vec::new();
        loop {
            match stdout.read_u8().await.unwrap() {
                b'\n' => break,
                digit => digits.push(digit),
            }
        }
        let grandchild: u32 = String::from_utf8(digits).unwrap().parse().unwrap();
        let pid = child.pid();
        drop(child);
        assert!(ProcessSnapshot::of(pid).is_err(), "killed and reaped");
        // Its own child is reaped by init, in its own time.
        let gone = Instant::now();
        while ProcessSnapshot::of(grandchild).is_ok_and(|it| it.state != 'Z') {
            assert!(gone.elapsed() < KILL_BOUND, "the grandchild lives");
            thread::yield_now();
        }
    }

    #[tokio::test]
    async fn a_child_spawned_by_a_thread_that_ends_lives_on() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().to_owned();
        let child = thread::spawn(move || sleeper(&log)).join().unwrap();
        // The death signal, were it tied to that thread, would have been sent
        // before join() returned: give the child one round trip to act on it.
        child.pause().await.unwrap();
        child.resume().await.unwrap();
        assert_eq!(child.try_status(), None);
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let error = ChildSpec::new("/no/such/program", dir.path().join("log"))
            .spawn()
            .unwrap_err();
        assert_eq!(error.to_string(), "cannot start /no/such/program");
    }
}
