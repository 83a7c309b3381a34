//! The files the stack is made of: fetched once, checked, kept in the cache.
//!
//! Each part (Kafka, Debezium, PostgreSQL) is fetched on its own, into a
//! scratch directory, held against the sums that are part of the program, and
//! only then moved to its place in one step: what is in the cache is complete.
//! Knows nothing of processes other than that Maven brings the files.

use std::env;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::cache::{Cache, CacheError, shared_dir};
use crate::java;
use crate::maven::{Maven, MavenError};
use crate::scratch::{Scratch, lock_file, make_readable};
use crate::sums::{Sums, SumsError};

/// The file that says what a part holds. It is written last.
const MANIFEST: &str = "part.json";

/// Why the files are not there.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Maven could not bring them.
    #[error("cannot fetch {part} {version}")]
    Maven {
        /// What was fetched.
        part: PartKind,
        /// Its version.
        version: String,
        /// Why not.
        #[source]
        source: MavenError,
    },
    /// They came, and are not what they must be. Nothing of them is kept.
    #[error(
        "refusing {part} {version}: a file is not the published one (a broken download, or a repository or mirror that altered it; remove it from ~/.m2/repository and try again)"
    )]
    Sums {
        /// What was fetched.
        part: PartKind,
        /// Its version.
        version: String,
        /// Which file, and how it differs.
        #[source]
        source: SumsError,
    },
    /// A version that cannot be one.
    #[error("`{version}` is not a version of {part}: letters, digits, `.`, `-` and `_` only")]
    BadVersion {
        /// Of what.
        part: PartKind,
        /// What was given.
        version: String,
    },
    /// A version that ackproof does not run.
    #[error("{part} {version} is not supported: ackproof runs {part} {oldest} to {newest}")]
    Unsupported {
        /// Of what.
        part: PartKind,
        /// What was given.
        version: String,
        /// The first that is.
        oldest: &'static str,
        /// The last that is.
        newest: &'static str,
    },
    /// A directory was given as a Kafka distribution and is none.
    #[error(
        "{path} is not an unpacked Kafka distribution: libs/ holds no kafka_*.jar",
        path = path.display()
    )]
    NotKafkaHome {
        /// The directory.
        path: PathBuf,
    },
    /// There are no PostgreSQL binaries for this machine.
    #[error("no PostgreSQL binaries are published for {os} on {arch}: scenarios without CDC work")]
    NoPostgres {
        /// Operating system.
        os: &'static str,
        /// Processor.
        arch: &'static str,
    },
    /// No place to keep them.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// An archive could not be unpacked.
    #[error("cannot unpack {archive}", archive = archive.display())]
    Unpack {
        /// Which.
        archive: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The cache could not be written.
    #[error("cannot write to the cache at {path}", path = path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// Which versions to use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// Of Kafka, such as `4.3.1`.
    pub kafka: String,
    /// Of Debezium, such as `3.7.0.Final`.
    pub debezium: String,
    /// Of the PostgreSQL binaries, such as `17.11.0`.
    pub postgres: String,
}

impl Default for Versions {
    fn default() -> Self {
        Self {
            kafka: "4.3.1".to_owned(),
            debezium: "3.7.0.Final".to_owned(),
            postgres: "17.11.0".to_owned(),
        }
    }
}

/// The versions of Kafka that are run: the first and the last line of releases.
pub const KAFKA_SUPPORTED: [&str; 2] = ["3.3", "4.3"];
/// The same of Debezium.
pub const DEBEZIUM_SUPPORTED: [&str; 2] = ["2.1", "3.7"];

/// Refuses versions that ackproof does not run, before anything is fetched. The
/// release line of Kafka, such as `(3, 9)`.
///
/// # Errors
/// [`FetchError::Unsupported`], [`FetchError::BadVersion`], and
/// [`FetchError::NotKafkaHome`].
pub fn supported(request: &ArtefactRequest) -> Result<(u32, u32), FetchError> {
    let kafka = match &request.kafka_home {
        Some(home) => kafka_at_home(home)?.0.version,
        None => request.versions.kafka.clone(),
    };
    let debezium = &request.versions.debezium;
    let mut lines = Vec::new();
    for (part, version, [oldest, newest]) in [
        (PartKind::Kafka, &kafka, KAFKA_SUPPORTED),
        (PartKind::Debezium, debezium, DEBEZIUM_SUPPORTED),
    ] {
        let version = checked(part, version)?;
        let line = release_line(&version);
        lines.extend(line);
        if line < release_line(oldest) || line > release_line(newest) {
            return Err(FetchError::Unsupported {
                part,
                version,
                oldest,
                newest,
            });
        }
    }
    Ok(lines.first().copied().unwrap_or_default())
}

