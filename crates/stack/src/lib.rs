//! The embedded stack: Kafka, Connect, Debezium and PostgreSQL as child
//! processes of this program, which end with it.
//!
//! [`artefacts::fetch`] brings the files, [`java::find_java`] finds what runs
//! them, [`embedded::Stack::start`] starts them. Knows nothing of Kafka's
//! protocol, of scenarios, faults or histories.

pub mod archive;
pub mod artefacts;
pub mod broker;
pub mod cache;
pub mod checksums;
mod complaint;
pub mod connect;
pub mod detached;
pub mod diagnose;
pub mod embedded;
mod encoding;
pub mod format;
pub mod java;
pub mod java_client;
pub mod jvm;
pub mod librdkafka;
mod linux;
pub mod logtail;
pub mod maven;
pub mod pip;
pub mod ports;
pub mod postgres;
pub mod process;
pub mod prometheus;
pub mod rest;
pub mod secured;
pub mod service;
mod temp_dir;
pub mod training;
