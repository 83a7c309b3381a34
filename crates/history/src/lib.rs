//! The history of a run on disk: recorder, reader, merge.
//!
//! `docs/history-format.md` in the project is the format byte by byte, and a
//! test here holds it to the truth. In short: a file begins with a header that
//! names its version, and goes on in frames. A frame is some thousand events
//! in the postcard wire format, the numbers that grow along a history as
//! differences (`fold`), compressed with LZ4, behind a header with checksums
//! (`layout`).
//!
//! This crate knows nothing of what events mean, but for merging, which knows
//! whose they are.

mod ahead;
mod damage;
mod decode;
mod fold;
mod frames;
mod kind;
mod layout;
mod merge;
mod read;
mod varint;
mod write;

pub use ahead::ReadAhead;
pub use damage::{Damage, Tail};
pub use kind::kind;
pub use layout::VERSION;
pub use merge::{Completion, Contradiction, Merge, MergeError, Merged, MergedInput, merge};
pub use read::{Progress, Reader};
pub use write::Recorder;

/// The name of the history in a scenario's folder of the run directory.
pub const FILE_NAME: &str = "history.ackproof";

#[cfg(test)]
mod tests;
