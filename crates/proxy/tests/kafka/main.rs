//! The proxy before brokers that are played by the test: every byte is known,
//! and a broker can say what no real one would.
#![allow(
    clippy::unwrap_used,
    reason = "clippy's exemption for tests leaves out their fixtures"
)]

mod addresses;
mod between;
mod clients;
mod connections;
mod fixture;
mod host_port;
mod hostile;
mod http;
mod large;
mod requests;
