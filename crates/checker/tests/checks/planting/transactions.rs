//! What is planted in transactions.

use std::collections::BTreeSet;

use model::anomaly::Anomaly;
use model::ids::Micros;

use super::{planted, plants, plants_both, plants_none};
use crate::notation::history;

/// A position that is committed with a transaction, of which the log tells
/// otherwise or not.
fn handed_over(marker: &str, rest: &str) -> String {
    format!(
        "\
g reads t
m0 of g starts with t-0
p0/0 is sent to t-0
m0 processes p0/0 at t-0@0
p1/t0 begins
p1/0 is sent to u-0
p1/t0 takes t-0@1 of g
p1/t0 is to commit
p1/t0 is committed
{rest}t-0 is read from 0: p0/0
u-0 is read from 0: p1/0, {marker} of p1
"
    )
}

#[test]
fn a_position_goes_back_only_from_where_it_was_committed() {
    let back = "g committed 0 of t-0 with a transaction after p1/t0 had committed 1";
    plants(&handed_over("commit", ""), Anomaly::CommitRegression, back);
    plants_none(&handed_over("abort", ""), Anomaly::CommitRegression);
    // When it was, nobody was told.
    let late =
        handed_over("commit", "").replace("p1/t0 is committed", "p1/t0 may be committed: late");
    plants_none(&late, Anomaly::CommitRegression);
}

#[test]
fn a_position_goes_back_by_a_producer_that_nobody_heard_of() {
    // One that began a transaction and sent nothing is one, too.
    let begun = "p2/t0 begins\np2/t0 is to abort\np2/t0 is aborted\n";
    let begun = handed_over("commit", begun);
    let back = "g committed 0 of t-0 with a transaction after p1/t0 had committed 1";
    plants(&begun, Anomaly::CommitRegression, back);
}

#[test]
fn what_a_group_has_passed_over_already_is_not_read_by_it() {
    let passed = |isolation: &str, commits: &str| {
        format!(
            "\
g reads t with {isolation}
g relies on committed records
m0 of g starts with t-0
p0/t0 begins
p0/0 is sent to t-0
p0/t0 is to abort
p0/t0 is aborted
p1/0 is sent to t-0
p1/0 is acknowledged at t-0@2
m0 processes p1/0 at t-0@2
{commits}t-0 is read from 0: p0/0, abort of p0, p1/0
"
        )
    };
    let read = "t-0@0, which was aborted, processed by g";
    let commits = "m0 commits t-0@3\n";
    plants_none(&passed("read_uncommitted", commits), Anomaly::G1a);
    plants(&passed("read_uncommitted", ""), Anomaly::G1a, read);
    plants(&passed("read_committed", commits), Anomaly::G1a, read);
}

#[test]
fn the_only_record_by_which_a_transaction_is_known_is_not_damaged() {
    let contradicted = |marker: &str| {
        format!(
            "\
p0/t0 begins
p0/0 is sent to t-0
p0/0 is acknowledged at t-0@0
p0/t0 is to abort
p0/t0 is aborted
t-0 is read from 0: p0/0, {marker} of p0
"
        )
    };
    plants_none(&contradicted("commit"), Anomaly::Corrupt);
    let damaged = "p0/0 at t-0@0 damaged";
    plants(&contradicted("abort"), Anomaly::Corrupt, damaged);
}

#[test]
fn only_a_transaction_of_which_something_is_seen_can_be_torn() {
    let two = |marker: &str| {
        format!(
            "\
p0/t0 begins
p0/0 is sent to t-0
p0/0 is acknowledged at t-0@0
p0/1 is sent to t-0
p0/1 is acknowledged at t-0@1
p0/t0 is to commit
p0/t0 is committed
t-0 is read from 0: p0/0, p0/1{marker}
"
        )
    };
    plants_none(&two(""), Anomaly::TornTransaction);
    let torn = "p0/0 at t-0@0 dropped from its transaction";
    plants(&two(", commit of p0"), Anomaly::TornTransaction, torn);
}

