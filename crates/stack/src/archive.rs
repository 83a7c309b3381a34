//! Start-up archives: classes as the JVM wants them, made once by a training
//! start and then mapped into memory, which halves the time to start.
//!
//! JDK 25 and newer have an AOT cache (JEP 483, 514), older ones a class-data
//! archive (JEP 350). An archive fits one Java and one set of jars; the JVM
//! checks that and starts without one that does not fit, as it does when there
//! is none. Knows how to train; not who uses the result.

use std::ffi::OsString;
use std::fs::{self, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::task::JoinHandle;

use crate::artefacts::Artefacts;
use crate::cache::{Cache, CacheError};
use crate::checksums::hex;
use crate::embedded::{StackError, TrainingStack};
use crate::format::Format;
use crate::java::Java;
use crate::jvm::JvmSpec;
use crate::logtail::LogTail;
use crate::process::{Exit, ProcessError};
use crate::service::ServiceError;
use crate::temp_dir::{TempDir, lock_file};

/// The first Java whose AOT cache is better than its class-data archive.
const FIRST_AOT_MAJOR: u32 = 25;

/// Long enough for a training start on a busy machine, at the lowest priority.
const STOP_BOUND: Duration = Duration::from_mins(1);
const ASSEMBLE_BOUND: Duration = Duration::from_mins(5);

/// Why there is no archive. Nobody has to care: everything runs without.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// No place to keep it.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The cache could not be written.
    #[error("cannot write to {path}", path = path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The training stack did not start.
    #[error("the training start failed")]
    Stack(#[from] StackError),
    /// A process of the training did not start or stop.
    #[error("the training failed")]
    Service(#[from] ServiceError),
    /// A process could not be started.
    #[error("cannot assemble the archive")]
    Process(#[from] ProcessError),
    /// The JVM made no archive.
    #[error("the JVM ({exit}) made no archive; {tail}")]
    NotMade {
        /// How it ended.
        exit: Exit,
        /// What it said last.
        tail: LogTail,
    },
}

/// What an archive speeds up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Program {
    /// A broker.
    Broker,
    /// A Connect worker.
    Connect,
}

impl Program {
    fn file_name(self) -> &'static str {
        match self {
            Self::Broker => "broker.archive",
            Self::Connect => "connect.archive",
        }
    }
}

/// How this Java archives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Technique {
    /// `-XX:AOTCache`.
    AotCache,
    /// `-XX:SharedArchiveFile`.
    ClassDataArchive,
}

impl Technique {
    fn of(java: &Java) -> Self {
        if java.version.major >= FIRST_AOT_MAJOR {
            Self::AotCache
        } else {
            Self::ClassDataArchive
        }
    }

    fn use_options(self, archive: &Path) -> Vec<OsString> {
        match self {
            Self::AotCache => vec![with_path("-XX:AOTCache=", archive)],
            Self::ClassDataArchive => vec![with_path("-XX:SharedArchiveFile=", archive)],
        }
    }

    /// The AOT cache is made in two steps: in the one-step form the JVM's own
    /// child does the second one, and that child would outlive us.
    fn record_options(self, recorded: &Path) -> Vec<OsString> {
        match self {
            Self::AotCache => vec![
                "-XX:AOTMode=record".into(),
                with_path("-XX:AOTConfiguration=", recorded),
            ],
            Self::ClassDataArchive => vec![with_path("-XX:ArchiveClassesAtExit=", recorded)],
        }
    }
}

fn with_path(option: &str, path: &Path) -> OsString {
    let mut option = OsString::from(option);
    option.push(path);
    option
}

/// The archives for one Java and one set of jars, as far as there are any.
#[derive(Clone, Debug, Default)]
pub struct Archives {
    dir: Option<PathBuf>,
    technique: Option<Technique>,
    broker: Option<PathBuf>,
    connect: Option<PathBuf>,
}

impl Archives {
    /// What was trained before.
    pub fn find(cache: &Cache, artefacts: &Artefacts, java: &Java) -> Self {
        let dir = archive_dir(cache, artefacts, java);
        let present =
            |program: Program| Some(dir.join(program.file_name())).filter(|it| it.is_file());
        Self {
            technique: Some(Technique::of(java)),
            broker: present(Program::Broker),
            connect: present(Program::Connect),
            dir: Some(dir),
        }
    }

    /// Where they are, or would be.
    pub fn dir(&self) -> Option<&Path> {
        self.dir.as_deref()
    }

    /// Whether there is one for this program.
    pub fn has(&self, program: Program) -> bool {
        self.path(program).is_some()
    }

    fn path(&self, program: Program) -> Option<&Path> {
        match program {
            Program::Broker => self.broker.as_deref(),
            Program::Connect => self.connect.as_deref(),
        }
    }

    /// The JVM options that use the archive, none when there is none.
    pub(crate) fn options(&self, program: Program) -> Vec<OsString> {
        match (self.technique, self.path(program)) {
            (Some(technique), Some(path)) => technique.use_options(path),
            _ => Vec::new(),
        }
    }
}

/// By Java and by jars: a new version of either needs a new archive.
fn archive_dir(cache: &Cache, artefacts: &Artefacts, java: &Java) -> PathBuf {
    let mut key = Sha256::new();
    let mut add = |text: &str| {
        key.update(text);
        key.update("\n");
    };
    add(env!("CARGO_PKG_VERSION"));
    add(&java.home.display().to_string());
    add(&java.version.to_string());
    artefacts.add_jars_to(&mut key);
    let key = hex(&key.finalize());
    let name = format!(
        "java-{}-kafka-{}-{}",
        java.version.major,
        artefacts.kafka.version,
        &key[..16]
    );
    cache.archives().join(name)
}

