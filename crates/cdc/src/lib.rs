//! The database side of change data capture: tables, writer, row reader, and
//! Debezium's events decoded.
//!
//! Knows `PostgreSQL` and the form of Debezium's connector configuration and
//! events. Knows nothing of Kafka, Connect's REST interface, processes, or of
//! how anything is judged: what happens leaves this crate as events of a
//! history.

pub mod connector;
pub mod database;
pub mod debezium;
pub mod form;
pub mod rows;
pub mod schema;
pub mod slot;
pub mod writer;

mod generator;