/// Two transactions in which a position is committed.
fn handed_over_twice(first: u64, second: u64) -> String {
    let number = |number: u64, offset: u64| {
        format!(
            "\
p1/t{number} begins
p1/{number} is sent to u-0
p1/t{number} takes t-0@{offset} of g
p1/t{number} is to commit
p1/t{number} is committed
"
        )
    };
    format!(
        "\
g reads t
m0 of g starts with t-0
p0/0 is sent to t-0
p0/1 is sent to t-0
m0 processes p0/0 at t-0@0
m0 processes p0/1 at t-0@1
{}{}t-0 is read from 0: p0/0, p0/1
u-0 is read from 0: p1/0, commit of p1, p1/1, commit of p1
",
        number(0, first),
        number(1, second)
    )
}

#[test]
fn a_position_goes_back_from_the_first_transaction_that_leaves_room() {
    let back = |number: u64, offset: u64| {
        format!("g committed 0 of t-0 with a transaction after p1/t{number} had committed {offset}")
    };
    let first = handed_over_twice(1, 2);
    plants(&first, Anomaly::CommitRegression, &back(0, 1));
    let second = handed_over_twice(0, 2);
    plants(&second, Anomaly::CommitRegression, &back(1, 2));
}

#[test]
fn no_record_of_one_transaction_is_torn_off_where_there_are_no_two() {
    let records = |more: &str, stored: &str| {
        format!(
            "\
p0/t0 begins
p0/0 is sent to t-0
p0/0 is acknowledged at t-0@0
{more}p0/t0 is to commit
p0/t0 is committed
t-0 is read from 0: p0/0{stored}, commit of p0
"
        )
    };
    let one = records("", "");
    plants_none(&one, Anomaly::TornTransaction);
    plants_none(&one, Anomaly::LostWrite);
    let second = "p0/1 is sent to t-0\np0/1 is acknowledged at t-0@1\n";
    let two = records(second, ", p0/1");
    let torn = "p0/0 at t-0@0 dropped from its transaction";
    plants(&two, Anomaly::TornTransaction, torn);
    plants(&two, Anomaly::LostWrite, torn);
    // What stays behind may stand first.
    let unsure = "p0/0 may be written: late\np0/0 is acknowledged";
    let last = "p0/1 at t-0@1 dropped from its transaction";
    let first_stays = two.replacen("p0/0 is acknowledged", unsure, 1);
    plants(&first_stays, Anomaly::TornTransaction, last);
    // Enough for two losses, which would tear it once.
    let sent = (1..16).map(|at| {
        let sent = format!("p0/{at} is sent to t-0\np0/{at} is acknowledged at t-0@{at}\n");
        (sent, format!(", p0/{at}"))
    });
    let (sent, stored): (Vec<String>, Vec<String>) = sent.unzip();
    let many = records(&sent.concat(), &stored.concat());
    plants(&many, Anomaly::TornTransaction, torn);
}

/// A transaction that is torn, or not, and read.
fn torn(marker: &str) -> String {
    format!(
        "\
g reads t with read_committed
m0 of g starts with t-0
p0/t0 begins
p0/0 is sent to t-0
p0/0 is acknowledged at t-0@0
p0/1 is sent to t-0
p0/1 is acknowledged at t-0@1
p0/2 is sent to t-0
p0/2 is acknowledged at t-0@3
p0/t0 is to commit
p0/t0 is committed
m0 processes p0/0 at t-0@0
m0 processes p0/1 at t-0@1
t-0 is read from 0: p0/0, p0/1, commit of p0, p0/2, {marker} of p0
"
    )
}

#[test]
fn what_is_torn_is_neither_lost_nor_read_early() {
    let whole = torn("commit");
    let early = "p0/0 at t-0@0 processed by g before its commit was asked for";
    plants(&whole, Anomaly::PrecommittedRead, early);
    let lost = "p0/0 at t-0@0 dropped from its transaction";
    plants(&whole, Anomaly::LostWrite, lost);
    for anomaly in [
        Anomaly::PrecommittedRead,
        Anomaly::LostWrite,
        Anomaly::TornTransaction,
    ] {
        plants_none(&torn("abort"), anomaly);
    }
}

#[test]
fn nothing_is_read_before_the_first_moment() {
    let mut events = history(&torn("commit"));
    let early = "p0/0 at t-0@0 processed by g before its commit was asked for";
    let of = [Anomaly::PrecommittedRead];
    let expected = BTreeSet::from([(Anomaly::PrecommittedRead, early.to_owned())]);
    assert_eq!(planted(events.clone(), &of), expected);
    for event in &mut events {
        event.at = Micros::new(0);
    }
    assert_eq!(planted(events, &of), BTreeSet::new());
}

