//! Which client a scenario or a user names: `librdkafka`, `java:3.1.0`,
//! `command:PROGRAM ARGS…`. Knows nothing of how a client is fetched or
//! started, and whether a version exists.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Config, Scenario, nearest};
use crate::claim::{Claim, Level};

/// A client under test, as it is named.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ClientSpec {
    /// The librdkafka that ackproof is built with.
    #[default]
    BuiltIn,
    /// Another librdkafka, loaded at run time.
    Librdkafka(Release),
    /// Java's kafka-clients, of the version of the brokers.
    JavaOfBrokers,
    /// Java's kafka-clients.
    Java(Release),
    /// A program of the user's that speaks the subject protocol: it and its
    /// arguments, at least one word.
    Command(Vec<String>),
}

/// Which one of a client library.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Release {
    /// A published version.
    Version(String),
    /// A shared library, or a folder of jars.
    Path(PathBuf),
}

/// The clients that a user puts in place of the scenarios' own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChosenClients {
    /// Of producers, and of applications that read and write.
    pub producers: Option<ClientSpec>,
    /// Of groups that only read.
    pub consumers: Option<ClientSpec>,
}

impl ChosenClients {
    /// One for all.
    pub fn all(client: &ClientSpec) -> Self {
        Self {
            producers: Some(client.clone()),
            consumers: Some(client.clone()),
        }
    }
}

/// What is expected of a scenario's claim where another client library than
/// the usual one is at work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "expect"))]
#[serde(deny_unknown_fields)]
pub struct ClientExpectation {
    /// The library, in any version.
    pub client: Library,
    /// The claim, which a `[[guarantee]]` makes.
    pub claim: Claim,
    /// How much hangs on it with this client.
    pub level: Level,
    /// Why it is another: documentation, a KIP, an issue.
    pub source: String,
}

/// Client libraries that scenarios know by name, and may expect something of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(inline))]
#[serde(rename_all = "kebab-case")]
pub enum Library {
    /// librdkafka, in any version.
    Librdkafka,
    /// Java's kafka-clients, in any version.
    Java,
}

impl Library {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Librdkafka, Self::Java];

    /// As scenarios and the command line have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Librdkafka => "librdkafka",
            Self::Java => "java",
        }
    }
}

impl fmt::Display for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl ClientSpec {
    /// The library; none for a program of the user's, which may use any.
    pub const fn library(&self) -> Option<Library> {
        match self {
            Self::BuiltIn | Self::Librdkafka(_) => Some(Library::Librdkafka),
            Self::JavaOfBrokers | Self::Java(_) => Some(Library::Java),
            Self::Command(_) => None,
        }
    }

    /// Leaves out the settings that are another library's by their prefix
    /// (`librdkafka.queued.min.messages`).
    fn keep_own(&self, config: &mut Config) {
        let others = Library::ALL
            .iter()
            .filter(|it| self.library() != Some(**it));
        let prefixes: Vec<String> = others.map(|it| format!("{it}.")).collect();
        let is_others = |key: &str| prefixes.iter().any(|it| key.starts_with(it.as_str()));
        if config.keys().any(|key| is_others(key)) {
            let kept = config.plain().into_iter();
            *config = kept.filter(|(key, _)| !is_others(key)).collect();
        }
    }
}

impl Scenario {
    /// Every client, each once, in the order of the file.
    pub fn clients(&self) -> Vec<&ClientSpec> {
        let mut all: Vec<&ClientSpec> = Vec::new();
        let writers = self.writing_clients();
        for client in writers.chain(self.groups.iter().map(|it| &it.client)) {
            if !all.contains(&client) {
                all.push(client);
            }
        }
        all
    }

    fn writing_clients(&self) -> impl Iterator<Item = &ClientSpec> {
        let producers = self.producers.iter().map(|it| &it.client);
        producers.chain(self.transforms.iter().map(|it| &it.client))
    }

    fn reading_clients(&self) -> impl Iterator<Item = &ClientSpec> {
        let groups = self.groups.iter().map(|it| &it.client);
        groups.chain(self.transforms.iter().map(|it| &it.client))
    }

    /// Why it cannot run with these clients in place of its own; nothing where
    /// it can.
    pub fn misfits_clients(&self, chosen: &ChosenClients) -> Vec<String> {
        let Some(why) = &self.about_client else {
            return Vec::new();
        };
        let mut replaced = self.clone();
        replaced.put_clients(chosen);
        if replaced.clients() == self.clients() {
            return Vec::new();
        }
        let named: Vec<String> = self.clients().iter().map(ToString::to_string).collect();
        vec![format!("is about {} ({why})", named.join(", "))]
    }

