//! Where a broker is, by a name that is resolved when it is dialled. Knows
//! nothing of sockets.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

/// A host and a port, as brokers advertise them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPort {
    /// A name or an IP address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// What was given is no host and port of a listener without TLS.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostPortError {
    /// It is no host and port.
    #[error("`{0}` is not HOST:PORT")]
    NotHostPort(String),
    /// It is of a listener that speaks TLS.
    #[error(
        "`{address}` is a listener of {protocol}: ackproof does not speak TLS; give HOST:PORT of \
         a listener whose security protocol is PLAINTEXT"
    )]
    Tls {
        /// What was given.
        address: String,
        /// Its security protocol.
        protocol: String,
    },
}

/// The security protocols of listeners without TLS, as they stand before an
/// address in `listeners`.
const PROTOCOLS: [&str; 2] = ["PLAINTEXT", "SASL_PLAINTEXT"];
/// Those with TLS.
const TLS_PROTOCOLS: [&str; 2] = ["SSL", "SASL_SSL"];

impl From<SocketAddr> for HostPort {
    fn from(address: SocketAddr) -> Self {
        Self {
            host: address.ip().to_string(),
            port: address.port(),
        }
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') {
            write!(f, "[{host}]:{port}")
        } else {
            write!(f, "{host}:{port}")
        }
    }
}

impl FromStr for HostPort {
    type Err = HostPortError;

    fn from_str(text: &str) -> Result<Self, HostPortError> {
        let text = text.trim();
        let is_one_of =
            |known: &[&str], name: &str| known.iter().any(|known| known.eq_ignore_ascii_case(name));
        let address = match text.split_once("://") {
            Some((protocol, _)) if is_one_of(&TLS_PROTOCOLS, protocol) => {
                return Err(HostPortError::Tls {
                    address: text.to_owned(),
                    protocol: protocol.to_ascii_uppercase(),
                });
            }
            Some((protocol, address)) if is_one_of(&PROTOCOLS, protocol) => address,
            _ => text,
        };
        let parsed = || {
            let (host, port) = address.rsplit_once(':')?;
            let bare = match host.strip_prefix('[') {
                Some(rest) => rest.strip_suffix(']')?,
                None if host.contains(':') => return None,
                None => host,
            };
            let port = port.parse().ok().filter(|port| *port != 0)?;
            (!bare.is_empty()).then(|| Self {
                host: bare.to_owned(),
                port,
            })
        };
        parsed().ok_or_else(|| HostPortError::NotHostPort(text.to_owned()))
    }
}
