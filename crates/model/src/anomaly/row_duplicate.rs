//! row-duplicate: a change that is told twice.

use super::{Definition, fact};

pub(super) const DEFINITION: Definition = Definition {
    name: "row-duplicate",
    meaning: "One committed row change has two or more events.",
    definition: "Each event of a change beyond its first. Allowed at least once, which is what \
        Connect gives by default.",
    excludes: &[
        "Two changes that leave the row alike: each has a number of its own.",
        "The tombstone behind a delete: it is part of the same event.",
    ],
    jepsen: None,
    permitted_by: &[fact(
        "A connector that ends without having stored its offset: what it sent since the \
             last time (offset.flush.interval.ms, 60 s by default) is sent again.",
        "Debezium connector for PostgreSQL, Behavior when things go wrong",
    )],
    prevented_by: &[
        fact(
            "exactly.once.source.support=enabled on the workers: events and offsets in one \
             transaction, for connectors that support it.",
            "KIP-618",
        ),
        fact(
            "Applying events by key and by their place in the write-ahead log (source.lsn), \
             so that a repeated one does nothing.",
            "Debezium connector for PostgreSQL, Behavior when things go wrong",
        ),
    ],
    history: "\
tx0 inserts rows/7 as c0
tx0 is committed
the capture catches up
rows-0 is read from 0: insert of rows/7 by c0, insert of rows/7 by c0
rows holds 7 by c0
",
    found_too: &[],
    twin: "\
tx0 inserts rows/7 as c0
tx0 is committed
tx1 updates rows/7 as c1
tx1 is committed
the capture catches up
rows-0 is read from 0: insert of rows/7 by c0, update of rows/7 by c1
rows holds 7 by c1
",
};
