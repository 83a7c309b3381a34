//! Topics that were deleted while the run went on, by another client than
//! ackproof: what they held is gone, and a topic of the same name that there is
//! since holds nothing of it. Knows nothing of what was promised.

use std::time::Duration;

use model::event::Body;
use model::ids::{PartitionIndex, PartitionRef, TopicIx, TopicName};
use wire::{ClientOptions, ClientSecurity, Connection, ErrorCode, TopicId, Topics, WireError};

use super::Observer;
use crate::error::EngineError;
use crate::wait::Wait;

/// How often the brokers are asked again for a topic that none of them knows.
const ASK_INTERVAL: Duration = Duration::from_millis(200);
/// How long one broker may take to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);

/// What the brokers say of a topic.
enum TopicState {
    /// It is there, with this id and so many partitions.
    Exists(Option<TopicId>, usize),
    /// Every broker that answers says that there is none.
    Deleted,
    /// No answer is certain.
    Unknown,
}

impl Observer {
    /// Writes down which topics have been deleted since they were created.
    pub(crate) async fn note_deleted(&mut self) -> Result<(), EngineError> {
        let topics: Vec<(TopicIx, TopicName)> = self
            .topics
            .iter()
            .map(|it| (it.ix, TopicName::new(it.name.as_str())))
            .collect();
        for (topic, name) in topics {
            if self.deleted.contains_key(&topic) {
                continue;
            }
            let Some(left) = self.left_of_deleted(topic, &name).await? else {
                continue;
            };
            self.deleted.insert(topic, left);
            self.recorder.note(Body::TopicDeleted {
                topic,
                recreated: left > 0,
            });
        }
        Ok(())
    }

    /// How many partitions there are of a topic that was deleted; none where
    /// it was not.
    async fn left_of_deleted(
        &mut self,
        topic: TopicIx,
        name: &TopicName,
    ) -> Result<Option<i32>, EngineError> {
        let waiting = self.recorder.waits().begin(Wait::Deleted, name);
        loop {
            match self.topic_state(name).await? {
                TopicState::Exists(now, partitions) => {
                    let created = self.created.get(&topic).copied();
                    let another = created.is_some() && now.is_some() && created != now;
                    let partitions = i32::try_from(partitions).unwrap_or(i32::MAX);
                    return Ok(another.then_some(partitions));
                }
                TopicState::Unknown => return Ok(None),
                TopicState::Deleted => {
                    if !waiting.pause(ASK_INTERVAL).await {
                        return Ok(Some(0));
                    }
                }
            }
        }
    }

    /// Asks every broker: one that lags behind may not know a topic yet, or
    /// still know it.
    async fn topic_state(&mut self, name: &TopicName) -> Result<TopicState, EngineError> {
        let brokers = self.cluster.metadata(Topics::Named(&[])).await?.brokers;
        let mut known = TopicState::Unknown;
        for broker in brokers {
            let Ok(found) = ask(&broker.address, self.security.clone(), name).await else {
                continue;
            };
            let said = found.topics.into_iter().find(|it| it.topic == *name);
            match said.map(|it| (it.id, it.partitions)) {
                Some((id, Ok(partitions))) => return Ok(TopicState::Exists(id, partitions.len())),
                Some((_, Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION))) => {
                    known = TopicState::Deleted;
                }
                Some((_, Err(_))) | None => return Ok(TopicState::Unknown),
            }
        }
        Ok(known)
    }

    /// The planned partitions that there are none of, since their topic was
    /// deleted.
    pub(super) fn missing(&self) -> Vec<PartitionRef> {
        let topics = self.topics.iter();
        let missing = topics.flat_map(|topic| {
            let left = self.deleted.get(&topic.ix).copied();
            let numbers = left.unwrap_or(topic.partitions)..topic.partitions;
            numbers.map(|partition| PartitionRef {
                topic: topic.ix,
                partition: PartitionIndex::new(partition),
            })
        });
        missing.collect()
    }
}

async fn ask(
    address: &str,
    security: ClientSecurity,
    name: &TopicName,
) -> Result<wire::Metadata, WireError> {
    let client = ClientOptions {
        request_timeout: ANSWER_LIMIT,
        connect_timeout: ANSWER_LIMIT,
        security,
        ..ClientOptions::default()
    };
    let mut connection = Connection::connect(address, client).await?;
    connection
        .metadata(Topics::Named(std::slice::from_ref(name)))
        .await
}
