//! Every way to a verdict.

use checker::judge;
use model::anomaly::Anomaly;
use model::claim::{Claim, Contract, FaultContract, GroupContract, Guarantee, Level, Traffic};
use model::event::{Body, CaptureResult, ChangeContent, Cleanup, Content, Ending, Found, RowOp};
use model::ids::{ChangeId, GroupIx};
use model::scenario::{Happening, Occurrence};
use model::verdict::{Calibration, ScenarioVerdict, Verdict};

use crate::notation::history;
use crate::story::{
    CHANGES, FAULT, Slot, Story, TABLE, capture_story, changes, group_story, healed, injected,
    inside, ours, part, story, story_of, transaction, triggered,
};

fn claims(claims: &[(Claim, Level)]) -> Contract {
    Contract {
        guarantees: claims
            .iter()
            .map(|(claim, level)| Guarantee {
                claim: *claim,
                level: *level,
                limit_ms: (*claim == Claim::RecoversWithin).then_some(1000),
            })
            .collect(),
        groups: vec![GroupContract {
            name: "g".to_owned(),
            commit_every_records: 2,
        }],
        ..Contract::default()
    }
}

fn required(claim: Claim) -> Contract {
    claims(&[(claim, Level::Required)])
}

fn rule(contract: &Contract, story: &Story) -> ScenarioVerdict {
    judge(contract, "test", 1, &story.check(), Vec::new())
}

#[track_caller]
fn is(verdict: &ScenarioVerdict, expected: Verdict, reason: &str) {
    let first = &verdict.guarantees[0];
    assert_eq!(
        (first.verdict, first.reason.as_str()),
        (expected, reason),
        "{:?}",
        verdict.doubts
    );
    assert_eq!(verdict.verdict, expected);
    assert_eq!(verdict.as_expected, expected == Verdict::Held);
}

/// Whatever the claims looked like, nobody can tell, for this reason only.
#[track_caller]
fn is_doubted(verdict: &ScenarioVerdict, doubt: &str) {
    assert_eq!(verdict.doubts, [doubt]);
    assert_eq!(verdict.verdict, Verdict::Inconclusive);
    assert_eq!(verdict.guarantees[0].verdict, Verdict::Inconclusive);
    assert!(!verdict.as_expected);
}

#[track_caller]
fn rules(claim: Claim, story: &Story, expected: Verdict, reason: &str) {
    is(&rule(&required(claim), story), expected, reason);
}

fn of(change: u64) -> ChangeContent {
    ChangeContent::Ours(ChangeId::new(change))
}

#[test]
fn what_was_tested_and_not_contradicted_is_held() {
    let sent = story().sends(3).log(&ours([0, 1, 2]));
    let held = Verdict::Held;
    rules(
        Claim::NoLoss,
        &sent,
        held,
        "3 acknowledged records, all stored",
    );
    rules(
        Claim::NoPhantom,
        &sent,
        held,
        "3 records stored, every one was sent",
    );
    rules(
        Claim::Intact,
        &sent,
        held,
        "3 records stored, all undamaged",
    );
    rules(
        Claim::NoDuplicates,
        &sent,
        held,
        "3 records stored, each once",
    );
    rules(
        Claim::Ordered,
        &sent,
        held,
        "3 records stored in the order of sending",
    );
}

#[test]
fn what_producers_were_told_is_counted() {
    let acked = story().sends(2).log(&ours([0, 1]));
    let all = "all 2 records were acknowledged";
    rules(Claim::AllAcknowledged, &acked, Verdict::Held, all);

    let told = story().send(0).unsure(0).send(1).fail(1).send(2).ack(2, 0);
    let told = told.log(&ours([2]));
    rules(
        Claim::AllAcknowledged,
        &told,
        Verdict::Violated,
        "2 of 3 records were not acknowledged: 1 certainly not written, 1 of unknown outcome; p0 \
         was told too large (once); p0 was told timed out (once)",
    );
    rules(
        Claim::OutcomesReported,
        &told,
        Verdict::Held,
        "of all 3 records the application was told what became of them: 1 acknowledged, 1 \
         certainly not written, 1 of unknown outcome",
    );
    let silent = story().sends(1).send(1).log(&ours([0]));
    rules(
        Claim::OutcomesReported,
        &silent,
        Verdict::Violated,
        "of 1 of 2 records nothing was ever heard, first p0/1",
    );
}

