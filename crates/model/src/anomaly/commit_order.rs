//! commit-order: the story of a row, told in another order.

use super::{Definition, fact};

pub(super) const DEFINITION: Definition = Definition {
    name: "commit-order",
    meaning: "Events of one row are out of the order in which its changes were committed.",
    definition: "The first event of a change stands behind that of a later change of the same \
        row, or names an earlier place in the write-ahead log (source.lsn) than the \
        first event of another change of the row before it. Each such event counts.",
    excludes: &[
        "Events of two rows: nothing orders them between partitions.",
        "An event that is told again: that is row-duplicate.",
    ],
    jepsen: None,
    permitted_by: &[
        fact(
            "message.key.columns, or a transform, that gives events of one row different \
             keys, so that they go to different partitions.",
            "Debezium connector for PostgreSQL, message.key.columns",
        ),
        fact(
            "producer.override.max.in.flight.requests.per.connection above 1 without idempotence.",
            "Kafka documentation, producer configs, max.in.flight.requests.per.connection",
        ),
    ],
    prevented_by: &[
        fact(
            "The primary key as the event's key (the default): all events of a row go to one \
             partition.",
            "Debezium connector for PostgreSQL, Change event keys",
        ),
        fact(
            "One request in flight, which Connect gives its producers by default.",
            "Kafka Connect, Worker.baseProducerConfigs",
        ),
    ],
    history: "\
tx0 inserts rows/7 as c0
tx0 is committed
tx1 updates rows/7 as c1
tx1 is committed
tx2 updates rows/7 as c2
tx2 is committed
the capture catches up
rows-0 is read from 0: update of rows/7 by c1, insert of rows/7 by c0, update of rows/7 by c2
rows holds 7 by c2
",
    found_too: &[],
    twin: "\
tx0 inserts rows/7 as c0
tx0 is committed
tx1 inserts rows/8 as c1
tx1 is committed
tx2 updates rows/7 as c2
tx2 is committed
the capture catches up
rows-0 is read from 0: insert of rows/8 by c1, insert of rows/7 by c0, update of rows/7 by c2
rows holds 7 by c2, 8 by c1
",
};
