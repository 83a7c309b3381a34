//! Corners of the definitions in the smallest histories that show them, each
//! beside a twin in which one thing is otherwise. In most of them the fast
//! checker and the slow ones once disagreed.

use model::anomaly::Anomaly;
use model::event::Event;

use crate::notation::history;
use crate::story::{found, story_of};

#[track_caller]
fn finds(text: &str, expected: &[(Anomaly, u64)]) {
    finds_in(history(text), expected);
}

#[track_caller]
fn finds_in(events: Vec<Event>, expected: &[(Anomaly, u64)]) {
    assert_eq!(found(&story_of(events).check()), expected);
}

/// A transaction that was committed, and one behind it that was aborted.
fn two_transactions(read: &str) -> String {
    format!(
        "\
p0/t0 begins
p0/0 is sent to t-0
p0/1 is sent to t-0
p0/t0 is to commit
p0/t0 is committed
p0/t1 begins
p0/2 is sent to t-0
p0/t1 is to abort
p0/t1 is aborted
t-0 is read from 0: {read}
"
    )
}

#[test]
fn a_record_that_came_late_behind_one_of_the_next_transaction_tears_its_own() {
    let late = "p0/0, commit of p0, p0/2, p0/1, abort of p0";
    let expected = [
        (Anomaly::NonmonotonicSend, 1),
        (Anomaly::TornTransaction, 1),
    ];
    finds(&two_transactions(late), &expected);
    let in_time = "p0/0, p0/1, commit of p0, p0/2, abort of p0";
    finds(&two_transactions(in_time), &[]);
}
