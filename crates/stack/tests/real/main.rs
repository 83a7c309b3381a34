//! The real stack: real Kafka, Connect, Debezium and PostgreSQL, started,
//! broken and ended. The first run fetches them.

mod cdc;
mod death;
mod fetching;
mod fixture;
mod lifecycle;
mod training;