#[test]
fn what_was_deleted_unseen_is_not_held() {
    // Offset 0 may have been a record of unknown outcome, or a marker.
    let story = group_story().send(0).unsure(0).send(1).ack(1, 1);
    let story = story.processes(0, 1..2).commits(0, 2).group_waited();
    let story = story.log_from(1, &ours([1]));
    let unknown = "g committed past 1 offsets below the log start that were neither acknowledged \
                   nor processed";
    for claim in [Claim::NoGroupGap, Claim::GroupComplete] {
        rules(claim, &story, Verdict::Inconclusive, unknown);
    }
    let behind = group_story().sends(3).processes(0, 0..1).commits(0, 1);
    let behind = behind.processes(0, 2..3).group_waited();
    rules(
        Claim::GroupComplete,
        &behind.log_from(2, &ours([2])),
        Verdict::Inconclusive,
        "1 acknowledged records were deleted before g came to them",
    );
}

#[test]
fn what_could_not_have_failed_is_not_held() {
    let nothing = group_story().log(&[]);
    for claim in Claim::ALL {
        let verdict = rule(&required(*claim), &nothing);
        assert_eq!(verdict.verdict, Verdict::Inconclusive, "{claim}");
    }
    assert_eq!(
        rule(&Contract::default(), &story().sends(1).log(&ours([0]))).verdict,
        Verdict::Inconclusive
    );
    rules(
        Claim::Ordered,
        &story().sends(1).log(&ours([0])),
        Verdict::Inconclusive,
        "no two records of one producer stand in one partition",
    );
}

#[test]
fn a_contradicted_claim_is_violated_and_says_what_and_where() {
    rules(
        Claim::NoLoss,
        &story().sends(3).log(&ours([0])),
        Verdict::Violated,
        "2 lost-write of 3 acknowledged, first p0 1",
    );
}

#[test]
fn proof_is_proof_however_doubtful_the_run() {
    let story = story()
        .sends(2)
        .and(Body::TrafficEnded)
        .truth(part(0), 0, &ours([0]))
        .and(Body::Aborted {
            reason: "the disk is full".to_owned(),
        });
    let verdict = rule(&required(Claim::NoLoss), &story);
    assert_eq!(verdict.verdict, Verdict::Violated);
    assert_eq!(
        verdict.doubts,
        ["the scenario was given up: the disk is full"]
    );
    assert!(!verdict.as_expected);
}

#[test]
fn a_history_that_is_not_whole_holds_nothing() {
    let cut = story().sends(1).truth(part(0), 0, &ours([0]));
    is_doubted(
        &rule(&required(Claim::NoLoss), &cut),
        "the history ends before the run was completed",
    );

    let unread = story().sends(1).pinned(part(0), 0, 1).and(Body::Completed);
    is_doubted(
        &rule(&required(Claim::NoLoss), &unread),
        "not read to the end: t-0",
    );

    let strayed = story().sends(1).processes(5, 0..1).log(&ours([0]));
    is_doubted(
        &rule(&required(Claim::NoLoss), &strayed),
        "1 reads or commits of members that the history does not introduce",
    );
}

#[test]
fn what_retention_or_damage_hides_is_not_held() {
    rules(
        Claim::NoLoss,
        &story().sends(2).log_from(1, &ours([1])),
        Verdict::Inconclusive,
        "1 acknowledged records lie below the log start: retention may have taken them",
    );
    rules(
        Claim::NoLoss,
        &story().sends(1).log(&[Slot::Is(Content::Corrupt)]),
        Verdict::Inconclusive,
        "damaged records stand where 1 were acknowledged",
    );
}

#[test]
fn a_missed_mutant_makes_the_run_inconclusive() {
    let missed = Calibration {
        anomaly: Anomaly::LostWrite,
        mutation: "p0/0 dropped".to_owned(),
        found: false,
    };
    let analysis = story().sends(1).log(&ours([0])).check();
    let verdict = judge(&required(Claim::NoLoss), "test", 1, &analysis, vec![missed]);
    is_doubted(
        &verdict,
        "the checker missed a planted lost-write: p0/0 dropped",
    );
}

// Levels.

#[test]
fn an_observed_violation_does_not_count() {
    let duplicated = story().sends(1).log(&ours([0, 0]));
    let contract = claims(&[
        (Claim::NoLoss, Level::Required),
        (Claim::NoDuplicates, Level::Observed),
    ]);
    let verdict = rule(&contract, &duplicated);
    assert_eq!(verdict.guarantees[1].verdict, Verdict::Violated);
    assert_eq!(
        (verdict.verdict, verdict.as_expected),
        (Verdict::Held, true)
    );
}

