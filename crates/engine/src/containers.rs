//! Brokers that run in containers of a Compose project: which they are, where they are, and
//! what ends, freezes and starts one, through the API of the container engine. Knows nothing
//! of faults; other containers than the brokers' are never changed.

mod broker;
mod docker;
mod find;
mod project;
mod restore;

pub(crate) use broker::ContainerBroker;
pub use docker::ContainerError;
pub(crate) use docker::ContainerState;
pub use find::{ComposeBrokers, FindError, compose_brokers};
pub(crate) use restore::{Breaking, ContainerToRestore};
