//! What is wrong with a configuration: file, line and remedy in one message, and never a
//! value of it.

use std::io;
use std::path::PathBuf;

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    NotReadable {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is too long to be one.
    #[error("{} is larger than a configuration: {bytes} bytes", path.display())]
    TooLarge {
        /// Which.
        path: PathBuf,
        /// Its length.
        bytes: u64,
    },
    /// A line of it is wrong.
    #[error("{}:{line}: {problem}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// Something is missing in it.
    #[error("{}: {problem}", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// What.
        problem: String,
    },
}
