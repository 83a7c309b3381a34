//! int-nonmonotonic-send: nonmonotonic-send inside one transaction.

use super::{Definition, fact};

pub(super) const DEFINITION: Definition = Definition {
    name: "int-nonmonotonic-send",
    meaning: "Within one transaction a producer's records are stored in another order than they \
        were sent.",
    definition: "Of the first copies of the records that one transaction sent to one partition, \
        in the order of their offsets, those count that stand behind a record which was \
        sent later in the same transaction.",
    excludes: &[
        "Records of two transactions of one producer: that is nonmonotonic-send. Of several \
         records that it should stand before, the one that was sent last decides which it is.",
    ],
    jepsen: Some("int-nonmonotonic-send"),
    permitted_by: &[fact(
        "Nothing that may be configured: a producer with a transactional.id is \
             idempotent, and keeps the order.",
        "Kafka documentation, producer configs, transactional.id",
    )],
    prevented_by: &[fact(
        "enable.idempotence=true, which a transactional.id implies, keeps the order with \
             up to 5 requests in flight.",
        "Kafka documentation, producer configs, max.in.flight.requests.per.connection; KIP-98",
    )],
    history: "\
p0/t0 begins
p0/0 is sent to t-0
p0/1 is sent to t-0
p0/1 is acknowledged at t-0@0
p0/0 is acknowledged at t-0@1
p0/t0 is to commit
p0/t0 is committed
t-0 is read from 0: p0/1, p0/0, commit of p0
",
    found_too: &[],
    twin: "\
p0/t0 begins
p0/0 is sent to t-0
p0/1 is sent to t-0
p0/0 is acknowledged at t-0@0
p0/1 is acknowledged at t-0@1
p0/t0 is to commit
p0/t0 is committed
t-0 is read from 0: p0/0, p0/1, commit of p0
",
};
