//! A certificate authority that issues one certificate and forgets its key: what a proxy
//! ends its clients' TLS with, and what these trust. Knows nothing of the proxy, and writes
//! no file.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};

/// Why there is no such authority.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorityError {
    /// A certificate could not be made.
    #[error("cannot make a certificate")]
    Certificate(#[from] rcgen::Error),
    /// The certificate that was made cannot be used.
    #[error("cannot use the certificate that was made: {0}")]
    Unusable(String),
}

/// An authority, and how a server with its only certificate speaks TLS.
#[derive(Clone)]
pub struct Authority {
    certificate: CertificateDer<'static>,
    pem: String,
    server: Arc<ServerConfig>,
}

/// Tells nothing of keys.
impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

impl Authority {
    /// Makes one, with a certificate for these host names and addresses.
    ///
    /// # Errors
    /// [`AuthorityError`].
    pub fn for_hosts(hosts: &[String]) -> Result<Self, AuthorityError> {
        let key = KeyPair::generate()?;
        let mut authority = params("ackproof", &[])?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        let certificate = authority.self_signed(&key)?;
        let issuer = Issuer::new(authority, key);
        let own_key = KeyPair::generate()?;
        let mut own = params("ackproof proxy", hosts)?;
        own.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let own = own.signed_by(&own_key, &issuer)?;
        let unusable = |error: rustls::Error| AuthorityError::Unusable(error.to_string());
        let server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_no_client_auth()
            .with_single_cert(
                vec![own.der().clone()],
                PrivatePkcs8KeyDer::from(own_key.serialize_der()).into(),
            )
            .map_err(unusable)?;
        Ok(Self {
            pem: certificate.pem(),
            certificate: certificate.der().clone(),
            server: Arc::new(server),
        })
    }

    /// Its own certificate, in PEM: what clients are to trust.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The side of the server.
    pub fn server(&self) -> &Arc<ServerConfig> {
        &self.server
    }

    pub(crate) fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }
}

fn params(name: &str, hosts: &[String]) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(hosts)?;
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(params)
}
