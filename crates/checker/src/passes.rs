//! The passes over a history, and how they share its threads and its memory.

pub(crate) mod analyzers;
pub(crate) mod driver;
pub(crate) mod examine;
pub(crate) mod parallel;
