//! Targets, subjects, observer, faults and the run loop; writes a history.
//!
//! The only crate with effects on a pipeline. It decides nothing about the
//! outcome: it knows neither checker nor judge.

pub mod ledger;
pub mod progress;

