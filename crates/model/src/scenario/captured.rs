//! The topics of a capture: those that a scenario does not declare, because its
//! tables give them their names. Knows nothing of connectors.

use super::{Scenario, TABLES, WriteHow};

impl Scenario {
    /// The topics that carry change events, in the order of the tables. Each
    /// has one partition, so that events come in the order of the commits.
    pub fn change_topics(&self) -> impl Iterator<Item = String> + '_ {
        self.capture.iter().flat_map(|capture| {
            let prefix = &capture.prefix;
            TABLES
                .iter()
                .map(move |table| format!("{prefix}.public.{table}"))
        })
    }

    /// The table whose changes a topic carries, if it carries any.
    pub fn table_of(&self, topic: &str) -> Option<&'static str> {
        let mut topics = self.change_topics().zip(TABLES);
        topics.find(|(name, _)| name == topic).map(|(_, of)| of)
    }

    /// The partitions of a topic that is declared, or that carries changes.
    pub fn partitions_of(&self, topic: &str) -> Option<i32> {
        let mut declared = self.topics.iter();
        let declared = declared.find(|known| known.name == topic);
        declared
            .map(|known| known.partitions)
            .or_else(|| self.table_of(topic).map(|_| 1))
    }

    /// How many records a group is going to read, by the plan: those that the
    /// producers send; of the topic of a table the changes that the writes make,
    /// without the last ones, by which the end is known.
    pub fn to_read(&self, group: &str) -> u64 {
        let read = self.groups.iter().map(|it| (&it.name, &it.topic));
        let written = self.transforms.iter().map(|it| (&it.name, &it.from));
        let mut all = read.chain(written);
        let topic = all.find(|(name, _)| *name == group).map(|(_, topic)| topic);
        let Some(table) = topic.and_then(|topic| self.table_of(topic)) else {
            return self.records();
        };
        let writes = self.writes.iter();
        let changes = writes.map(|write| {
            let touches = write.how == WriteHow::InsertAndTouch && table == "videos";
            let times = u64::from(write.table == table) + u64::from(touches);
            write.rows.saturating_mul(times)
        });
        changes.fold(0, u64::saturating_add)
    }
}
