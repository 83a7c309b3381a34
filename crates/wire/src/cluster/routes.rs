//! Which broker a call is for: leaders, controller and coordinators as the last
//! metadata has them, and a connection for each broker.

use kafka_protocol::messages::MetadataRequest;
use kafka_protocol::protocol::Request;
use model::ids::{BrokerId, GroupId, TopicName, TopicPartition};

use super::retry::Retry;
use super::{Cluster, Peer, Route};
use crate::connection::Connection;
use crate::error::{ApiKey, ErrorCode, WireError};
use crate::metadata::{Metadata, Topics};

impl Cluster {
    pub(super) async fn retry_elsewhere(
        &mut self,
        retry: &mut Retry,
        error: WireError,
    ) -> Result<(), WireError> {
        self.forget_routes();
        retry.after(error).await
    }

    /// After an error, leaders and addresses may have changed: ask again.
    pub(super) fn forget_routes(&mut self) {
        self.routes.clear();
        self.brokers.clear();
        self.controller = None;
    }

    pub(super) fn learn(&mut self, metadata: &Metadata) {
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

    pub(super) async fn learn_routes(
        &mut self,
        partitions: &[TopicPartition],
    ) -> Result<(), WireError> {
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
                api: ApiKey(MetadataRequest::KEY),
                broker: "the cluster".to_owned(),
                subject: place.to_string(),
                source: code.into(),
            });
        }
        Ok(())
    }

    pub(super) fn leader(&self, partition: &TopicPartition) -> Result<BrokerId, WireError> {
        self.routes
            .get(partition)
            .and_then(|route| route.leader)
            .ok_or_else(|| WireError::NoLeader {
                partition: partition.clone(),
            })
    }

    pub(super) async fn reach_controller(&mut self) -> Result<&mut Connection, WireError> {
        if self.controller.is_none() {
            self.metadata_once(Topics::Named(&[])).await?;
        }
        match self.controller {
            Some(controller) => self.reach_broker(controller).await,
            None => self.reach_any().await,
        }
    }

    pub(super) async fn reach_coordinator(
        &mut self,
        group: &GroupId,
    ) -> Result<&mut Connection, WireError> {
        let coordinator = self.reach_any().await?.find_coordinator(group).await?;
        self.reach_broker(coordinator.id).await
    }

    pub(super) async fn reach_broker(
        &mut self,
        id: BrokerId,
    ) -> Result<&mut Connection, WireError> {
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
    pub(super) async fn reach_any(&mut self) -> Result<&mut Connection, WireError> {
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

    pub(super) async fn reach_peer(
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

    pub(super) async fn metadata_once(
        &mut self,
        topics: Topics<'_>,
    ) -> Result<Metadata, WireError> {
        let metadata = self.reach_any().await?.metadata(topics).await?;
        self.learn(&metadata);
        Ok(metadata)
    }
}
