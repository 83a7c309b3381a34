//! group-incomplete: a group that did not get there.

use super::{Definition, fact};

pub(super) const DEFINITION: Definition = Definition {
    name: "group-incomplete",
    meaning: "A group stopped short of the end although it was given the time.",
    definition: "A record stands in the log from the group's committed position on, none of its \
        members processed it, and the group was left to read until it was complete or \
        its time was up. Each such record counts.",
    excludes: &[
        "A group that the run did not wait for: it is behind, and that is a doubt.",
        "A record below the committed position: that is group-gap.",
    ],
    jepsen: None,
    permitted_by: &[
        fact(
            "A transaction that stays open: read_committed readers wait behind it, until \
             transaction.timeout.ms ends it.",
            "Kafka documentation, consumer configs, isolation.level; KIP-890",
        ),
        fact(
            "A member that holds a partition and no longer polls, until max.poll.interval.ms \
             (5 minutes by default) is over.",
            "KafkaConsumer, Detecting Consumer Failures",
        ),
    ],
    prevented_by: &[
        fact(
            "max.poll.interval.ms and session.timeout.ms below the time that a standstill may \
             last.",
            "KafkaConsumer, Detecting Consumer Failures",
        ),
        fact(
            "Brokers that refuse what would leave a transaction open for ever.",
            "KIP-890",
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
m0 commits t-0@1
g is waited for
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
m0 commits t-0@1
t-0 is read from 0: p0/0, p0/1
",
};
