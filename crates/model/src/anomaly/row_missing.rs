//! row-missing: change data capture's loss.

use super::{Definition, fact};

pub(super) const DEFINITION: Definition = Definition {
    name: "row-missing",
    meaning: "A committed row change has no event.",
    definition: "The database committed a change, no event comes any more, the topic was read to \
        its end, and no event tells of the change. Each such change counts. None comes any more \
        when the last change of every table has come out; when the connector's tasks have failed \
        and no fault restarts them; when the connector has confirmed the change to its replication \
        slot; or when the slot is gone, or has lost log that it needs, and the time is up.",
    excludes: &[
        "A change that a snapshot found overwritten: it needs no event of its own.",
        "A change of a transaction that was rolled back, or whose end is unknown.",
        "Any change of which an event may still come: late cannot be told from missing.",
        "Any change whose event may stand in a topic that is not read, or have a form that is \
         not read, by the connector's configuration.",
    ],
    jepsen: None,
    permitted_by: &[
        fact(
            "A replication slot that was dropped, lost in a failover, or created anew: what \
             was committed meanwhile is in none.",
            "Debezium connector for PostgreSQL, Behavior when things go wrong",
        ),
        fact(
            "skipped.operations, and event.processing.failure.handling.mode=skip or warn: \
             events are left out on purpose.",
            "Debezium connector for PostgreSQL, Connector configuration properties",
        ),
        fact(
            "errors.tolerance=all: Connect continues where an event could not be converted or sent.",
            "Kafka documentation, Kafka Connect configs, errors.tolerance; KIP-779",
        ),
    ],
    prevented_by: &[
        fact(
            "A slot that stays: slot.drop.on.stop=false (the default), and one that is made \
             anew before anything is written to a new primary.",
            "Debezium connector for PostgreSQL, Behavior when things go wrong",
        ),
        fact(
            "errors.tolerance=none and event.processing.failure.handling.mode=fail (the \
             defaults): an event that cannot be converted or sent stops the connector.",
            "Kafka documentation, Kafka Connect configs, errors.tolerance",
        ),
    ],
    history: "\
tx0 inserts rows/7 as c0
tx0 is committed
tx1 updates rows/7 as c1
tx1 is committed
the capture catches up
rows-0 is read from 0: update of rows/7 by c1
rows holds 7 by c1
",
    found_too: &[],
    twin: "\
tx0 inserts rows/7 as c0
tx0 is committed
tx1 updates rows/7 as c1
tx1 is committed
the capture catches up
rows-0 is read from 0: snapshot of rows/7 by c1
rows holds 7 by c1
",
};
