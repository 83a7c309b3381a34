//! What the topics of a run look like on a user's cluster. Knows nothing of how a cluster is
//! asked for its defaults.

use std::collections::BTreeMap;

use super::cluster::fit;
use super::{RunPlan, ScenarioPlan};
use crate::scenario::Topic;

/// What the user, or the user's cluster, makes of topics. What a scenario sets itself stays
/// where it is part of what is tested.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicShape {
    /// Replicas where the scenario has one, unless the user says.
    pub default_replicas: i16,
    /// Replicas that the user asks for.
    pub replicas: Option<i16>,
    /// The least partitions.
    pub partitions: Option<i32>,
    /// Settings, in Kafka's names.
    pub config: BTreeMap<String, String>,
}

/// Goes with the replicas, which are the user's: not what a scenario tests.
const MIN_IN_SYNC: &str = "min.insync.replicas";

impl TopicShape {
    /// Why a scenario's topics cannot be so.
    fn misfits(&self, plan: &ScenarioPlan) -> Vec<String> {
        let Some(replicas) = self.replicas else {
            return Vec::new();
        };
        let topics = plan.scenario.topics.iter();
        topics
            .filter(|topic| !topic.as_written && replicas < topic.replication_factor)
            .map(|topic| {
                format!(
                    "needs {} replicas of topic {}, and --replication-factor gives {replicas}",
                    topic.replication_factor, topic.name
                )
            })
            .collect()
    }

    fn put_on(&self, topic: &mut Topic) {
        if topic.as_written {
            return;
        }
        topic.replication_factor = match self.replicas {
            Some(replicas) => replicas,
            None if topic.replication_factor == 1 => self.default_replicas.max(1),
            None => topic.replication_factor,
        };
        topic.partitions = self
            .partitions
            .map_or(topic.partitions, |least| least.max(topic.partitions));
        for (key, value) in &self.config {
            if key == MIN_IN_SYNC || !topic.config.contains_key(key) {
                topic.config.insert(key.clone(), value.clone());
            }
        }
    }
}

impl RunPlan {
    /// The same plan with topics of this shape: without the scenarios that need another.
    #[must_use]
    pub fn with_topics(mut self, shape: &TopicShape) -> Self {
        let scenarios = self.scenarios.into_iter();
        self.scenarios = scenarios
            .filter_map(|mut plan| {
                let misfits = shape.misfits(&plan);
                for topic in &mut plan.scenario.topics {
                    shape.put_on(topic);
                }
                fit(plan, misfits, &mut self.skipped)
            })
            .collect();
        self
    }
}
