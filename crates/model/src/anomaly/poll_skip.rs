//! poll-skip: a reader that did not receive a stored record.

use super::{Definition, fact};

pub(super) const DEFINITION: Definition = Definition {
    name: "poll-skip",
    meaning: "Within one assignment a reader jumped over records that exist.",
    definition: "Between two offsets that a member processed one after the other, while it held \
        the partition, records stand in the log that a reader of its isolation level is \
        given. Each of them counts.",
    excludes: &[
        "Offsets at which no record stands: transaction markers, what compaction took, \
         records of aborted transactions for a read_committed reader.",
        "A jump from one assignment to the next, or one that the application asked for with \
         seek(), or behind a transaction that was not confirmed as committed: what was read \
         for it is to be read again.",
        "A record of a transaction whose marker was not read, for a read_committed reader: it \
         may have been aborted.",
        "A step to a record of an earlier life of the log: those that stand there now came later.",
        "A record that another member of the group processed meanwhile: it is skipped here \
         all the same.",
    ],
    jepsen: Some("poll-skip"),
    permitted_by: &[fact(
        "auto.offset.reset=latest: a consumer whose position no longer exists continues at \
             the end.",
        "Kafka documentation, consumer configs, auto.offset.reset",
    )],
    prevented_by: &[
        fact(
            "auto.offset.reset=none, or earliest: nothing is passed over in silence.",
            "Kafka documentation, consumer configs, auto.offset.reset",
        ),
        fact(
            "A consumer that asks whether its position is still in the same log before it \
             continues.",
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
p0/2 is sent to t-0
p0/2 is acknowledged at t-0@2
m0 processes p0/0 at t-0@0
m0 processes p0/2 at t-0@2
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
m0 processes p0/0 at t-0@0
m0 processes p0/2 at t-0@2
t-0 is read from 0: p0/0, nothing, p0/2
",
};
