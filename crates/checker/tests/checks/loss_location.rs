//! Where it was lost, and the proof with what stands and was read around it.

use std::convert::Infallible;

use checker::{Analysis, Examples, examine};
use model::anomaly::Anomaly;
use model::claim::Contract;
use model::event::Event;
use model::verdict::{Certainty, Hop};
use proptest::prelude::*;

use crate::notation::history;
use crate::transacted;
use crate::world::{make, sizes};

fn examined(text: &str, examples: usize) -> Analysis {
    examined_events(&history(text), examples)
}

pub(crate) fn examined_events(events: &[Event], examples: usize) -> Analysis {
    let open = || {
        let events = events.iter().cloned();
        Ok::<_, Infallible>(events.map(Ok::<_, Infallible>))
    };
    let contract = Contract::default();
    let Ok((analysis, _)) = examine(&contract, Examples::at_most(examples), open);
    analysis
}

fn lost_at(text: &str, anomaly: Anomaly) -> Vec<(Hop, u64)> {
    let analysis = examined(text, 5);
    let findings = analysis.findings.iter();
    findings
        .filter(|finding| finding.anomaly == anomaly)
        .flat_map(|finding| &finding.lost_at)
        .map(|at| (at.hop, at.count))
        .collect()
}

fn proof(text: &str) -> Vec<String> {
    let analysis = examined(text, 5);
    let operations = &analysis.findings[0].examples[0].operations;
    operations
        .iter()
        .map(|it| format!("{}: {}", it.who, it.what))
        .collect()
}

const SENT: &str = "
g reads t
m0 of g starts with t-0
p0/0 is sent to t-0
p0/0 is acknowledged at t-0@0
p0/1 is sent to t-0
p0/1 is acknowledged at t-0@1
p0/2 is sent to t-0
p0/2 is acknowledged at t-0@2
";

#[test]
fn a_lost_record_is_put_to_the_hop_that_lost_it() {
    for (rest, hop) in [
        ("t-0 is read from 0: p0/0, nothing, p0/2", Hop::NeverSeen),
        (
            "m0 processes p0/1 at t-0@1\nt-0 is read from 0: p0/0, nothing, p0/2",
            Hop::StoredThenGone,
        ),
        (
            "t-0 is read from 0: p0/0, nothing, p0/2\nbroker 2 holds t-0 from 0: p0/0, p0/1, p0/2",
            Hop::StoredThenGone,
        ),
        (
            "p0/3 is sent to t-0\np0/3 may be written: timed out\n\
             t-0 is read from 0: p0/0, p0/3, p0/2",
            Hop::Replaced,
        ),
        // That the other record was read there says nothing of the lost one.
        (
            "p0/3 is sent to t-0\np0/3 may be written: timed out\nm0 processes p0/3 at t-0@1\n\
             t-0 is read from 0: p0/0, p0/3, p0/2",
            Hop::Replaced,
        ),
    ] {
        let text = format!("{SENT}{rest}");
        assert_eq!(lost_at(&text, Anomaly::LostWrite), [(hop, 1)], "{rest}");
    }
    let cut = format!("{SENT}t-0 is read from 0: p0/0");
    assert_eq!(lost_at(&cut, Anomaly::LostWrite), [(Hop::CutOff, 2)]);
    let wiped = format!("{SENT}t-0 is read from 0: ");
    assert_eq!(lost_at(&wiped, Anomaly::LostWrite), [(Hop::Wiped, 3)]);
}

#[test]
fn each_record_is_put_to_one_hop_and_all_are() {
    let text = format!("{SENT}m0 processes p0/2 at t-0@2\nt-0 is read from 0: p0/0, nothing");
    assert_eq!(
        lost_at(&text, Anomaly::LostWrite),
        [(Hop::NeverSeen, 1), (Hop::StoredThenGone, 1)]
    );
    let unplaced = "
p0/0 is sent to t-0
p0/0 is acknowledged at t-0@-1
t-0 is read from 0: nothing
";
    assert_eq!(lost_at(unplaced, Anomaly::LostWrite), [(Hop::NotTraced, 1)]);
}

