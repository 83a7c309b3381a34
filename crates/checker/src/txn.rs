//! Transactions: what became of each, and what readers see of it.

pub(crate) mod atomicity;
pub(crate) mod cycles;
pub(crate) mod markers;
pub(crate) mod outcomes;
pub(crate) mod read_committed;
pub(crate) mod reads;
pub(crate) mod tracker;
