//! G1a: aborted read.

use super::{Definition, fact};

pub(super) const DEFINITION: Definition = Definition {
    name: "G1a",
    meaning: "A read_committed reader was given a record of an aborted transaction.",
    definition: "A member of a group that reads with isolation.level=read_committed processed a \
        record whose transaction was aborted, as the marker behind it says; or a member of one \
        that relies on that level, whatever it reads with. Where no marker closes it, or where \
        it stands nowhere, the transaction's other markers say so, or else its producer, which \
        was told, or never asked for the commit of what the log does not hold. Each such offset \
        counts once for each group, and so does each such record that stands nowhere.",
    excludes: &[
        "A reader of a read_uncommitted group that relies on nothing else: it is given \
         everything.",
        "A transaction whose end is not known: the marker decides, not what the \
         producer was told.",
    ],
    jepsen: Some("G1a"),
    permitted_by: &[
        fact(
            "Nothing that may be configured, for a read_committed reader.",
            "Kafka documentation, consumer configs, isolation.level; KIP-98",
        ),
        fact(
            "A late record of an aborted transaction that became part of the next one, before \
             brokers checked it.",
            "KIP-890",
        ),
    ],
    prevented_by: &[
        fact(
            "isolation.level=read_committed (read_uncommitted is the default).",
            "Kafka documentation, consumer configs, isolation.level",
        ),
        fact(
            "Transactions that carry an epoch of their own (transaction.version=2, on in new \
             clusters since Kafka 4.0).",
            "KIP-890",
        ),
    ],
    history: "\
g reads t with read_committed
m0 of g starts with t-0
p0/t0 begins
p0/0 is sent to t-0
p0/0 is acknowledged at t-0@0
p0/t0 is to abort
p0/t0 is aborted
m0 processes p0/0 at t-0@0
t-0 is read from 0: p0/0, abort of p0
",
    found_too: &[],
    twin: "\
g reads t
m0 of g starts with t-0
p0/t0 begins
p0/0 is sent to t-0
p0/0 is acknowledged at t-0@0
p0/t0 is to abort
p0/t0 is aborted
m0 processes p0/0 at t-0@0
t-0 is read from 0: p0/0, abort of p0
",
};
