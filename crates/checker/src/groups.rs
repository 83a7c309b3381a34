//! Consumer groups: what members read, process and commit.

pub(crate) mod commits;
pub(crate) mod coverage;
mod doubts;
mod partition_reads;
mod positions;
mod progress;
pub(crate) mod readers;
mod scope;
mod unprocessed;
pub(crate) mod waits;
pub(crate) mod zombies;