#[test]
fn groups_lose_behind_the_log_and_captures_before_it() {
    for (anomaly, hop) in [
        (Anomaly::GroupGap, Hop::CommittedPast),
        (Anomaly::GroupIncomplete, Hop::NotDelivered),
        (Anomaly::RowMissing, Hop::NoEvent),
    ] {
        assert_eq!(lost_at(anomaly.definition().history, anomaly), [(hop, 1)]);
        assert_eq!(hop.certainty(), Certainty::Proven);
    }
    assert_eq!(
        lost_at(Anomaly::Duplicate.definition().history, Anomaly::Duplicate),
        []
    );
}

#[test]
fn what_retention_or_compaction_may_have_taken_is_no_loss() {
    let expired = format!("{SENT}t is cleaned by delete\nt-0 is read from 1: p0/1, p0/2");
    let analysis = examined(&expired, 5);
    assert_eq!(analysis.findings, []);
    assert_eq!((analysis.counts.expired, analysis.coverage.expired), (1, 1));

    let nobody_knows = format!("{SENT}t-0 is read from 1: p0/1, p0/2");
    let analysis = examined(&nobody_knows, 5);
    assert_eq!((analysis.counts.expired, analysis.coverage.expired), (0, 1));

    let compacted =
        format!("{SENT}t is cleaned by compact\nt-0 is read from 0: p0/0, nothing, p0/2");
    let analysis = examined(&compacted, 5);
    assert_eq!(analysis.findings, []);
    assert_eq!(analysis.counts.compacted, 1);

    let cut = format!("{SENT}t is cleaned by compact\nt-0 is read from 0: p0/0, p0/1");
    assert_eq!(lost_at(&cut, Anomaly::LostWrite), [(Hop::CutOff, 1)]);
}

#[test]
fn what_retention_took_before_a_group_came_to_it_is_the_groups_loss() {
    let read = "t is cleaned by delete\nt-0 is read from 2: p0/2";
    let passed = format!("{SENT}m0 processes p0/0 at t-0@0\nm0 commits t-0@3\n{read}");
    assert_eq!(
        lost_at(&passed, Anomaly::GroupGap),
        [(Hop::Expired, 1), (Hop::CommittedPast, 1)]
    );
    assert_eq!(Hop::Expired.certainty(), Certainty::Likely);

    let behind = format!("{SENT}m0 processes p0/0 at t-0@0\nm0 commits t-0@1\n{read}");
    let analysis = examined(&behind, 5);
    assert_eq!(analysis.findings, []);
    assert_eq!(analysis.coverage.groups[0].behind_expired, 1);

    let caught_up = format!(
        "{SENT}m0 processes p0/0 at t-0@0\nm0 processes p0/1 at t-0@1\n\
         m0 processes p0/2 at t-0@2\nm0 commits t-0@3\n{read}"
    );
    let analysis = examined(&caught_up, 5);
    assert_eq!(analysis.findings, []);
    assert_eq!(analysis.coverage.groups[0].unknown, 0);
}

#[test]
fn a_proof_shows_the_neighbours_and_who_read_them() {
    let text = format!(
        "{SENT}m0 processes p0/0 at t-0@0\nm0 processes p0/2 at t-0@2\n\
         t-0 is read from 0: p0/0, nothing, p0/2"
    );
    assert_eq!(
        proof(&text),
        [
            "p0: sent p0/1 to t-0",
            "p0: p0/1 was acknowledged at t-0@1",
            "g member 0: processed p0/0 at t-0@0, the nearest below",
            "g member 0: processed p0/2 at t-0@2, the nearest above",
            "observer: p0/0 stands at t-0@0, the nearest below",
            "observer: nothing stands at t-0@1; the log reaches from 0 up to, and without, 3",
            "observer: p0/2 stands at t-0@2, the nearest above",
        ]
    );
}

