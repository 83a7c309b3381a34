//! Kafka's Java client as a subject: which jars, and the command line that
//! runs them with the program in `clients/java`, which is part of this one.
//!
//! Knows the JVM's options; not what the subject does.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::artefacts::{
    Artefacts, FetchError, FetchProgress, fetch_kafka_clients, find_maven, jars_in,
};
use crate::cache::Cache;
use crate::checksums::hex;
use crate::java::{Java, JavaError, find_java};
use crate::process::{ChildSpec, Input};
use crate::temp_dir::{TempDir, lock_file};

/// The subject, compiled: `make java-subject` makes it of `clients/java`.
pub const SUBJECT_JAR: &[u8] = include_bytes!("java_client/subject.jar");

const MAIN_CLASS: &str = "ackproof.subject.Subject";

/// Of the jars of a whole Kafka, what the client uses, and what binds its
/// logging. They are looked through in this order.
const OF_THE_CLIENT: [&str; 8] = [
    "kafka-clients-",
    "slf4j-api-",
    "log4j-slf4j-impl-",
    "log4j-api-",
    "log4j-core-",
    "lz4-java-",
    "snappy-java-",
    "zstd-jni-",
];

/// Starts quickly, runs for seconds, and keeps standard output for the
/// protocol: the JVM and the client complain on standard error.
const OPTIONS: [&str; 9] = [
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-Xmx512m",
    "-XX:+DisplayVMOutputToStderr",
    "-Xlog:disable",
    "-Xlog:all=error:stderr",
    "-Djava.net.preferIPv4Stack=true",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.apache.logging.log4j.level=WARN",
];

/// Makes a producer and a consumer, and closes them.
const TRAINING: &str = r#"{"op":"start","protocol":1,"check":true,"producer":{"config":{"bootstrap.servers":"127.0.0.1:1"}},"consumer":{"config":{"bootstrap.servers":"127.0.0.1:1","group.id":"g"},"topics":["t"]}}
{"op":"close"}
"#;
const TRAINING_BOUND: Duration = Duration::from_mins(1);

