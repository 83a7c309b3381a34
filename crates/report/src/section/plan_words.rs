//! A scenario's plan in words and figures. Knows nothing of what came out.

use model::scenario::{
    Capture, CutOnset, Effect, Fault, FaultKind, Group, GroupStart, Link, Producer, RestartTasks,
    Scenario, Trigger, Write, WriteHow,
};

use crate::document::{Table, Text, code, text};
use crate::units::{counted, duration_ms};

/// What runs and what is sent, written and read.
pub(super) fn traffic(scenario: &Scenario) -> Vec<Text> {
    let mut sentences = vec![topology(scenario)];
    sentences.extend(scenario.producers.iter().map(producer));
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
            ", each member processing {} records/s and committing after every {} processed.",
            group.records_per_s, group.commit_every_records
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
    text.push(".");
    text
}

/// What a fault does.
pub(super) fn fault(fault: &Fault, scenario: &Scenario) -> Text {
    let mut text = match &fault.kind {
        FaultKind::BrokerRestart {
            broker,
            signal,
            down_ms,
        } => text![format!(
            "broker {broker} is ended with {}, kept down for {} and started again on the same data",
            signal.name(),
            duration_ms(*down_ms)
        )],
        FaultKind::BrokerPause { broker, for_ms } => text![format!(
            "broker {broker} is frozen with SIGSTOP for {}",
            duration_ms(*for_ms)
        )],
        FaultKind::DiskLoss { broker, topic } => text![
            format!("broker {broker} is killed, the partition directories of "),
            code(topic),
            " are deleted, and it is started again",
        ],
        FaultKind::NetworkCut { for_ms, onset } => text![format!(
            "{}the proxy delivers nothing either way and answers no new connection for {}; after \
             that the old connections are dead",
            match onset {
                CutOnset::AtOnce => "",
                CutOnset::AnswersFirst => "an answer is lost on its way back, then ",
            },
            duration_ms(*for_ms)
        )],
        FaultKind::ConsumerRestart {
            group,
            member,
            signal,
            down_ms,
        } => text![
            format!("member {member} of "),
            code(group),
            format!(
                " is ended with {}, and a new one is started {} later",
                signal.name(),
                duration_ms(*down_ms)
            ),
        ],
        FaultKind::ConnectorRestart { tasks } => {
            let mut text = text!["connector "];
            if let Some(capture) = &scenario.capture {
                text.push(code(&capture.connector));
            }
            text.push(match tasks {
                RestartTasks::Included => " and its task are restarted over REST",
                RestartTasks::Left => " is restarted over REST without its task",
            });
            text
        }
    };
    if fault.effect == Effect::None {
        text.push(" (planned without effect: everything is done but the breaking itself)");
    }
    text
}

/// When something happens.
pub(super) fn trigger(trigger: &Trigger) -> Text {
    match trigger {
        Trigger::Acknowledged(count) => text![format!(
            "after {}",
            counted(*count, "acknowledged record", "acknowledged records")
        )],
        Trigger::Processed { group, percent } => text![
            "when ",
            code(group),
            format!(" has processed {percent} % of the records"),
        ],
        Trigger::Captured(count) => text![format!(
            "when {} can be read",
            counted(*count, "change event", "change events")
        )],
        Trigger::ElapsedMs(ms) => text![format!("{} after traffic began", duration_ms(*ms))],
        Trigger::Healed(number) => text![format!("after fault {number} is healed")],
    }
}

/// Everything that the plan sets, one line for each key.
pub(super) fn configuration(scenario: &Scenario) -> Table {
    let mut table = Table::new(["Of", "Key", "Value"]);
    let mut add = |of: &Text, config: &model::scenario::Config| {
        for (key, value) in config {
            table.row([of.clone(), text![code(key)], text![code(value)]]);
        }
    };
    add(&text!["brokers"], &scenario.topology.config);
    for topic in &scenario.topics {
        add(&text!["topic ", code(&topic.name)], &topic.config);
    }
    for (producer, number) in scenario.producers.iter().zip(0..) {
        add(&text![format!("producer p{number}")], &producer.config);
    }
    for group in &scenario.groups {
        add(&text!["group ", code(&group.name)], &group.config);
    }
    if let Some(capture) = &scenario.capture {
        add(
            &text!["connector ", code(&capture.connector)],
            &capture.config,
        );
        add(&text!["Connect worker"], &capture.worker_config);
    }
    table
}
