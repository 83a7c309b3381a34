//! unseen: a record that may be stored or not. It is a doubt, and never a proof.

use super::{Definition, fact};

pub(super) const DEFINITION: Definition = Definition {
    name: "unseen",
    meaning: "A record was acknowledged above the highest offset that was read, and no later read \
        settles whether it is stored.",
    definition: "In a history that another tool recorded, a record was acknowledged at an offset \
        above the highest offset that was read of its partition, or without an offset, so \
        that it may lie there. No reader came that far: the verdict is INCONCLUSIVE.",
    excludes: &[
        "A record below the highest offset that was read, and that no reader was given: that \
         is lost-write.",
        "Any record of a run in which an observer read the log to its end: it stands there, \
         or it is lost.",
    ],
    jepsen: Some("unseen"),
    permitted_by: &[
        fact(
            "Readers that are stopped before they have reached the end of the partition.",
            "Jepsen, Kafka workload, unseen",
        ),
        fact(
            "isolation.level=read_committed: readers stay behind the first transaction that \
             is still open.",
            "Kafka documentation, consumer configs, isolation.level",
        ),
    ],
    prevented_by: &[fact(
        "Readers that run until their positions are the end offsets.",
        "KafkaConsumer, endOffsets and position",
    )],
    history: "\
the history comes from kafkatest
g reads t
m0 of g starts with t-0
p0/0 is sent to t-0
p0/0 is acknowledged at t-0@0
p0/1 is sent to t-0
p0/1 is acknowledged at t-0@1
m0 processes p0/0 at t-0@0
",
    found_too: &[],
    twin: "\
the history comes from kafkatest
g reads t
m0 of g starts with t-0
p0/0 is sent to t-0
p0/0 is acknowledged at t-0@0
p0/1 is sent to t-0
p0/1 is acknowledged at t-0@1
m0 processes p0/0 at t-0@0
m0 processes p0/1 at t-0@1
",
};
