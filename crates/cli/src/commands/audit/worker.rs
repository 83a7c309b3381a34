//! The connectors of a running Connect worker, by its REST interface: one request that
//! changes nothing, over TLS where the address says so, in bounded time.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use audit::component::Component;
use audit::read::{InputFile, read};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ureq::http::Uri;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use super::live::live;
use crate::failure::Failure;

/// A worker that does not answer for so long is not there.
const ANSWER_BOUND: Duration = Duration::from_secs(10);
/// The configurations of all connectors of a worker are not larger.
const ANSWER_MAX: u64 = 32 << 20;

const HINT: &str =
    "--connect takes the address of a worker's REST interface, such as http://connect:8083";
const CERTIFICATE_HINT: &str = "--connect-ca FILE names the CA that signed the worker's \
     certificate, and the address has to be one of the certificate's names";
const AUTH_HINT: &str = "--connect-auth FILE has USER:PASSWORD for a worker that asks for it";

/// A worker that cannot be asked as it was said.
#[derive(Debug, thiserror::Error)]
enum WorkerArgumentError {
    #[error("{url} is not the address of a REST interface")]
    NotAnAddress { url: String },
    #[error("{url} holds a password, which others on this machine can see")]
    Password { url: String },
    #[error("{url} is not encrypted: the password would be readable on the network")]
    NotEncrypted { url: String },
    #[error("cannot read {}", path.display())]
    NotReadable { path: PathBuf, source: io::Error },
    #[error("{} holds no certificate in PEM form", path.display())]
    NoCertificate { path: PathBuf },
    #[error("{} does not hold USER:PASSWORD in its first line", path.display())]
    NoPassword { path: PathBuf },
}

/// A worker that cannot be read.
#[derive(Debug, thiserror::Error)]
enum WorkerError {
    #[error("{url} was not answered")]
    NoAnswer {
        url: String,
        source: Box<ureq::Error>,
    },
    #[error("{url} was answered with status {status}")]
    Refused { url: String, status: u16 },
    #[error("{url} is not Kafka Connect's REST interface")]
    Other { url: String },
    #[error("this machine trusts no CA")]
    NoRoots,
    #[error("asking {url} was given up")]
    GivenUp { url: String },
}

/// The connectors of a worker. `ca` is a PEM file with the CAs to trust instead of the
/// machine's, `auth` a file with the user and the password.
pub(super) async fn connectors(
    url: &str,
    ca: Option<&Path>,
    auth: Option<&Path>,
) -> Result<Vec<Component>, Failure> {
    let base = url.trim_end_matches('/');
    let shown = secret::redacted(base).into_owned();
    let scheme = scheme(base, &shown, auth.is_some())
        .map_err(|error| Failure::usage(&error).hint(hint_of_argument(&error)))?;
    let header = auth.map(authorization).transpose();
    let header = header.map_err(|error| Failure::usage(&error).hint(AUTH_HINT))?;
    let roots = match (scheme, ca) {
        (_, Some(path)) => Some(roots_in(path).map_err(|error| Failure::usage(&error))?),
        (Scheme::Tls, None) => Some(roots_of_machine()?),
        (Scheme::Plain, None) => None,
    };
    let asked = format!("{base}/connectors?expand=info");
    let answered = tokio::task::spawn_blocking(move || ask(&asked, header.as_deref(), roots)).await;
    let given_up = |_| Failure::environment(&WorkerError::GivenUp { url: shown.clone() });
    let (status, text) = answered.map_err(given_up)?.map_err(|error| {
        let hint = hint_of(&error);
        let url = shown.clone();
        let source = Box::new(error);
        Failure::environment(&WorkerError::NoAnswer { url, source }).hint(hint)
    })?;
    if status != 200 {
        let hint = if matches!(status, 401 | 403) {
            AUTH_HINT
        } else {
            HINT
        };
        let url = shown.clone();
        return Err(Failure::environment(&WorkerError::Refused { url, status }).hint(hint));
    }
    components(text, &shown)
}

/// The answer as components. One without connectors is an empty object.
fn components(text: String, shown: &str) -> Result<Vec<Component>, Failure> {
    if text.trim() == "{}" {
        return Ok(Vec::new());
    }
    let input = InputFile {
        path: "connectors.json".to_owned(),
        text,
    };
    let mut found = read(&input, None).map_err(|_| {
        let url = shown.to_owned();
        Failure::environment(&WorkerError::Other { url }).hint(HINT)
    })?;
    for component in &mut found.components {
        shown.clone_into(&mut component.file);
        for setting in &mut component.settings {
            setting.path.clone_from(&setting.key);
            setting.origin = live(shown, false);
        }
    }
    Ok(found.components)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Plain,
    Tls,
}

