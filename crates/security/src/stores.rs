//! Trust stores and key stores in PEM, PKCS12 and JKS: certificates and keys out of their
//! bytes. Knows nothing of where the bytes come from; its errors quote none of them.

use p12_keystore::Pkcs12Archive;
use pkcs8::EncryptedPrivateKeyInfoRef;
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer,
};

use crate::{jks, pem};

/// A private key with its certificates, its own first.
pub(crate) struct KeyPair {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
}

impl KeyPair {
    /// Another of the same.
    pub(crate) fn copy(&self) -> Self {
        Self {
            chain: self.chain.clone(),
            key: self.key.clone_key(),
        }
    }
}

/// A store's format. Java reads PKCS12 and JKS under the name of either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Pem,
    Binary,
}

/// The trusted certificates of a store.
pub(crate) fn trusted(
    format: Format,
    bytes: &[u8],
    password: Option<&str>,
) -> Result<Vec<CertificateDer<'static>>, String> {
    check_format(format, bytes)?;
    let found: Vec<CertificateDer<'static>> = match format {
        Format::Pem => certificates(&text(bytes)?)?,
        Format::Binary if jks::is_jks(bytes) => jks::read(bytes, password, None)?
            .into_iter()
            .filter_map(|entry| match entry {
                jks::Entry::Trusted(certificate) => Some(certificate.into()),
                jks::Entry::Key { .. } => None,
            })
            .collect(),
        Format::Binary => {
            let archive = pkcs12(bytes, password)?;
            // Beside a key there are certificates of its chain, which are not trusted for
            // being there. Java marks those that are.
            let certificates = archive.certs.iter();
            let trusted = certificates.filter(|it| it.trusted || archive.keys.is_empty());
            let der = trusted.map(|it| it.cert.as_der().to_vec().into());
            der.collect()
        }
    };
    if found.is_empty() {
        return Err("no trusted certificate is in it".to_owned());
    }
    Ok(found)
}

/// The only, or the first, private key of a store.
pub(crate) fn key_pair(
    format: Format,
    bytes: &[u8],
    password: Option<&str>,
    key_password: Option<&str>,
) -> Result<KeyPair, String> {
    check_format(format, bytes)?;
    let none = || "no private key with a certificate is in it".to_owned();
    match format {
        Format::Pem => {
            let text = text(bytes)?;
            pem_key_pair(&text, &text, key_password)
        }
        Format::Binary if jks::is_jks(bytes) => {
            let key_password = key_password.or(password);
            let key_password = key_password.ok_or("its password is not given")?;
            let entries = jks::read(bytes, password, Some(key_password))?;
            let pair = entries.into_iter().find_map(|entry| match entry {
                jks::Entry::Key { key, chain } if !chain.is_empty() => Some(KeyPair {
                    chain: chain.into_iter().map(CertificateDer::from).collect(),
                    key: PrivatePkcs8KeyDer::from(key).into(),
                }),
                _ => None,
            });
            pair.ok_or_else(none)
        }
        Format::Binary => of_archive(&pkcs12(bytes, password)?).ok_or_else(none),
    }
}

/// A key and its chain, which PEM may have in one text or in two.
pub(crate) fn pem_key_pair(
    chain: &str,
    key: &str,
    key_password: Option<&str>,
) -> Result<KeyPair, String> {
    let chain = certificates(chain)?;
    if chain.is_empty() {
        return Err("no PEM section CERTIFICATE is in it".to_owned());
    }
    Ok(KeyPair {
        chain,
        key: private_key(key, key_password)?,
    })
}

fn check_format(format: Format, bytes: &[u8]) -> Result<(), String> {
    match (format, pem::is_pem(bytes)) {
        (Format::Pem, false) => Err("it is not PEM".to_owned()),
        (Format::Binary, true) => Err("it is PEM, and the type given is another".to_owned()),
        _ => Ok(()),
    }
}

fn text(bytes: &[u8]) -> Result<String, String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| "it is not text".to_owned())
}

fn certificates(text: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let sections = pem::sections(text)?.into_iter();
    let certificates =
        sections.filter(|it| it.label == "CERTIFICATE" || it.label == "X509 CERTIFICATE");
    Ok(certificates.map(|it| it.der.into()).collect())
}

fn private_key(text: &str, password: Option<&str>) -> Result<PrivateKeyDer<'static>, String> {
    for section in pem::sections(text)? {
        return Ok(match section.label.as_str() {
            "PRIVATE KEY" => PrivatePkcs8KeyDer::from(section.der).into(),
            "RSA PRIVATE KEY" => PrivatePkcs1KeyDer::from(section.der).into(),
            "EC PRIVATE KEY" => PrivateSec1KeyDer::from(section.der).into(),
            "ENCRYPTED PRIVATE KEY" => {
                let password = password.ok_or("the key is encrypted, and has no password")?;
                PrivatePkcs8KeyDer::from(decrypted(&section.der, password)?).into()
            }
            _ => continue,
        });
    }
    Err("no PEM section PRIVATE KEY is in it".to_owned())
}

fn decrypted(der: &[u8], password: &str) -> Result<Vec<u8>, String> {
    let info = EncryptedPrivateKeyInfoRef::try_from(der)
        .map_err(|_| "the key is encrypted in a way that is not supported".to_owned())?;
    let key = info
        .decrypt(password)
        .map_err(|_| "the password of the key is wrong".to_owned())?;
    Ok(key.as_bytes().to_vec())
}

fn pkcs12(bytes: &[u8], password: Option<&str>) -> Result<Pkcs12Archive, String> {
    let archive = Pkcs12Archive::from_pkcs12(bytes, password.unwrap_or_default());
    archive.map_err(|error| match error {
        p12_keystore::error::Error::MacError(_) => match password {
            Some(_) => "the password of the store is wrong".to_owned(),
            None => "its password is not given".to_owned(),
        },
        // Of a store without a check value, or of a key with another password.
        p12_keystore::error::Error::Pkcs5Error(_) | p12_keystore::error::Error::UnpadError => {
            "it cannot be decrypted; the password of the store, and of its keys, has to be the \
             same and right"
                .to_owned()
        }
        error => format!("it is neither PKCS12 nor JKS: {error}"),
    })
}

/// The first key, with the certificate of its id and those that issued it.
fn of_archive(archive: &Pkcs12Archive) -> Option<KeyPair> {
    archive.keys.iter().find_map(|bag| {
        let id = bag.local_key_id.as_ref().map(|it| &it.0);
        let of_id = |it: &&p12_keystore::CertificateBag| it.local_key_id.as_ref() == id;
        let only = || archive.certs.first().filter(|_| archive.certs.len() == 1);
        let mut last = archive.certs.iter().find(of_id).or_else(only)?;
        let mut chain = vec![last];
        let issuer_of = |of: &p12_keystore::CertificateBag| {
            let mut all = archive.certs.iter();
            all.find(|it| it.cert.subject() == of.cert.issuer())
        };
        while let Some(issuer) = issuer_of(last)
            && !chain.iter().any(|it| it.cert == issuer.cert)
        {
            chain.push(issuer);
            last = issuer;
        }
        let chain = chain.into_iter().map(|it| it.cert.as_der().to_vec().into());
        Some(KeyPair {
            chain: chain.collect(),
            key: PrivatePkcs8KeyDer::from(bag.key.as_der().to_vec()).into(),
        })
    })
}
