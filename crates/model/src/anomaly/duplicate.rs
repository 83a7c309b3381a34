//! duplicate: stored more than once.

use super::{Definition, fact};

pub(super) const DEFINITION: Definition = Definition {
    name: "duplicate",
    meaning: "One record is stored at two or more offsets.",
    definition: "One record, known by its producer and its place in that producer's order of \
        sending, stands at two or more offsets. Each copy beyond the first counts. Of a \
        group that makes a record of each that it processes, so does each beyond the first \
        that it made of one record and that a read_committed reader is given. In a history \
        that another tool recorded, a record stands wherever it was read, and wherever it \
        was acknowledged.",
    excludes: &[
        "Two sends of the same content: each send is a record of its own.",
        "A record that stands once and was given to a group twice: that is reprocessed.",
        "Two records that were made of one, of which at most one was committed: no read_committed \
         reader is given both.",
    ],
    jepsen: Some("duplicate"),
    permitted_by: &[
        fact(
            "enable.idempotence=false and retries above 0: a batch whose answer was lost is \
             sent again, and the broker cannot know it.",
            "Kafka documentation, producer configs, enable.idempotence",
        ),
        fact(
            "An application that makes records of records, and dies between sending them and \
             committing its position: it makes them again.",
            "Kafka documentation, Design, Message Delivery Semantics",
        ),
        fact(
            "An application that sends again after an ambiguous error: to the broker that is \
             another record, with idempotence too.",
            "Kafka documentation, Design, Message Delivery Semantics",
        ),
    ],
    prevented_by: &[
        fact(
            "enable.idempotence=true (the default of the Java client since Kafka 3.0): the \
             broker drops a batch of the same producer id, epoch and sequence.",
            "KIP-98; KIP-679",
        ),
        fact(
            "With librdkafka it has to be switched on: there enable.idempotence is false by \
             default.",
            "librdkafka CONFIGURATION.md, enable.idempotence",
        ),
        fact(
            "For an application that makes records of records: one transaction for its records \
             and its position, with the group's metadata, and a transactional.id that fences \
             the producer that had it before.",
            "KIP-98; KIP-447",
        ),
        fact(
            "A transaction for each attempt and isolation.level=read_committed: copies of an \
             attempt that was aborted are not read.",
            "KIP-98",
        ),
    ],
    history: "\
p0/0 is sent to t-0
p0/0 is acknowledged at t-0@1
t-0 is read from 0: p0/0, p0/0
",
    found_too: &[],
    twin: "\
p0/0 is sent to t-0
p0/0 is acknowledged at t-0@0
p0/1 is sent to t-0
p0/1 may be written: timed out
t-0 is read from 0: p0/0, p0/1
",
};
