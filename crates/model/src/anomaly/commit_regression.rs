//! commit-regression: a group that forgot.

use super::{Definition, fact};

pub(super) const DEFINITION: Definition = Definition {
    name: "commit-regression",
    meaning: "A group's committed offset went back without a reset.",
    definition: "An accepted commit lies below the member's own last one, or below what was \
        committed when it was given the partition; or the coordinator's final position \
        lies below the last accepted commit, or is gone. Each step back counts.",
    excludes: &[
        "Answers that reach two members at about the same time: they prove no order.",
        "A commit that was refused.",
        "A commit behind a record that stands, after one behind a record that is gone: the log \
         was cut or made again, and the group had to go back with it.",
    ],
    jepsen: None,
    permitted_by: &[
        fact(
            "An application that sends a commit again that failed after a later one: \
             commitAsync itself repeats nothing.",
            "KafkaConsumer, commitAsync",
        ),
        fact(
            "A consumer with assigned partitions and the same group.id: the group does not coordinate \
             its commits with the group's.",
            "KafkaConsumer, Manual Partition Assignment",
        ),
        fact(
            "offsets.retention.minutes: the positions of a group without members are \
             forgotten after it.",
            "Kafka documentation, broker configs, offsets.retention.minutes",
        ),
    ],
    prevented_by: &[
        fact(
            "commitSync, or a failed commitAsync that is left alone: the next one says all \
             that it said.",
            "KafkaConsumer, commitAsync",
        ),
        fact(
            "A group.id for each application, and a member that commits before it gives up a \
             partition (onPartitionsRevoked).",
            "KafkaConsumer, Manual Partition Assignment; ConsumerRebalanceListener",
        ),
    ],
    history: "\
g reads t
m0 of g starts with t-0
p0/0 is sent to t-0
p0/0 is acknowledged at t-0@0
p0/1 is sent to t-0
p0/1 is acknowledged at t-0@1
m0 processes p0/0 at t-0@0
m0 processes p0/1 at t-0@1
m0 commits t-0@2
m0 commits t-0@1
t-0 is read from 0: p0/0, p0/1
",
    found_too: &[],
    twin: "\
g reads t
m0 of g starts with t-0
p0/0 is sent to t-0
p0/0 is acknowledged at t-0@0
p0/1 is sent to t-0
p0/1 is acknowledged at t-0@1
m0 processes p0/0 at t-0@0
m0 processes p0/1 at t-0@1
m0 commits t-0@2
m0 commits t-0@1, refused
t-0 is read from 0: p0/0, p0/1
",
};