    /// Names the version of clients that have the brokers', where the scenario
    /// names that: others have the run's.
    fn name_clients_of_brokers(&mut self) {
        let Some(version) = self.topology.kafka.clone() else {
            return;
        };
        let producers = self.producers.iter_mut().map(|it| &mut it.client);
        let transforms = self.transforms.iter_mut().map(|it| &mut it.client);
        let groups = self.groups.iter_mut().map(|it| &mut it.client);
        for client in producers.chain(transforms).chain(groups) {
            if *client == ClientSpec::JavaOfBrokers {
                *client = ClientSpec::Java(Release::Version(version.clone()));
            }
        }
    }

    fn put_clients(&mut self, chosen: &ChosenClients) {
        let put = |client: &mut ClientSpec, chosen: &Option<ClientSpec>| {
            if let Some(chosen) = chosen {
                client.clone_from(chosen);
            }
        };
        for producer in &mut self.producers {
            put(&mut producer.client, &chosen.producers);
        }
        for transform in &mut self.transforms {
            put(&mut transform.client, &chosen.producers);
        }
        for group in &mut self.groups {
            put(&mut group.client, &chosen.consumers);
        }
    }

    /// The scenario with these clients in place of its own, and what follows:
    /// settings with another library's prefix are left out, and claims have
    /// the level that is expected of the library at work.
    pub fn put_in_force(&mut self, chosen: &ChosenClients) {
        self.put_clients(chosen);
        self.name_clients_of_brokers();
        for producer in &mut self.producers {
            producer.client.keep_own(&mut producer.config);
        }
        for transform in &mut self.transforms {
            transform.client.keep_own(&mut transform.config);
            transform.client.keep_own(&mut transform.producer_config);
        }
        for group in &mut self.groups {
            group.client.keep_own(&mut group.config);
        }
        for expectation in std::mem::take(&mut self.expectations) {
            if self.is_at_work(expectation.client, expectation.claim) {
                let mut all = self.guarantees.iter_mut();
                if let Some(guarantee) = all.find(|it| it.claim == expectation.claim) {
                    guarantee.level = expectation.level;
                }
            }
            self.expectations.push(expectation);
        }
    }

    /// Whether a claim is about clients of this library, and no other.
    fn is_at_work(&self, library: Library, claim: Claim) -> bool {
        let about: Vec<&ClientSpec> = if claim.is_about_groups() {
            self.reading_clients().collect()
        } else {
            self.writing_clients().collect()
        };
        let mut libraries = about.iter().map(|it| it.library());
        !about.is_empty() && libraries.all(|it| it == Some(library))
    }
}

impl fmt::Display for ClientSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::BuiltIn => "librdkafka".to_owned(),
            Self::Librdkafka(release) => format!("librdkafka:{release}"),
            Self::JavaOfBrokers => "java".to_owned(),
            Self::Java(release) => format!("java:{release}"),
            Self::Command(words) => format!("command:{}", words.join(" ")),
        };
        f.pad(&text)
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => f.write_str(version),
            Self::Path(path) => path.display().fmt(f),
        }
    }
}

/// A client's name that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientSpecError {
    /// Another word than those that there are.
    #[error(
        "there is no client `{name}`{}",
        suggestion.as_ref().map_or_else(
            || format!(": {FORMS}"),
            |near| format!("; did you mean `{near}`? {FORMS}"),
        )
    )]
    Unknown {
        /// What was given.
        name: String,
        /// What may have been meant.
        suggestion: Option<String>,
    },
    /// What stands behind the colon is neither a version nor a path.
    #[error(
        "`{given}` is no version of {library}: write one such as `{library}:{}`, or a path with \
         a `/`, such as `{library}:{}`",
        example(*library),
        path_example(*library)
    )]
    Release {
        /// The library.
        library: Library,
        /// What was given.
        given: String,
    },
    /// A command without a program.
    #[error("`command:` needs a program that speaks the subject protocol: `command:PROGRAM ARGS…`")]
    NoProgram,
}

/// Every form, in words.
const FORMS: &str = "a client is `librdkafka`, `librdkafka:VERSION`, `librdkafka:/PATH.so`, \
                     `java`, `java:VERSION`, `java:/FOLDER` or `command:PROGRAM ARGS…`";

