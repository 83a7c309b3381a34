//! What the application was told of a send, where that is not an offset that a
//! broker gave.

use std::convert::Infallible;

use checker::{Analysis, Examples, examine};
use model::anomaly::Anomaly;
use model::claim::{Claim, Contract};

use crate::notation::history;
use crate::story::{every_claim, found, named, required, story_of};

fn analysed(text: &str) -> Analysis {
    let events = history(text);
    let open = || {
        let events = events.iter().cloned();
        Ok::<_, Infallible>(events.map(Ok::<_, Infallible>))
    };
    let Ok((analysis, _)) = examine(&Contract::default(), Examples::at_most(5), open);
    analysis
}

#[track_caller]
fn finds(text: &str, expected: &[(Anomaly, u64)]) {
    assert_eq!(found(&story_of(history(text)).check()), expected, "{text}");
}

/// Two records, of which the client reported success without an offset.
const TOLD: &str = "\
p0/0 is sent to t-0
p0/0 is acknowledged in t-0, without an offset
p0/1 is sent to t-0
p0/1 is acknowledged in t-0, without an offset
";

#[test]
fn told_success_and_stored_nowhere_is_lost() {
    let lost = format!("{TOLD}t-0 is read from 0: p0/0\n");
    finds(&lost, &[(Anomaly::LostWrite, 1)]);
    finds(
        &format!("{TOLD}t-0 is read from 0: p0/1, p0/0\n"),
        &[(Anomaly::NonmonotonicSend, 1)],
    );
    finds(&format!("{TOLD}t-0 is read from 0: p0/0, p0/1\n"), &[]);
    finds(&format!("{TOLD}t-0 is read from 1: p0/1\n"), &[]);
    finds(
        &format!("{TOLD}t is cleaned by compact\nt-0 is read from 0: nothing, p0/1\n"),
        &[],
    );
}

#[test]
fn an_example_says_that_there_was_no_offset() {
    let analysis = analysed(&format!("{TOLD}t-0 is read from 0: p0/0\n"));
    let example = &analysis.findings[0].examples[0];
    assert_eq!(
        example.what,
        "p0/1, reported as a success in t-0 without an offset"
    );
    let operations = example.operations.iter();
    let shown: Vec<String> = operations
        .map(|it| format!("{}: {}", it.who, it.what))
        .collect();
    // What was told of the other record has no place that it could share.
    assert_eq!(
        shown,
        [
            "p0: sent p0/1 to t-0",
            "p0: was told success of p0/1 in t-0, without an offset"
        ]
    );
}

#[test]
fn lost_records_are_planted_where_no_offset_was_told() {
    let text = format!("{TOLD}t-0 is read from 0: p0/0, p0/1\n");
    let story = story_of(history(&text));
    let (_, calibration) = story.examine(&required([Claim::NoLoss]));
    let planted: Vec<&str> = calibration.iter().map(|it| it.mutation.as_str()).collect();
    assert_eq!(planted, ["p0/0 at t-0@0 dropped from the log"]);
    let (_, all) = story.examine(&every_claim());
    let missed: Vec<_> = all.iter().filter(|mutant| !mutant.found).collect();
    assert!(missed.is_empty(), "{missed:#?}");
    let planted: Vec<Anomaly> = all.iter().map(|mutant| mutant.anomaly).collect();
    for anomaly in [Anomaly::LostWrite, Anomaly::Corrupt, Anomaly::Phantom] {
        assert!(planted.contains(&anomaly), "{planted:?}");
    }
    // Below the log start, retention may have taken it.
    let expired = format!("{TOLD}t-0 is read from 1: p0/1\n");
    let (_, none) = story_of(history(&expired)).examine(&required([Claim::NoLoss]));
    assert_eq!(none, []);
}

