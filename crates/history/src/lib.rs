//! The history of a run on disk: recorder, reader, merge.
//!
//! `docs/reference/history-format.md` in the project is the format byte by byte, and a test
//! compares it with the code. In short: a file begins with a header that names its version,
//! followed by frames. A frame is some thousand events in the postcard wire format, the
//! numbers that grow along a history as differences (`delta`), compressed with LZ4, behind
//! a header with checksums (`layout`).
//!
//! This crate knows nothing of the meaning of events. Only the merge knows their sources.

mod damage;
mod decode;
mod delta;
mod frames;
mod layout;
mod merge;
mod prefetch;
mod read;
mod scenario;
mod varint;
mod write;

pub use damage::{Damage, Tail};
pub use layout::VERSION;
pub use merge::{Completion, Contradiction, Merge, MergeError, Merged, MergedInput, merge};
pub use prefetch::Prefetch;
pub use read::{ReadProgress, Reader};
pub use scenario::{ScenarioEvents, ScenarioHistory, UnfitHistory, size_bytes};
pub use write::Recorder;

/// The name of the history in a scenario's folder of the run directory.
pub const FILE_NAME: &str = "history.ackproof";
