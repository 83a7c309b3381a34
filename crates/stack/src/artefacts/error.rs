//! Why the files of the stack are not there.

use std::io;
use std::path::PathBuf;

use super::part::PartKind;
use crate::cache::CacheError;
use crate::checksums::ChecksumsError;
use crate::maven::MavenError;
use crate::pip::PipError;

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
    /// pip could not bring them.
    #[error("cannot fetch {part} {version}")]
    Pip {
        /// What was fetched.
        part: PartKind,
        /// Its version.
        version: String,
        /// Why not.
        #[source]
        source: PipError,
    },
    /// They came, and are of another version than their package.
    #[error("the package of {part} {version} holds {part} {found}: choose another version")]
    OtherVersion {
        /// What was fetched.
        part: PartKind,
        /// The version that was asked for.
        version: String,
        /// The version that it says it has.
        found: String,
    },
    /// They came, and are not what they must be. Nothing of them is kept.
    #[error(
        "refusing {part} {version}: a file is not the published one (a broken download, or a repository or mirror that altered it; remove it from ~/.m2/repository and try again)"
    )]
    Checksums {
        /// What was fetched.
        part: PartKind,
        /// Its version.
        version: String,
        /// Which file, and how it differs.
        #[source]
        source: ChecksumsError,
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
    /// A Java client from before what the subject is compiled for.
    #[error("kafka-clients {version} is not supported: the Java client runs from {oldest} on")]
    ClientTooOld {
        /// What was given.
        version: String,
        /// The first that is.
        oldest: &'static str,
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
