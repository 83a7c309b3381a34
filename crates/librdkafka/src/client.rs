//! Producers and consumers.

mod consumer;
mod handle;
mod producer;

pub use consumer::Consumer;
pub use producer::{Outgoing, Producer};
