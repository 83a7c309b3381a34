//! The part that reads the truth: what the log holds, what groups have
//! committed, and how far change topics could be read meanwhile. Never shares
//! a client library with the subjects. Knows nothing of what was promised.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use cdc::debezium::{EventDecoder, RawRecord};
use cdc::form::Form;
use model::event::{BatchKind, Body, ChangeContent, Content, Event};
use model::ids::{
    ChangeId, GroupId, Micros, Offset, PartitionIndex, PartitionRef, RunId, TableIx, TopicIx,
    TopicName, TopicPartition,
};
use model::plan::{PlannedTopic, ScenarioPlan};
use model::record;
use model::scenario::{Consequence, Transactions};
use wire::{
    Batch, ClientIds, ClientOptions, Cluster, ClusterOptions, ConfigValue, ControlMarker,
    GroupState, Header, Isolation, NewTopic, OffsetSpec, PinnedReader, QuotaEntity, ReadOptions,
    Record, TopicId, Topics, WireError,
};

use crate::cleanup::Made;
use crate::configs::{InForce, cleanup};
use crate::error::EngineError;
use crate::ledger::Ledger;
use crate::wait::{beat, pass};

mod deleted;
mod ends;
mod reach;
mod replicas;

pub(crate) use ends::Readable;
pub(crate) use replicas::{follow_replicas, has_followers};

/// Whether quotas are to be in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quotas {
    On,
    Off,
}

/// Topics that Kafka makes for itself when they are first needed, and the broker
/// setting that says with how many replicas.
mod internal {
    pub(super) const OFFSETS: (&str, &str) =
        ("__consumer_offsets", "offsets.topic.replication.factor");
    pub(super) const TRANSACTIONS: (&str, &str) = (
        "__transaction_state",
        "transaction.state.log.replication.factor",
    );
}

/// How often the ends of change topics are looked at during the run.
const TAIL_INTERVAL: Duration = Duration::from_millis(10);
/// How often a coordinator is asked who has joined a group.
const JOIN_INTERVAL: Duration = Duration::from_millis(50);

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
    /// Whether the plan has brokers go for good, and partitions with them.
    loses_brokers: bool,
    /// What change events look like.
    form: Arc<Form>,
    change_topics: ChangeTopics,
    /// The topic ids (KIP-516) of the topics that were created.
    created: BTreeMap<TopicIx, TopicId>,
    /// How many partitions there are now of topics that were deleted.
    deleted: BTreeMap<TopicIx, i32>,
}

/// What change topics hold.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ChangeTopics {
    /// Events, one at each offset.
    Events,
    /// The markers of transactions, too.
    Transactions,
}

