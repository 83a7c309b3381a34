//! group-gap: a group's loss.

use super::{Definition, fact};

pub(super) const DEFINITION: Definition = Definition {
    name: "group-gap",
    meaning: "A group's committed position passed a record that none of its members processed.",
    definition: "A record stands in the log below the highest position that the group is known \
        to have committed, and none of its members processed it. The group will \
        not be given it again. A record is known by its identity: that the group \
        processed another one at its offset, before the log was cut or made again, does not \
        count. A group that makes a record of each has not processed \
         one of which nothing that it made took effect. Below the log start, where nothing \
         can be read any more, what was acknowledged counts as having stood there, and so it \
         does above the highest offset that was read in a history that another tool recorded. \
         Each such record counts.",
    excludes: &[
        "A record from the committed position on: the group is behind.",
        "A commit that was refused, or whose outcome is unknown: it passed nothing. Neither did a \
         position that its transaction replaced by another.",
        "A record below the log start, of a read_committed group where anything was sent in \
         transactions: the markers are gone with it.",
        "A position that was committed behind a record that is gone, unless the group starts \
         from it: it belongs to an earlier life of the log.",
        "A record that was made of it, was acknowledged and is not there: that is a lost-write, \
         and the group has done its part.",
    ],
    jepsen: None,
    permitted_by: &[
        fact(
            "enable.auto.commit=true (the default) while processing continues elsewhere: poll() \
             commits what it gave out before, processed or not.",
            "KafkaConsumer, Automatic Offset Committing",
        ),
        fact(
            "Committing before processing: a loss in between is at-most-once.",
            "Kafka documentation, Design, Message Delivery Semantics",
        ),
        fact(
            "auto.offset.reset=latest: a group without a position begins at the end.",
            "Kafka documentation, consumer configs, auto.offset.reset",
        ),
        fact(
            "Retention that is shorter than the group is behind: it deletes records that \
             were not read, too.",
            "Kafka documentation, topic configs, retention.ms and retention.bytes",
        ),
    ],
    prevented_by: &[
        fact(
            "enable.auto.commit=false, and committing the offset behind the last record \
             processed.",
            "KafkaConsumer, Manual Offset Control",
        ),
        fact(
            "With enable.auto.commit=true: processing everything that poll() gave before \
             calling it again.",
            "KafkaConsumer, Automatic Offset Committing",
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
m0 commits t-0@2
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
m0 commits t-0@2, refused
t-0 is read from 0: p0/0, p0/1
",
};
