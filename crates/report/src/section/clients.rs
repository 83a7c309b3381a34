//! The clients of a scenario: which they are, and each setting that decides
//! about delivery with its origin. What a client reports of itself counts
//! before what its documentation says. Knows nothing of what came out.

use std::collections::BTreeMap;

use model::scenario::client::ClientSpec;
use model::scenario::defaults::{CLIENT_DEFAULTS, ClientKind, SET_FOR_ALL, unset};
use model::scenario::{Config, Scenario};

use crate::document::{Table, Text, code, text};

/// The rows for a scenario, whose evidence is in this folder.
pub(super) fn table(
    scenario: &Scenario,
    folder: &str,
    configurations: &BTreeMap<String, Config>,
) -> Table {
    let mut table = Table::new([
        "Subject",
        "Client",
        "Not set: the client's default",
        "Not set, and another default than Java's",
    ]);
    let reported = |name: &str| configurations.get(&format!("{folder}: {name}"));
    let mut add = |of: Text, client: &ClientSpec, reported: Reported<'_>, set: &Config| {
        let [same, other] = reported.defaults(client, set);
        let (key, value) = SET_FOR_ALL;
        let by_us = reported.kind == ClientKind::Consumer && !set.contains_key(key);
        let mut client = reported.client(client);
        if by_us {
            client.push(text![", ", setting(key, value), " set by ackproof"]);
        }
        table.row([of, client, same, other]);
    };
    for (it, number) in scenario.producers.iter().zip(0u32..) {
        let name = format!("producer {number}");
        let reported = Reported::new(ClientKind::Producer, "", reported(&name));
        add(
            text![format!("producer p{number}")],
            &it.client,
            reported,
            &it.config,
        );
    }
    for it in &scenario.transforms {
        let config = reported(&format!("{} member 1", it.name));
        let consumer = Reported::new(ClientKind::Consumer, "", config);
        let producer = Reported::new(ClientKind::Producer, "producer.", config);
        let name = || code(&it.name);
        add(text!["group ", name()], &it.client, consumer, &it.config);
        let of = text!["producers of ", name()];
        add(of, &it.client, producer, &it.producer_config);
    }
    for it in &scenario.groups {
        let config = reported(&format!("{} member 1", it.name));
        let consumer = Reported::new(ClientKind::Consumer, "", config);
        add(
            text!["group ", code(&it.name)],
            &it.client,
            consumer,
            &it.config,
        );
    }
    table
}

fn setting(key: &str, value: &str) -> Text {
    code(format!("{key}={value}")).into()
}

/// What a client said of itself, if it came to that.
#[derive(Clone, Copy)]
struct Reported<'c> {
    kind: ClientKind,
    /// What its keys begin with, beside another client's.
    prefix: &'static str,
    config: Option<&'c Config>,
}

impl<'c> Reported<'c> {
    const fn new(kind: ClientKind, prefix: &'static str, config: Option<&'c Config>) -> Self {
        Self {
            kind,
            prefix,
            config,
        }
    }

    /// What was asked for, and the name and version that it gave.
    fn client(&self, spec: &ClientSpec) -> Text {
        match self.config.and_then(|config| config.get("client")) {
            None => text![code(spec)],
            Some(itself) => text![code(spec), format!(" ({itself})")],
        }
    }

    /// The settings that decide about delivery and are not set: those as in
    /// Java, and the others.
    fn defaults(&self, client: &ClientSpec, set: &Config) -> [Text; 2] {
        let documented: BTreeMap<&str, &str> = unset(self.kind, client, set)
            .map(|it| (it.key, it.value))
            .collect();
        let (mut same, mut others) = (Vec::new(), Vec::new());
        let open = CLIENT_DEFAULTS.iter();
        for default in open.filter(|it| {
            it.kind == self.kind && it.key != SET_FOR_ALL.0 && !set.contains_key(it.key)
        }) {
            let documented = documented.get(default.key).map(|it| (*it).to_owned());
            // A test holds what is documented to the client that is built in.
            let value = match client {
                ClientSpec::BuiltIn => documented,
                _ => self.value(default.key).or(documented),
            };
            match value {
                Some(value) if value == default.java => same.push(setting(default.key, &value)),
                Some(value) => others.push(text![
                    setting(default.key, &value),
                    " (Java: ",
                    code(default.java),
                    ")"
                ]),
                None => {}
            }
        }
        [Text::join(same, ", "), Text::join(others, ", ")]
    }

    /// The value in force of a key in Java's name, whatever the client's own
    /// name of it.
    fn value(&self, key: &str) -> Option<String> {
        let get = |key: &str| self.config?.get(&format!("{}{key}", self.prefix));
        let own = match key {
            "delivery.timeout.ms" => "message.timeout.ms",
            "buffer.memory" => {
                if let Some(kibibytes) = get("queue.buffering.max.kbytes") {
                    let kibibytes: u64 = kibibytes.parse().ok()?;
                    return Some((kibibytes * 1024).to_string());
                }
                key
            }
            key => key,
        };
        let value = get(key).or_else(|| get(own))?;
        Some(match (key, value.as_str()) {
            ("acks", "-1") => "all".to_owned(),
            ("auto.offset.reset", "smallest") => "earliest".to_owned(),
            ("auto.offset.reset", "largest") => "latest".to_owned(),
            (_, value) => value.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(set: &[(&str, &str)]) -> Config {
        let set = set.iter();
        set.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn shown(client: &str, reported: Option<&Config>, set: &Config) -> [String; 2] {
        let reported = Reported::new(ClientKind::Producer, "", reported);
        let words = |text: &Text| {
            let spans = text.spans().iter();
            let words = spans.map(crate::document::Span::words);
            words.collect::<String>()
        };
        reported
            .defaults(&client.parse().unwrap(), set)
            .map(|it| words(&it))
    }

    #[test]
    fn what_is_not_set_is_told_with_what_java_does() {
        let [same, other] = shown("librdkafka", None, &config(&[("acks", "1")]));
        assert!(!same.contains("acks") && !other.contains("acks"));
        assert!(
            other.contains("enable.idempotence=false (Java: true)"),
            "{other}"
        );
        let [same, other] = shown("java", None, &config(&[]));
        assert!(same.contains("enable.idempotence=true"), "{same}");
        assert_eq!(other, "");
        assert_eq!(shown("command:x", None, &config(&[])), ["", ""]);
    }

    #[test]
    fn what_a_client_reports_counts_before_what_is_documented() {
        let reported = config(&[
            ("acks", "-1"),
            ("message.timeout.ms", "120000"),
            ("queue.buffering.max.kbytes", "32768"),
            ("linger.ms", "0"),
        ]);
        let [same, other] = shown("command:x", Some(&reported), &config(&[]));
        assert_eq!(
            same,
            "acks=all, delivery.timeout.ms=120000, buffer.memory=33554432"
        );
        assert_eq!(other, "linger.ms=0 (Java: 5)");
    }
}