#[test]
fn a_scenario_that_only_observes_comes_to_nothing_that_was_expected() {
    let contract = claims(&[(Claim::NoLoss, Level::Observed)]);
    let verdict = rule(&contract, &story().sends(1).log(&ours([0])));
    assert_eq!(verdict.guarantees[0].verdict, Verdict::Held);
    assert_eq!(
        (verdict.verdict, verdict.as_expected),
        (Verdict::Inconclusive, false)
    );
}

#[test]
fn an_expected_violation_must_be_seen() {
    let contract = claims(&[
        (Claim::NoLoss, Level::ExpectViolated),
        (Claim::NoPhantom, Level::Required),
    ]);
    let seen = rule(&contract, &story().sends(2).log(&ours([0])));
    assert_eq!((seen.verdict, seen.as_expected), (Verdict::Violated, true));
    let unseen = rule(&contract, &story().sends(1).log(&ours([0])));
    assert_eq!(
        (unseen.verdict, unseen.as_expected),
        (Verdict::Inconclusive, false)
    );
    let mut both = story().sends(2).send(2).fail(2);
    both = both.log(&ours([0, 2]));
    let worse = rule(&contract, &both);
    assert_eq!(
        (worse.verdict, worse.as_expected),
        (Verdict::Violated, false)
    );
}

// Faults.

fn with_fault(meets: Traffic) -> Contract {
    let mut contract = required(Claim::NoLoss);
    contract.faults = vec![FaultContract {
        fault: FAULT,
        kind: "broker-pause".to_owned(),
        meets,
    }];
    contract
}

fn paused(found: Found) -> Story {
    story()
        .sends(1)
        .send(1)
        .fault(triggered)
        .fault(injected)
        .evidence(found)
        .fault(healed)
        .ack(1, 1)
}

#[test]
fn a_fault_that_landed_leaves_no_doubt() {
    let verdict = rule(
        &with_fault(Traffic::Any),
        &paused(Found::Yes).log(&ours([0, 1])),
    );
    assert_eq!(verdict.verdict, Verdict::Held, "{:?}", verdict.doubts);
    let fault = &verdict.faults[0];
    assert!(fault.landed);
    assert_eq!((fault.injected_ms, fault.healed_ms), (Some(6), Some(8)));
    assert_eq!(
        fault.evidence[1].detail,
        "1 send outstanding when it came into force, 0 attempted while it lasted"
    );
}

/// What a fault breaks may stay broken: that is no doubt of the fault.
#[test]
fn a_fault_lands_whether_or_not_what_it_broke_came_back() {
    let left = |fault| Body::FaultNotHealed {
        fault,
        why: "task 0 FAILED".to_owned(),
    };
    let story = story()
        .sends(1)
        .send(1)
        .fault(injected)
        .evidence(Found::Yes);
    let log = ours([0, 1]);
    for story in [story.clone().ack(1, 1), story.fault(left).ack(1, 1)] {
        let verdict = rule(&with_fault(Traffic::Any), &story.log(&log));
        assert_eq!(verdict.verdict, Verdict::Held, "{:?}", verdict.doubts);
        assert!(verdict.faults[0].landed);
        assert_eq!(verdict.faults[0].healed_ms, None);
    }
}

#[test]
fn a_fault_that_did_not_land_leaves_the_run_inconclusive() {
    let log = ours([0, 1]);
    let quiet = story()
        .sends(2)
        .fault(injected)
        .evidence(Found::Yes)
        .fault(healed);
    let cases = [
        (story().sends(2), "it was never in force"),
        (
            story()
                .sends(1)
                .send(1)
                .fault(injected)
                .fault(healed)
                .ack(1, 1),
            "nobody looked for evidence of it",
        ),
        (paused(Found::No), "not found: process state is T (state)"),
        (
            quiet,
            "not found: traffic met it (0 sends outstanding when it came into force, \
             0 attempted while it lasted)",
        ),
    ];
    for (story, why) in cases {
        let verdict = rule(&with_fault(Traffic::Any), &story.log(&log));
        assert!(!verdict.faults[0].landed);
        let doubt = format!("the fault broker-pause never took effect: {why}");
        is_doubted(&verdict, &doubt);
    }
}

