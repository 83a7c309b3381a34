//! The subject: a client under test in its own process, and what it says to
//! the engine.
//!
//! The only crate that knows librdkafka. The observer never shares a client
//! library with the subject, so nothing here is used to read the truth.

pub mod clock;
pub mod protocol;
