//! What a secured cluster of our own is made of: a certificate authority, certificates of
//! brokers and of a client, a user, the brokers' settings, and the client's configuration.
//! Only the brokers' CLIENT listener is secured: the others are on loopback, for the brokers
//! themselves and for us. Knows nothing of the brokers, nor of how a client uses it.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use secret::Secrets;

use crate::encoding::{java_properties, random_id};

/// The only user, and what its client certificate names.
pub const USER: &str = "client";

/// `security.protocol` of the CLIENT listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// TLS on both sides: clients have a certificate.
    Ssl,
    /// SASL: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512.
    SaslPlaintext,
    /// The same within TLS.
    SaslSsl,
}

impl Protocol {
    /// Kafka's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ssl => "SSL",
            Self::SaslPlaintext => "SASL_PLAINTEXT",
            Self::SaslSsl => "SASL_SSL",
        }
    }

    const fn has_tls(self) -> bool {
        !matches!(self, Self::SaslPlaintext)
    }

    const fn has_sasl(self) -> bool {
        !matches!(self, Self::Ssl)
    }
}

/// A brokers' certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerCertificate {
    /// Host names and addresses.
    pub hosts: Vec<String>,
    /// The last year in which it is valid.
    pub last_year: i32,
}

impl Default for BrokerCertificate {
    /// `localhost` and 127.0.0.1, for as long as anybody can want.
    fn default() -> Self {
        Self {
            hosts: ["localhost", "127.0.0.1"].map(str::to_owned).into(),
            last_year: 2999,
        }
    }
}

/// Why there is no such cluster.
#[derive(Debug, thiserror::Error)]
pub enum SecuredError {
    /// A file could not be written.
    #[error("cannot write {}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A certificate could not be made.
    #[error("cannot make a certificate")]
    Certificate(#[from] rcgen::Error),
}

/// A secured cluster, before it is started.
pub struct Secured {
    /// For the brokers, in Kafka's names.
    pub broker_config: BTreeMap<String, String>,
    /// What must not get into the brokers' logs.
    pub secrets: Secrets,
    /// The client's configuration, which only this user can read.
    pub client_properties: PathBuf,
    /// The password of [`USER`], by every mechanism.
    pub password: String,
    /// Whether there are users: brokers are told those of SCRAM when they run.
    pub has_users: bool,
    /// The authority's certificate, in PEM.
    pub authority: PathBuf,
}

impl Secured {
    /// Makes everything in `dir`, which is made for this user alone.
    ///
    /// # Errors
    /// [`SecuredError`].
    pub fn make(
        dir: &Path,
        protocol: Protocol,
        certificate: &BrokerCertificate,
    ) -> Result<Self, SecuredError> {
        let made = fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir);
        made.map_err(|source| SecuredError::Io {
            path: dir.to_owned(),
            source,
        })?;
        // Brokers run elsewhere, and clients anywhere.
        let dir = dir.canonicalize().map_err(|source| SecuredError::Io {
            path: dir.to_owned(),
            source,
        })?;
        let password = random_id();
        let mut config = BTreeMap::from([(
            "listener.security.protocol.map".to_owned(),
            format!(
                "CLIENT:{},DIRECT:PLAINTEXT,CONTROLLER:PLAINTEXT",
                protocol.name()
            ),
        )]);
        let mut client =
            BTreeMap::from([("security.protocol".to_owned(), protocol.name().to_owned())]);
        let authority = dir.join("ca.pem");
        if protocol.has_tls() {
            with_tls(&dir, protocol, certificate, &mut config, &mut client)?;
        }
        if protocol.has_sasl() {
            with_sasl(&password, &mut config, &mut client);
        }
        let client_properties = dir.join("client.properties");
        write(&client_properties, &java_properties(&client))?;
        Ok(Self {
            broker_config: config,
            secrets: Secrets::of([("password", password.as_str())]),
            client_properties,
            password,
            has_users: protocol.has_sasl(),
            authority,
        })
    }
}

/// The settings of the CLIENT listener, without its prefix.
fn set(config: &mut BTreeMap<String, String>, settings: &[(&str, &str)]) {
    let prefixed = settings
        .iter()
        .map(|(key, value)| (format!("listener.name.client.{key}"), (*value).to_owned()));
    config.extend(prefixed);
}

