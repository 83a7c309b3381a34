//! librdkafka as a client of the subject protocol: the version that is built
//! in, and ones that are loaded, against a real broker.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod driven;
mod with_broker;
mod without_broker;
