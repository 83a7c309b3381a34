//! What to start, and how.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{self, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::thread;

use secret::Secrets;

use super::child::Child;
use super::error::ProcessError;
use super::log::clean;
use super::spawner::Spawner;
use crate::linux;

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
    /// nice(1): 0 as we are, 19 gives way to every other process.
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
