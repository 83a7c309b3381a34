//! A scenario's plan in words and figures. Knows nothing of what came out.

use model::scenario::defaults::{ClientDefault, ClientKind, unset};
use model::scenario::words::{self, Phrase, Word};
use model::scenario::{
    Capture, Config, Effect, Fault, Group, GroupStart, Link, Producer, Scenario, Transactions,
    Transform, Trigger, Write, WriteHow, WriteStart,
};

use crate::document::{Table, Text, code, text};
use crate::units::counted;

/// What runs and what is sent, written and read.
pub(super) fn traffic(scenario: &Scenario) -> Vec<Text> {
    let mut sentences = vec![topology(scenario)];
    sentences.extend(scenario.producers.iter().map(producer));
    sentences.extend(scenario.transforms.iter().map(transform));
    sentences.extend(scenario.groups.iter().map(group));
    sentences.extend(scenario.capture.iter().map(capture));
    sentences.extend(scenario.writes.iter().map(write));
    sentences
}

fn topology(scenario: &Scenario) -> Text {
    let topology = &scenario.topology;
    let mut text = text![
        counted(u64::from(topology.brokers), "broker", "brokers"),
        match topology.link {
            Link::Direct => ", reached directly",
            Link::Proxy => ", reached through the fault proxy",
        }
    ];
    for topic in &scenario.topics {
        text.push(text![
            "; topic ",
            code(&topic.name),
            format!(
                " with {} and replication factor {}",
                counted(
                    u64::from(topic.partitions.unsigned_abs()),
                    "partition",
                    "partitions"
                ),
                topic.replication_factor
            ),
        ]);
    }
    text.push(".");
    text
}

fn producer(producer: &Producer) -> Text {
    text![
        format!(
            "A producer sends {} of {} B at {}/s to ",
            counted(producer.records, "record", "records"),
            producer.record_bytes,
            producer.records_per_s
        ),
        code(&producer.topic),
        ".",
    ]
}

fn transform(transform: &Transform) -> Text {
    text![
        "Group ",
        code(&transform.name),
        format!(
            " ({}) reads ",
            counted(u64::from(transform.members), "member", "members")
        ),
        code(&transform.from),
        " while it is written and makes a record of each for ",
        code(&transform.to),
        format!(
            ", each member processing {} records/s and committing after every {} processed, ",
            transform.records_per_s, transform.commit_every_records
        ),
        match transform.transactions {
            Transactions::On => "records and position in one transaction.",
            Transactions::Off => "without transactions, once the records are acknowledged.",
        },
    ]
}

fn group(group: &Group) -> Text {
    text![
        "Group ",
        code(&group.name),
        format!(
            " ({}) reads ",
            counted(u64::from(group.members), "member", "members")
        ),
        code(&group.topic),
        match group.start {
            GroupStart::BeforeProducers => " while it is written",
            GroupStart::AfterProducers => " after everything was sent",
        },
        format!(
            ", each member processing {} records/s and committing after every {} processed{}.",
            group.records_per_s,
            group.commit_every_records,
            if group.requires_read_committed {
                "; it requires committed records only"
            } else {
                ""
            }
        ),
    ]
}

fn capture(capture: &Capture) -> Text {
    text![
        "Debezium connector ",
        code(&capture.connector),
        " captures PostgreSQL (slot ",
        code(&capture.slot),
        ", publication ",
        code(&capture.publication),
        ", topic prefix ",
        code(&capture.prefix),
        ").",
    ]
}

fn write(write: &Write) -> Text {
    let mut text = text![
        format!("{} into ", counted(write.rows, "row", "rows")),
        code(&write.table),
        match write.how {
            WriteHow::Insert => ", one transaction each",
            WriteHow::InsertAndTouch =>
                ", one transaction each, which also updates the video's counter",
            WriteHow::Copy => " in one transaction, by COPY",
        }
    ];
    if write.rows_per_s > 0 {
        text.push(format!(", at {}/s", write.rows_per_s));
    }
    if let Some(after) = &write.after {
        text.push(", ");
        text.push(trigger(after));
    }
    if write.start == WriteStart::BeforeCapture {
        text.push(", before the connector is created");
    }
    text.push(".");
    text
}

/// What a fault does.
pub(super) fn fault(fault: &Fault, scenario: &Scenario) -> Text {
    let mut text = phrase(&fault.kind.parameters().words(scenario));
    if fault.effect == Effect::None {
        text.push(" (planned without effect: everything is done but the breaking itself)");
    }
    text
}

/// When something happens.
pub(super) fn trigger(trigger: &Trigger) -> Text {
    phrase(&words::trigger(trigger))
}

/// The same words, with the names set off.
fn phrase(phrase: &Phrase) -> Text {
    let mut text = Text::default();
    for word in phrase.words() {
        match word {
            Word::Plain(words) => text.push(words.as_str()),
            Word::Name(name) => text.push(code(name)),
        }
    }
    text
}

/// Everything that the plan sets, one line for each key.
pub(super) fn configuration(scenario: &Scenario) -> Table {
    let mut table = Table::new(["Of", "Key", "Value"]);
    let mut add = |of: &Text, config: &Config, kind: Option<ClientKind>| {
        for (key, value) in config {
            table.row([of.clone(), text![code(key)], text![code(value)]]);
        }
        // What differs between clients is what a reader may take for granted.
        let unset = kind.map(|kind| unset(kind, config));
        for it in unset.into_iter().flatten().filter(ClientDefault::differs) {
            let value = text![
                "not set: here ",
                code(it.value),
                " (Java's default: ",
                code(it.java),
                ")",
            ];
            table.row([of.clone(), text![code(it.key)], value]);
        }
    };
    let (producer, consumer) = (Some(ClientKind::Producer), Some(ClientKind::Consumer));
    add(&text!["brokers"], &scenario.topology.config, None);
    for topic in &scenario.topics {
        add(&text!["topic ", code(&topic.name)], &topic.config, None);
    }
    for (it, number) in scenario.producers.iter().zip(0..) {
        add(&text![format!("producer p{number}")], &it.config, producer);
    }
    for transform in &scenario.transforms {
        let name = || code(&transform.name);
        add(&text!["group ", name()], &transform.config, consumer);
        let of = text!["producers of ", name()];
        add(&of, &transform.producer_config, producer);
    }
    for group in &scenario.groups {
        add(&text!["group ", code(&group.name)], &group.config, consumer);
    }
    if let Some(capture) = &scenario.capture {
        add(
            &text!["connector ", code(&capture.connector)],
            &capture.config,
            None,
        );
        add(&text!["Connect worker"], &capture.worker_config, None);
    }
    table
}
