//! The keys `sasl.*`, and the options in `sasl.jaas.config`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use secret::Secrets;

use super::settings::{Settings, file};
use crate::error::ConfigError;
use crate::jaas::{self, LoginModule};
use crate::oauth::{Endpoint, OAuthBearer, TokenSource};
use crate::sasl::{Credentials, Mechanism, Sasl};
use crate::stores::{self, Format};
use crate::tls::of_this_machine;

const JAAS: &str = "sasl.jaas.config";
const ENDPOINT: &str = "sasl.oauthbearer.token.endpoint.url";
/// Where Kafka's client waits for ever.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(10);
/// No trust store is longer.
const STORE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// SASL as it is configured, and the secrets within its login module.
pub(super) fn sasl(settings: &Settings, secrets: &Secrets) -> Result<(Sasl, Secrets), ConfigError> {
    let mechanism = mechanism(settings)?;
    check_handlers(settings, mechanism)?;
    let module = login_module(settings, mechanism)?;
    // Escapes hide them from the search in the text.
    let hidden = ["password", "clientSecret"]
        .into_iter()
        .filter_map(|option| {
            let value = module.options.get(option)?;
            Some(("password", value.as_str()))
        });
    let more = Secrets::of(hidden);
    let credentials = match mechanism {
        Mechanism::Plain => password(settings, &module, &["username", "password"])?,
        Mechanism::ScramSha256 | Mechanism::ScramSha512 => {
            password(settings, &module, &["username", "password", "tokenauth"])?
        }
        Mechanism::OAuthBearer => token(settings, &module, secrets.clone().and(more.clone()))?,
    };
    Ok((Sasl::new(mechanism, credentials), more))
}

fn mechanism(settings: &Settings) -> Result<Mechanism, ConfigError> {
    let key = "sasl.mechanism";
    let all = || Mechanism::ALL.map(Mechanism::name).join(", ");
    let Some(name) = settings.get(key) else {
        return Err(settings.wrong(
            key,
            format!(
                "`{key}` is not set, and Kafka's default GSSAPI (Kerberos) is not supported; set \
                 it to one of {}",
                all()
            ),
        ));
    };
    let mut known = Mechanism::ALL.into_iter();
    known
        .find(|it| it.name() == name)
        .ok_or_else(|| settings.wrong(key, format!("`{key}` is one of {}", all())))
}

/// Classes that do in Java what is done here.
fn check_handlers(settings: &Settings, mechanism: Mechanism) -> Result<(), ConfigError> {
    const OAUTH: &str = "org.apache.kafka.common.security.oauthbearer";
    let handler = "sasl.login.callback.handler.class";
    let retriever = "sasl.oauthbearer.jwt.retriever.class";
    let known = [
        (handler, "OAuthBearerLoginCallbackHandler"),
        (handler, "secured.OAuthBearerLoginCallbackHandler"),
        (retriever, "DefaultJwtRetriever"),
        (retriever, "FileJwtRetriever"),
        (retriever, "ClientCredentialsJwtRetriever"),
    ];
    for key in [handler, retriever] {
        let Some(class) = settings.get(key) else {
            continue;
        };
        let of_kafka = class
            .strip_prefix(OAUTH)
            .and_then(|it| it.strip_prefix('.'));
        let is_known = known
            .iter()
            .any(|(it, name)| *it == key && Some(*name) == of_kafka);
        if mechanism != Mechanism::OAuthBearer || !is_known {
            let names = known.iter().filter(|(it, _)| *it == key);
            let names: Vec<_> = names.map(|(_, name)| format!("{OAUTH}.{name}")).collect();
            return Err(settings.wrong(
                key,
                format!(
                    "`{key}` names Java code, which cannot be run here; what these do is done \
                     here too, for OAUTHBEARER: {}",
                    names.join(", ")
                ),
            ));
        }
    }
    Ok(())
}

fn login_module(settings: &Settings, mechanism: Mechanism) -> Result<LoginModule, ConfigError> {
    let class = mechanism.login_module();
    let Some(text) = settings.get(JAAS) else {
        return Err(settings.wrong(
            JAAS,
            format!("`{JAAS}` is missing; for {mechanism} it begins with `{class} required`"),
        ));
    };
    let module = jaas::parse(text)
        .map_err(|problem| settings.wrong(JAAS, format!("`{JAAS}`: {problem}")))?;
    if module.class != class {
        return Err(settings.wrong(
            JAAS,
            format!("`{JAAS}`: the login module of {mechanism} is `{class}`, not the one given"),
        ));
    }
    Ok(module)
}

/// Refuses options that are not among these.
fn check_options(
    settings: &Settings,
    module: &LoginModule,
    known: &[&str],
    is_known: impl Fn(&str) -> bool,
) -> Result<(), ConfigError> {
    let mut names = module.options.keys();
    if names.all(|it| known.contains(&it.as_str()) || is_known(it)) {
        return Ok(());
    }
    // The name is not quoted: a missing quote makes one of a piece of a password.
    Err(settings.wrong(
        JAAS,
        format!(
            "`{JAAS}` has an option that is not known here; known are {}",
            known.join(", ")
        ),
    ))
}

