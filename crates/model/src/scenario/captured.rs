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

#[cfg(test)]
mod tests {
    use super::super::{Scenario, ScenarioError, embedded, parse};

    fn pipeline(change: impl Fn(String) -> String) -> Result<Scenario, ScenarioError> {
        let text = embedded("pipeline-end-to-end").unwrap();
        parse("it.toml", &change(text.to_owned()))
    }

    #[test]
    fn the_topic_of_a_table_is_one_that_a_group_can_read() {
        let scenario = pipeline(|text| text).unwrap();
        assert_eq!(scenario.table_of("shop.public.comments"), Some("comments"));
        assert_eq!(scenario.table_of("shop.public.orders"), None);
        assert_eq!(scenario.partitions_of("shop.public.users"), Some(1));
        // Three times 60 comments; a video is touched by each.
        assert_eq!(scenario.to_read("moderation"), 180);
        let videos =
            pipeline(|text| text.replace("\"shop.public.comments\"", "\"shop.public.videos\""));
        assert_eq!(videos.unwrap().to_read("moderation"), 182);
    }

    fn refused(change: impl Fn(String) -> String) -> String {
        pipeline(change).unwrap_err().message
    }

    #[test]
    fn what_is_no_topic_of_the_capture_is_told_with_those_that_are() {
        let said =
            refused(|text| text.replace("\"shop.public.comments\"", "\"shop.public.coments\""));
        assert_eq!(
            said,
            "there is no topic `shop.public.coments`; did you mean `shop.public.comments`?"
        );
        let said = refused(|text| {
            text.replace(
                "\"shop.public.comments\"",
                "\"shop.public.outbox_events_by_region\"",
            )
        });
        assert!(
            said.contains("the topics of the [capture] are shop.public.videos"),
            "{said}"
        );
    }

    #[test]
    fn only_the_connector_writes_to_the_topic_of_a_table() {
        let declared = "\n[[topic]]\nname = \"shop.public.comments\"\npartitions = 1\nreplication_factor = 1\n";
        let said = refused(|text| text + declared);
        assert!(said.contains("leave this [[topic]] out"), "{said}");
        let producer = "\n[[producer]]\ntopic = \"shop.public.comments\"\nrecords = 1\nrecords_per_s = 1\nrecord_bytes = 200\n";
        let said = refused(|text| text + producer);
        assert!(said.contains("only the connector writes to it"), "{said}");
    }
}
