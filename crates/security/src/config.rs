//! A client's configuration, in the keys of Kafka's Java clients, to what it asks for. Each
//! mistake is found here, with its line, before anything is connected to.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;
use secret::Secrets;

use self::settings::Settings;
use crate::authority::{Authority, AuthorityError};
use crate::error::ConfigError;
use crate::overrides::AddressOverrides;
use crate::sasl::Sasl;

mod clients;
mod sasl;
mod settings;
mod tls;

/// `security.protocol`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// Neither TLS nor SASL.
    #[default]
    Plaintext,
    /// TLS.
    Ssl,
    /// SASL.
    SaslPlaintext,
    /// SASL within TLS.
    SaslSsl,
}

impl Protocol {
    pub(crate) const ALL: [Self; 4] = [
        Self::Plaintext,
        Self::Ssl,
        Self::SaslPlaintext,
        Self::SaslSsl,
    ];

    /// Kafka's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plaintext => "PLAINTEXT",
            Self::Ssl => "SSL",
            Self::SaslPlaintext => "SASL_PLAINTEXT",
            Self::SaslSsl => "SASL_SSL",
        }
    }

    /// Whether it has TLS.
    pub const fn has_tls(self) -> bool {
        matches!(self, Self::Ssl | Self::SaslSsl)
    }

    /// Whether it has SASL.
    pub const fn has_sasl(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }

    /// The protocol with these.
    pub const fn with(tls: bool, sasl: bool) -> Self {
        match (tls, sasl) {
            (false, false) => Self::Plaintext,
            (true, false) => Self::Ssl,
            (false, true) => Self::SaslPlaintext,
            (true, true) => Self::SaslSsl,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How to reach the brokers of a cluster. Copies share it; the default is PLAINTEXT, at the
/// addresses that brokers advertise.
#[derive(Clone, Default)]
pub struct ClientSecurity {
    secured: Option<Arc<Secured>>,
    overrides: AddressOverrides,
}

struct Secured {
    protocol: Protocol,
    tls: Option<Tls>,
    sasl: Option<Arc<Sasl>>,
    secrets: Secrets,
    /// The same in the keys of Java's clients.
    java: BTreeMap<String, String>,
}

struct Tls {
    config: Arc<ClientConfig>,
    of: tls::Tls,
}

/// Tells the protocol and the mechanism, and nothing of keys and credentials.
impl fmt::Debug for ClientSecurity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientSecurity")
            .field("protocol", &self.protocol())
            .field("sasl", &self.sasl())
            .field("overrides", &self.overrides)
            .finish_non_exhaustive()
    }
}

/// No configuration is longer.
const BYTES_MAX: u64 = 1024 * 1024;

impl ClientSecurity {
    /// What a `client.properties` asks for, with the stores that it names.
    ///
    /// # Errors
    /// [`ConfigError`], without any value of the file.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let bytes = settings::file(path, BYTES_MAX)?;
        Self::parse(path, &bytes)
    }

    /// The same of a file's bytes.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self, ConfigError> {
        let settings = Settings::parse(path, bytes)?;
        let protocol = settings.protocol()?;
        if let Some((key, needed)) = settings.first_without_effect(protocol) {
            return Err(settings.wrong(
                key,
                format!(
                    "`{key}` has no effect with security.protocol={protocol}; set \
                     security.protocol={needed}, or remove it"
                ),
            ));
        }
        if protocol == Protocol::Plaintext {
            return Ok(Self::default());
        }
        let mut secrets = settings.secrets();
        let tls = if protocol.has_tls() {
            Some(Tls::from(tls::tls(&settings)?))
        } else {
            None
        };
        let sasl = if protocol.has_sasl() {
            let (sasl, more) = sasl::sasl(&settings, &secrets)?;
            secrets = secrets.and(more);
            Some(Arc::new(sasl))
        } else {
            None
        };
        Ok(Self::of(Secured {
            protocol,
            tls,
            sasl,
            secrets,
            java: settings.of_security(),
        }))
    }

    /// How the same user reaches listeners that an authority of ours has given a
    /// certificate: its SASL stays, and its own certificate is left out.
    ///
    /// # Errors
    /// [`AuthorityError`].
    pub fn trusting(&self, authority: &Authority) -> Result<Self, AuthorityError> {
        let Some(secured) = self.secured.as_ref().filter(|it| it.tls.is_some()) else {
            return Ok(self.clone().with_overrides(AddressOverrides::default()));
        };
        let tls = tls::trusting(authority.certificate()).map_err(AuthorityError::Unusable)?;
        let mut java = secured.java.clone();
        java.retain(|key, _| !key.starts_with("ssl."));
        let trusts = [
            ("ssl.truststore.type", "PEM"),
            ("ssl.truststore.certificates", authority.pem()),
        ];
        java.extend(trusts.map(|(key, value)| (key.to_owned(), value.to_owned())));
        Ok(Self::of(Secured {
            protocol: secured.protocol,
            tls: Some(tls.into()),
            sasl: secured.sasl.clone(),
            secrets: secured.secrets.clone(),
            java,
        }))
    }

    fn of(secured: Secured) -> Self {
        Self {
            secured: Some(Arc::new(secured)),
            overrides: AddressOverrides::default(),
        }
    }

    /// The same at other addresses than those that brokers advertise.
    #[must_use]
    pub fn with_overrides(self, overrides: AddressOverrides) -> Self {
        Self { overrides, ..self }
    }

    /// Which addresses stand in place of which.
    pub fn overrides(&self) -> &AddressOverrides {
        &self.overrides
    }

    /// Its protocol.
    pub fn protocol(&self) -> Protocol {
        self.secured
            .as_ref()
            .map_or(Protocol::Plaintext, |it| it.protocol)
    }

    /// Its TLS, if it has any.
    pub fn tls(&self) -> Option<&Arc<ClientConfig>> {
        Some(&self.secured.as_ref()?.tls.as_ref()?.config)
    }

    /// Its SASL, if it has any.
    pub fn sasl(&self) -> Option<&Arc<Sasl>> {
        self.secured.as_ref()?.sasl.as_ref()
    }

    /// Whether it has a certificate of its own.
    pub fn has_certificate(&self) -> bool {
        self.tls_settings().is_some_and(|it| it.own.is_some())
    }

    /// Whether brokers have to have the host name that they are connected by.
    pub fn checks_host(&self) -> bool {
        self.tls_settings().is_none_or(|it| it.checks_host)
    }

    fn tls_settings(&self) -> Option<&tls::Tls> {
        Some(&self.secured.as_ref()?.tls.as_ref()?.of)
    }

    /// What must not be shown of it.
    pub fn secrets(&self) -> Secrets {
        self.secured
            .as_ref()
            .map_or_else(Secrets::default, |it| it.secrets.clone())
    }

    /// Another's text without its secrets.
    pub fn scrub(&self, text: &str) -> String {
        match &self.secured {
            Some(secured) => secured.secrets.scrub(&secret::redacted(text)).into_owned(),
            None => text.to_owned(),
        }
    }
}

impl From<tls::Tls> for Tls {
    fn from(of: tls::Tls) -> Self {
        Self {
            config: Arc::new(of.config.clone()),
            of,
        }
    }
}
