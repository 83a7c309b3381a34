//! Before the traffic: topics, quotas and coordinators.

use std::collections::BTreeSet;

use model::ids::{GroupId, TopicName};
use model::plan::ScenarioPlan;
use model::scenario::Transactions;
use wire::{ClientIds, ConfigValue, NewTopic, Operation, QuotaEntity, Topics, TransactionalId};

use super::Observer;
use crate::configs::EffectiveConfigs;
use crate::created::Created;
use crate::error::EngineError;

/// What has to be allowed with the topics of a run, besides making and deleting them: their
/// settings say what may take records out of them.
const NEEDED: [Operation; 3] = [
    Operation::Read,
    Operation::Write,
    Operation::DescribeConfigs,
];

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

impl Observer {
    /// Creates the scenario's topics and waits until they can be written.
    /// Change topics are created too, so that nothing hangs on when the
    /// connector would have created them.
    /// A topic that is there already is never used.
    pub(crate) async fn create_topics(
        &mut self,
        plan: &ScenarioPlan,
        created: &Created,
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
        created.may_create();
        let outcomes = self.cluster.create_topics(&wanted).await?;
        for (topic, outcome) in &outcomes {
            // What is refused for now may still be done by another controller.
            if let Err(refusal) = outcome
                && !refusal.code.is_retriable()
            {
                created.not_created(topic);
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
        self.check_rights(plan).await
    }

    /// Nothing is sent to topics of which it could not be read back, or not by everybody.
    async fn check_rights(&mut self, plan: &ScenarioPlan) -> Result<(), EngineError> {
        let Some(prefix) = &plan.prefix else {
            return Ok(());
        };
        let names = self.topics.iter();
        let names: Vec<TopicName> = names.map(|it| TopicName::new(it.name.as_str())).collect();
        let mut lacks = BTreeSet::new();
        for rights in self.cluster.topic_rights(&names).await?.into_values() {
            for missing in rights.missing(&NEEDED) {
                lacks.insert(format!(
                    "the right {} on topics whose names begin with `{}`",
                    missing.name(),
                    prefix.mark()
                ));
            }
        }
        if lacks.is_empty() {
            Ok(())
        } else {
            Err(EngineError::Lacks {
                lacks: lacks.into_iter().collect(),
            })
        }
    }

    /// Makes sure that the features which the scenario sets are in force, and
    /// keeps what the brokers report.
    pub(crate) async fn check_features(
        &mut self,
        plan: &ScenarioPlan,
        configs: &EffectiveConfigs,
    ) -> Result<(), EngineError> {
        let wanted = &plan.scenario.topology.features;
        if wanted.is_empty() {
            return Ok(());
        }
        let reported = self.cluster.finalized_features().await?;
        let levels = reported.iter().map(|it| (it.0.clone(), it.1.to_string()));
        configs.set("features", levels.collect());
        for (name, wanted) in wanted {
            // A feature at level 0 is not reported.
            let reported = reported.get(name).copied().unwrap_or(0);
            if reported != *wanted {
                return Err(EngineError::Feature {
                    name: name.clone(),
                    wanted: *wanted,
                    reported,
                });
            }
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

    /// Makes the cluster ready to coordinate groups and transactions. A new
    /// cluster creates Kafka's own topics when it is first asked for a
    /// coordinator, which takes seconds that a test of recovery should not
    /// measure, and then loads them: librdkafka before 2.0 does not survive to
    /// be told so by `init_transactions`.
    pub(crate) async fn find_coordinators(
        &mut self,
        plan: &ScenarioPlan,
    ) -> Result<(), EngineError> {
        let mut topics = vec![];
        if plan.groups().next().is_some() {
            topics.push(internal::OFFSETS);
        }
        let transforms = plan.scenario.transforms.iter();
        let transactional = transforms.filter(|it| it.transactions == Transactions::On);
        if transactional.clone().next().is_some() {
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
        for transform in transactional {
            for member in 1..=transform.members {
                let id = TransactionalId::new(format!("{}-{member}", transform.name));
                self.cluster.await_transaction_coordinator(&id).await?;
            }
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
}
