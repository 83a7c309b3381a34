//! Start-up archives: classes as the JVM wants them, made once by a training
//! start and then mapped into memory, which halves the time to start.
//!
//! JDK 25 and newer have an AOT cache (JEP 483, 514), older ones a class-data
//! archive (JEP 350). An archive fits one Java and one set of jars; the JVM
//! checks that and starts without one that does not fit, as it does when there
//! is none. How one is made: [`crate::training`].

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::artefacts::Artefacts;
use crate::cache::Cache;
use crate::checksums::hex;
use crate::java::Java;

/// The first Java whose AOT cache is better than its class-data archive.
const FIRST_AOT_MAJOR: u32 = 25;

/// What an archive speeds up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Program {
    /// A broker.
    Broker,
    /// A Connect worker.
    Connect,
}

impl Program {
    pub(crate) fn file_name(self) -> &'static str {
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
    pub(crate) fn of(java: &Java) -> Self {
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
    pub(crate) fn record_options(self, recorded: &Path) -> Vec<OsString> {
        match self {
            Self::AotCache => vec![
                "-XX:AOTMode=record".into(),
                with_path("-XX:AOTConfiguration=", recorded),
            ],
            Self::ClassDataArchive => vec![with_path("-XX:ArchiveClassesAtExit=", recorded)],
        }
    }
}

pub(crate) fn with_path(option: &str, path: &Path) -> OsString {
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
pub(crate) fn archive_dir(cache: &Cache, artefacts: &Artefacts, java: &Java) -> PathBuf {
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