fn with_tls(
    dir: &Path,
    protocol: Protocol,
    certificate: &BrokerCertificate,
    config: &mut BTreeMap<String, String>,
    client: &mut BTreeMap<String, String>,
) -> Result<(), SecuredError> {
    let authority_key = KeyPair::generate()?;
    let mut authority = params("ackproof stack", &[])?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    let authority_pem = authority.self_signed(&authority_key)?.pem();
    let issuer = Issuer::new(authority, authority_key);
    let signed = |params: &CertificateParams| -> Result<String, SecuredError> {
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &issuer)?;
        Ok(format!("{}{}", key.serialize_pem(), certificate.pem()))
    };
    let mut broker = params("broker", &certificate.hosts)?;
    broker.not_after = date_time_ymd(certificate.last_year, 12, 31);
    broker.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let mut own = params(USER, &[])?;
    own.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];

    let place = |name: &str| dir.join(name);
    let shown = |name: &str| place(name).display().to_string();
    write(&place("ca.pem"), &authority_pem)?;
    write(&place("broker.pem"), &signed(&broker)?)?;
    let (keys, trust) = (shown("broker.pem"), shown("ca.pem"));
    set(
        config,
        &[
            ("ssl.keystore.type", "PEM"),
            ("ssl.keystore.location", &keys),
            ("ssl.truststore.type", "PEM"),
            ("ssl.truststore.location", &trust),
        ],
    );
    let mut told = |key: &str, value: String| client.insert(key.to_owned(), value);
    told("ssl.truststore.type", "PEM".to_owned());
    told("ssl.truststore.location", trust);
    if protocol == Protocol::Ssl {
        write(&place("client.pem"), &signed(&own)?)?;
        told("ssl.keystore.type", "PEM".to_owned());
        told("ssl.keystore.location", shown("client.pem"));
        set(config, &[("ssl.client.auth", "required")]);
    }
    Ok(())
}

fn params(name: &str, hosts: &[String]) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(hosts)?;
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(params)
}

fn with_sasl(
    password: &str,
    config: &mut BTreeMap<String, String>,
    client: &mut BTreeMap<String, String>,
) {
    let plain = "org.apache.kafka.common.security.plain.PlainLoginModule required";
    let scram = "org.apache.kafka.common.security.scram.ScramLoginModule required";
    let users = format!("{plain} user_{USER}=\"{password}\";");
    let no_user = format!("{scram};");
    set(
        config,
        &[
            (
                "sasl.enabled.mechanisms",
                "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
            ),
            ("plain.sasl.jaas.config", &users),
            ("scram-sha-256.sasl.jaas.config", &no_user),
            ("scram-sha-512.sasl.jaas.config", &no_user),
        ],
    );
    let told = [
        ("sasl.mechanism", "SCRAM-SHA-512".to_owned()),
        (
            "sasl.jaas.config",
            format!("{scram} username=\"{USER}\" password=\"{password}\";"),
        ),
    ];
    client.extend(told.map(|(key, value)| (key.to_owned(), value)));
}

/// Writes a file that only this user can read.
fn write(path: &Path, text: &str) -> Result<(), SecuredError> {
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|source| SecuredError::Io {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn made(protocol: Protocol) -> (tempfile::TempDir, Secured, String) {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("security");
        let secured = Secured::make(&place, protocol, &BrokerCertificate::default()).unwrap();
        let client = fs::read_to_string(&secured.client_properties).unwrap();
        (dir, secured, client)
    }

    #[test]
    fn only_this_user_can_read_what_is_made() {
        let (dir, ..) = made(Protocol::Ssl);
        let place = dir.path().join("security");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&place), 0o700);
        let mut names: Vec<_> = fs::read_dir(&place)
            .unwrap()
            .map(|it| it.unwrap())
            .inspect(|it| assert_eq!(mode(&it.path()), 0o600, "{it:?}"))
            .map(|it| it.file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(
            names,
            ["broker.pem", "ca.pem", "client.pem", "client.properties"]
        );
    }

    #[test]
    fn each_protocol_has_what_it_needs_and_no_more() {
        for (protocol, tls, sasl) in [
            (Protocol::Ssl, true, false),
            (Protocol::SaslPlaintext, false, true),
            (Protocol::SaslSsl, true, true),
        ] {
            let (_dir, secured, client) = made(protocol);
            assert_eq!(client.contains("ssl.truststore.location"), tls, "{client}");
            assert_eq!(client.contains("sasl.jaas.config"), sasl, "{client}");
            assert_eq!(secured.has_users, sasl);
            let of_broker = |key: &str| secured.broker_config.contains_key(key);
            assert_eq!(of_broker("listener.name.client.ssl.keystore.location"), tls);
            assert_eq!(
                of_broker("listener.name.client.plain.sasl.jaas.config"),
                sasl
            );
            let map = &secured.broker_config["listener.security.protocol.map"];
            assert!(
                map.starts_with(&format!("CLIENT:{},", protocol.name())),
                "{map}"
            );
        }
    }
}