fn password(
    settings: &Settings,
    module: &LoginModule,
    known: &[&str],
) -> Result<Credentials, ConfigError> {
    check_options(settings, module, known, |_| false)?;
    let option = |name: &str| {
        let value = module.options.get(name).filter(|it| !it.is_empty());
        let lacking = || settings.wrong(JAAS, format!("`{JAAS}` lacks the option `{name}`"));
        value.cloned().ok_or_else(lacking)
    };
    let token_auth = module.options.get("tokenauth");
    Ok(Credentials::Password {
        user: option("username")?,
        password: option("password")?,
        token_auth: token_auth.is_some_and(|it| it.eq_ignore_ascii_case("true")),
    })
}

fn token(
    settings: &Settings,
    module: &LoginModule,
    secrets: Secrets,
) -> Result<Credentials, ConfigError> {
    let known = [
        "clientId",
        "clientSecret",
        "scope",
        "ssl.truststore.location",
        "ssl.truststore.password",
        "ssl.truststore.type",
        "extension_NAME",
    ];
    check_options(settings, module, &known, |it| it.starts_with("extension_"))?;
    let extensions: BTreeMap<String, String> = module
        .options
        .iter()
        .filter_map(|(key, value)| {
            Some((key.strip_prefix("extension_")?.to_owned(), value.clone()))
        })
        .collect();
    let is_name = |it: &str| !it.is_empty() && it.bytes().all(|byte| byte.is_ascii_alphabetic());
    let is_value = |it: &str| {
        it.bytes()
            .all(|byte| matches!(byte, b' '..=b'~' | 9 | 10 | 13))
    };
    // RFC 7628, section 3.1; `auth` is the token's own.
    if extensions
        .iter()
        .any(|(name, value)| !is_name(name) || name == "auth" || !is_value(value))
    {
        let problem = format!("`{JAAS}`: the name of an extension is letters, its value ASCII");
        return Err(settings.wrong(JAAS, problem));
    }
    let Some(url) = settings.get(ENDPOINT) else {
        return Err(settings.wrong(
            ENDPOINT,
            format!(
                "`{ENDPOINT}` is missing: where tokens come from, https://HOST/PATH with client \
                 credentials, or file:///PATH"
            ),
        ));
    };
    let source = if let Some(path) = url.strip_prefix("file:") {
        TokenSource::File(PathBuf::from(path.strip_prefix("//").unwrap_or(path)))
    } else if url.starts_with("https://") || url.starts_with("http://") {
        TokenSource::Endpoint(endpoint(settings, module, url)?)
    } else {
        let problem = format!("`{ENDPOINT}` begins with https://, http:// or file:");
        return Err(settings.wrong(ENDPOINT, problem));
    };
    Ok(Credentials::Token(Box::new(OAuthBearer::new(
        source, extensions, secrets,
    ))))
}

fn endpoint(settings: &Settings, module: &LoginModule, url: &str) -> Result<Endpoint, ConfigError> {
    // Since Kafka 4.1 they have keys of their own, which win (KIP-1139).
    let either = |key: &str, option: &str| {
        let own = settings.get(key).map(str::to_owned);
        own.or_else(|| module.options.get(option).cloned())
    };
    let needed = |key: &str, option: &str| {
        either(key, option).ok_or_else(|| {
            let problem = format!("`{JAAS}` lacks the option `{option}`, and `{key}` is not set");
            settings.wrong(JAAS, problem)
        })
    };
    let timeout = |key: &str| match settings.get(key).map(str::parse) {
        None => Ok(LOGIN_TIMEOUT),
        Some(Ok(ms)) => Ok(Duration::from_millis(ms)),
        Some(Err(_)) => Err(settings.wrong(key, format!("`{key}` is a number of milliseconds"))),
    };
    let urlencode = "sasl.oauthbearer.header.urlencode";
    Ok(Endpoint {
        url: url.to_owned(),
        client_id: needed("sasl.oauthbearer.client.credentials.client.id", "clientId")?,
        client_secret: needed(
            "sasl.oauthbearer.client.credentials.client.secret",
            "clientSecret",
        )?,
        scope: either("sasl.oauthbearer.scope", "scope"),
        encodes_header: settings
            .get(urlencode)
            .is_some_and(|it| it.eq_ignore_ascii_case("true")),
        connect_timeout: timeout("sasl.login.connect.timeout.ms")?,
        read_timeout: timeout("sasl.login.read.timeout.ms")?,
        trusted: endpoint_trust(settings, module, url)?,
    })
}

/// Kafka's client takes the endpoint's trust store from the login module's options.
fn endpoint_trust(
    settings: &Settings,
    module: &LoginModule,
    url: &str,
) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let option = |name: &str| module.options.get(name).map(String::as_str);
    let location = "ssl.truststore.location";
    let wrong =
        |problem: &str| settings.wrong(JAAS, format!("`{JAAS}`, option `{location}`: {problem}"));
    let Some(path) = option(location) else {
        return Ok(if url.starts_with("https://") {
            of_this_machine()
        } else {
            Vec::new()
        });
    };
    let of_type = option("ssl.truststore.type").map(str::to_ascii_uppercase);
    let format = match of_type.as_deref() {
        Some("PEM") => Format::Pem,
        None | Some("JKS" | "PKCS12") => Format::Binary,
        Some(_) => return Err(wrong("its type is PEM, PKCS12 or JKS")),
    };
    let bytes = file(Path::new(path), STORE_BYTES_MAX).map_err(|it| wrong(&it.to_string()))?;
    let trusted = stores::trusted(format, &bytes, option("ssl.truststore.password"));
    trusted.map_err(|problem| wrong(&problem))
}
