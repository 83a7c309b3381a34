//! The configuration in force, as a broker reports it, and changes to it.
//! Never carries a sensitive value. Knows nothing of what the keys mean.

use std::collections::BTreeMap;
use std::fmt;

use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::DescribeConfigsResourceResult;
use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use kafka_protocol::messages::{DescribeConfigsRequest, IncrementalAlterConfigsRequest};
use kafka_protocol::protocol::StrBytes;
use model::ids::TopicName;

use crate::connection::Connection;
use crate::error::{Refusal, WireError};
use crate::metadata::BrokerId;

/// Configuration by key.
pub type Configs = BTreeMap<String, ConfigEntry>;

/// The value of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigValue {
    /// The value in force.
    Known(String),
    /// No value is set and the key has no default.
    Unset,
    /// The broker calls the key sensitive; its value is never kept.
    Sensitive,
}

/// Where a value comes from (`ConfigEntry.ConfigSource` of the Java client).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigSource {
    /// Set on the topic.
    Topic,
    /// Set on this broker at run time.
    Broker,
    /// Set as the cluster's default for brokers at run time.
    ClusterDefault,
    /// From the broker's properties file.
    BrokerFile,
    /// Kafka's own default.
    Default,
    /// Another source, by its number in the protocol.
    Other(i8),
}

/// One key's value and source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigEntry {
    /// The value in force.
    pub value: ConfigValue,
    /// Where it comes from.
    pub source: ConfigSource,
}

/// Whose configuration is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigTarget {
    /// A topic's.
    Topic(TopicName),
    /// One broker's.
    Broker(BrokerId),
    /// Every broker's, where it has no value of its own.
    AllBrokers,
}

impl ConfigTarget {
    fn to_wire(&self) -> (i8, String) {
        match self {
            Self::Topic(topic) => (RESOURCE_TOPIC, topic.as_str().to_owned()),
            Self::Broker(broker) => (RESOURCE_BROKER, broker.to_string()),
            Self::AllBrokers => (RESOURCE_BROKER, String::new()),
        }
    }
}

impl fmt::Display for ConfigTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topic(topic) => write!(f, "topic {topic}"),
            Self::Broker(broker) => write!(f, "broker {broker}"),
            Self::AllBrokers => f.write_str("all brokers"),
        }
    }
}

/// A change of one key (KIP-339). Doing it twice is doing it once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigChange {
    /// Gives it a value.
    Set {
        /// The key.
        key: String,
        /// The value.
        value: String,
    },
    /// Takes the value away, so that the next source's is in force.
    Reset {
        /// The key.
        key: String,
    },
}

impl ConfigChange {
    fn to_wire(&self) -> AlterableConfig {
        let (key, operation, value) = match self {
            Self::Set { key, value } => (key, OPERATION_SET, Some(value)),
            Self::Reset { key } => (key, OPERATION_DELETE, None),
        };
        AlterableConfig::default()
            .with_name(StrBytes::from_string(key.clone()))
            .with_config_operation(operation)
            .with_value(value.map(|it| StrBytes::from_string(it.clone())))
    }
}

/// Operations of the protocol (`AlterConfigOp.OpType` of the Java client).
const OPERATION_SET: i8 = 0;
const OPERATION_DELETE: i8 = 1;

/// Resource types of the protocol (`ConfigResource.Type` of the Java client).
const RESOURCE_TOPIC: i8 = 2;
const RESOURCE_BROKER: i8 = 4;

impl Connection {
    /// A topic's configuration; any broker can answer.
    ///
    /// # Errors
    /// [`WireError`], of which `Refused` for an unknown topic.
    pub async fn describe_topic_configs(
        &mut self,
        topic: &TopicName,
    ) -> Result<Configs, WireError> {
        self.describe_configs(RESOURCE_TOPIC, topic.as_str().to_owned())
            .await
    }

    /// A broker's configuration; only that broker itself can answer.
    ///
    /// # Errors
    /// [`WireError`], of which `Refused` when this is another broker.
    pub async fn describe_broker_configs(
        &mut self,
        broker: BrokerId,
    ) -> Result<Configs, WireError> {
        self.describe_configs(RESOURCE_BROKER, broker.to_string())
            .await
    }

    /// Changes some keys of a configuration, all or none. A broker's own must
    /// be changed at that broker; for the others any broker can be asked. It
    /// answers when the controllers have decided: brokers act on it a little
    /// later.
    ///
    /// # Errors
    /// [`WireError`], of which `Refused` for a key or value that is not one, or
    /// that cannot be changed at run time.
    pub async fn incremental_alter_configs(
        &mut self,
        target: &ConfigTarget,
        changes: &[ConfigChange],
    ) -> Result<(), WireError> {
        let version = self.version::<IncrementalAlterConfigsRequest>(0..=1)?;
        let (kind, name) = target.to_wire();
        let resource = AlterConfigsResource::default()
            .with_resource_type(kind)
            .with_resource_name(StrBytes::from_string(name))
            .with_configs(changes.iter().map(ConfigChange::to_wire).collect());
        let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
        let answer = self.call(&request, version).await?;
        let Some(result) = answer.responses.into_iter().next() else {
            let reason = format!("nothing about {target}");
            return Err(self.undecodable::<IncrementalAlterConfigsRequest>(version, reason));
        };
        Refusal::check(result.error_code, result.error_message).map_err(|source| {
            self.refused::<IncrementalAlterConfigsRequest>(target.to_string(), source)
        })
    }

    async fn describe_configs(&mut self, kind: i8, name: String) -> Result<Configs, WireError> {
        let version = self.version::<DescribeConfigsRequest>(1..=4)?;
        let resource = DescribeConfigsResource::default()
            .with_resource_type(kind)
            .with_resource_name(StrBytes::from_string(name.clone()))
            .with_configuration_keys(None);
        let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
        let answer = self.call(&request, version).await?;
        let Some(result) = answer.results.into_iter().next() else {
            return Err(self
                .undecodable::<DescribeConfigsRequest>(version, format!("nothing about {name}")));
        };
        Refusal::check(result.error_code, result.error_message)
            .map_err(|source| self.refused::<DescribeConfigsRequest>(name, source))?;
        Ok(result.configs.into_iter().map(entry).collect())
    }
}

fn entry(config: DescribeConfigsResourceResult) -> (String, ConfigEntry) {
    let value = match config.value {
        _ if config.is_sensitive => ConfigValue::Sensitive,
        Some(value) => ConfigValue::Known(value.to_string()),
        None => ConfigValue::Unset,
    };
    let source = match config.config_source {
        1 => ConfigSource::Topic,
        2 => ConfigSource::Broker,
        3 => ConfigSource::ClusterDefault,
        4 => ConfigSource::BrokerFile,
        5 => ConfigSource::Default,
        other => ConfigSource::Other(other),
    };
    (config.name.to_string(), ConfigEntry { value, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sensitive_value_is_dropped_even_when_a_broker_sends_it() {
        let config = DescribeConfigsResourceResult::default()
            .with_name(StrBytes::from_static_str("ssl.key.password"))
            .with_value(Some(StrBytes::from_static_str("secret")))
            .with_is_sensitive(true)
            .with_config_source(4);
        let (_, entry) = entry(config);
        assert_eq!(entry.value, ConfigValue::Sensitive);
        assert_eq!(entry.source, ConfigSource::BrokerFile);
    }
}
