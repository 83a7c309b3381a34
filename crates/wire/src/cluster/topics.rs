//! Topics: created, awaited, described and deleted.

use std::collections::{BTreeMap, BTreeSet};

use kafka_protocol::messages::MetadataRequest;
use kafka_protocol::protocol::Request;
use model::event::Isolation;
use model::ids::{TopicName, TopicPartition};

use super::Cluster;
use super::admin::all_undecided;
use super::retry::{Pause, Retry, retried};
use crate::configs::Configs;
use crate::error::{ApiKey, ErrorCode, Refusal, WireError};
use crate::list_offsets::OffsetSpec;
use crate::metadata::{TopicMetadata, Topics};
use crate::rights::Rights;
use crate::topics::NewTopic;

impl Cluster {
    /// Waits until every partition of the topic has a leader that answers for
    /// it, which is a little later than the metadata names one.
    ///
    /// # Errors
    /// [`WireError::Deadline`] when that takes too long.
    pub async fn await_topic(&mut self, topic: &TopicName) -> Result<TopicMetadata, WireError> {
        retried!(self, self.led_topic(topic).await)
    }

    /// Creates topics, and says for each whether it was created. Once sent, it is not
    /// retried on a broken connection: a second attempt could not tell its own topic from
    /// another's. It is where the answer was that there is no controller now, or that its
    /// time was up. The next controller may finish such an attempt, so a topic that is
    /// found afterwards counts as created by it.
    ///
    /// # Errors
    /// [`WireError`] when there was no answer.
    pub async fn create_topics(
        &mut self,
        topics: &[NewTopic],
    ) -> Result<BTreeMap<TopicName, Result<(), Refusal>>, WireError> {
        let wait = self.options.client.request_timeout;
        let mut retry = Retry::new(&self.options);
        let mut undecided: BTreeSet<TopicName> = BTreeSet::new();
        loop {
            let error = match self.reach_controller().await {
                Ok(connection) => match connection.create_topics(topics, wait).await {
                    Ok(mut outcomes) if !all_retriable(&outcomes) => {
                        for topic in &undecided {
                            let outcome = outcomes.get_mut(topic);
                            if let Some(outcome) = outcome.filter(|it| exists_already(it)) {
                                *outcome = Ok(());
                            }
                        }
                        return Ok(outcomes);
                    }
                    Ok(outcomes) => match retry.pause().await {
                        Pause::Over => return Ok(outcomes),
                        Pause::Taken => {
                            undecided.extend(outcomes.into_keys());
                            self.forget_routes();
                            continue;
                        }
                    },
                    Err(error) if error.is_unsent() => error,
                    Err(error) => return Err(error),
                },
                Err(error) => error,
            };
            self.forget_routes();
            retry.after(error).await?;
        }
    }

    /// Says for each topic whether it could be created, and creates none.
    ///
    /// # Errors
    /// [`WireError`] when there was no answer.
    pub async fn validate_topics(
        &mut self,
        topics: &[NewTopic],
    ) -> Result<BTreeMap<TopicName, Result<(), Refusal>>, WireError> {
        let wait = self.options.client.request_timeout;
        retried!(self, {
            let controller = self.reach_controller().await?;
            controller.validate_topics(topics, wait).await
        })
    }

    /// Deletes topics, and says for each whether it was deleted. After a broken
    /// connection it is sent again, so a topic may be "unknown" because an
    /// earlier attempt deleted it.
    ///
    /// # Errors
    /// [`WireError`] when there was no answer.
    pub async fn delete_topics(
        &mut self,
        topics: &[TopicName],
    ) -> Result<BTreeMap<TopicName, Result<(), Refusal>>, WireError> {
        let wait = self.options.client.request_timeout;
        retried!(self until decided, {
            let controller = self.reach_controller().await?;
            controller.delete_topics(topics, wait).await
        })
    }

    /// Whether topics of this name may be deleted, whether or not there is one.
    ///
    /// # Errors
    /// [`WireError`] when no broker can be asked.
    pub async fn may_delete(&mut self, topic: &TopicName) -> Result<bool, WireError> {
        retried!(self, self.reach_any().await?.may_delete(topic).await)
    }

    /// What may be done with topics that are there.
    ///
    /// # Errors
    /// [`WireError`] when no broker can be asked.
    pub async fn topic_rights(
        &mut self,
        topics: &[TopicName],
    ) -> Result<BTreeMap<TopicName, Rights>, WireError> {
        retried!(self, self.reach_any().await?.topic_rights(topics).await)
    }

    /// A topic's configuration in force.
    ///
    /// # Errors
    /// [`WireError`], of which `Refused` for an unknown topic.
    pub async fn describe_topic_configs(
        &mut self,
        topic: &TopicName,
    ) -> Result<Configs, WireError> {
        retried!(self, {
            self.reach_any().await?.describe_topic_configs(topic).await
        })
    }

    /// The topic's metadata; an error in the place of its partitions is one of
    /// the call.
    async fn topic_metadata(&mut self, topic: &TopicName) -> Result<TopicMetadata, WireError> {
        let metadata = self
            .metadata_once(Topics::Named(std::slice::from_ref(topic)))
            .await?;
        let found = metadata.topics.into_iter().find(|t| t.topic == *topic);
        let refused = |code: ErrorCode| WireError::Refused {
            api: ApiKey(MetadataRequest::KEY),
            broker: "the cluster".to_owned(),
            subject: topic.to_string(),
            source: code.into(),
        };
        let Some(found) = found else {
            return Err(refused(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
        };
        match found.partitions {
            Ok(_) => Ok(found),
            Err(code) => Err(refused(code)),
        }
    }

    async fn led_topic(&mut self, topic: &TopicName) -> Result<TopicMetadata, WireError> {
        let found = self.topic_metadata(topic).await?;
        let places: Vec<_> = found
            .partitions
            .iter()
            .flatten()
            .map(|partition| TopicPartition {
                topic: topic.clone(),
                partition: partition.partition,
            })
            .collect();
        let end = OffsetSpec::Latest(Isolation::ReadUncommitted);
        self.list_offsets_once(&places, end).await?;
        Ok(found)
    }
}

fn exists_already(outcome: &Result<(), Refusal>) -> bool {
    matches!(outcome, Err(refusal) if refusal.code == ErrorCode::TOPIC_ALREADY_EXISTS)
}

fn all_retriable(outcomes: &BTreeMap<TopicName, Result<(), Refusal>>) -> bool {
    !outcomes.is_empty()
        && outcomes
            .values()
            .all(|outcome| matches!(outcome, Err(refusal) if refusal.code.is_retriable()))
}
