//! A start of the stack from which a JVM learns: it makes the archives that later
//! starts use ([`crate::archive`]).

use std::ffi::OsString;
use std::fs::{self, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::archive::{Archives, Program, Technique, archive_dir, with_path};
use crate::artefacts::Artefacts;
use crate::broker::LocalBroker;
use crate::cache::{Cache, CacheError};
use crate::connect::Connect;
use crate::embedded::{
    CdcSpec, Layout, StackError, StackSpec, broker_jvm, connect_jvm, prepare_brokers,
    prepare_connect,
};
use crate::format::{Features, Format};
use crate::java::Java;
use crate::jvm::JvmSpec;
use crate::logtail::LogTail;
use crate::process::{Exit, ProcessError};
use crate::service::ServiceError;
use crate::temp_dir::{TempDir, lock_file};

/// A training gives way to whatever it is started beside: nice(1).
const NICE_TRAINING: u8 = 19;

/// Long enough for a training start on a busy machine, at the lowest priority.
const STOP_BOUND: Duration = Duration::from_mins(1);
const ASSEMBLE_BOUND: Duration = Duration::from_mins(5);

/// Why there is no archive. Everything runs without one.
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
    // Asked now, so that no start of a broker waits for it.
    Format::of(artefacts, java, &Features::new())
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

/// A stack that is started only so that a JVM can learn from it.
struct TrainingStack {
    brokers: Vec<Arc<LocalBroker>>,
    connect: Option<Connect>,
    trainee: JvmSpec,
}

impl TrainingStack {
    /// Starts a broker, and a Connect worker when there are options for it;
    /// it is then the one that records.
    async fn start(
        artefacts: &Artefacts,
        java: &Java,
        dir: &Path,
        broker_options: Vec<OsString>,
        connect_options: Option<Vec<OsString>>,
    ) -> Result<Self, StackError> {
        let layout = Layout::create(dir)?;
        let mut spec = StackSpec::new(dir);
        let mut trainee = broker_jvm(artefacts, java, &spec, &layout, 1);
        trainee.archive_options = broker_options;
        trainee.nice = NICE_TRAINING;
        let format = Format::of(artefacts, java, &spec.features).await?;
        let brokers = prepare_brokers(&mut spec, &layout, format, |_, _| trainee.clone())?;
        for broker in &brokers {
            broker.service().start().await?;
        }
        let mut connect = None;
        if let Some(options) = connect_options {
            let files = artefacts.cdc.as_ref().ok_or(StackError::NoCdcArtefacts)?;
            trainee = connect_jvm(artefacts, java, &spec, &layout);
            trainee.archive_options = options;
            trainee.nice = NICE_TRAINING;
            let worker = prepare_connect(
                &spec,
                CdcSpec::default(),
                &files.debezium.path,
                &brokers,
                &layout,
                trainee.clone(),
            )?;
            worker.service().start().await?;
            connect = Some(worker);
        }
        Ok(Self {
            brokers,
            connect,
            trainee,
        })
    }

    /// The JVM that records.
    fn jvm(&self) -> &JvmSpec {
        &self.trainee
    }

    /// Stops it in order: only then is the record written.
    async fn stop(self, bound: Duration) -> Result<(), ServiceError> {
        if let Some(connect) = &self.connect {
            // Whatever the broker had to teach was learnt before.
            connect.service().stop(bound).await?;
            return Ok(());
        }
        for broker in &self.brokers {
            broker.service().stop(bound).await?;
        }
        Ok(())
    }
}
