//! Who is who in a history: the names behind the numbers. Knows nothing of
//! what anybody did.

use std::collections::BTreeMap;

use model::event::Body;
use model::ids::{GroupIx, MemberIx, PartitionIndex, PartitionRef, TableIx, TopicIx};

/// The topics, groups, members and tables that a history declared.
#[derive(Clone, Debug, Default)]
pub(crate) struct Roster {
    pub(crate) topics: BTreeMap<TopicIx, Topic>,
    pub(crate) groups: BTreeMap<GroupIx, Group>,
    pub(crate) tables: BTreeMap<TableIx, Table>,
    members: BTreeMap<MemberIx, GroupIx>,
}

#[derive(Clone, Debug)]
pub(crate) struct Topic {
    pub(crate) name: String,
    pub(crate) partitions: i32,
}

#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) topics: Vec<TopicIx>,
}

#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) name: String,
    pub(crate) topic: TopicIx,
}

impl Roster {
    pub(crate) fn observe(&mut self, body: &Body) {
        match body {
            Body::TopicDeclared {
                topic,
                name,
                partitions,
            } => {
                self.topics.insert(
                    *topic,
                    Topic {
                        name: name.clone(),
                        partitions: *partitions,
                    },
                );
            }
            Body::GroupDeclared {
                group,
                name,
                topics,
            } => {
                self.groups.insert(
                    *group,
                    Group {
                        name: name.clone(),
                        topics: topics.clone(),
                    },
                );
            }
            Body::TableDeclared { table, name, topic } => {
                self.tables.insert(
                    *table,
                    Table {
                        name: name.clone(),
                        topic: *topic,
                    },
                );
            }
            Body::MemberStarted { member, group } => {
                self.members.insert(*member, *group);
            }
            _ => {}
        }
    }

    pub(crate) fn group_of(&self, member: MemberIx) -> Option<GroupIx> {
        self.members.get(&member).copied()
    }

    /// A number that no member of this history has.
    pub(crate) fn unused_member(&self) -> MemberIx {
        let last = self.members.keys().next_back();
        MemberIx::new(last.map_or(0, |last| last.get().wrapping_add(1)))
    }

    /// A number that no group of this history has.
    pub(crate) fn unused_group(&self) -> GroupIx {
        let last = self.groups.keys().next_back();
        GroupIx::new(last.map_or(0, |last| last.get().wrapping_add(1)))
    }

    pub(crate) fn partition(&self, of: PartitionRef) -> String {
        match self.topics.get(&of.topic) {
            Some(topic) => format!("{}-{}", topic.name, of.partition),
            None => format!("topic{}-{}", of.topic, of.partition),
        }
    }

    pub(crate) fn group(&self, of: GroupIx) -> String {
        match self.groups.get(&of) {
            Some(group) => group.name.clone(),
            None => format!("group{of}"),
        }
    }

    pub(crate) fn table(&self, of: TableIx) -> String {
        match self.tables.get(&of) {
            Some(table) => table.name.clone(),
            None => format!("table{of}"),
        }
    }

    /// The partitions that a topic was declared with.
    pub(crate) fn partitions_of(&self, topic: TopicIx) -> impl Iterator<Item = PartitionRef> + '_ {
        let count = self.topics.get(&topic).map_or(0, |topic| topic.partitions);
        (0..count).map(move |partition| PartitionRef {
            topic,
            partition: PartitionIndex::new(partition),
        })
    }
}
