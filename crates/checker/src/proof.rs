//! Findings, the operations that prove them, and where in the pipeline a record was
//! lost.

pub(crate) mod explain;
pub(crate) mod loss_location;
