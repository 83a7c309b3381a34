//! What calibration plants in small histories, and where it plants nothing
//! because it would be missed, or would take out something else: each with a
//! twin in which it is planted.

mod groups;
mod rows;
mod transactions;

use std::collections::BTreeSet;

use model::anomaly::Anomaly;
use model::claim::{Claim, Contract};
use model::event::Event;

use crate::derived;
use crate::notation::history;
use crate::story::{every_claim, required, story_of};

/// What is planted for those claims alone that rest on some anomalies, of
/// these. Nothing may be missed, whatever is planted beside it.
#[track_caller]
fn planted(history: Vec<Event>, of: &[Anomaly]) -> BTreeSet<(Anomaly, String)> {
    let story = story_of(history);
    let plant = |contract: &Contract| {
        let (_, calibration) = story.examine(contract);
        let missed: Vec<_> = calibration.iter().filter(|mutant| !mutant.found).collect();
        assert!(missed.is_empty(), "{missed:#?}");
        calibration
    };
    plant(&every_claim());
    let rests_on_one = |claim: &Claim| {
        let mut rests_on = claim.contradicted_by().iter();
        rests_on.any(|anomaly| of.contains(anomaly))
    };
    let claims = Claim::ALL.iter().copied().filter(rests_on_one);
    let alone = plant(&required(claims));
    let of_it = alone
        .into_iter()
        .filter(|mutant| of.contains(&mutant.anomaly));
    of_it
        .map(|mutant| (mutant.anomaly, mutant.mutation))
        .collect()
}

#[track_caller]
fn plants(text: &str, anomaly: Anomaly, expected: &str) {
    plants_both(text, [(anomaly, expected)]);
}

#[track_caller]
fn plants_both<const N: usize>(text: &str, expected: [(Anomaly, &str); N]) {
    let of = expected.map(|(anomaly, _)| anomaly);
    let expected = expected.map(|(anomaly, what)| (anomaly, what.to_owned()));
    assert_eq!(planted(history(text), &of), BTreeSet::from(expected));
}

#[track_caller]
fn plants_none(text: &str, anomaly: Anomaly) {
    assert_eq!(planted(history(text), &[anomaly]), BTreeSet::new());
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

#[test]
fn an_outcome_is_changed_only_of_a_record_that_has_one() {
    let text = "\
p0/0 is sent to t-0
p0/0 may be written: late
p0/0 is acknowledged at t-0@0
p0/1 is sent to t-0
p0/1 is acknowledged at t-0@1
t-0 is read from 0: p0/0, p0/1
";
    let failed = "p0/1 at t-0@1 reported as not written";
    plants(text, Anomaly::FailedWriteVisible, failed);
    let alone = text.replacen("p0/1 is acknowledged at t-0@1\n", "", 1);
    plants_none(&alone, Anomaly::FailedWriteVisible);
    plants_none(text, Anomaly::NonmonotonicSend);
}

#[test]
fn what_is_planted_behind_the_end_leaves_a_place_free() {
    let text = "\
p0/0 is sent to t-0
p0/0 is acknowledged at t-0@0
t-0 is read from 0: p0/0
";
    let elsewhere = "p0/0 at t-0@0 acknowledged at 2 instead";
    plants(text, Anomaly::InconsistentOffsets, elsewhere);
}

/// Two records, and what brokers hold of them.
fn held(brokers: &str) -> String {
    format!(
        "\
p0/0 is sent to t-0
p0/0 is acknowledged at t-0@0
p0/1 is sent to t-0
p0/1 is acknowledged at t-0@1
t-0 is read from 0: p0/0, p0/1
{brokers}"
    )
}

#[test]
fn a_replica_differs_where_all_hold_a_record_that_is_ours() {
    let one = "broker 1 holds t-0 from 0: p0/0, p0/1\n";
    plants_none(&held(one), Anomaly::ReplicaDivergence);
    let differs = |brokers: &str, at: i64| {
        let what = format!("t-0@{at} replaced by a foreign record on broker 1");
        plants(&held(brokers), Anomaly::ReplicaDivergence, &what);
    };
    let both = format!("{one}broker 2 holds t-0 from 0: p0/0, p0/1\n");
    differs(&both, 0);
    let later = format!("{one}broker 2 holds t-0 from 1: p0/1\n");
    differs(&later, 1);
    // The first record is nobody's victim.
    let unheard = held(&both).replacen("p0/0 is acknowledged at t-0@0\n", "", 1);
    let second = "t-0@1 replaced by a foreign record on broker 1";
    plants(&unheard, Anomaly::ReplicaDivergence, second);
}

/// Two records that nobody acknowledged, of which a group made one each.
fn made(commits: &str) -> String {
    let text = derived::made(&format!("{commits}u-0 is read from 0: p1/0, p1/1\n"));
    let unheard = text.replacen("p0/0 is acknowledged at t-0@0\n", "", 1);
    unheard.replacen("p0/1 is acknowledged at t-0@1\n", "", 1)
}

#[test]
fn nothing_is_made_of_a_record_that_its_group_committed_past() {
    let first = "nothing made of t-0@0 by g";
    plants(&made("m0 commits t-0@2\n"), Anomaly::GroupGap, first);
    plants(&made("m0 commits t-0@1\n"), Anomaly::GroupGap, first);
    plants_none(&made("m0 commits t-0@0\n"), Anomaly::GroupGap);
    plants_none(&made(""), Anomaly::GroupGap);
}

#[test]
fn what_was_made_and_its_twin_are_planted_one_after_the_other() {
    let text = made("m0 commits t-0@2\n");
    let nothing = (Anomaly::GroupGap, "nothing made of t-0@0 by g");
    let twice = "p1/1 made of t-0@0 by g, as p1/0 was";
    plants_both(&text, [nothing, (Anomaly::Duplicate, twice)]);
    // What it was made of may be a victim, too.
    let heard = "p0/0 is acknowledged at t-0@0\np0/1 is acknowledged at t-0@1\nm0 processes";
    let heard = text.replacen("m0 processes", heard, 1);
    plants(&heard, nothing.0, nothing.1);
}

#[test]
fn nothing_is_planted_on_what_was_made_twice() {
    let again = "\
m1 of g starts with t-0
m1 processes p0/1 at t-0@1
p2/0 is made by g of t-0@1
p2/0 is sent to u-0
p2/0 is acknowledged at u-0@2
m0 commits t-0@2
";
    let once = made("m0 commits t-0@2\n").replacen("p1/0 is acknowledged at u-0@0\n", "", 1);
    let lost = "p1/1 at u-0@1 dropped from the log";
    plants(&once, Anomaly::LostWrite, lost);
    let twice = made(again).replacen("p1/0 is acknowledged at u-0@0\n", "", 1);
    let twice = twice.replace("p1/0, p1/1", "p1/0, p1/1, p2/0");
    plants_none(&twice, Anomaly::LostWrite);
}
