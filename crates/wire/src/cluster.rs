//! A cluster behind its bootstrap addresses: keeps metadata and a connection
//! for each broker on demand, sends each call to the leader, coordinator or
//! controller it is for, and retries what is worth retrying until a deadline.
//! Knows nothing of what the answers are for.

/// Makes a call of a [`Cluster`], again while its error is transient (and the
/// condition holds) and the deadline has not passed. A macro, because a future
/// that calls an async closure is not `Send` for every lifetime of its arguments.
macro_rules! retried {
    ($cluster:ident, $attempt:expr) => {
        retried!($cluster while WireError::is_retriable, $attempt)
    };
    ($cluster:ident while $may_retry:expr, $attempt:expr) => {{
        let mut retry = Retry::new(&$cluster.options);
        loop {
            match async { $attempt }.await {
                Ok(answer) => break Ok(answer),
                Err(error) if $may_retry(&error) => {
                    $cluster.retry_elsewhere(&mut retry, error).await?;
                }
                Err(error) => break Err(error),
            }
        }
    }};
}

mod admin;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kafka_protocol::messages::{FetchRequest, ListOffsetsRequest, MetadataRequest};
use kafka_protocol::protocol::Request;
use model::ids::{GroupId, Offset, TopicName, TopicPartition};
use tokio::time::{Instant, sleep};

use crate::configs::Configs;
use crate::connection::{ClientOptions, Connection};
use crate::error::{Api, ErrorCode, Refusal, WireError};
use crate::fetch::{FetchOptions, FetchPosition, FetchedPartition};
use crate::groups::{CommittedOffset, Coordinator, GroupDescription};
use crate::list_offsets::{Isolation, OffsetSpec, ReplicaEnds};
use crate::metadata::{Broker, BrokerId, Metadata, TopicId, TopicMetadata, Topics};
use crate::topics::NewTopic;

/// How a cluster is used.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// For each connection.
    pub client: ClientOptions,
    /// How long a call is tried again while its error is transient.
    pub retry_for: Duration,
    /// The pause before each further attempt.
    pub retry_pause: Duration,
}

impl Default for ClusterOptions {
    /// 30 s, every 100 ms.
    fn default() -> Self {
        Self {
            client: ClientOptions::default(),
            retry_for: Duration::from_secs(30),
            retry_pause: Duration::from_millis(100),
        }
    }
}

/// Whom to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Peer {
    /// The bootstrap address of this index.
    Bootstrap(usize),
    Broker(BrokerId),
}

#[derive(Clone, Copy, Debug)]
struct Route {
    leader: Option<BrokerId>,
    topic_id: Option<TopicId>,
}

/// A cluster, with one call at a time. Calls are retried on transient errors
/// for [`ClusterOptions::retry_for`]; what is then returned is
/// [`WireError::Deadline`] around the last error.
#[derive(Debug)]
pub struct Cluster {
    bootstrap: Vec<String>,
    options: ClusterOptions,
    brokers: BTreeMap<BrokerId, Broker>,
    controller: Option<BrokerId>,
    routes: BTreeMap<TopicPartition, Route>,
    connections: BTreeMap<Peer, Connection>,
}

