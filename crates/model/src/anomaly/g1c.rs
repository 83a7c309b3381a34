//! G1c: transactions that have read one another.

use super::{Definition, fact};

pub(super) const DEFINITION: Definition = Definition {
    name: "G1c",
    meaning: "Transactions depend on one another in a circle of writes and reads.",
    definition: "Committed transactions depend on those whose records stand before theirs, and \
        on those whose records stand where they read. All that lie on circles with one another \
        count once, where there is a reading among them.",
    excludes: &[
        "A circle of writes alone: that is G0.",
        "Readings outside a transaction: nothing hangs on them.",
    ],
    jepsen: Some("G1c"),
    permitted_by: &[
        fact(
            "isolation.level=read_uncommitted (the default): two open transactions may read \
             each other's records.",
            "Kafka documentation, consumer configs, isolation.level; Jepsen, Kafka workload, \
             allowed errors",
        ),
        fact(
            "Writes that interleave, as those of G0 do, with readings between them.",
            "Jepsen, Kafka workload, allowed errors",
        ),
    ],
    prevented_by: &[
        fact(
            "isolation.level=read_committed: no transaction reads from one that is still open.",
            "Kafka documentation, consumer configs, isolation.level",
        ),
        fact(
            "One writer for each set of partitions.",
            "Kafka documentation, producer configs, transactional.id",
        ),
    ],
    history: "\
g reads t
m0 of g starts with t-1
m1 of g starts with t-0
p0/t0 begins
p1/t0 begins
m0 reads for p0/t0
m1 reads for p1/t0
p0/0 is sent to t-0
p1/0 is sent to t-1
p0/0 is acknowledged at t-0@0
p1/0 is acknowledged at t-1@0
m0 processes p1/0 at t-1@0
m1 processes p0/0 at t-0@0
p0/t0 is to commit
p1/t0 is to commit
p0/t0 is committed
p1/t0 is committed
t-0 is read from 0: p0/0, commit of p0
t-1 is read from 0: p1/0, commit of p1
",
    found_too: &[],
    twin: "\
g reads t
m0 of g starts with t-1
m1 of g starts with t-0
p0/t0 begins
p1/t0 begins
m0 reads for p0/t0
m1 reads for p1/t0
p0/0 is sent to t-0
p1/0 is sent to t-1
p0/0 is acknowledged at t-0@0
p1/0 is acknowledged at t-1@0
m0 processes p1/0 at t-1@0
p0/t0 is to commit
p1/t0 is to commit
p0/t0 is committed
p1/t0 is committed
t-0 is read from 0: p0/0, commit of p0
t-1 is read from 0: p1/0, commit of p1
",
};
