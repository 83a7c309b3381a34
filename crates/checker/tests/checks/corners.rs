//! Corners of the definitions in the smallest histories that show them, each
//! beside a twin in which one thing is otherwise. In most of them the fast
//! checker and the slow ones once disagreed.

use model::anomaly::Anomaly;
use model::event::{BatchKind, Body, Event};

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

/// An aborted transaction of which one partition holds no marker.
fn half_closed(isolation: &str) -> String {
    format!(
        "\
g reads t with {isolation}
m0 of g starts with t-0, t-1
p0/t0 begins
p0/0 is sent to t-0
p0/1 is sent to t-1
p0/t0 is to abort
p0/t0 is aborted
m0 processes p0/1 at t-1@0
t-0 is read from 0: p0/0, abort of p0
t-1 is read from 0: p0/1
"
    )
}

#[test]
fn a_record_of_an_aborted_transaction_is_one_where_its_marker_is_missing_too() {
    finds(&half_closed("read_committed"), &[(Anomaly::G1a, 1)]);
    finds(&half_closed("read_uncommitted"), &[]);
}

/// A record of an aborted transaction that stands nowhere, beside one that does
/// of another.
fn gone(isolation: &str) -> String {
    format!(
        "\
g reads t with {isolation}
m0 of g starts with t-0
p0/t0 begins
p0/0 is sent to t-0
p0/t0 is to abort
p0/t0 is aborted
m0 processes p0/0 at t-0@0
p1/t0 begins
p1/0 is sent to t-0
p1/t0 is to commit
p1/t0 is committed
t-0 is read from 0: nothing, nothing, p1/0, commit of p1
"
    )
}

#[test]
fn a_record_of_an_aborted_transaction_is_one_where_it_stands_nowhere_too() {
    finds(&gone("read_committed"), &[(Anomaly::G1a, 1)]);
    finds(&gone("read_uncommitted"), &[]);
}

/// A reading that reached the recorder before the sending, and an abort that
/// was asked for and not answered.
fn unanswered(isolation: &str) -> String {
    format!(
        "\
g reads t with {isolation}
m0 of g starts with t-0
m0 processes p0/0 at t-0@0
p0/t0 begins
p0/0 is sent to t-0
p0/t0 is to abort
t-0 is read from 0: p0/0
"
    )
}

#[test]
fn an_abort_that_was_asked_for_makes_no_earlier_reading_right() {
    let early = [(Anomaly::PrecommittedRead, 1)];
    finds(&unanswered("read_committed"), &early);
    finds(&unanswered("read_uncommitted"), &[]);
}

/// A member that jumps over a record of a transaction whose marker stands
/// behind the point at which the reading of the log broke off.
fn broken_off(isolation: &str) -> Vec<Event> {
    let text = format!(
        "\
g reads t with {isolation}
m0 of g starts with t-0
p1/0 is sent to t-0
p0/t0 begins
p0/0 is sent to t-0
p0/t0 is to abort
p0/t0 is aborted
p1/1 is sent to t-0
m0 processes p1/0 at t-0@0
m0 processes p1/1 at t-0@3
t-0 is read from 0: p1/0, p0/0, abort of p0, p1/1
"
    );
    let mut events = history(&text);
    let is_marker = |event: &Event| {
        let Body::StoredBatch { kind, .. } = event.body else {
            return false;
        };
        kind == BatchKind::AbortMarker
    };
    let end = events.iter().position(is_marker).unwrap();
    events.truncate(end);
    events
}

#[test]
fn what_may_have_been_aborted_behind_the_end_of_what_was_read_is_expected_of_nobody() {
    finds_in(broken_off("read_committed"), &[]);
    finds_in(broken_off("read_uncommitted"), &[(Anomaly::PollSkip, 1)]);
}

