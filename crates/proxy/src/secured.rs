//! TLS and SASL on both sides of the proxy: it ends the clients' TLS with a certificate of an
//! authority made for it, and speaks to the brokers as the user does. SASL passes through as
//! the requests that it is; only the proxy's own few connections authenticate here. Knows
//! nothing of faults.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use security::rustls::pki_types::ServerName;
use security::rustls::{ClientConnection, ServerConnection};
use security::{Address, AddressOverrides, Authority, AuthorityError, ClientSecurity, Sasl};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::schemas::api;

/// More messages than any mechanism has.
const MESSAGES_MAX: usize = 8;
/// More than a broker says while it authenticates.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
const CLIENT_ID: &str = "ackproof";

/// How clients speak to the proxy, and the proxy to the brokers; the default is PLAINTEXT.
#[derive(Clone, Debug, Default)]
pub struct ProxySecurity {
    /// Where clients speak TLS.
    authority: Option<Authority>,
    /// How clients reach the proxy.
    as_client: ClientSecurity,
    /// How brokers are reached.
    as_user: ClientSecurity,
}

impl ProxySecurity {
    /// Security towards brokers as the user has it; clients find the proxy by these hosts.
    ///
    /// # Errors
    /// [`AuthorityError`] where clients speak TLS and there is no certificate for it.
    pub fn of(
        user: &ClientSecurity,
        listens: IpAddr,
        advertised: Option<&str>,
    ) -> Result<Self, AuthorityError> {
        if user.tls().is_none() {
            return Ok(Self {
                authority: None,
                // Listeners of ours are where they are.
                as_client: user.clone().with_overrides(AddressOverrides::default()),
                as_user: user.clone(),
            });
        }
        let mut hosts = ["localhost", "127.0.0.1", "::1"]
            .map(str::to_owned)
            .to_vec();
        let own = [Some(listens.to_string()), advertised.map(str::to_owned)];
        for host in own.into_iter().flatten() {
            if !hosts.contains(&host) {
                hosts.push(host);
            }
        }
        let authority = Authority::for_hosts(&hosts)?;
        Ok(Self {
            as_client: user.trusting(&authority)?,
            as_user: user.clone(),
            authority: Some(authority),
        })
    }

    /// How a client of this user reaches the proxy.
    pub fn as_client(&self) -> &ClientSecurity {
        &self.as_client
    }

    /// What clients trust, in PEM, where they speak TLS.
    pub fn authority_pem(&self) -> Option<&str> {
        self.authority.as_ref().map(Authority::pem)
    }

    pub(crate) fn as_user(&self) -> &ClientSecurity {
        &self.as_user
    }

    /// The server's side for a client that has connected.
    pub(crate) fn accepted(&self) -> Option<io::Result<ServerConnection>> {
        let server = Arc::clone(self.authority.as_ref()?.server());
        Some(ServerConnection::new(server).map_err(io::Error::other))
    }

    /// Where a broker is that advertises this address.
    pub(crate) fn place_of(&self, host: &str, port: u16) -> Address {
        self.as_user.overrides().of(host, port)
    }

    /// The client's side before a broker at this host.
    pub(crate) fn dialed(&self, host: &str) -> Option<io::Result<ClientConnection>> {
        let tls = Arc::clone(self.as_user.tls()?);
        let connection = server_name(host)
            .and_then(|name| ClientConnection::new(tls, name).map_err(io::Error::other));
        Some(connection)
    }
}

fn server_name(host: &str) -> io::Result<ServerName<'static>> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    ServerName::try_from(bare.to_owned())
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
}

/// Bytes both ways.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A connection of the proxy's own, on which requests may be sent.
pub(crate) async fn connect(
    host: &str,
    port: u16,
    security: &ClientSecurity,
) -> io::Result<Box<dyn Duplex>> {
    let tcp = TcpStream::connect(security.overrides().of(host, port)).await?;
    let mut stream: Box<dyn Duplex> = match security.tls() {
        None => Box::new(tcp),
        Some(tls) => {
            let connector = TlsConnector::from(Arc::clone(tls));
            Box::new(connector.connect(server_name(host)?, tcp).await?)
        }
    };
    if let Some(sasl) = security.sasl() {
        authenticate(&mut *stream, Arc::clone(sasl)).await?;
    }
    Ok(stream)
}

