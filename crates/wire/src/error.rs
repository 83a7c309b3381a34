//! Errors of calls, each with the call, the broker and a remedy. Knows nothing of retries:
//! [`WireError::is_retriable`] says only whether the same call may succeed later.

use std::fmt;
use std::io;

use kafka_protocol::error::ResponseError;
use model::ids::{BrokerId, TopicPartition};
use security::{Mechanism, Protocol, SaslError, TlsProblem};

use crate::frame::FrameError;
use crate::probe::Listener;

/// A Kafka API, by its name in the protocol guide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiKey(pub(crate) i16);

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match kafka_protocol::messages::ApiKey::try_from(self.0) {
            Ok(key) => write!(f, "{key:?}"),
            Err(()) => write!(f, "api {}", self.0),
        }
    }
}

/// An inclusive range of versions of one API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionSpan {
    /// The lowest version.
    pub min: i16,
    /// The highest version.
    pub max: i16,
}

impl fmt::Display for VersionSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.min, self.max)
    }
}

/// An error code of Kafka's protocol; never 0, which means "no error" there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ErrorCode(i16);

impl ErrorCode {
    /// A fetch position outside the partition's log.
    pub const OFFSET_OUT_OF_RANGE: Self = Self(1);
    /// The broker does not know the topic or partition (yet, or any more).
    pub const UNKNOWN_TOPIC_OR_PARTITION: Self = Self(3);
    /// No leader is elected.
    pub const LEADER_NOT_AVAILABLE: Self = Self(5);
    /// The broker asked is not the leader, or holds no replica.
    pub const NOT_LEADER_OR_FOLLOWER: Self = Self(6);
    /// The request did not take effect in the time that it named.
    pub const REQUEST_TIMED_OUT: Self = Self(7);
    /// The API's version is not known to the broker.
    pub const UNSUPPORTED_VERSION: Self = Self(35);
    /// The broker does not offer the SASL mechanism.
    pub const UNSUPPORTED_SASL_MECHANISM: Self = Self(33);
    /// The listener asks for no SASL, or not now.
    pub const ILLEGAL_SASL_STATE: Self = Self(34);
    /// The group has no such member, or has it no more.
    pub const UNKNOWN_MEMBER_ID: Self = Self(25);
    /// A topic of that name exists.
    pub const TOPIC_ALREADY_EXISTS: Self = Self(36);
    /// The controllers have no leader, or another one.
    pub const NOT_CONTROLLER: Self = Self(41);
    /// The replica's disk has failed.
    pub const KAFKA_STORAGE_ERROR: Self = Self(56);
    /// The group has members, and the request needs it empty.
    pub const NON_EMPTY_GROUP: Self = Self(68);
    /// The first of the assigned replicas cannot lead.
    pub const PREFERRED_LEADER_NOT_AVAILABLE: Self = Self(80);
    /// The partition has the leader that would be elected, or, for an unclean
    /// election, any.
    pub const ELECTION_NOT_NEEDED: Self = Self(84);
    /// The group does not exist, or is of the other protocol.
    pub const GROUP_ID_NOT_FOUND: Self = Self(69);

    /// The code as it stands in an answer; `None` for 0, no error.
    pub const fn from_wire(code: i16) -> Option<Self> {
        if code == 0 { None } else { Some(Self(code)) }
    }

    /// The bare number.
    pub const fn get(self) -> i16 {
        self.0
    }

    /// Whether Kafka's protocol calls the error transient.
    pub fn is_retriable(self) -> bool {
        ResponseError::try_from_code(self.0).is_some_and(|error| error.is_retriable())
    }

    pub(crate) fn check(code: i16) -> Result<(), Self> {
        Self::from_wire(code).map_or(Ok(()), Err)
    }

    /// Whether no controller decided: the item was not looked at, or not in time.
    /// (Kafka calls an unknown topic retriable. Where topics are administered it is
    /// an answer.)
    pub(crate) fn is_undecided(self) -> bool {
        [Self::NOT_CONTROLLER, Self::REQUEST_TIMED_OUT].contains(&self)
    }
}

