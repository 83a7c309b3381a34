//! row-phantom: an event of nothing.

use super::{Anomaly, Definition, fact};

pub(super) const DEFINITION: Definition = Definition {
    name: "row-phantom",
    meaning: "There is an event for a row change that never committed.",
    definition: "An event for a change that was never made to this row, or whose transaction was \
        rolled back. Each such event counts. A transaction whose end is not \
        known is settled by the rows it left, or left as an earlier change did. A delete carries \
        no number: it is the next that the writer made behind the change that the row's event \
        before it tells of, or one that no event told of yet; one that is told again names the \
        same place in the write-ahead log.",
    excludes: &[
        "A repeated event of a change that was committed: that is row-duplicate.",
        "An event whose row image is damaged: that is corrupt.",
    ],
    jepsen: None,
    permitted_by: &[
        fact(
            "Nothing that may be configured: logical decoding hands out what was committed, \
             when it is committed.",
            "PostgreSQL documentation, Logical Decoding Concepts",
        ),
        fact(
            "A topic that others write to as well, another connector with the same \
             topic.prefix, say.",
            "Debezium connector for PostgreSQL, topic.prefix",
        ),
    ],
    prevented_by: &[fact(
        "A topic.prefix that is the connector's own, and ACLs that let no other client write.",
        "Debezium connector for PostgreSQL, topic.prefix",
    )],
    history: "\
tx0 inserts rows/7 as c0
tx0 is committed
tx1 updates rows/7 as c1
tx1 is rolled back
the capture catches up
rows-0 is read from 0: insert of rows/7 by c0, update of rows/7 by c1
rows holds 7 by c0
",
    found_too: &[Anomaly::StateDivergence],
    twin: "\
tx0 inserts rows/7 as c0
tx0 is committed
tx1 updates rows/7 as c1
tx1 may be committed
the capture catches up
rows-0 is read from 0: insert of rows/7 by c0, update of rows/7 by c1
rows holds 7 by c1
",
};
