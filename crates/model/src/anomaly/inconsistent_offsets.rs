//! inconsistent-offsets: one offset, two truths.

use super::{Definition, fact};

pub(super) const DEFINITION: Definition = Definition {
    name: "inconsistent-offsets",
    meaning: "Two records have one offset in one life of the log, or an acknowledgement names \
        another offset than the log.",
    definition: "The place of a record is contradicted: it was acknowledged at an offset at \
        which it does not stand, though it stands elsewhere; or a reader was given it where the \
        log holds another, though it stands elsewhere and the log was not cut. In a history \
        that another tool recorded, two records that were read or acknowledged at one offset \
        of one life of the log; each beyond the first counts. Each such record counts once.",
    excludes: &[
        "A record that stands nowhere: that is lost-write. The offset that it had is used again \
         when the log is cut or made again.",
        "An acknowledgement without an offset (acks=0 gives -1): it names no place.",
        "Where another tool recorded the history: a record acknowledged at one offset and read at \
         another. That is duplicate.",
        "Two records that had one offset one after the other, because the log was cut or the \
         topic made again.",
    ],
    jepsen: Some("inconsistent-offsets"),
    permitted_by: &[
        fact(
            "Nothing that may be configured: an offset is the identity of one record of its \
             partition.",
            "KafkaConsumer, Offsets and Consumer Position",
        ),
        fact(
            "unclean.leader.election.enable=true, or acks=1, makes offsets be used again; that \
             alone is a truncation and a loss, and no contradiction.",
            "Kafka documentation, topic configs, unclean.leader.election.enable",
        ),
    ],
    prevented_by: &[fact(
        "Replication factor 3, min.insync.replicas=2, acks=all and \
             unclean.leader.election.enable=false: no acknowledged offset is given again.",
        "Kafka documentation, Design, Availability and Durability Guarantees",
    )],
    history: "\
p0/0 is sent to t-0
p0/1 is sent to t-0
p0/0 is acknowledged at t-0@1
p0/1 may be written: timed out
t-0 is read from 0: p0/0, p0/1
",
    found_too: &[],
    twin: "\
p0/0 is sent to t-0
p0/1 is sent to t-0
p0/0 may be written: timed out
p0/1 is acknowledged at t-0@1
t-0 is read from 0: p0/0, p0/1
",
};
