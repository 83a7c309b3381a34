//! nonmonotonic-poll: a reader that was sent back.

use super::{Definition, fact};

pub(super) const DEFINITION: Definition = Definition {
    name: "nonmonotonic-poll",
    meaning: "Within one assignment a reader went back.",
    definition: "A member that held the partition all the while processed a record that does \
        not lie behind the one it processed before. Records that stand in the log are held \
        against those that stand: what was read before the log was cut or made again does not \
        count. Each such step counts.",
    excludes: &[
        "A step back from one assignment to the next: the new one begins at the committed offset.",
        "A step that the application asked for with seek(), or behind a transaction that was \
         not confirmed as committed: what was read for it is to be read again.",
    ],
    jepsen: Some("nonmonotonic-poll"),
    permitted_by: &[fact(
        "auto.offset.reset=earliest: a consumer whose position no longer exists continues \
             at the beginning.",
        "Kafka documentation, consumer configs, auto.offset.reset",
    )],
    prevented_by: &[
        fact(
            "auto.offset.reset=none: the application is told that its position no longer exists.",
            "Kafka documentation, consumer configs, auto.offset.reset",
        ),
        fact(
            "A consumer that asks whether its position is still in the same log before it \
             continues.",
            "KIP-320",
        ),
    ],
    history: "\
g reads t
m0 of g starts with t-0
p0/0 is sent to t-0
p0/0 is acknowledged at t-0@0
p0/1 is sent to t-0
p0/1 is acknowledged at t-0@1
m0 processes p0/1 at t-0@1
m0 processes p0/0 at t-0@0
t-0 is read from 0: p0/0, p0/1
",
    found_too: &[],
    twin: "\
g reads t
m0 of g starts with t-0
p0/0 is sent to t-0
p0/0 is acknowledged at t-0@0
p0/1 is sent to t-0
p0/1 is acknowledged at t-0@1
m0 processes p0/1 at t-0@1
m0 loses t-0
m0 is given t-0
m0 processes p0/0 at t-0@0
t-0 is read from 0: p0/0, p0/1
",
};
