//! Pure: events in, findings out; findings, contract and evidence in, verdict
//! out.

mod calibrate;
mod capture;
mod checker;
mod examine;
mod explain;
mod finding;
mod judge;
mod log;
mod measure;
mod readers;
mod roster;
mod sparse_set;
mod timeline;

pub use calibrate::{MutantPass, Mutants, Survey};
pub use capture::CaptureCoverage;
pub use checker::{Analysis, Checker, Completeness, Coverage};
pub use examine::examine;
pub use explain::Explainer;
pub use judge::judge;
pub use measure::{FaultRecord, GroupActivity, ReadsMet, TrafficMet};
pub use readers::GroupCoverage;
