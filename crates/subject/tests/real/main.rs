//! Real subject processes, driven as the engine drives them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod other_client;
mod process;
mod with_broker;
mod without_broker;
