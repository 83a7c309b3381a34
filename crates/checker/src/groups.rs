//! Consumer groups: what members read, process and commit.

pub(crate) mod commits;
pub(crate) mod readers;
pub(crate) mod waits;
pub(crate) mod zombies;
