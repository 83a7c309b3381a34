//! effect-duplicate: an application did something twice of one record.

use super::{Definition, fact};

pub(super) const DEFINITION: Definition = Definition {
    name: "effect-duplicate",
    meaning: "An application did something of a record more than once.",
    definition: "Effects of one record beyond the first, by its identity.",
    excludes: &[
        "Effects of two records with the same key or the same fields: each has an identity.",
    ],
    jepsen: None,
    permitted_by: &[
        fact(
            "Work that is done and not yet committed when the application ends: it is done again.",
            "Kafka documentation, Design, Message Delivery Semantics",
        ),
        fact(
            "A record that the producer stored twice (no-duplicates): the application sees two.",
            "KIP-98, Idempotent Producer",
        ),
    ],
    prevented_by: &[
        fact(
            "A unique key on the identity where the work is written: the second time does nothing.",
            "PostgreSQL documentation, INSERT, ON CONFLICT",
        ),
        fact(
            "Results and offsets in one transaction (sendOffsetsToTransaction).",
            "KIP-98; KIP-447",
        ),
    ],
    history: "\
the application reads t as g
p0/0 is sent to t-0 and acknowledged at t-0@0
t-0 is read from 0: p0/0
the application committed t-0@1
an effect of p0/0 is listed
an effect of p0/0 is listed
the effects are read
",
    found_too: &[],
    twin: "\
the application reads t as g
p0/0-1 are sent to t-0 and acknowledged from t-0@0
t-0 is read from 0: p0/0-1
the application committed t-0@2
an effect of p0/0 is listed
an effect of p0/1 is listed
the effects are read
",
};