impl fmt::Display for ErrorCode {
    /// The name in Kafka's documentation, `OFFSET_OUT_OF_RANGE`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match ResponseError::try_from_code(self.0) {
            None | Some(ResponseError::Unknown(_)) => write!(f, "error code {}", self.0),
            Some(known) => {
                for (index, letter) in known.to_string().char_indices() {
                    if letter.is_ascii_uppercase() && index > 0 {
                        f.write_str("_")?;
                    }
                    write!(f, "{}", letter.to_ascii_uppercase())?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for ErrorCode {}

/// A broker's refusal of one item of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The error code.
    pub code: ErrorCode,
    /// The broker's own words, where the API has room for them.
    pub message: Option<String>,
}

impl Refusal {
    pub(crate) fn check(
        code: i16,
        message: Option<kafka_protocol::protocol::StrBytes>,
    ) -> Result<(), Self> {
        ErrorCode::check(code).map_err(|code| Self {
            code,
            message: message.map(|m| m.to_string()).filter(|m| !m.is_empty()),
        })
    }
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Self {
        Self {
            code,
            message: None,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.message {
            Some(message) => write!(f, "{} ({message})", self.code),
            None => self.code.fmt(f),
        }
    }
}

impl std::error::Error for Refusal {}

/// Why a call did not give an answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum WireError {
    /// The TCP connection was refused or failed.
    #[error("cannot connect to the broker at {broker}; check that it runs and listens there")]
    Connect { broker: String, source: io::Error },
    /// The TCP connection was not answered in time.
    #[error(
        "the broker at {broker} did not accept a connection within {timeout_ms} ms; \
         check the address and the network between"
    )]
    ConnectTimeout { broker: String, timeout_ms: u128 },
    /// There is no TLS connection: one side does not trust the other, or they have nothing in
    /// common.
    #[error("no TLS connection to {broker}")]
    Tls { broker: String, source: TlsProblem },
    /// The handshake of TLS was not answered in time.
    #[error(
        "{broker} did not finish the TLS handshake within {timeout_ms} ms; it may be overloaded, \
         or no TLS listener"
    )]
    TlsTimeout { broker: String, timeout_ms: u128 },
    /// TLS was spoken to a listener without it.
    #[error(
        "{broker} does not speak TLS, which security.protocol={configured} asks for: {found}; {}",
        .found.protocol_to_set()
    )]
    NotTls {
        broker: String,
        found: Listener,
        configured: Protocol,
    },
    /// A listener with TLS was spoken to without it.
    #[error("the listener at {broker} speaks TLS; set security.protocol={needed}")]
    SpeaksTls { broker: String, needed: Protocol },
    /// The listener asks for no SASL.
    #[error(
        "{broker} asks for no SASL, which security.protocol={configured} has; set \
         security.protocol={needed}, and remove the keys sasl.*"
    )]
    NoSasl {
        broker: String,
        configured: Protocol,
        needed: Protocol,
    },
    /// The listener asks for SASL, within TLS.
    #[error(
        "the listener at {broker} asks for SASL ({}); set security.protocol=SASL_SSL, \
         sasl.mechanism and sasl.jaas.config",
        .offered.join(", ")
    )]
    SaslWanted {
        broker: String,
        offered: Vec<String>,
    },
    /// The broker does not offer the mechanism.
    #[error(
        "{broker} does not offer the mechanism {mechanism}, but {}; set sasl.mechanism to one of \
         these",
        .offered.join(", ")
    )]
    MechanismNotOffered {
        broker: String,
        mechanism: Mechanism,
        offered: Vec<String>,
    },
    /// The broker does not accept the credentials.
    #[error(
        "{broker} refused to authenticate by {mechanism}: {reason}; check the credentials in \
         sasl.jaas.config, and that the broker knows them"
    )]
    Unauthenticated {
        broker: String,
        mechanism: Mechanism,
        /// The broker's own words, without secrets.
        reason: String,
    },
    /// The exchange with the broker failed on this side.
    #[error("cannot authenticate to {broker} by {mechanism}")]
    Sasl {
        broker: String,
        mechanism: Mechanism,
        source: SaslError,
    },
    /// Reading or writing failed under a request: the broker may have acted.
    #[error("the connection to {broker} failed during {api}")]
    Io {
        api: ApiKey,
        broker: String,
        source: io::Error,
    },
    /// No answer in time: the broker may have acted.
    #[error(
        "{broker} did not answer {api} within {timeout_ms} ms; \
         it may be stopped, overloaded or cut off"
    )]
    Timeout {
        api: ApiKey,
        broker: String,
        timeout_ms: u128,
    },
    /// The answer's frame breaks the protocol or our limit.
    #[error("{broker} answered {api} with a bad frame; check that a Kafka broker listens there")]
    Frame {
        api: ApiKey,
        broker: String,
        source: FrameError,
    },
    /// The answer belongs to another request.
    #[error("{broker} answered request {got} where {api} was request {expected}")]
    CorrelationMismatch {
        api: ApiKey,
        broker: String,
        expected: i32,
        got: i32,
    },
    /// The answer's body cannot be decoded.
    #[error("cannot decode the answer of {broker} to {api} version {version}: {reason}")]
    Decode {
        api: ApiKey,
        broker: String,
        version: i16,
        reason: String,
    },
    /// The request cannot be expressed in the version spoken.
    #[error("cannot encode {api} version {version} for {broker}: {reason}")]
    Encode {
        api: ApiKey,
        broker: String,
        version: i16,
        reason: String,
    },
    /// No version of the API is known to both sides.
    #[error(
        "{broker} has {}, and {api} needs {ours} here; use a newer broker",
        .theirs.map_or_else(|| "no such API".to_owned(), |span| format!("versions {span}"))
    )]
    UnsupportedApi {
        api: ApiKey,
        broker: String,
        ours: VersionSpan,
        theirs: Option<VersionSpan>,
    },
    /// An earlier call on this connection failed or was abandoned half-way.
    #[error("the connection to {broker} broke earlier and cannot carry {api}; connect again")]
    Broken { api: ApiKey, broker: String },
    /// The broker answered with an error.
    #[error("{broker} refused {api} for {subject}")]
    Refused {
        api: ApiKey,
        broker: String,
        /// The subject of the call: a topic, a partition, a group.
        subject: String,
        source: Refusal,
    },
    /// The metadata names no leader for the partition.
    #[error("{partition} has no leader at the moment")]
    NoLeader { partition: TopicPartition },
    /// The metadata does not list the broker.
    #[error("broker {broker} is not in the cluster's metadata; it may be down")]
    UnknownBroker { broker: BrokerId },
    /// There is no address to connect to.
    #[error("no bootstrap address was given; pass at least one as HOST:PORT")]
    NoBootstrap,
    /// Every attempt within the time given failed.
    #[error("gave up after {attempts} attempts in {waited_ms} ms")]
    Deadline {
        attempts: u32,
        waited_ms: u128,
        source: Box<WireError>,
    },
}

