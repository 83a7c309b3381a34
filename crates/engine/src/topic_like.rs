//! What a topic of the user's looks like, so that those of a run can look alike. Changes
//! nothing in it.

use std::collections::BTreeMap;

use model::ids::TopicName;
use proxy::HostPort;
use wire::{ConfigSource, ConfigValue, Topics};

use crate::connect::reach;
use crate::error::EngineError;
use crate::settings::UserCluster;

/// A topic's shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicLike {
    /// How many partitions it has.
    pub partitions: i32,
    /// How many replicas each has.
    pub replicas: i16,
    /// The settings that are its own, and no default of the brokers'.
    pub config: BTreeMap<String, String>,
}

/// Settings that say where replicas of that topic are.
const PLACES: [&str; 2] = [
    "leader.replication.throttled.replicas",
    "follower.replication.throttled.replicas",
];

/// Looks at a topic of the user's.
///
/// # Errors
/// [`EngineError`] where there is no such topic, or its settings are not told.
pub async fn topic_like(of: &UserCluster, name: &str) -> Result<TopicLike, EngineError> {
    let addresses: Vec<String> = of.bootstrap.iter().map(HostPort::to_string).collect();
    let mut cluster = reach(&addresses, &of.security).await?;
    let topic = TopicName::new(name);
    let unlike = |reason: String| EngineError::Unlike {
        topic: name.to_owned(),
        reason,
    };
    let asked = Topics::Named(std::slice::from_ref(&topic));
    let found = cluster.metadata(asked).await?.topics;
    let found = found.into_iter().find(|it| it.topic == topic);
    let partitions = match found.map(|it| it.partitions) {
        Some(Ok(partitions)) => partitions,
        Some(Err(code)) => return Err(unlike(code.to_string())),
        None => return Err(unlike("the brokers say nothing of it".to_owned())),
    };
    let configs = cluster.describe_topic_configs(&topic).await;
    let configs = configs.map_err(|error| unlike(error.to_string()))?;
    let own = configs.into_iter().filter_map(|(key, entry)| {
        let is_own = entry.source == ConfigSource::Topic && !PLACES.contains(&key.as_str());
        match entry.value {
            ConfigValue::Known(value) if is_own => Some((key, value)),
            _ => None,
        }
    });
    let replicas = partitions.iter().map(|it| it.replicas.len()).max();
    Ok(TopicLike {
        partitions: i32::try_from(partitions.len()).unwrap_or(i32::MAX),
        replicas: replicas.and_then(|it| it.try_into().ok()).unwrap_or(1),
        config: own.collect(),
    })
}
