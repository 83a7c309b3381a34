//! A stack that another ackproof holds: that process, the stack's place, and how
//! to ask for its end.
//!
//! A stack never runs on its own: the process that started it holds it, in the
//! background if need be, and everything dies with that process. What is
//! written down here is only where to find it. Knows nothing of how it was
//! started.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::str::FromStr;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::cache::xdg_dir;
use crate::embedded::Stack;
use crate::linux;
use crate::postgres::PostgresConnInfo;
use crate::process::{ProcessError, ProcessSnapshot, elapsed_ms};
use crate::temp_dir::lock_file;

const POLL: Duration = Duration::from_millis(10);

/// What went wrong with a detached stack.
#[derive(Debug, thiserror::Error)]
pub enum DetachedError {
    /// Neither variable is set.
    #[error("no place to note a running stack: set XDG_STATE_HOME or HOME")]
    NoHome,
    /// The note could not be read or written.
    #[error("cannot access {path}", path = path.display())]
    Io {
        /// Where it is.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The note is not ours, or of another version.
    #[error("{path} is not the note of a running stack: remove it", path = path.display())]
    Unreadable {
        /// Where it is.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// There is one already.
    #[error("a stack is running already (pid {pid}): `ackproof stack down` ends it")]
    AlreadyRunning {
        /// The process that holds it.
        pid: u32,
    },
    /// The holder could not be looked at.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The holder could not be asked.
    #[error("cannot ask process {pid} to end")]
    Ask {
        /// The process that holds it.
        pid: u32,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The holder goes on.
    #[error("process {pid} still holds the stack after {waited_ms} ms")]
    StillRunning {
        /// The process that holds it.
        pid: u32,
        /// How long this was waited for.
        waited_ms: u64,
    },
    /// It could not be started.
    #[error("cannot start {program} in the background", program = program.display())]
    Spawn {
        /// What was to be started.
        program: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// One process of a running stack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningProcess {
    /// Such as `broker 1`.
    pub name: String,
    /// Which process.
    pub process: ProcessSnapshot,
    /// Its log.
    pub log: PathBuf,
}

/// A running stack, as others can find it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningStack {
    /// The ackproof that holds it.
    pub holder: ProcessSnapshot,
    /// Where its data, settings and logs are.
    pub dir: PathBuf,
    /// For clients.
    pub bootstrap_servers: Vec<SocketAddr>,
    /// Connect's REST interface.
    pub connect: Option<SocketAddr>,
    /// PostgreSQL.
    pub postgres: Option<PostgresConnInfo>,
    /// Whether brokers make topics when they are first used.
    #[serde(default)]
    pub creates_topics: bool,
    /// The configuration of clients, where the brokers ask for TLS or SASL.
    #[serde(default)]
    pub client_properties: Option<PathBuf>,
    /// Every process.
    pub processes: Vec<RunningProcess>,
}

impl RunningStack {
    /// Describes a stack that this process holds.
    ///
    /// # Errors
    /// [`DetachedError::Process`].
    pub fn held_here(stack: &Stack) -> Result<Self, DetachedError> {
        let processes = stack
            .services()
            .filter_map(|service| {
                Some(RunningProcess {
                    name: service.name().to_owned(),
                    // One that has died is no part of what runs.
                    process: service.snapshot().ok()?,
                    log: service.log_file().to_owned(),
                })
            })
            .collect();
        Ok(Self {
            holder: ProcessSnapshot::of(std::process::id())?,
            dir: stack.dir().to_owned(),
            bootstrap_servers: stack.bootstrap_servers(),
            connect: stack.cdc().map(|it| it.connect().rest_addr()),
            postgres: stack.cdc().map(|it| it.postgres().connection_parameters()),
            creates_topics: stack.brokers().iter().all(|broker| {
                let set = broker.config().get("auto.create.topics.enable");
                set.is_some_and(|value| value == "true")
            }),
            client_properties: None,
            processes,
        })
    }

    /// The same, for clients with this configuration.
    #[must_use]
    pub fn for_clients_with(mut self, client_properties: Option<PathBuf>) -> Self {
        self.client_properties = client_properties;
        self
    }

    /// Whether its holder lives. A pid alone would not tell: another process
    /// may have got it since.
    pub fn is_held(&self) -> bool {
        self.holder.is_alive()
    }
}

/// What is known of a stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// There is none.
    None,
    /// There is one.
    Running(RunningStack),
    /// There was one whose holder has died without a word; so has the stack.
    Stale(RunningStack),
}

/// The name of a stack whose user gave it none.
pub const DEFAULT_STACK: &str = "default";

/// The name of a detached stack, by which it is told from the user's others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackName(String);

/// What was given cannot be a stack's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a stack's name has 1 to 40 letters, digits, `-` and `_`")]
pub struct StackNameError;

impl StackName {
    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for StackName {
    type Err = StackNameError;

    fn from_str(text: &str) -> Result<Self, StackNameError> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        if (1..=40).contains(&text.len()) && text.chars().all(fits) {
            Ok(Self(text.to_owned()))
        } else {
            Err(StackNameError)
        }
    }
}

impl fmt::Display for StackName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The note of a running stack of this user.
#[derive(Clone, Debug)]
pub struct StateFile {
    path: PathBuf,
}

impl StateFile {
    /// `$XDG_STATE_HOME/ackproof/stack.json`, else under `~/.local/state`;
    /// `stack-NAME.json` of a stack with a name.
    ///
    /// # Errors
    /// [`DetachedError::NoHome`].
    pub fn user(name: &StackName) -> Result<Self, DetachedError> {
        let file = match name.as_str() {
            DEFAULT_STACK => "ackproof/stack.json".to_owned(),
            name => format!("ackproof/stack-{name}.json"),
        };
        let user = xdg_dir("XDG_STATE_HOME", ".local/state");
        user.map(|it| Self::at(it.join(file)))
            .ok_or(DetachedError::NoHome)
    }

    /// A note at a place of the caller's choice.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it says, and whether that is still so.
    ///
    /// # Errors
    /// [`DetachedError::Io`], [`DetachedError::Unreadable`].
    pub fn read(&self) -> Result<State, DetachedError> {
        let text = match fs::read(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(State::None),
            text => text.map_err(|it| self.io_error(it))?,
        };
        let stack: RunningStack =
            serde_json::from_slice(&text).map_err(|source| DetachedError::Unreadable {
                path: self.path.clone(),
                source,
            })?;
        Ok(if stack.is_held() {
            State::Running(stack)
        } else {
            State::Stale(stack)
        })
    }

    /// Notes a stack, in place of one that is stale.
    ///
    /// # Errors
    /// [`DetachedError::AlreadyRunning`].
    pub fn write(&self, stack: &RunningStack) -> Result<(), DetachedError> {
        let parent = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(parent).map_err(|it| self.io_error(it))?;
        // Two that write at once: the second must see the first's note.
        let turn = lock_file(&self.path.with_extension("lock"));
        let turn = turn.map_err(|it| self.io_error(it))?;
        turn.lock().map_err(|it| self.io_error(it))?;
        if let State::Running(other) = self.read()? {
            return Err(DetachedError::AlreadyRunning {
                pid: other.holder.pid,
            });
        }
        let text = serde_json::to_vec_pretty(stack).map_err(|it| self.io_error(it.into()))?;
        let new = self.path.with_extension("new");
        fs::write(&new, text).map_err(|it| self.io_error(it))?;
        fs::rename(&new, &self.path).map_err(|it| self.io_error(it))
    }

    /// Removes the note.
    ///
    /// # Errors
    /// [`DetachedError::Io`].
    pub fn remove(&self) -> Result<(), DetachedError> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.io_error(error)),
            _ => Ok(()),
        }
    }

    fn io_error(&self, source: io::Error) -> DetachedError {
        DetachedError::Io {
            path: self.path.clone(),
            source,
        }
    }
}

