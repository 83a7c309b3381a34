//! effect-lost: an application committed past a record, and did nothing of it.

use super::{Definition, fact};

pub(super) const DEFINITION: Definition = Definition {
    name: "effect-lost",
    meaning: "An application committed past a record, and did nothing of it.",
    definition: "Records that stand in the topic that the application reads, below what its group had \
        committed, and of which there is no effect although nothing more can come: the \
        application ended when it was asked to, or nothing changed any more for `settle_ms`.",
    excludes: &[
        "A record that the group has not committed past: the application has not come to it.",
        "A record that is not in the log: that is lost-write.",
        "Any record, where an effect without an identity may be its own.",
    ],
    jepsen: None,
    permitted_by: &[
        fact(
            "Committing before the work is done, or by time (enable.auto.commit=true) while a record is \
             still in hand: after a crash nobody reads it again.",
            "Kafka documentation, Design, Message Delivery Semantics",
        ),
        fact(
            "An error that is caught, logged and skipped.",
            "KafkaConsumer, Manual Offset Control",
        ),
    ],
    prevented_by: &[fact(
        "Committing after the work is done (enable.auto.commit=false).",
        "KafkaConsumer, Manual Offset Control",
    )],
    history: "\
the application reads t as g
p0/0-1 are sent to t-0 and acknowledged from t-0@0
t-0 is read from 0: p0/0-1
the application committed t-0@2
an effect of p0/1 is listed
the effects are read
",
    found_too: &[],
    twin: "\
the application reads t as g
p0/0-1 are sent to t-0 and acknowledged from t-0@0
t-0 is read from 0: p0/0-1
the application committed t-0@1
an effect of p0/0 is listed
the effects are read
",
};
