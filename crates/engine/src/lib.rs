//! Targets, subjects, observer, faults and the run loop; writes a history.
//!
//! The only crate with effects on a pipeline. It decides nothing about the
//! outcome: it knows neither checker nor judge.

mod check;
mod cleanup;
mod configs;
mod connect;
mod database;
mod declare;
mod error;
mod faults;
mod hearing;
mod ledger;
mod observer;
mod preflight;
pub mod progress;
mod recording;
mod run;
mod scenario_run;
mod schedule;
mod settings;
mod subjects;
mod survey;
mod target;
mod traffic;
mod transforms;
pub mod wait;
mod watch;
mod workload;

pub use check::check;
pub use cleanup::{Left, Removal, Thing, clean_up_after};
pub use configs::FILE_NAME as CONFIGS_FILE_NAME;
pub use error::EngineError;
pub use ledger::Tally;
pub use preflight::preflight;
pub use recording::{End, INTERRUPTED};
pub use schedule::run;
pub use settings::{Brokers, Embedded, Settings};
pub use survey::{Looked, Survey, look, look_behind, survey};
