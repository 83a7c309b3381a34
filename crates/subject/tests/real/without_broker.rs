//! What a subject does where there is no broker: what it says of records, and
//! when it ends.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::process::{
    Subject, acknowledged, config, count, failed, producer, program, sent, unknown,
};
use rustix::process::Signal;
use subject::clock::Clock;
use subject::role::{ClientEvent, LargeRecords, ProducerRole, Role};

/// Nobody listens on it.
const NOWHERE: &str = "127.0.0.1:1";

fn to_nowhere(clock: Clock) -> ProducerRole {
    ProducerRole {
        records: 5,
        ..producer(clock, NOWHERE, "t")
    }
}

#[test]
fn a_record_that_expires_is_unknown() {
    let clock = Clock::start();
    let role = ProducerRole {
        config: config(&[("delivery.timeout.ms", "500")]),
        ..to_nowhere(clock)
    };
    let mut subject = Subject::start(clock, &Role::Producer(role));
    assert!(subject.wait().success());
    assert_eq!(subject.count(sent), 5);
    assert_eq!(subject.count(unknown), 5);
    assert_eq!(subject.reports.last().unwrap().what, ClientEvent::Ended);
}

#[test]
fn a_record_that_the_client_refuses_is_failed() {
    let clock = Clock::start();
    let role = ProducerRole {
        record_bytes: 2000,
        config: config(&[("max.request.size", "1000")]),
        ..to_nowhere(clock)
    };
    let mut subject = Subject::start(clock, &Role::Producer(role));
    assert!(subject.wait().success());
    assert_eq!(subject.count(failed), 5);
    assert_eq!(subject.count(unknown) + subject.count(acknowledged), 0);
}

#[test]
fn a_full_buffer_holds_the_next_record_back_and_is_noted_once() {
    let clock = Clock::start();
    let role = ProducerRole {
        config: config(&[("buffer.memory", "1024")]),
        ..to_nowhere(clock)
    };
    let mut subject = Subject::start(clock, &Role::Producer(role));
    let full = |what: &ClientEvent| matches!(what, ClientEvent::Note { .. });
    subject.until(|reports| count(reports, full) > 0);
    // Two records of 513 bytes are more than a KiB.
    let held_back = subject.count(sent);
    assert!((2..5).contains(&held_back), "{held_back}");
    subject.signal(Signal::TERM);
    subject.until(|reports| count(reports, failed) > 0);
    assert_eq!(subject.count(sent), held_back);
    assert_eq!(subject.count(full), 1);
}

#[test]
fn a_record_for_which_no_room_comes_is_failed_and_the_next_one_is_tried() {
    let clock = Clock::start();
    let role = ProducerRole {
        config: config(&[
            ("buffer.memory", "1024"),
            ("max.block.ms", "200"),
            ("delivery.timeout.ms", "3000"),
        ]),
        ..to_nowhere(clock)
    };
    let mut subject = Subject::start(clock, &Role::Producer(role));
    assert!(subject.wait().success());
    assert_eq!(subject.count(sent), 5);
    // One or two of 513 bytes have room in a KiB, until they expire.
    let taken = subject.count(unknown);
    assert!((1..=2).contains(&taken), "{taken}");
    assert_eq!(subject.count(failed), 5 - taken);
    let says_why = |what: &ClientEvent| matches!(what, ClientEvent::Failed { error, .. } if error.contains("max.block.ms"));
    assert_eq!(subject.count(says_why), 5 - taken);
}

#[test]
fn every_so_many_records_one_is_large() {
    let clock = Clock::start();
    let role = ProducerRole {
        records: 10,
        large: Some(LargeRecords {
            every: 4,
            bytes: 2000,
        }),
        config: config(&[("max.request.size", "1000"), ("delivery.timeout.ms", "500")]),
        ..to_nowhere(clock)
    };
    let mut subject = Subject::start(clock, &Role::Producer(role));
    assert!(subject.wait().success());
    let refused: Vec<u64> = subject
        .reports
        .iter()
        .filter_map(|report| match &report.what {
            ClientEvent::Failed { sequence, .. } => Some(sequence.get()),
            _ => None,
        })
        .collect();
    assert_eq!(refused, [3, 7]);
    assert_eq!(subject.count(unknown), 8);
}

#[test]
fn a_stopped_producer_sends_no_more_and_waits_for_what_it_sent() {
    let clock = Clock::start();
    let role = ProducerRole {
        records: 1_000_000,
        config: config(&[("delivery.timeout.ms", "1000")]),
        ..to_nowhere(clock)
    };
    let mut subject = Subject::start(clock, &Role::Producer(role));
    subject.until(|reports| count(reports, sent) > 100);
    subject.close_stdin();
    assert!(subject.wait().success());
    assert!(subject.count(sent) < 10_000);
    assert_eq!(subject.count(unknown), subject.count(sent));
}

#[test]
fn a_second_signal_does_not_wait() {
    let clock = Clock::start();
    let mut subject = Subject::start(clock, &Role::Producer(to_nowhere(clock)));
    subject.until(|reports| count(reports, sent) == 5);
    subject.signal(Signal::TERM);
    subject.signal(Signal::INT);
    assert_eq!(subject.wait().code(), Some(130));
    assert_eq!(subject.count(unknown), 0);
}

#[test]
fn it_does_not_outlive_an_engine_that_is_killed() {
    let clock = Clock::start();
    let role = ProducerRole {
        config: config(&[("delivery.timeout.ms", "20000")]),
        ..to_nowhere(clock)
    };
    let mut child = Command::new(program())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let role = serde_json::to_string(&Role::Producer(role)).unwrap();
    writeln!(stdin, "{role}").unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // It says that it is ready, and sends five records that no broker takes.
    assert_eq!(lines.by_ref().take(6).count(), 6);
    let since = Instant::now();
    drop((stdin, lines));
    assert_eq!(child.wait().unwrap().code(), Some(4));
    assert!(since.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_key_that_cannot_be_honoured_ends_it_before_anything_is_sent() {
    let clock = Clock::start();
    let role = ProducerRole {
        config: config(&[("max.block", "1")]),
        ..to_nowhere(clock)
    };
    let mut subject = Subject::start(clock, &Role::Producer(role));
    assert_eq!(subject.wait().code(), Some(4));
    assert_eq!(subject.reports, []);
}
