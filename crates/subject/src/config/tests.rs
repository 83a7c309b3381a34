use proptest::prelude::*;

use super::*;

fn one(key: &str, value: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(key.to_owned(), value.to_owned())])
}

fn translated(kind: RoleKind, key: &str, value: &str) -> Result<Vec<(String, String)>, String> {
    client_config(kind, &one(key, value))
        .map(|config| {
            config
                .config_map()
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect()
        })
        .map_err(|error| error.to_string())
}

#[test]
fn keys_and_values_become_those_of_librdkafka() {
    use RoleKind::{Consumer, Producer};
    #[rustfmt::skip]
    #[allow(clippy::type_complexity, reason = "a table of cases")]
    let cases: &[(RoleKind, &str, &str, &[(&str, &str)])] = &[
        (Producer, "acks", "all", &[("acks", "all")]),
        (Producer, "retries", "2147483647", &[("retries", "2147483647")]),
        (Producer, "buffer.memory", "33554432", &[("queue.buffering.max.kbytes", "32768")]),
        (Producer, "max.block.ms", "500", &[]),
        (Consumer, "auto.commit.interval.ms", "100", &[("auto.commit.interval.ms", "100")]),
        (Producer, "delivery.timeout.ms", "120000", &[("message.timeout.ms", "120000")]),
        (Producer, "request.timeout.ms", "30000", &[("request.timeout.ms", "30000"), ("socket.timeout.ms", "30000")]),
        (Consumer, "request.timeout.ms", "30000", &[("socket.timeout.ms", "30000")]),
        (Consumer, "auto.offset.reset", "none", &[("auto.offset.reset", "error")]),
        (Consumer, "fetch.max.wait.ms", "100", &[("fetch.wait.max.ms", "100")]),
        (Consumer, "partition.assignment.strategy",
            "org.apache.kafka.clients.consumer.RangeAssignor, org.apache.kafka.clients.consumer.CooperativeStickyAssignor",
            &[("partition.assignment.strategy", "range,cooperative-sticky")]),
        (Producer, "librdkafka.queue.buffering.max.ms", "7", &[("queue.buffering.max.ms", "7")]),
    ];
    for (kind, key, value, expected) in cases {
        let expected = expected
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        assert_eq!(translated(*kind, key, value), Ok(expected), "{key}");
    }
}

#[test]
fn what_cannot_be_honoured_is_refused_by_name() {
    use RoleKind::{Consumer, Producer};
    #[rustfmt::skip]
    let cases = [
        (Producer, "linger", "5", "`linger` cannot be honoured by the librdkafka producer, did you mean `linger.ms`?; keys of librdkafka's own are passed on as `librdkafka.KEY`"),
        (Producer, "partitioner.class", "x", "`partitioner.class` cannot be honoured by the librdkafka producer; keys of librdkafka's own are passed on as `librdkafka.KEY`"),
        (Producer, "buffer.memory", "1000", "`buffer.memory` is `1000`, and must be a whole number from 1024 to 2199023254528"),
        (Producer, "retries", "2147483648", "`retries` is `2147483648`, and must be a whole number from 0 to 2147483647"),
        (Producer, "acks", "2", "`acks` is `2`, and must be one of `all`, `-1`, `1`, `0`"),
        (Producer, "delivery.timeout.ms", "0", "`delivery.timeout.ms` is `0`, and must be a whole number from 1 to 2147483647"),
        (Producer, "bootstrap.servers", "h:1", "`bootstrap.servers` is set by the subject itself"),
        (Consumer, "librdkafka.group.id", "g", "`librdkafka.group.id` is set by the subject itself"),
        (Consumer, "enable.auto.commit", "true", "`enable.auto.commit` is `true`, and must be `false`"),
        (Producer, "librdkafka.no.such.key", "1", "librdkafka refuses `librdkafka.no.such.key`: No such configuration property: \"no.such.key\""),
    ];
    for (kind, key, value, expected) in cases {
        assert_eq!(
            translated(kind, key, value),
            Err(expected.to_owned()),
            "{key}"
        );
    }
}

#[test]
fn what_is_not_built_in_is_refused() {
    let error = translated(RoleKind::Consumer, "security.protocol", "SSL").unwrap_err();
    assert!(
        error.starts_with("librdkafka refuses `security.protocol`: "),
        "{error}"
    );
}

/// A consumer meets the codec that a topic asks for, whatever it is.
#[test]
fn every_codec_is_built_in() {
    let native = ClientConfig::new().create_native_config().unwrap();
    let features = native.get("builtin.features").unwrap();
    for codec in ["gzip", "snappy", "lz4", "zstd"] {
        let mut names = features.split(',').map(str::trim);
        assert!(names.any(|name| name == codec), "{codec}: {features}");
    }
}

#[test]
fn librdkafka_knows_every_name_of_the_table_and_takes_both_ends_of_a_range() {
    for key in KEYS {
        let values = match key.value {
            ValueRule::Integer { min, max } => vec![min.to_string(), max.to_string()],
            ValueRule::BytesAsKibibytes => {
                vec!["1024".to_owned(), (1024 * i64::from(i32::MAX)).to_string()]
            }
            ValueRule::Choice(words) | ValueRule::List(words) => {
                words.iter().map(|(java, _)| (*java).to_owned()).collect()
            }
            ValueRule::Text => vec![
                match key.java {
                    "security.protocol" => "PLAINTEXT",
                    _ => "x",
                }
                .to_owned(),
            ],
        };
        let kind = match key.role {
            KeyRole::Consumer => RoleKind::Consumer,
            KeyRole::Producer | KeyRole::Both => RoleKind::Producer,
        };
        for value in values {
            translated(kind, key.java, &value).unwrap();
        }
    }
}

#[test]
fn what_is_in_force_is_told_and_secrets_are_hidden() {
    let mut config = ClientConfig::new();
    config
        .set("acks", "all")
        .set("sasl.password", "hunter2")
        .set("linger.ms", "7");
    let Happening::Ready { client, config } = ready(RoleKind::Producer, &config).unwrap() else {
        panic!("not ready");
    };
    assert!(client.starts_with("librdkafka 2."), "{client}");
    assert_eq!(config["acks"], "-1");
    assert_eq!(config["linger.ms"], "7");
    assert_eq!(config["message.timeout.ms"], "300000");
    assert_eq!(config["sasl.password"], "[hidden]");
}

#[test]
fn every_default_worth_telling_exists() {
    for (kind, count) in [
        (RoleKind::Producer, PRODUCER_DEFAULTS.len()),
        (RoleKind::Consumer, CONSUMER_DEFAULTS.len()),
    ] {
        let Happening::Ready { config, .. } = ready(kind, &ClientConfig::new()).unwrap() else {
            panic!("not ready");
        };
        assert_eq!(config.len(), count, "{config:?}");
    }
}

proptest! {
    #[test]
    fn no_key_is_silently_ignored(key in "[a-z]{1,8}(\\.[a-z]{1,8}){0,3}", value in "[a-z0-9]{0,6}") {
        if let Ok(config) = client_config(RoleKind::Producer, &one(&key, &value)) {
            prop_assert!(!config.config_map().is_empty());
        }
    }
}

#[test]
fn every_key_that_can_be_honoured_is_told_where_scenarios_are_documented() {
    const DOCUMENT: &str = include_str!("../../../../docs/scenarios.md");
    for key in KEYS {
        let told = DOCUMENT.contains(&format!("`{}`", key.java));
        assert!(told, "{} is missing in docs/scenarios.md", key.java);
    }
}
