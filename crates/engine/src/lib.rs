//! Targets, subjects, observer, faults and the run loop; writes a history.
//!
//! The only crate with effects on a pipeline. It decides nothing about the
//! outcome: it knows neither checker nor judge.

mod alerts;
mod app;
mod check;
mod cleanup;
mod clients;
mod cluster_info;
mod configs;
mod connect;
mod containers;
mod created;
mod database;
mod declare;
mod error;
mod faults;
mod listeners;
mod live_counts;
mod logs;
mod lost_process;
mod members;
mod observer;
mod panics;
mod preflight;
mod processes;
pub mod progress;
mod recorder;
mod recording;
mod reports;
mod roles;
mod run;
mod scenario_run;
mod schedule;
mod settings;
mod stage;
mod stall;
mod status;
mod subjects;
mod target;
#[cfg(test)]
mod test_plans;
mod topic_like;
mod traffic;
mod unhealed;
mod user_command;
pub mod wait;
mod workload;

pub use check::{check, check_with};
pub use cleanup::{Removal, clean_up_after};
pub use clients::{ClientUnavailable, Clients};
pub use cluster_info::{ClusterInfo, cluster_info, unreachable_brokers};
pub use configs::{CLIENT, FILE_NAME as CONFIGS_FILE_NAME, SET};
pub use containers::{ComposeBrokers, ContainerError, FindError, compose_brokers};
pub use created::{Leftover, Resource};
pub use error::EngineError;
pub use listeners::{ProbedAddress, probe_addresses};
pub use live_counts::LiveCounts;
pub use preflight::preflight;
pub use recording::{End, INTERRUPTED};
pub use schedule::run;
pub use settings::{Brokers, Embedded, Settings, Slots, UserCluster};
pub use stage::Stage;
pub use topic_like::{TopicLike, topic_like};
pub use unhealed::heal_after;
pub use user_command::UserCommandError;
