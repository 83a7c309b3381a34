//! What "not set" means: the defaults of clients, brokers and workers by version.
//!
//! `kafka.tsv` and `librdkafka.tsv` are printed by the artefacts themselves
//! (`make audit-defaults`); `others.tsv` has the clients that print nothing, each line
//! with its source. Knows nothing of components.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crate::component::Kind;
use crate::product::{Product, Software};
use crate::version::Version;

const KAFKA: &str = include_str!("defaults/kafka.tsv");
const LIBRDKAFKA: &str = include_str!("defaults/librdkafka.tsv");
const OTHERS: &str = include_str!("defaults/others.tsv");

/// A default, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usual {
    /// The value; none where the key has no default.
    pub value: Option<String>,
    /// Such as `kafka-clients 3.1.0`.
    pub of: String,
    /// Whether the version was not given, and the newest is taken for it.
    pub is_assumed: bool,
}

/// A table of one component in several versions.
#[derive(Debug)]
struct Table {
    versions: Vec<Version>,
    /// For each key, its values from versions on; none where the key is gone.
    rows: BTreeMap<&'static str, Vec<(Version, Option<&'static str>)>>,
}

/// A line of `others.tsv`.
#[derive(Debug)]
struct Other {
    of: &'static str,
    since: Version,
    key: &'static str,
    value: &'static str,
}

fn tables() -> &'static BTreeMap<&'static str, Table> {
    static TABLES: OnceLock<BTreeMap<&'static str, Table>> = OnceLock::new();
    TABLES.get_or_init(|| {
        let mut tables = BTreeMap::new();
        for text in [KAFKA, LIBRDKAFKA] {
            read(text, &mut tables);
        }
        tables
    })
}

fn read(text: &'static str, tables: &mut BTreeMap<&'static str, Table>) {
    let mut current = "";
    for line in text.lines().filter(|it| !it.starts_with('#')) {
        let mut cells = line.split('\t');
        let first = cells.next().unwrap_or_default();
        if first == "@" {
            current = cells.next().unwrap_or_default();
            let versions = cells.next().unwrap_or_default().split(' ');
            let table = Table {
                versions: versions.filter_map(Version::parse).collect(),
                rows: BTreeMap::new(),
            };
            tables.insert(current, table);
            continue;
        }
        let values = cells.filter_map(|cell| match cell.split_once('=') {
            Some((version, value)) => Some((Version::parse(version)?, Some(value))),
            None => Some((Version::parse(cell.trim_end_matches('!'))?, None)),
        });
        if let Some(table) = tables.get_mut(current) {
            table.rows.insert(first, values.collect());
        }
    }
}

fn others() -> &'static [Other] {
    static OTHER: OnceLock<Vec<Other>> = OnceLock::new();
    OTHER.get_or_init(|| {
        let lines = OTHERS.lines().filter(|it| !it.starts_with('#'));
        let read = lines.filter_map(|line| {
            let mut cells = line.split('\t');
            Some(Other {
                of: cells.next()?,
                since: Version::parse(cells.next()?)?,
                key: cells.next()?,
                value: cells.next()?,
            })
        });
        read.collect()
    })
}

/// The table that a component of Kafka's own, or of librdkafka, has its keys in.
fn table_of(kind: Kind, product: Product) -> Option<&'static str> {
    Some(match (product, kind) {
        (Product::Java | Product::Spring, Kind::Producer) => "producer",
        (Product::Java | Product::Spring, Kind::Consumer) => "consumer",
        (Product::Librdkafka, Kind::Producer | Kind::Consumer | Kind::Client) => "librdkafka",
        (Product::Kafka, Kind::Broker | Kind::Controller) => "broker",
        (Product::Kafka, Kind::Topic) => "topic",
        (Product::Kafka, Kind::Worker) => "worker",
        (Product::Debezium | Product::Connect, Kind::Source) => "source",
        (Product::Connect, Kind::Sink) => "sink",
        _ => return None,
    })
}

impl Table {
    /// The version of the table that speaks for one.
    fn version(&self, of: Option<&Version>) -> Option<&Version> {
        let Some(of) = of else {
            return self.versions.last();
        };
        let in_line = |it: &&Version| !of.is_exact() && it.is_in(&of.to_string());
        let of_line = self.versions.iter().rev().find(in_line);
        of_line.or_else(|| self.versions.iter().rev().find(|it| *it <= of))
    }
}

/// A client's, a broker's or a worker's own default of a key.
pub fn usual(kind: Kind, software: &Software, key: &str) -> Option<Usual> {
    let slug = slug(software.product, kind);
    let version = software.version.as_ref();
    let matching = others().iter().filter(|it| {
        it.of == slug && it.key == key && version.is_none_or(|version| *version >= it.since)
    });
    if let Some(other) = matching.max_by(|a, b| a.since.cmp(&b.since)) {
        return Some(Usual {
            value: Some(other.value.to_owned()),
            of: software.to_string(),
            is_assumed: version.is_none() && other.since > Version::parse("0.0.1")?,
        });
    }
    let table = tables().get(table_of(kind, software.product)?)?;
    // Spring's version is not that of the client below it.
    let version = version.filter(|_| software.product != Product::Spring);
    let at = table.version(version)?;
    let values = table.rows.get(key)?;
    let value_of = |at: &Version| {
        let found = values.iter().rev().find(|(since, _)| since <= at);
        found.map(|(_, value)| *value)
    };
    let value = value_of(at)?;
    // A version between two that were asked has what both have.
    let is_asked = version.is_some_and(|it| it == at || at.is_in(&it.to_string()));
    let next = table.versions.iter().find(|it| *it > at);
    let differs = next.is_some_and(|next| value_of(next) != Some(value));
    let name = match software.product {
        Product::Spring => Product::Java.name(),
        product => product.name(),
    };
    Some(Usual {
        value: value.filter(|it| *it != "null").map(|it| match it {
            "\"\"" => String::new(),
            it => it.to_owned(),
        }),
        of: format!("{name} {}", version.unwrap_or(at)),
        is_assumed: version.is_none() || !is_asked && differs,
    })
}

