//! Finds out what listens at an address: a broker, or something that a user may have taken
//! for one. It is known by its first bytes, or by how it closes. Changes nothing there.

use std::fmt;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

/// How long a connection may take, and the answer to a request that every listener of Kafka
/// answers.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// How long another may take to answer in its own tongue.
const OTHERS_LIMIT: Duration = Duration::from_secs(2);
/// No answer to these requests is longer.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// `ApiVersions` in version 0, which every listener of Kafka answers before it
/// knows who asks.
const API_VERSIONS: &[u8] = b"\0\0\0\x12\0\x12\0\0\0\0\0\x01\0\x08ackproof";
/// `Metadata` in version 1, of no topic.
const METADATA: &[u8] = b"\0\0\0\x16\0\x03\0\x01\0\0\0\x02\0\x08ackproof\0\0\0\0";
/// `SaslHandshake` in version 1, for a mechanism that does not exist: the answer names
/// those that there are.
const SASL_HANDSHAKE: &[u8] = b"\0\0\0\x18\0\x11\0\x01\0\0\0\x03\0\x08ackproof\0\x04NONE";
/// A `ClientHello` of TLS 1.2 that offers two common cipher suites.
const CLIENT_HELLO: &[u8] = b"\x16\x03\x01\0\x31\x01\0\0\x2d\x03\x03\
    ackproof-ackproof-ackproof-ackpr\0\0\x04\xc0\x2f\xc0\x30\x01\0\0\0";
const HTTP_GET: &[u8] = b"GET / HTTP/1.0\r\n\r\n";

const METADATA_KEY: i16 = 3;
/// `Vote`, which only a controller answers.
const VOTE_KEY: i16 = 52;

/// A kind of listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listener {
    /// A broker, for clients without TLS and SASL.
    Broker,
    /// A broker, for clients that authenticate with SASL, by one of these
    /// mechanisms, and without TLS.
    Sasl {
        /// As far as the broker says.
        mechanisms: Vec<String>,
    },
    /// A controller, which serves no clients.
    Controller,
    /// TLS; behind it may be anything.
    Tls,
    /// A server of web pages or of a REST interface.
    Http,
    /// A shell server.
    Ssh,
    /// A `PostgreSQL` server.
    Postgres,
    /// Something that answers otherwise; the first bytes.
    Other(Vec<u8>),
    /// Something that takes connections and closes them.
    Closes,
    /// Something that takes connections and says nothing.
    Silent,
    /// Nothing: the connection is refused.
    Nothing,
    /// The name cannot be resolved.
    Unresolved,
    /// The host cannot be reached.
    Unreachable(String),
}

impl Listener {
    /// Whether an observer without TLS and SASL can speak to it.
    pub const fn is_plain_broker(&self) -> bool {
        matches!(self, Self::Broker)
    }

    /// Whether a broker listens there without TLS.
    pub(crate) const fn speaks_without_tls(&self) -> bool {
        matches!(self, Self::Broker | Self::Sasl { .. } | Self::Controller)
    }