/// The first two numbers of a version; what is none comes before all.
fn release_line(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.split(['.', '-']).map(|it| it.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

/// How much of the stack is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parts {
    /// Brokers and tools. (Connect's jars come along.)
    Kafka,
    /// And Debezium and PostgreSQL, to capture changes.
    KafkaAndCdc,
}

/// One part of the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartKind {
    /// Kafka's brokers, tools and Connect.
    Kafka,
    /// Debezium's PostgreSQL connector.
    Debezium,
    /// PostgreSQL's server.
    Postgres,
}

impl std::fmt::Display for PartKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Kafka => "Kafka",
            Self::Debezium => "Debezium",
            Self::Postgres => "PostgreSQL",
        })
    }
}

/// Whether files are known to be the ones that this program was made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pinning {
    /// Their SHA-256 sums are those in the program.
    Verified,
    /// The program has no sums for this version, or the files are the user's.
    Unpinned,
}

/// What to fetch.
#[derive(Clone, Debug)]
pub struct ArtefactRequest {
    /// Which versions.
    pub versions: Versions,
    /// An unpacked Kafka distribution to use in place of a download.
    pub kafka_home: Option<PathBuf>,
    /// How much.
    pub parts: Parts,
}

/// What happens while fetching.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchProgress {
    /// Another ackproof fetches the same: waiting for it.
    Waiting(PartKind),
    /// Maven is at work.
    Resolving(PartKind),
    /// The files are there and are being checked.
    Checking(PartKind),
    /// An archive is being unpacked.
    Unpacking(PartKind),
    /// It is in the cache.
    Fetched(PartKind),
}

/// One part, ready to use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Which.
    pub kind: PartKind,
    /// Its version, or the directory's name when it is the user's own.
    pub version: String,
    /// Where it is.
    pub path: PathBuf,
    /// Whether its files were held against the program's sums.
    pub pinning: Pinning,
}

/// The files of the stack.
#[derive(Clone, Debug)]
pub struct Artefacts {
    /// Kafka.
    pub kafka: Part,
    /// All of Kafka's jars, sorted: Java's archives want the same order each
    /// time.
    pub jars: Vec<PathBuf>,
    /// What change data capture needs, when it was asked for.
    pub cdc: Option<CdcArtefacts>,
    /// Where what is made of them is kept.
    pub(crate) cache: Cache,
}

/// The files for change data capture.
#[derive(Clone, Debug)]
pub struct CdcArtefacts {
    /// Debezium; its path is a directory for Connect's `plugin.path`.
    pub debezium: Part,
    /// PostgreSQL; its path holds `bin`, `lib`, `share`.
    pub postgres: Part,
}

impl Artefacts {
    /// Every part.
    pub fn parts(&self) -> impl Iterator<Item = &Part> {
        let cdc = self.cdc.iter();
        std::iter::once(&self.kafka).chain(cdc.flat_map(|it| [&it.debezium, &it.postgres]))
    }

    /// Adds to a digest what tells these jars from others: paths, sizes and
    /// times, which the JVM compares as well.
    pub(crate) fn add_jars_to(&self, digest: &mut Sha256) {
        for jar in &self.jars {
            digest.update(jar.display().to_string());
            digest.update("\n");
            if let Ok(found) = fs::metadata(jar) {
                digest.update(format!("{} {}\n", found.len(), found.mtime()));
            }
        }
    }

    /// A class path of all jars.
    pub fn class_path(&self) -> std::ffi::OsString {
        let mut path = std::ffi::OsString::new();
        for jar in &self.jars {
            if !path.is_empty() {
                path.push(":");
            }
            path.push(jar);
        }
        path
    }
}

