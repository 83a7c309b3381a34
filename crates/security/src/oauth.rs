//! Tokens of SASL OAUTHBEARER: read from a file, or fetched from an endpoint with client
//! credentials (RFC 6749, section 4.4). Knows nothing of what a token says.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::CertificateDer;
use secret::Secrets;
use serde_json::Value;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

/// No token is longer.
const TOKEN_BYTES_MAX: u64 = 64 * 1024;
/// How much of its lifetime a token is used for.
const USED_PART: f64 = 0.8;

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum TokenError {
    /// The file cannot be read.
    #[error("cannot read the token in {}", path.display())]
    File { path: PathBuf, source: io::Error },
    /// What was read is no token.
    #[error("what {from} gives is no token: it is empty, too long, or has blanks in it")]
    NoToken { from: String },
    /// The endpoint does not answer.
    #[error("the token endpoint {url} was not answered")]
    NoAnswer {
        url: String,
        source: Box<ureq::Error>,
    },
    /// The endpoint refuses.
    #[error("the token endpoint {url} answers {status}{error}; check the client's id and secret")]
    Refused {
        url: String,
        status: u16,
        /// Its own words, with a colon before them.
        error: String,
    },
    /// The endpoint answers without a token.
    #[error("the token endpoint {url} answers without `access_token`")]
    Other { url: String },
}

/// Where tokens come from.
pub(crate) enum TokenSource {
    /// `file:`; read anew each time, as Kafka's client does.
    File(PathBuf),
    Endpoint(Endpoint),
}

/// A token endpoint, and who asks it.
pub(crate) struct Endpoint {
    pub(crate) url: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    pub(crate) scope: Option<String>,
    /// `sasl.oauthbearer.header.urlencode`.
    pub(crate) encodes_header: bool,
    pub(crate) connect_timeout: Duration,
    pub(crate) read_timeout: Duration,
    pub(crate) trusted: Vec<CertificateDer<'static>>,
}

/// Tokens, and what is sent beside them (KIP-342).
pub(crate) struct OAuthBearer {
    source: TokenSource,
    extensions: BTreeMap<String, String>,
    secrets: Secrets,
    fetched: Mutex<Option<(String, Instant)>>,
}

impl OAuthBearer {
    pub(crate) fn new(
        source: TokenSource,
        extensions: BTreeMap<String, String>,
        secrets: Secrets,
    ) -> Self {
        Self {
            source,
            extensions,
            secrets,
            fetched: Mutex::default(),
        }
    }

    /// The client's first message (RFC 7628, section 3.1).
    pub(crate) fn initial_response(&self) -> Result<Vec<u8>, TokenError> {
        let token = self.token()?;
        let mut message = format!("n,,\x01auth=Bearer {token}");
        for (key, value) in &self.extensions {
            message.extend(["\x01", key, "=", value]);
        }
        message.push_str("\x01\x01");
        Ok(message.into_bytes())
    }

    fn token(&self) -> Result<String, TokenError> {
        match &self.source {
            TokenSource::File(path) => {
                let token = fs::read_to_string(path).map_err(|source| TokenError::File {
                    path: path.clone(),
                    source,
                })?;
                checked(token.trim(), || path.display().to_string())
            }
            TokenSource::Endpoint(endpoint) => {
                // Each broker's connection needs one: it is fetched for all of them.
                let mut fetched = self.fetched.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some((token, until)) = &*fetched
                    && Instant::now() < *until
                {
                    return Ok(token.clone());
                }
                let (token, lifetime) = endpoint.fetch(&self.secrets)?;
                if let Some(until) = Instant::now().checked_add(lifetime.mul_f64(USED_PART)) {
                    *fetched = Some((token.clone(), until));
                }
                Ok(token)
            }
        }
    }
}

/// A token, if that is what it can be: it must not end the message that it is in.
fn checked(token: &str, from: impl Fn() -> String) -> Result<String, TokenError> {
    let fits = !token.is_empty()
        && u64::try_from(token.len()).is_ok_and(|it| it <= TOKEN_BYTES_MAX)
        && token.bytes().all(|byte| byte.is_ascii_graphic());
    if fits {
        Ok(token.to_owned())
    } else {
        Err(TokenError::NoToken { from: from() })
    }
}

