//! TLS as a Kafka client of Java has it: its trust, its own certificate, host names, and why
//! a connection could not be made. Knows nothing of files and of connections.

use std::io;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore,
    SignatureScheme, SupportedProtocolVersion,
};

use crate::stores::KeyPair;

/// What a configuration asks of TLS.
pub(crate) struct TlsSettings {
    /// None for the authorities that this machine trusts.
    pub(crate) trusted: Option<Vec<CertificateDer<'static>>>,
    pub(crate) own: Option<KeyPair>,
    pub(crate) checks_host: bool,
    /// Empty for all; in Kafka's names (`TLSv1.3`).
    pub(crate) versions: Vec<String>,
    /// Empty for all; in Java's names (`TLS_AES_256_GCM_SHA384`).
    pub(crate) suites: Vec<String>,
}

/// Why there is no such TLS, and which key is to blame.
pub(crate) struct TlsRefusal {
    pub(crate) key: &'static str,
    pub(crate) problem: String,
}

fn refusal(key: &'static str, problem: impl Into<String>) -> TlsRefusal {
    TlsRefusal {
        key,
        problem: problem.into(),
    }
}

pub(crate) fn client_config(settings: TlsSettings) -> Result<ClientConfig, TlsRefusal> {
    let provider = Arc::new(provider(&settings.suites)?);
    let versions = versions(&settings.versions)?;
    let trusts = |problem: String| refusal("ssl.truststore.location", problem);
    let mut roots = RootCertStore::empty();
    let mut exact = Vec::new();
    if let Some(trusted) = settings.trusted {
        for certificate in trusted {
            // One that cannot issue others can still be the broker's own.
            let _ = roots.add(certificate.clone());
            exact.push(certificate);
        }
    } else {
        roots.add_parsable_certificates(of_this_machine());
        if roots.is_empty() {
            return Err(trusts(
                "no certificate authority is trusted on this machine; set it".to_owned(),
            ));
        }
    }
    let inner = if roots.is_empty() {
        None
    } else {
        let builder =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        Some(builder.build().map_err(|error| trusts(error.to_string()))?)
    };
    let verifier = Verifier {
        inner,
        exact,
        checks_host: settings.checks_host,
        provider: Arc::clone(&provider),
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions)
        .map_err(|_| {
            refusal(
                "ssl.cipher.suites",
                "none is of the enabled versions of TLS",
            )
        })?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    match settings.own {
        None => Ok(builder.with_no_client_auth()),
        Some(own) => builder
            .with_client_auth_cert(own.chain, own.key)
            .map_err(|error| refusal("ssl.keystore.location", own_problem(&error))),
    }
}

fn own_problem(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InconsistentKeys(_) => {
            "the private key is not that of the certificate".to_owned()
        }
        rustls::Error::General(_) => {
            "the private key is of a kind that is not supported: RSA, EC (P-256, P-384) and \
             Ed25519 are"
                .to_owned()
        }
        error => error.to_string(),
    }
}

/// The authorities that this machine trusts, as OpenSSL finds them: Java has a list of its
/// own, which is not to be found without a Java.
pub(crate) fn of_this_machine() -> Vec<CertificateDer<'static>> {
    rustls_native_certs::load_native_certs().certs
}

fn versions(names: &[String]) -> Result<Vec<&'static SupportedProtocolVersion>, TlsRefusal> {
    let all = [
        ("TLSv1.3", &rustls::version::TLS13),
        ("TLSv1.2", &rustls::version::TLS12),
    ];
    let wanted = all
        .into_iter()
        .filter(|(name, _)| names.is_empty() || names.iter().any(|it| it == name));
    let wanted: Vec<_> = wanted.map(|(_, version)| version).collect();
    if wanted.is_empty() {
        return Err(refusal(
            "ssl.enabled.protocols",
            "none of these is supported: TLSv1.3 and TLSv1.2 are",
        ));
    }
    Ok(wanted)
}