/// What stands where another was acknowledged highest proves that the log was
/// cut; a later success without an offset takes nothing of it back.
#[test]
fn a_success_without_an_offset_hides_no_truncation() {
    let cut = |more: &str| {
        format!(
            "\
p0/0 is sent to t-0
p0/0 is acknowledged at t-0@0
p0/1 is sent to t-0
p0/1 is acknowledged at t-0@1
p0/2 is sent to t-0
p0/2 is acknowledged at t-0@1
p0/3 is sent to t-0
{more}t-0 is read from 0: p0/0, p0/2, p0/3
"
        )
    };
    let without = cut("p0/3 is acknowledged in t-0, without an offset\n");
    for text in [cut("p0/3 is acknowledged at t-0@2\n"), without] {
        let analysis = story_of(history(&text)).check();
        assert_eq!(analysis.count(Anomaly::LogTruncation), 1, "{text}");
    }
}

#[test]
fn nothing_is_compared_with_an_offset_that_was_not_told() {
    let text = format!("{TOLD}t-0 is read from 0: p0/0, p0/1\n");
    let coverage = story_of(history(&text)).check().coverage.truncation;
    assert_eq!((coverage.pinned, coverage.compared), (1, 0));
}

#[test]
fn a_lag_counts_what_is_known_to_wait() {
    let text =
        format!("g reads t\nm0 of g starts with t-0\n{TOLD}t-0 is read from 0: p0/0, p0/1\n");
    let measured = story_of(history(&text)).check().measurements;
    assert_eq!(measured.groups[0].lag_peak, 0);
}

/// A recording by another tool: a client's outcomes, in the order in which it
/// told them, and what a reader was given.
fn recorded(told: &str, read: &str) -> String {
    format!("the history comes from kafkatest\ng reads t\nm0 of g starts with t-0\n{told}{read}")
}

const FIRST: &str = "p0/0 is acknowledged in t-0, without an offset\n";

#[test]
fn what_was_told_before_a_record_that_was_read_is_lost() {
    let next = "p0/1 is acknowledged at t-0@0\n";
    let read = "m0 processes p0/1 at t-0@0\n";
    let text = recorded(&format!("{FIRST}{next}"), read);
    finds(&text, &[(Anomaly::LostWrite, 1)]);
    let analysis = story_of(history(&text)).check();
    assert_eq!(named(&analysis, Anomaly::LostWrite), ["p0 0-0"]);
    let given = "m0 processes p0/0 at t-0@0\nm0 processes p0/1 at t-0@1\n";
    let next = "p0/1 is acknowledged at t-0@1\n";
    finds(&recorded(&format!("{FIRST}{next}"), given), &[]);
}

#[test]
fn what_may_lie_above_everything_that_was_read_is_unseen() {
    let unseen = [(Anomaly::Unseen, 1)];
    let read = "m0 processes p0/1 at t-0@0\n";
    // Nothing was told after it,
    let before = format!("p0/1 is acknowledged at t-0@0\n{FIRST}");
    finds(&recorded(&before, read), &unseen);
    // what was told is another producer's, or of another partition,
    let another = format!("{FIRST}p1/1 is acknowledged at t-0@0\n");
    finds(&recorded(&another, "m0 processes p1/1 at t-0@0\n"), &unseen);
    let elsewhere = format!("{FIRST}p0/1 is acknowledged at t-1@0\n");
    let both = "m0 is given t-1\nm0 processes p0/1 at t-1@0\n";
    finds(&recorded(&elsewhere, both), &unseen);
    // was sent before it,
    let earlier = "p0/2 is acknowledged in t-0, without an offset\np0/1 is acknowledged at t-0@0\n";
    finds(&recorded(earlier, read), &unseen);
    // or nobody read as far.
    let farther = format!("{FIRST}p0/1 is acknowledged at t-0@7\np0/2 is acknowledged at t-0@0\n");
    finds(
        &recorded(&farther, "m0 processes p0/2 at t-0@0\n"),
        &[(Anomaly::Unseen, 2), (Anomaly::NonmonotonicSend, 1)],
    );
}
