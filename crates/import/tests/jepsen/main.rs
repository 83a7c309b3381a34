//! Jepsen's histories in, events out.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod fixtures;
mod meaning;
mod notation;
mod properties;
mod text;
