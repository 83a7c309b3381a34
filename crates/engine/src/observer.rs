//! The part that reads the truth: what the log holds, what groups have
//! committed, and how far change topics could be read meanwhile. Never shares
//! a client library with the subjects. Knows nothing of what was promised.

use std::collections::BTreeMap;
use std::time::Duration;

use capture::debezium::{EventDecoder, RawRecord};
use model::event::{BatchKind, Body, ChangeContent, Event};
use model::ids::{
    ChangeId, GroupId, Micros, Offset, PartitionIndex, PartitionRef, RunId, TableIx, TopicName,
    TopicPartition,
};
use model::plan::{PlannedTopic, ScenarioPlan};
use model::record;
use wire::{
    Batch, ClientIds, ClientOptions, Cluster, ClusterOptions, ControlMarker, ErrorCode, Isolation,
    NewTopic, OffsetSpec, PinnedReader, QuotaEntity, ReadOptions, Topics, WireError,
};

use crate::cleanup::Made;
use crate::configs::{InForce, cleanup};
use crate::error::EngineError;
use crate::ledger::Ledger;

mod ends;
mod replicas;

pub(crate) use ends::Readable;
pub(crate) use replicas::{follow_replicas, has_followers};

/// Whether quotas are to be in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quotas {
    On,
    Off,
}

/// How often the ends of change topics are looked at during the run.
const TAIL_INTERVAL: Duration = Duration::from_millis(10);

/// A partition with both its names.
#[derive(Clone, Debug)]
struct Place {
    name: TopicPartition,
    number: PartitionRef,
}

/// Reads a cluster on the listener that no fault stands before.
pub(crate) struct Observer {
    cluster: Cluster,
    ledger: Ledger,
    run: RunId,
    topics: Vec<PlannedTopic>,
    tables: Vec<(TableIx, &'static str, model::ids::TopicIx)>,
}

impl Observer {
    /// Connects.
    pub(crate) async fn connect(
        bootstrap: &[String],
        plan: &ScenarioPlan,
        ledger: &Ledger,
    ) -> Result<Self, EngineError> {
        Ok(Self {
            cluster: connect(bootstrap).await?,
            ledger: ledger.clone(),
            run: plan.records_run,
            topics: plan.topics(),
            tables: plan.tables(),
        })
    }

    /// Creates the scenario's topics and waits until they can be written.
    /// Change topics are created too, so that nothing hangs on when the
    /// connector would have created them.
    /// A topic that is there already is never used.
    pub(crate) async fn create_topics(
        &mut self,
        plan: &ScenarioPlan,
        made: &Made,
    ) -> Result<(), EngineError> {
        let wanted: Vec<NewTopic> = self
            .topics
            .iter()
            .map(|topic| {
                let declared = plan.scenario.topics.iter().find(|t| t.name == topic.name);
                NewTopic {
                    topic: TopicName::new(topic.name.as_str()),
                    partitions: u16::try_from(topic.partitions).unwrap_or(1),
                    replication_factor: declared
                        .and_then(|topic| u16::try_from(topic.replication_factor).ok())
                        .unwrap_or(1),
                    config: declared
                        .map(|topic| topic.config.clone())
                        .unwrap_or_default(),
                }
            })
            .collect();
        made.asking();
        let outcomes = self.cluster.create_topics(&wanted).await?;
        for (topic, outcome) in &outcomes {
            if let Err(refusal) = outcome
                && refusal.code == ErrorCode::TOPIC_ALREADY_EXISTS
            {
                made.not_ours(topic);
            }
        }
        for (topic, outcome) in outcomes {
            outcome.map_err(|refusal| EngineError::Topic {
                topic: topic.to_string(),
                reason: refusal.to_string(),
            })?;
        }
        for topic in &wanted {
            self.cluster.await_topic(&topic.topic).await?;
        }
        Ok(())
    }

    /// Sets the scenario's client quotas, or takes them away again.
    pub(crate) async fn quotas(
        &mut self,
        plan: &ScenarioPlan,
        turn: Quotas,
    ) -> Result<(), EngineError> {
        for quota in &plan.scenario.quotas {
            let entity = QuotaEntity {
                user: quota.user.clone(),
                client_id: match (&quota.client_id, &quota.user) {
                    (Some(id), _) => ClientIds::One(id.clone()),
                    (None, None) => ClientIds::Default,
                    (None, Some(_)) => ClientIds::Any,
                },
            };
            let keys = quota.config.iter();
            let values = keys.map(|(key, value)| {
                let value = value.parse().ok().filter(|_| turn == Quotas::On);
                (key.clone(), value)
            });
            let values = values.collect();
            self.cluster.alter_client_quotas(&entity, &values).await?;
        }
        Ok(())
    }

