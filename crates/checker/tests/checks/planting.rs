//! What calibration plants in small histories, and where it plants nothing
//! because it would be missed, or would take out something else: each with a
//! twin in which it is planted.

use std::collections::BTreeSet;

use model::anomaly::Anomaly;
use model::claim::{Claim, Contract, Guarantee, Level};

use crate::notation::history;
use crate::story::story_of;

/// What is planted of one anomaly for those claims alone that rest on it.
/// Nothing may be missed, whatever is planted beside it.
#[track_caller]
fn planted(text: &str, anomaly: Anomaly) -> BTreeSet<String> {
    let story = story_of(history(text));
    let plant = |claims: &dyn Fn(&Claim) -> bool| {
        let claims = Claim::ALL.iter().filter(|claim| claims(claim));
        let guarantees = claims.map(|claim| Guarantee {
            claim: *claim,
            level: Level::Required,
            limit_ms: None,
        });
        let contract = Contract {
            guarantees: guarantees.collect(),
            ..Contract::default()
        };
        let (_, calibration) = story.examine(&contract);
        let missed: Vec<_> = calibration.iter().filter(|mutant| !mutant.found).collect();
        assert!(missed.is_empty(), "{missed:#?}");
        calibration
    };
    plant(&|_| true);
    let alone = plant(&|claim| claim.contradicted_by().contains(&anomaly));
    let of_it = alone.into_iter().filter(|mutant| mutant.anomaly == anomaly);
    of_it.map(|mutant| mutant.mutation).collect()
}

#[track_caller]
fn plants(text: &str, anomaly: Anomaly, expected: &str) {
    assert_eq!(
        planted(text, anomaly),
        BTreeSet::from([expected.to_owned()])
    );
}

#[track_caller]
fn plants_none(text: &str, anomaly: Anomaly) {
    assert_eq!(planted(text, anomaly), BTreeSet::new());
}

#[test]
fn nothing_is_lost_of_a_topic_that_was_not_read() {
    let two = "\
p0/0 is sent to t-0
p0/0 is acknowledged at t-0@0
p0/1 is sent to t-1
p0/1 is acknowledged at t-1@0
t-0 is read from 0: p0/0
";
    plants_none(two, Anomaly::LostWrite);
    let both = format!("{two}t-1 is read from 0: p0/1\n");
    let lost = "p0/0 at t-0@0 dropped from the log";
    plants(&both, Anomaly::LostWrite, lost);
}

#[test]
fn no_event_is_missing_of_a_change_that_may_not_have_been_committed() {
    let updated = |insert: &str| {
        format!(
            "\
tx0 inserts rows/7 as c0
tx0 {insert}
tx1 updates rows/7 as c1
tx1 is committed
the capture catches up
rows-0 is read from 0: insert of rows/7 by c0, update of rows/7 by c1
rows holds 7 by c1
"
        )
    };
    plants_none(&updated("may be committed"), Anomaly::RowMissing);
    let missing = "rows row 7: its first event dropped";
    plants(&updated("is committed"), Anomaly::RowMissing, missing);
}

/// A record that stands behind a transaction that nobody closed.
fn behind_an_open_transaction(isolation: &str, rest: &str) -> String {
    format!(
        "\
g reads t with {isolation}
m0 of g starts with t-0
p0/t0 begins
p0/0 is sent to t-0
p1/0 is sent to t-0
p1/0 is acknowledged at t-0@1
m0 processes p1/0 at t-0@1
{rest}
t-0 is read from 0: p0/0, p1/0
"
    )
}

#[test]
fn no_group_lacks_what_an_open_transaction_keeps_from_it() {
    let passed = |isolation: &str| behind_an_open_transaction(isolation, "m0 commits t-0@2");
    plants_none(&passed("read_committed"), Anomaly::GroupGap);
    let gap = "p1/0 at t-0@1 not processed by g";
    plants(&passed("read_uncommitted"), Anomaly::GroupGap, gap);

    let awaited = |isolation: &str| behind_an_open_transaction(isolation, "g is waited for");
    plants_none(&awaited("read_committed"), Anomaly::GroupIncomplete);
    let incomplete =
        "p1/0 at t-0@1, the last of its partition, neither processed nor committed by g";
    plants(
        &awaited("read_uncommitted"),
        Anomaly::GroupIncomplete,
        incomplete,
    );
}

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

#[test]
fn nothing_is_planted_where_a_stranger_was_read_behind_the_end() {
    let offsets = [1, 2, 3, 4, 5, 6];
    let read = offsets.map(|at| format!("m0 processes a foreign record at t-0@{at}\n"));
    let text = format!(
        "\
g reads t
m0 of g starts with t-0
p0/0 is sent to t-0
p0/0 is acknowledged at t-0@0
m0 processes p0/0 at t-0@0
{}t-0 is read from 0: p0/0
",
        read.concat()
    );
    let phantom = "p0/0 at t-0@0 followed by a foreign record";
    plants(&text, Anomaly::Phantom, phantom);
}

#[test]
fn a_reading_that_is_taken_out_gives_no_other_name_to_a_skip() {
    // From 0 to 2 inside a transaction, from there to 3 outside.
    let skips = |first: &str| {
        format!(
            "\
g reads t
m0 of g starts with t-0
p0/0 is sent to t-0
p0/0 is acknowledged at t-0@0
p0/1 is sent to t-0
p0/2 is sent to t-0
p0/2 is acknowledged at t-0@2
p0/3 is sent to t-0
p0/3 is acknowledged at t-0@3
p1/t0 begins
m0 reads for p1/t0
m0 processes p0/0 at t-0@0
{first}m0 processes p0/2 at t-0@2
p1/t0 is to commit
p1/t0 is committed
m0 processes p0/3 at t-0@3
m0 commits t-0@4
t-0 is read from 0: p0/0, p0/1, p0/2, p0/3
"
        )
    };
    let last = "p0/3 at t-0@3 not processed by g";
    plants(&skips(""), Anomaly::GroupGap, last);
    let first = "p0/0 at t-0@0 not processed by g";
    let whole = skips("m0 processes p0/1 at t-0@1\n");
    plants(&whole, Anomaly::GroupGap, first);
}

/// What cut off one partition may be known by what is planted in it.
#[test]
fn no_log_is_cut_off_where_one_was_already() {
    let shorter = |acknowledged: &str| {
        format!(
            "\
p0/0 is sent to t-0
p0/0 is acknowledged at t-0@0
p0/1 is sent to t-0
{acknowledged}t-0 is read from 0: p0/0
t-1 is read from 0: nothing
"
        )
    };
    let cut = shorter("p0/1 is acknowledged at t-0@1\n");
    plants_none(&cut, Anomaly::LogTruncation);
    let farther = "t-0 seen to reach one record farther before it was pinned";
    plants(&shorter(""), Anomaly::LogTruncation, farther);
}
