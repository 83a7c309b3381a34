//! zombie-processing: a member that does not know it is out.

use super::{Definition, fact};

pub(super) const DEFINITION: Definition = Definition {
    name: "zombie-processing",
    meaning: "A member processed or committed after its partition was taken from it.",
    definition: "A member processed a record of a partition, or the coordinator accepted its \
        commit of it, after the partition had been taken from the member and before it \
        was given it again. Each such record or commit counts.",
    excludes: &[
        "A member that does not know yet: what counts is what the member itself was told.",
        "A commit that was refused: that is the coordinator's task.",
    ],
    jepsen: None,
    permitted_by: &[
        fact(
            "A member that continues with what it fetched before, in another thread, say, than \
             the one that polls.",
            "KafkaConsumer, Multi-threaded Processing",
        ),
        fact(
            "A pause longer than max.poll.interval.ms or session.timeout.ms: others are given \
             the partition meanwhile.",
            "KafkaConsumer, Detecting Consumer Failures",
        ),
    ],
    prevented_by: &[
        fact(
            "Ending, or waiting for, what is being processed in onPartitionsRevoked and \
             onPartitionsLost.",
            "ConsumerRebalanceListener",
        ),
        fact(
            "sendOffsetsToTransaction with the group's metadata: what a member of an old \
             generation did is not committed.",
            "KIP-447",
        ),
    ],
    history: "\
g reads t
m0 of g starts with t-0
p0/0 is sent to t-0
p0/0 is acknowledged at t-0@0
p0/1 is sent to t-0
p0/1 is acknowledged at t-0@1
m0 processes p0/0 at t-0@0
m0 commits t-0@1
m0 loses t-0
m1 of g starts with t-0
m0 processes p0/1 at t-0@1
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
m0 processes p0/0 at t-0@0
m0 commits t-0@1
m0 loses t-0
m1 of g starts with t-0
m1 processes p0/1 at t-0@1
t-0 is read from 0: p0/0, p0/1
",
};
