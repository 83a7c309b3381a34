//! Targets, subjects, observer, faults and the run loop; writes a history.
//!
//! The only crate with effects on a pipeline. It decides nothing about the
//! outcome: it knows neither checker nor judge.

mod cleanup;
mod configs;
mod database;
mod error;
mod faults;
mod hearing;
mod ledger;
mod observer;
mod preflight;
pub mod progress;
mod run;
mod subjects;
mod survey;
mod target;
mod transforms;
pub mod wait;
mod watch;

pub use cleanup::{Left, Removal, Thing, clean_up_after};
pub use configs::FILE_NAME as CONFIGS_FILE_NAME;
pub use error::EngineError;
pub use ledger::Tally;
pub use preflight::preflight;
pub use run::{Brokers, Embedded, End, INTERRUPTED, Settings, check, run};
pub use survey::{Looked, Survey, look, look_behind, survey};