    /// Makes the cluster ready to coordinate the groups. A new cluster creates
    /// its offsets topic when it is first asked for a coordinator, which takes
    /// seconds that a test of recovery should not measure.
    pub(crate) async fn find_coordinators(
        &mut self,
        plan: &ScenarioPlan,
    ) -> Result<(), EngineError> {
        for group in plan.groups() {
            let id = GroupId::new(group.name);
            self.cluster.offset_fetch(&id).await?;
        }
        Ok(())
    }

    /// Writes down how far the change topics can be read now.
    pub(crate) async fn note_tails(&mut self) -> Result<(), EngineError> {
        for (partition, end) in self.ends().await? {
            if self.table_of(partition).is_some() {
                self.ledger.note(Body::TailSeen { partition, end });
            }
        }
        Ok(())
    }

    /// The configuration in force of brokers and topics, as the brokers say;
    /// what may take records out of a topic goes into the history too.
    pub(crate) async fn configs(&mut self, configs: &InForce) -> Result<(), EngineError> {
        let brokers: Vec<_> = self.cluster.brokers().map(|broker| broker.id).collect();
        for broker in brokers {
            let found = self.cluster.describe_broker_configs(broker).await?;
            configs.set_entries(&format!("broker {broker}"), &found);
        }
        for topic in &self.topics {
            let name = TopicName::new(topic.name.as_str());
            let found = self.cluster.describe_topic_configs(&name).await?;
            configs.set_entries(&format!("topic {}", topic.name), &found);
            if let Some(policy) = cleanup(&found) {
                self.ledger.note(Body::TopicCleanup {
                    topic: topic.ix,
                    policy,
                });
            }
        }
        Ok(())
    }

    /// Where the log of every partition ends for a reader of everything, now.
    pub(crate) async fn ends(&mut self) -> Result<BTreeMap<PartitionRef, Offset>, EngineError> {
        let places = self.places();
        let names: Vec<_> = places.iter().map(|place| place.name.clone()).collect();
        let ends = self.offsets(&names, latest()).await?;
        Ok(places
            .into_iter()
            .filter_map(|place| Some((place.number, *ends.get(&place.name)?)))
            .collect())
    }

    /// Pins the range of every partition and reads it all.
    ///
    /// A partition that could not be read to its pinned end is left without
    /// its closing event, and the verdict says so; reading goes on with the
    /// others.
    pub(crate) async fn read_truth(&mut self) -> Result<(), EngineError> {
        let places = self.places();
        let names: Vec<_> = places.iter().map(|place| place.name.clone()).collect();
        let starts = self.offsets(&names, OffsetSpec::Earliest).await?;
        let ends = self.offsets(&names, latest()).await?;
        for place in &places {
            let (Some(start), Some(end)) = (starts.get(&place.name), ends.get(&place.name)) else {
                continue;
            };
            self.ledger.note(Body::Pinned {
                partition: place.number,
                log_start: *start,
                end: *end,
            });
            match self.read_partition(place, *start, *end).await {
                Ok(()) => self.ledger.note(Body::PartitionRead {
                    partition: place.number,
                }),
                Err(error) => eprintln!(
                    "{} was not read to its end: {}",
                    place.name,
                    error.with_causes()
                ),
            }
        }
        Ok(())
    }

    /// What the coordinator says the groups have committed.
    pub(crate) async fn read_group_offsets(
        &mut self,
        plan: &ScenarioPlan,
    ) -> Result<(), EngineError> {
        for group in plan.groups() {
            let id = GroupId::new(group.name);
            let committed = self.cluster.offset_fetch(&id).await?;
            for place in self.places() {
                if place.name.topic.as_str() == group.topic {
                    self.ledger.note(Body::GroupOffset {
                        group: group.ix,
                        partition: place.number,
                        offset: committed.get(&place.name).map(|offset| offset.next),
                    });
                }
            }
        }
        Ok(())
    }