/// Whether an address is one that can be asked, and how. A password never stands in it, and
/// goes unencrypted to this machine only.
fn scheme(url: &str, shown: &str, has_password: bool) -> Result<Scheme, WorkerArgumentError> {
    let of = |url: &str| url.to_owned();
    let parsed: Option<Uri> = url.parse().ok();
    let not_an_address = || WorkerArgumentError::NotAnAddress { url: of(shown) };
    let parsed = parsed.ok_or_else(not_an_address)?;
    let host = parsed.host().ok_or_else(not_an_address)?;
    if parsed
        .authority()
        .is_some_and(|it| it.as_str().contains('@'))
    {
        return Err(WorkerArgumentError::Password { url: of(shown) });
    }
    match parsed.scheme_str() {
        Some("https") => Ok(Scheme::Tls),
        Some("http") if has_password && !is_this_machine(host) => {
            Err(WorkerArgumentError::NotEncrypted { url: of(shown) })
        }
        Some("http") => Ok(Scheme::Plain),
        _ => Err(not_an_address()),
    }
}

fn is_this_machine(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let address: Option<IpAddr> = bare.parse().ok();
    host == "localhost" || address.is_some_and(|it| it.is_loopback())
}

const fn hint_of_argument(of: &WorkerArgumentError) -> &'static str {
    match of {
        WorkerArgumentError::Password { .. } => AUTH_HINT,
        WorkerArgumentError::NotEncrypted { .. } => "name the worker's https:// address",
        _ => HINT,
    }
}

/// The header of basic authentication (RFC 7617) out of a file.
fn authorization(path: &Path) -> Result<String, WorkerArgumentError> {
    let text = fs::read_to_string(path).map_err(|source| WorkerArgumentError::NotReadable {
        path: path.to_owned(),
        source,
    })?;
    let line = text.lines().next().unwrap_or_default();
    if !line.contains(':') || line.starts_with(':') || line.chars().any(char::is_control) {
        let path = path.to_owned();
        return Err(WorkerArgumentError::NoPassword { path });
    }
    Ok(format!("Basic {}", STANDARD.encode(line)))
}

fn roots_in(path: &Path) -> Result<RootCerts, WorkerArgumentError> {
    let pem = fs::read(path).map_err(|source| WorkerArgumentError::NotReadable {
        path: path.to_owned(),
        source,
    })?;
    let items = parse_pem(&pem).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    let certificates: Vec<Certificate<'static>> = items.collect();
    if certificates.is_empty() {
        let path = path.to_owned();
        return Err(WorkerArgumentError::NoCertificate { path });
    }
    Ok(RootCerts::from(certificates))
}

/// What the machine trusts (`SSL_CERT_FILE`, `SSL_CERT_DIR`, or the system's store).
fn roots_of_machine() -> Result<RootCerts, Failure> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        return Err(Failure::environment(&WorkerError::NoRoots).hint(CERTIFICATE_HINT));
    }
    let certificates = found.certs.iter();
    let certificates = certificates.map(|it| Certificate::from_der(it.as_ref()).to_owned());
    Ok(RootCerts::from(certificates.collect::<Vec<_>>()))
}

/// The status and the body of an answer. No redirection is followed: it could lead the
/// password elsewhere.
fn ask(
    url: &str,
    authorization: Option<&str>,
    roots: Option<RootCerts>,
) -> Result<(u16, String), ureq::Error> {
    let mut config = ureq::Agent::config_builder()
        .timeout_global(Some(ANSWER_BOUND))
        .max_redirects(0)
        .http_status_as_error(false);
    if let Some(roots) = roots {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = TlsConfig::builder()
            .root_certs(roots)
            .unversioned_rustls_crypto_provider(provider)
            .build();
        config = config.tls_config(tls);
    }
    let agent: ureq::Agent = config.build().into();
    let mut request = agent.get(url);
    if let Some(value) = authorization {
        request = request.header("Authorization", value);
    }
    let mut answer = request.call()?;
    let status = answer.status().as_u16();
    let body = answer.body_mut().with_config().limit(ANSWER_MAX);
    Ok((status, body.read_to_string()?))
}

fn hint_of(error: &ureq::Error) -> &'static str {
    let of_certificate = |it: &rustls::Error| matches!(it, rustls::Error::InvalidCertificate(_));
    let is_of_certificate = match error {
        ureq::Error::Rustls(error) => of_certificate(error),
        ureq::Error::Io(error) => error
            .get_ref()
            .and_then(|it| it.downcast_ref::<rustls::Error>())
            .is_some_and(of_certificate),
        _ => false,
    };
    if is_of_certificate {
        CERTIFICATE_HINT
    } else {
        HINT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_goes_unencrypted_to_this_machine_only() {
        let of = |url: &str, has_password| scheme(url, "shown", has_password);
        for url in [
            "http://localhost:8083",
            "http://127.0.0.1:8083",
            "http://[::1]:8083",
        ] {
            assert!(matches!(of(url, true), Ok(Scheme::Plain)), "{url}");
        }
        assert!(matches!(of("https://connect:8443", true), Ok(Scheme::Tls)));
        assert!(matches!(
            of("http://connect:8083", false),
            Ok(Scheme::Plain)
        ));
        assert!(matches!(
            of("http://connect:8083", true),
            Err(WorkerArgumentError::NotEncrypted { .. })
        ));
        for url in ["connect:8083", "ftp://connect", "", "http://"] {
            assert!(
                matches!(
                    of(url, false),
                    Err(WorkerArgumentError::NotAnAddress { .. })
                ),
                "{url}"
            );
        }
        assert!(matches!(
            of("https://me:pw@connect:8443", false),
            Err(WorkerArgumentError::Password { .. })
        ));
    }
}
