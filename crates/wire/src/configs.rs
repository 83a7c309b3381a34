//! The configuration in force, as a broker reports it. Never carries a sensitive value.
//! Knows nothing of the keys' meaning.

use std::collections::BTreeMap;

use kafka_protocol::messages::DescribeConfigsRequest;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::DescribeConfigsResourceResult;
use kafka_protocol::protocol::StrBytes;
use model::ids::{BrokerId, TopicName};

use crate::connection::Connection;
use crate::error::{Refusal, WireError};

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

    /// These keys of the configurations of many topics; any broker can answer.
    ///
    /// # Errors
    /// [`WireError`]; a refusal of a single topic stands in its place.
    pub async fn describe_topics_configs(
        &mut self,
        topics: &[TopicName],
        keys: &[&'static str],
    ) -> Result<BTreeMap<TopicName, Result<Configs, Refusal>>, WireError> {
        let version = self.version::<DescribeConfigsRequest>(1..=4)?;
        let keys: Vec<_> = keys
            .iter()
            .map(|key| StrBytes::from_static_str(key))
            .collect();
        let asked = topics.iter().map(|topic| {
            DescribeConfigsResource::default()
                .with_resource_type(RESOURCE_TOPIC)
                .with_resource_name(StrBytes::from_string(topic.as_str().to_owned()))
                .with_configuration_keys(Some(keys.clone()))
        });
        let request = DescribeConfigsRequest::default().with_resources(asked.collect());
        let answer = self.call(&request, version).await?;
        let described = answer.results.into_iter().map(|it| {
            let topic = TopicName::new(it.resource_name.as_str());
            let outcome = Refusal::check(it.error_code, it.error_message);
            let configs = it.configs.into_iter().map(entry).collect();
            (topic, outcome.map(|()| configs))
        });
        self.complete::<DescribeConfigsRequest, _, _>(version, topics, described.collect())
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

    async fn describe_configs(&mut self, kind: i8, name: String) -> Result<Configs, WireError> {
        let version = self.version::<DescribeConfigsRequest>(1..=4)?;
        let resource = DescribeConfigsResource::default()
            .with_resource_type(kind)
            .with_resource_name(StrBytes::from_string(name.clone()))
            .with_configuration_keys(None);
        let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
        let answer = self.call(&request, version).await?;
        let result = self.only::<DescribeConfigsRequest, _>(version, answer.results, &name)?;
        self.check::<DescribeConfigsRequest>(name, result.error_code, result.error_message)?;
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
