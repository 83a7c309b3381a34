//! Clients that are not made, and ones that are connected to nothing.

use std::fs;
use std::path::Path;

use librdkafka::{Librdkafka, LoadError};
use subject::librdkafka_client::LibrdkafkaClient;
use subject::protocol::{
    Client, ConsumerStart, Outgoing, ProducerStart, Request, Start, SubjectEvent, VERSION,
};

use crate::driven::{Driven, OLD, clients_without_broker, config, fetched};

#[test]
fn what_is_no_librdkafka_is_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let error = |path: &Path| LibrdkafkaClient::load(path).map(drop).unwrap_err();

    let nothing = dir.path().join("librdkafka.so.1");
    let told = error(&nothing);
    assert!(matches!(told, LoadError::Open { .. }), "{told:?}");
    assert!(told.to_string().contains("No such file"), "{told}");

    fs::write(&nothing, "no library").unwrap();
    let told = error(&nothing);
    assert!(matches!(told, LoadError::Open { .. }), "{told:?}");

    // Another library: the C library of this process.
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let other = maps.split_whitespace().find(|it| it.contains("/libc.so"));
    let told = error(Path::new(other.unwrap()));
    assert!(matches!(told, LoadError::Other { .. }), "{told:?}");
}

#[test]
fn a_library_says_its_version() {
    assert!(Librdkafka::built_in().version().starts_with("2."));
    for version in [OLD, "1.8.2", "2.2.0"] {
        if let Some(path) = fetched(version) {
            assert_eq!(Librdkafka::load(&path).unwrap().version(), version);
        }
    }
}

fn check(client: &mut LibrdkafkaClient, producer: &[(&str, &str)]) -> SubjectEvent {
    let start = Start {
        protocol: VERSION,
        check: true,
        producer: Some(ProducerStart {
            config: config(producer),
        }),
        consumer: Some(ConsumerStart {
            config: config(&[
                ("bootstrap.servers", "127.0.0.1:1"),
                ("group.id", "g"),
                ("enable.auto.commit", "false"),
            ]),
            topics: vec!["t".to_owned()],
        }),
    };
    client.request(Request::Start(start)).unwrap();
    client.event(std::time::Duration::ZERO).unwrap().unwrap()
}

#[test]
fn a_configuration_is_checked_without_a_connection() {
    for (name, make) in clients_without_broker() {
        let ready = check(&mut make(name), &[("acks", "1"), ("linger.ms", "7")]);
        let SubjectEvent::Ready {
            client,
            version,
            config,
            set,
            ..
        } = ready
        else {
            panic!("{name}: {ready:?}");
        };
        assert_eq!(client, "librdkafka");
        assert!(name == "built in" || name == version, "{name}: {version}");
        assert_eq!(config["producer.linger.ms"], "7", "{name}");
        assert_eq!(config["enable.auto.offset.store"], "false", "{name}");
        assert_eq!(config["producer.max.block.ms"], "60000", "{name}");
        assert!(set.contains(&"producer.acks".to_owned()), "{name}: {set:?}");
        assert!(!set.contains(&"producer.retries".to_owned()), "{name}");

        let wrong = [("acks", "1"), ("enable.idempotence", "true")];
        let SubjectEvent::Refused { key, reason } = check(&mut make(name), &wrong) else {
            panic!("{name}: it is possible");
        };
        assert_eq!(key.as_deref(), Some("acks"), "{name}: {reason}");
    }
}

#[test]
fn a_version_that_lacks_a_property_refuses_it_by_name() {
    let wanted = [("retry.backoff.max.ms", "500")];
    let built_in = check(&mut LibrdkafkaClient::built_in(), &wanted);
    assert!(
        matches!(built_in, SubjectEvent::Ready { .. }),
        "{built_in:?}"
    );
    let Some(path) = fetched("1.8.2") else {
        return;
    };
    let refused = check(&mut LibrdkafkaClient::load(&path).unwrap(), &wanted);
    assert_eq!(
        refused,
        SubjectEvent::Refused {
            key: Some("retry.backoff.max.ms".to_owned()),
            reason: "the client refuses `retry.backoff.max.ms`: librdkafka 1.8.2 has no \
                     `retry.backoff.max.ms`"
                .to_owned(),
        }
    );
}

/// As many records as there is room for, and one more.
#[test]
fn a_send_without_room_fails_after_max_block() {
    for (name, make) in clients_without_broker() {
        let mut driven = Driven::start(
            make(name),
            Some(&[
                ("bootstrap.servers", "127.0.0.1:1"),
                ("librdkafka.queue.buffering.max.messages", "5"),
                ("delivery.timeout.ms", "3000"),
                ("linger.ms", "0"),
                ("max.block.ms", "100"),
            ]),
            None,
        );
        for id in 0..6 {
            let topic = "t".to_owned();
            let record = Outgoing {
                id,
                topic,
                partition: Some(0),
                ..Outgoing::default()
            };
            driven.client.request(Request::Send(record)).unwrap();
        }
        driven.close();
        let failed = |event: &SubjectEvent| matches!(event, SubjectEvent::Failed { id: 5, .. });
        let unknown = |event: &SubjectEvent| matches!(event, SubjectEvent::Unknown { .. });
        assert_eq!(driven.count(failed), 1, "{name}: {:?}", driven.told);
        assert_eq!(driven.count(unknown), 5, "{name}: {:?}", driven.told);
    }
}
