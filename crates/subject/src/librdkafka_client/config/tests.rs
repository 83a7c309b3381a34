use proptest::prelude::*;

use super::*;

fn one(key: &str, value: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(key.to_owned(), value.to_owned())])
}

fn translated(kind: RoleKind, key: &str, value: &str) -> Result<Vec<(String, String)>, String> {
    let config = one(key, value);
    refuse_given(&config)
        .and_then(|()| {
            // librdkafka takes it, too.
            Translated::of(Librdkafka::built_in(), true, kind, &config)?;
            translate(kind, key, value, true)
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
        (Producer, "linger", "5", "a producer has no setting `linger`; did you mean `linger.ms`?"),
        (Producer, "ack", "all", "a producer has no setting `ack`; did you mean `acks`?"),
        (Producer, "no.such.thing.at.all", "1", "a producer has no setting `no.such.thing.at.all`; names of librdkafka's own are written `librdkafka.KEY`"),
        (Consumer, "acks", "all", "`acks` is a setting of a producer, not of a consumer: it belongs in the `config` of a [[producer]]"),
        (Producer, "isolation.level", "read_committed", "`isolation.level` is a setting of a consumer, not of a producer: it belongs in the `config` of a [[group]]"),
        (Producer, "min.insync.replicas", "2", "`min.insync.replicas` is a setting of a topic, not of a producer: it belongs in the `config` of a [[topic]]"),
        (Producer, "partitioner.class", "x", "`partitioner.class` is a setting of the Java client that librdkafka, the built-in client, has nothing for: leave it out"),
        (Producer, "key.serializer", "x", "`key.serializer` has no use here: ackproof makes the keys and values of records itself, so that it can tell each; leave it out"),
        (Producer, "sasl.password", "x", "`sasl.password` has no use here: the built-in client is made without TLS and SASL; leave it out"),
        (Producer, "queue.buffering.max.messages", "9", "`queue.buffering.max.messages` is a name of librdkafka's own, the built-in client: write `\"librdkafka.queue.buffering.max.messages\"`"),
        (Producer, "buffer.memory", "1000", "`buffer.memory` takes a whole number from 1024 to 2199023254528, not `1000`"),
        (Producer, "retries", "2147483648", "`retries` takes a whole number from 0 to 2147483647, not `2147483648`"),
        (Producer, "acks", "2", "`acks` takes one of `all`, `-1`, `1`, `0`, not `2`"),
        (Consumer, "isolation.level", "committed", "`isolation.level` takes one of `read_uncommitted`, `read_committed`, not `committed`"),
        (Producer, "delivery.timeout.ms", "0", "`delivery.timeout.ms` takes a whole number from 1 to 2147483647, not `0`"),
        (Producer, "bootstrap.servers", "h:1", "`bootstrap.servers` is set by ackproof itself: leave it out"),
        (Consumer, "librdkafka.group.id", "g", "`librdkafka.group.id` is set by ackproof itself: leave it out"),
        (Consumer, "enable.auto.commit", "true", "`enable.auto.commit` takes `false`, not `true`"),
        (Producer, "librdkafka.no.such.key", "1", "there is no `librdkafka.no.such.key`: librdkafka has no such property"),
        (Producer, "librdkafka.lingerms", "1", "there is no `librdkafka.lingerms`: librdkafka has no such property; did you mean `librdkafka.linger.ms`?"),
        (Producer, "librdkafka.fetch.min.bytes", "1", "`fetch.min.bytes` does nothing in a producer: leave it out"),
        (Producer, "librdkafka.dr_cb", "1", "`dr_cb` cannot be set by a text: programs of librdkafka's give it in a call"),
        (Producer, "librdkafka.message.max.bytes", "many", "the client refuses `librdkafka.message.max.bytes`: it takes a number from 1000 to 1000000000, not `many`"),
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
        error.contains("`security.protocol`: the built-in client is made without TLS and SASL"),
        "{error}"
    );
}

/// A consumer meets the codec that a topic asks for, whatever it is.
#[test]
fn every_codec_is_built_in() {
    let native = Properties::new(Librdkafka::built_in());
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

fn in_force(kind: RoleKind, config: &[(&str, &str)]) -> InForce {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    let config = config.iter().map(owned).collect();
    let translated = Translated::of(Librdkafka::built_in(), true, kind, &config).unwrap();
    let (config, set) = translated.into_parts();
    match kind {
        RoleKind::Producer => {
            let client = ProducerClient::new(config).unwrap();
            InForce::of(kind, set, |key| client.in_force(key))
        }
        RoleKind::Consumer => {
            let client = ConsumerClient::new(config).unwrap();
            InForce::of(kind, set, |key| client.in_force(key))
        }
    }
}

#[test]
fn what_is_in_force_is_told_and_secrets_are_hidden() {
    let told = in_force(
        RoleKind::Producer,
        &[
            ("enable.idempotence", "true"),
            ("librdkafka.sasl.password", "hunter2"),
            ("linger.ms", "7"),
        ],
    );
    // What librdkafka makes of idempotence.
    assert_eq!(told.config["acks"], "-1");
    assert_eq!(told.config["max.in.flight.requests.per.connection"], "5");
    assert_eq!(told.config["linger.ms"], "7");
    assert_eq!(told.config["message.timeout.ms"], "300000");
    assert_eq!(told.config["sasl.password"], "[hidden]");
    let set: Vec<_> = told.set.iter().map(String::as_str).collect();
    assert_eq!(set, ["enable.idempotence", "linger.ms", "sasl.password"]);
}

#[test]
fn every_default_worth_telling_exists() {
    for (kind, count) in [
        (RoleKind::Producer, PRODUCER_DEFAULTS.len()),
        (RoleKind::Consumer, CONSUMER_DEFAULTS.len()),
    ] {
        let told = in_force(kind, &[]);
        assert_eq!(told.config.len(), count, "{:?}", told.config);
    }
}

/// What the client says of settings that each by itself it would take.
#[test]
fn settings_that_contradict_each_other_are_refused_in_the_names_they_have() {
    use RoleKind::{Consumer, Producer};
    #[rustfmt::skip]
    #[allow(clippy::type_complexity, reason = "a table of cases")]
    let cases: &[(RoleKind, &[(&str, &str)], &str, &str)] = &[
        (Producer, &[("acks", "1"), ("enable.idempotence", "true")], "acks", "`acks`"),
        (Producer, &[("retries", "0"), ("enable.idempotence", "true")], "retries", "`retries`"),
        (Producer, &[("max.in.flight.requests.per.connection", "6"), ("enable.idempotence", "true")],
            "max.in.flight.requests.per.connection", "`max.in.flight"),
        (Producer, &[("delivery.timeout.ms", "1000"), ("request.timeout.ms", "900"), ("linger.ms", "200")],
            "delivery.timeout.ms", "must be at least `request.timeout.ms` and `linger.ms` together, which are 1100"),
        (Consumer, &[("group.protocol", "consumer"), ("session.timeout.ms", "10000")],
            "session.timeout.ms", "`session.timeout.ms`"),
        (Consumer, &[("heartbeat.interval.ms", "9000"), ("session.timeout.ms", "6000")],
            "heartbeat.interval.ms", "below `session.timeout.ms`"),
    ];
    for (kind, settings, key, says) in cases {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        let config: BTreeMap<String, String> = settings.iter().map(owned).collect();
        let error = check_config(*kind, &config, &[("group.id", "g")]).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(error.place(), Some((*key, true)), "{error}");
        for (key, value) in *settings {
            let alone = BTreeMap::from([owned(&(*key, *value))]);
            check_config(*kind, &alone, &[("group.id", "g")]).unwrap();
        }
    }
    // A transaction brings idempotence with it.
    let acks = one("acks", "1");
    let error = check_config(Producer, &acks, &[("transactional.id", "t")]).unwrap_err();
    assert!(error.to_string().contains("`acks`"), "{error}");
}

/// `make settings` was run since the library was last changed.
#[test]
fn the_table_of_librdkafka_is_that_of_the_library_built_in() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/settings.sh");
    let printed = std::process::Command::new(script)
        .arg("librdkafka")
        .output()
        .unwrap();
    assert!(printed.status.success(), "{printed:?}");
    let printed = String::from_utf8(printed.stdout).unwrap();
    assert!(
        printed == include_str!("librdkafka.tsv"),
        "run `make settings`"
    );
    for line in printed.lines() {
        let (name, rest) = line.split_once('\t').unwrap();
        if rest.contains("see dedicated API")
            || name.starts_with("ssl")
            || name.starts_with("https")
        {
            continue;
        }
        assert!(native::find(name).is_some(), "{name}");
    }
}

/// `make settings` was run since Kafka was last changed; asked where there is
/// a JDK, which compiles the question.
#[test]
fn the_table_of_kafka_is_that_of_the_jars() {
    let modules = std::process::Command::new("java")
        .arg("--list-modules")
        .output();
    let modules = modules.map(|it| String::from_utf8_lossy(&it.stdout).into_owned());
    if !modules.is_ok_and(|it| it.contains("jdk.compiler")) {
        return;
    }
    let kafka = testkit::Kafka::find(stack::artefacts::Parts::Kafka);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/settings.sh");
    let printed = std::process::Command::new(script)
        .arg("kafka")
        .arg(&kafka.artefacts.kafka.path)
        .output()
        .unwrap();
    assert!(printed.status.success(), "{printed:?}");
    let table = include_str!("../../../../model/src/scenario/settings/kafka.tsv");
    let printed = String::from_utf8(printed.stdout).unwrap();
    // Java itself says which ciphers and protocols are usual.
    let compared = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| !line.contains("\tssl."));
        lines.map(str::to_owned).collect()
    };
    assert!(compared(&printed) == compared(table), "run `make settings`");
    let line = kafka.artefacts.kafka.version.rsplit_once('.').unwrap().0;
    assert_eq!(line, settings::KAFKA);
}