#[test]
fn as_many_examples_are_shown_as_are_asked_for() {
    let text = format!("{SENT}t-0 is read from 0: nothing, nothing, nothing");
    for asked in [0, 2, 100, 1_000_000] {
        let analysis = examined(&text, asked);
        assert_eq!(analysis.findings[0].examples.len(), asked.min(3));
        assert_eq!(analysis.findings[0].count, 3);
        assert_eq!(analysis.findings[0].lost_at.len(), 1, "{asked}");
    }
}

/// What the examples of an anomaly are about.
fn told(text: &str, anomaly: Anomaly) -> Vec<String> {
    let analysis = examined(text, 100);
    let findings = analysis.findings.into_iter();
    findings
        .filter(|finding| finding.anomaly == anomaly)
        .flat_map(|finding| finding.examples)
        .map(|example| example.what)
        .collect()
}

#[test]
fn the_first_examples_by_name_are_shown() {
    let sent =
        (0..120).map(|at| format!("p0/{at} is sent to t-0\np0/{at} is acknowledged at t-0@{at}\n"));
    let sent: Vec<String> = sent.collect();
    let text = format!("{}t-0 is read from 0: nothing", sent.concat());
    let told = told(&text, Anomaly::LostWrite);
    let expected = (0..100).map(|at| format!("p0/{at}, acknowledged at t-0@{at}"));
    assert_eq!(told, expected.collect::<Vec<_>>());
}

#[test]
fn an_example_says_what_was_not_done() {
    let passed = "m0 processes p0/0 at t-0@0\nm0 commits t-0@2\n";
    let text = format!("{SENT}{passed}t-0 is read from 0: p0/0, p0/1, p0/2");
    let gap = "t-0@1: committed past, up to 2, and never processed (g)";
    assert_eq!(told(&text, Anomaly::GroupGap), [gap]);
    let processed = passed.replace("m0 commits", "m0 processes p0/1 at t-0@1\nm0 commits");
    let text = format!(
        "{SENT}g makes u of what it reads\n{processed}t-0 is read from 0: p0/0, p0/1, p0/2\nu-0 is read from 0: nothing"
    );
    let gap = |at| {
        format!(
            "t-0@{at}: committed past, up to 2, and nothing that was made of it took effect (g)"
        )
    };
    assert_eq!(told(&text, Anomaly::GroupGap), [gap(0), gap(1)]);
}

#[test]
fn an_example_says_how_far_a_log_had_reached() {
    let text = format!("{SENT}m0 processes p0/2 at t-0@2\nt-0 is read from 0: p0/0");
    let cut = "t-0@2 was read, and later the log ended before offset 1";
    assert_eq!(told(&text, Anomaly::LogTruncation), [cut]);
}

#[test]
fn the_proof_of_a_torn_transaction_shows_all_its_parts() {
    let text = "\
p0/t0 begins
p0/0 is sent to t-0
p0/1 is sent to t-1
p0/t0 is to commit
t-0 is read from 0: p0/0, commit of p0
t-1 is read from 0: p0/1, abort of p0
";
    let expected = [
        "p0: began p0/t0",
        "p0: asked for p0/t0 to be committed",
        "observer: p0/0 stands at t-0@0",
        "observer: p0/1 stands at t-1@0",
    ];
    assert_eq!(proof(text), expected);
}

