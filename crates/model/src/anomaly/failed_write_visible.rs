//! failed-write-visible: said not to be written, and there.

use super::{Definition, fact};

pub(super) const DEFINITION: Definition = Definition {
    name: "failed-write-visible",
    meaning: "A record was reported as certainly not written, and it is stored.",
    definition: "A record stands in the log whose send ended with an error that excludes that it \
        was written: its only attempt was refused as too large, say, or the client never \
        took it. Each such record counts once. Where a reader was given it, Jepsen calls it G1a.",
    excludes: &[
        "A record whose send timed out, or ended with another ambiguous error: it may be \
         written, and nothing is wrong when it is.",
        "A record that was refused when it was sent again: the attempt before it may have \
         been stored, in another batch, and only its answer was lost.",
        "A record that was also acknowledged.",
    ],
    jepsen: Some("G1a"),
    permitted_by: &[fact(
        "A client, or an application, that calls an ambiguous error a failure: when \
             delivery.timeout.ms ends the attempts, a request may still be under way.",
        "KIP-91",
    )],
    prevented_by: &[
        fact(
            "Treat every error as ambiguous that does not exclude a write; librdkafka says so \
             of each record.",
            "librdkafka rdkafka.h, rd_kafka_message_status",
        ),
        fact(
            "A transaction, which is aborted when a send of it failed.",
            "KIP-98",
        ),
    ],
    history: "\
p0/0 is sent to t-0
p0/0 is not written: record too large
t-0 is read from 0: p0/0
",
    found_too: &[],
    twin: "\
p0/0 is sent to t-0
p0/0 may be written: timed out
t-0 is read from 0: p0/0
",
};
