//! A scenario on a cluster that is somebody else's, or on an older Kafka: why it
//! may not fit, and other names in place of its own. Knows nothing of how a cluster is reached.

use std::collections::BTreeSet;
use std::fmt;

use super::{
    BrokerPick, Config, FaultKind, KafkaFeature, Link, Scenario, Trigger, features, internal,
};
use crate::plan::OwnPrefix;

/// The first release line whose KRaft controllers heed
/// `unclean.leader.election.enable` (KAFKA-12670).
const UNCLEAN_ELECTION_SINCE: (u32, u32) = (3, 9);

/// The first release line whose Connect can stop a connector (KIP-875).
const CONNECTOR_STOP_SINCE: (u32, u32) = (3, 5);

/// Why a scenario cannot run on a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// It captures changes of a database.
    Capture,
    /// It breaks broker processes, or links between them.
    BrokerProcesses {
        /// The kinds of its faults that do.
        kinds: Vec<&'static str>,
    },
    /// It sets what brokers are configured with.
    BrokerSettings {
        /// The keys.
        keys: Vec<String>,
    },
    /// It sets features of the cluster.
    Features {
        /// Their names.
        names: Vec<String>,
    },
    /// It sets quotas, which other clients of the cluster would feel.
    Quotas,
    /// It stands between the brokers.
    ReplicationLink,
    /// It names a broker by its number, and somebody else's have theirs.
    BrokerNumber {
        /// The number.
        number: u8,
    },
    /// It needs more brokers than there are.
    Brokers {
        /// How many it needs.
        needed: usize,
        /// How many there are.
        there: usize,
    },
    /// It needs unclean elections, which KRaft did not hold by itself yet.
    UncleanElection,
    /// It is about another release of Debezium.
    Debezium {
        /// Which.
        version: String,
    },
    /// It stops a connector, which Connect could not yet.
    ConnectorStop,
    /// It sets a feature that a newer Kafka has.
    UnknownFeature(KafkaFeature),
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Capture => f.write_str("needs Kafka Connect and a database of its own"),
            Self::BrokerProcesses { kinds } => {
                write!(f, "needs to stop and start brokers ({})", kinds.join(", "))
            }
            Self::BrokerSettings { keys } => {
                write!(f, "needs settings of the brokers ({})", keys.join(", "))
            }
            Self::Features { names } => {
                write!(f, "needs features of the cluster ({})", names.join(", "))
            }
            Self::Quotas => f.write_str("sets client quotas of the brokers"),
            Self::ReplicationLink => f.write_str("needs a proxy between the brokers"),
            Self::BrokerNumber { number } => write!(f, "names broker {number} by its number"),
            Self::Brokers { needed, there } => {
                write!(f, "needs {needed} brokers, and the cluster has {there}")
            }
            Self::UncleanElection => f.write_str(
                "needs unclean.leader.election.enable, which KRaft heeds from Kafka 3.9 on \
                 (KAFKA-12670)",
            ),
            Self::Debezium { version } => write!(f, "is about Debezium {version}"),
            Self::ConnectorStop => f.write_str(
                "stops a connector (`down_ms`), which Kafka Connect can from 3.5 on (KIP-875)",
            ),
            Self::UnknownFeature(feature) => write!(
                f,
                "sets the feature {}, which Kafka has from {}.{} on",
                feature.name, feature.since.0, feature.since.1
            ),
        }
    }
}

impl Scenario {
    /// Why it cannot run on somebody else's cluster of so many brokers;
    /// nothing where it can.
    pub(crate) fn misfits(&self, brokers: usize) -> Vec<Misfit> {
        let mut misfits = Vec::new();
        if self.capture.is_some() {
            misfits.push(Misfit::Capture);
        }
        let kinds = self.faults.iter().map(|fault| &fault.kind);
        let own: BTreeSet<&str> = kinds
            .clone()
            .filter(|kind| kind.definition().breaks.needs_own_brokers())
            .map(FaultKind::name)
            .collect();
        if !own.is_empty() && self.capture.is_none() {
            misfits.push(Misfit::BrokerProcesses {
                kinds: own.into_iter().collect(),
            });
        }
        if !self.topology.config.is_empty() {
            misfits.push(Misfit::BrokerSettings {
                keys: self.topology.config.keys().cloned().collect(),
            });
        }
        if !self.topology.features.is_empty() {
            misfits.push(Misfit::Features {
                names: self.topology.features.keys().cloned().collect(),
            });
        }
        if !self.quotas.is_empty() {
            misfits.push(Misfit::Quotas);
        }
        if self.topology.replication_link == Link::Proxy {
            misfits.push(Misfit::ReplicationLink);
        }
        let numbered = kinds
            .filter(|kind| !kind.definition().breaks.needs_own_brokers())
            .find_map(|kind| match kind.parameters().broker() {
                Some(BrokerPick::Number(number)) => Some(*number),
                _ => None,
            });
        if let Some(number) = numbered {
            misfits.push(Misfit::BrokerNumber { number });
        }
        let replicas = self.topics.iter().map(|topic| topic.replication_factor);
        let replicas = usize::try_from(replicas.max().unwrap_or(1)).unwrap_or(1);
        let needed = replicas.max(usize::from(self.topology.brokers));
        if needed > brokers {
            misfits.push(Misfit::Brokers {
                needed,
                there: brokers,
            });
        }
        misfits
    }

