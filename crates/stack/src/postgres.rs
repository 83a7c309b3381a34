//! A PostgreSQL server, set up for logical decoding.
//!
//! It refuses to run as root: as root, it is run as an unprivileged user, with
//! its data where that user can get to. Knows no SQL beyond making a database.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::AsyncWriteExt;

use crate::artefacts::Part;
use crate::cache::{Cache, CacheError, shared_dir};
use crate::logtail::LogTail;
use crate::ports::ReservedPort;
use crate::process::{ChildSpec, Exit, Owner, ProcessError, Signal, Stream};
use crate::service::{Probe, Service, ServiceError};
use crate::temp_dir::{TempDir, make_readable};

/// The user `nobody`, on every Linux.
const UNPRIVILEGED: Owner = Owner {
    uid: 65_534,
    gid: 65_534,
};

const USER: &str = "postgres";
const DATABASE: &str = "ackproof";

/// How long the set-up of the data directory may take.
const SETUP_BOUND: Duration = Duration::from_mins(1);

/// How long it may take to leave in order when everything is dropped.
const QUIT_BOUND: Duration = Duration::from_millis(500);

/// What went wrong with PostgreSQL.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// Its data directory could not be made.
    #[error("cannot set up PostgreSQL's data in {path}", path = path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// No place for it.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// A program of its set-up could not be run.
    #[error("cannot run {program} of PostgreSQL")]
    Process {
        /// Which.
        program: &'static str,
        /// Why not.
        #[source]
        source: ProcessError,
    },
    /// A program of its set-up failed.
    #[error("{program} of PostgreSQL ended with {exit}; {tail}")]
    SetUp {
        /// Which.
        program: &'static str,
        /// How.
        exit: Exit,
        /// What it said.
        tail: LogTail,
    },
    /// It did not start.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

/// How to connect. There is no password: it listens on this machine only.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PostgresConnInfo {
    /// Always loopback.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// A superuser.
    pub user: String,
    /// Its database.
    pub dbname: String,
}

/// A PostgreSQL server.
#[derive(Debug)]
pub struct Postgres {
    port: ReservedPort,
    data_dir: PathBuf,
    service: Service,
    /// Where the data is when it cannot be in the stack's own directory.
    _elsewhere: Option<TempDir>,
}

impl Postgres {
    /// Makes its data directory, with an empty database, under `dir`, or,
    /// when root is to leave its privileges behind, in a place for that.
    pub(crate) async fn prepare(
        server: &Part,
        dir: &Path,
        log: &Path,
        port: ReservedPort,
        overrides: &BTreeMap<String, String>,
    ) -> Result<Self, PostgresError> {
        let home = Home::create(dir)?;
        let programs = server.path.join("bin");
        let run = |program: &'static str| Program {
            name: program,
            spec: ChildSpec {
                owner: home.owner,
                cwd: Some(home.data_dir.clone()),
                ..ChildSpec::new(programs.join(program), log)
            },
        };
        let mut initdb = run("initdb");
        initdb.spec = initdb.spec.arg("-D").arg(&home.data_dir).args([
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
            "--no-instructions",
        ]);
        initdb.run("").await?;
        home.configure(port.number(), overrides)?;
        let mut single = run("postgres");
        single.spec = single.spec.args(["--single", "-F", "-D"]);
        single.spec = single.spec.arg(&home.data_dir).arg("postgres");
        single.run(&format!("CREATE DATABASE {DATABASE}\n")).await?;

        let spec = run("postgres").spec.arg("-D").arg(&home.data_dir);
        let probe = Probe::LogAndPort {
            wanted: "database system is ready to accept connections",
            addr: port.addr(),
        };
        // SIGINT is its fast shutdown: SIGTERM waits until clients leave.
        let service =
            Service::new("postgresql".to_owned(), spec, probe).with_stop_signal(Signal::Int);
        Ok(Self {
            port,
            data_dir: home.data_dir,
            service,
            _elsewhere: home.elsewhere,
        })
    }

    /// Its process: to stop, kill, freeze and start again.
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.port.addr()
    }

    /// How to connect.
    pub fn connection_parameters(&self) -> PostgresConnInfo {
        PostgresConnInfo {
            host: self.port.addr().ip().to_string(),
            port: self.port.number(),
            user: USER.to_owned(),
            dbname: DATABASE.to_owned(),
        }
    }

    /// Where its data is.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Its processes leave its group, so that a kill of the group would
        // not reach them at once; and only a postmaster that ends in order
        // gives its shared memory back.
        self.service.quit_now(QUIT_BOUND);
    }
}

