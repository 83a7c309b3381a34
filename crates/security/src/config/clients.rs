//! The same configuration for other clients: in the keys of Java's, and in librdkafka's,
//! whose stores are PEM. Knows nothing of who runs them.

use std::collections::BTreeMap;

use rustls::pki_types::PrivateKeyDer;

use super::ClientSecurity;
use crate::pem;
use crate::sasl::Mechanism;

impl ClientSecurity {
    /// In the keys of Java's clients, secrets included; empty for PLAINTEXT.
    pub fn java_config(&self) -> BTreeMap<String, String> {
        self.secured
            .as_ref()
            .map_or_else(BTreeMap::new, |it| it.java.clone())
    }

    /// In librdkafka's keys, secrets included; empty for PLAINTEXT. Nothing where
    /// [`Self::beyond_clients`] says why not.
    pub fn librdkafka_config(&self) -> BTreeMap<String, String> {
        let mut config = BTreeMap::new();
        let Some(secured) = &self.secured else {
            return config;
        };
        let mut set = |key: &str, value: String| config.insert(key.to_owned(), value);
        set(
            "security.protocol",
            secured.protocol.name().to_ascii_lowercase(),
        );
        if let Some(tls) = self.tls_settings() {
            match &tls.trusted {
                Some(trusted) => {
                    let certificates = trusted.iter().map(|it| pem::section("CERTIFICATE", it));
                    set("ssl.ca.pem", certificates.collect());
                }
                // The authorities that the machine trusts.
                None => {
                    set("ssl.ca.location", "probe".to_owned());
                }
            }
            if let Some(own) = &tls.own {
                let chain = own.chain.iter().map(|it| pem::section("CERTIFICATE", it));
                set("ssl.certificate.pem", chain.collect());
                let label = match &own.key {
                    PrivateKeyDer::Pkcs1(_) => "RSA PRIVATE KEY",
                    PrivateKeyDer::Sec1(_) => "EC PRIVATE KEY",
                    _ => "PRIVATE KEY",
                };
                set("ssl.key.pem", pem::section(label, own.key.secret_der()));
            }
            let checks = if tls.checks_host { "https" } else { "none" };
            set("ssl.endpoint.identification.algorithm", checks.to_owned());
        }
        if let Some(sasl) = &secured.sasl {
            set("sasl.mechanisms", sasl.mechanism().name().to_owned());
            if let Some((user, password, _)) = sasl.password() {
                set("sasl.username", user.to_owned());
                set("sasl.password", password.to_owned());
            }
        }
        config
    }

    /// What of it clients under test cannot be given, if anything.
    pub fn beyond_clients(&self) -> Option<&'static str> {
        let sasl = self.sasl()?;
        if sasl.mechanism() == Mechanism::OAuthBearer {
            return Some(
                "clients under test are given no tokens of OAUTHBEARER; give a user of PLAIN or \
                 SCRAM",
            );
        }
        let (_, _, is_token) = sasl.password()?;
        is_token.then_some(
            "clients under test are given no delegation tokens (tokenauth); give a user of PLAIN \
             or SCRAM",
        )
    }
}
