//! Which broker a fault is about. Knows nothing of the faults.

use super::{
    BadKey, Deserialize, FaultDefinition, Phrase, Scenario, Serialize, Transactions, nearest, plain,
};

/// Which broker: by its number, or by the part it plays when the fault is
/// injected.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BrokerPick {
    /// Every one.
    #[default]
    All,
    /// The one of this number, from 1.
    Number(u8),
    /// The leader of a partition.
    Leader {
        /// The topic.
        topic: String,
        /// The partition, from 0.
        #[serde(default)]
        partition: i32,
    },
    /// An in-sync follower of a partition: the one of the lowest number.
    Follower {
        /// The topic.
        topic: String,
        /// The partition, from 0.
        #[serde(default)]
        partition: i32,
    },
    /// The controllers' leader.
    Controller,
    /// The coordinator of a group.
    GroupCoordinator {
        /// The `group.id`.
        group: String,
    },
    /// The coordinator of a transactional id.
    TransactionCoordinator {
        /// The `transactional.id`.
        transactional_id: String,
    },
}

impl BrokerPick {
    /// The one of the lowest number.
    pub(super) const fn first() -> Self {
        Self::Number(1)
    }

    /// A broker by its number or its part.
    pub fn words(&self) -> Phrase {
        match self {
            Self::All => plain("every broker"),
            Self::Number(number) => plain(format!("broker {number}")),
            Self::Leader { topic, partition } => {
                plain("the leader of ").name(format!("{topic}/{partition}"))
            }
            Self::Follower { topic, partition } => {
                plain("an in-sync follower of ").name(format!("{topic}/{partition}"))
            }
            Self::Controller => plain("the controllers' leader"),
            Self::GroupCoordinator { group } => plain("the coordinator of ").name(group),
            Self::TransactionCoordinator { transactional_id } => {
                plain("the coordinator of ").name(transactional_id)
            }
        }
    }

    /// The name in it that a cluster knows.
    pub(super) fn names(&mut self) -> Vec<&mut String> {
        match self {
            Self::Leader { topic: name, .. }
            | Self::Follower { topic: name, .. }
            | Self::GroupCoordinator { group: name }
            | Self::TransactionCoordinator {
                transactional_id: name,
            } => vec![name],
            Self::All | Self::Number(_) | Self::Controller => Vec::new(),
        }
    }

    /// That it is one broker.
    pub(super) fn check_one(&self, fault: &FaultDefinition) -> Result<(), BadKey> {
        if *self == Self::All {
            return Err(("broker", format!("`{}` is for one broker", fault.name)));
        }
        Ok(())
    }

    /// That there can be such a broker.
    pub(super) fn check(&self, scenario: &Scenario) -> Result<(), BadKey> {
        let brokers = scenario.topology.brokers;
        match self {
            Self::Number(number) if !(1..=brokers).contains(number) => {
                Err(("broker", format!("brokers are numbered 1 to {brokers}")))
            }
            Self::Leader { topic, partition } | Self::Follower { topic, partition } => scenario
                .check_led(topic, *partition)
                .map_err(|message| ("topic", message)),
            Self::GroupCoordinator { group } => match scenario.check_group(group) {
                Ok(_) => Ok(()),
                Err(message) => Err(("group", message)),
            },
            Self::TransactionCoordinator { transactional_id } => {
                let with = scenario.transforms.iter();
                let with = with.filter(|it| it.transactions == Transactions::On);
                let ids = with.flat_map(|it| (1..=it.members).map(|n| format!("{}-{n}", it.name)));
                let ids: Vec<String> = ids.collect();
                if ids.contains(transactional_id) {
                    return Ok(());
                }
                let near = nearest(transactional_id, ids.iter().map(String::as_str));
                let near = near.map_or_else(
                    || {
                        ": a [[transform]] with `transactions = true` has NAME-1, NAME-2, …"
                            .to_owned()
                    },
                    |near| format!("; did you mean `{near}`?"),
                );
                let message = format!("there is no transactional id `{transactional_id}`{near}");
                Err(("transactional_id", message))
            }
            _ => Ok(()),
        }
    }
}
