//! Calibration: anomalies planted into the recorded history, which must all be
//! found.

pub(crate) mod mutants;
pub(crate) mod targets;
