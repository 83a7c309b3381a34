//! After the traffic: what every partition holds, and the configuration in
//! force. Knows nothing of what was promised.

use model::event::{BatchKind, Body, Event};
use model::ids::{Micros, Offset, PartitionRef, TopicName};
use wire::{Batch, ControlMarker, OffsetSpec, PinnedReader, ReadOptions, Topics};

use super::change_topics::all_in_change_topic;
use super::{NamedPartition, Observer, latest};
use crate::app::AppProgress;
use crate::configs::{EffectiveConfigs, cleanup_policy};
use crate::error::EngineError;
use crate::preflight::{CLUSTER_AUTHORIZATION_FAILED, refusal};
use crate::progress::{ProgressEvent, Reporter};

impl Observer {
    /// The configuration in force of brokers and topics, as the brokers say;
    /// what may take records out of a topic goes into the history too.
    pub(crate) async fn configs(&mut self, configs: &EffectiveConfigs) -> Result<(), EngineError> {
        // Who is there now: a broker may have gone since the last answer.
        self.cluster.metadata(Topics::Named(&[])).await?;
        let brokers: Vec<_> = self.cluster.brokers().map(|broker| broker.id).collect();
        for broker in brokers {
            match self.cluster.describe_broker_configs(broker).await {
                Ok(found) => configs.set_entries(&format!("broker {broker}"), &found),
                // What may be judged without is.
                Err(error) if refusal(&error) == Some(CLUSTER_AUTHORIZATION_FAILED) => {}
                // One that is gone for good says nothing any more.
                Err(_) if self.loses_brokers => {}
                Err(error) => return Err(error.into()),
            }
        }
        for topic in &self.topics {
            if self.deleted.get(&topic.ix) == Some(&0) {
                continue;
            }
            let name = TopicName::new(topic.name.as_str());
            let found = self.cluster.describe_topic_configs(&name).await?;
            configs.set_entries(&format!("topic {}", topic.name), &found);
            if let Some(policy) = cleanup_policy(&found) {
                self.recorder.note(Body::TopicCleanup {
                    topic: topic.ix,
                    policy,
                });
            }
        }
        Ok(())
    }

    /// Pins the range of every partition and reads it all.
    ///
    /// A partition that could not be read to its pinned end is left without
    /// its closing event, and the verdict says so; reading goes on with the
    /// others.
    pub(crate) async fn read_log(
        &mut self,
        progress: &Reporter,
        app: Option<&AppProgress>,
    ) -> Result<(), EngineError> {
        let mut effects = Ok(0);
        for partition in self.missing() {
            self.recorder.note(Body::Pinned {
                partition,
                log_start: Offset::new(0),
                end: Offset::new(0),
            });
            self.recorder.note(Body::PartitionRead { partition });
        }
        self.confirm_rest().await?;
        let places = self.reachable().await?;
        let names: Vec<_> = places.iter().map(|place| place.name.clone()).collect();
        let starts = self.offsets(&names, OffsetSpec::Earliest).await?;
        let ends = self.offsets(&names, latest()).await?;
        for place in &places {
            let (Some(start), Some(end)) = (starts.get(&place.name), ends.get(&place.name)) else {
                continue;
            };
            self.recorder.note(Body::Pinned {
                partition: place.number,
                log_start: *start,
                end: *end,
            });
            let read = if self.output() == Some(place.number.topic) {
                let read = self.read_effects(place, *start, *end).await;
                read.map(|more| effects = effects.clone().map(|known: u64| known + more))
            } else {
                self.read_partition(place, *start, *end).await
            };
            match read {
                Ok(()) => self.recorder.note(Body::PartitionRead {
                    partition: place.number,
                }),
                Err(error) => {
                    let (item, reason) = (place.name.to_string(), error.with_causes());
                    if self.output() == Some(place.number.topic) {
                        effects = Err(format!("{item}: {reason}"));
                    }
                    progress.send(ProgressEvent::NotRead { item, reason });
                }
            }
        }
        self.note_effects(effects, app.is_some_and(AppProgress::is_settled));
        Ok(())
    }

    async fn read_partition(
        &mut self,
        place: &NamedPartition,
        start: Offset,
        end: Offset,
    ) -> Result<(), EngineError> {
        let decoder = self.decoder(place.number);
        let topic = place.name.topic.clone();
        let mut reader = PinnedReader::new(place.name.clone(), start, end, ReadOptions::default());
        while let Some(batch) = reader.next_batch(&mut self.cluster).await? {
            let at = self.recorder.clock().now();
            self.recorder.record_all([Event {
                at,
                body: batch_header(place.number, &batch),
            }]);
            if batch.control {
                continue;
            }
            if let Some(decoder) = &decoder {
                let events = all_in_change_topic(decoder, place.number, &batch);
                self.recorder
                    .record_all(events.map(|body| Event { at, body }));
            } else {
                let events = self.stored(at, place.number, topic.as_str(), &batch);
                self.recorder.record_all(events);
            }
        }
        Ok(())
    }

    fn stored<'b>(
        &'b self,
        at: Micros,
        partition: PartitionRef,
        topic: &'b str,
        batch: &'b Batch,
    ) -> impl Iterator<Item = Event> + 'b {
        batch.records.iter().map(move |found| Event {
            at,
            body: Body::Stored {
                partition,
                offset: found.offset,
                content: self.content_of(topic, found),
            },
        })
    }
}

fn batch_header(partition: PartitionRef, batch: &Batch) -> Body {
    Body::StoredBatch {
        partition,
        base_offset: batch.base_offset,
        last_offset: batch.last_offset,
        producer_id: batch.producer.map_or(-1, |producer| producer.id),
        producer_epoch: batch.producer.map_or(-1, |producer| producer.epoch),
        base_sequence: batch.producer.map_or(-1, |producer| producer.base_sequence),
        kind: batch_kind(batch),
    }
}

fn batch_kind(batch: &Batch) -> BatchKind {
    match batch.control_marker() {
        Some(ControlMarker::Commit) => BatchKind::CommitMarker,
        Some(ControlMarker::Abort) => BatchKind::AbortMarker,
        Some(ControlMarker::Other(_)) => BatchKind::Control,
        // A marker with an unreadable key is still no data.
        None if batch.control => BatchKind::Control,
        None if batch.transactional => BatchKind::Transactional,
        None => BatchKind::Plain,
    }
}
