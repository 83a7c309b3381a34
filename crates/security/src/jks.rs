//! Java's own key store format, JKS: an undocumented format that has not changed since
//! JDK 1.2 (`sun.security.provider.JavaKeyStore` and `KeyProtector` of `OpenJDK`). Knows
//! nothing of what certificates say.

use sha1::{Digest as _, Sha1};

const MAGIC: [u8; 4] = [0xfe, 0xed, 0xfe, 0xed];
const DIGEST_BYTES: usize = 20;
/// What is hashed between the password and the store.
const WHITENER: &[u8] = b"Mighty Aphrodite";

/// One entry of a store, with certificates in DER.
pub(crate) enum Entry {
    /// A private key in PKCS#8, and its chain, the key's own certificate first.
    Key {
        key: Vec<u8>,
        chain: Vec<Vec<u8>>,
    },
    Trusted(Vec<u8>),
}

pub(crate) fn is_jks(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

/// All entries. The store's password only shows that the store is whole; keys are encrypted
/// with `key_password`. Both are optional, for stores that are read for trust.
pub(crate) fn read(
    bytes: &[u8],
    password: Option<&str>,
    key_password: Option<&str>,
) -> Result<Vec<Entry>, String> {
    let damaged = || "the JKS store is damaged".to_owned();
    let (content, digest) = bytes
        .split_last_chunk::<DIGEST_BYTES>()
        .ok_or_else(damaged)?;
    if let Some(password) = password {
        let mut sha = Sha1::new();
        sha.update(utf16(password));
        sha.update(WHITENER);
        sha.update(content);
        if sha.finalize().as_slice() != digest {
            return Err("the password of the store is wrong, or the store is damaged".to_owned());
        }
    }
    let mut reader = Reader(content);
    entries(&mut reader, key_password).unwrap_or_else(|| Err(damaged()))
}

/// None where the bytes end too early or make no sense.
fn entries(
    reader: &mut Reader<'_>,
    key_password: Option<&str>,
) -> Option<Result<Vec<Entry>, String>> {
    reader.bytes(MAGIC.len())?;
    let version = reader.u32()?;
    let count = reader.u32()?;
    let mut found = Vec::new();
    for _ in 0..count {
        let tag = reader.u32()?;
        // The alias, and when it was made.
        reader.text()?;
        reader.bytes(8)?;
        match tag {
            1 => {
                let protected = reader.sized()?;
                let mut chain = Vec::new();
                for _ in 0..reader.u32()? {
                    chain.push(reader.certificate(version)?);
                }
                let Some(password) = key_password else {
                    continue;
                };
                match unprotected(protected, password)? {
                    Ok(key) => found.push(Entry::Key { key, chain }),
                    Err(problem) => return Some(Err(problem)),
                }
            }
            2 => found.push(Entry::Trusted(reader.certificate(version)?)),
            _ => return None,
        }
    }
    Some(Ok(found))
}

/// The key within an `EncryptedPrivateKeyInfo` of Sun's own algorithm: a key stream of
/// chained digests, with a salt before and a check behind.
fn unprotected(info: &[u8], password: &str) -> Option<Result<Vec<u8>, String>> {
    let mut inside = Reader(Reader(info).der(0x30)?);
    // The algorithm's identifier.
    inside.der(0x30)?;
    let protected = inside.der(0x04)?;
    let (salt, rest) = protected.split_first_chunk::<DIGEST_BYTES>()?;
    let (encrypted, check) = rest.split_last_chunk::<DIGEST_BYTES>()?;
    let password = utf16(password);
    let digest_with = |of: &[u8]| -> [u8; DIGEST_BYTES] {
        let mut sha = Sha1::new();
        sha.update(&password);
        sha.update(of);
        sha.finalize().into()
    };
    let mut key = Vec::with_capacity(encrypted.len());
    let mut stream = *salt;
    for block in encrypted.chunks(DIGEST_BYTES) {
        stream = digest_with(&stream);
        key.extend(block.iter().zip(stream).map(|(byte, mask)| byte ^ mask));
    }
    Some(if digest_with(&key) == *check {
        Ok(key)
    } else {
        Err("the password of the key is wrong".to_owned())
    })
}

fn utf16(password: &str) -> Vec<u8> {
    password.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn bytes(&mut self, count: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn u32(&mut self) -> Option<u32> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*taken))
    }

    fn text(&mut self) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        self.bytes(u16::from_be_bytes(*taken).into())
    }

    fn sized(&mut self) -> Option<&'b [u8]> {
        let count = self.u32()?;
        self.bytes(usize::try_from(count).ok()?)
    }

    fn certificate(&mut self, version: u32) -> Option<Vec<u8>> {
        if version == 2 {
            // Its type, X.509.
            self.text()?;
        }
        self.sized().map(<[u8]>::to_vec)
    }

    /// The content of a DER value with this tag.
    fn der(&mut self, tag: u8) -> Option<&'b [u8]> {
        let [found, length] = *self.bytes(2)? else {
            return None;
        };
        let length = match length {
            short @ 0..=0x7f => usize::from(short),
            long => {
                let digits = self.bytes(usize::from(long & 0x7f))?;
                let value = digits.iter().try_fold(0_usize, |value, byte| {
                    value.checked_mul(256)?.checked_add((*byte).into())
                });
                value?
            }
        };
        (found == tag).then_some(())?;
        self.bytes(length)
    }
}