/// Brings everything `request` names into the cache, unless it is there, and
/// says where it is. Blocks; takes milliseconds when all is there.
///
/// # Errors
/// See [`FetchError`].
pub fn fetch(
    cache: &Cache,
    request: &ArtefactRequest,
    progress: &mut dyn FnMut(FetchProgress),
) -> Result<Artefacts, FetchError> {
    fetch_with(cache, request, find_maven, progress)
}

/// The same with a Maven of the caller's choice; `maven` is asked only when
/// something has to be fetched.
///
/// # Errors
/// See [`FetchError`].
pub fn fetch_with(
    cache: &Cache,
    request: &ArtefactRequest,
    maven: impl Fn() -> Option<Maven>,
    progress: &mut dyn FnMut(FetchProgress),
) -> Result<Artefacts, FetchError> {
    let fetcher = Fetcher {
        cache,
        maven: &maven,
    };
    let versions = &request.versions;
    let (kafka, jars) = if let Some(home) = &request.kafka_home {
        kafka_at_home(home)?
    } else {
        let recipe = Recipe::kafka(cache, versions)?;
        let part = fetcher.ensure(&recipe, progress)?;
        let jars = jars_in(&part.path)?;
        (part, jars)
    };
    let cdc = match request.parts {
        Parts::Kafka => None,
        Parts::KafkaAndCdc => Some(CdcArtefacts {
            debezium: fetcher.ensure(&Recipe::debezium(cache, versions)?, progress)?,
            postgres: fetcher.ensure(&Recipe::postgres(cache, versions)?, progress)?,
        }),
    };
    Ok(Artefacts {
        kafka,
        jars,
        cdc,
        cache: cache.clone(),
    })
}

/// What of `request` is in the cache already, part by part. Fetches nothing.
///
/// # Errors
/// As [`fetch`], for a request that could never be fetched.
pub fn look(
    cache: &Cache,
    request: &ArtefactRequest,
) -> Result<Vec<(PartKind, Option<Part>)>, FetchError> {
    let mut found = Vec::new();
    if let Some(home) = &request.kafka_home {
        found.push((PartKind::Kafka, Some(kafka_at_home(home)?.0)));
    } else {
        let recipe = Recipe::kafka(cache, &request.versions)?;
        found.push((PartKind::Kafka, recipe.present()));
    }
    if request.parts == Parts::KafkaAndCdc {
        let debezium = Recipe::debezium(cache, &request.versions)?;
        let postgres = Recipe::postgres(cache, &request.versions)?;
        found.push((PartKind::Debezium, debezium.present()));
        found.push((PartKind::Postgres, postgres.present()));
    }
    Ok(found)
}

/// What [`fetch`] would return, if all of it is in the cache. Fetches nothing.
pub fn present(cache: &Cache, request: &ArtefactRequest) -> Option<Artefacts> {
    let no_maven = || None;
    let all_there = look(cache, request)
        .ok()?
        .iter()
        .all(|(_, part)| part.is_some());
    all_there
        .then(|| fetch_with(cache, request, no_maven, &mut |_| {}).ok())
        .flatten()
}

/// The `mvn` in `PATH`, helped to a Java where it would find none itself.
pub fn find_maven() -> Option<Maven> {
    let path = env::var_os("PATH");
    let maven = Maven::find(path.as_deref())?;
    let finds_java_itself = env::var_os("JAVA_HOME").is_some()
        || path
            .iter()
            .flat_map(env::split_paths)
            .any(|dir| dir.join("java").is_file());
    Some(match java::find_java() {
        Ok(java) if !finds_java_itself => maven.with_java_home(java.home),
        _ => maven,
    })
}

fn kafka_at_home(home: &Path) -> Result<(Part, Vec<PathBuf>), FetchError> {
    let not_kafka = || FetchError::NotKafkaHome {
        path: home.to_owned(),
    };
    let home = home.canonicalize().map_err(|_| not_kafka())?;
    let libs = home.join("libs");
    let jars = jars_in(&libs).map_err(|_| not_kafka())?;
    let version = jars
        .iter()
        .filter_map(|jar| jar.file_stem()?.to_str())
        .filter_map(|stem| stem.strip_prefix("kafka_")?.split_once('-'))
        .map(|(_, version)| version.to_owned())
        .next()
        .ok_or_else(not_kafka)?;
    let part = Part {
        kind: PartKind::Kafka,
        version,
        path: libs,
        pinning: Pinning::Unpinned,
    };
    Ok((part, jars))
}

