//! Change data capture.

pub(crate) mod coverage;
pub(crate) mod row_changes;
mod row_findings;
mod row_history;
mod slot;