impl Cluster {
    /// Connects to the first bootstrap address (`host:port`) that answers, and
    /// learns the brokers.
    ///
    /// # Errors
    /// [`WireError`] when none answers before the deadline.
    pub async fn connect<I>(bootstrap: I, options: ClusterOptions) -> Result<Self, WireError>
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let mut cluster = Self {
            bootstrap: bootstrap.into_iter().map(Into::into).collect(),
            options,
            brokers: BTreeMap::new(),
            controller: None,
            routes: BTreeMap::new(),
            connections: BTreeMap::new(),
        };
        cluster.metadata(Topics::Named(&[])).await?;
        Ok(cluster)
    }

    /// Sets how long later calls are retried.
    pub fn set_retry_for(&mut self, retry_for: Duration) {
        self.options.retry_for = retry_for;
    }

    /// How long calls are tried again at most.
    pub fn retry_for(&self) -> Duration {
        self.options.retry_for
    }

    /// The brokers of the last metadata, by id.
    pub fn brokers(&self) -> impl Iterator<Item = &Broker> {
        self.brokers.values()
    }

    /// Brokers, controller, and the topics asked for. Never creates a topic.
    ///
    /// # Errors
    /// [`WireError`]; an error of a single topic stands in its place.
    pub async fn metadata(&mut self, topics: Topics<'_>) -> Result<Metadata, WireError> {
        let mut retry = Retry::new(&self.options);
        loop {
            match self.metadata_once(topics).await {
                Ok(metadata) => return Ok(metadata),
                Err(error) => retry.after(error).await?,
            }
        }
    }

    /// Waits until every partition of the topic has a leader that answers for
    /// it, which is a little later than the metadata names one.
    ///
    /// # Errors
    /// [`WireError::Deadline`] when that takes too long.
    pub async fn await_topic(&mut self, topic: &TopicName) -> Result<TopicMetadata, WireError> {
        retried!(self, self.led_topic(topic).await)
    }

    /// Creates topics, and says for each whether it was created. Once sent, it
    /// is not retried on a broken connection: a second attempt could not tell
    /// its own topic from another's. It is where the answer was that there is no
    /// controller now, or that its time was up. What such an attempt began may
    /// be finished by the next controller, so a topic that is found afterwards
    /// counts as made by it.
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
        let mut retry = Retry::new(&self.options);
        loop {
            let error = match self.reach_controller().await {
                Ok(connection) => match connection.delete_topics(topics, wait).await {
                    Ok(outcomes) if !admin::all_undecided(&outcomes) => {
                        self.forget_routes();
                        return Ok(outcomes);
                    }
                    Ok(outcomes) => match retry.pause().await {
                        Pause::Over => return Ok(outcomes),
                        Pause::Taken => {
                            self.forget_routes();
                            continue;
                        }
                    },
                    Err(error) => error,
                },
                Err(error) => error,
            };
            self.forget_routes();
            retry.after(error).await?;
        }
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

    /// A broker's configuration in force.
    ///
    /// # Errors
    /// [`WireError`] when the broker cannot be asked.
    pub async fn describe_broker_configs(
        &mut self,
        broker: BrokerId,
    ) -> Result<Configs, WireError> {
        retried!(self, {
            self.reach_broker(broker)
                .await?
                .describe_broker_configs(broker)
                .await
        })
    }

    /// The offset that `spec` names, as each partition's leader says.
    ///
    /// # Errors
    /// [`WireError`], also when a single partition has no answer.
    pub async fn list_offsets(
        &mut self,
        partitions: &[TopicPartition],
        spec: OffsetSpec,
    ) -> Result<BTreeMap<TopicPartition, Offset>, WireError> {
        retried!(self, self.list_offsets_once(partitions, spec).await)
    }

    /// The offset that `spec` names, as one replica says; of a follower only
    /// [`OffsetSpec::LogStart`] and [`OffsetSpec::LogEnd`] can be asked.
    ///
    /// # Errors
    /// [`WireError`], also when a single partition has no answer.
    pub async fn list_offsets_of(
        &mut self,
        replica: BrokerId,
        partitions: &[TopicPartition],
        spec: OffsetSpec,
    ) -> Result<BTreeMap<TopicPartition, Offset>, WireError> {
        retried!(self, self.list_offsets_at(replica, partitions, spec).await)
    }

    /// Where this broker's replica of the partition begins and ends.
    ///
    /// # Errors
    /// [`WireError`] when the broker cannot be asked, or holds no replica.
    pub async fn replica_ends(
        &mut self,
        replica: BrokerId,
        partition: &TopicPartition,
    ) -> Result<ReplicaEnds, WireError> {
        retried!(self, self.replica_ends_once(replica, partition).await)
    }

    /// Fetches from each partition's leader. Where a partition's error is
    /// transient, all are asked again: nothing of a fetch is lost by that.
    /// [`FetchPosition::topic_id`] is filled in from the metadata where absent.
    ///
    /// # Errors
    /// [`WireError`]; a lasting error of a single partition stands in its place.
    pub async fn fetch(
        &mut self,
        positions: &[FetchPosition],
        options: &FetchOptions,
    ) -> Result<Vec<FetchedPartition>, WireError> {
        retried!(self, self.fetch_once(positions, options).await)
    }

    /// Fetches from one replica, leader or not. A follower answers only where
    /// `options` name a rack, were it an empty one.
    ///
    /// # Errors
    /// [`WireError`]; a lasting error of a single partition stands in its place.
    pub async fn fetch_from(
        &mut self,
        replica: BrokerId,
        positions: &[FetchPosition],
        options: &FetchOptions,
    ) -> Result<Vec<FetchedPartition>, WireError> {
        retried!(self, self.fetch_at(replica, positions, options).await)
    }

    /// The group's coordinator.
    ///
    /// # Errors
    /// [`WireError`] when there is none before the deadline.
    pub async fn find_coordinator(&mut self, group: &GroupId) -> Result<Coordinator, WireError> {
        retried!(self, self.reach_any().await?.find_coordinator(group).await)
    }

    /// Every committed offset of the group. Offsets of transactions still open
    /// are not among them.
    ///
    /// # Errors
    /// [`WireError`] when the coordinator cannot be asked.
    pub async fn offset_fetch(
        &mut self,
        group: &GroupId,
    ) -> Result<BTreeMap<TopicPartition, CommittedOffset>, WireError> {
        retried!(self, {
            self.reach_coordinator(group)
                .await?
                .offset_fetch(group)
                .await
        })
    }

    /// The group's state and members; a group that does not exist is dead.
    ///
    /// # Errors
    /// [`WireError`] when the coordinator cannot be asked.
    pub async fn describe_group(&mut self, group: &GroupId) -> Result<GroupDescription, WireError> {
        retried!(self, {
            self.reach_coordinator(group)
                .await?
                .describe_group(group)
                .await
        })
    }

    async fn metadata_once(&mut self, topics: Topics<'_>) -> Result<Metadata, WireError> {
        let metadata = self.reach_any().await?.metadata(topics).await?;
        self.learn(&metadata);
        Ok(metadata)
    }

    /// The topic's metadata; an error in the place of its partitions is one of
    /// the call.
    async fn topic_metadata(&mut self, topic: &TopicName) -> Result<TopicMetadata, WireError> {
        let metadata = self
            .metadata_once(Topics::Named(std::slice::from_ref(topic)))
            .await?;
        let found = metadata.topics.into_iter().find(|t| t.topic == *topic);
        let refused = |code: ErrorCode| WireError::Refused {
            api: Api(MetadataRequest::KEY),
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

    async fn list_offsets_once(
        &mut self,
        partitions: &[TopicPartition],
        spec: OffsetSpec,
    ) -> Result<BTreeMap<TopicPartition, Offset>, WireError> {
        self.learn_routes(partitions).await?;
        let mut by_leader: BTreeMap<BrokerId, Vec<TopicPartition>> = BTreeMap::new();
        for partition in partitions {
            by_leader
                .entry(self.leader(partition)?)
                .or_default()
                .push(partition.clone());
        }
        let mut offsets = BTreeMap::new();
        for (leader, partitions) in by_leader {
            offsets.extend(self.list_offsets_at(leader, &partitions, spec).await?);
        }
        Ok(offsets)
    }

    async fn list_offsets_at(
        &mut self,
        replica: BrokerId,
        partitions: &[TopicPartition],
        spec: OffsetSpec,
    ) -> Result<BTreeMap<TopicPartition, Offset>, WireError> {
        let connection = self.reach_broker(replica).await?;
        let listed = connection.list_offsets(partitions, spec).await?;
        listed
            .into_iter()
            .map(|(partition, offset)| match offset {
                Ok(offset) => Ok((partition, offset)),
                Err(code) => {
                    let subject = partition.to_string();
                    Err(connection.refused::<ListOffsetsRequest>(subject, code.into()))
                }
            })
            .collect()
    }

    async fn replica_ends_once(
        &mut self,
        replica: BrokerId,
        partition: &TopicPartition,
    ) -> Result<ReplicaEnds, WireError> {
        let partitions = std::slice::from_ref(partition);
        let refused = |code: ErrorCode| WireError::Refused {
            api: Api(FetchRequest::KEY),
            broker: format!("broker {replica}"),
            subject: partition.to_string(),
            source: code.into(),
        };
        let listed = |offsets: BTreeMap<TopicPartition, Offset>| {
            let offset = offsets.get(partition).copied();
            offset.ok_or_else(|| refused(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION))
        };
        let log_start = self
            .list_offsets_at(replica, partitions, OffsetSpec::LogStart)
            .await
            .and_then(listed)?;
        // Only a fetch tells the high watermark of a follower.
        let position = FetchPosition {
            partition: partition.clone(),
            topic_id: None,
            offset: log_start,
            bytes_max: 1,
        };
        let options = FetchOptions {
            max_wait: Duration::ZERO,
            bytes_max: 1,
            rack: Some(String::new()),
            ..FetchOptions::default()
        };
        let fetched = self.fetch_at(replica, &[position], &options).await?;
        let slice = fetched
            .into_iter()
            .find(|it| it.partition == *partition)
            .ok_or_else(|| refused(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION))?
            .slice
            .map_err(refused)?;
        // Last, so that it cannot be behind the high watermark.
        let log_end = self
            .list_offsets_at(replica, partitions, OffsetSpec::LogEnd)
            .await
            .and_then(listed)?;
        Ok(ReplicaEnds {
            log_start: slice.log_start.max(log_start),
            high_watermark: slice.high_watermark,
            log_end,
        })
    }

    async fn fetch_once(
        &mut self,
        positions: &[FetchPosition],
        options: &FetchOptions,
    ) -> Result<Vec<FetchedPartition>, WireError> {
        let partitions: Vec<_> = positions.iter().map(|p| p.partition.clone()).collect();
        self.learn_routes(&partitions).await?;
        let mut by_leader: BTreeMap<BrokerId, Vec<FetchPosition>> = BTreeMap::new();
        for position in positions {
            by_leader
                .entry(self.leader(&position.partition)?)
                .or_default()
                .push(position.clone());
        }
        let mut fetched = Vec::with_capacity(positions.len());
        for (leader, positions) in by_leader {
            fetched.extend(self.fetch_at(leader, &positions, options).await?);
        }
        Ok(fetched)
    }

    async fn fetch_at(
        &mut self,
        replica: BrokerId,
        positions: &[FetchPosition],
        options: &FetchOptions,
    ) -> Result<Vec<FetchedPartition>, WireError> {
        let partitions: Vec<_> = positions.iter().map(|p| p.partition.clone()).collect();
        self.learn_routes(&partitions).await?;
        let mut positions = positions.to_vec();
        for position in &mut positions {
            if position.topic_id.is_none() {
                position.topic_id = self
                    .routes
                    .get(&position.partition)
                    .and_then(|route| route.topic_id);
            }
        }
        let connection = self.reach_broker(replica).await?;
        let fetched = connection.fetch(&positions, options).await?;
        for partition in &fetched {
            if let Err(code) = partition.slice
                && code.is_retriable()
            {
                let subject = partition.partition.to_string();
                return Err(connection.refused::<FetchRequest>(subject, code.into()));
            }
        }
        Ok(fetched)
    }

    async fn retry_elsewhere(
        &mut self,
        retry: &mut Retry,
        error: WireError,
    ) -> Result<(), WireError> {
        self.forget_routes();
        retry.after(error).await
    }

    /// After an error, leaders and addresses may have changed: ask again.
    fn forget_routes(&mut self) {
        self.routes.clear();
        self.brokers.clear();
        self.controller = None;
    }

    fn learn(&mut self, metadata: &Metadata) {
        let before = std::mem::take(&mut self.brokers);
        for broker in &metadata.brokers {
            // A broker that moved is not behind its old connection any more.
            if before
                .get(&broker.id)
                .is_some_and(|old| old.address != broker.address)
            {
                self.connections.remove(&Peer::Broker(broker.id));
            }
            self.brokers.insert(broker.id, broker.clone());
        }
        self.controller = metadata.controller;
        for topic in &metadata.topics {
            let Ok(partitions) = &topic.partitions else {
                self.routes.retain(|place, _| place.topic != topic.topic);
                continue;
            };
            for partition in partitions {
                self.routes.insert(
                    TopicPartition {
                        topic: topic.topic.clone(),
                        partition: partition.partition,
                    },
                    Route {
                        leader: partition.leader,
                        topic_id: topic.id,
                    },
                );
            }
        }
    }

    async fn learn_routes(&mut self, partitions: &[TopicPartition]) -> Result<(), WireError> {
        let mut unknown: Vec<TopicName> = partitions
            .iter()
            .filter(|place| !self.routes.contains_key(place))
            .map(|place| place.topic.clone())
            .collect();
        if unknown.is_empty() {
            return Ok(());
        }
        unknown.sort();
        unknown.dedup();
        let metadata = self.metadata_once(Topics::Named(&unknown)).await?;
        for place in partitions {
            if self.routes.contains_key(place) {
                continue;
            }
            let code = metadata
                .topics
                .iter()
                .find(|topic| topic.topic == place.topic)
                .and_then(|topic| topic.partitions.as_ref().err().copied())
                .unwrap_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
            return Err(WireError::Refused {
                api: Api(MetadataRequest::KEY),
                broker: "the cluster".to_owned(),
                subject: place.to_string(),
                source: code.into(),
            });
        }
        Ok(())
    }

    fn leader(&self, partition: &TopicPartition) -> Result<BrokerId, WireError> {
        self.routes
            .get(partition)
            .and_then(|route| route.leader)
            .ok_or_else(|| WireError::NoLeader {
                partition: partition.clone(),
            })
    }

    async fn reach_controller(&mut self) -> Result<&mut Connection, WireError> {
        if self.controller.is_none() {
            self.metadata_once(Topics::Named(&[])).await?;
        }
        match self.controller {
            Some(controller) => self.reach_broker(controller).await,
            None => self.reach_any().await,
        }
    }

    async fn reach_coordinator(&mut self, group: &GroupId) -> Result<&mut Connection, WireError> {
        let coordinator = self.reach_any().await?.find_coordinator(group).await?;
        self.reach_broker(coordinator.id).await
    }

    async fn reach_broker(&mut self, id: BrokerId) -> Result<&mut Connection, WireError> {
        if !self.brokers.contains_key(&id) {
            self.metadata_once(Topics::Named(&[])).await?;
        }
        let address = match self.brokers.get(&id) {
            Some(broker) => broker.address.clone(),
            None => return Err(WireError::UnknownBroker { broker: id }),
        };
        self.reach_peer(Peer::Broker(id), address).await
    }

    /// A connection that works, else the first address that answers.
    async fn reach_any(&mut self) -> Result<&mut Connection, WireError> {
        self.connections
            .retain(|_, connection| connection.is_usable());
        if let Some(&peer) = self.connections.keys().next() {
            let address = String::new();
            return self.reach_peer(peer, address).await;
        }
        let known = self
            .brokers
            .values()
            .map(|broker| (Peer::Broker(broker.id), broker.address.clone()));
        let candidates: Vec<_> = self
            .bootstrap
            .iter()
            .enumerate()
            .map(|(index, address)| (Peer::Bootstrap(index), address.clone()))
            .chain(known)
            .collect();
        let mut last_error = WireError::NoBootstrap;
        for (peer, address) in candidates {
            match Connection::connect(address, self.options.client.clone()).await {
                Ok(connection) => {
                    return Ok(self
                        .connections
                        .entry(peer)
                        .insert_entry(connection)
                        .into_mut());
                }
                Err(error) => last_error = error,
            }
        }
        Err(last_error)
    }

    async fn reach_peer(
        &mut self,
        peer: Peer,
        address: String,
    ) -> Result<&mut Connection, WireError> {
        use std::collections::btree_map::Entry;
        match self.connections.entry(peer) {
            Entry::Occupied(held) if held.get().is_usable() => Ok(held.into_mut()),
            entry => {
                let connection = Connection::connect(address, self.options.client.clone()).await?;
                Ok(entry.insert_entry(connection).into_mut())
            }
        }
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

enum Pause {
    Taken,
    Over,
}

/// The attempts at one call.
struct Retry {
    started: Instant,
    limit: Duration,
    pause: Duration,
    attempts: u32,
}

impl Retry {
    fn new(options: &ClusterOptions) -> Self {
        Self {
            started: Instant::now(),
            limit: options.retry_for,
            pause: options.retry_pause,
            attempts: 0,
        }
    }

    /// Pauses before the next attempt, if there is to be one.
    async fn pause(&mut self) -> Pause {
        self.attempts += 1;
        if self.started.elapsed().saturating_add(self.pause) > self.limit {
            return Pause::Over;
        }
        sleep(self.pause).await;
        Pause::Taken
    }

    /// As [`Self::pause`] after `error`; returns it when it will not pass.
    async fn after(&mut self, error: WireError) -> Result<(), WireError> {
        if !error.is_retriable() {
            return Err(error);
        }
        match self.pause().await {
            Pause::Taken => Ok(()),
            Pause::Over => Err(WireError::Deadline {
                attempts: self.attempts,
                waited_ms: self.started.elapsed().as_millis(),
                source: Box::new(error),
            }),
        }
    }
}
