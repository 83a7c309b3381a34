//! Pure: events in, findings out; findings, contract and evidence in, verdict
//! out.

mod capture;
mod checker;
mod finding;
mod judge;
mod log;
mod measure;
mod readers;
mod roster;
mod sparse_set;
mod timeline;

pub use capture::CaptureCoverage;
pub use checker::{Analysis, Checker, Completeness, Coverage};
pub use judge::judge;
pub use measure::{FaultRecord, GroupActivity, ReadsMet, TrafficMet};
pub use readers::GroupCoverage;
