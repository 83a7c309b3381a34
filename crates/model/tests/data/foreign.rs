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