/// Which Java client.
#[derive(Clone, Copy, Debug)]
pub enum JavaClient<'a> {
    /// That of the brokers' own jars.
    OfBrokers(&'a Artefacts),
    /// A published version.
    Version(&'a str),
    /// All jars in a folder.
    Folder(&'a Path),
}

/// Why a Java client cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum JavaClientError {
    /// No Java.
    #[error("the Java client needs a Java")]
    Java(#[from] JavaError),
    /// Its jars are not there.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// A folder without the client.
    #[error("{folder} holds no kafka-clients-*.jar", folder = folder.display())]
    NoClient {
        /// The folder.
        folder: PathBuf,
    },
    /// A path that no command line in JSON can have.
    #[error("the path {path} is not UTF-8", path = path.display())]
    NotUtf8 {
        /// The path.
        path: PathBuf,
    },
    /// The subject's own jar could not be written.
    #[error("cannot write to the cache at {path}", path = path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// The program and its arguments that run this client as a subject. Fetches
/// what is missing and, the first time, trains a start-up archive, which
/// halves the time to start. Blocks.
///
/// # Errors
/// [`JavaClientError`].
pub fn command(
    cache: &Cache,
    client: JavaClient<'_>,
    progress: &mut dyn FnMut(FetchProgress),
) -> Result<Vec<String>, JavaClientError> {
    let java = find_java()?;
    let mut jars = vec![subject_jar(cache)?];
    jars.extend(jars_of(cache, client, progress)?);
    let mut args: Vec<OsString> = OPTIONS.iter().map(OsString::from).collect();
    args.extend(["-cp".into(), jars.join(OsStr::new(":")), MAIN_CLASS.into()]);
    if let Some(archive) = archive(cache, &java, &jars, &args) {
        args.insert(0, option("-XX:SharedArchiveFile=", &archive));
    }
    let program = java.binary.into_os_string();
    let words = std::iter::once(program).chain(args).map(|word| {
        let not_utf8 = |path| JavaClientError::NotUtf8 {
            path: PathBuf::from(path),
        };
        word.into_string().map_err(not_utf8)
    });
    words.collect()
}

/// The client's jars, in the order of the class path.
fn jars_of(
    cache: &Cache,
    client: JavaClient<'_>,
    progress: &mut dyn FnMut(FetchProgress),
) -> Result<Vec<OsString>, JavaClientError> {
    let (folder, mut jars) = match client {
        JavaClient::OfBrokers(artefacts) => {
            let mut jars = artefacts.jars.clone();
            jars.retain(|jar| place(jar) < OF_THE_CLIENT.len());
            (artefacts.kafka.path.clone(), jars)
        }
        JavaClient::Version(version) => {
            let part = fetch_kafka_clients(cache, version, &find_maven, progress)?;
            let jars = jars_in(&part.path)?;
            (part.path, jars)
        }
        // The subject may run elsewhere.
        JavaClient::Folder(folder) => {
            let absolute = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
            let jars = jars_in(&absolute)?;
            (absolute, jars)
        }
    };
    // Most classes are the client's own: it is looked through first.
    jars.sort_by_key(|jar| place(jar));
    if jars.first().is_none_or(|jar| place(jar) != 0) {
        return Err(JavaClientError::NoClient { folder });
    }
    Ok(jars.into_iter().map(OsString::from).collect())
}

/// Where a jar stands in [`OF_THE_CLIENT`], behind it where it does not.
fn place(jar: &Path) -> usize {
    let name = jar.file_name().unwrap_or_default().to_string_lossy();
    let known = OF_THE_CLIENT.iter().position(|it| name.starts_with(it));
    known.unwrap_or(OF_THE_CLIENT.len())
}

/// The subject's own jar, in the cache: by its sum, so that each ackproof
/// finds its own.
fn subject_jar(cache: &Cache) -> Result<OsString, JavaClientError> {
    let sum = hex(&Sha256::digest(SUBJECT_JAR));
    let path = cache.part(&format!("java-subject-{}.jar", &sum[..16]));
    if fs::read(&path).is_ok_and(|it| it == SUBJECT_JAR) {
        return Ok(path.into());
    }
    let write = || {
        let scratch = TempDir::create(&cache.scratch())?;
        let written = scratch.path().join("subject.jar");
        fs::write(&written, SUBJECT_JAR)?;
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::rename(&written, &path)
    };
    match write() {
        Ok(()) => Ok(path.into()),
        Err(source) => Err(JavaClientError::Io { path, source }),
    }
}

/// The start-up archive (JEP 350) of this Java with these jars. None where
/// there can be none: everything runs without.
fn archive(cache: &Cache, java: &Java, jars: &[OsString], args: &[OsString]) -> Option<PathBuf> {
    let mut key = Sha256::new();
    key.update(format!("{} {}\n", java.home.display(), java.version));
    for jar in jars {
        let found = fs::metadata(jar).ok()?;
        key.update(jar.as_encoded_bytes());
        key.update(format!(" {} {}\n", found.len(), found.mtime()));
    }
    let name = format!("java-client-{}.archive", &hex(&key.finalize())[..16]);
    let path = cache.archives().join(&name);
    let lock = lock_file(&cache.lock("java-client-archive").ok()?).ok()?;
    lock.lock().ok()?;
    if path.is_file() {
        return Some(path);
    }
    let scratch = TempDir::create(&cache.scratch()).ok()?;
    let made = scratch.path().join(&name);
    let log = cache.log("java-client-archive.log");
    let mut training = ChildSpec::new(&java.binary, &log)
        .arg(option("-XX:ArchiveClassesAtExit=", &made))
        .args(args);
    training.input = Some(Input::new(TRAINING));
    let exit = training.spawn().ok()?.wait_blocking(TRAINING_BOUND)?;
    fs::create_dir_all(cache.archives()).ok()?;
    (exit.is_success() && fs::rename(&made, &path).is_ok()).then_some(path)
}

fn option(name: &str, path: &Path) -> OsString {
    let mut option = OsString::from(name);
    option.push(path);
    option
}
