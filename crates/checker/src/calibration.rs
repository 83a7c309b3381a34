//! Calibration: the checker has to find what is planted in a run's own history.

pub(crate) mod mutants;
mod planner;
pub(crate) mod survey;
mod traces;
