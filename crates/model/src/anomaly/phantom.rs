//! phantom: a record from nowhere.

use super::{Definition, fact};

pub(super) const DEFINITION: Definition = Definition {
    name: "phantom",
    meaning: "A record is stored, or was read, that no producer sent there.",
    definition: "An offset at which a reader saw a record of another run, a record that was \
        meant for another topic, or, once all sending is on record, one that no producer \
        sent. Each offset counts once.",
    excludes: &[
        "A record whose send was never answered: it was sent.",
        "A record that was reported as not written: that is failed-write-visible.",
        "A record of a producer of which not every send is on record.",
    ],
    jepsen: None,
    permitted_by: &[
        fact(
            "A topic that others write to as well.",
            "Kafka documentation, Security, Authorization and ACLs",
        ),
        fact(
            "A client that puts a record into another topic than it was given for, as the \
             Java client was seen to do.",
            "KAFKA-19012",
        ),
    ],
    prevented_by: &[fact(
        "A topic of one's own, with ACLs that let no other client write.",
        "Kafka documentation, Security, Authorization and ACLs",
    )],
    history: "\
p0/0 is sent to t-0
p0/0 is acknowledged at t-0@0
t-0 is read from 0: p0/0, p0/1
",
    found_too: &[],
    twin: "\
p0/0 is sent to t-0
p0/0 is acknowledged at t-0@0
p0/1 is sent to t-0
p0/1 may be written: timed out
t-0 is read from 0: p0/0, p0/1
",
};