proptest! {
    #[test]
    fn no_key_is_silently_ignored(key in "[a-z]{1,8}(\\.[a-z]{1,8}){0,3}", value in "[a-z0-9]{0,6}") {
        if let Ok(names) = translate(RoleKind::Producer, &key, &value, true) {
            prop_assert!(!names.is_empty());
        }
    }
}

#[test]
fn every_key_that_can_be_honoured_is_told_where_scenarios_are_documented() {
    const DOCUMENT: &str = include_str!("../../../../../docs/reference/scenarios.md");
    for key in KEYS {
        let told = DOCUMENT.contains(&format!("`{}`", key.java));
        assert!(
            told,
            "{} is missing in docs/reference/scenarios.md",
            key.java
        );
    }
}

#[test]
fn the_defaults_that_are_told_are_librdkafkas() {
    use model::scenario::defaults::{CLIENT_DEFAULTS, ClientKind};
    for default in CLIENT_DEFAULTS {
        let kind = match default.kind {
            ClientKind::Producer => RoleKind::Producer,
            ClientKind::Consumer => RoleKind::Consumer,
        };
        // The subject sets it itself.
        if default.key == "auto.offset.reset" {
            continue;
        }
        let none = BTreeMap::new();
        let native = Translated::of(Librdkafka::built_in(), true, kind, &none).unwrap();
        for (key, expected) in translate(kind, default.key, default.value, true).unwrap() {
            let value = native.config.get(&key).unwrap();
            let value = if value == "-1" {
                "all".to_owned()
            } else {
                value
            };
            // How long librdkafka's socket waits is another thing.
            if key != "socket.timeout.ms" {
                assert_eq!(value, expected, "{key}");
            }
        }
    }
}
