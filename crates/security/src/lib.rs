//! How ackproof's own clients reach secured brokers.
//!
//! - [`ClientSecurity`]: what a `client.properties` asks for, read as Kafka's own tools take
//!   it (`--command-config`), and checked before anything is sent.
//! - [`Sasl`] and [`Exchange`]: the client's side of an authentication, as bytes.
//! - [`Authority`]: a certificate authority for one run, whose only certificate a proxy has.
//! - [`AddressOverrides`]: where to connect in place of what brokers advertise.
//! - [`TlsProblem`]: why a TLS connection was not made, with the key to change.
//!
//! Secrets appear in none of its errors and in no `Debug`. Knows nothing of connections, of
//! Kafka's requests, or of who connects.

mod authority;
mod config;
mod error;
mod jaas;
mod jks;
mod keys;
mod oauth;
mod overrides;
mod pem;
mod properties;
mod sasl;
mod scram;
mod stores;
mod tls;

pub use authority::{Authority, AuthorityError};
pub use config::{ClientSecurity, Protocol};
pub use error::ConfigError;
pub use oauth::TokenError;
pub use overrides::{Address, AddressOverrides};
pub use rustls;
pub use sasl::{Exchange, Mechanism, Sasl, SaslError};
pub use scram::Hash;
pub use tls::TlsProblem;
