//! The names behind a history's numbers. Knows nothing of
//! what they did.

use std::collections::BTreeMap;

use model::event::{Body, Cleanup};
use model::ids::{GroupIx, MemberIx, PartitionIndex, PartitionRef, ProducerIx, TableIx, TopicIx};
use model::scenario::words;

use crate::sets::table::Table;

/// The topics, groups, members and tables that a history declared.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    cleanup: BTreeMap<TopicIx, Cleanup>,
    pub(crate) topics: BTreeMap<TopicIx, Topic>,
    pub(crate) groups: BTreeMap<GroupIx, Group>,
    pub(crate) tables: BTreeMap<TableIx, SourceTable>,
    /// Where groups that write send what they make.
    writes_to: BTreeMap<GroupIx, TopicIx>,
    members: Table<GroupIx>,
    /// The members that a plan numbered.
    planned: BTreeMap<MemberIx, PlannedMember>,
    /// The producers that members send with.
    senders: BTreeMap<ProducerIx, MemberIx>,
    /// The groups that read each topic.
    groups_of: Table<Vec<GroupIx>>,
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

/// An incarnation as its plan knows it.
#[derive(Clone, Debug)]
struct PlannedMember {
    number: u32,
    incarnation: u32,
    log: String,
}

#[derive(Clone, Debug)]
pub(crate) struct SourceTable {
    pub(crate) name: String,
    pub(crate) topic: TopicIx,
}

impl Names {
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
                for groups in self.groups_of.values_mut() {
                    groups.retain(|of| of != group);
                }
                for topic in topics {
                    let groups = self.groups_of.entry(topic.get().into());
                    if !groups.contains(group) {
                        groups.push(*group);
                    }
                }
            }
            Body::TableDeclared { table, name, topic } => {
                self.tables.insert(
                    *table,
                    SourceTable {
                        name: name.clone(),
                        topic: *topic,
                    },
                );
            }
            Body::TopicCleanup { topic, policy } => {
                self.cleanup.insert(*topic, *policy);
            }
            Body::TransformDeclared { group, to } => {
                self.writes_to.insert(*group, *to);
            }
            Body::MemberStarted { member, group } => {
                self.members.insert(member.get().into(), *group);
            }
            Body::MemberNamed {
                member,
                number,
                incarnation,
                producer,
                log,
            } => {
                let planned = PlannedMember {
                    number: *number,
                    incarnation: *incarnation,
                    log: log.clone(),
                };
                self.planned.insert(*member, planned);
                self.senders
                    .extend(producer.map(|producer| (producer, *member)));
            }
            _ => {}
        }
    }

    pub(crate) fn group_of(&self, member: MemberIx) -> Option<GroupIx> {
        self.members.get(member.get().into()).copied()
    }

    /// The groups that were declared to read a topic.
    pub(crate) fn groups_of(&self, topic: TopicIx) -> &[GroupIx] {
        self.groups_of
            .get(topic.get().into())
            .map_or(&[], Vec::as_slice)
    }

    /// Whether any group was declared to read a topic.
    pub(crate) fn is_read(&self, topic: TopicIx) -> bool {
        !self.groups_of(topic).is_empty()
    }

    /// Whether a topic carries the change events of a table.
    pub(crate) fn holds_changes(&self, topic: TopicIx) -> bool {
        self.tables.values().any(|table| table.topic == topic)
    }

    /// Where a group sends what it makes of the records it processes, if it
    /// makes anything.
    pub(crate) fn writes_to(&self, group: GroupIx) -> Option<TopicIx> {
        self.writes_to.get(&group).copied()
    }

    /// Whether a topic's log start moves forward by itself, by age or size.
    pub(crate) fn deletes(&self, topic: TopicIx) -> bool {
        let policy = self.cleanup.get(&topic);
        policy.is_some_and(|policy| *policy != Cleanup::Compact)
    }

    /// Whether later records of a key replace earlier ones in a topic.
    pub(crate) fn compacts(&self, topic: TopicIx) -> bool {
        let policy = self.cleanup.get(&topic);
        policy.is_some_and(|policy| *policy != Cleanup::Delete)
    }

    /// A number that no member of this history has.
    pub(crate) fn unused_member(&self) -> MemberIx {
        let last = self
            .members
            .last()
            .and_then(|(last, _)| u32::try_from(last).ok());
        MemberIx::new(last.map_or(0, |last| last.wrapping_add(1)))
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

    pub(crate) fn topic(&self, of: TopicIx) -> String {
        match self.topics.get(&of) {
            Some(topic) => topic.name.clone(),
            None => format!("topic{of}"),
        }
    }

    pub(crate) fn group(&self, of: GroupIx) -> String {
        match self.groups.get(&of) {
            Some(group) => group.name.clone(),
            None => format!("group{of}"),
        }
    }

    /// A member by its number in its group, without the group.
    pub(crate) fn member(&self, of: MemberIx) -> String {
        match self.planned.get(&of) {
            Some(planned) => words::member(planned.number, planned.incarnation),
            None => format!("member {of}"),
        }
    }

    /// A member with its group.
    pub(crate) fn member_of_group(&self, of: MemberIx) -> String {
        match self.group_of(of) {
            Some(group) => format!("{} {}", self.group(group), self.member(of)),
            None => self.member(of),
        }
    }

    /// A producer, with the member that sends with it, if one does.
    pub(crate) fn producer(&self, of: ProducerIx) -> String {
        match self.senders.get(&of) {
            Some(member) => format!("p{of} ({})", self.member_of_group(*member)),
            None => format!("p{of}"),
        }
    }

    /// The logs of members' processes, by what the members, and the producers
    /// that they send with, are called.
    pub(crate) fn logs(&self) -> BTreeMap<String, String> {
        let members = self
            .planned
            .keys()
            .map(|of| (self.member_of_group(*of), of));
        let senders = self.senders.iter().map(|(of, by)| (self.producer(*of), by));
        let all = members.chain(senders);
        all.filter_map(|(who, of)| Some((who, self.planned.get(of)?.log.clone())))
            .collect()
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