impl WireError {
    /// Whether the same call may succeed later, on a new connection and with
    /// new metadata.
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Connect { .. }
            | Self::ConnectTimeout { .. }
            | Self::TlsTimeout { .. }
            | Self::Io { .. }
            | Self::Timeout { .. }
            | Self::Frame { .. }
            | Self::CorrelationMismatch { .. }
            | Self::Broken { .. }
            | Self::NoLeader { .. }
            | Self::UnknownBroker { .. } => true,
            Self::Refused { source, .. } => source.code.is_retriable(),
            Self::Tls { .. }
            | Self::NotTls { .. }
            | Self::SpeaksTls { .. }
            | Self::NoSasl { .. }
            | Self::SaslWanted { .. }
            | Self::MechanismNotOffered { .. }
            | Self::Unauthenticated { .. }
            | Self::Sasl { .. }
            | Self::Decode { .. }
            | Self::Encode { .. }
            | Self::UnsupportedApi { .. }
            | Self::NoBootstrap
            | Self::Deadline { .. } => false,
        }
    }

    /// Whether the request certainly never reached a broker.
    pub(crate) fn is_unsent(&self) -> bool {
        match self {
            Self::Connect { .. }
            | Self::ConnectTimeout { .. }
            | Self::TlsTimeout { .. }
            | Self::NotTls { .. }
            | Self::SpeaksTls { .. }
            | Self::NoSasl { .. }
            | Self::MechanismNotOffered { .. }
            | Self::Unauthenticated { .. }
            | Self::Sasl { .. }
            | Self::Encode { .. }
            | Self::UnsupportedApi { .. }
            | Self::Broken { .. }
            | Self::NoLeader { .. }
            | Self::UnknownBroker { .. }
            | Self::NoBootstrap => true,
            Self::Io { .. }
            | Self::Tls { .. }
            | Self::SaslWanted { .. }
            | Self::Timeout { .. }
            | Self::Frame { .. }
            | Self::CorrelationMismatch { .. }
            | Self::Decode { .. }
            | Self::Refused { .. }
            | Self::Deadline { .. } => false,
        }
    }

    /// Whether the broker closed the connection under a request.
    pub(crate) fn is_closed(&self) -> bool {
        match self {
            Self::Frame { source, .. } => matches!(source, FrameError::Closed { .. }),
            Self::Io { source, .. } => matches!(
                source.kind(),
                io::ErrorKind::UnexpectedEof
                    | io::ErrorKind::ConnectionReset
                    | io::ErrorKind::ConnectionAborted
                    | io::ErrorKind::BrokenPipe
            ),
            _ => false,
        }
    }

    /// The broker's error code, when it is the broker that refused.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused { source, .. } => Some(source.code),
            Self::Deadline { source, .. } => source.code(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_codes_print_as_kafka_documents_them() {
        assert_eq!(
            ErrorCode::NOT_LEADER_OR_FOLLOWER.to_string(),
            "NOT_LEADER_OR_FOLLOWER"
        );
        assert_eq!(ErrorCode(9999).to_string(), "error code 9999");
    }

    #[test]
    fn only_transient_codes_are_retriable() {
        assert!(ErrorCode::NOT_LEADER_OR_FOLLOWER.is_retriable());
        assert!(!ErrorCode::OFFSET_OUT_OF_RANGE.is_retriable());
        assert!(!ErrorCode::TOPIC_ALREADY_EXISTS.is_retriable());
    }
}
