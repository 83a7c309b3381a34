//! One connection to one broker: agrees on versions, authenticates where that is asked for,
//! sends one request at a time and waits for its answer. Knows nothing of topics or of the
//! cluster.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::messages::{
    ApiVersionsRequest, ApiVersionsResponse, RequestHeader, ResponseHeader,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Message, Request, StrBytes};
use security::{ClientSecurity, Protocol, TlsProblem};
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout};

use crate::authentication::offered_mechanisms;
use crate::error::{ApiKey, ErrorCode, Refusal, VersionSpan, WireError};
use crate::frame::{self, FrameError};
use crate::probe::{Listener, probe};
use crate::request_counts::RequestCounts;
use crate::stream::{Stream, alert_after_handshake};

/// How a client names itself and how long it waits.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// `client.id`, as it shows in the broker's logs and quotas.
    pub client_id: String,
    /// How long to wait for an answer, beyond the wait that the request itself asks of the
    /// broker.
    pub request_timeout: Duration,
    /// How long to wait for a TCP connection.
    pub connect_timeout: Duration,
    /// The longest frame to accept or send, without its 4-byte length.
    pub frame_bytes_max: u32,
    /// Where requests are counted; connections with copies of these options share it.
    pub requests: RequestCounts,
    /// TLS and SASL, if any.
    pub security: ClientSecurity,
}

