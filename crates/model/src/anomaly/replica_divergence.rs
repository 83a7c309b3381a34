//! replica-divergence: replicas that do not hold the same.

use super::{Definition, fact};

pub(super) const DEFINITION: Definition = Definition {
    name: "replica-divergence",
    meaning: "Two replicas of a partition differ below the high watermark.",
    definition: "After everything is healed each replica is read below its high watermark. An \
        offset counts at which two of them hold different records, or one of them none.",
    excludes: &[
        "What stands above the high watermark: replicas differ there whenever records are \
         under way.",
        "What lies below the log start of one of them: retention has reached it.",
    ],
    jepsen: None,
    permitted_by: &[
        fact(
            "Replicas that follow the high watermark and not leader epochs, as all did before \
             Kafka 0.11.",
            "KIP-101; KIP-279",
        ),
        fact(
            "unclean.leader.election.enable=true: a replica may keep what the elected one \
             never had.",
            "KIP-101",
        ),
    ],
    prevented_by: &[
        fact(
            "Leader epochs: a replica that comes back asks its leader where their logs part, \
             and cuts its own there.",
            "KIP-101; KIP-279",
        ),
        fact(
            "unclean.leader.election.enable=false (the default).",
            "Kafka documentation, topic configs, unclean.leader.election.enable",
        ),
    ],
    history: "\
p0/0 is sent to t-0
p0/0 is acknowledged at t-0@0
p0/1 is sent to t-0
p0/1 may be written: timed out
p0/2 is sent to t-0
p0/2 is acknowledged at t-0@1
t-0 is read from 0: p0/0, p0/2
broker 1 holds t-0 from 0: p0/0, p0/2
broker 2 holds t-0 from 0: p0/0, p0/1
",
    found_too: &[],
    twin: "\
p0/0 is sent to t-0
p0/0 is acknowledged at t-0@0
p0/1 is sent to t-0
p0/1 may be written: timed out
p0/2 is sent to t-0
p0/2 is acknowledged at t-0@1
t-0 is read from 0: p0/0, p0/2
broker 1 holds t-0 from 0: p0/0, p0/2
broker 2 holds t-0 from 0: p0/0, p0/2
",
};
