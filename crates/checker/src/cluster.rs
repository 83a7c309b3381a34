//! What the cluster itself does to logs, beside what clients do: logs that are cut,
//! and replicas that differ.

pub(crate) mod cut_logs;
pub(crate) mod replicas;
pub(crate) mod truncation;
