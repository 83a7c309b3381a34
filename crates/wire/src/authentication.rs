//! SASL on a connection: the mechanism is agreed on, its messages are exchanged, and all of
//! it is repeated before the session's lifetime ends (KIP-368). What the messages say is
//! for the crate `security`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::{SaslAuthenticateRequest, SaslHandshakeRequest};
use kafka_protocol::protocol::StrBytes;
use security::{Mechanism, Protocol, Sasl};
use tokio::time::{Instant, timeout};

use crate::connection::Connection;
use crate::error::{ErrorCode, WireError};

/// How much of a session's lifetime passes before it is renewed; Java's client takes from
/// 85 to 95 percent.
const USED_PART: f64 = 0.85;
/// More messages than any mechanism has.
const MESSAGES_MAX: usize = 8;

impl Connection {
    /// Authenticates, where the options ask for it.
    pub(crate) async fn authenticate(&mut self) -> Result<(), WireError> {
        let security = self.options().security.clone();
        let Some(sasl) = security.sasl() else {
            return Ok(());
        };
        let since = Instant::now();
        let mechanism = sasl.mechanism();
        self.agree_on(mechanism).await?;
        let (mut exchange, mut message) = self.begin(Arc::clone(sasl)).await?;
        // Version 1 brings the session's lifetime.
        let version = self.version::<SaslAuthenticateRequest>(0..=2)?;
        for _ in 0..MESSAGES_MAX {
            let request = SaslAuthenticateRequest::default().with_auth_bytes(Bytes::from(message));
            let answer = self.call_unauthenticated(&request, version).await?;
            if let Some(code) = ErrorCode::from_wire(answer.error_code) {
                let said = answer.error_message.filter(|it| !it.is_empty());
                let said = said.map_or_else(|| code.to_string(), |it| it.to_string());
                return Err(WireError::Unauthenticated {
                    broker: self.broker().to_owned(),
                    mechanism,
                    reason: security.scrub(&said),
                });
            }
            let next = exchange.answer(&answer.auth_bytes);
            let next = next.map_err(|source| WireError::Sasl {
                broker: self.broker().to_owned(),
                mechanism,
                source,
            })?;
            let Some(next) = next else {
                let lifetime = u64::try_from(answer.session_lifetime_ms).unwrap_or(0);
                self.renew_at = (lifetime > 0)
                    .then(|| since + Duration::from_millis(lifetime).mul_f64(USED_PART));
                return Ok(());
            };
            message = next;
        }
        Err(WireError::Unauthenticated {
            broker: self.broker().to_owned(),
            mechanism,
            reason: "the exchange does not end".to_owned(),
        })
    }

    /// Authenticates anew if the session would end before a request that takes `hold`.
    pub(crate) async fn renew_session(&mut self, hold: Duration) -> Result<(), WireError> {
        match self.renew_at {
            Some(renew_at) if Instant::now() + hold >= renew_at => self.authenticate().await,
            _ => Ok(()),
        }
    }

    async fn agree_on(&mut self, mechanism: Mechanism) -> Result<(), WireError> {
        let version = self.version::<SaslHandshakeRequest>(1..=1)?;
        let name = StrBytes::from_static_str(mechanism.name());
        let request = SaslHandshakeRequest::default().with_mechanism(name);
        let answer = self.call_unauthenticated(&request, version).await?;
        match ErrorCode::from_wire(answer.error_code) {
            None => Ok(()),
            Some(ErrorCode::UNSUPPORTED_SASL_MECHANISM) => {
                let offered = answer.mechanisms.iter().map(ToString::to_string);
                Err(WireError::MechanismNotOffered {
                    broker: self.broker().to_owned(),
                    mechanism,
                    offered: offered.collect(),
                })
            }
            Some(ErrorCode::ILLEGAL_SASL_STATE) => {
                let has_tls = self.options().security.protocol().has_tls();
                Err(WireError::NoSasl {
                    broker: self.broker().to_owned(),
                    configured: self.options().security.protocol(),
                    needed: Protocol::with(has_tls, false),
                })
            }
            Some(code) => Err(self.refused::<SaslHandshakeRequest>(mechanism.name(), code.into())),
        }
    }

    /// The first message; its token may have to be fetched.
    async fn begin(&self, sasl: Arc<Sasl>) -> Result<(security::Exchange, Vec<u8>), WireError> {
        let mechanism = sasl.mechanism();
        let limit = self.options().request_timeout;
        let beginning = tokio::task::spawn_blocking(move || sasl.begin());
        match timeout(limit, beginning).await {
            Ok(Ok(begun)) => begun.map_err(|source| WireError::Sasl {
                broker: self.broker().to_owned(),
                mechanism,
                source,
            }),
            Ok(Err(_)) | Err(_) => Err(WireError::Unauthenticated {
                broker: self.broker().to_owned(),
                mechanism,
                reason: format!("there was no token within {} ms", limit.as_millis()),
            }),
        }
    }
}

/// The mechanisms of a listener that closes whoever does not authenticate; none where it
/// asks for no SASL.
pub(crate) async fn offered_mechanisms(connection: &mut Connection) -> Option<Vec<String>> {
    let version = connection.version::<SaslHandshakeRequest>(1..=1).ok()?;
    let request = SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str("NONE"));
    let answer = connection
        .call_unauthenticated(&request, version)
        .await
        .ok()?;
    let code = ErrorCode::from_wire(answer.error_code);
    (code == Some(ErrorCode::UNSUPPORTED_SASL_MECHANISM))
        .then(|| answer.mechanisms.iter().map(ToString::to_string).collect())
}
