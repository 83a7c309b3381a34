//! The pure data: records, scenarios, plans and anomalies.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod anomaly;
mod captured;
mod client;
mod cluster;
mod config;
mod defaults;
mod foreign;
mod own_prefix;
mod parse;
mod plan;
mod record;
