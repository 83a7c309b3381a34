//! From findings to verdicts.

pub(crate) mod expectation;
pub(crate) mod judge;
