//! The commands, one file each. Each takes what the user typed and says how
//! the program ends.

pub(crate) mod alerts;
pub(crate) mod audit;
pub(crate) mod bench;
pub(crate) mod check;
pub(crate) mod cleanup;
pub(crate) mod client;
pub(crate) mod completions;
pub(crate) mod diff;
pub(crate) mod doctor;
pub(crate) mod explain;
pub(crate) mod fault_proxy;
pub(crate) mod histories;
pub(crate) mod init;
pub(crate) mod lag;
pub(crate) mod list;
pub(crate) mod local_stack;
pub(crate) mod man;
pub(crate) mod matrix;
pub(crate) mod run;
pub(crate) mod subject_check;
