//! Declarations on which the files of one run must agree: which number is which topic,
//! group and table, and how those are configured. Knows nothing of other events.

use std::collections::HashMap;

use model::event::{Body, Cleanup, Isolation};
use model::ids::{GroupIx, ProducerIx, TableIx, TopicIx};

/// A thing that can be declared in one way only.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Subject {
    Topic(TopicIx),
    TopicNamed(String),
    Group(GroupIx),
    GroupNamed(String),
    Table(TableIx),
    TableNamed(String),
    CleanupOf(TopicIx),
    IsolationOf(GroupIx),
    TransformOf(GroupIx),
    RelianceOf(GroupIx),
    KeysOf(ProducerIx),
    Run,
}

/// Every declaration so far, and the file it was met in.
#[derive(Debug, Default)]
pub(super) struct Declarations {
    heard: HashMap<Subject, (Body, usize)>,
}

/// The effect of an event on the declarations so far.
#[derive(Debug)]
pub(super) enum Heard {
    /// It belongs into the merged history: a new declaration, or none at all.
    News,
    /// Another file has declared the same.
    Before,
    /// Another file has declared something else.
    Otherwise { from: usize, first: String },
}

impl Declarations {
    pub(super) fn hear(&mut self, body: &Body, file: usize) -> Heard {
        let mut heard = Heard::News;
        for subject in subjects(body) {
            match self.heard.get(&subject) {
                Some((before, from)) if *from != file => {
                    if before != body {
                        return Heard::Otherwise {
                            from: *from,
                            first: describe(before),
                        };
                    }
                    heard = Heard::Before;
                }
                // A file may repeat its own declarations.
                Some(_) | None => {
                    self.heard.insert(subject, (body.clone(), file));
                }
            }
        }
        heard
    }
}

fn subjects(body: &Body) -> Vec<Subject> {
    match body {
        Body::TopicDeclared { topic, name, .. } => {
            vec![Subject::Topic(*topic), Subject::TopicNamed(name.clone())]
        }
        Body::GroupDeclared { group, name, .. } => {
            vec![Subject::Group(*group), Subject::GroupNamed(name.clone())]
        }
        Body::TableDeclared { table, name, .. } => {
            vec![Subject::Table(*table), Subject::TableNamed(name.clone())]
        }
        Body::TopicCleanup { topic, .. } => vec![Subject::CleanupOf(*topic)],
        Body::IsolationDeclared { group, .. } => vec![Subject::IsolationOf(*group)],
        Body::TransformDeclared { group, .. } => vec![Subject::TransformOf(*group)],
        Body::ReadCommittedRequired { group } => vec![Subject::RelianceOf(*group)],
        Body::RunDeclared { .. } => vec![Subject::Run],
        Body::KeysDeclared { producer, .. } => vec![Subject::KeysOf(*producer)],
        _ => Vec::new(),
    }
}

/// A declaration as the end of a sentence.
pub(super) fn describe(body: &Body) -> String {
    match body {
        Body::TopicDeclared {
            topic,
            name,
            partitions,
        } => format!("topic {topic} is `{name}` with {partitions} partitions"),
        Body::GroupDeclared {
            group,
            name,
            topics,
        } => {
            let topics: Vec<String> = topics.iter().map(ToString::to_string).collect();
            let topics = topics.join(", ");
            format!("group {group} is `{name}` on topics [{topics}]")
        }
        Body::TableDeclared { table, name, topic } => {
            format!("table {table} is `{name}` on topic {topic}")
        }
        Body::TopicCleanup { topic, policy } => {
            let policy = match policy {
                Cleanup::Delete => "delete",
                Cleanup::Compact => "compact",
                Cleanup::CompactAndDelete => "compact,delete",
            };
            format!("topic {topic} has cleanup.policy={policy}")
        }
        Body::IsolationDeclared { group, isolation } => {
            let isolation = match isolation {
                Isolation::ReadUncommitted => "read_uncommitted",
                Isolation::ReadCommitted => "read_committed",
            };
            format!("group {group} has isolation.level={isolation}")
        }
        Body::TransformDeclared { group, to } => format!("group {group} writes to topic {to}"),
        Body::ReadCommittedRequired { group } => {
            format!("group {group} relies on committed records only")
        }
        Body::RunDeclared { run } => format!("the run is {run}"),
        Body::KeysDeclared { producer, keys } => {
            format!("the records of producer {producer} have {keys} keys")
        }
        other => other.kind().to_owned(),
    }
}