#[test]
fn a_fault_of_readers_must_meet_records_that_wait_for_them() {
    let contract = with_fault(Traffic::Reads {
        group: "g".to_owned(),
    });
    let fault = |story: Story| {
        let story = story.fault(injected).evidence(Found::Yes).fault(healed);
        rule(&contract, &story.log(&ours([0, 1]))).faults[0].landed
    };
    assert!(fault(group_story().sends(2).processes(0, 0..1)));
    assert!(!fault(group_story().sends(2).processes(0, 0..2)));
}

#[test]
fn a_fault_of_capture_must_meet_changes() {
    let mut contract = with_fault(Traffic::Changes);
    contract.guarantees = required(Claim::NoRowMissing).guarantees;
    let fault = |tail: i64| {
        let story = capture_story()
            .committed(0, 7, RowOp::Insert)
            .and(Body::TailSeen {
                partition: crate::story::changes(),
                end: model::ids::Offset::new(tail),
            })
            .fault(injected)
            .evidence(Found::Yes)
            .fault(healed)
            .event(0, 7, RowOp::Insert, of(0))
            .row(7, of(0));
        rule(&contract, &story.captured(1, 1)).faults[0].landed
    };
    assert!(fault(0));
    assert!(!fault(1));
}

// Groups.

fn read_twice() -> Story {
    group_story()
        .sends(4)
        .processes(0, 0..2)
        .commits(0, 2)
        .processes(0, 2..3)
        .ends(0, Ending::Killed)
        .member(1)
        .processes(1, 2..4)
        .commits(1, 4)
        .ends(1, Ending::Clean)
        .group_waited()
        .group_offset(Some(4))
}

#[test]
fn group_claims_say_how_much_was_read() {
    let story = read_twice().log(&ours([0, 1, 2, 3]));
    let held = Verdict::Held;
    rules(
        Claim::NoGroupGap,
        &story,
        held,
        "g processed all 4 records below its committed offset",
    );
    rules(
        Claim::GroupComplete,
        &story,
        held,
        "g processed all 4 records",
    );
    rules(
        Claim::ReadsInOrder,
        &story,
        held,
        "g made 3 consecutive reads in order",
    );
    rules(
        Claim::NoCommitRegression,
        &story,
        held,
        "g committed 2 times, and never went back",
    );
    rules(
        Claim::ReprocessedWithinWindow,
        &story,
        held,
        "g processed 1 record again, 2 allowed: 1 restart, a commit every 2 records",
    );
    rules(
        Claim::NothingReprocessed,
        &story,
        Verdict::Violated,
        "1 reprocessed, first t-0 2",
    );
    rules(
        Claim::RecoversWithin,
        &story,
        held,
        "g was back after 2 ms, 1000 ms allowed",
    );
}

#[test]
fn more_than_the_window_is_violated() {
    let again = read_twice().member(2).processes(2, 0..4);
    rules(
        Claim::ReprocessedWithinWindow,
        &again.log(&ours([0, 1, 2, 3])),
        Verdict::Violated,
        "g processed 5 records again, 4 allowed: 2 restarts, a commit every 2 records",
    );
}

#[test]
fn a_group_that_nobody_waited_for_is_not_incomplete() {
    let story = group_story().sends(2).processes(0, 0..1).commits(0, 1);
    rules(
        Claim::GroupComplete,
        &story.log(&ours([0, 1])),
        Verdict::Inconclusive,
        "g did not process 1 of 2 records, and nobody waited for it",
    );
}

#[test]
fn a_group_of_the_contract_that_never_came_up_is_missed() {
    let story = story().sends(1).log(&ours([0]));
    rules(
        Claim::NoGroupGap,
        &story,
        Verdict::Inconclusive,
        "the group g never came up",
    );
}

#[test]
fn a_slow_recovery_is_violated_and_none_cannot_be_told() {
    let story = group_story()
        .sends(2)
        .processes(0, 0..1)
        .ends(0, Ending::Clean)
        .member(1);
    rules(
        Claim::RecoversWithin,
        &story
            .clone()
            .wait_ms(1500)
            .processes(1, 1..2)
            .log(&ours([0, 1])),
        Verdict::Violated,
        "g was back after 1502 ms, 1000 ms allowed",
    );
    rules(
        Claim::RecoversWithin,
        &story.log(&ours([0, 1])),
        Verdict::Inconclusive,
        "nothing came back after a restart, or nothing was restarted",
    );
}