impl Default for ClientOptions {
    /// `ackproof-observer`, 10 s, 3 s, 64 MiB, PLAINTEXT.
    fn default() -> Self {
        Self {
            client_id: "ackproof-observer".to_owned(),
            request_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(3),
            frame_bytes_max: 64 * 1024 * 1024,
            requests: RequestCounts::default(),
            security: ClientSecurity::default(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ready,
    /// A request went out and its answer has not been read. A call that fails
    /// or whose future is dropped leaves it so, and a later answer could not
    /// be told from this one's: the connection is of no more use.
    AwaitingAnswer,
}

/// One framed connection to one broker.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    broker: String,
    options: ClientOptions,
    versions: BTreeMap<i16, VersionSpan>,
    correlation_id: i32,
    state: State,
    /// When to authenticate anew, where the session ends.
    pub(crate) renew_at: Option<Instant>,
    /// Whether a request was answered that only authenticated clients may send.
    has_answered: bool,
}

impl Connection {
    /// Connects to `broker` (`host:port`), agrees on API versions, and authenticates.
    ///
    /// # Errors
    /// [`WireError`] when the broker is not there, does not answer in time, does
    /// not speak the protocol, or either side does not trust the other.
    pub async fn connect(
        broker: impl Into<String>,
        options: ClientOptions,
    ) -> Result<Self, WireError> {
        // Boxed, as is all that is rare: handshakes would make every caller's future large.
        let mut connection = Box::pin(Self::open(broker.into(), options)).await?;
        Box::pin(connection.authenticate()).await?;
        Ok(connection)
    }

    /// A connection that is not authenticated yet.
    async fn open(broker: String, options: ClientOptions) -> Result<Self, WireError> {
        let stream = Stream::connect(&broker, &options).await?;
        let mut connection = Self {
            stream,
            broker,
            options,
            versions: BTreeMap::new(),
            correlation_id: 0,
            state: State::Ready,
            renew_at: None,
            has_answered: false,
        };
        match connection.negotiate().await {
            Ok(()) => Ok(connection),
            Err(error) => Err(Box::pin(connection.explained_at_once(error)).await),
        }
    }

    /// Why the first request had no answer, where there is more to know than that.
    async fn explained_at_once(self, error: WireError) -> WireError {
        let security = &self.options.security;
        if !error.is_closed() {
            return error;
        }
        // A broker that refuses our certificate says so after the handshake, and what it says
        // can be lost: it closes without having read our request.
        if security.tls().is_some() {
            return match alert_after_handshake(&self.broker, &self.options).await {
                Some(source) => WireError::Tls {
                    broker: self.broker,
                    source,
                },
                None => error,
            };
        }
        // Not every listener with TLS answers others with an alert. Callers without SASL look
        // by themselves.
        let has_sasl = security.protocol().has_sasl();
        if has_sasl && probe(&security.overrides().of_text(&self.broker)).await == Listener::Tls {
            return self.speaks_tls();
        }
        error
    }

    fn speaks_tls(&self) -> WireError {
        let has_sasl = self.options.security.protocol().has_sasl();
        WireError::SpeaksTls {
            broker: self.broker.clone(),
            needed: Protocol::with(true, has_sasl),
        }
    }

    pub(crate) fn options(&self) -> &ClientOptions {
        &self.options
    }

    /// The broker's `host:port`, as it was connected to.
    pub fn broker(&self) -> &str {
        &self.broker
    }

    /// Whether the connection can carry another call.
    pub fn is_usable(&self) -> bool {
        self.state == State::Ready
    }

    /// Asks for the broker's versions in our newest version of the question.
    /// A broker that does not know it answers `UNSUPPORTED_VERSION` in version
    /// 0, with the versions it knows (KIP-511), and is asked again.
    async fn negotiate(&mut self) -> Result<(), WireError> {
        let newest = ApiVersionsRequest::VERSIONS.max;
        let mut answer = self.ask_versions(newest).await?;
        if ErrorCode::from_wire(answer.error_code) == Some(ErrorCode::UNSUPPORTED_VERSION) {
            let theirs = answer
                .api_keys
                .iter()
                .find(|api| api.api_key == ApiVersionsRequest::KEY)
                .map_or(0, |api| api.max_version);
            answer = self.ask_versions(theirs.clamp(0, newest)).await?;
        }
        self.check::<ApiVersionsRequest>("this client", answer.error_code, None)?;
        self.versions = answer
            .api_keys
            .iter()
            .map(|api| {
                let span = VersionSpan {
                    min: api.min_version,
                    max: api.max_version,
                };
                (api.api_key, span)
            })
            .collect();
        Ok(())
    }

    /// The cluster's features and their levels, as this broker knows them now
    /// (KIP-584). One that is off is not among them.
    ///
    /// # Errors
    /// [`WireError`], of which `UnsupportedApi` for a broker that is too old.
    pub async fn finalized_features(&mut self) -> Result<BTreeMap<String, i16>, WireError> {
        // Version 3 brings the features.
        let version = self.version::<ApiVersionsRequest>(3..=i16::MAX)?;
        Box::pin(self.renew_session(Duration::ZERO)).await?;
        let answer = self.ask_versions(version).await?;
        self.check::<ApiVersionsRequest>("its features", answer.error_code, None)?;
        Ok(answer
            .finalized_features
            .into_iter()
            .map(|it| (it.name.to_string(), it.max_version_level))
            .collect())
    }

    async fn ask_versions(&mut self, version: i16) -> Result<ApiVersionsResponse, WireError> {
        let request = ApiVersionsRequest::default()
            .with_client_software_name(StrBytes::from_static_str("ackproof"))
            .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
        let limit = self.options.request_timeout;
        let mut body = self.exchange(&request, version, limit).await?;
        let refused_version = body
            .first_chunk::<2>()
            .map(|code| i16::from_be_bytes(*code))
            == Some(ErrorCode::UNSUPPORTED_VERSION.get());
        self.decode_body::<ApiVersionsRequest>(&mut body, if refused_version { 0 } else { version })
    }

    /// The newest version of `R` within `ours` that both sides know.
    pub(crate) fn version<R: Request>(&self, ours: RangeInclusive<i16>) -> Result<i16, WireError> {
        let ours = VersionSpan {
            min: R::VERSIONS.min.max(*ours.start()),
            max: R::VERSIONS.max.min(*ours.end()),
        };
        let theirs = self.versions.get(&R::KEY).copied();
        theirs
            .map(|theirs| (ours.min.max(theirs.min), ours.max.min(theirs.max)))
            .filter(|(min, max)| min <= max)
            .map(|(_, max)| max)
            .ok_or_else(|| WireError::UnsupportedApi {
                api: ApiKey(R::KEY),
                broker: self.broker.clone(),
                ours,
                theirs,
            })
    }

    /// One request and its answer, in a version from [`Self::version`].
    pub(crate) async fn call<R: Request>(
        &mut self,
        request: &R,
        version: i16,
    ) -> Result<R::Response, WireError> {
        self.call_waiting(request, version, Duration::ZERO).await
    }

    /// As [`Self::call`], for a request that the broker may hold for `hold`.
    pub(crate) async fn call_waiting<R: Request>(
        &mut self,
        request: &R,
        version: i16,
        hold: Duration,
    ) -> Result<R::Response, WireError> {
        if self.renew_at.is_some() {
            Box::pin(self.renew_session(hold)).await?;
        }
        let limit = self.options.request_timeout.saturating_add(hold);
        let mut body = match self.exchange(request, version, limit).await {
            Ok(body) => body,
            Err(error) => return Err(Box::pin(self.explained(error)).await),
        };
        self.has_answered = true;
        self.decode_body::<R>(&mut body, version)
    }

    /// As [`Self::call`], also before there is a session.
    pub(crate) async fn call_unauthenticated<R: Request>(
        &mut self,
        request: &R,
        version: i16,
    ) -> Result<R::Response, WireError> {
        let limit = self.options.request_timeout;
        let mut body = self.exchange(request, version, limit).await?;
        self.decode_body::<R>(&mut body, version)
    }

    /// A listener that asks for SASL closes a connection without it, and says nothing.
    /// Without TLS the caller can look by itself ([`crate::probe`]).
    async fn explained(&self, error: WireError) -> WireError {
        let has_no_sasl = self.options.security.protocol() == Protocol::Ssl;
        if !has_no_sasl || self.has_answered || !error.is_closed() {
            return error;
        }
        let opened = Box::pin(Self::open(self.broker.clone(), self.options.clone())).await;
        let Ok(mut connection) = opened else {
            return error;
        };
        match offered_mechanisms(&mut connection).await {
            Some(offered) => WireError::SaslWanted {
                broker: self.broker.clone(),
                offered,
            },
            None => error,
        }
    }

    /// Sends a request and returns its answer's body.
    async fn exchange<R: Request>(
        &mut self,
        request: &R,
        version: i16,
        limit: Duration,
    ) -> Result<Bytes, WireError> {
        let api = ApiKey(R::KEY);
        if self.state != State::Ready {
            return Err(WireError::Broken {
                api,
                broker: self.broker.clone(),
            });
        }
        self.correlation_id = self.correlation_id.wrapping_add(1);
        let frame = self.encode(request, version)?;
        self.state = State::AwaitingAnswer;
        self.options.requests.add(api);
        let exchange = write_and_read(&mut self.stream, &frame, self.options.frame_bytes_max);
        let mut body = match timeout(limit, exchange).await {
            Ok(Ok(body)) => body,
            Ok(Err(FrameError::Read(source))) => {
                let broker = self.broker.clone();
                let has_own = self.options.security.has_certificate();
                return Err(match TlsProblem::of(&source, has_own) {
                    Some(source) => WireError::Tls { broker, source },
                    None => WireError::Io {
                        api,
                        broker,
                        source,
                    },
                });
            }
            Ok(Err(FrameError::TooLong { length, .. })) if is_alert(length) => {
                return Err(self.speaks_tls());
            }
            Ok(Err(source)) => {
                return Err(WireError::Frame {
                    api,
                    broker: self.broker.clone(),
                    source,
                });
            }
            Err(_) => {
                return Err(WireError::Timeout {
                    api,
                    broker: self.broker.clone(),
                    timeout_ms: limit.as_millis(),
                });
            }
        };
        // The id leads every header version, and is checked before anything
        // else of an answer that may belong to another request is believed.
        let got = body
            .first_chunk::<4>()
            .map_or(0, |id| i32::from_be_bytes(*id));
        if got != self.correlation_id {
            return Err(WireError::CorrelationMismatch {
                api,
                broker: self.broker.clone(),
                expected: self.correlation_id,
                got,
            });
        }
        let header_version = <R::Response as HeaderVersion>::header_version(version);
        ResponseHeader::decode(&mut body, header_version)
            .map_err(|error| self.undecodable::<R>(version, error.to_string()))?;
        self.state = State::Ready;
        Ok(body)
    }

    fn encode<R: Request>(&self, request: &R, version: i16) -> Result<BytesMut, WireError> {
        let unencodable = |reason: String| WireError::Encode {
            api: ApiKey(R::KEY),
            broker: self.broker.clone(),
            version,
            reason,
        };
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.correlation_id)
            .with_client_id(Some(StrBytes::from_string(self.options.client_id.clone())));
        let mut frame = BytesMut::zeroed(4);
        header
            .encode(&mut frame, R::header_version(version))
            .and_then(|()| request.encode(&mut frame, version))
            .map_err(|error| unencodable(error.to_string()))?;
        frame::seal(&mut frame, self.options.frame_bytes_max)
            .map_err(|error| unencodable(error.to_string()))?;
        Ok(frame)
    }

    fn decode_body<R: Request>(
        &mut self,
        body: &mut Bytes,
        version: i16,
    ) -> Result<R::Response, WireError> {
        let decoded = R::Response::decode(body, version)
            .map_err(|error| self.undecodable::<R>(version, error.to_string()))?;
        if body.has_remaining() {
            let reason = format!("{} bytes are left over", body.remaining());
            return Err(self.undecodable::<R>(version, reason));
        }
        Ok(decoded)
    }

    pub(crate) fn undecodable<R: Request>(&self, version: i16, reason: String) -> WireError {
        WireError::Decode {
            api: ApiKey(R::KEY),
            broker: self.broker.clone(),
            version,
            reason,
        }
    }

    /// `outcomes`, if the broker has answered for every item: one that it leaves out is
    /// neither done nor refused.
    pub(crate) fn complete<'a, R: Request, K, V>(
        &self,
        version: i16,
        asked: impl IntoIterator<Item = &'a K>,
        outcomes: BTreeMap<K, V>,
    ) -> Result<BTreeMap<K, V>, WireError>
    where
        K: Ord + fmt::Display + 'a,
    {
        match asked.into_iter().find(|it| !outcomes.contains_key(it)) {
            None => Ok(outcomes),
            Some(missing) => {
                let reason = format!("nothing about {missing}");
                Err(self.undecodable::<R>(version, reason))
            }
        }
    }

