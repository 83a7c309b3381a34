//! `ackproof diff` on everything that is left of a run: its directory, its page, its verdict.

use std::fs;

use crate::fixture::{Bench, record};
use model::event::{Body, Content, Event};

fn is_stored(event: &Event, sequence: u64) -> bool {
    matches!(&event.body, Body::Stored { content: Content::Ours(of), .. } if *of == record(sequence))
}

/// A run directory with its verdict, and its page beside it.
fn run(bench: &Bench, page: &str, change: impl FnOnce(&mut Vec<Event>)) {
    bench.run_dir(change);
    let args = ["check", "run", "--format", "json", "--html", page];
    let said = bench.ackproof(&args).output().unwrap();
    fs::write(bench.path().join("run/verdict.json"), said.stdout).unwrap();
}

#[test]
fn a_lost_record_is_a_regression_whatever_is_compared() {
    let (whole, lossy) = (Bench::new(), Bench::new());
    run(&whole, "page.html", |_| {});
    run(&lossy, "page.html", |events| {
        events.retain(|event| !is_stored(event, 17));
    });
    let places = ["run", "run/verdict.json", "page.html"];
    for before in places {
        for after in places {
            let after = lossy.path().join(after);
            let after = after.to_str().unwrap();
            let diff = whole.ackproof(&["diff", before, after]).output().unwrap();
            let said = String::from_utf8(diff.stdout).unwrap();
            assert_eq!(diff.status.code(), Some(1), "{said}");
            assert!(
                said.contains("regression   no-loss: HELD -> VIOLATED"),
                "{said}"
            );
            assert!(said.contains("regression   lost-write: 0 -> 1"), "{said}");
            let back = whole.ackproof(&["diff", after, before]).output().unwrap();
            assert_eq!(back.status.code(), Some(0));
        }
    }
}

#[test]
fn what_is_no_run_is_named_with_what_to_do() {
    let bench = Bench::new();
    fs::write(bench.path().join("page.html"), "<html></html>").unwrap();
    let said = bench.transcript(&["diff", "page.html", "page.html"]);
    assert!(said.contains("page.html cannot be compared"), "{said}");
    assert!(said.contains("hint: name a run directory"), "{said}");
    let missing = bench
        .ackproof(&["diff", "nothing", "page.html"])
        .output()
        .unwrap();
    assert_eq!(missing.status.code(), Some(2));
}
