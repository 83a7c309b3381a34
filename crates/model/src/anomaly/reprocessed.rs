//! reprocessed: the price of at-least-once.

use super::{Definition, fact};

pub(super) const DEFINITION: Definition = Definition {
    name: "reprocessed",
    meaning: "A group processed a record more than once.",
    definition: "Each time beyond the first that members of one group processed the same record, \
        known by its identity; one without an identity is known by its offset. Allowed at least once, where it is bounded by what was processed and not yet \
        committed when a member went away; wrong where exactly-once is promised.",
    excludes: &[
        "Two groups that process the same record: each has its own positions.",
        "Two records at one offset, one before and one after the log was cut or made again.",
    ],
    jepsen: None,
    permitted_by: &[
        fact(
            "Committing after processing: what was processed and not committed is processed \
             again by the next member.",
            "Kafka documentation, Design, Message Delivery Semantics",
        ),
        fact(
            "A member that is taken for dead (session.timeout.ms, max.poll.interval.ms) while \
             it processes.",
            "KafkaConsumer, Detecting Consumer Failures",
        ),
    ],
    prevented_by: &[
        fact(
            "Results and offsets in one transaction: sendOffsetsToTransaction, and \
             read_committed readers of the results. Processing may be repeated, its results \
             are not seen twice.",
            "KIP-98; KIP-447",
        ),
        fact(
            "The offset stored together with the result, where that is not Kafka.",
            "KafkaConsumer, Storing Offsets Outside Kafka",
        ),
    ],
    history: "\
g reads t
m0 of g starts with t-0
p0/0 is sent to t-0
p0/0 is acknowledged at t-0@0
m0 processes p0/0 at t-0@0
m0 is killed
m1 of g starts with t-0
m1 processes p0/0 at t-0@0
t-0 is read from 0: p0/0
",
    found_too: &[],
    twin: "\
g reads t
h reads t
m0 of g starts with t-0
p0/0 is sent to t-0
p0/0 is acknowledged at t-0@0
m0 processes p0/0 at t-0@0
m0 is killed
m1 of h starts with t-0
m1 processes p0/0 at t-0@0
t-0 is read from 0: p0/0
",
};