fn jars_in(dir: &Path) -> Result<Vec<PathBuf>, FetchError> {
    let io_error = |source| FetchError::Io {
        path: dir.to_owned(),
        source,
    };
    let mut jars = Vec::new();
    for entry in fs::read_dir(dir).map_err(io_error)? {
        let path = entry.map_err(io_error)?.path();
        if path.extension().is_some_and(|it| it == "jar") {
            jars.push(path);
        }
    }
    jars.sort();
    Ok(jars)
}

/// How to make one part.
struct Recipe {
    kind: PartKind,
    version: String,
    /// Its name in the cache, and of its sums.
    name: String,
    /// The cache it goes to: see [`shared_dir`].
    cache: Cache,
    profile: &'static str,
    properties: Vec<(&'static str, String)>,
}

impl Recipe {
    fn kafka(cache: &Cache, versions: &Versions) -> Result<Self, FetchError> {
        let version = checked(PartKind::Kafka, &versions.kafka)?;
        Ok(Self {
            kind: PartKind::Kafka,
            name: format!("kafka-{version}"),
            cache: cache.clone(),
            profile: "kafka",
            properties: vec![("kafka.version", version.clone())],
            version,
        })
    }

    fn debezium(cache: &Cache, versions: &Versions) -> Result<Self, FetchError> {
        let version = checked(PartKind::Debezium, &versions.debezium)?;
        Ok(Self {
            kind: PartKind::Debezium,
            name: format!("debezium-{version}"),
            cache: cache.clone(),
            profile: "debezium",
            properties: vec![("debezium.version", version.clone())],
            version,
        })
    }

    fn postgres(cache: &Cache, versions: &Versions) -> Result<Self, FetchError> {
        let version = checked(PartKind::Postgres, &versions.postgres)?;
        let platform = postgres_platform()?;
        Ok(Self {
            kind: PartKind::Postgres,
            name: format!("postgres-{version}-{platform}"),
            // Root's PostgreSQL runs as someone else, who cannot be expected
            // to get into root's home.
            cache: if rustix::process::geteuid().is_root() {
                Cache::at(shared_dir()?)
            } else {
                cache.clone()
            },
            profile: "postgres",
            properties: vec![
                ("postgres.version", version.clone()),
                ("postgres.platform", platform.to_owned()),
            ],
            version,
        })
    }

    fn sums(&self) -> Option<Sums> {
        Sums::embedded(&self.name)
    }

    /// The part, if it is in the cache, complete, and was held against the
    /// sums that this program has.
    fn present(&self) -> Option<Part> {
        let path = self.cache.part(&self.name);
        let manifest = Manifest::read(&path)?;
        let sums = self.sums();
        if manifest.sums != sums.as_ref().map(Sums::digest) || !manifest.is_complete(&path) {
            return None;
        }
        Some(Part {
            kind: self.kind,
            version: self.version.clone(),
            path,
            pinning: if sums.is_some() {
                Pinning::Verified
            } else {
                Pinning::Unpinned
            },
        })
    }
}

/// A version becomes part of a path and of a command line.
fn checked(part: PartKind, version: &str) -> Result<String, FetchError> {
    let starts_well = version.starts_with(|it: char| it.is_ascii_alphanumeric());
    let is_plain = version
        .chars()
        .all(|it| it.is_ascii_alphanumeric() || "._-".contains(it));
    if starts_well && is_plain {
        Ok(version.to_owned())
    } else {
        Err(FetchError::BadVersion {
            part,
            version: version.to_owned(),
        })
    }
}

fn postgres_platform() -> Result<&'static str, FetchError> {
    match (env::consts::OS, env::consts::ARCH) {
        ("linux", "x86_64") => Ok("linux-amd64"),
        ("linux", "aarch64") => Ok("linux-arm64v8"),
        (os, arch) => Err(FetchError::NoPostgres { os, arch }),
    }
}

