//! Scenarios that do not fit a cluster that exists already.

use std::collections::BTreeMap;

use model::ids::RunId;
use model::plan::RunPlan;
use model::scenario::{embedded, parse};

fn misfits(text: &str, brokers: usize) -> Vec<String> {
    let scenario = parse("x", text).unwrap();
    let plan = RunPlan::new(RunId::new(1), 1, BTreeMap::new(), &[scenario], 1);
    let skipped = plan.on_cluster(vec!["a:1".to_owned()], brokers).skipped;
    skipped.into_iter().flat_map(|it| it.reasons).collect()
}

fn misfits_of(name: &str, brokers: usize) -> Vec<String> {
    misfits(embedded(name).unwrap(), brokers)
}

#[test]
fn a_scenario_that_breaks_only_clients_and_their_network_fits() {
    for name in [
        "consumer-kill",
        "network-partition",
        "answer-lost-idempotence",
    ] {
        assert_eq!(misfits_of(name, 1), [""; 0], "{name}");
        assert_eq!(misfits_of(name, 30), [""; 0], "{name}");
    }
}

#[test]
fn every_reason_is_told() {
    assert_eq!(
        misfits_of("acks-1-leader-kill", 1),
        [
            "needs to stop and start brokers (broker-restart, link-cut)",
            "needs settings of the brokers (broker.heartbeat.interval.ms, \
             broker.session.timeout.ms)",
            "needs a proxy between the brokers",
            "needs 3 brokers, and the cluster has 1",
        ]
    );
    assert_eq!(
        misfits_of("debezium-offset-recovery", 3),
        ["needs Kafka Connect and a database of its own"]
    );
}

#[test]
fn a_brokers_number_does_not_fit() {
    let text = embedded("network-partition").unwrap();
    let text = text.replace("for_ms = 10000", "for_ms = 10000\nbroker = 1");
    assert_eq!(misfits(&text, 3), ["names broker 1 by its number"]);
}

#[test]
fn a_feature_needs_a_kafka_that_knows_it_and_a_cluster_of_its_own() {
    let text = embedded("exactly-once").unwrap();
    let features = "\n[topology]\nfeatures = { \"transaction.version\" = 0 }\n\n[[topic]]";
    let text = text.replacen("\n[[topic]]", features, 1);
    assert_eq!(
        misfits(&text, 3),
        ["needs features of the cluster (transaction.version)"]
    );
    let scenario = parse("x", &text).unwrap();
    let plan = RunPlan::new(RunId::new(1), 1, BTreeMap::new(), &[scenario], 1);
    assert!(plan.clone().on_kafka((4, 0)).skipped.is_empty());
    assert_eq!(
        plan.on_kafka((3, 9)).skipped[0].reasons,
        ["sets the feature transaction.version, which Kafka has from 4.0 on"]
    );
}