    /// The remedy where TLS was spoken to it.
    pub(crate) const fn protocol_to_set(&self) -> &'static str {
        match self {
            Self::Broker => "set security.protocol=PLAINTEXT, and remove the keys ssl.* and sasl.*",
            Self::Sasl { .. } => "set security.protocol=SASL_PLAINTEXT, and remove the keys ssl.*",
            other => other.remedy(),
        }
    }

    /// The remedy where TLS and SASL can be given (`--command-config`).
    pub const fn remedy_with_config(&self) -> &'static str {
        match self {
            Self::Sasl { .. } => "give --command-config FILE with security.protocol=SASL_PLAINTEXT",
            Self::Tls => {
                "give --command-config FILE with security.protocol=SSL, or SASL_SSL if it asks \
                 for SASL too"
            }
            other => other.remedy(),
        }
    }

    /// The remedy for the user.
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::Broker => "it can be used",
            Self::Sasl { .. } | Self::Tls => {
                "give the address of a listener whose security protocol is PLAINTEXT"
            }
            Self::Controller => {
                "give the address of a broker's listener for clients (`listeners`, \
                 `advertised.listeners`)"
            }
            Self::Http => {
                "give the port of a broker; this may be Kafka Connect, a schema registry or a \
                 user interface"
            }
            Self::Ssh | Self::Postgres | Self::Other(_) => "give the port of a broker",
            Self::Closes | Self::Silent => {
                "check that a broker's plain listener is behind this port, and not a forwarded \
                 port whose target is away"
            }
            Self::Nothing => "check the port, and that the broker runs",
            Self::Unresolved => {
                "check the spelling; for a name that only containers know, say where it is with \
                 --resolve, or have a line in the hosts file here"
            }
            Self::Unreachable(_) => "check the address, and the network between here and there",
        }
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Broker => "a broker listens there",
            Self::Sasl { mechanisms } if !mechanisms.is_empty() => {
                return write!(f, "the listener asks for SASL ({})", mechanisms.join(", "));
            }
            Self::Sasl { .. } => "the listener asks for SASL",
            Self::Controller => "a controller listens there, which serves no clients",
            Self::Tls => "the listener speaks TLS",
            Self::Http => "the listener speaks HTTP",
            Self::Ssh => "the listener speaks SSH",
            Self::Postgres => "PostgreSQL listens there",
            Self::Other(first) => {
                let first: Vec<String> = first.iter().map(|it| format!("{it:02x}")).collect();
                let first = first.join(" ");
                return write!(f, "the listener is no Kafka broker: it answers {first}");
            }
            Self::Closes => "the listener closes the connection when it is asked",
            Self::Silent => "the listener does not answer",
            Self::Nothing => "nothing listens there",
            Self::Unresolved => "the name cannot be resolved",
            Self::Unreachable(reason) => {
                return write!(f, "the host cannot be reached: {reason}");
            }
        })
    }
}

/// The answer to one request.
#[derive(Debug, PartialEq, Eq)]
enum Heard {
    Bytes(Vec<u8>),
    Closed,
    Silence,
}

/// Finds out what listens at `HOST:PORT`, within a few seconds.
pub async fn probe(address: &str) -> Listener {
    let mut connection = match Talk::begin(address).await {
        Ok(connection) => connection,
        Err(listener) => return listener,
    };
    let first = match connection.ask(API_VERSIONS, ANSWER_LIMIT).await {
        Heard::Bytes(answer) => answer,
        Heard::Closed => return otherwise(address, Listener::Closes).await,
        Heard::Silence => return otherwise(address, Listener::Silent).await,
    };
    let Some(apis) = apis(&first) else {
        return match by_first_bytes(&first) {
            Some(listener) => listener,
            None => otherwise(address, Listener::Other(beginning(&first))).await,
        };
    };
    if !apis.contains(&METADATA_KEY) && apis.contains(&VOTE_KEY) {
        return Listener::Controller;
    }
    match connection.ask(METADATA, ANSWER_LIMIT).await {
        Heard::Bytes(_) => Listener::Broker,
        Heard::Silence => Listener::Silent,
        Heard::Closed => {
            let mechanisms = mechanisms(address).await;
            mechanisms.map_or(Listener::Closes, |mechanisms| Listener::Sasl { mechanisms })
        }
    }
}

/// The listener by its answers to clients of other protocols.
async fn otherwise(address: &str, to_kafka: Listener) -> Listener {
    for question in [CLIENT_HELLO, HTTP_GET] {
        let Ok(mut connection) = Talk::begin(address).await else {
            return to_kafka;
        };
        if let Heard::Bytes(answer) = connection.ask(question, OTHERS_LIMIT).await
            && let Some(listener) = by_first_bytes(&answer)
        {
            return listener;
        }
    }
    to_kafka
}

/// The mechanisms of a listener that asks for SASL; none where it does not.
async fn mechanisms(address: &str) -> Option<Vec<String>> {
    let mut connection = Talk::begin(address).await.ok()?;
    let Heard::Bytes(answer) = connection.ask(SASL_HANDSHAKE, ANSWER_LIMIT).await else {
        return None;
    };
    // Length, correlation id, error code, and as many strings as it says.
    let mut rest = answer.get(10..)?;
    let count = i32::from_be_bytes(*rest.first_chunk()?);
    rest = rest.get(4..)?;
    let mut names = Vec::new();
    for _ in 0..count {
        let length = usize::from(u16::from_be_bytes(*rest.first_chunk()?));
        names.push(String::from_utf8_lossy(rest.get(2..2 + length)?).into_owned());
        rest = rest.get(2 + length..)?;
    }
    Some(names)
}