impl ChangeTopics {
    fn of(plan: &ScenarioPlan) -> Self {
        let capture = plan.scenario.capture.as_ref();
        let support = capture.and_then(|it| it.worker_config.get("exactly.once.source.support"));
        match support.map(String::as_str) {
            Some("enabled") => Self::Transactions,
            _ => Self::Events,
        }
    }
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
            loses_brokers: plan.scenario.leads_to(Consequence::BrokerLost),
            form: Arc::new(
                plan.scenario
                    .capture
                    .as_ref()
                    .map_or_else(Form::default, Form::of),
            ),
            change_topics: ChangeTopics::of(plan),
            created: BTreeMap::new(),
            deleted: BTreeMap::new(),
        })
    }

    /// Whether change events come in transactions, so that their markers stand
    /// behind them.
    pub(crate) fn reads_transactions(&self) -> bool {
        self.change_topics == ChangeTopics::Transactions
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
                        .map(|topic| topic.config.plain())
                        .unwrap_or_default(),
                }
            })
            .collect();
        made.asking();
        let outcomes = self.cluster.create_topics(&wanted).await?;
        for (topic, outcome) in &outcomes {
            // What is refused for now may still be done by another controller.
            if let Err(refusal) = outcome
                && !refusal.code.is_retriable()
            {
                made.not_made(topic);
            }
        }
        for (topic, outcome) in outcomes {
            outcome.map_err(|refusal| EngineError::Topic {
                topic: topic.to_string(),
                reason: refusal.to_string(),
            })?;
        }
        for (topic, planned) in wanted.iter().zip(&self.topics) {
            let found = self.cluster.await_topic(&topic.topic).await?;
            self.created
                .extend(found.id.map(|created| (planned.ix, created)));
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
        let mut topics = vec![];
        if plan.groups().next().is_some() {
            topics.push(internal::OFFSETS);
        }
        let mut transforms = plan.scenario.transforms.iter();
        if transforms.any(|it| it.transactions == Transactions::On) {
            topics.push(internal::TRANSACTIONS);
        }
        for (topic, factor) in topics {
            self.can_be_made(topic, factor, plan.scenario.topology.brokers)
                .await?;
        }
        for group in plan.groups() {
            let id = GroupId::new(group.name);
            self.cluster.offset_fetch(&id).await?;
        }
        Ok(())
    }

    /// Refuses to wait for a topic of Kafka's own that its brokers cannot make:
    /// they only say that there is no coordinator.
    async fn can_be_made(
        &mut self,
        topic: &str,
        factor: &str,
        planned: u8,
    ) -> Result<(), EngineError> {
        let name = TopicName::new(topic);
        let asked = Topics::Named(std::slice::from_ref(&name));
        let metadata = self.cluster.metadata(asked).await?;
        // One that has just started may not be known to all.
        let brokers = metadata.brokers.len().max(usize::from(planned));
        let is_there = metadata.topics.iter().any(|it| it.partitions.is_ok());
        let Some(broker) = metadata.brokers.first().filter(|_| !is_there) else {
            return Ok(());
        };
        // Who may not ask finds out as everybody does.
        let Ok(config) = self.cluster.describe_broker_configs(broker.id).await else {
            return Ok(());
        };
        let wanted = config.get(factor).map(|entry| &entry.value);
        let Some(ConfigValue::Known(wanted)) = wanted else {
            return Ok(());
        };
        match wanted.parse::<usize>() {
            Ok(replicas) if replicas > brokers => Err(EngineError::Topic {
                topic: topic.to_owned(),
                reason: format!(
                    "INVALID_REPLICATION_FACTOR ({factor} is {replicas}, and there {})",
                    match brokers {
                        1 => "is 1 broker".to_owned(),
                        some => format!("are {some} brokers"),
                    }
                ),
            }),
            _ => Ok(()),
        }
    }

    /// Writes down how far the change topics can be read now.
    pub(crate) async fn note_tails(&mut self) -> Result<(), EngineError> {
        self.follow_ends(&mut Tails::default()).await
    }

    /// Writes down how far the change topics can be read now, where that is
    /// news.
    async fn follow_ends(&mut self, tails: &mut Tails) -> Result<(), EngineError> {
        let places = self.places().into_iter();
        let places: Vec<Place> = places
            .filter(|place| self.table_of(place.number).is_some())
            .collect();
        let names: Vec<_> = places.iter().map(|place| place.name.clone()).collect();
        let ends = self.offsets(&names, latest()).await?;
        for place in &places {
            let Some(end) = ends.get(&place.name).copied() else {
                continue;
            };
            let before = tails.ends.insert(place.number, end).unwrap_or_default();
            if before == end {
                continue;
            }
            let partition = place.number;
            if self.change_topics == ChangeTopics::Events {
                self.ledger.note(Body::TailSeen { partition, end });
                continue;
            }
            let mut events = tails.events.get(&partition).copied().unwrap_or(0);
            let options = ReadOptions::default();
            let mut reader = PinnedReader::new(place.name.clone(), before, end, options);
            while let Some(batch) = reader.next_batch(&mut self.cluster).await? {
                let data = batch.records.iter().filter(|_| !batch.control);
                events += data.filter(|found| found.offset >= before).count() as u64;
            }
            if tails.events.insert(partition, events) != Some(events) {
                self.ledger.note(Body::EventsSeen { partition, events });
            }
        }
        Ok(())
    }

    /// The configuration in force of brokers and topics, as the brokers say;
    /// what may take records out of a topic goes into the history too.
    pub(crate) async fn configs(&mut self, configs: &InForce) -> Result<(), EngineError> {
        // Who is there now: a broker may have gone since anybody asked.
        self.cluster.metadata(Topics::Named(&[])).await?;
        let brokers: Vec<_> = self.cluster.brokers().map(|broker| broker.id).collect();
        for broker in brokers {
            match self.cluster.describe_broker_configs(broker).await {
                Ok(found) => configs.set_entries(&format!("broker {broker}"), &found),
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
            if let Some(policy) = cleanup(&found) {
                self.ledger.note(Body::TopicCleanup {
                    topic: topic.ix,
                    policy,
                });
            }
        }
        Ok(())
    }

    /// Where the log of every partition ends for a reader of everything, now;
    /// without those that cannot be asked, where brokers have gone for good.
    pub(crate) async fn ends(&mut self) -> Result<BTreeMap<PartitionRef, Offset>, EngineError> {
        let places = self.reachable().await?;
        let names: Vec<_> = places.iter().map(|place| place.name.clone()).collect();
        let ends = self.offsets(&names, latest()).await?;
        let missing = self.missing().into_iter().map(|it| (it, Offset::new(0)));
        Ok(places
            .into_iter()
            .filter_map(|place| Some((place.number, *ends.get(&place.name)?)))
            .chain(missing)
            .collect())
    }

    /// Pins the range of every partition and reads it all.
    ///
    /// A partition that could not be read to its pinned end is left without
    /// its closing event, and the verdict says so; reading goes on with the
    /// others.
    pub(crate) async fn read_truth(&mut self) -> Result<(), EngineError> {
        for partition in self.missing() {
            self.ledger.note(Body::Pinned {
                partition,
                log_start: Offset::new(0),
                end: Offset::new(0),
            });
            self.ledger.note(Body::PartitionRead { partition });
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
            let newest = self.newest(&place, &decoder).await?;
            if newest != Some(ChangeContent::Ours(*expected)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What the last event of a change topic carries that has come out: one of
    /// an open or aborted transaction has not. Markers may stand behind it.
    async fn newest(
        &mut self,
        place: &Place,
        decoder: &EventDecoder,
    ) -> Result<Option<ChangeContent>, EngineError> {
        let name = std::slice::from_ref(&place.name);
        let one = |found: BTreeMap<TopicPartition, Offset>| found.get(&place.name).copied();
        let start = one(self.offsets(name, OffsetSpec::Earliest).await?).unwrap_or_default();
        let end = one(self.offsets(name, latest()).await?).unwrap_or_default();
        let mut back = 1;
        loop {
            let from = start.max(Offset::new(end.get().saturating_sub(back)));
            let options = ReadOptions::default();
            let mut reader = PinnedReader::new(place.name.clone(), from, end, options);
            let mut newest = Newest::default();
            while let Some(batch) = reader.next_batch(&mut self.cluster).await? {
                newest.see(decoder, &batch);
            }
            if newest.found.is_some() || from == start {
                return Ok(newest.found.map(|(_, content)| content));
            }
            back = back.saturating_mul(16);
        }
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
                let events = all_in_change_topic(decoder, place.number, &batch);
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
            .map(|table| EventDecoder::new(self.run, partition, table, Arc::clone(&self.form)))
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
                let left = self.deleted.get(&topic.ix).copied();
                (0..left.map_or(topic.partitions, |left| left.min(topic.partitions)))
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
/// step forward. While brokers are away there is nothing to follow, however
/// long a fault keeps them so.
pub(crate) async fn follow_tails(bootstrap: &[String], plan: &ScenarioPlan, ledger: &Ledger) {
    let mut tails = Tails::default();
    let mut ticks = beat(TAIL_INTERVAL);
    loop {
        ticks.tick().await;
        let Ok(mut observer) = Observer::connect(bootstrap, plan, ledger).await else {
            continue;
        };
        while observer.follow_ends(&mut tails).await.is_ok() {
            ticks.tick().await;
        }
    }
}

/// Waits until a group has so many members, and so many partitions are with
/// them, as its coordinator describes it. Stands in the wait for an assignment.
pub(crate) async fn await_joined(
    bootstrap: &[String],
    group: &str,
    members: usize,
    partitions: usize,
) -> Result<(), EngineError> {
    let mut cluster = connect(bootstrap).await?;
    let id = GroupId::new(group);
    loop {
        let found = cluster.describe_group(&id).await?;
        let given: BTreeSet<_> = found.members.iter().flat_map(|it| &it.assigned).collect();
        if found.state == GroupState::Stable
            && found.members.len() == members
            && given.len() == partitions
        {
            return Ok(());
        }
        pass(JOIN_INTERVAL).await;
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
    let records = batch.records.iter();
    records.filter_map(|found| decoder.decode(&raw(found)))
}

/// What stands in a change topic, tombstones included.
fn all_in_change_topic<'b>(
    decoder: &'b EventDecoder,
    partition: PartitionRef,
    batch: &'b Batch,
) -> impl Iterator<Item = Body> + 'b {
    batch.records.iter().map(move |found| {
        let stored = Body::Stored {
            partition,
            offset: found.offset,
            content: Content::Nameless,
        };
        decoder.decode(&raw(found)).unwrap_or(stored)
    })
}

fn raw(found: &Record) -> RawRecord<'_> {
    RawRecord {
        offset: found.offset,
        key: found.key.as_deref(),
        value: found.value.as_deref(),
        headers: headers(&found.headers),
    }
}

fn headers(headers: &[Header]) -> Vec<(&[u8], &[u8])> {
    let headers = headers.iter();
    headers
        .filter_map(|header| Some((header.key.as_ref(), header.value.as_deref()?)))
        .collect()
}

/// How far change topics had come when they were looked at last.
#[derive(Default)]
struct Tails {
    ends: BTreeMap<PartitionRef, Offset>,
    /// How many events were below, where not every offset is one.
    events: BTreeMap<PartitionRef, u64>,
}

/// Looks for the last event that has come out, while batches pass.
#[derive(Default)]
struct Newest {
    found: Option<(Offset, ChangeContent)>,
    /// The last event of each open transaction, by producer id.
    open: BTreeMap<i64, (Offset, ChangeContent)>,
}

impl Newest {
    fn see(&mut self, decoder: &EventDecoder, batch: &Batch) {
        let producer = batch.producer.map_or(-1, |producer| producer.id);
        if batch.control {
            let last = self.open.remove(&producer);
            if batch.control_marker() == Some(ControlMarker::Commit) {
                self.find(last);
            }
            return;
        }
        let last = change_events(decoder, batch).last();
        let Some(Body::ChangeEvent {
            offset, content, ..
        }) = last
        else {
            return;
        };
        if batch.transactional {
            self.open.insert(producer, (offset, content));
        } else {
            self.find(Some((offset, content)));
        }
    }

    fn find(&mut self, last: Option<(Offset, ChangeContent)>) {
        let known = self.found.map(|(offset, _)| offset);
        if let Some((offset, content)) = last
            && known.is_none_or(|known| offset > known)
        {
            self.found = Some((offset, content));
        }
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
        // A marker whose key nobody can read is still no data.
        None if batch.control => BatchKind::Control,
        None if batch.transactional => BatchKind::Transactional,
        None => BatchKind::Plain,
    }
}
