//! Record batches and listeners, without a broker.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod batches;
mod probe;