#[test]
fn groups_are_independent_when_all_read_everything_at_the_same_time() {
    let other = GroupIx::new(1);
    let both = group_story()
        .group(other, "h")
        .member_of(other, 1)
        .send(0)
        .ack(0, 0)
        .processes(0, 0..1)
        .processes(1, 0..1);
    let together = both
        .clone()
        .send(1)
        .ack(1, 1)
        .processes(0, 1..2)
        .processes(1, 1..2)
        .send(2)
        .ack(2, 2)
        .processes(0, 2..3)
        .processes(1, 2..3);
    let verdict = rule(
        &required(Claim::GroupsIndependent),
        &together.log(&ours([0, 1, 2])),
    );
    assert_eq!(
        verdict.verdict,
        Verdict::Held,
        "{}",
        verdict.guarantees[0].reason
    );
    let apart = both
        .send(1)
        .ack(1, 1)
        .send(2)
        .ack(2, 2)
        .processes(0, 1..3)
        .processes(1, 1..3);
    assert_eq!(
        rule(
            &required(Claim::GroupsIndependent),
            &apart.clone().log(&ours([0, 1, 2]))
        )
        .verdict,
        Verdict::Held
    );
    let after = group_story()
        .group(other, "h")
        .member_of(other, 1)
        .sends(2)
        .processes(0, 0..2)
        .processes(1, 0..2);
    rules(
        Claim::GroupsIndependent,
        &after.log(&ours([0, 1])),
        Verdict::Inconclusive,
        "the groups did not read while the others and the producers were active",
    );
}

// Change data capture.

#[test]
fn a_capture_that_never_caught_up_cannot_be_told_from_loss() {
    let story = capture_story()
        .committed(0, 7, RowOp::Insert)
        .row(7, of(0))
        .waits(CaptureResult::TimedOut)
        .whole(0, 1);
    for claim in [Claim::NoRowMissing, Claim::NoLoss, Claim::NoStateDivergence] {
        rules(
            claim,
            &story,
            Verdict::Inconclusive,
            "1 committed changes have no event, and the last change never came out of the \
             topics: late cannot be told from missing",
        );
    }
}

#[test]
fn a_table_that_was_not_read_is_named_though_nothing_was_changed_in_it() {
    let unread = |story: Story| {
        let coverage = story.check().coverage;
        coverage.capture.map(|capture| capture.unread)
    };
    let named = Some(vec!["public.rows".to_owned()]);
    assert_eq!(unread(capture_story()), named);
    assert_eq!(unread(capture_story().whole(0, 0)), Some(Vec::new()));
    assert_eq!(unread(story()), None, "nothing is captured");
}

#[test]
fn capture_claims_say_how_much_was_captured() {
    let story = capture_story()
        .committed(0, 7, RowOp::Insert)
        .committed(1, 7, RowOp::Update)
        .event(0, 7, RowOp::Insert, of(0))
        .event(1, 7, RowOp::Update, of(1))
        .row(7, of(1))
        .captured(2, 1);
    let held = Verdict::Held;
    let all = "2 committed changes, all have their event";
    rules(Claim::NoLoss, &story, held, all);
    rules(Claim::NoRowMissing, &story, held, all);
    rules(
        Claim::NoRowDuplicate,
        &story,
        held,
        "2 events, each of another change",
    );
    rules(
        Claim::NoRowPhantom,
        &story,
        held,
        "2 events, each of a change that was committed",
    );
    rules(
        Claim::CommitOrder,
        &story,
        held,
        "1 events follow another of their row, all in order",
    );
    rules(
        Claim::NoStateDivergence,
        &story,
        held,
        "1 rows, all as the topics replay them",
    );
}

#[test]
fn what_a_snapshot_told_of_is_settled() {
    let story = capture_story()
        .committed(0, 7, RowOp::Insert)
        .event(0, 7, RowOp::Snapshot, of(0))
        .row(7, of(0))
        .captured(1, 1);
    let all = "1 committed changes, all have their event";
    rules(Claim::NoRowMissing, &story, Verdict::Held, all);
}

/// Late, or in a topic that nobody read to its end, is not missing.
#[test]
fn nothing_is_missing_that_may_still_come_or_may_stand_unread() {
    let story = capture_story()
        .committed(0, 7, RowOp::Insert)
        .committed(1, 8, RowOp::Insert)
        .event(0, 7, RowOp::Insert, of(0))
        .row(7, of(0))
        .row(8, of(1));
    let missing = story.clone().captured(1, 2).check();
    assert_eq!(missing.count(Anomaly::RowMissing), 1);
    let of_rows = |analysis: &checker::Analysis| {
        let capture = analysis.coverage.capture.clone().unwrap();
        (analysis.count(Anomaly::RowMissing), capture.settled)
    };
    assert_eq!(of_rows(&missing), (1, 2));
    let late = story.clone().whole(1, 2).check();
    assert_eq!(of_rows(&late), (0, 1), "nobody waited");
    let unread = story.waits(CaptureResult::CaughtUp);
    let unread = unread.pinned(changes(), 0, 2).and(Body::TableRead {
        table: TABLE,
        rows: 2,
    });
    let unread = unread.and(Body::TrafficEnded).and(Body::Completed).check();
    assert_eq!(of_rows(&unread), (0, 0), "nobody read on");
}

