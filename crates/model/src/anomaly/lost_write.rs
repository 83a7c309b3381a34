//! lost-write: a promise broken, the one that everything else is about.

use super::{Definition, fact};

pub(super) const DEFINITION: Definition = Definition {
    name: "lost-write",
    meaning: "The application was told success of a record, and the record is not there.",
    definition: "A record was acknowledged, every partition of its topic was read to its end, \
        and the record stands nowhere in it. Each such record counts once, whether \
        the application was told success with an offset, without one, or with acks=0. An \
        acknowledgement above the end counts too: the log is shorter than it was said \
        to be. In a history that another tool recorded no observer read the log; there, \
        a record counts that was acknowledged below the highest offset that was \
        read, and that no reader was given; without an offset, one that was told before its \
        producer was told of a later record at such an offset. \
        A poll that was taken back has read nothing.",
    excludes: &[
        "A record acknowledged below the log start: retention may have taken it. The \
         verdict is INCONCLUSIVE.",
        "A record of a compacted topic behind which a later record of its key stands: it was \
         replaced. Where keys are not known, the verdict is INCONCLUSIVE.",
        "A record at whose offset a damaged one stands: that is corrupt.",
        "A record whose send timed out: it was never acknowledged, and may be there or not.",
        "Without a log: a record that was acknowledged without an offset, after which its \
         producer was told nothing. It may stand behind everything that was read.",
        "Without a log: a record that a later one of its key may have replaced, unless it is \
         known that the topic is not compacted.",
        "Without a log: a record of a transaction that is not known to have committed. No \
         reader has to be given it.",
    ],
    jepsen: Some("lost-write"),
    permitted_by: &[
        fact(
            "acks=0: the producer waits for no answer, so that success says only that the \
             record was sent.",
            "Kafka documentation, producer configs, acks",
        ),
        fact(
            "acks=1: the leader answers before its followers have the record, and may fail then.",
            "Kafka documentation, producer configs, acks",
        ),
        fact(
            "acks=all with min.insync.replicas=1 (the default): the leader alone is enough \
             when no other replica is in sync.",
            "Kafka documentation, Design, Availability and Durability Guarantees",
        ),
        fact(
            "Replication factor 1: the record is as durable as one machine, which answers \
             before it has forced the record to its disk.",
            "Kafka documentation, topic configs, flush.messages",
        ),
        fact(
            "unclean.leader.election.enable=true: a replica that lacks acknowledged records \
             may become the leader.",
            "Kafka documentation, topic configs, unclean.leader.election.enable",
        ),
    ],
    prevented_by: &[
        fact(
            "Replication factor 3, min.insync.replicas=2 and acks=all: what was acknowledged \
             had two copies at least.",
            "Kafka documentation, topic configs, min.insync.replicas",
        ),
        fact(
            "unclean.leader.election.enable=false (the default): only a replica in sync \
             becomes the leader.",
            "Kafka documentation, Design, Unclean leader election",
        ),
        fact(
            "Eligible leader replicas: when the replicas in sync become too few, only one \
             that has everything below the high watermark is elected.",
            "KIP-966",
        ),
    ],
    history: "\
p0/0 is sent to t-0
p0/0 is acknowledged at t-0@0
p0/1 is sent to t-0
p0/1 is acknowledged at t-0@1
t-0 is read from 0: p0/0, nothing
",
    found_too: &[],
    twin: "\
p0/0 is sent to t-0
p0/0 is acknowledged at t-0@0
p0/1 is sent to t-0
p0/1 may be written: timed out
t-0 is read from 0: p0/0, nothing
",
};
