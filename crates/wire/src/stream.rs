//! The bytes between us and a broker: TCP, or TLS over it. Knows nothing of frames.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use security::rustls::pki_types::ServerName;
use security::{ClientSecurity, TlsProblem};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::connection::ClientOptions;
use crate::error::WireError;
use crate::probe::probe;

/// A connection's bytes.
#[derive(Debug)]
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Connects to `broker` (`host:port`), with TLS where the options have it.
    pub(crate) async fn connect(broker: &str, options: &ClientOptions) -> Result<Self, WireError> {
        let limit = options.connect_timeout;
        let at = options.security.overrides().of_text(broker);
        let named = || {
            if at == broker {
                broker.to_owned()
            } else {
                format!("{broker} (at {at})")
            }
        };
        let refused = |source| WireError::Connect {
            broker: named(),
            source,
        };
        let stream = match timeout(limit, TcpStream::connect(&at)).await {
            Ok(stream) => stream.map_err(refused)?,
            Err(_) => {
                return Err(WireError::ConnectTimeout {
                    broker: named(),
                    timeout_ms: limit.as_millis(),
                });
            }
        };
        stream.set_nodelay(true).map_err(refused)?;
        let Some(tls) = options.security.tls() else {
            return Ok(Self::Plain(stream));
        };
        let name = server_name(broker).ok_or_else(|| WireError::Tls {
            broker: broker.to_owned(),
            source: TlsProblem::Other("its host is no name and no address".to_owned()),
        })?;
        let connector = TlsConnector::from(Arc::clone(tls));
        match timeout(limit, connector.connect(name, stream)).await {
            Ok(Ok(stream)) => Ok(Self::Tls(Box::new(stream))),
            Ok(Err(error)) => Err(handshake_error(broker, &options.security, error).await),
            Err(_) => Err(WireError::TlsTimeout {
                broker: broker.to_owned(),
                timeout_ms: limit.as_millis(),
            }),
        }
    }
}

/// The host of `host:port`, as certificates name it.
fn server_name(broker: &str) -> Option<ServerName<'static>> {
    let (host, _) = broker.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    ServerName::try_from(host.to_owned()).ok()
}

async fn handshake_error(broker: &str, security: &ClientSecurity, error: io::Error) -> WireError {
    let problem = TlsProblem::of(&error, security.has_certificate());
    // Of one that closes, or speaks otherwise, TLS says nothing of use.
    let speaks_otherwise = matches!(problem, None | Some(TlsProblem::Other(_)));
    if speaks_otherwise {
        let found = probe(&security.overrides().of_text(broker)).await;
        if found.speaks_without_tls() {
            return WireError::NotTls {
                broker: broker.to_owned(),
                found,
                configured: security.protocol(),
            };
        }
    }
    match problem {
        Some(source) => WireError::Tls {
            broker: broker.to_owned(),
            source,
        },
        None => WireError::Connect {
            broker: broker.to_owned(),
            source: error,
        },
    }
}

/// Why a broker closes a connection behind the handshake, by a second one on which nothing
/// is sent: what it says last arrives then.
pub(crate) async fn alert_after_handshake(
    broker: &str,
    options: &ClientOptions,
) -> Option<TlsProblem> {
    let mut stream = match Stream::connect(broker, options).await {
        Ok(stream) => stream,
        Err(WireError::Tls { source, .. }) => return Some(source),
        Err(_) => return None,
    };
    let heard = timeout(options.connect_timeout, stream.read_u8()).await;
    let error = heard.ok()?.err()?;
    TlsProblem::of(&error, options.security.has_certificate())
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address() {
        for broker in ["kafka-1:9092", "127.0.0.1:9092", "[::1]:9092"] {
            assert!(server_name(broker).is_some(), "{broker}");
        }
        assert!(server_name("no host:9092").is_none());
    }
}