fn provider(names: &[String]) -> Result<CryptoProvider, TlsRefusal> {
    let mut provider = ring::default_provider();
    if names.is_empty() {
        return Ok(provider);
    }
    // rustls names those of TLS 1.3 otherwise.
    let name = |suite: &rustls::SupportedCipherSuite| {
        format!("{:?}", suite.suite()).replacen("TLS13_", "TLS_", 1)
    };
    provider
        .cipher_suites
        .retain(|suite| names.contains(&name(suite)));
    if provider.cipher_suites.is_empty() {
        let all = ring::default_provider().cipher_suites;
        let all: Vec<_> = all.iter().map(name).collect();
        let problem = format!("none of these is supported: {} are", all.join(", "));
        return Err(refusal("ssl.cipher.suites", problem));
    }
    Ok(provider)
}

/// Java's rules: a certificate that is itself in the trust store is trusted whoever issued
/// it and until when (`PKIXValidator`), any other by its chain; the host name is checked
/// unless `ssl.endpoint.identification.algorithm` is empty.
#[derive(Debug)]
struct Verifier {
    /// None where no trusted certificate can issue others.
    inner: Option<Arc<WebPkiServerVerifier>>,
    exact: Vec<CertificateDer<'static>>,
    checks_host: bool,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.exact.iter().any(|it| it == end_entity) {
            if self.checks_host {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
            }
            return Ok(ServerCertVerified::assertion());
        }
        let Some(inner) = &self.inner else {
            return Err(CertificateError::UnknownIssuer.into());
        };
        let verified =
            inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verified {
            // It is the last check: the chain is trusted.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.checks_host => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}

/// Why a TLS connection was not made, or was ended by the other side.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsProblem {
    /// No trusted authority issued the broker's certificate.
    #[error(
        "the broker's certificate was issued by no authority that is trusted; check \
         ssl.truststore.location (without it, those that this machine trusts are)"
    )]
    UnknownIssuer,
    /// The broker's certificate is too old.
    #[error("the broker's certificate has expired{}; it needs a new one", until(.0.as_ref()))]
    Expired(Option<String>),
    /// The broker's certificate is too new, or a clock is wrong.
    #[error("the broker's certificate is not valid yet{}; check the clocks", from(.0.as_ref()))]
    NotYetValid(Option<String>),
    /// The broker's certificate names other hosts.
    #[error(
        "the broker's certificate is not for this host name{}; give an address that it names, or \
         a certificate with this one as subject alternative name",
        named(.0)
    )]
    OtherHost(Vec<String>),
    /// The broker's certificate cannot be used otherwise.
    #[error("the broker's certificate cannot be used: {0}")]
    Certificate(String),
    /// The broker asks for a client certificate, and there is none.
    #[error(
        "the broker asks for a client certificate (ssl.client.auth=required); set \
         ssl.keystore.location"
    )]
    NoClientCertificate,
    /// The broker does not accept the client's certificate.
    #[error(
        "the broker does not accept the client certificate of ssl.keystore.location ({0}); it has \
         to be issued by an authority in the broker's trust store"
    )]
    ClientCertificate(String),
    /// No version or cipher suite is common to both.
    #[error("the broker and this client have no version or cipher suite of TLS in common ({0})")]
    NothingInCommon(String),
    /// The other side does not speak TLS, or broke its rules.
    #[error("the handshake failed: {0}")]
    Other(String),
}

fn until(date: Option<&String>) -> String {
    date.map_or_else(String::new, |it| format!(" (it was valid until {it})"))
}

fn from(date: Option<&String>) -> String {
    date.map_or_else(String::new, |it| format!(" (it is valid from {it} on)"))
}

fn named(names: &[String]) -> String {
    if names.is_empty() {
        return String::new();
    }
    // They come as `DnsName("kafka-1")`.
    let names: Vec<_> = names
        .iter()
        .map(|it| it.split('"').nth(1).unwrap_or(it))
        .collect();
    format!(", but for {}", names.join(", "))
}

impl TlsProblem {
    /// The problem behind an error of a TLS stream, if it is one of TLS. `has_own`: whether
    /// the client has a certificate.
    pub fn of(error: &io::Error, has_own: bool) -> Option<Self> {
        let inner: &rustls::Error = error.get_ref()?.downcast_ref()?;
        Some(Self::of_rustls(inner, has_own))
    }

