//! corrupt: bytes that changed on their way.

use super::{Definition, fact};

pub(super) const DEFINITION: Definition = Definition {
    name: "corrupt",
    meaning: "A record's checksum, size, padding or key is wrong.",
    definition: "An offset at which a reader saw a record of ours whose own checksum, size or \
        padding is wrong, or a row image of which that is so. Each offset counts once. \
        The checksum stands in the record's value, so that it covers the whole way from \
        the sending application to the reading one. In a history that another tool \
        recorded, a record that was read with another key than it was acknowledged with.",
    excludes: &[
        "A batch whose CRC is wrong: it cannot be read at all, so its partition was not read \
         to the end, and that is a doubt.",
    ],
    jepsen: None,
    permitted_by: &[
        fact(
            "check.crcs=false: the consumer hands out what no longer has its checksum.",
            "Kafka documentation, consumer configs, check.crcs",
        ),
        fact(
            "Whatever alters a record before the client, or after the consumer, has computed \
             the CRC of its batch.",
            "Kafka documentation, Implementation, Record Batch",
        ),
    ],
    prevented_by: &[
        fact(
            "check.crcs=true (the default) finds records that were altered on the wire and on disk.",
            "Kafka documentation, consumer configs, check.crcs",
        ),
        fact(
            "A checksum of the application's own finds the rest.",
            "Kafka documentation, Implementation, Record Batch",
        ),
    ],
    history: "\
p0/0 is sent to t-0
p0/0 is acknowledged at t-0@0
t-0 is read from 0: a damaged record
",
    found_too: &[],
    twin: "\
p0/0 is sent to t-0
p0/0 is acknowledged at t-0@0
t-0 is read from 0: p0/0
",
};