/// Every example of a finding, held to the operations beside it: what somebody
/// is seen to have had is put to no hop before him, and the other way round.
pub(crate) fn holds_to_its_operations(analysis: &Analysis, what: &str) {
    for finding in &analysis.findings {
        let at = |hop: Hop| {
            let mut at = finding.lost_at.iter();
            at.find(|it| it.hop == hop).map_or(0, |it| it.count)
        };
        if finding.examples.len() as u64 != finding.count {
            continue;
        }
        let about = |of: Anomaly| finding.anomaly == of;
        if about(Anomaly::GroupGap) || about(Anomaly::GroupIncomplete) {
            let (mut in_hand, mut known) = (0, 0);
            for example in &finding.examples {
                let (place, rest) = example.what.split_once(": ").unwrap();
                let (words, group) = rest.rsplit_once(" (").unwrap();
                let by_group = format!("{} member ", group.trim_end_matches(')'));
                let stands = format!(" stands at {place}");
                let mut operations = example.operations.iter();
                let record = operations.find_map(|it| it.what.strip_suffix(&stands));
                // Of what is gone, or was seen by readers only, nobody shows that
                // it stands there.
                let Some(record) = record else {
                    continue;
                };
                known += 1;
                let processed = format!("processed {record} at ");
                let had = example.operations.iter().any(|it| {
                    let by_group = it.who.starts_with(&by_group);
                    by_group
                        && it.what.starts_with(&processed)
                        && it.what.ends_with(|c: char| c.is_ascii_digit())
                });
                assert_eq!(
                    had,
                    !words.contains("never processed"),
                    "{}\n{:#?}\nin\n{what}",
                    example.what,
                    example.operations
                );
                in_hand += u64::from(had);
            }
            if known == finding.count {
                assert_eq!(
                    in_hand,
                    at(Hop::WithoutEffect),
                    "{:?}\nin\n{what}",
                    finding.lost_at
                );
            }
        }
        if about(Anomaly::LostWrite) {
            let seen = finding.examples.iter().filter(|example| {
                // "p0/1, acknowledged at …", or "… reported as a success …".
                let (record, _) = example.what.split_once(", ").unwrap();
                let processed = format!("processed {record} at ");
                let held = format!("{record} stands at ");
                let mut operations = example.operations.iter();
                operations.any(|it| {
                    it.what.starts_with(&processed)
                        || (it.what.starts_with(&held) && it.what.contains(" on broker "))
                })
            });
            let gone = at(Hop::StoredThenGone) + at(Hop::NotTraced);
            let seen = seen.count() as u64;
            assert!(
                seen <= gone,
                "{:?}\n{:#?}\nin\n{what}",
                finding.lost_at,
                finding.examples
            );
            assert!(
                at(Hop::StoredThenGone) <= seen,
                "{:?}\nin\n{what}",
                finding.lost_at
            );
        }
    }
}

proptest! {
    #[test]
    fn no_example_of_a_world_contradicts_its_hop(size in sizes(1..6)) {
        let events = make(size).story.events;
        holds_to_its_operations(&examined_events(&events, 100), "a world");
    }

    #[test]
    fn nor_does_one_of_a_world_of_transactions(size in transacted::sizes(1..30)) {
        let events = transacted::make(size).story.events;
        holds_to_its_operations(&examined_events(&events, 100), "a world of transactions");
    }
}

#[test]
fn no_example_contradicts_the_hop_that_it_is_put_to() {
    for anomaly in Anomaly::ALL {
        let definition = anomaly.definition();
        for text in [definition.history, definition.twin] {
            holds_to_its_operations(&examined(text, 100), text);
        }
    }
}

