//! Whose configuration it is: a client, a broker, a connector, by name and version.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::version::Version;

/// A program that reads a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Product {
    /// Kafka's own client for the JVM.
    Java,
    /// The same under Spring for Apache Kafka, which sets some of its own defaults.
    Spring,
    /// librdkafka, and the clients that are built on it.
    Librdkafka,
    /// IBM's client for Go.
    Sarama,
    /// A client for Go.
    FranzGo,
    /// Segment's client for Go.
    KafkaGo,
    /// A client for Python.
    KafkaPython,
    /// A client for Python's asyncio.
    Aiokafka,
    /// A client for JavaScript.
    Kafkajs,
    /// Apache Kafka's brokers and Connect workers.
    Kafka,
    /// The producers and consumers of a Connect worker.
    Connect,
    /// Debezium's connectors.
    Debezium,
    /// `PostgreSQL`.
    Postgres,
}

impl Product {
    /// Clients that `--client` names.
    pub const CLIENTS: [(&'static str, Self); 9] = [
        ("java", Self::Java),
        ("spring", Self::Spring),
        ("librdkafka", Self::Librdkafka),
        ("sarama", Self::Sarama),
        ("franz-go", Self::FranzGo),
        ("kafka-go", Self::KafkaGo),
        ("kafka-python", Self::KafkaPython),
        ("aiokafka", Self::Aiokafka),
        ("kafkajs", Self::Kafkajs),
    ];

    /// As its own documentation names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Java => "kafka-clients",
            Self::Spring => "spring-kafka",
            Self::Librdkafka => "librdkafka",
            Self::Sarama => "sarama",
            Self::FranzGo => "franz-go",
            Self::KafkaGo => "kafka-go",
            Self::KafkaPython => "kafka-python",
            Self::Aiokafka => "aiokafka",
            Self::Kafkajs => "kafkajs",
            Self::Kafka => "Kafka",
            Self::Connect => "Kafka Connect",
            Self::Debezium => "Debezium",
            Self::Postgres => "PostgreSQL",
        }
    }

    /// Whether it is Java's client under another name.
    pub const fn is_java(self) -> bool {
        matches!(self, Self::Java | Self::Spring)
    }
}

/// A product, and its version where it is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Software {
    /// Which.
    pub product: Product,
    /// Its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
}

impl Software {
    /// A product of unknown version.
    pub const fn any(product: Product) -> Self {
        Self {
            product,
            version: None,
        }
    }

    /// A product in a version that is read from a text.
    pub fn of(product: Product, version: &str) -> Self {
        Self {
            product,
            version: Version::parse(version),
        }
    }
}

impl fmt::Display for Software {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            Some(version) => write!(f, "{} {version}", self.product.name()),
            None => f.write_str(self.product.name()),
        }
    }
}

/// What `--client` cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientNameError {
    /// Another client.
    #[error("unknown client `{name}`{}; clients are {}", suggestion(near.as_deref()), known())]
    Unknown {
        /// What was given.
        name: String,
        /// What may be meant.
        near: Option<String>,
    },
    /// No version.
    #[error("`{0}` is no version: give one such as 3.1.0")]
    Version(String),
}

fn suggestion(near: Option<&str>) -> String {
    near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
}

fn known() -> String {
    Product::CLIENTS.map(|(name, _)| name).join(", ")
}

/// `java@3.1.0`, `sarama@1.45`, `librdkafka`; a colon is taken in place of the `@`.
impl FromStr for Software {
    type Err = ClientNameError;

    fn from_str(text: &str) -> Result<Self, ClientNameError> {
        let (name, version) = match text.split_once(['@', ':']) {
            Some((name, version)) => (name, Some(version)),
            None => (text, None),
        };
        let aliases = match name {
            "kafka-clients" => "java",
            "spring-kafka" | "spring-boot" => "spring",
            "confluent-kafka" | "confluent-kafka-python" | "confluent-kafka-go" => "librdkafka",
            name => name,
        };
        let known = Product::CLIENTS.iter().find(|(it, _)| *it == aliases);
        let Some((_, product)) = known else {
            let near = Product::CLIENTS.iter().map(|(it, _)| *it);
            let near = near.filter(|it| strsim::damerau_levenshtein(it, name) <= 2);
            return Err(ClientNameError::Unknown {
                name: name.to_owned(),
                near: near.map(str::to_owned).next(),
            });
        };
        let version = match version {
            None => None,
            Some(text) => Some(
                Version::parse(text).ok_or_else(|| ClientNameError::Version(text.to_owned()))?,
            ),
        };
        Ok(Self {
            product: *product,
            version,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_named_with_or_without_a_version() {
        let of = |text: &str| text.parse::<Software>();
        assert_eq!(of("java@3.1.0"), Ok(Software::of(Product::Java, "3.1.0")));
        assert_eq!(of("java:3.1.0"), of("kafka-clients@3.1.0"));
        assert_eq!(of("sarama"), Ok(Software::any(Product::Sarama)));
        let error = of("sarma@1.45").unwrap_err().to_string();
        assert!(error.contains("did you mean `sarama`?"), "{error}");
        assert!(of("java@new").unwrap_err().to_string().contains("`new`"));
    }
}
