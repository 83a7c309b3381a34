//! Why a history cannot be read, and how one ends. Knows nothing of how either
//! is found out.

use std::io;
use std::path::PathBuf;

use crate::layout::VERSION;

/// Why a history cannot be read, or not to its end.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum Damage {
    /// The operating system refused.
    #[error("cannot read {}", file.display())]
    Io { file: PathBuf, source: io::Error },
    /// It does not begin like a history.
    #[error("{} is not a history: it does not begin with ACKPROOF", file.display())]
    NotAHistory { file: PathBuf },
    /// Another version of ackproof wrote it.
    #[error(
        "{} has history format version {found}; this ackproof reads version {VERSION}. \
         Use the ackproof that recorded it",
        file.display()
    )]
    OtherVersion { file: PathBuf, found: u16 },
    /// A header or a frame has changed since it was written.
    #[error("{} is damaged at byte {at}: {what}", file.display())]
    Frame {
        file: PathBuf,
        /// Where the header or the frame begins.
        at: u64,
        what: &'static str,
    },
}

/// How a history ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// After a whole frame.
    Whole,
    /// Inside a frame, as after a crash; the events before it were read.
    CutOff {
        /// Where the incomplete frame begins.
        at: u64,
    },
}