/// Two transactions that read: one in the other's records, or between them.
fn read_in(offset: u64) -> String {
    format!(
        "\
g reads t
m0 of g starts with t-0
m1 of g starts with t-1
p0/t0 begins
p1/t0 begins
m0 reads for p1/t0
m1 reads for p0/t0
p0/0 is sent to t-0
p0/1 is sent to t-0
p1/0 is sent to t-1
m0 processes p0/{offset} at t-0@{offset}
m1 processes p1/0 at t-1@0
p0/t0 is to commit
p0/t0 is committed
p1/t0 is to commit
p1/t0 is committed
t-0 is read from 0: p0/0, nothing, p0/1, commit of p0
t-1 is read from 0: p1/0, commit of p1
"
    )
}

#[test]
fn what_was_read_in_a_hole_between_a_transactions_records_was_not_its_own() {
    finds(&read_in(0), &[(Anomaly::G1c, 1)]);
    finds(&read_in(1), &[]);
}

// Without a log.

/// A transaction of unknown outcome, of which a reader was given one record.
fn unsure(group: &str) -> String {
    format!(
        "\
the history comes from another
{group}
m0 of g starts with t-0
p0/t0 begins
p0/0 is sent to t-0
p0/1 is sent to t-0
p0/0 is acknowledged at t-0@0
p0/1 is acknowledged at t-0@1
p0/t0 is to commit
p0/t0 may be committed: late
m0 processes p0/1 at t-0@1
"
    )
}

#[test]
fn a_reader_that_only_relies_on_committed_records_proves_no_commit() {
    finds(&unsure("g reads t\ng relies on committed records"), &[]);
    let committed = [(Anomaly::LostWrite, 1), (Anomaly::TornTransaction, 1)];
    finds(&unsure("g reads t with read_committed"), &committed);
}

/// A reading where a record of an aborted transaction was acknowledged.
fn acknowledged_there(read: &str) -> String {
    format!(
        "\
the history comes from another
g reads t with read_committed
m0 of g starts with t-0
p1/0 is sent to t-0
p0/t0 begins
p0/0 is sent to t-0
p0/0 is acknowledged at t-0@0
p0/t0 is to abort
p0/t0 is aborted
m0 processes {read} at t-0@0
"
    )
}

#[test]
fn without_a_log_what_was_read_says_whether_it_was_aborted() {
    finds(&acknowledged_there("p1/0"), &[]);
    finds(&acknowledged_there("p0/0"), &[(Anomaly::G1a, 1)]);
}

/// Two transactions in one order in one partition; in the other, the second
/// was acknowledged here.
fn acknowledged(place: &str) -> String {
    format!(
        "\
the history comes from another
g reads t
m0 of g starts with t-0, t-1
p0/t0 begins
p1/t0 begins
p0/0 is sent to t-0
p0/1 is sent to t-1
p1/0 is sent to t-0
p1/1 is sent to t-1
p0/1 is acknowledged at t-1@1
p1/1 is acknowledged at {place}
p0/t0 is to commit
p0/t0 is committed
p1/t0 is to commit
p1/t0 is committed
m0 processes p0/0 at t-0@0
m0 processes p1/0 at t-0@1
m0 processes p0/1 at t-1@1
"
    )
}

#[test]
fn what_was_acknowledged_without_a_place_stands_behind_nothing() {
    finds(&acknowledged("t-1@-1"), &[(Anomaly::Unseen, 1)]);
    let circle = [
        (Anomaly::LostWrite, 1),
        (Anomaly::TornTransaction, 1),
        (Anomaly::G0, 1),
    ];
    finds(&acknowledged("t-1@0"), &circle);
}

#[test]
fn a_group_is_given_nothing_else_where_nothing_was_sent_in_transactions() {
    let plain = "\
the history comes from another
g reads t with read_committed
m0 of g starts with t-0
p0/0 is sent to t-0
p0/0 is acknowledged at t-0@0
p1/t0 begins
m0 processes p0/0 at t-0@0
";
    let isolation = |text: &str| story_of(history(text)).check().coverage.isolation;
    assert!(isolation(plain)[0].is_plain);
    let inside = plain.replace("p1/t0 begins", "p0/t0 begins");
    let inside = inside.replace("p0/0 is sent", "p0/t0 begins\np0/0 is sent");
    assert!(!isolation(&inside)[0].is_plain);
}

