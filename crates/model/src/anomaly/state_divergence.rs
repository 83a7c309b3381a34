//! state-divergence: the replay is not the table.

use super::{Anomaly, Definition, fact};

pub(super) const DEFINITION: Definition = Definition {
    name: "state-divergence",
    meaning: "Replaying the change topic by key does not give the table.",
    definition: "When no event of a row comes any more (see row-missing), or its latest tells of \
        its last change, and the topic and the table were read to their ends, the last event of \
        the row is not what the table holds: another change, a row that is gone, or one that \
        should be. Each such row counts.",
    excludes: &[
        "A row that the database itself does not hold as it confirmed it, and of which the \
         topic says the same: that is no anomaly of Kafka's, and a doubt.",
        "Any row of a topic that has lost its beginning.",
        "Any row of which an event may still come.",
    ],
    jepsen: None,
    permitted_by: &[
        fact(
            "Whatever loses, reorders or invents the last event of a row: see row-missing, \
             commit-order, row-phantom.",
            "Debezium connector for PostgreSQL, Behavior when things go wrong",
        ),
        fact(
            "TRUNCATE, which skipped.operations leaves out by default (skipped.operations=t).",
            "Debezium connector for PostgreSQL, skipped.operations",
        ),
    ],
    prevented_by: &[
        fact(
            "See row-missing and commit-order.",
            "Debezium connector for PostgreSQL, Behavior when things go wrong",
        ),
        fact(
            "skipped.operations=none, where the table is ever truncated.",
            "Debezium connector for PostgreSQL, skipped.operations",
        ),
    ],
    history: "\
tx0 inserts rows/7 as c0
tx0 is committed
tx1 updates rows/7 as c1
tx1 is committed
the capture catches up
rows-0 is read from 0: insert of rows/7 by c0
rows holds 7 by c1
",
    found_too: &[Anomaly::RowMissing],
    twin: "\
tx0 inserts rows/7 as c0
tx0 is committed
tx1 updates rows/7 as c1
tx1 is committed
the capture times out
rows-0 is read from 0: insert of rows/7 by c0
rows holds 7 by c1
",
};
