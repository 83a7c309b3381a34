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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_and_a_port_are_read_as_they_are_written() {
        for text in ["localhost:9092", "10.0.0.1:1", "[::1]:9092"] {
            assert_eq!(text.parse::<HostPort>().unwrap().to_string(), text);
        }
    }

    /// As brokers write their `listeners`, and as people write lists.
    #[test]
    fn a_protocol_and_spaces_around_an_address_are_left_out() {
        for text in [
            "PLAINTEXT://kafka-1:9092",
            "plaintext://kafka-1:9092",
            "SASL_PLAINTEXT://kafka-1:9092",
            " kafka-1:9092",
        ] {
            assert_eq!(
                text.parse::<HostPort>().unwrap().to_string(),
                "kafka-1:9092"
            );
        }
        let tls = "SSL://kafka-1:9093".parse::<HostPort>().unwrap_err();
        assert!(tls.to_string().contains("a listener of SSL"), "{tls}");
    }

    #[test]
    fn what_is_no_host_and_port_is_refused() {
        for text in [
            "",
            "localhost",
            ":9092",
            "localhost:0",
            "localhost:x",
            "::1:9092",
            "[::1:9092",
            "http://localhost:8083",
            "PLAINTEXT://:9092",
        ] {
            assert!(text.parse::<HostPort>().is_err(), "{text}");
        }
    }
}
