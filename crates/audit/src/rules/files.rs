//! Mistakes in the files themselves: keys that nothing reads, keys twice, secrets.

use super::Confidence::{Certain, Likely};
use super::Rule;
use super::Severity::{Note, Warning};
use crate::component::{Component, Kind};
use crate::defaults;
use crate::landscape::is_open;
use crate::product::Product;

/// Tables whose keys a component may have: its own, and those of what it passes on to.
fn tables(component: &Component) -> Option<&'static [&'static str]> {
    let is_rd = component.is(Product::Librdkafka);
    Some(match component.kind {
        Kind::Producer | Kind::Consumer if is_rd => &["librdkafka", "librdkafka-alias"],
        Kind::Producer | Kind::Consumer if component.is(Product::Java) => &["producer", "consumer"],
        Kind::Broker | Kind::Controller => &["broker"],
        Kind::Topic => &["topic"],
        Kind::Worker => &["worker"],
        _ => return None,
    })
}

/// Keys that are set on purpose. Of others the images have variables of their own.
const MATTERS: [&str; 12] = [
    "min.insync.replicas",
    "default.replication.factor",
    "offsets.topic.replication.factor",
    "transaction.state.log.replication.factor",
    "transaction.state.log.min.isr",
    "unclean.leader.election.enable",
    "auto.create.topics.enable",
    "log.retention.hours",
    "log.retention.ms",
    "log.retention.bytes",
    "offsets.retention.minutes",
    "message.max.bytes",
];

/// A key of the same table that is likely to be meant: one typing error away, as long
/// names have several similar ones.
fn meant(key: &str, tables: &[&str]) -> Option<&'static str> {
    let near = |known: &&str| {
        let distance = strsim::damerau_levenshtein(known, key);
        distance > 0 && distance <= if key.len() > 12 { 2 } else { 1 }
    };
    tables
        .iter()
        .find_map(|table| defaults::keys(table).find(near))
}

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "unknown-key",
        severity: Warning,
        confidence: Likely,
        title: "a key that nothing reads",
        consequence: "A misspelt key is ignored, with a line in the log at most: the default stays in force.",
        fix: "the key that is meant",
        source: "the tables of keys that the clients and brokers print themselves",
        shown_by: &[],
        check: |of, hits| {
            for it in &of.components {
                let Some(tables) = tables(it) else { continue };
                for setting in it
                    .settings
                    .iter()
                    .filter(|it| !it.key.starts_with('@') && it.key.contains(['.', '_']))
                {
                    // A key of another kind of component is there on purpose.
                    let all = [
                        "producer",
                        "consumer",
                        "broker",
                        "topic",
                        "worker",
                        "source",
                        "sink",
                        "librdkafka",
                        "librdkafka-alias",
                    ];
                    if all.iter().any(|table| defaults::knows(table, &setting.key)) {
                        continue;
                    }
                    if let Some(near) = meant(&setting.key, tables) {
                        let says = format!("{} is no key that is known; `{near}` is", setting.key);
                        hits.on(it, &setting.path, says).origin = Some(setting.origin.clone());
                    }
                }
            }
        },
    },
    Rule {
        id: "key-of-another-client",
        severity: Warning,
        confidence: Certain,
        title: "a key of another client",
        consequence: "Java's client ignores keys of librdkafka, with a line in the log; librdkafka refuses Java's.",
        fix: "this client's own key",
        source: "the tables of keys that the clients print themselves",
        shown_by: &[],
        check: |of, hits| {
            let is_java =
                |key: &str| defaults::knows("producer", key) || defaults::knows("consumer", key);
            let is_rd = |key: &str| {
                defaults::knows("librdkafka", key) || defaults::knows("librdkafka-alias", key)
            };
            for it in of.of(&[Kind::Producer, Kind::Consumer]) {
                for setting in &it.settings {
                    let others =
                        it.is(Product::Java) && is_rd(&setting.key) && !is_java(&setting.key)
                            || it.is(Product::Librdkafka)
                                && is_java(&setting.key)
                                && !is_rd(&setting.key);
                    if others {
                        let owner = if it.is(Product::Java) {
                            "librdkafka"
                        } else {
                            "Java's client"
                        };
                        hits.on(
                            it,
                            &setting.path,
                            format!("{} is a key of {owner}", setting.key),
                        )
                        .origin = Some(setting.origin.clone());
                    }
                }
            }
        },
    },
    Rule {
        id: "variable-not-mapped",
        severity: Warning,
        confidence: Certain,
        title: "a variable that the image does not read",
        consequence: "The image makes keys of variables with another prefix: this one has no effect, and the default \
                      stays in force.",
        fix: "the image's own prefix, such as `KAFKA_CFG_`",
        source: "documentation of the image",
        shown_by: &[],
        check: |of, hits| {
            for it in of.brokers() {
                for setting in it
                    .settings
                    .iter()
                    .filter(|it| it.key.starts_with("KAFKA_") || it.key.starts_with("cfg."))
                {
                    let bare = setting
                        .key
                        .trim_start_matches("KAFKA_")
                        .trim_start_matches("cfg.");
                    let key = bare.to_ascii_lowercase().replace('_', ".");
                    if MATTERS.contains(&key.as_str()) {
                        let variable = setting.path.rsplit('.').next().unwrap_or_default();
                        hits.on(
                            it,
                            &setting.path,
                            format!("{variable} does not set {key} in this image"),
                        )
                        .origin = Some(setting.origin.clone());
                    }
                }
            }
        },
    },
    Rule {
        id: "set-twice",
        severity: Warning,
        confidence: Certain,
        title: "a key has two values",
        consequence: "The later one is in force, which may not be the one that is read first.",
        fix: "one value",
        source: "Java documentation, java.util.Properties",
        shown_by: &[],
        check: |of, hits| {
            for it in &of.components {
                for (at, setting) in it.settings.iter().enumerate() {
                    let earlier = it.settings.iter().take(at).rev().find(|other| {
                        other.key == setting.key
                            && other.value != setting.value
                            && other.origin != setting.origin
                            && !setting.key.starts_with('@')
                    });
                    if let Some(earlier) = earlier {
                        let shown = |value: &str| secret::shown(&setting.key, value).into_owned();
                        let says = format!(
                            "{}={} is in force, and {} said {}",
                            setting.key,
                            shown(&setting.value),
                            earlier.origin,
                            shown(&earlier.value)
                        );
                        hits.on(it, &setting.path, says).origin = Some(setting.origin.clone());
                    }
                }
            }
        },
    },
    Rule {
        id: "secret-in-file",
        severity: Note,
        confidence: Certain,
        title: "a secret stands in the file",
        consequence: "Every reader of the file, its history or a copy has the password.",
        fix: "a config provider (`${file:…}`, `${env:…}`) or a secret of the platform",
        source: "KIP-297; Kafka documentation, config providers",
        shown_by: &[],
        check: |of, hits| {
            for it in &of.components {
                let literal = |it: &&crate::component::ReadSetting| {
                    secret::is_secret(&it.key)
                        && !it.value.is_empty()
                        && !is_open(&it.value)
                        && !it.key.starts_with('@')
                        // A name of a user opens no door.
                        && !it.key.contains("user")
                };
                for setting in it.settings.iter().filter(literal) {
                    if matches!(setting.origin, crate::component::Origin::File { .. }) {
                        hits.on(
                            it,
                            &setting.path,
                            format!("{} is {}", setting.key, secret::HIDDEN),
                        )
                        .origin = Some(setting.origin.clone());
                    }
                }
            }
        },
    },
];
