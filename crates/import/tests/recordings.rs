//! Recordings of Kafka's own clients, and what the importer makes of them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use import::kafkatest::{Conversion, KafkatestSummary, Recording, Source};
use model::event::{Body, CommitResult, Content, Ending, Event, Outcome};
use serde_json::{Value, json};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/kafkatest")
        .join(name)
}

fn sources(name: &str) -> Vec<Source> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder(name))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "jsonl"))
        .collect();
    files.sort();
    files.into_iter().map(Source::new).collect()
}

fn told(sources: Vec<Source>) -> (Vec<Event>, KafkatestSummary) {
    let mut recording = Recording::open(sources).unwrap();
    loop {
        let mut events = Vec::new();
        match recording
            .convert(|event| events.push(event.clone()))
            .unwrap()
        {
            Conversion::Complete(summary) => return (events, summary),
            Conversion::Repeat(()) => {}
        }
    }
}

/// What can be counted in events without judging them.
fn facts(events: &[Event], summary: &KafkatestSummary) -> Value {
    let count = |wanted: fn(&Body) -> bool| events.iter().filter(|it| wanted(&it.body)).count();
    let committed = |wanted: CommitResult| {
        let of =
            |it: &&Event| matches!(&it.body, Body::Committed { result, .. } if *result == wanted);
        events.iter().filter(of).count()
    };
    let sent: BTreeSet<_> = events
        .iter()
        .filter_map(|it| match it.body {
            Body::SendInvoked { record, .. } | Body::SendCompleted { record, .. } => Some(record),
            _ => None,
        })
        .collect();
    let unannounced = events.iter().filter(|it| {
        matches!(&it.body, Body::Processed { content: Content::Ours(record), .. }
            if !sent.contains(record))
    });
    json!({
        "sent": sent.len(),
        "acknowledged": count(|it| matches!(it, Body::SendCompleted { outcome: Outcome::Acknowledged { .. }, .. })),
        "failed": count(|it| matches!(it, Body::SendCompleted { outcome: Outcome::Failed { .. }, .. })),
        "unknown": count(|it| matches!(it, Body::SendCompleted { outcome: Outcome::Unknown { .. }, .. })),
        "read": count(|it| matches!(it, Body::Processed { .. })),
        "read_unannounced": unannounced.count(),
        "read_foreign": count(|it| matches!(it, Body::Processed { content: Content::Foreign, .. })),
        "members": count(|it| matches!(it, Body::MemberStarted { .. })),
        "members_killed": count(|it| matches!(it, Body::MemberEnded { how: Ending::Killed, .. })),
        "members_ended": count(|it| matches!(it, Body::MemberEnded { how: Ending::Clean, .. })),
        "assignments": count(|it| matches!(it, Body::Assigned { .. })),
        "revocations": count(|it| matches!(it, Body::Revoked { .. })),
        "commits_accepted": committed(CommitResult::Accepted),
        "commits_refused": committed(CommitResult::Refused),
        "commits_unknown": committed(CommitResult::Unknown),
        "sends_unrecorded": count(|it| matches!(it, Body::SendsUnrecorded { .. })),
        "lacking": count(|it| matches!(it, Body::Incomplete { .. })),
        "notes": summary.notes.len(),
    })
}

fn check(name: &str) {
    let expected = fs::read_to_string(folder(name).join("expected.json")).unwrap();
    let expected: Value = serde_json::from_str(&expected).unwrap();
    let (events, summary) = told(sources(name));
    let facts = facts(&events, &summary);
    assert_eq!(
        facts,
        expected["facts"],
        "{}",
        serde_json::to_string_pretty(&facts).unwrap()
    );
    assert!(matches!(events[0].body, Body::Imported { .. }));
    assert_eq!(summary.unknown_fields, 0);
    assert!(summary.unknown_events.is_empty());
}

macro_rules! recordings {
    ($($test:ident $folder:literal)*) => {
        $(#[test] fn $test() { check($folder); })*
    };
}

recordings! {
    members_that_join_and_leave "eager"
    incremental_assignments_and_a_killed_member "cooperative"
    the_consumer_protocol "protocol"
    a_killed_producer_leaves_records_without_a_send "producer-killed"
    a_producer_that_was_started_again_is_another_one "producer-restarted"
    timeouts_are_unknown_outcomes "broker-frozen"
    a_refused_commit "consumer-frozen"
    errors_that_exclude_a_write_are_failures "refused"
    acknowledged_without_an_offset "acks-0"
    a_success_without_an_offset "success-without-offset"
    a_consumer_without_verbose "quiet"
    a_topic_that_was_compacted "compacted"
    lines_of_a_logger_among_those_of_a_client "logger-lines"
}
