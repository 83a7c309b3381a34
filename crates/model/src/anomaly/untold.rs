//! untold: sent, and never heard of again.

use super::{Definition, fact};

pub(super) const DEFINITION: Definition = Definition {
    name: "untold",
    meaning: "A record was sent, and its producer was never told what became of it.",
    definition: "A producer handed a record to its client, all sending came to its end, and the \
        client never said whether the record was acknowledged, not written, or of unknown \
        outcome. Each such record counts.",
    excludes: &[
        "A record of which the producer was told that nobody knows: it can act on that.",
        "A history that ends before the sending did: the answer may have come later.",
        "What another tool recorded: it need not have written down every answer.",
    ],
    jepsen: None,
    permitted_by: &[
        fact(
            "Sending without a callback, and never asking for the result: an error that comes \
             later has nobody to go to.",
            "KafkaProducer, send()",
        ),
        fact(
            "Ending the process before flush() or close() has returned.",
            "KafkaProducer, close()",
        ),
    ],
    prevented_by: &[
        fact(
            "A callback for each record, or asking each future, and close() at the end; \
             delivery.timeout.ms bounds how long the answer takes.",
            "KIP-91",
        ),
        fact(
            "With librdkafka: a delivery report callback, and flush() before the end.",
            "librdkafka INTRODUCTION.md, Message reliability",
        ),
    ],
    history: "\
p0/0 is sent to t-0
t-0 is read from 0: p0/0
",
    found_too: &[],
    twin: "\
p0/0 is sent to t-0
p0/0 may be written: timed out
t-0 is read from 0: p0/0
",
};
