//! A scenario on a user's cluster, or on an older Kafka: why it may not fit, and other
//! names in place of its own. Knows nothing of how a cluster is reached.

use std::collections::BTreeSet;

use super::{BrokerPick, Config, FaultKind, Link, Scenario, Trigger, features, internal, releases};
use crate::plan::OwnPrefix;

/// The first release line whose KRaft controllers heed
/// `unclean.leader.election.enable` (KAFKA-12670).
const UNCLEAN_ELECTION_SINCE: (u32, u32) = (3, 9);

/// The first release line whose Connect can stop a connector (KIP-875).
const CONNECTOR_STOP_SINCE: (u32, u32) = (3, 5);

/// What ackproof can do to the brokers of a user's cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BrokerHold {
    /// Nothing: it only speaks to them.
    #[default]
    None,
    /// End, freeze and start them: they run in containers.
    Containers,
}

impl BrokerHold {
    /// Whether a fault can be carried out: in a container, what ends or freezes a process and
    /// asks nothing of its disk.
    fn allows(self, kind: &FaultKind) -> bool {
        let breaks_processes = matches!(
            kind,
            FaultKind::BrokerRestart(_)
                | FaultKind::BrokerPause(_)
                | FaultKind::BrokerLoss(_)
                | FaultKind::RollingBounce(_)
        );
        (breaks_processes && self == Self::Containers)
            || !kind.definition().breaks.needs_own_brokers()
    }
}

impl Scenario {
    /// Reasons why it cannot run on a user's cluster of so many brokers; none where it can.
    pub(crate) fn misfits(&self, brokers: usize, hold: BrokerHold) -> Vec<String> {
        let mut misfits = Vec::new();
        if self.capture.is_some() {
            misfits.push("needs Kafka Connect and a database of its own".to_owned());
        }
        let kinds = self.faults.iter().map(|fault| &fault.kind);
        let own: BTreeSet<&str> = kinds
            .clone()
            .filter(|kind| !hold.allows(kind))
            .map(FaultKind::name)
            .collect();
        if !own.is_empty() && self.capture.is_none() {
            let own: Vec<&str> = own.into_iter().collect();
            let needs = match hold {
                BrokerHold::None => "to stop and start brokers",
                BrokerHold::Containers => "brokers of ackproof's own",
            };
            misfits.push(format!("needs {needs} ({})", own.join(", ")));
        }
        if let Some(version) = &self.topology.kafka {
            misfits.push(format!("is about Kafka {version}"));
        }
        if !self.topology.config.is_empty() {
            let keys: Vec<&str> = self.topology.config.keys().map(String::as_str).collect();
            misfits.push(format!(
                "needs settings of the brokers ({})",
                keys.join(", ")
            ));
        }
        if !self.topology.features.is_empty() {
            let features = &self.topology.features;
            let names: Vec<&str> = features.keys().map(String::as_str).collect();
            misfits.push(format!(
                "needs features of the cluster ({})",
                names.join(", ")
            ));
        }
        if !self.quotas.is_empty() {
            // Other clients of the cluster would feel them.
            misfits.push("sets client quotas of the brokers".to_owned());
        }
        if self.topology.replication_link == Link::Proxy {
            misfits.push("needs a proxy between the brokers".to_owned());
        }
        let numbered = kinds
            .filter(|kind| !kind.definition().breaks.needs_own_brokers())
            .find_map(|kind| match kind.parameters().broker() {
                Some(BrokerPick::Number(number)) => Some(*number),
                _ => None,
            });
        if let Some(number) = numbered {
            misfits.push(format!("names broker {number} by its number"));
        }
        let replicas = self.topics.iter().map(|topic| topic.replication_factor);
        let replicas = usize::try_from(replicas.max().unwrap_or(1)).unwrap_or(1);
        let needed = replicas.max(usize::from(self.topology.brokers));
        if needed > brokers {
            misfits.push(format!(
                "needs {needed} brokers, and the cluster has {brokers}"
            ));
        }
        misfits
    }

    /// The same on brokers of this release line.
    pub(crate) fn misfits_kafka(&self, line: (u32, u32)) -> Vec<String> {
        let own = self.topology.kafka.as_deref();
        let line = own.and_then(releases::kafka_line).unwrap_or(line);
        let topics = self.topics.iter().map(|it| &it.config);
        let mut configs = topics.chain([&self.topology.config]);
        let unclean = |config: &Config| {
            let value = config.get("unclean.leader.election.enable");
            value.is_some_and(|value| value == "true")
        };
        let unclean = (line < UNCLEAN_ELECTION_SINCE && configs.any(unclean)).then(|| {
            "needs unclean.leader.election.enable, which KRaft heeds from Kafka 3.9 on \
             (KAFKA-12670)"
                .to_owned()
        });
        let unknown = features::first_unknown(&self.topology.features, line).map(|feature| {
            format!(
                "sets the feature {}, which Kafka has from {}.{} on",
                feature.name, feature.since.0, feature.since.1
            )
        });
        let stops = self.faults.iter().any(|fault| match &fault.kind {
            FaultKind::ConnectorRestart(restart) => restart.down_ms > 0,
            _ => false,
        });
        let stops = (line < CONNECTOR_STOP_SINCE && stops).then(|| {
            "stops a connector (`down_ms`), which Kafka Connect can from 3.5 on (KIP-875)"
                .to_owned()
        });
        unclean.into_iter().chain(unknown).chain(stops).collect()
    }

    /// Puts the prefix before every name that a cluster knows: of topics and
    /// of groups, and with these before the transactional ids that are made of
    /// theirs. Records carry their topic's name, so this comes before there
    /// are any.
    pub(crate) fn prefix_names(&mut self, prefix: &OwnPrefix) {
        // Kafka's own topics have the same name everywhere.
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
            producer.also_to.iter_mut().for_each(rename);
        }
        for group in &mut self.groups {
            rename(&mut group.name);
            rename(&mut group.topic);
        }
        if let Some(app) = &mut self.app {
            rename(&mut app.topic);
            rename(&mut app.group);
            app.effects.topic.iter_mut().for_each(rename);
        }
        if let Some(alert) = &mut self.alert {
            rename(&mut alert.group);
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