#[test]
fn what_was_aborted_is_not_read_early() {
    let text = "\
g reads t
g relies on committed records
m0 of g starts with t-0
p0/t0 begins
p0/0 is sent to t-0
p0/0 is acknowledged at t-0@0
p0/t0 is to abort
p0/t0 is aborted
m0 processes p0/0 at t-0@0
t-0 is read from 0: p0/0, abort of p0
";
    plants_none(text, Anomaly::PrecommittedRead);
}

#[test]
fn a_record_of_a_transaction_is_lost_and_torn_beside_a_skip() {
    let text = "\
g reads t
m0 of g starts with t-0
p0/t0 begins
p0/0 is sent to t-1
p0/0 is acknowledged at t-1@0
p0/1 is sent to t-1
p0/1 is acknowledged at t-1@1
p0/t0 is to commit
p0/t0 is committed
p1/0 is sent to t-0
p1/1 is sent to t-0
p1/2 is sent to t-0
m0 processes p1/0 at t-0@0
m0 processes p1/2 at t-0@2
m1 of g starts with t-1
m1 processes p0/0 at t-1@0
m1 processes p0/1 at t-1@1
t-0 is read from 0: p1/0, p1/1, p1/2
t-1 is read from 0: p0/0, p0/1, commit of p0
";
    let torn = "p0/0 at t-1@0 dropped from its transaction";
    plants(text, Anomaly::TornTransaction, torn);
}

/// Transactions of one record each, one behind the other.
fn behind_one_another(told: &str) -> String {
    format!(
        "\
g reads t
m0 of g starts with t-0
p0/t0 begins
p1/t0 begins
p2/t0 begins
p0/0 is sent to t-0
p0/0 is acknowledged at t-0@0
p1/0 is sent to t-0
p1/0 is acknowledged at t-0@2
p2/0 is sent to t-0
p2/0 is acknowledged at t-0@4
p0/t0 is to commit
{told}p1/t0 is to commit
p1/t0 is committed
p2/t0 is to commit
p2/t0 is committed
t-0 is read from 0: p0/0, commit of p0, p1/0, commit of p1, p2/0, commit of p2
"
    )
}

#[test]
fn a_transaction_reads_what_the_next_wrote_before_it_ends() {
    // All are victims of other anomalies, too.
    let first = "t-0@2 of p1/t0 read by p0/t0, which wrote before it";
    let told = behind_one_another("p0/t0 is committed\n");
    let third = (Anomaly::Duplicate, "p2/0 at t-0@4 stored a second time");
    plants_both(&told, [(Anomaly::G1c, first), third]);
    // Nobody knows when the first ended.
    let second = "t-0@4 of p2/t0 read by p1/t0, which wrote before it";
    plants(&behind_one_another(""), Anomaly::G1c, second);
}

#[test]
fn records_in_and_out_of_a_transaction_are_not_swapped() {
    let swapped = |begins: &str, ends: &str, marker: &str| {
        format!(
            "\
p0/0 is sent to t-0
p0/0 is acknowledged at t-0@0
{begins}p0/1 is sent to t-0
p0/1 is acknowledged at t-0@1
{ends}t-0 is read from 0: p0/0, p0/1{marker}
"
        )
    };
    let plain = "p0/0 at t-0@0 and the next of its producer swapped";
    plants(&swapped("", "", ""), Anomaly::NonmonotonicSend, plain);
    let ends = "p0/t0 is to commit\np0/t0 is committed\n";
    let mixed = swapped("p0/t0 begins\n", ends, ", commit of p0");
    plants_none(&mixed, Anomaly::NonmonotonicSend);
    plants_none(&mixed, Anomaly::IntNonmonotonicSend);
}

#[test]
fn nothing_that_was_aborted_is_damaged_where_such_a_thing_was_read() {
    let aborted = |read: &str| {
        format!(
            "\
g reads t with read_committed
m0 of g starts with t-0
p0/t0 begins
p0/0 is sent to t-0
p0/0 is acknowledged at t-0@0
p0/t0 is to abort
p0/t0 is aborted
{read}t-0 is read from 0: p0/0, abort of p0
"
        )
    };
    let damaged = "p0/0 at t-0@0 damaged";
    plants(&aborted(""), Anomaly::Corrupt, damaged);
    let read = aborted("m0 processes p0/0 at t-0@0\n");
    plants_none(&read, Anomaly::Corrupt);
}
