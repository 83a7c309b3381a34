//! log-truncation: the end of a log moved back.

use super::{Anomaly, Definition, fact};

pub(super) const DEFINITION: Definition = Definition {
    name: "log-truncation",
    meaning: "A partition's end moved back behind records that had been there.",
    definition: "A partition ends, when it is read, before an offset at which a reader had been \
        given a record, or before an end that had been seen. Or it has grown again: a \
        record was acknowledged and stands nowhere any more, and one that its producer \
        sent after that stands at its offset or below. In a history that another tool \
        recorded, offsets above what stayed were given again. The records that were there \
        are gone, acknowledged or not.",
    excludes: &[
        "A record that is missing below the end: that is lost-write alone.",
        "A log start that moved forward: that is retention.",
        "A log that ends before the end that its leader alone had, above the high watermark: \
         no client was given it.",
    ],
    jepsen: None,
    permitted_by: &[
        fact(
            "unclean.leader.election.enable=true: the other replicas cut their logs back to \
             the new leader's.",
            "Kafka documentation, topic configs, unclean.leader.election.enable",
        ),
        fact(
            "acks=1: a leader that comes back as a follower cuts off what the others never had.",
            "Kafka documentation, producer configs, acks; KIP-101",
        ),
        fact(
            "Replication factor 1 and a lost disk: the partition begins anew.",
            "Kafka documentation, Design, Availability and Durability Guarantees",
        ),
    ],
    prevented_by: &[
        fact(
            "Replication factor 3, min.insync.replicas=2, acks=all and \
             unclean.leader.election.enable=false: what was acknowledged is never cut off.",
            "Kafka documentation, Design, Availability and Durability Guarantees",
        ),
        fact(
            "auto.offset.reset=none: a consumer whose position was cut off is told so, and \
             does not go on elsewhere.",
            "KIP-320",
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
t-0 is read from 0: p0/0
",
    found_too: &[Anomaly::LostWrite],
    twin: "\
g reads t
m0 of g starts with t-0
p0/0 is sent to t-0
p0/0 is acknowledged at t-0@0
p0/1 is sent to t-0
p0/1 is acknowledged at t-0@1
m0 processes p0/0 at t-0@0
m0 processes p0/1 at t-0@1
t-0 is read from 1: p0/1
",
};
