//! SASL as Kafka's clients speak it: mechanisms, credentials, and the client's side of an
//! exchange of bytes. Knows nothing of the requests that carry them.

use std::fmt;

use crate::oauth::{OAuthBearer, TokenError};
use crate::scram::{Hash, Scram};

/// A mechanism that can be spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// A user name and a password, in plain text.
    Plain,
    /// A password that is proved and not sent, with SHA-256.
    ScramSha256,
    /// The same with SHA-512.
    ScramSha512,
    /// A token (RFC 7628, KIP-255).
    OAuthBearer,
}

impl Mechanism {
    pub(crate) const ALL: [Self; 4] = [
        Self::Plain,
        Self::ScramSha256,
        Self::ScramSha512,
        Self::OAuthBearer,
    ];

    /// Its name in `sasl.mechanism`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
            Self::OAuthBearer => "OAUTHBEARER",
        }
    }

    /// The login module that its `sasl.jaas.config` names.
    pub(crate) const fn login_module(self) -> &'static str {
        match self {
            Self::Plain => "org.apache.kafka.common.security.plain.PlainLoginModule",
            Self::ScramSha256 | Self::ScramSha512 => {
                "org.apache.kafka.common.security.scram.ScramLoginModule"
            }
            Self::OAuthBearer => {
                "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule"
            }
        }
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why an exchange cannot go on on this side.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SaslError {
    /// There is no token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The other side's words make no sense.
    #[error("the broker's part of the exchange makes no sense")]
    Malformed,
    /// The other side does not know the password, or another one.
    #[error("the broker did not prove that it knows the password; it may be another's")]
    Unproved,
    /// The other side wants a password hashed too weakly, or for hours.
    #[error(
        "the broker asks for {iterations} iterations of SCRAM, and 4,096 to 2,000,000 are made"
    )]
    Iterations {
        /// What it asks for.
        iterations: u32,
    },
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    NoRandomness,
}

/// How to authenticate.
pub struct Sasl {
    mechanism: Mechanism,
    credentials: Credentials,
}

pub(crate) enum Credentials {
    Password {
        user: String,
        password: String,
        /// The user is the id of a delegation token.
        token_auth: bool,
    },
    Token(Box<OAuthBearer>),
}

/// Tells the mechanism, and nothing of the credentials.
impl fmt::Debug for Sasl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sasl({})", self.mechanism)
    }
}

impl Sasl {
    pub(crate) fn new(mechanism: Mechanism, credentials: Credentials) -> Self {
        Self {
            mechanism,
            credentials,
        }
    }

    /// The mechanism that is spoken.
    pub fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// The user and the password, where there are any, and whether they are those of a
    /// delegation token.
    pub(crate) fn password(&self) -> Option<(&str, &str, bool)> {
        match &self.credentials {
            Credentials::Password {
                user,
                password,
                token_auth,
            } => Some((user, password, *token_auth)),
            Credentials::Token(_) => None,
        }
    }

    /// Begins an exchange; returns the first message to send. May ask a token endpoint, and
    /// block for as long as that takes.
    ///
    /// # Errors
    /// [`SaslError`] where there is no token.
    pub fn begin(&self) -> Result<(Exchange, Vec<u8>), SaslError> {
        let scram = |hash| match &self.credentials {
            Credentials::Password {
                user,
                password,
                token_auth,
            } => {
                let (scram, first) = Scram::begin(hash, user, password, *token_auth)?;
                Ok((Exchange(State::Scram(Box::new(scram))), first))
            }
            Credentials::Token(_) => Err(SaslError::Malformed),
        };
        match (self.mechanism, &self.credentials) {
            (Mechanism::ScramSha256, _) => scram(Hash::Sha256),
            (Mechanism::ScramSha512, _) => scram(Hash::Sha512),
            (_, Credentials::Password { user, password, .. }) => {
                // RFC 4616, without an authorisation identity.
                let first = format!("\0{user}\0{password}").into_bytes();
                Ok((Exchange(State::Plain), first))
            }
            (_, Credentials::Token(bearer)) => {
                Ok((Exchange(State::Token), bearer.initial_response()?))
            }
        }
    }
}

/// The client's side of one exchange.
pub struct Exchange(State);

enum State {
    Plain,
    Scram(Box<Scram>),
    Token,
}

impl Exchange {
    /// The answer to what the broker says; none when there is nothing more to say.
    ///
    /// # Errors
    /// [`SaslError`] where the broker cannot be believed.
    pub fn answer(&mut self, challenge: &[u8]) -> Result<Option<Vec<u8>>, SaslError> {
        match &mut self.0 {
            State::Plain => Ok(None),
            State::Scram(scram) => scram.answer(challenge),
            // RFC 7628, section 3.2.3: an error is a challenge, which is answered so that
            // the broker can refuse the token.
            State::Token if challenge.is_empty() => Ok(None),
            State::Token => Ok(Some(vec![1])),
        }
    }
}
