//! G0: transactions whose writes interleave.

use super::{Definition, fact};

pub(super) const DEFINITION: Definition = Definition {
    name: "G0",
    meaning: "Transactions overwrite one another in a circle: their records stand in different \
        orders in different partitions.",
    definition: "Committed transactions are put in the order in which their records stand in \
        each partition. Where these orders form circles, all transactions that lie on circles \
        with one another count once.",
    excludes: &[
        "Transactions that interleave in one partition only, in one direction.",
        "It is no fault of Kafka's: transactions write while others write, and nothing orders \
         them. It is reported, and contradicts no claim unless one is made of it.",
    ],
    jepsen: Some("G0"),
    permitted_by: &[fact(
        "Any two producers with transactions of their own that write to the same partitions.",
        "KIP-98; Jepsen, Kafka workload, allowed errors",
    )],
    prevented_by: &[fact(
        "One writer for each set of partitions: one transactional.id, which fences all \
             others that have it.",
        "Kafka documentation, producer configs, transactional.id",
    )],
    history: "\
p0/t0 begins
p1/t0 begins
p0/0 is sent to t-0
p1/0 is sent to t-0
p1/1 is sent to t-1
p0/1 is sent to t-1
p0/0 is acknowledged at t-0@0
p1/0 is acknowledged at t-0@1
p1/1 is acknowledged at t-1@0
p0/1 is acknowledged at t-1@1
p0/t0 is to commit
p1/t0 is to commit
p0/t0 is committed
p1/t0 is committed
t-0 is read from 0: p0/0, p1/0, commit of p0, commit of p1
t-1 is read from 0: p1/1, p0/1, commit of p0, commit of p1
",
    found_too: &[],
    twin: "\
p0/t0 begins
p1/t0 begins
p0/0 is sent to t-0
p1/0 is sent to t-0
p0/1 is sent to t-1
p1/1 is sent to t-1
p0/0 is acknowledged at t-0@0
p1/0 is acknowledged at t-0@1
p0/1 is acknowledged at t-1@0
p1/1 is acknowledged at t-1@1
p0/t0 is to commit
p1/t0 is to commit
p0/t0 is committed
p1/t0 is committed
t-0 is read from 0: p0/0, p1/0, commit of p0, commit of p1
t-1 is read from 0: p0/1, p1/1, commit of p0, commit of p1
",
};