impl Endpoint {
    /// A token, and how long it is valid.
    fn fetch(&self, secrets: &Secrets) -> Result<(String, Duration), TokenError> {
        let url = || secrets.scrub(&secret::redacted(&self.url)).into_owned();
        let mut body = "grant_type=client_credentials".to_owned();
        if let Some(scope) = &self.scope {
            body.push_str("&scope=");
            body.push_str(&encoded(scope));
        }
        let request = self
            .agent()
            .post(&self.url)
            .header("Authorization", self.authorization())
            .header("Accept", "application/json")
            .header("Content-Type", "application/x-www-form-urlencoded");
        let no_answer = |source| TokenError::NoAnswer {
            url: url(),
            source: Box::new(source),
        };
        let mut response = request.send(&body).map_err(no_answer)?;
        let status = response.status().as_u16();
        let text = response
            .body_mut()
            .with_config()
            .limit(TOKEN_BYTES_MAX)
            .read_to_string()
            .map_err(no_answer)?;
        let answer: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        if !(200..300).contains(&status) {
            let said = answer["error_description"].as_str();
            let said = said.or(answer["error"].as_str());
            let said = said.map(|it| format!(": {}", secrets.scrub(it)));
            return Err(TokenError::Refused {
                url: url(),
                status,
                error: said.unwrap_or_default(),
            });
        }
        let token = answer["access_token"].as_str();
        let token = token.or(answer["id_token"].as_str());
        let token = token.ok_or_else(|| TokenError::Other { url: url() })?;
        let lifetime = answer["expires_in"].as_u64().unwrap_or(0).min(86_400);
        Ok((checked(token, url)?, Duration::from_secs(lifetime)))
    }

    fn agent(&self) -> Agent {
        let trusted = self.trusted.iter();
        let trusted = trusted.map(|it| Certificate::from_der(it).to_owned());
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .root_certs(RootCerts::from(trusted))
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        Agent::config_builder()
            .tls_config(tls)
            .timeout_connect(Some(self.connect_timeout))
            .timeout_global(Some(self.connect_timeout + self.read_timeout))
            .max_redirects(0)
            .http_status_as_error(false)
            .build()
            .into()
    }

    /// RFC 6749, section 2.3.1. Kafka encodes the two only if it is told to.
    fn authorization(&self) -> String {
        let part = |text: &str| {
            if self.encodes_header {
                encoded(text)
            } else {
                text.to_owned()
            }
        };
        let both = format!("{}:{}", part(&self.client_id), part(&self.client_secret));
        format!("Basic {}", STANDARD.encode(both))
    }
}

/// As `java.net.URLEncoder` does it.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            byte if byte.is_ascii_alphanumeric() || b"-_.*".contains(&byte) => {
                out.push(char::from(byte));
            }
            b' ' => out.push('+'),
            byte => {
                const DIGITS: [char; 16] = [
                    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F',
                ];
                out.push('%');
                out.push(DIGITS[usize::from(byte >> 4)]);
                out.push(DIGITS[usize::from(byte & 15)]);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(encodes_header: bool) -> Endpoint {
        Endpoint {
            url: "http://127.0.0.1:1/token".to_owned(),
            client_id: "a b".to_owned(),
            client_secret: "c:d".to_owned(),
            scope: None,
            encodes_header,
            connect_timeout: Duration::from_secs(1),
            read_timeout: Duration::from_secs(1),
            trusted: Vec::new(),
        }
    }

    #[test]
    fn credentials_are_encoded_where_that_is_asked_for() {
        assert_eq!(endpoint(false).authorization(), "Basic YSBiOmM6ZA==");
        assert_eq!(endpoint(true).authorization(), "Basic YStiOmMlM0Fk");
        assert_eq!(encoded("\u{fc}~"), "%C3%BC%7E");
    }

    #[test]
    fn a_token_is_one_word() {
        let of = |token| checked(token, || "it".to_owned());
        assert_eq!(of("a.b-c_d~e+/=").unwrap(), "a.b-c_d~e+/=");
        for wrong in ["", "a b", "a\x01b", "a\nb", "\u{fc}"] {
            assert!(of(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_first_message_has_the_token_and_its_extensions() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "  e30.e30. \n").unwrap();
        let source = TokenSource::File(file.path().to_owned());
        let extensions = [("logicalCluster".to_owned(), "lkc-1".to_owned())].into();
        let bearer = OAuthBearer::new(source, extensions, Secrets::default());
        let first = bearer.initial_response().unwrap();
        assert_eq!(
            first,
            b"n,,\x01auth=Bearer e30.e30.\x01logicalCluster=lkc-1\x01\x01"
        );
    }
}
