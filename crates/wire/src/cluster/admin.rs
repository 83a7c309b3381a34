//! Calls by which a cluster is looked into and changed: elections, partitions,
//! configurations, groups, transactions. As all calls of [`Cluster`], sent to
//! whom they are for, and again while their error is transient.

use std::collections::BTreeMap;

use model::ids::{GroupId, TopicName, TopicPartition};

use super::{Cluster, Pause, Retry};
use crate::configs::{ConfigChange, ConfigTarget};
use crate::error::{ErrorCode, Refusal, WireError};
use crate::groups::{Coordinator, GroupMember};
use crate::metadata::BrokerId;
use crate::partitions::{ElectionType, PartitionReplicas};
use crate::quorum::Quorum;
use crate::quotas::QuotaEntity;
use crate::transactions::{
    ActiveProducer, ListedTransaction, TransactionDescription, TransactionalId,
};

impl Cluster {
    /// The controllers' quorum, as its leader describes it.
    ///
    /// # Errors
    /// [`WireError`] when there is no leader before the deadline.
    pub async fn describe_quorum(&mut self) -> Result<Quorum, WireError> {
        retried!(self, self.reach_any().await?.describe_quorum().await)
    }

    /// The cluster's features and their levels (KIP-584), such as
    /// `transaction.version`; one that is off is not among them.
    ///
    /// # Errors
    /// [`WireError`] when no broker can be asked.
    pub async fn finalized_features(&mut self) -> Result<BTreeMap<String, i16>, WireError> {
        retried!(self, self.reach_any().await?.finalized_features().await)
    }

    /// The replicas of the topic's partitions, by number, with those that may
    /// be elected (KIP-966) where the broker is new enough to tell. What a
    /// broker says is a little older than what the controllers know.
    ///
    /// # Errors
    /// [`WireError`], also for a topic that stays unknown until the deadline.
    pub async fn describe_partitions(
        &mut self,
        topic: &TopicName,
    ) -> Result<Vec<PartitionReplicas>, WireError> {
        retried!(self, {
            let connection = self.reach_any().await?;
            match connection.describe_partitions(topic).await {
                Err(WireError::UnsupportedApi { .. }) => self.partitions_by_metadata(topic).await,
                described => described,
            }
        })
    }

    async fn partitions_by_metadata(
        &mut self,
        topic: &TopicName,
    ) -> Result<Vec<PartitionReplicas>, WireError> {
        let partitions = self.topic_metadata(topic).await?.partitions;
        // An error in place of the partitions has become one of the call.
        let partitions = partitions.unwrap_or_default();
        Ok(partitions.into_iter().map(Into::into).collect())
    }

