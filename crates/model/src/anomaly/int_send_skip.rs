//! int-send-skip: others' records between those of one transaction.

use super::{Definition, fact};

pub(super) const DEFINITION: Definition = Definition {
    name: "int-send-skip",
    meaning: "Within one transaction a producer's records in a partition have others' records \
        between them.",
    definition: "Between two records of one committed transaction that stand in a partition one \
        behind the other, and that a marker commits, records of others stand. Each such pair \
        counts.",
    excludes: &[
        "Markers between them: they are no records. Neither is another of its own, whatever \
         became of it.",
        "It is no fault of Kafka's: a transaction takes no place in a partition for itself. \
         It is reported, and contradicts no claim.",
    ],
    jepsen: Some("int-send-skip"),
    permitted_by: &[fact(
        "Any other producer that writes to the partition meanwhile.",
        "KIP-98; Jepsen, Kafka workload, allowed errors",
    )],
    prevented_by: &[fact(
        "One writer for each set of partitions.",
        "Kafka documentation, producer configs, transactional.id",
    )],
    history: "\
p0/t0 begins
p0/0 is sent to t-0
p1/0 is sent to t-0
p0/1 is sent to t-0
p0/0 is acknowledged at t-0@0
p1/0 is acknowledged at t-0@1
p0/1 is acknowledged at t-0@2
p0/t0 is to commit
p0/t0 is committed
t-0 is read from 0: p0/0, p1/0, p0/1, commit of p0
",
    found_too: &[],
    twin: "\
p0/t0 begins
p0/0 is sent to t-0
p1/0 is sent to t-0
p0/1 is sent to t-0
p1/0 is acknowledged at t-0@0
p0/0 is acknowledged at t-0@1
p0/1 is acknowledged at t-0@2
p0/t0 is to commit
p0/t0 is committed
t-0 is read from 0: p1/0, p0/0, p0/1, commit of p0
",
};
