//! The checker and the judge from outside: histories in, findings and verdicts
//! out.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod anomalies;
mod brokers;
mod calibration;
mod imports;
mod measurements;
mod properties;
mod reference;
mod story;
mod transactions;
mod verdicts;
mod world;
