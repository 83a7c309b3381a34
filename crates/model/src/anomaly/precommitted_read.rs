//! precommitted-read: seen before it was said.

use super::{Definition, fact};

pub(super) const DEFINITION: Definition = Definition {
    name: "precommitted-read",
    meaning: "A read_committed reader was given a record before its transaction was committed.",
    definition: "A member of a group that reads with isolation.level=read_committed processed a \
        record of a transaction before its producer had asked for the commit; or a member of one \
        that relies on that level, whatever it reads with. Each such record counts once for \
        each group.",
    excludes: &[
        "A record of a transaction that was aborted in the end: that is G1a.",
        "A reading between the request to commit and its answer: the coordinator may have \
         committed already.",
        "A reader of a read_uncommitted group that relies on nothing else.",
    ],
    jepsen: Some("precommitted-read"),
    permitted_by: &[fact(
        "Nothing that may be configured, for a read_committed reader: it stays behind the \
             first open transaction.",
        "Kafka documentation, consumer configs, isolation.level",
    )],
    prevented_by: &[
        fact(
            "isolation.level=read_committed (read_uncommitted is the default).",
            "Kafka documentation, consumer configs, isolation.level",
        ),
        fact(
            "Brokers that let no record of a transaction stand outside of it.",
            "KIP-890",
        ),
    ],
    history: "\
g reads t with read_committed
m0 of g starts with t-0
p0/t0 begins
p0/0 is sent to t-0
p0/0 is acknowledged at t-0@0
m0 processes p0/0 at t-0@0
p0/t0 is to commit
p0/t0 is committed
t-0 is read from 0: p0/0, commit of p0
",
    found_too: &[],
    twin: "\
g reads t with read_committed
m0 of g starts with t-0
p0/t0 begins
p0/0 is sent to t-0
p0/0 is acknowledged at t-0@0
p0/t0 is to commit
m0 processes p0/0 at t-0@0
p0/t0 is committed
t-0 is read from 0: p0/0, commit of p0
",
};