    /// The answer's only item, which is about `asked`.
    pub(crate) fn only<R: Request, T>(
        &self,
        version: i16,
        answers: impl IntoIterator<Item = T>,
        asked: impl fmt::Display,
    ) -> Result<T, WireError> {
        let reason = || format!("nothing about {asked}");
        let only = answers.into_iter().next();
        only.ok_or_else(|| self.undecodable::<R>(version, reason()))
    }

    /// An error where the broker refused the call, or this item of it.
    pub(crate) fn check<R: Request>(
        &self,
        subject: impl fmt::Display,
        code: i16,
        message: Option<StrBytes>,
    ) -> Result<(), WireError> {
        let refused = |source| self.refused::<R>(subject.to_string(), source);
        Refusal::check(code, message).map_err(refused)
    }

    pub(crate) fn refused<R: Request>(
        &self,
        subject: impl Into<String>,
        source: Refusal,
    ) -> WireError {
        WireError::Refused {
            api: ApiKey(R::KEY),
            broker: self.broker.clone(),
            subject: subject.into(),
            source,
        }
    }
}

/// Whether a frame's length is the beginning of an alert of TLS instead.
const fn is_alert(length: u32) -> bool {
    matches!(length >> 8, 0x15_03_00..=0x15_03_04)
}

async fn write_and_read(
    stream: &mut Stream,
    frame: &[u8],
    bytes_max: u32,
) -> Result<Bytes, FrameError> {
    stream.write_all(frame).await?;
    stream.flush().await?;
    frame::read_frame(stream, bytes_max).await
}

/// A duration as a field of the protocol in milliseconds.
pub(crate) fn wire_ms(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}

/// A size as a field of the protocol in bytes.
pub(crate) fn wire_bytes(bytes: u32) -> i32 {
    i32::try_from(bytes).unwrap_or(i32::MAX)
}
