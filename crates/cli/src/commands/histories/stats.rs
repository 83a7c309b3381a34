//! `ackproof history stats`: what is in histories, without judging it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use history::{Damage, Reader, Tail};
use model::event::{Body, Event};
use model::ids::{GroupIx, MemberIx, ProducerIx, TableIx, TopicIx};
use serde::Serialize;

use super::place;
use crate::args::{DataFormat, HistoryStatsArgs};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{print, print_raw};
use crate::style::STRONG;
use model::scenario::words::{counted, duration_ms};

/// The format of the JSON; fields are only ever added.
const SCHEMA: &str = "ackproof.history-stats/1";

#[derive(Debug, Serialize)]
struct Report {
    schema: &'static str,
    histories: Vec<Stats>,
}

/// What a history holds.
#[derive(Debug, Default, Serialize)]
struct Stats {
    file: String,
    version: u16,
    /// Up to where it can be read.
    bytes: u64,
    frames: u64,
    events: u64,
    /// None where it ends after a whole frame.
    cut_off_at_byte: Option<u64>,
    /// Whether the run said that it recorded everything it wanted.
    completed: bool,
    first_at_us: Option<u64>,
    last_at_us: Option<u64>,
    events_by_kind: BTreeMap<&'static str, u64>,
    topics: BTreeMap<TopicIx, Topic>,
    groups: BTreeMap<GroupIx, String>,
    tables: BTreeMap<TableIx, String>,
    producers: u64,
    members: u64,
}

#[derive(Debug, Serialize)]
struct Topic {
    name: String,
    partitions: i32,
}

pub(crate) fn stats(args: &HistoryStatsArgs) -> Result<Exit, Failure> {
    let mut histories = Vec::new();
    for place in &args.places {
        for file in place::histories(place)? {
            histories.push(read(&file).map_err(|error| Failure::usage(&error))?);
        }
    }
    let cut_off = histories.iter().any(|it| it.cut_off_at_byte.is_some());
    match args.format {
        DataFormat::Human => {
            let texts: Vec<String> = histories.iter().map(lines).collect();
            print(&texts.join("\n"))?;
        }
        DataFormat::Json => {
            let report = Report {
                schema: SCHEMA,
                histories,
            };
            let mut text = serde_json::to_string_pretty(&report)
                .map_err(|error| Failure::environment(&error))?;
            text.push('\n');
            print_raw(&text)?;
        }
    }
    // What is there was told; a script must not take it for all.
    Ok(if cut_off { Exit::Usage } else { Exit::Held })
}

fn read(file: &Path) -> Result<Stats, Damage> {
    let mut reader = Reader::open(file)?;
    let mut stats = Stats {
        file: file.display().to_string(),
        ..Stats::default()
    };
    let mut met = Met::default();
    for event in reader.by_ref() {
        let event = event?;
        stats.count(&event);
        met.note(&event.body);
    }
    let progress = reader.progress();
    stats.version = history::VERSION;
    stats.bytes = progress.bytes;
    stats.frames = progress.frames;
    stats.cut_off_at_byte = match reader.tail() {
        Some(Tail::CutOff { at }) => Some(at),
        Some(Tail::Whole) | None => None,
    };
    stats.producers = met.producers.len() as u64;
    stats.members = met.members.len() as u64;
    Ok(stats)
}

/// The clients in a history.
#[derive(Default)]
struct Met {
    producers: BTreeSet<ProducerIx>,
    members: BTreeSet<MemberIx>,
}

impl Met {
    fn note(&mut self, body: &Body) {
        match body {
            Body::SendInvoked { record, .. } | Body::SendCompleted { record, .. } => {
                self.producers.insert(record.producer);
            }
            Body::ProducerCounted { producer, .. } => {
                self.producers.insert(*producer);
            }
            Body::TransactionBegun { transaction } => {
                self.producers.insert(transaction.producer);
            }
            Body::MemberStarted { member, .. }
            | Body::Assigned { member, .. }
            | Body::Processed { member, .. }
            | Body::Committed { member, .. } => {
                self.members.insert(*member);
            }
            _ => {}
        }
    }
}

impl Stats {
    fn count(&mut self, event: &Event) {
        let at_us = event.at.get();
        self.events += 1;
        self.first_at_us = Some(self.first_at_us.map_or(at_us, |first| first.min(at_us)));
        self.last_at_us = Some(self.last_at_us.map_or(at_us, |last| last.max(at_us)));
        *self.events_by_kind.entry(event.body.kind()).or_default() += 1;
        match &event.body {
            Body::TopicDeclared {
                topic,
                name,
                partitions,
            } => {
                let topic_of_that_name = Topic {
                    name: name.clone(),
                    partitions: *partitions,
                };
                self.topics.insert(*topic, topic_of_that_name);
            }
            Body::GroupDeclared { group, name, .. } => {
                self.groups.insert(*group, name.clone());
            }
            Body::TableDeclared { table, name, .. } => {
                self.tables.insert(*table, name.clone());
            }
            Body::Completed => self.completed = true,
            _ => {}
        }
    }
}

fn lines(stats: &Stats) -> String {
    let mut text = format!("{STRONG}{}{STRONG:#}\n", stats.file);
    let end = match stats.cut_off_at_byte {
        Some(at) => format!("cut off at byte {at}"),
        None => "whole".to_owned(),
    };
    let completed = if stats.completed {
        "completed"
    } else {
        "not completed"
    };
    let _ = writeln!(
        text,
        "  format {}, {} in {}, {end}, {completed}",
        stats.version,
        counted(stats.bytes, "byte"),
        counted(stats.frames, "frame"),
    );
    if let (Some(first), Some(last)) = (stats.first_at_us, stats.last_at_us) {
        let _ = writeln!(
            text,
            "  {} from {} to {}",
            counted(stats.events, "event"),
            duration_ms(first / 1000),
            duration_ms(last / 1000),
        );
    }
    for (kind, count) in &stats.events_by_kind {
        let _ = writeln!(text, "  {count:>12}  {kind}");
    }
    let topics = stats.topics.values().map(|topic| {
        let partitions = u64::try_from(topic.partitions).unwrap_or(0);
        format!("{} ({})", topic.name, counted(partitions, "partition"))
    });
    list(&mut text, "topics", topics);
    list(&mut text, "groups", stats.groups.values().cloned());
    list(&mut text, "tables", stats.tables.values().cloned());
    let _ = writeln!(
        text,
        "  {}, {}",
        counted(stats.producers, "producer"),
        counted(stats.members, "member"),
    );
    text
}

fn list(text: &mut String, what: &str, names: impl Iterator<Item = String>) {
    let names: Vec<String> = names.collect();
    if !names.is_empty() {
        let _ = writeln!(text, "  {what}: {}", names.join(", "));
    }
}
