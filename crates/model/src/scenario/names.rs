//! Names in a scenario: the topics and groups that they refer to, and messages for unknown
//! ones. Knows nothing of their place in the file.

use super::{Keeper, Scenario, nearest};

impl Scenario {
    /// That there is a group of that name; its members.
    pub(super) fn check_group(&self, group: &str) -> Result<u32, String> {
        self.members_of(group).ok_or_else(|| {
            let known = self.groups.iter().map(|it| it.name.as_str());
            let known = known.chain(self.transforms.iter().map(|it| it.name.as_str()));
            match nearest(group, known) {
                Some(near) => format!("there is no group `{group}`; did you mean `{near}`?"),
                None => format!("there is no group `{group}`: add a [[group]] of that name"),
            }
        })
    }

    /// That it is a topic of the scenario's own.
    pub(super) fn check_topic(&self, topic: &str) -> Result<(), String> {
        match (self.partitions_of(topic), self.keeper_of(topic)) {
            (Some(_), _) => Ok(()),
            (None, Some(keeper)) => Err(format!(
                "`{topic}` is {keeper}: only faults of brokers and disks name it"
            )),
            (None, None) => Err(self.no_topic(topic)),
        }
    }

    /// That it is a topic whose partitions brokers store as they store others:
    /// one of the scenario's, or of those that are kept beside them.
    pub(super) fn check_stored(&self, topic: &str) -> Result<(), String> {
        match self.keeper_of(topic) {
            Some(Keeper::Controllers) => Err(format!(
                "`{topic}` is {}, and no topic: brokers do not tell how far it reaches",
                Keeper::Controllers
            )),
            Some(Keeper::Kafka | Keeper::Connect | Keeper::Debezium) => Ok(()),
            None => self.check_topic(topic),
        }
    }

    /// That it is a partition of a topic of the scenario's own.
    pub(super) fn check_partition(&self, topic: &str, partition: i32) -> Result<(), String> {
        let Some(partitions) = self.partitions_of(topic) else {
            return Err(match self.keeper_of(topic) {
                Some(keeper) => format!("`{topic}` is {keeper}, and its replicas are not followed"),
                None => self.no_topic(topic),
            });
        };
        numbered(topic, partition, partitions)
    }

    /// That it is a partition that a broker may lead: one of the scenario's, or
    /// of those that are kept beside them.
    pub(super) fn check_led(&self, topic: &str, partition: i32) -> Result<(), String> {
        match self.keeper_of(topic) {
            None => self.check_partition(topic, partition),
            Some(Keeper::Kafka) => {
                let partitions = self.partitions_of_kafkas(topic);
                numbered(topic, partition, partitions.unwrap_or_default())
            }
            Some(Keeper::Connect | Keeper::Debezium) => {
                numbered(topic, partition, partition.saturating_add(1))
            }
            Some(Keeper::Controllers) => Err(format!(
                "`{topic}` is led by the controllers' leader: `broker = \"controller\"`"
            )),
        }
    }

    fn no_topic(&self, topic: &str) -> String {
        let change_topics: Vec<String> = self.change_topics().collect();
        let known = self.topics.iter().map(|it| it.name.as_str());
        let known = known.chain(change_topics.iter().map(String::as_str));
        match nearest(topic, known) {
            Some(near) => format!("there is no topic `{topic}`; did you mean `{near}`?"),
            None if topic.contains(".public.") && self.capture.is_some() => format!(
                "there is no topic `{topic}`: the topics of the [capture] are {}",
                change_topics.join(", ")
            ),
            None => format!("there is no topic `{topic}`: add a [[topic]] of that name"),
        }
    }
}

fn numbered(topic: &str, partition: i32, partitions: i32) -> Result<(), String> {
    (0..partitions)
        .contains(&partition)
        .then_some(())
        .ok_or_else(|| {
            let last = partitions - 1;
            format!("the partitions of {topic} are numbered 0 to {last}")
        })
}