#[test]
fn no_marker_is_missing_where_nobody_saw_the_log() {
    let covered = |text: &str| story_of(history(text)).check().coverage.transactions;
    let told = covered(&unsure("g reads t"));
    assert_eq!((told.unknown, told.open), (1, 0));
    let observed = covered(&half_closed("read_uncommitted"));
    assert_eq!((observed.aborted, observed.open), (1, 1));
}

// Captured rows.

/// A row that was deleted once, and a second delete event.
fn deleted_again(second: &str) -> String {
    format!(
        "\
tx0 inserts rows/7 as c0
tx0 is committed
tx1 deletes rows/7 as c1
tx1 is committed
tx2 inserts rows/7 as c2
tx2 is committed
tx3 updates rows/7 as c3
tx3 is committed
the capture catches up
rows-0 is read from 0: {second}
rows holds 7 by c3
"
    )
}

#[test]
fn a_delete_from_another_place_than_the_one_that_was_made_is_nobodys() {
    let told = "insert of rows/7 by c0 at lsn 1, delete of rows/7 at lsn 2, \
                insert of rows/7 by c2 at lsn 3, ";
    let end = "update of rows/7 by c3 at lsn 5";
    let phantom = format!("{told}delete of rows/7 at lsn 4, {end}");
    finds(&deleted_again(&phantom), &[(Anomaly::RowPhantom, 1)]);
    let again = format!("{told}delete of rows/7 at lsn 2, {end}");
    finds(&deleted_again(&again), &[(Anomaly::RowDuplicate, 1)]);
    finds(&deleted_again(&format!("{told}{end}")), &[]);
}

#[test]
fn a_delete_that_comes_too_late_is_out_of_order() {
    let late = "insert of rows/7 by c0 at lsn 1, insert of rows/7 by c2 at lsn 3, \
                delete of rows/7 at lsn 2, update of rows/7 by c3 at lsn 5";
    finds(&deleted_again(late), &[(Anomaly::CommitOrder, 1)]);
}

/// A transaction of unknown outcome, and a row that carries its change.
fn carried_by(row: &str) -> String {
    format!(
        "\
tx0 inserts rows/7 as c0
tx0 may be committed
the capture catches up
rows-0 is read from 0: nothing
rows holds {row} by c0
"
    )
}

#[test]
fn a_change_that_another_row_carries_proves_no_commit() {
    let divergence = (Anomaly::StateDivergence, 1);
    finds(&carried_by("8"), &[divergence]);
    finds(&carried_by("7"), &[(Anomaly::RowMissing, 1), divergence]);
}

/// A place at which an aborted record and another were acknowledged, below one
/// that a group was given.
fn passed(readers: &str) -> u64 {
    let text = format!(
        "\
the history comes from another
g reads t with read_committed
h reads t
m0 of g starts with t-0
m1 of h starts with t-0
p0/t0 begins
p0/0 is sent to t-0
p0/0 is acknowledged at t-0@1
p0/t0 is to abort
p0/t0 is aborted
p1/0 is sent to t-0
p1/0 is acknowledged at t-0@1
p2/0 is sent to t-0
p2/0 is acknowledged at t-0@2
m0 processes p2/0 at t-0@2
{readers}"
    );
    let analysis = story_of(history(&text)).check();
    analysis.coverage.isolation[0].aborted_passed
}

#[test]
fn without_a_log_what_nobody_saw_was_not_passed() {
    assert_eq!(passed("m1 processes p0/0 at t-0@1\n"), 1);
    assert_eq!(passed(""), 0);
}
