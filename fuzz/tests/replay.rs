//! Replays the committed seeds: what once broke a reader must never again.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::fs;
use std::path::Path;

fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("seeds")
        .join(target);
    let mut seeds = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        run(&fs::read(entry.unwrap().path()).unwrap());
        seeds += 1;
    }
    assert!(seeds > 0, "no seeds in {}", folder.display());
}

#[test]
fn hostile_histories_do_no_harm() {
    replay("history", fuzz::history);
}

#[test]
fn hostile_events_do_no_harm() {
    replay("events", fuzz::events);
}

#[test]
fn hostile_scenarios_do_no_harm() {
    replay("scenario", fuzz::scenario);
}

#[test]
fn hostile_kafkatest_lines_do_no_harm() {
    replay("kafkatest", fuzz::kafkatest);
}

#[test]
fn hostile_ends_of_a_proxied_connection_do_no_harm() {
    replay("proxy", fuzz::proxy);
}

#[test]
fn hostile_jepsen_operations_do_no_harm() {
    replay("jepsen", fuzz::jepsen);
}