async fn authenticate(stream: &mut dyn Duplex, sasl: Arc<Sasl>) -> io::Result<()> {
    let refused = || io::Error::from(io::ErrorKind::PermissionDenied);
    let mechanism = sasl.mechanism().name();
    let mut body = Vec::new();
    put_text(&mut body, mechanism)?;
    let answer = ask(stream, api::SASL_HANDSHAKE, 1, &body).await?;
    if answer.first_chunk() != Some(&[0, 0]) {
        return Err(refused());
    }
    // Its token may have to be fetched.
    let begun = tokio::task::spawn_blocking(move || sasl.begin()).await;
    let (mut exchange, mut message) = begun.map_err(io::Error::other)?.map_err(io::Error::other)?;
    for _ in 0..MESSAGES_MAX {
        let length = i32::try_from(message.len()).map_err(io::Error::other)?;
        let mut body = length.to_be_bytes().to_vec();
        body.extend_from_slice(&message);
        let answer = ask(stream, api::SASL_AUTHENTICATE, 0, &body).await?;
        let challenge = challenge(&answer).ok_or_else(refused)?;
        match exchange.answer(challenge).map_err(io::Error::other)? {
            Some(next) => message = next,
            None => return Ok(()),
        }
    }
    Err(refused())
}

/// What `SaslAuthenticate` in version 0 answers with, unless that is an error: an error code,
/// a text that may be null, the bytes.
fn challenge(answer: &[u8]) -> Option<&[u8]> {
    let answer = answer.strip_prefix(&[0, 0])?;
    let (length, answer) = answer.split_first_chunk()?;
    let said = usize::try_from(i16::from_be_bytes(*length)).unwrap_or(0);
    let (length, answer) = answer.get(said..)?.split_first_chunk()?;
    answer.get(..usize::try_from(i32::from_be_bytes(*length)).ok()?)
}

/// One request, and the body of its answer; both with the oldest headers that have a client
/// id.
async fn ask(stream: &mut dyn Duplex, api: i16, version: i16, body: &[u8]) -> io::Result<Vec<u8>> {
    let mut frame = Vec::new();
    frame.extend(api.to_be_bytes());
    frame.extend(version.to_be_bytes());
    frame.extend(0i32.to_be_bytes());
    put_text(&mut frame, CLIENT_ID)?;
    frame.extend_from_slice(body);
    let length = i32::try_from(frame.len()).map_err(io::Error::other)?;
    let mut whole = length.to_be_bytes().to_vec();
    whole.extend(frame);
    stream.write_all(&whole).await?;
    stream.flush().await?;
    let length = usize::try_from(stream.read_i32().await?).unwrap_or(usize::MAX);
    if !(4..=ANSWER_BYTES_MAX).contains(&length) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer).await?;
    Ok(answer.split_off(4))
}

fn put_text(into: &mut Vec<u8>, text: &str) -> io::Result<()> {
    let length = i16::try_from(text.len()).map_err(io::Error::other)?;
    into.extend(length.to_be_bytes());
    into.extend_from_slice(text.as_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_broker_says_is_taken_out_of_its_answer() {
        let said = [&[0, 0, 0xff, 0xff, 0, 0, 0, 3][..], b"abc"].concat();
        assert_eq!(challenge(&said), Some(&b"abc"[..]));
        let with_text = [&[0, 0, 0, 2][..], b"no", &[0, 0, 0, 1][..], b"x"].concat();
        assert_eq!(challenge(&with_text), Some(&b"x"[..]));
        let refused = [&[0, 58, 0, 2][..], b"no", &[0, 0, 0, 0][..]].concat();
        assert_eq!(challenge(&refused), None);
        assert_eq!(challenge(&said[..9]), None);
    }
}
