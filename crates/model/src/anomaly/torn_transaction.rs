//! torn-transaction: half of a whole.

use super::{Definition, fact};

pub(super) const DEFINITION: Definition = Definition {
    name: "torn-transaction",
    meaning: "Part of one transaction's records became visible, and part never.",
    definition: "Of what stands in the log of one transaction, copies included, some stands \
        where a marker behind it commits it, and some where one aborts it, or where none \
        comes up to the pinned end; or one of its records was acknowledged and is lost. Each \
        such transaction counts.",
    excludes: &[
        "A transaction that is still open: its records are not visible yet, none of them.",
        "A read_committed reader that has one partition's records before the other's: \
         partitions are read one by one.",
    ],
    jepsen: None,
    permitted_by: &[
        fact(
            "Nothing that may be configured: a transaction's markers are all of one kind.",
            "KIP-98",
        ),
        fact(
            "A marker, or a record, that came late and hit the producer's next transaction, \
             before brokers checked it.",
            "KIP-890",
        ),
        fact(
            "A partition that lost its tail, and the records or markers with it.",
            "Kafka documentation, Design, Availability and Durability Guarantees",
        ),
    ],
    prevented_by: &[
        fact(
            "Transactions that carry an epoch of their own (transaction.version=2, on in new \
             clusters since Kafka 4.0).",
            "KIP-890",
        ),
        fact(
            "transaction.state.log.replication.factor=3 and transaction.state.log.min.isr=2 \
             (the defaults), and the same for the topics written to.",
            "Kafka documentation, broker configs, transaction.state.log.min.isr",
        ),
    ],
    history: "\
p0/t0 begins
p0/0 is sent to t-0
p0/1 is sent to t-1
p0/0 is acknowledged at t-0@0
p0/1 is acknowledged at t-1@0
p0/t0 is to commit
p0/t0 is committed
t-0 is read from 0: p0/0, commit of p0
t-1 is read from 0: p0/1, abort of p0
",
    found_too: &[],
    twin: "\
p0/t0 begins
p0/0 is sent to t-0
p0/1 is sent to t-1
p0/0 is acknowledged at t-0@0
p0/1 is acknowledged at t-1@0
p0/t0 is to commit
p0/t0 is committed
t-0 is read from 0: p0/0, commit of p0
t-1 is read from 0: p0/1, commit of p0
",
};
