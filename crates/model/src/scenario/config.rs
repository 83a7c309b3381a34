//! Configurations: keys and values, some of them secret. They are read, printed and written
//! without their secrets; only the configured client receives the real values
//! ([`Config::plain`]).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;

use secret::{Secrets, shown};
use serde::{Deserialize, Serialize};

/// Configuration keys and values, in the Java client's (or the broker's, or
/// the connector's) own names.
///
/// It is a map of the values that may be shown, and is written so.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "BTreeMap<String, String>", into = "BTreeMap<String, String>")]
pub struct Config {
    shown: BTreeMap<String, String>,
    /// The real values of those that are hidden.
    secret: BTreeMap<String, String>,
}

impl Config {
    /// Nothing is configured.
    pub const fn new() -> Self {
        Self {
            shown: BTreeMap::new(),
            secret: BTreeMap::new(),
        }
    }

    /// Sets a key.
    pub fn insert(&mut self, key: String, value: String) {
        self.secret.remove(&key);
        if let Cow::Owned(shown) = hidden(&key, &value) {
            self.shown.insert(key.clone(), shown);
            self.secret.insert(key, value);
        } else {
            self.shown.insert(key, value);
        }
    }

    /// The real values, secrets included: only for the client that is configured.
    pub fn plain(&self) -> BTreeMap<String, String> {
        let mut plain = self.shown.clone();
        plain.extend(self.secret.clone());
        plain
    }

    /// The same for the member of this number, which `{member}` stands for.
    pub fn for_member(&self, number: u32) -> BTreeMap<String, String> {
        let number = number.to_string();
        let plain = self.plain().into_iter();
        plain
            .map(|(key, value)| (key, value.replace("{member}", &number)))
            .collect()
    }

    /// The secrets, which must not be written anywhere.
    pub fn secrets(&self) -> Secrets {
        let secret = self.secret.iter();
        Secrets::of(secret.map(|(key, value)| (key.as_str(), value.as_str())))
    }
}

/// The value as it is shown; borrowed where that is the value itself.
fn hidden<'v>(key: &str, value: &'v str) -> Cow<'v, str> {
    match shown(key, value) {
        Cow::Borrowed(same) if same == value => Cow::Borrowed(value),
        other => Cow::Owned(other.into_owned()),
    }
}

impl Deref for Config {
    type Target = BTreeMap<String, String>;

    fn deref(&self) -> &Self::Target {
        &self.shown
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shown.fmt(f)
    }
}

impl FromIterator<(String, String)> for Config {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(settings: T) -> Self {
        let mut config = Self::new();
        config.extend(settings);
        config
    }
}

impl Extend<(String, String)> for Config {
    fn extend<T: IntoIterator<Item = (String, String)>>(&mut self, settings: T) {
        for (key, value) in settings {
            self.insert(key, value);
        }
    }
}

impl<const N: usize> From<[(String, String); N]> for Config {
    fn from(settings: [(String, String); N]) -> Self {
        settings.into_iter().collect()
    }
}

impl From<BTreeMap<String, String>> for Config {
    fn from(settings: BTreeMap<String, String>) -> Self {
        settings.into_iter().collect()
    }
}

impl From<Config> for BTreeMap<String, String> {
    fn from(config: Config) -> Self {
        config.shown
    }
}

impl<'c> IntoIterator for &'c Config {
    type Item = (&'c String, &'c String);
    type IntoIter = std::collections::btree_map::Iter<'c, String, String>;

    fn into_iter(self) -> Self::IntoIter {
        self.shown.iter()
    }
}
