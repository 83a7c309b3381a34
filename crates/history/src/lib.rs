//! The history of a run on disk: recorder and reader.
//!
//! A history is one append-only file. It begins with the eight bytes
//! `ACKPROOF` and a version (`u16`, little endian, as all numbers here), and
//! goes on in frames:
//!
//! | bytes | meaning |
//! | --- | --- |
//! | 4 | length of the payload |
//! | 4 | length of the payload once decompressed |
//! | 4 | number of events in it |
//! | 4 | CRC-32 of the payload |
//! | 4 | CRC-32 of the 16 bytes before |
//! | n | payload: an LZ4 block of events, one after the other, in the postcard wire format |
//!
//! The header has a checksum of its own, so that a damaged length is told
//! from a file that a crash cut short: the latter is readable up to its last
//! whole frame, the former is an error that names the byte.
//!
//! This crate knows nothing of what events mean.

mod read;
mod write;

pub use read::{Damage, Reader, Tail};
pub use write::Recorder;

/// The file's first bytes.
const MAGIC: [u8; 8] = *b"ACKPROOF";
/// The version that this crate writes, and the newest it reads.
const VERSION: u16 = 1;
const FILE_HEADER_BYTES: usize = 10;
const FRAME_HEADER_BYTES: usize = 20;
/// Events are gathered into frames of about this size before compression.
const FRAME_BYTES: usize = 64 * 1024;
/// No frame is larger, so a damaged or hostile length allocates no more.
const FRAME_BYTES_MAX: u32 = 16 * 1024 * 1024;

/// The name of the history in a scenario's folder of the run directory.
pub const FILE_NAME: &str = "history.ackproof";

#[cfg(test)]
mod tests;
