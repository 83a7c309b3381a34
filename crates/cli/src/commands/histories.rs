//! `ackproof history`: recorded histories, looked into and put together.

mod export;
mod merge;
mod place;
mod stats;

pub(crate) use export::export;
pub(crate) use merge::merge;
pub(crate) use stats::stats;