/// What a part in the cache consists of.
#[derive(Serialize, Deserialize)]
struct Manifest {
    /// The digest of the sums it was held against, if there were any.
    sums: Option<String>,
    files: Vec<ManifestFile>,
}

#[derive(Serialize, Deserialize)]
struct ManifestFile {
    path: PathBuf,
    size_bytes: u64,
}

impl Manifest {
    fn read(part: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(part.join(MANIFEST)).ok()?).ok()
    }

    fn of(part: &Path, sums: Option<String>) -> io::Result<Self> {
        let mut files = Vec::new();
        let mut dirs = vec![part.to_owned()];
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(dir)? {
                let entry = entry?;
                let kind = entry.file_type()?;
                if kind.is_dir() {
                    dirs.push(entry.path());
                } else if kind.is_file() {
                    let path = entry.path();
                    files.push(ManifestFile {
                        path: path.strip_prefix(part).unwrap_or(&path).to_owned(),
                        size_bytes: entry.metadata()?.len(),
                    });
                }
            }
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self { sums, files })
    }

    /// Whether every file is there in its size. The contents were checked
    /// when it was fetched: to read 75 MB at each start would cost more than
    /// a broker's start.
    fn is_complete(&self, part: &Path) -> bool {
        self.files.iter().all(|file| {
            fs::metadata(part.join(&file.path)).is_ok_and(|it| it.len() == file.size_bytes)
        })
    }
}

struct Fetcher<'a> {
    cache: &'a Cache,
    maven: &'a dyn Fn() -> Option<Maven>,
}

impl Fetcher<'_> {
    fn ensure(
        &self,
        recipe: &Recipe,
        progress: &mut dyn FnMut(FetchProgress),
    ) -> Result<Part, FetchError> {
        if let Some(part) = recipe.present() {
            return Ok(part);
        }
        let lock_path = recipe.cache.lock(&recipe.name)?;
        let lock_error = |source| FetchError::Io {
            path: lock_path.clone(),
            source,
        };
        let lock = lock_file(&lock_path).map_err(lock_error)?;
        if lock.try_lock().is_err() {
            progress(FetchProgress::Waiting(recipe.kind));
            lock.lock().map_err(lock_error)?;
        }
        // Whoever held the lock may have fetched it.
        if let Some(part) = recipe.present() {
            return Ok(part);
        }
        self.make(recipe, progress)?;
        progress(FetchProgress::Fetched(recipe.kind));
        recipe.present().ok_or_else(|| FetchError::Io {
            path: recipe.cache.part(&recipe.name),
            source: io::Error::other("the part vanished again"),
        })
    }

    fn make(
        &self,
        recipe: &Recipe,
        progress: &mut dyn FnMut(FetchProgress),
    ) -> Result<(), FetchError> {
        let io_error = |path: &Path| {
            let path = path.to_owned();
            move |source| FetchError::Io { path, source }
        };
        let maven_error = |source| FetchError::Maven {
            part: recipe.kind,
            version: recipe.version.clone(),
            source,
        };
        let maven = (self.maven)().ok_or_else(|| maven_error(MavenError::NotInstalled))?;
        let scratch_parent = recipe.cache.scratch();
        let scratch = Scratch::create(&scratch_parent).map_err(io_error(&scratch_parent))?;
        let download = scratch.path().join("download");

        progress(FetchProgress::Resolving(recipe.kind));
        let log = self.cache.log(&format!("maven-{}.log", recipe.name));
        let properties: Vec<_> = recipe
            .properties
            .iter()
            .map(|(key, value)| (*key, value.as_str()))
            .collect();
        maven
            .copy(recipe.profile, &properties, &download, scratch.path(), &log)
            .map_err(maven_error)?;

        let sums = recipe.sums();
        if let Some(sums) = &sums {
            progress(FetchProgress::Checking(recipe.kind));
            sums.verify(&download).map_err(|source| FetchError::Sums {
                part: recipe.kind,
                version: recipe.version.clone(),
                source,
            })?;
        }

        let made = match recipe.kind {
            PartKind::Kafka => download,
            PartKind::Debezium => {
                progress(FetchProgress::Unpacking(recipe.kind));
                unpack_only(&download, &scratch.path().join("unpacked"), unpack_tar_gz)?
            }
            PartKind::Postgres => {
                progress(FetchProgress::Unpacking(recipe.kind));
                unpack_only(
                    &download,
                    &scratch.path().join("unpacked"),
                    unpack_txz_in_jar,
                )?
            }
        };
        let manifest =
            Manifest::of(&made, sums.as_ref().map(Sums::digest)).map_err(io_error(&made))?;
        let manifest = serde_json::to_vec(&manifest).map_err(|error| FetchError::Io {
            path: made.clone(),
            source: error.into(),
        })?;
        fs::write(made.join(MANIFEST), manifest).map_err(io_error(&made))?;
        make_readable(&made).map_err(io_error(&made))?;

        let place = recipe.cache.part(&recipe.name);
        if let Some(parent) = place.parent() {
            fs::create_dir_all(parent).map_err(io_error(parent))?;
            make_readable(parent).map_err(io_error(parent))?;
        }
        if place.exists() {
            // Damaged, or of other sums: else it would have been used.
            fs::rename(&place, scratch.path().join("replaced")).map_err(io_error(&place))?;
        }
        fs::rename(&made, &place).map_err(io_error(&place))
    }
}

