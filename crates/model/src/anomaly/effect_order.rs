//! effect-order: an application did things in another order than its records have.

use super::{Definition, fact};

pub(super) const DEFINITION: Definition = Definition {
    name: "effect-order",
    meaning: "An application did something of a record of a key after it did so of a later one.",
    definition: "In a partition of the output topic, first effects of a record that stand behind the first \
        effect of a later record of the same key. Only where the log has the records of each \
        producer in order.",
    excludes: &[
        "A second effect: what is done again comes late by itself.",
        "Effects of records with different keys.",
        "Keys whose effects stand in several partitions: their order is not known.",
    ],
    jepsen: None,
    permitted_by: &[
        fact(
            "Work on several threads, or answers that are awaited at once, without regard to keys.",
            "KafkaConsumer, Multi-threaded Processing",
        ),
        fact(
            "An output without idempotence and with several requests in flight.",
            "Kafka documentation, max.in.flight.requests.per.connection",
        ),
    ],
    prevented_by: &[fact(
        "One thread for each partition or key, and an idempotent producer with the same key.",
        "KafkaConsumer, Multi-threaded Processing",
    )],
    history: "\
the application writes u of t as g
p0 has 1 keys
p0/0-1 are sent to t-0 and acknowledged from t-0@0
t-0 is read from 0: p0/0-1
the application committed t-0@2
an effect of p0/1 stands at u-0@0
an effect of p0/0 stands at u-0@1
the effects are read
",
    found_too: &[],
    twin: "\
the application writes u of t as g
p0 has 2 keys
p0/0-1 are sent to t-0 and acknowledged from t-0@0
t-0 is read from 0: p0/0-1
the application committed t-0@2
an effect of p0/1 stands at u-0@0
an effect of p0/0 stands at u-0@1
the effects are read
",
};
