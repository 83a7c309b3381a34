//! int-nonmonotonic-poll: nonmonotonic-poll inside one transaction.

use super::{Definition, fact};

pub(super) const DEFINITION: Definition = Definition {
    name: "int-nonmonotonic-poll",
    meaning: "Within one transaction a reader went back.",
    definition: "For one transaction a member that held the partition all the while processed an \
        offset that does not lie behind the one it processed before. Each such step \
        counts.",
    excludes: &[
        "A step back from one transaction to the next: that is nonmonotonic-poll.",
        "A step behind a transaction that was not confirmed as committed: what was read for \
         it is to be read again.",
    ],
    jepsen: Some("int-nonmonotonic-poll"),
    permitted_by: &[
        fact(
            "auto.offset.reset=earliest: a consumer whose position no longer exists continues \
             at the beginning.",
            "Kafka documentation, consumer configs, auto.offset.reset",
        ),
        fact(
            "A rebalance during the transaction, when the application continues with it.",
            "KIP-447",
        ),
    ],
    prevented_by: &[
        fact(
            "Aborting the transaction when a partition is taken away, and when the position \
             is reset.",
            "KIP-447",
        ),
        fact(
            "auto.offset.reset=none: the application is told that its position no longer exists.",
            "Kafka documentation, consumer configs, auto.offset.reset",
        ),
    ],
    history: "\
g reads t
m0 of g starts with t-0
p0/0 is sent to t-0
p0/0 is acknowledged at t-0@0
p0/1 is sent to t-0
p0/1 is acknowledged at t-0@1
p1/t0 begins
m0 reads for p1/t0
m0 processes p0/1 at t-0@1
m0 processes p0/0 at t-0@0
p1/t0 is to commit
p1/t0 is committed
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
p1/t0 begins
m0 reads for p1/t0
m0 processes p0/0 at t-0@0
m0 processes p0/1 at t-0@1
p1/t0 is to commit
p1/t0 is committed
t-0 is read from 0: p0/0, p0/1
",
};
