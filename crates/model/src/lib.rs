//! Pure data and planning: identities, events, scenarios, plans, findings,
//! verdicts.
//!
//! This crate knows nothing of files, clocks, processes, sockets or Kafka
//! clients. Everything in it can be built, printed and compared in a test.

pub mod anomaly;
pub mod claim;
pub mod course;
pub mod event;
pub mod ids;
pub mod pace;
pub mod plan;
pub mod record;
pub mod scenario;
#[cfg(test)]
mod schema;
pub mod template;
pub mod verdict;
