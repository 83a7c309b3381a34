//! The keys `ssl.*`.

use std::path::Path;

use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;

use super::settings::{Settings, file};
use crate::error::ConfigError;
use crate::stores::{self, Format, KeyPair};
use crate::tls::{TlsSettings, client_config};

/// No store is longer.
const STORE_BYTES_MAX: u64 = 16 * 1024 * 1024;

pub(super) struct Tls {
    pub(super) config: ClientConfig,
    /// None for the authorities that this machine trusts.
    pub(super) trusted: Option<Vec<CertificateDer<'static>>>,
    pub(super) own: Option<KeyPair>,
    pub(super) checks_host: bool,
}

pub(super) fn tls(settings: &Settings) -> Result<Tls, ConfigError> {
    let checks_host = checks_host(settings)?;
    let (trusted, own) = (trusted(settings)?, own(settings)?);
    let config = client_config(TlsSettings {
        trusted: trusted.clone(),
        own: own.as_ref().map(KeyPair::copy),
        checks_host,
        versions: settings.list("ssl.enabled.protocols"),
        suites: settings.list("ssl.cipher.suites"),
    });
    let config = config.map_err(|refusal| {
        let key = refusal.key;
        settings.wrong(key, format!("`{key}`: {}", refusal.problem))
    })?;
    Ok(Tls {
        config,
        trusted,
        own,
        checks_host,
    })
}

/// TLS that trusts one authority, without a certificate of its own.
pub(super) fn trusting(authority: &CertificateDer<'static>) -> Result<Tls, String> {
    let trusted = Some(vec![authority.clone()]);
    let config = client_config(TlsSettings {
        trusted: trusted.clone(),
        own: None,
        checks_host: true,
        versions: Vec::new(),
        suites: Vec::new(),
    });
    Ok(Tls {
        config: config.map_err(|refusal| refusal.problem)?,
        trusted,
        own: None,
        checks_host: true,
    })
}

fn checks_host(settings: &Settings) -> Result<bool, ConfigError> {
    let key = "ssl.endpoint.identification.algorithm";
    match settings.get(key) {
        None => Ok(!settings.is_empty(key)),
        Some(name) if name.eq_ignore_ascii_case("https") => Ok(true),
        Some(_) => Err(settings.wrong(
            key,
            format!("`{key}` is `https`, or empty for host names that are not checked"),
        )),
    }
}

fn trusted(settings: &Settings) -> Result<Option<Vec<CertificateDer<'static>>>, ConfigError> {
    let location = "ssl.truststore.location";
    let inline = "ssl.truststore.certificates";
    let password = settings.get("ssl.truststore.password");
    let format = format(settings, "ssl.truststore.type")?;
    let store = match (settings.get(location), settings.get(inline)) {
        (Some(_), Some(_)) => return Err(both(settings, location, inline)),
        (None, None) if password.is_some() => {
            return Err(alone(settings, "ssl.truststore.password", location));
        }
        (None, None) => return Ok(None),
        (None, Some(text)) => Store {
            key: inline,
            bytes: text.as_bytes().to_vec(),
        },
        (Some(path), None) => Store::at(settings, location, path)?,
    };
    check_pem(
        settings,
        format,
        &store,
        "ssl.truststore.type",
        "ssl.truststore.password",
    )?;
    let trusted = stores::trusted(format, &store.bytes, password);
    trusted
        .map(Some)
        .map_err(|problem| store.wrong(settings, &problem))
}

fn own(settings: &Settings) -> Result<Option<KeyPair>, ConfigError> {
    let location = "ssl.keystore.location";
    let (chain, key) = ("ssl.keystore.certificate.chain", "ssl.keystore.key");
    let password = settings.get("ssl.keystore.password");
    let key_password = settings.get("ssl.key.password");
    let format = format(settings, "ssl.keystore.type")?;
    let inline = (settings.get(chain), settings.get(key));
    let store = match (settings.get(location), inline) {
        (Some(_), (Some(_), _)) => return Err(both(settings, location, chain)),
        (Some(_), (_, Some(_))) => return Err(both(settings, location, key)),
        (None, (Some(_), None)) => return Err(alone(settings, chain, key)),
        (None, (None, Some(_))) => return Err(alone(settings, key, chain)),
        (Some(path), (None, None)) => Store::at(settings, location, path)?,
        (None, (Some(chain_text), Some(key_text))) => {
            let store = Store {
                key,
                bytes: Vec::new(),
            };
            check_pem(
                settings,
                format,
                &store,
                "ssl.keystore.type",
                "ssl.keystore.password",
            )?;
            let pair = stores::pem_key_pair(chain_text, key_text, key_password);
            return pair
                .map(Some)
                .map_err(|problem| store.wrong(settings, &problem));
        }
        (None, (None, None)) => {
            let passwords = ["ssl.keystore.password", "ssl.key.password"];
            return match passwords.into_iter().find(|it| settings.get(it).is_some()) {
                Some(given) => Err(alone(settings, given, location)),
                None => Ok(None),
            };
        }
    };
    check_pem(
        settings,
        format,
        &store,
        "ssl.keystore.type",
        "ssl.keystore.password",
    )?;
    let pair = stores::key_pair(format, &store.bytes, password, key_password);
    pair.map(Some)
        .map_err(|problem| store.wrong(settings, &problem))
}

/// A store's bytes, and the key that they are from.
struct Store {
    key: &'static str,
    bytes: Vec<u8>,
}

impl Store {
    fn at(settings: &Settings, key: &'static str, path: &str) -> Result<Self, ConfigError> {
        let bytes = file(Path::new(path), STORE_BYTES_MAX).map_err(|error| {
            let reason = match &error {
                ConfigError::NotReadable { source, .. } => format!("{error}: {source}"),
                error => error.to_string(),
            };
            settings.wrong(key, format!("`{key}`: {reason}"))
        })?;
        Ok(Self { key, bytes })
    }

    fn wrong(&self, settings: &Settings, problem: &str) -> ConfigError {
        settings.wrong(self.key, format!("`{}`: {problem}", self.key))
    }
}

fn format(settings: &Settings, key: &str) -> Result<Format, ConfigError> {
    match settings.get(key).map(str::to_ascii_uppercase).as_deref() {
        Some("PEM") => Ok(Format::Pem),
        // Java's own default.
        None | Some("JKS" | "PKCS12") => Ok(Format::Binary),
        Some(_) => Err(settings.wrong(key, format!("`{key}` is PEM, PKCS12 or JKS"))),
    }
}

/// Kafka's rules for PEM: text in the configuration is of that type, and a store of it has
/// no password of its own.
fn check_pem(
    settings: &Settings,
    format: Format,
    store: &Store,
    of_type: &str,
    password: &str,
) -> Result<(), ConfigError> {
    let is_inline = !store.key.ends_with(".location");
    if is_inline && format != Format::Pem {
        let problem = format!("`{}` takes PEM; set {of_type}=PEM", store.key);
        return Err(settings.wrong(store.key, problem));
    }
    if format == Format::Pem && settings.get(password).is_some() {
        let problem = format!(
            "`{password}` has no effect with {of_type}=PEM; an encrypted key has its password in \
             ssl.key.password"
        );
        return Err(settings.wrong(password, problem));
    }
    Ok(())
}

fn both(settings: &Settings, one: &str, other: &str) -> ConfigError {
    settings.wrong(
        other,
        format!("`{other}` and `{one}` are both set; remove one"),
    )
}

fn alone(settings: &Settings, given: &str, lacking: &str) -> ConfigError {
    settings.wrong(
        given,
        format!("`{given}` has no effect without `{lacking}`"),
    )
}