/// Trains what is missing: the broker's archive, and Connect's when change
/// data capture is among the artefacts. Waits if another ackproof does so.
///
/// # Errors
/// [`TrainError`]. Nothing half made is kept.
pub async fn train(
    cache: &Cache,
    artefacts: &Artefacts,
    java: &Java,
) -> Result<Archives, TrainError> {
    let turn = lock_file_of(cache)?;
    let path = cache.root().to_owned();
    // Another's training takes seconds: not on a thread of the runtime.
    let turn = tokio::task::spawn_blocking(move || turn.lock().map(|()| turn))
        .await
        .map_err(io::Error::other)
        .flatten()
        .map_err(|source| TrainError::Io { path, source })?;
    let trained = train_missing(cache, artefacts, java).await;
    drop(turn);
    trained
}

/// A training in the background. Dropping it ends the training.
#[derive(Debug)]
pub struct Training {
    task: JoinHandle<Result<Archives, TrainError>>,
}

impl Training {
    /// Begins to train what is missing, at the lowest priority, unless
    /// nothing is, or another ackproof is at it.
    pub fn in_background(cache: &Cache, artefacts: &Artefacts, java: &Java) -> Option<Self> {
        let found = Archives::find(cache, artefacts, java);
        if wanted(artefacts).all(|program| found.has(program)) {
            return None;
        }
        let turn = lock_file_of(cache).ok()?;
        match turn.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => return None,
        }
        let (cache, artefacts, java) = (cache.clone(), artefacts.clone(), java.clone());
        let task = tokio::spawn(async move {
            let trained = train_missing(&cache, &artefacts, &java).await;
            drop(turn);
            trained
        });
        Some(Self { task })
    }

    /// Waits for it.
    ///
    /// # Errors
    /// Why it failed, `None` when it was ended from elsewhere.
    pub async fn finish(mut self) -> Option<Result<Archives, TrainError>> {
        (&mut self.task).await.ok()
    }
}

impl Drop for Training {
    fn drop(&mut self) {
        // Its processes and files go with the task.
        self.task.abort();
    }
}

fn wanted(artefacts: &Artefacts) -> impl Iterator<Item = Program> {
    let connect = artefacts.cdc.is_some().then_some(Program::Connect);
    std::iter::once(Program::Broker).chain(connect)
}

fn lock_file_of(cache: &Cache) -> Result<fs::File, TrainError> {
    let path = cache.lock("archives")?;
    lock_file(&path).map_err(|source| TrainError::Io { path, source })
}

async fn train_missing(
    cache: &Cache,
    artefacts: &Artefacts,
    java: &Java,
) -> Result<Archives, TrainError> {
    // Asked now, it is not asked when somebody waits for a broker.
    Format::of(artefacts, java)
        .await
        .map_err(StackError::from)?;
    for program in wanted(artefacts) {
        let found = Archives::find(cache, artefacts, java);
        if !found.has(program) {
            train_one(program, cache, artefacts, java, &found).await?;
        }
    }
    Ok(Archives::find(cache, artefacts, java))
}

async fn train_one(
    program: Program,
    cache: &Cache,
    artefacts: &Artefacts,
    java: &Java,
    found: &Archives,
) -> Result<(), TrainError> {
    let io_error = |path: &Path| {
        let path = path.to_owned();
        move |source| TrainError::Io { path, source }
    };
    let parent = cache.scratch();
    let scratch = TempDir::create(&parent).map_err(io_error(&parent))?;
    let technique = Technique::of(java);
    let recorded = scratch.path().join("recorded");
    let record = technique.record_options(&recorded);
    let (broker_options, connect_options) = match program {
        Program::Broker => (record, None),
        Program::Connect => (found.options(Program::Broker), Some(record)),
    };
    let stack = TrainingStack::start(
        artefacts,
        java,
        &scratch.path().join("stack"),
        broker_options,
        connect_options,
    )
    .await?;
    let trainee = stack.jvm().clone();
    stack.stop(STOP_BOUND).await?;

    let made = match technique {
        Technique::ClassDataArchive => recorded,
        Technique::AotCache => {
            let made = scratch.path().join("made");
            assemble(&trainee, &recorded, &made, scratch.path()).await?;
            made
        }
    };
    if !made.is_file() {
        return Err(TrainError::NotMade {
            exit: Exit::Code(0),
            tail: LogTail::of(&trainee.log),
        });
    }
    let dir = archive_dir(cache, artefacts, java);
    fs::create_dir_all(&dir).map_err(io_error(&dir))?;
    let place = dir.join(program.file_name());
    fs::rename(&made, &place).map_err(io_error(&place))
}

/// The second step of an AOT cache: from what was recorded to the cache.
async fn assemble(
    trainee: &JvmSpec,
    recorded: &Path,
    made: &Path,
    work: &Path,
) -> Result<(), TrainError> {
    let log = work.join("assemble.log");
    let jvm = JvmSpec {
        archive_options: vec![
            "-XX:AOTMode=create".into(),
            with_path("-XX:AOTConfiguration=", recorded),
            with_path("-XX:AOTCache=", made),
        ],
        log: log.clone(),
        ..trainee.clone()
    };
    let child = jvm.child().spawn()?;
    let exit = tokio::time::timeout(ASSEMBLE_BOUND, child.wait())
        .await
        .unwrap_or(Exit::Unknown);
    if exit.is_success() {
        Ok(())
    } else {
        Err(TrainError::NotMade {
            exit,
            tail: LogTail::of(&log),
        })
    }
}