    /// Whether the newest event of each table is the one of the change given
    /// for it.
    pub(crate) async fn newest_are(
        &mut self,
        last: &BTreeMap<TableIx, ChangeId>,
    ) -> Result<bool, EngineError> {
        for place in self.places() {
            let table = self.table_of(place.number);
            let (Some(decoder), Some(expected)) = (
                self.decoder(place.number),
                table.and_then(|table| last.get(&table)),
            ) else {
                continue;
            };
            let ends = self
                .offsets(std::slice::from_ref(&place.name), latest())
                .await?;
            let end = ends.get(&place.name).copied().unwrap_or_default();
            let from = Offset::new((end.get() - 1).max(0));
            let mut reader =
                PinnedReader::new(place.name.clone(), from, end, ReadOptions::default());
            let mut newest = None;
            while let Some(batch) = reader.next_batch(&mut self.cluster).await? {
                for body in change_events(&decoder, &batch) {
                    if let Body::ChangeEvent { content, .. } = body {
                        newest = Some(content);
                    }
                }
            }
            if newest != Some(ChangeContent::Ours(*expected)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn read_partition(
        &mut self,
        place: &Place,
        start: Offset,
        end: Offset,
    ) -> Result<(), EngineError> {
        let decoder = self.decoder(place.number);
        let topic = place.name.topic.clone();
        let mut reader = PinnedReader::new(place.name.clone(), start, end, ReadOptions::default());
        while let Some(batch) = reader.next_batch(&mut self.cluster).await? {
            let at = self.ledger.clock().now();
            self.ledger.record_all([Event {
                at,
                body: batch_header(place.number, &batch),
            }]);
            if batch.control {
                continue;
            }
            if let Some(decoder) = &decoder {
                let events = change_events(decoder, &batch);
                self.ledger
                    .record_all(events.map(|body| Event { at, body }));
            } else {
                let events = self.stored(at, place.number, topic.as_str(), &batch);
                self.ledger.record_all(events);
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
                content: record::decode(
                    self.run,
                    topic,
                    found.value.as_deref().unwrap_or_default(),
                ),
            },
        })
    }

    /// The decoder of a change topic; none for other topics.
    fn decoder(&self, partition: PartitionRef) -> Option<EventDecoder> {
        self.table_of(partition)
            .map(|table| EventDecoder::new(self.run, partition, table))
    }

    fn table_of(&self, partition: PartitionRef) -> Option<TableIx> {
        self.tables
            .iter()
            .find(|(_, _, topic)| *topic == partition.topic)
            .map(|(table, _, _)| *table)
    }

    fn places(&self) -> Vec<Place> {
        self.topics
            .iter()
            .flat_map(|topic| {
                (0..topic.partitions)
                    .map(PartitionIndex::new)
                    .map(|partition| Place {
                        name: TopicPartition {
                            topic: TopicName::new(topic.name.as_str()),
                            partition,
                        },
                        number: PartitionRef {
                            topic: topic.ix,
                            partition,
                        },
                    })
            })
            .collect()
    }

    async fn offsets(
        &mut self,
        names: &[TopicPartition],
        which: OffsetSpec,
    ) -> Result<BTreeMap<TopicPartition, Offset>, EngineError> {
        Ok(self.cluster.list_offsets(names, which).await?)
    }
}

/// Follows the ends of the change topics until dropped, and writes down every
/// step forward.
pub(crate) async fn follow_tails(
    bootstrap: &[String],
    plan: &ScenarioPlan,
    ledger: &Ledger,
) -> Result<(), EngineError> {
    let mut observer = Observer::connect(bootstrap, plan, ledger).await?;
    let captured: Vec<_> = observer.tables.iter().map(|(_, _, topic)| *topic).collect();
    let places: Vec<Place> = observer
        .places()
        .into_iter()
        .filter(|place| captured.contains(&place.number.topic))
        .collect();
    let names: Vec<_> = places.iter().map(|place| place.name.clone()).collect();
    let mut seen: BTreeMap<PartitionRef, Offset> = BTreeMap::new();
    let mut ticks = tokio::time::interval(TAIL_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let ends = observer.offsets(&names, latest()).await?;
        for place in &places {
            let Some(end) = ends.get(&place.name).copied() else {
                continue;
            };
            if seen.insert(place.number, end) != Some(end) && end > Offset::new(0) {
                ledger.note(Body::TailSeen {
                    partition: place.number,
                    end,
                });
            }
        }
    }
}

/// Whether a broker answers a plain request within the time given.
pub(crate) async fn answers(address: &str, within: Duration) -> Result<(), WireError> {
    let client = ClientOptions {
        request_timeout: within,
        connect_timeout: within,
        ..ClientOptions::default()
    };
    let mut connection = wire::Connection::connect(address, client).await?;
    connection.metadata(Topics::Named(&[])).await.map(drop)
}

/// Connects to a cluster, as the observer does.
pub(crate) async fn connect(bootstrap: &[String]) -> Result<Cluster, EngineError> {
    let options = ClusterOptions {
        retry_pause: Duration::from_millis(20),
        ..ClusterOptions::default()
    };
    Ok(Cluster::connect(bootstrap.iter().cloned(), options).await?)
}

fn latest() -> OffsetSpec {
    OffsetSpec::Latest(Isolation::ReadUncommitted)
}

fn change_events<'b>(
    decoder: &'b EventDecoder,
    batch: &'b Batch,
) -> impl Iterator<Item = Body> + 'b {
    batch.records.iter().filter_map(|found| {
        decoder.decode(&RawRecord {
            offset: found.offset,
            key: found.key.as_deref(),
            value: found.value.as_deref(),
        })
    })
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
        // A marker whose key nobody can read is still no data.
        None if batch.control => BatchKind::Control,
        None if batch.transactional => BatchKind::Transactional,
        None => BatchKind::Plain,
    }
}
