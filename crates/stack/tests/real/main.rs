//! The real stack: real Kafka, Connect, Debezium and PostgreSQL, started,
//! broken and ended. The first run fetches them.

// The lints know only functions marked as tests for such, not what these call.
#![allow(clippy::unwrap_used, clippy::panic)]

mod cdc;
mod death;
mod detached;
mod fetching;
mod fixture;
mod format;
mod java_client;
mod lifecycle;
mod process;
mod training;