#[test]
fn a_database_that_forgot_a_commit_leaves_the_run_inconclusive() {
    let story = capture_story()
        .committed(0, 7, RowOp::Insert)
        .event(0, 7, RowOp::Insert, of(0))
        .captured(1, 0);
    is_doubted(
        &rule(&required(Claim::NoRowMissing), &story),
        "the database does not hold 1 rows as it confirmed them",
    );
}

#[test]
fn a_table_that_was_not_read_whole_leaves_the_run_inconclusive() {
    let story = capture_story()
        .committed(0, 7, RowOp::Insert)
        .event(0, 7, RowOp::Insert, of(0))
        .captured(1, 1);
    is_doubted(
        &rule(&required(Claim::NoRowMissing), &story),
        "tables or their topics not read to the end: public.rows",
    );
}

#[test]
fn nobody_can_tell_what_is_missing_from_a_topic_that_is_cleaned_up() {
    let story = capture_story().committed(0, 7, RowOp::Insert);
    let story = story.event(0, 7, RowOp::Insert, of(0)).row(7, of(0));
    let compacted = story.clone().and(Body::TopicCleanup {
        topic: CHANGES,
        policy: Cleanup::Compact,
    });
    let compacted = compacted.captured(1, 1);
    let why = "the topic of public.rows compacts: an event that is not there may have been \
               replaced";
    for claim in [Claim::NoLoss, Claim::NoRowMissing] {
        rules(claim, &compacted, Verdict::Inconclusive, why);
    }
    let same = "1 rows, all as the topics replay them";
    rules(Claim::NoStateDivergence, &compacted, Verdict::Held, same);
    let cut = story.waits(CaptureResult::CaughtUp).pinned(changes(), 1, 1);
    let cut = cut.read(changes()).and(Body::TableRead {
        table: TABLE,
        rows: 1,
    });
    let cut = cut.and(Body::TrafficEnded).and(Body::Completed);
    let why = "the topic of public.rows has lost its beginning, and events with it";
    for claim in [Claim::NoRowMissing, Claim::NoStateDivergence] {
        rules(claim, &cut, Verdict::Inconclusive, why);
    }
}

// Brokers and transactions.

#[test]
fn a_log_that_could_have_moved_back_and_did_not_is_held() {
    let held = "1 partitions pinned, none ended before anything that was seen, acknowledged or \
                read in it";
    let sent = story().sends(2).log(&ours([0, 1]));
    rules(Claim::NoTruncation, &sent, Verdict::Held, held);
    rules(
        Claim::NoTruncation,
        &story().log(&[]),
        Verdict::Inconclusive,
        "no partition was known to have reached anywhere before it was pinned",
    );
}

#[test]
fn replicas_agree_only_if_several_were_read() {
    let one = story().sends(2).replica(1, 0, &ours([0, 1]));
    rules(
        Claim::ReplicasAgree,
        &one.clone().log(&ours([0, 1])),
        Verdict::Inconclusive,
        "of these only one replica was read: t-0",
    );
    rules(
        Claim::ReplicasAgree,
        &one.replica(2, 0, &ours([0, 1])).log(&ours([0, 1])),
        Verdict::Held,
        "2 records compared, the same in all of the 2 replicas of 1 partitions",
    );
}

#[test]
fn zombies_are_tested_for_only_where_a_member_outlives_its_partition() {
    let taken = group_story().sends(2).processes(0, 0..1).revokes(0);
    rules(
        Claim::NoZombie,
        &taken.clone().log(&ours([0, 1])),
        Verdict::Inconclusive,
        "no partition was taken from a member that went on",
    );
    rules(
        Claim::NoZombie,
        &taken.assigns(0).processes(0, 1..2).log(&ours([0, 1])),
        Verdict::Held,
        "partitions were taken 1 times from a member that went on, and went over 0 times to \
         another before the former had been told; none was touched by its former member",
    );
}

