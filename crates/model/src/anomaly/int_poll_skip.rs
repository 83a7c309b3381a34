//! int-poll-skip: poll-skip inside one transaction.

use super::{Definition, fact};

pub(super) const DEFINITION: Definition = Definition {
    name: "int-poll-skip",
    meaning: "Within one transaction a reader jumped over records that exist.",
    definition: "Between two offsets that a member processed one after the other for one \
        transaction, while it held the partition, records stand in the log that a \
        reader of its isolation level is given. Each of them counts.",
    excludes: &[
        "Offsets at which no record stands: transaction markers, what compaction took, \
         records of aborted transactions for a read_committed reader.",
        "A jump from one transaction to the next: that is poll-skip.",
        "A record of a transaction whose marker was not read, for a read_committed reader: it \
         may have been aborted.",
    ],
    jepsen: Some("int-poll-skip"),
    permitted_by: &[
        fact(
            "auto.offset.reset=latest: a consumer whose position no longer exists continues at \
             the end.",
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
            "sendOffsetsToTransaction with the group's metadata: what a member of an old \
             generation did is not committed.",
            "KIP-447",
        ),
    ],
    history: "\
g reads t
m0 of g starts with t-0
p0/0 is sent to t-0
p0/0 is acknowledged at t-0@0
p0/1 is sent to t-0
p0/1 is acknowledged at t-0@1
p0/2 is sent to t-0
p0/2 is acknowledged at t-0@2
p1/t0 begins
m0 reads for p1/t0
m0 processes p0/0 at t-0@0
m0 processes p0/2 at t-0@2
p1/t0 is to commit
p1/t0 is committed
t-0 is read from 0: p0/0, p0/1, p0/2
",
    found_too: &[],
    twin: "\
g reads t
m0 of g starts with t-0
p0/0 is sent to t-0
p0/0 is acknowledged at t-0@0
p0/2 is sent to t-0
p0/2 is acknowledged at t-0@2
p1/t0 begins
m0 reads for p1/t0
m0 processes p0/0 at t-0@0
m0 processes p0/2 at t-0@2
p1/t0 is to commit
p1/t0 is committed
t-0 is read from 0: p0/0, nothing, p0/2
",
};
