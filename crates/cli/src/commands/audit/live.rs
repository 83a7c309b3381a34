//! A running cluster as components of the audit: what brokers, topics, features and groups
//! say of themselves.

use std::collections::BTreeMap;
use std::time::Duration;

use audit::component::{Component, Kind, Origin, ReadSetting, fact};
use audit::product::{Product, Software};
use model::ids::{GroupId, TopicPartition};
use proxy::HostPort;
use security::ClientSecurity;
use wire::{
    ClientOptions, Cluster, ClusterOptions, ConfigEntry, ConfigSource, ConfigValue, Configs,
    OffsetSpec, Topics, WireError,
};

use crate::failure::Failure;
use crate::secured;

/// A cluster that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the configuration of the cluster at {at}")]
struct ClusterError {
    at: String,
    source: WireError,
}

/// Brokers, topics and groups of a cluster. Nothing of it is changed.
pub(super) async fn cluster(
    bootstrap: &[HostPort],
    security: ClientSecurity,
    groups: &[String],
) -> Result<Vec<Component>, Failure> {
    let addresses: Vec<String> = bootstrap.iter().map(HostPort::to_string).collect();
    let at = addresses.join(",");
    let options = ClusterOptions {
        client: ClientOptions {
            security: security.clone(),
            ..ClientOptions::default()
        },
        retry_for: Duration::from_secs(10),
        ..ClusterOptions::default()
    };
    let connected = Cluster::connect(addresses.iter().cloned(), options).await;
    let mut cluster = match connected {
        Ok(cluster) => cluster,
        Err(error) => return Err(secured::unreachable(bootstrap, &security, error).await),
    };
    let read = components(&mut cluster, &at, groups).await;
    read.map_err(|source| Failure::environment(&ClusterError { at, source }))
}

async fn components(
    cluster: &mut Cluster,
    at: &str,
    groups: &[String],
) -> Result<Vec<Component>, WireError> {
    let metadata = cluster.metadata(Topics::All).await?;
    // Clusters without features keep them to themselves.
    let features = cluster.finalized_features().await.unwrap_or_default();
    let mut found: Vec<Component> = Vec::new();
    let mut first: Option<Configs> = None;
    for broker in &metadata.brokers {
        let configs = cluster.describe_broker_configs(broker.id).await?;
        let of = format!("broker {}", broker.id);
        let mut component = Component::new(Kind::Broker, broker.id.to_string(), at);
        // What all brokers have is told once.
        let own = configs
            .iter()
            .filter(|(key, entry)| first.as_ref().is_none_or(|it| it.get(*key) != Some(*entry)));
        component
            .settings
            .extend(own.filter_map(|(key, entry)| setting(key, entry, &of)));
        if first.is_none() {
            component.software = Some(Software::any(Product::Kafka));
            let levels = features.iter().map(|(name, level)| ReadSetting {
                key: format!("{}{name}", fact::FEATURE),
                path: name.clone(),
                value: level.to_string(),
                origin: live(&of, false),
            });
            component.settings.extend(levels);
            // A level of 0 is not listed: the cluster has the feature switched off.
            for name in ["transaction.version", "eligible.leader.replicas.version"] {
                if !features.is_empty() && !features.contains_key(name) {
                    component.settings.push(ReadSetting {
                        key: format!("{}{name}", fact::FEATURE),
                        path: name.to_owned(),
                        value: "0".to_owned(),
                        origin: live(&of, false),
                    });
                }
            }
            first = Some(configs);
        }
        found.push(component);
    }
    for topic in &metadata.topics {
        let Ok(partitions) = &topic.partitions else {
            continue;
        };
        let name = topic.topic.as_str();
        let of = format!("topic {name}");
        let mut component = Component::new(Kind::Topic, name, at);
        let configs = cluster.describe_topic_configs(&topic.topic).await?;
        component.settings.extend(
            configs
                .iter()
                .filter_map(|(key, entry)| setting(key, entry, &of)),
        );
        let replicas = partitions
            .iter()
            .map(|it| it.replicas.len())
            .min()
            .unwrap_or(0);
        component.settings.push(ReadSetting {
            key: fact::REPLICATION_FACTOR.to_owned(),
            path: "replicas".to_owned(),
            value: replicas.to_string(),
            origin: live(&of, false),
        });
        found.push(component);
    }
    for group in groups {
        found.push(self::group(cluster, group, at).await?);
    }
    Ok(found)
}

/// A group, with what was deleted before it read it.
async fn group(cluster: &mut Cluster, name: &str, at: &str) -> Result<Component, WireError> {
    let id = GroupId::new(name);
    let committed = cluster.offset_fetch(&id).await?;
    let partitions: Vec<TopicPartition> = committed.keys().cloned().collect();
    let starts = if partitions.is_empty() {
        BTreeMap::new()
    } else {
        cluster
            .list_offsets(&partitions, OffsetSpec::LogStart)
            .await?
    };
    let of = format!("group {name}");
    let mut component = Component::new(Kind::Group, name, at);
    for (place, position) in &committed {
        let Some(start) = starts.get(place) else {
            continue;
        };
        let gone = start.get() - position.next.get();
        if gone > 0 {
            component.settings.push(ReadSetting {
                key: fact::DELETED_UNREAD.to_owned(),
                path: place.to_string(),
                value: gone.to_string(),
                origin: live(&of, false),
            });
        }
    }
    Ok(component)
}

pub(super) fn live(of: &str, is_default: bool) -> Origin {
    Origin::Live {
        of: of.to_owned(),
        is_default,
    }
}

fn setting(key: &str, entry: &ConfigEntry, of: &str) -> Option<ReadSetting> {
    let ConfigValue::Known(value) = &entry.value else {
        return None;
    };
    // Of a topic, what comes from the brokers is not the topic's own.
    let is_default = match entry.source {
        ConfigSource::Default => true,
        ConfigSource::Topic => false,
        _ => of.starts_with("topic "),
    };
    let place = match entry.source {
        ConfigSource::Broker => "broker:",
        ConfigSource::ClusterDefault => "cluster:",
        _ => "",
    };
    Some(ReadSetting {
        key: key.to_owned(),
        path: format!("{place}{key}"),
        value: value.clone(),
        origin: live(of, is_default),
    })
}