/// A transform whose transaction becomes nothing, in every way.
#[test]
fn what_a_member_had_in_hand_was_given_to_it() {
    for ending in [
        "p1/t0 is to abort\np1/t0 is aborted",
        "p1/t0 is to commit\np1/t0 is fenced",
        "m0 is killed",
    ] {
        let text = format!(
            "{SENT}g makes u of what it reads\np1/t0 begins\nm0 reads for p1/t0\n\
             m0 processes p0/0 at t-0@0\np1/0 is made by g of t-0@0\np1/0 is sent to u-0\n\
             p1/0 is acknowledged at u-0@0\n{ending}\ng is waited for\n\
             t-0 is read from 0: p0/0, p0/1, p0/2\nu-0 is read from 0: p1/0, abort of p1"
        );
        assert_eq!(
            lost_at(&text, Anomaly::GroupIncomplete),
            [(Hop::NotDelivered, 2), (Hop::WithoutEffect, 1)],
            "{ending}"
        );
        holds_to_its_operations(&examined(&text, 100), &text);
    }
    // What was made is gone, though the group committed past the record.
    let text = format!(
        "{SENT}g makes u of what it reads\nm0 processes p0/0 at t-0@0\nm0 commits t-0@2\n\
         t-0 is read from 0: p0/0, p0/1, p0/2\nu-0 is read from 0: nothing"
    );
    assert_eq!(
        lost_at(&text, Anomaly::GroupGap),
        [(Hop::CommittedPast, 1), (Hop::WithoutEffect, 1)]
    );
    holds_to_its_operations(&examined(&text, 100), &text);
}

#[test]
fn a_record_that_was_read_elsewhere_than_acknowledged_was_seen() {
    let text = format!("{SENT}m0 processes p0/1 at t-0@7\nt-0 is read from 0: p0/0, nothing, p0/2");
    assert_eq!(
        lost_at(&text, Anomaly::LostWrite),
        [(Hop::StoredThenGone, 1)]
    );
    let before = "
g reads t
m0 of g starts with t-0
p0/0 is sent to t-0
m0 processes p0/0 at t-0@4
p0/0 is acknowledged at t-0@0
t-0 is read from 0: nothing, nothing
";
    assert_eq!(
        lost_at(before, Anomaly::LostWrite),
        [(Hop::StoredThenGone, 1)]
    );
}

#[test]
fn a_member_has_the_plans_number_wherever_it_is_named() {
    let text = "
g reads t
m0 of g starts with t-0
m0 is member 2 of g, incarnation 1
p0/0 is sent to t-0
p0/0 is acknowledged at t-0@0
m0 processes p0/0 at t-0@0
m0 is killed
m1 of g starts with t-0
m1 is member 2 of g, incarnation 2
m1 processes p0/0 at t-0@0
m1 processes p0/0 at t-0@0
t-0 is read from 0: p0/0
";
    let analysis = examined(text, 5);
    let examples = |anomaly| {
        let finding = analysis.findings.iter().find(|it| it.anomaly == anomaly);
        finding.unwrap().examples.clone()
    };
    let again = &examples(Anomaly::Reprocessed)[0];
    assert_eq!(
        again.what,
        "t-0@0: member 2 incarnation 2 processed it again (g)"
    );
    let who: Vec<&str> = again.operations.iter().map(|it| it.who.as_str()).collect();
    assert!(
        who.contains(&"g member 2") && who.contains(&"g member 2 incarnation 2"),
        "{who:?}"
    );
    assert_eq!(again.logs, ["g-member-2.log"]);
    let back = &examples(Anomaly::NonmonotonicPoll)[0];
    assert!(
        back.what.contains("member 2 incarnation 2 went back"),
        "{}",
        back.what
    );
}

#[test]
fn what_a_member_sends_names_the_member() {
    let text = format!(
        "{SENT}g makes u of what it reads\nm0 is member 3 of g, incarnation 1, sending as p1\n\
         m0 processes p0/0 at t-0@0\np1/0 is made by g of t-0@0\np1/0 is sent to u-0\n\
         p1/0 is acknowledged at u-0@0\nu-0 is read from 0: nothing\n\
         t-0 is read from 0: p0/0, p0/1, p0/2"
    );
    let analysis = examined(&text, 5);
    let lost = &analysis.findings[0];
    assert_eq!(lost.anomaly, Anomaly::LostWrite);
    assert_eq!(lost.examples[0].operations[0].who, "p1 (g member 3)");
    assert_eq!(lost.examples[0].logs, ["g-member-3.log"]);
}