/// Unpacks the only file in `download`.
fn unpack_only(
    download: &Path,
    into: &Path,
    unpack: fn(File, &Path) -> io::Result<()>,
) -> Result<PathBuf, FetchError> {
    let unpack_error = |archive: &Path| {
        let archive = archive.to_owned();
        move |source| FetchError::Unpack { archive, source }
    };
    let archive = fs::read_dir(download)
        .and_then(|mut entries| entries.next().transpose())
        .map_err(unpack_error(download))?
        .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
        .map_err(unpack_error(download))?
        .path();
    File::open(&archive)
        .and_then(|file| unpack(file, into))
        .map_err(unpack_error(&archive))?;
    Ok(into.to_owned())
}

fn unpack_tar_gz(file: File, into: &Path) -> io::Result<()> {
    unpack_tar(flate2::read::GzDecoder::new(file), into)
}

/// The PostgreSQL binaries come as one `.txz` in a jar.
fn unpack_txz_in_jar(file: File, into: &Path) -> io::Result<()> {
    let mut jar = zip::ZipArchive::new(file)?;
    for index in 0..jar.len() {
        let entry = jar.by_index(index)?;
        let name = entry.name()?;
        if Path::new(name.as_ref())
            .extension()
            .is_some_and(|it| it == "txz")
        {
            drop(name);
            return unpack_tar(liblzma::read::XzDecoder::new(entry), into);
        }
    }
    Err(io::Error::new(
        io::ErrorKind::NotFound,
        "no .txz in the jar",
    ))
}

fn unpack_tar(tar: impl Read, into: &Path) -> io::Result<()> {
    let mut archive = tar::Archive::new(tar);
    // Files belong to whoever fetches them, not to the packager's ids.
    archive.set_preserve_ownerships(false);
    archive.unpack(into)?;
    // Directories that the archive does not list are made with our umask.
    let mut dirs = vec![into.to_owned()];
    while let Some(dir) = dirs.pop() {
        make_readable(&dir)?;
        for entry in fs::read_dir(&dir)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                dirs.push(entry.path());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_versions_are_pinned_on_every_platform() {
        let versions = Versions::default();
        let mut names = vec![
            format!("kafka-{}", versions.kafka),
            format!("debezium-{}", versions.debezium),
        ];
        for platform in ["linux-amd64", "linux-arm64v8"] {
            names.push(format!("postgres-{}-{platform}", versions.postgres));
        }
        for name in names {
            assert!(Sums::embedded(&name).is_some(), "{name}");
        }
    }

    #[test]
    fn a_version_cannot_leave_its_place() {
        for bad in ["", "../4.3.1", "4.3.1/..", "-Dx=y", ".4", "4 3"] {
            assert!(checked(PartKind::Kafka, bad).is_err(), "{bad}");
        }
        assert_eq!(
            checked(PartKind::Debezium, "3.7.0.Final").unwrap(),
            "3.7.0.Final"
        );
    }
}
