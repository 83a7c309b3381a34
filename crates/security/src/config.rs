//! A client's configuration, in the keys of Kafka's Java clients, to what it asks for. Each
//! mistake is found here, with its line, before anything is connected to.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;
use secret::Secrets;

use self::settings::Settings;
use crate::error::ConfigError;
use crate::sasl::Sasl;

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

/// How to reach the brokers of a cluster. Copies share it; the default is PLAINTEXT.
#[derive(Clone, Default)]
pub struct ClientSecurity(Option<Arc<Secured>>);

struct Secured {
    protocol: Protocol,
    tls: Option<Arc<ClientConfig>>,
    has_certificate: bool,
    checks_host: bool,
    sasl: Option<Arc<Sasl>>,
    secrets: Secrets,
}

/// Tells the protocol and the mechanism, and nothing of keys and credentials.
impl fmt::Debug for ClientSecurity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientSecurity")
            .field("protocol", &self.protocol())
            .field("sasl", &self.sasl())
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
            Some(tls::tls(&settings)?)
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
        Ok(Self(Some(Arc::new(Secured {
            protocol,
            has_certificate: tls.as_ref().is_some_and(|it| it.has_certificate),
            checks_host: tls.as_ref().is_none_or(|it| it.checks_host),
            tls: tls.map(|it| Arc::new(it.config)),
            sasl,
            secrets,
        }))))
    }

    /// Its protocol.
    pub fn protocol(&self) -> Protocol {
        self.0
            .as_ref()
            .map_or(Protocol::Plaintext, |it| it.protocol)
    }

    /// Its TLS, if it has any.
    pub fn tls(&self) -> Option<&Arc<ClientConfig>> {
        self.0.as_ref()?.tls.as_ref()
    }

    /// Its SASL, if it has any.
    pub fn sasl(&self) -> Option<&Arc<Sasl>> {
        self.0.as_ref()?.sasl.as_ref()
    }

    /// Whether it has a certificate of its own.
    pub fn has_certificate(&self) -> bool {
        self.0.as_ref().is_some_and(|it| it.has_certificate)
    }

    /// Whether brokers have to have the host name that they are connected by.
    pub fn checks_host(&self) -> bool {
        self.0.as_ref().is_none_or(|it| it.checks_host)
    }

    /// Another's text without its secrets.
    pub fn scrub(&self, text: &str) -> String {
        match &self.0 {
            Some(secured) => secured.secrets.scrub(&secret::redacted(text)).into_owned(),
            None => text.to_owned(),
        }
    }
}
