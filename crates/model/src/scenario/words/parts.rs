//! The parts of a plan in words, one phrase each: cluster, topics, clients,
//! capture and writes. `ackproof explain` and the report print them. Knows
//! nothing of settings, which are printed as they are typed.

use super::{Phrase, counted, duration_ms, plain, trigger};
use crate::scenario::{
    App, Capture, Commit, CommitWhen, Fence, Group, GroupStart, Link, Producer, Quota, TABLES,
    Topic, Topology, Transactions, Transform, Write, WriteHow, WriteStart,
};

/// The brokers, and how they are reached.
pub fn cluster(topology: &Topology) -> Phrase {
    let to = if topology.brokers == 1 { "it" } else { "them" };
    let link = match topology.link {
        Link::Direct => "directly",
        Link::Proxy => "through a proxy that can break the connection",
    };
    let between = match topology.replication_link {
        Link::Direct => "",
        Link::Proxy => "; brokers replicate from each other through a proxy that can cut the link",
    };
    let version = topology.kafka.as_ref();
    let version = version.map_or_else(String::new, |version| format!(" {version}"));
    let brokers = counted(topology.brokers.into(), &format!("Kafka{version} broker"));
    let features: Vec<String> = topology
        .features
        .iter()
        .map(|(name, level)| format!("; formatted with {name}={level}"))
        .collect();
    let features = features.concat();
    plain(format!(
        "{brokers} (KRaft); clients connect to {to} {link}{between}{features}"
    ))
}

/// A topic.
pub fn topic(topic: &Topic) -> Phrase {
    plain("topic ").name(&topic.name).plain(format!(
        ": {}, replication factor {}",
        counted(topic.partitions.unsigned_abs().into(), "partition"),
        topic.replication_factor
    ))
}

/// An application of the user's.
pub fn app(app: &App) -> Phrase {
    let does = plain("your application ")
        .name(super::shell_words(&app.command))
        .plain(" reads ")
        .name(&app.topic)
        .plain(" as group ")
        .name(&app.group)
        .plain("; records are ")
        .name(&app.value);
    match (&app.effects.topic, &app.effects.id, &app.effects.header) {
        (Some(topic), id, header) => {
            let does = does.plain("; what it did is read from ").name(topic);
            match (id, header) {
                (Some(id), _) if id.is_empty() => does.plain(", where a value is an identity"),
                (Some(id), _) => does.plain(", by the identity at ").name(id),
                (None, Some(header)) => does.plain(", by the identity in header ").name(header),
                (None, None) => does,
            }
        }
        (None, ..) => does
            .plain("; what it did is listed by ")
            .name(super::shell_words(&app.effects.command)),
    }
}

/// A client quota.
pub fn quota(quota: &Quota) -> Phrase {
    plain(format!(
        "client quota of {}, while there is traffic",
        quota.entity()
    ))
}

/// A producer, by its number from 0.
pub fn producer(producer: &Producer, number: u32) -> Phrase {
    let large = match (producer.large_every, producer.large_bytes) {
        (Some(every), Some(bytes)) => format!(" (one of every {every} has {bytes})"),
        _ => String::new(),
    };
    let keys = producer.keys.map_or_else(String::new, |keys| {
        format!(", with {} in turn", counted(keys, "key"))
    });
    let to = plain(format!(
        "producer p{number}: {} of {} bytes{large} to ",
        counted(producer.records, "record"),
        producer.record_bytes
    ))
    .name(&producer.topic);
    let to = match &producer.also_to[..] {
        [] => to,
        [more @ .., last] => {
            let more = more.iter();
            let to = more.fold(to, |to, topic| to.plain(", ").name(topic));
            to.plain(" and ").name(last).plain(" in turn")
        }
    };
    to.plain(format!(
        ", {}{keys}; each record carries its identity and a checksum",
        rates(producer)
    ))
}

/// A producer's rates.
fn rates(producer: &Producer) -> String {
    let steps = &producer.steps_per_s;
    let (Some(least), Some(most), Some(step_ms)) =
        (steps.iter().min(), steps.iter().max(), producer.step_ms)
    else {
        return format!("{} a second", producer.records_per_s);
    };
    format!(
        "{least} to {most} a second in {} of {}, then {}",
        counted(steps.len() as u64, "step"),
        duration_ms(step_ms),
        producer.records_per_s
    )
}