fn by_first_bytes(bytes: &[u8]) -> Option<Listener> {
    match bytes {
        // An alert, or the handshake's answer.
        [0x15 | 0x16, 0x03, 0..=4, ..] => Some(Listener::Tls),
        _ if bytes.starts_with(b"HTTP/") => Some(Listener::Http),
        _ if bytes.starts_with(b"SSH-") => Some(Listener::Ssh),
        // An error, whose fields begin with its severity.
        [b'E', 0, 0, _, _, b'S', ..] => Some(Listener::Postgres),
        _ => None,
    }
}

/// The APIs of an answer to [`API_VERSIONS`]; none where it is no such answer.
fn apis(answer: &[u8]) -> Option<Vec<i16>> {
    let length = usize::try_from(i32::from_be_bytes(*answer.first_chunk()?)).ok()?;
    let body = answer.get(4..)?.get(..length)?;
    let correlation = i32::from_be_bytes(*body.first_chunk()?);
    let count = usize::try_from(i32::from_be_bytes(*body.get(6..)?.first_chunk()?)).ok()?;
    let entries = body.get(10..)?.chunks_exact(6);
    if correlation != 1 || entries.len() < count {
        return None;
    }
    let keys = entries.take(count);
    Some(keys.map(|it| i16::from_be_bytes([it[0], it[1]])).collect())
}

fn beginning(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().take(8).collect()
}

/// A connection on which one side asks and the other answers.
struct Talk(TcpStream);

impl Talk {
    async fn begin(address: &str) -> Result<Self, Listener> {
        let resolved = timeout(ANSWER_LIMIT, lookup_host(address)).await;
        let addresses: Vec<_> = match resolved {
            Ok(Ok(addresses)) => addresses.collect(),
            Ok(Err(_)) => return Err(Listener::Unresolved),
            Err(_) => {
                let reason = "its name was not resolved in time".to_owned();
                return Err(Listener::Unreachable(reason));
            }
        };
        match timeout(ANSWER_LIMIT, TcpStream::connect(&*addresses)).await {
            Ok(Ok(stream)) => Ok(Self(stream)),
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
                Err(Listener::Nothing)
            }
            Ok(Err(error)) => Err(Listener::Unreachable(error.kind().to_string())),
            Err(_) => {
                let reason = format!("no answer within {} s", ANSWER_LIMIT.as_secs());
                Err(Listener::Unreachable(reason))
            }
        }
    }

    /// Asks, and hears as much of the answer as comes: a whole frame where it
    /// is one of Kafka's.
    async fn ask(&mut self, question: &[u8], limit: Duration) -> Heard {
        let stream = &mut self.0;
        let mut heard = Vec::new();
        let talk = async {
            // A server that speaks first may have closed by now.
            let _ = stream.write_all(question).await;
            while heard.len() < wanted(&heard) && stream.read_buf(&mut heard).await? > 0 {}
            Ok::<_, io::Error>(())
        };
        let ended = timeout(limit, talk).await;
        match (heard.is_empty(), ended) {
            (false, _) => Heard::Bytes(heard),
            (true, Ok(_)) => Heard::Closed,
            (true, Err(_)) => Heard::Silence,
        }
    }
}

/// How many bytes an answer that begins like this has.
fn wanted(heard: &[u8]) -> usize {
    if by_first_bytes(heard).is_some() {
        return 0;
    }
    let Some(length) = heard.first_chunk() else {
        return 4;
    };
    // An answer that is no frame is known by its first bytes.
    let length = usize::try_from(i32::from_be_bytes(*length)).unwrap_or(0);
    if length > ANSWER_BYTES_MAX {
        0
    } else {
        4 + length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_frames_of_their_length() {
        for frame in [API_VERSIONS, METADATA, SASL_HANDSHAKE] {
            let length = i32::from_be_bytes(*frame.first_chunk().unwrap());
            assert_eq!(usize::try_from(length).unwrap(), frame.len() - 4);
        }
        let record = usize::from(CLIENT_HELLO[4]);
        assert_eq!(record, CLIENT_HELLO.len() - 5);
        assert_eq!(usize::from(CLIENT_HELLO[8]), CLIENT_HELLO.len() - 9);
    }
}
