//! Where it was lost, and the proof with what stands and was read around it.

use std::convert::Infallible;

use checker::{Analysis, Examples, examine};
use model::anomaly::Anomaly;
use model::claim::Contract;
use model::verdict::{Certainty, Hop};

use crate::notation::history;

fn examined(text: &str, examples: usize) -> Analysis {
    let events = history(text);
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
    let cut = "t-0 was read at 2, and ended at 1 later";
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
