//! nonmonotonic-send: the order of one producer is lost.

use super::{Definition, fact};

pub(super) const DEFINITION: Definition = Definition {
    name: "nonmonotonic-send",
    meaning: "One producer's records are stored in one partition in another order than they were \
        sent.",
    definition: "Of the first copies of one producer's records in one partition, in the order of \
        their offsets, those count that stand behind a record which the producer sent \
        later. In a history that another tool recorded, an acknowledged offset is a place, \
        too.",
    excludes: &[
        "Records of different producers, or in different partitions: Kafka promises no order \
         between them.",
        "Later copies of a record: they are duplicates and say nothing about order.",
    ],
    jepsen: Some("nonmonotonic-send"),
    permitted_by: &[fact(
        "max.in.flight.requests.per.connection above 1 with enable.idempotence=false: a \
             batch that is sent again is overtaken by the next.",
        "Kafka documentation, producer configs, max.in.flight.requests.per.connection",
    )],
    prevented_by: &[
        fact(
            "enable.idempotence=true keeps the order with up to 5 requests in flight.",
            "Kafka documentation, producer configs, max.in.flight.requests.per.connection; KIP-98",
        ),
        fact(
            "max.in.flight.requests.per.connection=1 keeps it without.",
            "Kafka documentation, producer configs, max.in.flight.requests.per.connection",
        ),
    ],
    history: "\
p0/0 is sent to t-0
p0/1 is sent to t-0
p0/1 is acknowledged at t-0@0
p0/0 is acknowledged at t-0@1
t-0 is read from 0: p0/1, p0/0
",
    found_too: &[],
    twin: "\
p0/0 is sent to t-0
p1/0 is sent to t-0
p1/0 is acknowledged at t-0@0
p0/0 is acknowledged at t-0@1
t-0 is read from 0: p1/0, p0/0
",
};