/// Two transactions of two records: one aborted, one committed and read.
fn transactions(read: std::ops::Range<i64>) -> Story {
    let story = group_story().read_committed().begins(0).sends(2);
    let story = story.aborts_transaction(0).begins(1);
    let story = story
        .send(2)
        .ack(2, 3)
        .send(3)
        .ack(3, 4)
        .commits_transaction(1);
    read.fold(story, |story, at| {
        let record = Content::Ours(crate::story::id(0, (at - 1).cast_unsigned()));
        story.processes_as(0, at, record)
    })
}

fn transactions_log(last: Slot) -> Vec<Slot> {
    let first = [inside([0, 1]), vec![Slot::Abort(100)]].concat();
    [first, inside([2, 3]), vec![last]].concat()
}

#[test]
fn committed_reading_is_tested_by_aborted_records_that_were_passed() {
    let log = transactions_log(Slot::Commit(100));
    let all = "g was given 2 records of committed transactions, and none of the 2 of aborted \
               ones that it passed";
    let read = transactions(3..5).log(&log);
    rules(Claim::ReadCommitted, &read, Verdict::Held, all);
    let nothing = "g was given 0 records of committed transactions, and none of the 0 of \
                   aborted ones that it passed";
    rules(
        Claim::ReadCommitted,
        &transactions(3..3).log(&log),
        Verdict::Inconclusive,
        nothing,
    );
    let whole = "1 transactions committed, 1 of them of two records or more, all visible as a \
                 whole; 1 aborted";
    rules(Claim::TransactionsWhole, &read, Verdict::Held, whole);
}

/// A group that reads a topic without transactions has nothing to be tested
/// by, and another has.
#[test]
fn committed_reading_is_not_tested_by_groups_of_topics_without_transactions() {
    let (other, plain) = (GroupIx::new(1), model::ids::TopicIx::new(7));
    let story = transactions(3..5)
        .and(Body::TopicDeclared {
            topic: plain,
            name: "plain".to_owned(),
            partitions: 1,
        })
        .and(Body::GroupDeclared {
            group: other,
            name: "h".to_owned(),
            topics: vec![plain],
        })
        .and(Body::IsolationDeclared {
            group: other,
            isolation: model::event::Isolation::ReadCommitted,
        });
    let empty = model::ids::PartitionRef {
        topic: plain,
        partition: model::ids::PartitionIndex::new(0),
    };
    let story = story.pinned(empty, 0, 0).read(empty);
    let all = "g was given 2 records of committed transactions, and none of the 2 of aborted \
               ones that it passed";
    let story = story.log(&transactions_log(Slot::Commit(100)));
    rules(Claim::ReadCommitted, &story, Verdict::Held, all);
}

#[test]
fn a_transaction_that_no_marker_closes_leaves_its_claims_open() {
    let open = transactions(3..5).log(&transactions_log(Slot::Gap));
    for claim in [Claim::TransactionsWhole, Claim::NoCycles] {
        rules(
            claim,
            &open,
            Verdict::Inconclusive,
            "1 transactions not closed by a marker when it was pinned",
        );
    }
    let disowned = transactions(3..3).log(&transactions_log(Slot::Abort(100)));
    rules(
        Claim::TransactionsWhole,
        &disowned,
        Verdict::Inconclusive,
        "1 transactions confirmed as committed, and aborted in the log",
    );
}

#[test]
fn circles_are_tested_for_only_where_transactions_read_one_another() {
    let log = transactions_log(Slot::Commit(100));
    rules(
        Claim::NoCycles,
        &transactions(3..5).log(&log),
        Verdict::Inconclusive,
        "no transaction read what another had written",
    );
    let reader = transaction(1, 0);
    let reading = transactions(3..3).begins_of(reader).joins(0, reader);
    let reading = reading.processes_as(0, 3, Content::Ours(crate::story::id(0, 2)));
    rules(
        Claim::NoCycles,
        &reading.commits_of(reader).log(&log),
        Verdict::Held,
        "1 pairs of transactions of which one read what the other had written, 0 of which one \
         wrote right behind the other, and no circle with a reading among them",
    );
}

#[test]
fn a_history_that_says_it_lacks_something_holds_nothing() {
    let lacking = story().sends(1).and(Body::Lacking {
        what: "a file".to_owned(),
    });
    is_doubted(
        &rule(&required(Claim::NoLoss), &lacking.log(&ours([0]))),
        "the history lacks something: a file",
    );
}