    /// Why it cannot run on brokers of this release line; nothing where it can.
    pub(crate) fn misfits_kafka(&self, line: (u32, u32)) -> Vec<Misfit> {
        let topics = self.topics.iter().map(|it| &it.config);
        let mut configs = topics.chain([&self.topology.config]);
        let unclean = |config: &Config| {
            let value = config.get("unclean.leader.election.enable");
            value.is_some_and(|value| value == "true")
        };
        let held = line < UNCLEAN_ELECTION_SINCE && configs.any(unclean);
        let unclean = held.then_some(Misfit::UncleanElection);
        let unknown = features::first_unknown(&self.topology.features, line);
        let unknown = unknown.map(Misfit::UnknownFeature);
        let stops = self.faults.iter().any(|fault| match &fault.kind {
            FaultKind::ConnectorRestart(restart) => restart.down_ms > 0,
            _ => false,
        });
        let stops = line < CONNECTOR_STOP_SINCE && stops;
        let stops = stops.then_some(Misfit::ConnectorStop);
        unclean.into_iter().chain(unknown).chain(stops).collect()
    }

    /// Puts the prefix before every name that a cluster knows: of topics and
    /// of groups, and with these before the transactional ids that are made of
    /// theirs. Records carry their topic's name, so this comes before there
    /// are any.
    pub(crate) fn prefix_names(&mut self, prefix: &OwnPrefix) {
        // What is Kafka's own has no other name anywhere.
        let rename = |name: &mut String| {
            if !internal::is_kafkas(name) {
                *name = prefix.before(name);
            }
        };
        for topic in &mut self.topics {
            rename(&mut topic.name);
        }
        for producer in &mut self.producers {
            rename(&mut producer.topic);
        }
        for group in &mut self.groups {
            rename(&mut group.name);
            rename(&mut group.topic);
        }
        for transform in &mut self.transforms {
            rename(&mut transform.name);
            rename(&mut transform.from);
            rename(&mut transform.to);
        }
        let writes = self.writes.iter_mut();
        let triggers = writes.flat_map(|it| it.after.iter_mut().chain(&mut it.commit_after));
        triggers.for_each(|after| rename_in_trigger(after, &rename));
        for fault in &mut self.faults {
            rename_in_trigger(&mut fault.after, &rename);
            fault.kind.names().into_iter().for_each(rename);
        }
    }
}

fn rename_in_trigger(trigger: &mut Trigger, rename: &impl Fn(&mut String)) {
    match trigger {
        Trigger::Processed { group, .. } => rename(group),
        Trigger::InSync { topic, .. } => rename(topic),
        Trigger::Acknowledged(_)
        | Trigger::Captured(_)
        | Trigger::ElapsedMs(_)
        | Trigger::Injected(_)
        | Trigger::Healed(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{embedded, parse};

    fn misfits(name: &str, brokers: usize) -> Vec<String> {
        let scenario = parse(name, embedded(name).unwrap()).unwrap();
        let misfits = scenario.misfits(brokers);
        misfits.iter().map(Misfit::to_string).collect()
    }

    #[test]
    fn a_scenario_that_breaks_only_clients_and_their_network_fits() {
        for name in [
            "consumer-kill",
            "network-partition",
            "answer-lost-idempotence",
        ] {
            assert_eq!(misfits(name, 1), [""; 0], "{name}");
            assert_eq!(misfits(name, 30), [""; 0], "{name}");
        }
    }

    #[test]
    fn every_reason_is_told() {
        assert_eq!(
            misfits("acks-1-leader-kill", 1),
            [
                "needs to stop and start brokers (broker-restart, link-cut)",
                "needs settings of the brokers (broker.heartbeat.interval.ms, \
                 broker.session.timeout.ms)",
                "needs a proxy between the brokers",
                "needs 3 brokers, and the cluster has 1",
            ]
        );
        assert_eq!(
            misfits("debezium-offset-recovery", 3),
            ["needs Kafka Connect and a database of its own"]
        );
    }

    #[test]
    fn a_feature_needs_a_kafka_that_knows_it_and_a_cluster_of_its_own() {
        let text = embedded("exactly-once").unwrap();
        let features = "\n[topology]\nfeatures = { \"transaction.version\" = 0 }\n\n[[topic]]";
        let scenario = parse("x", &text.replacen("\n[[topic]]", features, 1)).unwrap();
        assert_eq!(scenario.misfits_kafka((4, 0)), []);
        let words =
            |misfits: Vec<Misfit>| misfits.iter().map(Misfit::to_string).collect::<Vec<_>>();
        assert_eq!(
            words(scenario.misfits_kafka((3, 9))),
            ["sets the feature transaction.version, which Kafka has from 4.0 on"]
        );
        assert_eq!(
            words(scenario.misfits(3)),
            ["needs features of the cluster (transaction.version)"]
        );
    }

    #[test]
    fn a_broker_of_a_number_is_nobody_there() {
        let text = embedded("network-partition").unwrap();
        let text = text.replace("for_ms = 10000", "for_ms = 10000\nbroker = 1");
        let scenario = parse("x", &text).unwrap();
        assert_eq!(scenario.misfits(3), [Misfit::BrokerNumber { number: 1 }]);
    }
}
