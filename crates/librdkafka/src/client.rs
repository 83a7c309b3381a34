//! Producers and consumers.

mod consumer;
mod handle;
mod producer;

pub use consumer::ConsumerClient;
pub use producer::{OutgoingMessage, ProducerClient};