#[test]
fn what_compaction_may_have_taken_is_not_held() {
    let compacted = story().sends(2).and(Body::TopicCleanup {
        topic: crate::story::TOPIC,
        policy: model::event::Cleanup::Compact,
    });
    rules(
        Claim::NoLoss,
        &compacted.log(&[vec![Slot::Gap], ours([1])].concat()),
        Verdict::Inconclusive,
        "1 acknowledged records lie in holes of compacted topics: later ones of their keys may \
         have replaced them",
    );
}

/// What has to happen, and a history in which it does, and its twin.
#[test]
fn what_a_scenario_is_about_has_to_happen() {
    let sent = "g reads t\nm0 of g starts with t-0\np0/0 is sent to t-0\n\
                p0/0 is acknowledged at t-0@0\np0/1 is sent to t-0\n\
                p0/1 is acknowledged at t-0@1\n";
    let whole = "t-0 is read from 0: p0/0, p0/1";
    for (what, happens, not) in [
        (
            Happening::Compaction,
            "p0 has 1 keys\nt is cleaned by compact\nt-0 is read from 0: nothing, p0/1".to_owned(),
            format!("p0 has 1 keys\nt is cleaned by compact\n{whole}"),
        ),
        (
            Happening::Deletion,
            "t is cleaned by delete\nt-0 is read from 1: p0/1".to_owned(),
            format!("t is cleaned by delete\n{whole}"),
        ),
        (
            Happening::Transaction,
            "t-0 is read from 0: p0/0, p0/1, commit of p7".to_owned(),
            whole.to_owned(),
        ),
        (
            Happening::Abort,
            "t-0 is read from 0: p0/0, p0/1, abort of p7".to_owned(),
            "t-0 is read from 0: p0/0, p0/1, commit of p7".to_owned(),
        ),
        (
            Happening::Rebalance,
            format!("m1 of g starts with t-0\n{whole}"),
            format!("m0 is given t-0\n{whole}"),
        ),
    ] {
        for (topic, matters) in [(None, true), (Some("t"), true), (Some("u"), false)] {
            let contract = Contract {
                must_happen: vec![Occurrence {
                    what,
                    topic: topic.map(str::to_owned),
                }],
                ..required(Claim::NoPhantom)
            };
            let doubts = |rest: &str| {
                let story = story_of(history(&format!("{sent}{rest}")));
                judge(&contract, "any", 1, &story.check(), Vec::new()).doubts
            };
            assert_eq!(doubts(&happens).is_empty(), matters, "{what} {topic:?}");
            let missing = doubts(&not);
            assert_eq!(missing.len(), 1, "{what}: {missing:?}");
            assert!(missing[0].starts_with("what the scenario is about did not happen: "));
        }
    }
}

/// A record of a compacted topic that is not there, by its key.
#[test]
fn keys_tell_what_compaction_took_from_what_is_lost() {
    let sent = |keys: &str| {
        let sends = (0..4)
            .map(|at| format!("p0/{at} is sent to t-0\np0/{at} is acknowledged at t-0@{at}\n"));
        let sends: Vec<String> = sends.collect();
        format!("{keys}{}t is cleaned by compact\n", sends.concat())
    };
    let verdict = |text: &str| {
        let analysis = story_of(history(text)).check();
        let of = judge(&required(Claim::NoLoss), "any", 1, &analysis, Vec::new());
        (of.guarantees[0].verdict, of.guarantees[0].reason.clone())
    };
    let two = sent("p0 has 2 keys\n");
    let (held, reason) = verdict(&format!(
        "{two}t-0 is read from 0: nothing, nothing, p0/2, p0/3"
    ));
    assert_eq!(held, Verdict::Held);
    assert_eq!(
        reason,
        "4 acknowledged records: 2 stored, 2 replaced by later ones of their keys"
    );
    // The latest of a key is gone, and with it the key.
    let (lost, reason) = verdict(&format!(
        "{two}t-0 is read from 0: p0/0, p0/1, nothing, p0/3"
    ));
    assert_eq!(lost, Verdict::Violated, "{reason}");
    let (lost, reason) = verdict(&format!(
        "{two}t-0 is read from 0: nothing, p0/1, nothing, p0/3"
    ));
    assert_eq!(lost, Verdict::Violated, "{reason}");
    assert!(reason.starts_with("2 lost-write"), "{reason}");
    // Without keys nobody can tell.
    let none = sent("");
    let (open, _) = verdict(&format!(
        "{none}t-0 is read from 0: nothing, nothing, p0/2, p0/3"
    ));
    assert_eq!(open, Verdict::Inconclusive);
}
