//! A proxy between clients and brokers that breaks things on purpose and can
//! prove that it did.
//!
//! [`ClusterProxy`] stands before a whole Kafka cluster: one listener per
//! broker, with the addresses that brokers advertise rewritten, so that clients
//! which know nothing of it stay behind it. [`ProxyFault`]s are data, switched on and
//! healed while traffic runs, each with its [`TrafficEvidence`]. [`Proxy`] stands
//! before one broker and looks at no byte; it can be cut.
//!
//! Healthy, both are transparent. They know nothing of scenarios, nor of why
//! anything is broken, and never look into records.

mod active_fault;
mod address;
mod address_map;
mod addresses;
mod broker_proxy;
mod cluster;
mod counters;
mod cut_counters;
mod error_response;
mod evidence;
mod exchange;
mod fault;
#[doc(hidden)]
pub mod fuzzing;
mod greeting;
mod http;
mod incoming;
mod inspect;
mod late_request;
mod limits;
mod link;
mod listener;
#[cfg(test)]
mod messages;
mod protocol;
mod relay;
mod request_path;
mod requests;
mod response_path;
mod schema;
mod schemas;
mod secured;
mod shape;
mod splice;
mod stream;
mod tls_stream;
mod topic_error;
mod way;
mod write_queue;

pub use address::{HostPort, HostPortError};
pub use address_map::{BROKERS_MAX, ProxyEvent, ProxyEventSink};
pub use broker_proxy::{CONNECTIONS_MAX, Cut, Proxy, ProxyError};
pub use cluster::{
    BrokerReport, ClusterError, ClusterProxy, ClusterSettings, FAULTS_MAX, FaultId, FaultReport,
};
pub use counters::{CutReport, ProxyStats};
pub use evidence::TrafficEvidence;
pub use fault::{
    Delayed, FaultDataError, FaultEffect, InjectedError, OnDrop, Pick, ProxyFault, RequestApi,
    RequestFilter, Ways, When, clients_of_broker,
};
pub use greeting::GreetingError;
pub use http::Http;
pub use inspect::CloseReason;
pub use limits::{IN_FLIGHT_MAX, INSPECT_BYTES_MAX, METADATA_BYTES_MAX, REQUEST_BYTES_MAX};
pub use secured::ProxySecurity;
pub use security::AuthorityError;
