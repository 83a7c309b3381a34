//! What no case of `tests/cases` can say: numbers at their ends, histories of
//! many operations, and other ways to call the checker and the judge.

use checker::{Checker, Pass, judge};
use model::anomaly::Anomaly;
use model::claim::{Claim, Contract};
use model::event::Content;
use model::verdict::{Calibration, Verdict};

use crate::cases::planted;
use crate::loss_location::examined_events;
use crate::notation::history;
use crate::story::{
    Story, group_story, healed, injected, ours, part, required, story, story_of, triggered,
};

#[test]
fn hostile_numbers_are_borne() {
    let story = group_story()
        .send(u64::MAX)
        .ack(u64::MAX, i64::MAX)
        .send(1 << 60)
        .ack(1 << 60, i64::MIN)
        .pinned(part(0), i64::MIN, i64::MAX)
        .stored(part(0), i64::MAX, Content::Foreign)
        .stored(part(0), i64::MIN, Content::Corrupt)
        .processes_as(0, i64::MIN, Content::Corrupt)
        .processes_as(0, i64::MAX, Content::Foreign)
        .commits(0, i64::MAX)
        .read(part(0))
        .fault(triggered)
        .fault(injected)
        .fault(healed);
    story.examine(&Contract::default());
}

#[test]
fn named_ranges_are_bounded_and_counts_are_exact() {
    let story = (0..12_000).fold(story(), |story, at| {
        story.send(at * 2).ack(at * 2, at.cast_signed())
    });
    let (analysis, _) = story.log(&[]).examine(&Contract::default());
    let finding = &analysis.findings[0];
    assert_eq!(finding.count, 12_000);
    assert_eq!(finding.ranges.len(), 10_000);
    assert!(!finding.ranges_complete);
    assert_eq!(finding.examples.len(), 5);
}

#[test]
fn as_many_examples_are_shown_as_are_asked_for() {
    let lost = history(
        "p0/0-2 are sent to t-0 and acknowledged from t-0@0
         t-0 is read from 0: nothing x3",
    );
    for asked in [0, 2, 100, 1_000_000] {
        let analysis = examined_events(&lost, asked);
        assert_eq!(analysis.findings[0].examples.len(), asked.min(3));
        assert_eq!(analysis.findings[0].count, 3);
        assert_eq!(analysis.findings[0].lost_at.len(), 1, "{asked}");
    }
}

#[test]
fn the_first_examples_by_name_are_shown() {
    let lost = history(
        "p0/0-119 are sent to t-0 and acknowledged from t-0@0
         t-0 is read from 0: nothing",
    );
    let examples = &examined_events(&lost, 100).findings[0].examples;
    let told: Vec<&str> = examples.iter().map(|it| it.item.as_str()).collect();
    let expected = (0..100).map(|at| format!("p0/{at}, acknowledged at t-0@{at}"));
    assert_eq!(told, expected.collect::<Vec<_>>());
}

/// A fault, and what producers feel of it.
fn broken() -> Story {
    story_of(history(
        "p0/0 is sent to t-0
         9 ms pass
         p0/0 is acknowledged at t-0@0
         p0/1-2 are sent to t-0
         f0 is triggered
         f0 is injected
         99 ms pass
         f0 is healed
         9 ms pass
         p0/1-2 are acknowledged from t-0@1
         p0/3 is sent to t-0
         4 ms pass
         p0/3 is acknowledged at t-0@3
         p0 has retried 7 times
         t-0 is read from 0: p0/0-3, p0/3",
    ))
}

#[test]
fn times_are_sorted_before_they_are_measured() {
    let mut story = broken();
    let expected = story.check().measurements;
    story.events.reverse();
    // Names must precede their use.
    story.events.rotate_right(1);
    assert_eq!(story.check().measurements, expected);
}

fn silence(mut checker: Checker, story: &Story) -> Option<u64> {
    loop {
        for event in &story.events {
            checker.observe(event);
        }
        match checker.end_pass() {
            Pass::Done(analysis) => return analysis.measurements.silent_longest_ms,
            Pass::Repeat(next) => checker = *next,
        }
    }
}

#[test]
fn nothing_is_measured_by_clocks_that_tell_too_little() {
    // Who recorded it is said last: it is all read once more.
    let imported = group_story().sends(1).processes(0, [0]).imported("another");
    for story in [broken(), imported] {
        assert!(silence(Checker::new(), &story).is_some());
        assert_eq!(silence(Checker::new().unmeasured(), &story), None);
    }
}

#[test]
fn a_missed_mutant_makes_the_run_inconclusive() {
    let missed = Calibration {
        anomaly: Anomaly::LostWrite,
        mutation: "p0/0 dropped".to_owned(),
        found: false,
    };
    let analysis = story().sends(1).log(&ours([0])).check();
    let contract = required([Claim::NoLoss]);
    let verdict = judge(&contract, "test", 1, &analysis, vec![missed]);
    let doubt = "the checker missed a planted lost-write: p0/0 dropped";
    assert_eq!(verdict.doubts, [doubt]);
    assert_eq!(verdict.verdict, Verdict::Inconclusive);
    assert_eq!(verdict.guarantees[0].verdict, Verdict::Inconclusive);
    assert!(!verdict.as_expected);
}

#[test]
fn what_promises_nothing_is_inconclusive() {
    let analysis = story().sends(1).log(&ours([0])).check();
    let verdict = judge(&Contract::default(), "test", 1, &analysis, Vec::new());
    assert_eq!(verdict.verdict, Verdict::Inconclusive);
}

/// Of a record that other members read very often, not every reading is kept:
/// no mutant is planted on it.
#[test]
fn a_record_of_which_not_all_readings_are_known_is_left_alone() {
    let plants = |anomaly, times: usize, sent: &str, rest: &str| {
        let often = "m9 processes p0/0 at t-0@0\n".repeat(times);
        let text = format!(
            "g reads t
             m0 of g starts with t-0
             p0/0 is sent to t-0 and acknowledged at t-0@0
             {sent}
             h reads t
             m9 of h starts with t-0
             {often}{rest}
             t-0 is read from 0: p0/0, p0/1"
        );
        planted(&story_of(history(&text)), &[anomaly])
    };
    let swaps = |times| {
        let sent = "p0/1 is sent to t-0 and acknowledged at t-0@1";
        plants(Anomaly::NonmonotonicSend, times, sent, "")
    };
    let swapped = "plants: nonmonotonic-send: p0/0 at t-0@0 and the next of its producer swapped";
    assert_eq!(swaps(999), [swapped]);
    assert_eq!(swaps(1000), ["plants: nothing"]);

    let gaps = |times| {
        let once = "m0 processes p0/0 at t-0@0\nm0 commits t-0@1";
        plants(Anomaly::GroupGap, times, "p0/1 is sent to t-0", once)
    };
    assert_eq!(
        gaps(998),
        ["plants: group-gap: p0/0 at t-0@0 not processed by g"]
    );
    assert_eq!(gaps(999), ["plants: nothing"]);
}
