//! What clients do where nothing is set.

use model::scenario::Config;
use model::scenario::client::ClientSpec;
use model::scenario::defaults::{ClientKind, unset};

#[test]
fn what_is_not_set_is_the_default_of_the_client_in_its_version() {
    let of = |client: &str, key: &str, set: &[(&str, &str)]| {
        let client: ClientSpec = client.parse().unwrap();
        let set = set
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let config: Config = set.collect();
        let both = [ClientKind::Producer, ClientKind::Consumer];
        let mut all = both
            .into_iter()
            .flat_map(|it| unset(it, &client, &config).collect::<Vec<_>>());
        all.find(|it| it.key == key).map(|it| it.words())
    };
    let told = |client: &str, key: &str| of(client, key, &[]).unwrap();
    assert_eq!(
        told("librdkafka", "enable.idempotence"),
        "false (Java: true)"
    );
    assert_eq!(told("java", "enable.idempotence"), "true");
    for (version, idempotence) in [
        ("2.8.1", "false (Java: true)"),
        ("3.0.0", "false (Java: true)"),
        ("3.0.1", "true"),
        ("3.1.0", "false (Java: true)"),
        ("3.1.1", "true"),
    ] {
        let client = format!("java:{version}");
        assert_eq!(
            told(&client, "enable.idempotence"),
            idempotence,
            "{version}"
        );
    }
    assert_eq!(told("java:2.8.0", "acks"), "1 (Java: all)");
    assert_eq!(
        told("java:2.8.0", "session.timeout.ms"),
        "10000 (Java: 45000)"
    );
    assert_eq!(told("java:3.9.1", "linger.ms"), "0 (Java: 5)");
    assert_eq!(told("java:4.0.0", "linger.ms"), "5");
    let weak = [("acks", "1")];
    assert_eq!(
        of("java", "enable.idempotence", &weak).unwrap(),
        "false (Java: true)"
    );
    assert_eq!(of("java", "acks", &weak), None);
    let idempotent = [("enable.idempotence", "true")];
    let in_flight = "max.in.flight.requests.per.connection";
    assert_eq!(of("librdkafka:1.8.2", in_flight, &idempotent).unwrap(), "5");
    assert_eq!(of("command:x", "acks", &[]), None);
}
