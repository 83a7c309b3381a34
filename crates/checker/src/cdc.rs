//! Change data capture.

pub(crate) mod row_changes;
