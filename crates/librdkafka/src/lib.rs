//! A small safe wrapper around librdkafka, in the version that is built in or
//! in one that is loaded from a shared library ([`Librdkafka`]).
//!
//! What librdkafka tells comes as events of a queue ([`QueueEvent`]) and never as a
//! callback, so that nothing runs inside a call of its caller's. Functions that
//! older versions lack are done without. Knows nothing of subjects and of the
//! Java client's names.
//!
//! All `unsafe` code of the client under test is in this crate. Three rules
//! make it sound, and each `SAFETY` comment says which it stands on:
//!
//! - *alive*: a pointer is owned by the value that holds it, which destroys it
//!   once, when it is dropped; what a message or an event lends is copied
//!   before that;
//! - *as documented*: the arguments are what `rdkafka.h` asks for, strings end
//!   with a zero byte, and the function exists in the library at hand;
//! - *any number*: no enumeration of C is held as an `enum` of Rust.

#![allow(unsafe_code, reason = "the interface of a C library; see above")]

mod client;
mod code;
mod config;
mod error;
mod event;
mod functions;
mod library;
mod list;

pub use client::{ConsumerClient, OutgoingMessage, ProducerClient};
pub use code::Code;
pub use config::{Properties, SetError};
pub use error::Error;
pub use event::{ConsumedMessage, Delivery, Persistence, QueueEvent, Rebalance};
pub use library::{Librdkafka, LoadError};
pub use list::{Partition, PartitionOffset};