fn slug(product: Product, kind: Kind) -> String {
    let kind = match kind {
        Kind::Producer => "producer",
        Kind::Consumer => "consumer",
        Kind::Streams => "streams",
        Kind::Mirror => "mirror",
        Kind::Database => "database",
        Kind::Source => "source",
        Kind::Sink => "sink",
        _ => "",
    };
    format!("{} {kind}", product.name())
}

/// What a table holds of a key in a version, as it was printed.
pub fn kept(table: &str, version: &str, key: &str) -> Option<&'static str> {
    let version = Version::parse(version)?;
    let values = tables().get(table)?.rows.get(key)?;
    values.iter().rev().find(|(since, _)| *since <= version)?.1
}

/// Whether a table knows a key in any of its versions.
pub fn knows(table: &str, key: &str) -> bool {
    tables()
        .get(table)
        .is_some_and(|it| it.rows.contains_key(key))
}

/// The keys of a table in all of its versions.
pub fn keys(table: &str) -> impl Iterator<Item = &'static str> {
    let rows = tables().get(table).map(|it| it.rows.keys().copied());
    rows.into_iter().flatten()
}

/// The version in which a key that there was is gone, where a version has it no more.
pub fn gone(table: &str, version: &Version, key: &str) -> bool {
    let values = tables().get(table).and_then(|it| it.rows.get(key));
    values.is_some_and(|values| {
        let last = values.iter().rev().find(|(since, _)| since <= version);
        last.is_some_and(|(_, value)| value.is_none())
    })
}

/// The name by which rules know a key of librdkafka that has several.
pub fn canonical(key: &str) -> &str {
    let aliases = tables().get("librdkafka-alias");
    let values = aliases
        .and_then(|it| it.rows.get(key))
        .and_then(|it| it.last());
    values.and_then(|(_, name)| *name).unwrap_or(key)
}

/// The table of a component's keys, for checks of their names.
pub fn table(kind: Kind, software: &Software) -> Option<&'static str> {
    table_of(kind, software.product)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn default_of(kind: Kind, product: Product, version: &str, key: &str) -> Option<String> {
        usual(kind, &Software::of(product, version), key)?.value
    }

    #[test]
    fn defaults_are_those_of_the_version() {
        let java = |version, key| default_of(Kind::Producer, Product::Java, version, key);
        assert_eq!(java("2.8.2", "acks").as_deref(), Some("1"));
        assert_eq!(java("3.0.1", "acks").as_deref(), Some("all"));
        assert_eq!(java("3.9.2", "linger.ms").as_deref(), Some("0"));
        assert_eq!(java("4.2.0", "linger.ms").as_deref(), Some("5"));
        assert_eq!(java("2.7.0", "acks"), None);
        let consumer =
            |version| default_of(Kind::Consumer, Product::Java, version, "session.timeout.ms");
        assert_eq!(consumer("2.8.2").as_deref(), Some("10000"));
        assert_eq!(consumer("3.1").as_deref(), Some("45000"));
        let rd = |version, key| default_of(Kind::Producer, Product::Librdkafka, version, key);
        assert_eq!(rd("2.5.0", "enable.idempotence").as_deref(), Some("false"));
        assert_eq!(rd("2.12.1", "acks").as_deref(), Some("-1"));
        assert_eq!(
            rd("1.8.2", "max.in.flight.requests.per.connection").as_deref(),
            Some("1000000")
        );
        let sarama = default_of(Kind::Producer, Product::Sarama, "1.45", "acks");
        assert_eq!(sarama.as_deref(), Some("1"));
        let python = |version| default_of(Kind::Producer, Product::KafkaPython, version, "acks");
        assert_eq!(python("2.3.0").as_deref(), Some("1"));
        assert_eq!(python("3.0.0").as_deref(), Some("all"));
    }

    #[test]
    fn an_unknown_version_is_said_to_be_assumed() {
        let newest = usual(Kind::Producer, &Software::any(Product::Java), "acks").unwrap();
        assert!(newest.is_assumed, "{newest:?}");
        let given = usual(
            Kind::Producer,
            &Software::of(Product::Java, "3.9.1"),
            "acks",
        )
        .unwrap();
        assert_eq!(
            (given.of.as_str(), given.is_assumed),
            ("kafka-clients 3.9.1", false)
        );
        assert!(gone(
            "broker",
            &Version::parse("4.1.0").unwrap(),
            "inter.broker.protocol.version"
        ));
        assert_eq!(canonical("request.required.acks"), "acks");
        assert_eq!(canonical("message.timeout.ms"), "delivery.timeout.ms");
    }

    #[test]
    fn each_line_of_the_others_has_a_source() {
        for line in OTHERS.lines().filter(|it| !it.starts_with('#')) {
            let cells: Vec<&str> = line.split('\t').collect();
            assert!(cells.len() == 5 && !cells[4].is_empty(), "{line}");
        }
    }
}
