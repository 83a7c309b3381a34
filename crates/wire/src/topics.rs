//! Creating and deleting topics. Knows nothing of where the controller is.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::{CreateTopicsRequest, DeleteTopicsRequest};
use kafka_protocol::protocol::StrBytes;
use model::ids::TopicName;

use crate::connection::{Connection, wire_ms};
use crate::error::{Refusal, WireError};
use crate::metadata::wire_topic;

/// A topic to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub topic: TopicName,
    /// How many partitions; at least 1.
    pub partitions: u16,
    /// How many replicas of each; at least 1.
    pub replication_factor: u16,
    /// Topic-level configuration.
    pub config: BTreeMap<String, String>,
}

impl Connection {
    /// Creates topics, and says for each whether it was created. The broker
    /// answers when the controller has decided, which may be before every
    /// broker knows, or after `wait`.
    ///
    /// # Errors
    /// [`WireError`] when there was no answer: the topics may then exist.
    pub async fn create_topics(
        &mut self,
        topics: &[NewTopic],
        wait: Duration,
    ) -> Result<BTreeMap<TopicName, Result<(), Refusal>>, WireError> {
        self.creatable_topics(topics, wait, false).await
    }

    /// Says for each topic whether it could be created, and creates none.
    ///
    /// # Errors
    /// [`WireError`] when there was no answer.
    pub async fn validate_topics(
        &mut self,
        topics: &[NewTopic],
        wait: Duration,
    ) -> Result<BTreeMap<TopicName, Result<(), Refusal>>, WireError> {
        self.creatable_topics(topics, wait, true).await
    }

    async fn creatable_topics(
        &mut self,
        topics: &[NewTopic],
        wait: Duration,
        validate_only: bool,
    ) -> Result<BTreeMap<TopicName, Result<(), Refusal>>, WireError> {
        let version = self.version::<CreateTopicsRequest>(2..=7)?;
        let request = CreateTopicsRequest::default()
            .with_validate_only(validate_only)
            .with_timeout_ms(wire_ms(wait))
            .with_topics(topics.iter().map(creatable).collect());
        let answer = self.call_waiting(&request, version, wait).await?;
        let outcomes = answer.topics.into_iter().map(|topic| {
            let outcome = Refusal::check(topic.error_code, topic.error_message);
            (TopicName::new(topic.name.as_str()), outcome)
        });
        let outcomes = outcomes.collect();
        let asked = topics.iter().map(|it| &it.topic);
        self.complete::<CreateTopicsRequest, _, _>(version, asked, outcomes)
    }

    /// Deletes topics, and says for each whether it was deleted. The broker
    /// answers when the controller has decided, or after `wait`: other brokers
    /// may name the topic for a little longer, and its files go later still.
    ///
    /// # Errors
    /// [`WireError`] when there was no answer: the topics may then be gone.
    pub async fn delete_topics(
        &mut self,
        topics: &[TopicName],
        wait: Duration,
    ) -> Result<BTreeMap<TopicName, Result<(), Refusal>>, WireError> {
        let version = self.version::<DeleteTopicsRequest>(1..=6)?;
        let request = DeleteTopicsRequest::default().with_timeout_ms(wire_ms(wait));
        // Version 6 names topics one by one, so that ids fit in beside names.
        let request = if version >= 6 {
            request.with_topics(
                topics
                    .iter()
                    .map(|topic| DeleteTopicState::default().with_name(Some(wire_topic(topic))))
                    .collect(),
            )
        } else {
            request.with_topic_names(topics.iter().map(wire_topic).collect())
        };
        let answer = self.call_waiting(&request, version, wait).await?;
        let outcomes = answer.responses.into_iter().filter_map(|topic| {
            let outcome = Refusal::check(topic.error_code, topic.error_message);
            Some((TopicName::new(topic.name?.as_str()), outcome))
        });
        let outcomes = outcomes.collect();
        self.complete::<DeleteTopicsRequest, _, _>(version, topics, outcomes)
    }
}

fn creatable(topic: &NewTopic) -> CreatableTopic {
    let configs = topic.config.iter().map(|(key, value)| {
        CreatableTopicConfig::default()
            .with_name(StrBytes::from_string(key.clone()))
            .with_value(Some(StrBytes::from_string(value.clone())))
    });
    CreatableTopic::default()
        .with_name(wire_topic(&topic.topic))
        .with_num_partitions(i32::from(topic.partitions))
        .with_replication_factor(i16::try_from(topic.replication_factor).unwrap_or(i16::MAX))
        .with_configs(configs.collect())
}