/// Asks the holder of a stack to end (SIGTERM), and waits until it has.
///
/// # Errors
/// [`DetachedError::StillRunning`] after `bound`.
pub async fn ask_to_stop(stack: &RunningStack, bound: Duration) -> Result<(), DetachedError> {
    let pid = stack.holder.pid;
    let since = Instant::now();
    if !stack.is_held() {
        return Ok(());
    }
    linux::signal_process(pid, rustix::process::Signal::TERM)
        .map_err(|source| DetachedError::Ask { pid, source })?;
    while stack.is_held() {
        if since.elapsed() > bound {
            return Err(DetachedError::StillRunning {
                pid,
                waited_ms: elapsed_ms(since),
            });
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}

/// Starts a program that outlives us, away from this terminal's Ctrl-C, its
/// output in `log`: the one that will hold a stack. Returns its pid.
///
/// # Errors
/// [`DetachedError::Spawn`].
pub fn spawn_holder(program: &Path, args: &[OsString], log: &Path) -> Result<u32, DetachedError> {
    let spawn = || -> io::Result<u32> {
        if let Some(parent) = log.parent() {
            fs::create_dir_all(parent)?;
        }
        let log = File::create(log)?;
        let child = Command::new(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()?;
        Ok(child.id())
    };
    spawn().map_err(|source| DetachedError::Spawn {
        program: program.to_owned(),
        source,
    })
}
