//! A cluster behind its bootstrap addresses: keeps metadata and a connection for each
//! broker on demand, sends each call to the leader, coordinator or controller it is for,
//! and retries transient errors until a deadline. Knows nothing of the use of the answers.

use std::collections::BTreeMap;
use std::time::Duration;

use model::ids::{BrokerId, GroupId, TopicPartition};

use self::retry::{ClusterOptions, Retry, retried};
use crate::configs::Configs;
use crate::connection::Connection;
use crate::error::WireError;
use crate::groups::{CommittedOffset, Coordinator, GroupDescription};
use crate::ids::TopicId;
use crate::metadata::{BrokerMetadata, Metadata, Topics};
use crate::rights::Rights;

mod admin;
mod reading;
pub(crate) mod retry;
mod routes;
mod topics;

/// The peer of a connection.
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

/// A cluster, with one call at a time. Calls are retried on transient errors for
/// [`ClusterOptions::retry_for`]; after that they return [`WireError::Deadline`] around the
/// last error.
#[derive(Debug)]
pub struct Cluster {
    bootstrap: Vec<String>,
    options: ClusterOptions,
    brokers: BTreeMap<BrokerId, BrokerMetadata>,
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
    pub fn brokers(&self) -> impl Iterator<Item = &BrokerMetadata> {
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

    /// What may be done with a group.
    ///
    /// # Errors
    /// [`WireError`] when the coordinator cannot be asked.
    pub async fn group_rights(&mut self, group: &GroupId) -> Result<Rights, WireError> {
        retried!(self, {
            self.reach_coordinator(group)
                .await?
                .group_rights(group)
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
}