/// The user that PostgreSQL runs as, when it cannot be us.
pub(crate) fn unprivileged_owner() -> Option<Owner> {
    rustix::process::geteuid().is_root().then_some(UNPRIVILEGED)
}

struct Home {
    data_dir: PathBuf,
    owner: Option<Owner>,
    elsewhere: Option<TempDir>,
}

impl Home {
    fn create(dir: &Path) -> Result<Self, PostgresError> {
        let owner = unprivileged_owner();
        let elsewhere = if owner.is_some() {
            let parent = Cache::at(shared_dir()?).scratch();
            let io_error = |source| PostgresError::Io {
                path: parent.clone(),
                source,
            };
            let scratch = TempDir::create(&parent).map_err(io_error)?;
            make_readable(&parent).map_err(io_error)?;
            make_readable(scratch.path()).map_err(io_error)?;
            Some(scratch)
        } else {
            None
        };
        let data_dir = match &elsewhere {
            None => dir.join("data/postgresql"),
            Some(scratch) => scratch.path().join("data"),
        };
        let io_error = |source| PostgresError::Io {
            path: data_dir.clone(),
            source,
        };
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&data_dir)
            .map_err(io_error)?;
        if let Some(owner) = owner {
            chown(&data_dir, Some(owner.uid), Some(owner.gid)).map_err(io_error)?;
        }
        Ok(Self {
            data_dir,
            owner,
            elsewhere,
        })
    }

    fn configure(
        &self,
        port: u16,
        overrides: &BTreeMap<String, String>,
    ) -> Result<(), PostgresError> {
        let path = self.data_dir.join("postgresql.conf");
        fs::File::options()
            .append(true)
            .open(&path)
            .and_then(|mut file| file.write_all(settings(port, overrides).as_bytes()))
            .map_err(|source| PostgresError::Io { path, source })
    }
}

/// Of a key that stands twice the last is in force.
fn settings(port: u16, overrides: &BTreeMap<String, String>) -> String {
    let overrides = overrides.iter().map(|(key, value)| {
        let quoted = value.replace('\\', "\\\\").replace('\'', "''");
        format!("{key} = '{quoted}'\n")
    });
    let ours = ours(port);
    overrides.fold(ours, |all, line| all + &line)
}

fn ours(port: u16) -> String {
    format!(
        "
# Written by ackproof.
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
wal_level = logical
max_wal_senders = 10
max_replication_slots = 10
max_connections = 50
shared_buffers = 32MB
# What a killed process has written is safe with the kernel; only a machine
# that loses power would lose it, and no scenario outlives that.
fsync = off
full_page_writes = off
# A query whose client is gone ends soon, also in the middle of its work:
# after a kill of the whole stack nothing may go on.
client_connection_check_interval = 500ms
"
    )
}

struct Program {
    name: &'static str,
    spec: ChildSpec,
}

impl Program {
    /// Runs it to its end, with `input`.
    async fn run(self, input: &str) -> Result<(), PostgresError> {
        let process_error = |source| PostgresError::Process {
            program: self.name,
            source,
        };
        let spec = ChildSpec {
            stdin: Stream::Piped,
            ..self.spec
        };
        let mut child = spec.spawn().map_err(process_error)?;
        if let Some(Ok(mut stdin)) = child.take_stdin() {
            // One that does not read its input ends with an error of its own.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
        let exit = tokio::time::timeout(SETUP_BOUND, child.wait())
            .await
            .unwrap_or(Exit::Unknown);
        if exit.is_success() {
            return Ok(());
        }
        Err(PostgresError::SetUp {
            program: self.name,
            exit,
            tail: LogTail::of(&spec.log),
        })
    }
}