    fn of_rustls(error: &rustls::Error, has_own: bool) -> Self {
        match error {
            rustls::Error::InvalidCertificate(problem) => Self::of_certificate(problem),
            rustls::Error::AlertReceived(alert) => Self::of_alert(*alert, has_own),
            rustls::Error::PeerIncompatible(problem) => {
                Self::NothingInCommon(format!("{problem:?}"))
            }
            error => Self::Other(error.to_string()),
        }
    }

    fn of_certificate(problem: &CertificateError) -> Self {
        match problem {
            // A signature that is wrong is that of another authority of the same name.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Self::UnknownIssuer,
            CertificateError::Expired => Self::Expired(None),
            CertificateError::ExpiredContext { not_after, .. } => {
                Self::Expired(Some(date(*not_after)))
            }
            CertificateError::NotValidYet => Self::NotYetValid(None),
            CertificateError::NotValidYetContext { not_before, .. } => {
                Self::NotYetValid(Some(date(*not_before)))
            }
            CertificateError::NotValidForName => Self::OtherHost(Vec::new()),
            CertificateError::NotValidForNameContext { presented, .. } => {
                Self::OtherHost(presented.clone())
            }
            problem => Self::Certificate(rustls::Error::from(problem.clone()).to_string()),
        }
    }

    fn of_alert(alert: AlertDescription, has_own: bool) -> Self {
        use AlertDescription as Alert;
        match alert {
            // Java's brokers say BadCertificate where there is none.
            Alert::CertificateRequired | Alert::NoCertificate => Self::NoClientCertificate,
            Alert::BadCertificate if !has_own => Self::NoClientCertificate,
            Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
                if has_own =>
            {
                Self::ClientCertificate(format!("{alert:?}"))
            }
            Alert::ProtocolVersion | Alert::InsufficientSecurity | Alert::HandshakeFailure => {
                Self::NothingInCommon(format!("{alert:?}"))
            }
            alert => Self::Other(format!("the broker ended it with the alert {alert:?}")),
        }
    }
}

/// `2026-11-30`, by the proleptic Gregorian calendar
/// (<https://howardhinnant.github.io/date_algorithms.html#civil_from_days>).
fn date(time: UnixTime) -> String {
    let days = time.as_secs() / 86_400 + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let of = |seconds| date(UnixTime::since_unix_epoch(Duration::from_secs(seconds)));
        assert_eq!(of(0), "1970-01-01");
        assert_eq!(of(951_782_400), "2000-02-29");
        assert_eq!(of(951_868_800), "2000-03-01");
        assert_eq!(of(1_764_460_800), "2025-11-30");
    }

    #[test]
    fn versions_and_suites_have_java_s_names() {
        let names = |of: &[&str]| -> Vec<String> { of.iter().map(|it| (*it).to_owned()).collect() };
        assert_eq!(versions(&[]).ok().unwrap().len(), 2);
        let some = versions(&names(&["TLSv1.1", "TLSv1.2"]));
        assert_eq!(some.ok().unwrap().len(), 1);
        assert_eq!(
            versions(&names(&["TLSv1"])).err().unwrap().key,
            "ssl.enabled.protocols"
        );
        let suites = [
            "TLS_AES_256_GCM_SHA384",
            "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        ];
        assert_eq!(
            provider(&names(&suites)).ok().unwrap().cipher_suites.len(),
            2
        );
        let refused = provider(&names(&["TLS_RSA_WITH_AES_128_CBC_SHA"]))
            .err()
            .unwrap();
        assert!(
            refused.problem.contains("TLS_AES_128_GCM_SHA256"),
            "{}",
            refused.problem
        );
    }

    #[test]
    fn an_alert_is_about_the_certificate_that_there_is() {
        use AlertDescription as Alert;
        let of = TlsProblem::of_alert;
        assert_eq!(
            of(Alert::BadCertificate, false),
            TlsProblem::NoClientCertificate
        );
        assert_eq!(
            of(Alert::CertificateRequired, true),
            TlsProblem::NoClientCertificate
        );
        let unknown = TlsProblem::ClientCertificate("CertificateUnknown".to_owned());
        assert_eq!(of(Alert::CertificateUnknown, true), unknown);
        assert!(matches!(
            of(Alert::CertificateUnknown, false),
            TlsProblem::Other(_)
        ));
    }
}
