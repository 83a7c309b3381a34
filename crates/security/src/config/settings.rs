//! The lines of a configuration by key, and mistakes with their lines.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use secret::Secrets;

use super::Protocol;
use crate::error::ConfigError;
use crate::keys;
use crate::properties::{Property, parse};

pub(super) struct Settings {
    path: PathBuf,
    by_key: BTreeMap<String, Property>,
}

/// A file's bytes, if they are not too many.
pub(super) fn file(path: &Path, bytes_max: u64) -> Result<Vec<u8>, ConfigError> {
    let not_readable = |source| ConfigError::NotReadable {
        path: path.to_owned(),
        source,
    };
    let bytes = fs::metadata(path).map_err(not_readable)?.len();
    if bytes > bytes_max {
        return Err(ConfigError::TooLarge {
            path: path.to_owned(),
            bytes,
        });
    }
    fs::read(path).map_err(not_readable)
}

impl Settings {
    pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<Self, ConfigError> {
        let at = |line, problem: String| ConfigError::Line {
            path: path.to_owned(),
            line,
            problem,
        };
        let read = parse(bytes).map_err(|it| at(it.line, it.problem.to_owned()))?;
        let mut by_key: BTreeMap<String, Property> = BTreeMap::new();
        for property in read {
            let (key, line) = (&property.key, property.line);
            if let Some(problem) = keys::wrong(key) {
                return Err(at(line, problem));
            }
            if !property.has_sign {
                return Err(at(line, format!("`{key}` has no `=` behind it")));
            }
            if let Some(before) = by_key.get(key) {
                let problem = format!("`{key}` is set on line {} already", before.line);
                return Err(at(line, problem));
            }
            by_key.insert(key.clone(), property);
        }
        Ok(Self {
            path: path.to_owned(),
            by_key,
        })
    }

    /// A key's value without blanks around it (`ConfigDef.parseType`); none where it is
    /// empty.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        let value = self.by_key.get(key)?.value.trim();
        (!value.is_empty()).then_some(value)
    }

    /// Whether a key is there, and has no value.
    pub(super) fn is_empty(&self, key: &str) -> bool {
        let property = self.by_key.get(key);
        property.is_some_and(|it| it.value.trim().is_empty())
    }

    /// The values of a list.
    pub(super) fn list(&self, key: &str) -> Vec<String> {
        let values = self.get(key).unwrap_or_default().split(',').map(str::trim);
        let values = values.filter(|it| !it.is_empty());
        values.map(str::to_owned).collect()
    }

    /// What is wrong with a key, or with its absence.
    pub(super) fn wrong(&self, key: &str, problem: impl Into<String>) -> ConfigError {
        let (path, problem) = (self.path.clone(), problem.into());
        match self.by_key.get(key) {
            Some(property) => ConfigError::Line {
                path,
                line: property.line,
                problem,
            },
            None => ConfigError::Missing { path, problem },
        }
    }

    pub(super) fn protocol(&self) -> Result<Protocol, ConfigError> {
        let key = "security.protocol";
        let Some(name) = self.get(key) else {
            return Ok(Protocol::Plaintext);
        };
        let mut all = Protocol::ALL.into_iter();
        all.find(|it| it.name().eq_ignore_ascii_case(name))
            .ok_or_else(|| {
                let all = Protocol::ALL.map(Protocol::name).join(", ");
                self.wrong(key, format!("`{key}` is one of {all}"))
            })
    }

    /// The first key, by line, that this protocol does not look at, and the protocol that
    /// does.
    pub(super) fn first_without_effect(&self, protocol: Protocol) -> Option<(&str, Protocol)> {
        let (tls, sasl) = (protocol.has_tls(), protocol.has_sasl());
        let of = self.by_key.iter().filter_map(|(key, property)| {
            let needed = if key.starts_with("ssl.") && !tls {
                Protocol::with(true, sasl)
            } else if key.starts_with("sasl.") && !sasl {
                Protocol::with(tls, true)
            } else {
                return None;
            };
            Some((property.line, key.as_str(), needed))
        });
        let (_, key, needed) = of.min_by_key(|(line, ..)| *line)?;
        Some((key, needed))
    }

    /// What a client of Java takes of it: every key about security that has a value, or that
    /// is empty to switch something off.
    pub(super) fn of_security(&self) -> BTreeMap<String, String> {
        let prefixes = ["security.", "ssl.", "sasl."];
        let concerns = |key: &str| prefixes.iter().any(|it| key.starts_with(it));
        let all = self.by_key.iter().filter(|(key, _)| concerns(key));
        all.map(|(key, property)| (key.clone(), property.value.clone()))
            .collect()
    }

    /// What must not be shown of it.
    pub(super) fn secrets(&self) -> Secrets {
        let all = self.by_key.iter();
        Secrets::of(all.map(|(key, property)| (key.as_str(), property.value.as_str())))
    }
}