const fn example(library: Library) -> &'static str {
    match library {
        Library::Librdkafka => "1.8.2",
        Library::Java => "3.1.0",
    }
}

const fn path_example(library: Library) -> &'static str {
    match library {
        Library::Librdkafka => "./librdkafka.so.1",
        Library::Java => "./jars",
    }
}

impl FromStr for ClientSpec {
    type Err = ClientSpecError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let (name, rest) = match text.split_once(':') {
            Some((name, rest)) => (name.trim(), Some(rest.trim())),
            None => (text, None),
        };
        match (name, rest) {
            ("librdkafka", None) => Ok(Self::BuiltIn),
            ("librdkafka", Some(rest)) => {
                Release::read(Library::Librdkafka, rest).map(Self::Librdkafka)
            }
            ("java", None) => Ok(Self::JavaOfBrokers),
            ("java", Some(rest)) => Release::read(Library::Java, rest).map(Self::Java),
            ("command", rest) => {
                let words = rest.unwrap_or_default().split_whitespace();
                let words: Vec<String> = words.map(str::to_owned).collect();
                if words.is_empty() {
                    return Err(ClientSpecError::NoProgram);
                }
                Ok(Self::Command(words))
            }
            _ => Err(ClientSpecError::Unknown {
                name: text.to_owned(),
                suggestion: meant(name, rest),
            }),
        }
    }
}

impl Release {
    fn read(library: Library, text: &str) -> Result<Self, ClientSpecError> {
        if text.contains('/') {
            return Ok(Self::Path(Path::new(text).to_owned()));
        }
        let number = text.strip_prefix('v').unwrap_or(text);
        if !is_version(number) {
            return Err(ClientSpecError::Release {
                library,
                given: text.to_owned(),
            });
        }
        Ok(Self::Version(number.to_owned()))
    }
}

/// `3.1.0`, `2.12.1`, `4.3.0-rc1`.
fn is_version(text: &str) -> bool {
    let (numbers, rest) = text.split_once('-').unwrap_or((text, "rc"));
    let is_number = |it: &str| !it.is_empty() && it.chars().all(|c| c.is_ascii_digit());
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    (2..=4).contains(&numbers.split('.').count())
        && numbers.split('.').all(is_number)
        && !rest.is_empty()
        && rest.chars().all(is_word)
}

/// The client that was meant by another word: one that is near, or that the
/// word begins with (`java-3.1.0`, `librdkafka@1.8.2`), or another name of it.
fn meant(name: &str, rest: Option<&str>) -> Option<String> {
    const NAMES: [(&str, &str); 9] = [
        ("librdkafka", "librdkafka"),
        ("rdkafka", "librdkafka"),
        ("confluent-kafka", "librdkafka"),
        ("builtin", "librdkafka"),
        ("java", "java"),
        ("kafka-clients", "java"),
        ("org.apache.kafka", "java"),
        ("command", "command"),
        ("cmd", "command"),
    ];
    let lower = name.to_lowercase();
    let other = |name: &str| {
        let mut all = NAMES.iter();
        all.find(|(it, _)| *it == name).map(|(_, client)| *client)
    };
    let begins = || {
        let (name, _) = NAMES.iter().find(|(it, _)| lower.starts_with(it))?;
        let version = lower.strip_prefix(name)?;
        let version = version.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
        is_version(version).then(|| format!("{}:{version}", other(name).unwrap_or(name)))
    };
    if name.contains('/') {
        return Some(format!("command:{name}"));
    }
    let near = || nearest(&lower, NAMES.map(|(it, _)| it)).and_then(other);
    begins().or_else(|| match (near()?, rest) {
        ("command", None) => Some("command:PROGRAM ARGS…".to_owned()),
        (client, Some(rest)) => Some(format!("{client}:{rest}")),
        (client, None) => Some(client.to_owned()),
    })
}

impl TryFrom<String> for ClientSpec {
    type Error = ClientSpecError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ClientSpec> for String {
    fn from(spec: ClientSpec) -> Self {
        spec.to_string()
    }
}

#[cfg(test)]
impl schemars::JsonSchema for ClientSpec {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "client".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let version = r"v?[0-9]+(\.[0-9]+){1,3}(-[A-Za-z0-9.-]+)?";
        let pattern = format!(r"^((librdkafka|java)(:({version}|.*/.*))?|command:.*\S.*)$");
        schemars::json_schema!({"type": "string", "pattern": pattern})
    }
}