/// A transform.
pub fn transform(transform: &Transform) -> Phrase {
    let together = match (transform.transactions, transform.commit_when) {
        (Transactions::On, _) => {
            "in one transaction: the records and the position take effect together, or neither does"
        }
        (Transactions::Off, CommitWhen::Acknowledged) => {
            "without transactions: the records are sent and acknowledged, and then the position is \
             committed"
        }
        (Transactions::Off, CommitWhen::Flushed) => {
            "without transactions: the records are sent, the client's `flush` is called, and then \
             the position is committed"
        }
    };
    group_reads(&transform.name, transform.members, &transform.from)
        .plain(format!(
            " while it is being written, makes one record of {} bytes of each, and sends it to ",
            transform.record_bytes
        ))
        .name(&transform.to)
        .plain(format!(
            "; a member processes {} records a second, and commits after every {} processed, \
             {together}",
            transform.records_per_s, transform.commit_every_records
        ))
}

/// A consumer group.
pub fn group(group: &Group) -> Phrase {
    let start = match group.start {
        GroupStart::BeforeProducers => "while it is being written",
        GroupStart::AfterProducers => "after everything was sent",
    };
    let in_hand = match group.max_poll_records {
        1 => String::new(),
        batch => format!("takes up to {batch} records in hand, "),
    };
    let fence = match group.fence {
        Fence::None => "",
        Fence::Commit => {
            ", each only after the coordinator has accepted a commit of the position before it"
        }
    };
    let requires = if group.requires_read_committed {
        "; it requires committed records only"
    } else {
        ""
    };
    group_reads(&group.name, group.members, &group.topic).plain(format!(
        " {start}; a member {in_hand}processes {} records a second{fence}, and {}{requires}",
        group.records_per_s,
        commits(group)
    ))
}

fn group_reads(name: &str, members: u32, topic: &str) -> Phrase {
    plain("group ")
        .name(name)
        .plain(format!(" ({}) reads ", counted(members.into(), "member")))
        .name(topic)
}

fn commits(group: &Group) -> String {
    let every = group.commit_every_records;
    match group.commit {
        Commit::After => {
            format!("commits after every {every} processed and when it stops cleanly")
        }
        Commit::Before => {
            format!("commits before it processes them, after every {every} taken in hand")
        }
        Commit::Auto => "its client commits on its own, every auto.commit.interval.ms, what it \
                         has handed out"
            .to_owned(),
    }
}

/// The database and the Connect worker of change data capture.
pub fn database() -> Phrase {
    plain(format!(
        "PostgreSQL with the tables {}, and one Kafka Connect worker",
        TABLES.join(", ")
    ))
}

/// The connector of change data capture.
pub fn connector(capture: &Capture) -> Phrase {
    let version = capture.debezium.as_ref();
    let version = version.map_or_else(String::new, |version| format!(" {version}"));
    plain(format!("Debezium{version}'s PostgreSQL connector "))
        .name(&capture.connector)
        .plain(": slot ")
        .name(&capture.slot)
        .plain(", publication ")
        .name(&capture.publication)
        .plain(", events of a table go to ")
        .name(format!("{}.public.TABLE", capture.prefix))
}

/// Rows that are written.
pub fn write(write: &Write) -> Phrase {
    let how = match write.how {
        WriteHow::Insert if write.transaction.is_some() => "all in one transaction",
        WriteHow::Insert => "one transaction each",
        WriteHow::InsertAndTouch => {
            "one transaction each, which also updates the counter of the comment's video"
        }
        WriteHow::Copy => "all in one transaction, by COPY",
    };
    let mut words = plain(format!("{} into ", counted(write.rows, "row")))
        .name(&write.table)
        .plain(format!(", {how}"));
    if write.rows_per_s > 0 {
        words = words.plain(format!(", {} a second", write.rows_per_s));
    }
    if let Some(after) = &write.after {
        words = words.plain("; ").phrase(trigger(after));
    }
    if let Some(name) = &write.transaction {
        words = words.plain(format!(", which is open as `{name}`"));
    }
    if let Some(after) = &write.commit_after {
        words = words.plain("; it is committed ").phrase(trigger(after));
    }
    if write.start == WriteStart::BeforeCapture {
        words =
            words.plain("; before the connector is created, so that only a snapshot finds them");
    }
    words
}
