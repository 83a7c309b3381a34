//! Admin calls of a cluster: elections, partitions, quotas, groups, coordinators. As all
//! calls of [`Cluster`], they go to the broker in charge, again while their error is
//! transient.

use std::collections::BTreeMap;

use model::ids::{BrokerId, GroupId, TopicPartition, TransactionalId};

use super::Cluster;
use super::retry::{Pause, Retry, retried};
use crate::error::{ErrorCode, Refusal, WireError};
use crate::groups::{Coordinator, GroupMember};
use crate::partitions::ElectionType;
use crate::quorum::Quorum;
use crate::quotas::QuotaEntity;
use crate::scram_users::ScramUser;

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

    /// Adds users of SASL SCRAM, or gives them other passwords. Brokers know of it a little
    /// later than this returns.
    ///
    /// # Errors
    /// [`WireError`], of which `Refused` for the first that was refused.
    pub async fn set_scram_users(&mut self, users: &[ScramUser]) -> Result<(), WireError> {
        retried!(self, self.reach_any().await?.set_scram_users(users).await)
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
        retried!(self until decided, {
            let connection = self.reach_any().await?;
            connection.elect_leaders(election, partitions, wait).await
        })
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

    /// Removes members from a classic group, so that it need not wait for dead ones to time
    /// out. One whose process lives joins again.
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

    /// Waits until the coordinator of the id's transactions has loaded what it
    /// keeps of them, and has producer ids to give, which it gets from the
    /// controller. Until then it refuses its clients. At once where a broker
    /// cannot be asked (Kafka before 3.0), or the id is not ours.
    ///
    /// # Errors
    /// [`WireError`] when it is not there before the deadline.
    pub async fn await_transaction_coordinator(
        &mut self,
        id: &TransactionalId,
    ) -> Result<(), WireError> {
        let asked = retried!(self, {
            let found = self.reach_any().await?.find_transaction_coordinator(id);
            let found = found.await?;
            let coordinator = self.reach_broker(found.id).await?;
            // It answers: mostly that the id is new.
            answered(coordinator.describe_transaction(id).await)?;
            coordinator.take_producer_id().await
        });
        answered(asked)
    }
}

/// An answer is enough, if it is no request to wait.
fn answered(asked: Result<(), WireError>) -> Result<(), WireError> {
    match asked {
        Err(error) if error.is_retriable() => Err(error),
        Err(WireError::Refused { .. } | WireError::UnsupportedApi { .. }) => Ok(()),
        asked => asked,
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

/// Whether no controller decided on any item.
pub(super) fn all_undecided<K>(outcomes: &BTreeMap<K, Result<(), Refusal>>) -> bool {
    !outcomes.is_empty()
        && outcomes
            .values()
            .all(|outcome| matches!(outcome, Err(refusal) if refusal.code.is_undecided()))
}