    /// Elects leaders, and says for each partition whether that was done.
    /// After a broken connection it is sent again, so an election may be "not
    /// needed" because an earlier attempt has held it.
    ///
    /// # Errors
    /// [`WireError`] when there was no answer.
    pub async fn elect_leaders(
        &mut self,
        election: ElectionType,
        partitions: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, Result<(), Refusal>>, WireError> {
        let wait = self.options.client.request_timeout;
        let mut retry = Retry::new(&self.options);
        loop {
            let attempt = async {
                let connection = self.reach_any().await?;
                connection.elect_leaders(election, partitions, wait).await
            };
            match attempt.await {
                Ok(outcomes) if !all_undecided(&outcomes) => {
                    self.forget_routes();
                    return Ok(outcomes);
                }
                Ok(outcomes) => {
                    if matches!(retry.pause().await, Pause::Over) {
                        return Ok(outcomes);
                    }
                }
                Err(error) => self.retry_elsewhere(&mut retry, error).await?,
            }
        }
    }

    /// Assigns a partition to these replicas, the preferred leader first.
    /// Brokers know of it a little later than this returns.
    ///
    /// # Errors
    /// [`WireError`], of which `Refused` where there is no such partition or
    /// broker.
    pub async fn reassign_partition(
        &mut self,
        partition: &TopicPartition,
        replicas: &[BrokerId],
    ) -> Result<(), WireError> {
        let wait = self.options.client.request_timeout;
        retried!(self, {
            let connection = self.reach_any().await?;
            connection
                .reassign_partition(partition, replicas, wait)
                .await
        })?;
        self.forget_routes();
        Ok(())
    }

    /// Adds partitions to a topic until it has `total`. Brokers know of them a
    /// little later than this returns. Once sent, it is not retried on a broken
    /// connection: a second attempt could not tell what the first has added
    /// from what there was.
    ///
    /// # Errors
    /// [`WireError`], of which `Refused` with
    /// [`ErrorCode::INVALID_PARTITIONS`] when it has as many; where
    /// [`WireError::is_unsent`] is not so, they may have been added.
    pub async fn create_partitions(
        &mut self,
        topic: &TopicName,
        total: u16,
    ) -> Result<(), WireError> {
        let wait = self.options.client.request_timeout;
        let may_be_sent_again = |error: &WireError| error.is_unsent() || is_undecided(error);
        retried!(self while may_be_sent_again, {
            let connection = self.reach_any().await?;
            connection.create_partitions(topic, total, wait).await
        })?;
        self.forget_routes();
        Ok(())
    }

    /// Changes some keys of a configuration, all or none. Brokers act on it a
    /// little later than this returns.
    ///
    /// # Errors
    /// [`WireError`], of which `Refused` for a key or value that is not one, or
    /// that cannot be changed at run time. The keys of one broker can only be
    /// changed while it is up.
    pub async fn incremental_alter_configs(
        &mut self,
        target: &ConfigTarget,
        changes: &[ConfigChange],
    ) -> Result<(), WireError> {
        retried!(self while is_open, {
            let connection = match target {
                ConfigTarget::Broker(broker) => self.reach_broker(*broker).await?,
                ConfigTarget::Topic(_) | ConfigTarget::AllBrokers => self.reach_any().await?,
            };
            connection.incremental_alter_configs(target, changes).await
        })
    }

    /// Sets some of an entity's quotas, and takes away those without a value.
    /// Brokers act on it a little later than this returns.
    ///
    /// # Errors
    /// [`WireError`], of which `Refused` for a key or value that is not one.
    pub async fn alter_client_quotas(
        &mut self,
        entity: &QuotaEntity,
        quotas: &BTreeMap<String, Option<f64>>,
    ) -> Result<(), WireError> {
        retried!(self while is_open, {
            let connection = self.reach_any().await?;
            connection.alter_client_quotas(entity, quotas).await
        })
    }

    /// Deletes committed offsets of the group, and says for each partition
    /// whether that was done; one without an offset is as good as done.
    ///
    /// # Errors
    /// [`WireError`], of which `Refused` when the group does not exist.
    pub async fn delete_group_offsets(
        &mut self,
        group: &GroupId,
        partitions: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, Result<(), Refusal>>, WireError> {
        retried!(self, {
            let connection = self.reach_coordinator(group).await?;
            connection.delete_group_offsets(group, partitions).await
        })
    }

    /// Deletes groups with their offsets, and says for each whether it was
    /// deleted. After a broken connection it is sent again, so a group may be
    /// "not found" because an earlier attempt deleted it.
    ///
    /// # Errors
    /// [`WireError`] when a coordinator could not be asked; other groups may
    /// be deleted then.
    pub async fn delete_groups(
        &mut self,
        groups: &[GroupId],
    ) -> Result<BTreeMap<GroupId, Result<(), Refusal>>, WireError> {
        let mut outcomes = BTreeMap::new();
        for group in groups {
            outcomes.insert(group.clone(), self.delete_group(group).await?);
        }
        Ok(outcomes)
    }

    /// Puts members out of a classic group, so that it need not wait for those
    /// who died to be missed. One whose process lives joins again.
    ///
    /// # Errors
    /// [`WireError`] when the coordinator cannot be asked, or refuses.
    pub async fn remove_members(
        &mut self,
        group: &GroupId,
        members: &[GroupMember],
    ) -> Result<(), WireError> {
        retried!(self, {
            let connection = self.reach_coordinator(group).await?;
            connection.remove_members(group, members).await
        })
    }

    async fn delete_group(&mut self, group: &GroupId) -> Result<Result<(), Refusal>, WireError> {
        retried!(self, {
            let connection = self.reach_coordinator(group).await?;
            match connection.delete_group(group).await {
                Ok(()) => Ok(Ok(())),
                Err(WireError::Refused { source, .. }) if !source.code.is_retriable() => {
                    Ok(Err(source))
                }
                Err(error) => Err(error),
            }
        })
    }

    /// The coordinator of the id's transactions.
    ///
    /// # Errors
    /// [`WireError`] when there is none before the deadline.
    pub async fn find_transaction_coordinator(
        &mut self,
        id: &TransactionalId,
    ) -> Result<Coordinator, WireError> {
        retried!(self, {
            self.reach_any()
                .await?
                .find_transaction_coordinator(id)
                .await
        })
    }

    /// The id's transaction, as its coordinator describes it; `None` for an id
    /// that no producer has used.
    ///
    /// # Errors
    /// [`WireError`] when the coordinator cannot be asked.
    pub async fn describe_transaction(
        &mut self,
        id: &TransactionalId,
    ) -> Result<Option<TransactionDescription>, WireError> {
        retried!(self, {
            let coordinator = self.reach_any().await?.find_transaction_coordinator(id);
            let coordinator = coordinator.await?.id;
            let connection = self.reach_broker(coordinator).await?;
            connection.describe_transaction(id).await
        })
    }

    /// Every transactional id in use, as their coordinators list them: all
    /// brokers of the metadata are asked, and a broker that is away cannot
    /// tell.
    ///
    /// # Errors
    /// [`WireError`] when one of them cannot be asked.
    pub async fn list_transactions(&mut self) -> Result<Vec<ListedTransaction>, WireError> {
        retried!(self, self.list_transactions_once().await)
    }

    async fn list_transactions_once(&mut self) -> Result<Vec<ListedTransaction>, WireError> {
        let metadata = self.metadata_once(crate::Topics::Named(&[])).await?;
        let mut listed = Vec::new();
        for broker in metadata.brokers {
            let connection = self.reach_broker(broker.id).await?;
            listed.extend(connection.list_transactions().await?);
        }
        Ok(listed)
    }

    /// The producers that the partition's leader remembers, with their open
    /// transactions.
    ///
    /// # Errors
    /// [`WireError`] when the leader cannot be asked.
    pub async fn describe_producers(
        &mut self,
        partition: &TopicPartition,
    ) -> Result<Vec<ActiveProducer>, WireError> {
        retried!(self, {
            self.learn_routes(std::slice::from_ref(partition)).await?;
            let leader = self.leader(partition)?;
            let connection = self.reach_broker(leader).await?;
            connection.describe_producers(partition).await
        })
    }

    /// The same as one replica remembers them.
    ///
    /// # Errors
    /// [`WireError`] when the broker cannot be asked.
    pub async fn describe_producers_of(
        &mut self,
        replica: BrokerId,
        partition: &TopicPartition,
    ) -> Result<Vec<ActiveProducer>, WireError> {
        retried!(self, {
            let connection = self.reach_broker(replica).await?;
            connection.describe_producers(partition).await
        })
    }
}

/// Whether the call may still succeed: a refusal that the controllers decided on
/// is an answer.
fn is_open(error: &WireError) -> bool {
    !matches!(error, WireError::Refused { .. }) || is_undecided(error)
}

fn is_undecided(error: &WireError) -> bool {
    error.code().is_some_and(ErrorCode::is_undecided)
}

/// Whether the cluster had nobody to decide on any of it.
pub(super) fn all_undecided<K>(outcomes: &BTreeMap<K, Result<(), Refusal>>) -> bool {
    !outcomes.is_empty()
        && outcomes
            .values()
            .all(|outcome| matches!(outcome, Err(refusal) if refusal.code.is_undecided()))
}
