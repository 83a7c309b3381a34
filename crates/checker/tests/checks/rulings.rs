//! What each ruling rests on: an analysis for which every claim is HELD, and one
//! figure at a time that takes it away.

use checker::{
    Analysis, CaptureCoverage, DerivationCoverage, Expectation, FaultRecord, GroupActivity,
    GroupCoverage, IsolationCoverage, ReadsMet, TrafficMet, expect, judge,
};
use model::anomaly::Anomaly;
use model::claim::{Claim, Contract, FaultContract, GroupContract, Guarantee, Level, Traffic};
use model::event::{CaptureResult, Evidence, Found};
use model::ids::{GroupIx, Micros};
use model::verdict::{CaptureMeasurements, Finding, GroupMeasurements, NamedRange, Verdict};

use crate::story::{FAULT, group_story, id};

const ALLOWED_MS: u64 = 1000;

fn ms(ms: u64) -> Micros {
    Micros::new(ms * 1000)
}

fn group(name: &str) -> GroupCoverage {
    GroupCoverage {
        name: name.to_owned(),
        stored: 8,
        below_committed: 7,
        distinct: 8,
        processed: 9,
        reprocessed: 1,
        waited: true,
        commits: 3,
        steps: 6,
        ..GroupCoverage::default()
    }
}

/// No two figures that a ruling may take for one another are the same.
fn sound() -> Analysis {
    let mut of = Analysis::default();
    of.counts.sent = 11;
    of.counts.acknowledged = 11;
    of.counts.stored = 12;
    of.counts.distinct = 10;
    of.counts.changes = 5;
    of.counts.change_events = 6;
    of.completeness.traffic_ended = true;
    of.completeness.completed = true;
    let coverage = &mut of.coverage;
    coverage.settled_acks = 11;
    coverage.ordered_pairs = 9;
    coverage.sending = Some((ms(0), ms(80)));
    coverage.groups = vec![group("g"), group("h")];
    let active = |from, to| GroupActivity {
        active: Some((ms(from), ms(to))),
        restarts: 1,
    };
    coverage.activity = vec![active(10, 90), active(20, 95)];
    let mut capture = CaptureCoverage::default();
    capture.changes = 5;
    capture.events = 6;
    capture.settled = 5;
    capture.ordered_pairs = 2;
    capture.compared = 4;
    capture.waited = Some(CaptureResult::CaughtUp);
    coverage.capture = Some(capture);
    coverage.truncation.pinned = 3;
    coverage.truncation.compared = 2;
    coverage.replicas.partitions = 2;
    coverage.replicas.replicas = 6;
    coverage.replicas.compared = 8;
    coverage.zombies.outlived = 1;
    coverage.zombies.overtaken = 1;
    coverage.isolation = vec![isolated("g", 3, 2)];
    coverage.transactions.committed = 4;
    coverage.transactions.committed_of_many = 3;
    coverage.transactions.aborted = 2;
    coverage.cycles.writes = 3;
    coverage.cycles.reads = 2;
    coverage.derived = DerivationCoverage {
        groups: 1,
        made: 6,
        aborted: 2,
        unsettled: 0,
    };
    of.measurements.groups = vec![GroupMeasurements {
        group: "g".to_owned(),
        processed: 9,
        distinct: 8,
        reprocessed: 1,
        recovery_ms: Some(900),
        outage_ms: Some(3900),
        lag_peak: 0,
        lag_mean: 0,
    }];
    of
}

fn isolated(group: &str, committed: u64, aborted_passed: u64) -> IsolationCoverage {
    IsolationCoverage {
        group: group.to_owned(),
        committed,
        aborted_passed,
        ..IsolationCoverage::default()
    }
}

fn contract(claim: Claim) -> Contract {
    let group = |name: &str| GroupContract {
        name: name.to_owned(),
        commit_every_records: 2,
    };
    Contract {
        guarantees: vec![Guarantee {
            claim,
            level: Level::Required,
            limit_ms: (claim == Claim::RecoversWithin).then_some(ALLOWED_MS),
        }],
        groups: vec![group("g"), group("h")],
        ..Contract::default()
    }
}

#[track_caller]
fn rules(claim: Claim, of: &Analysis, expected: Verdict, reason: &str) {
    let verdict = judge(&contract(claim), "test", 1, of, Vec::new());
    let ruling = &verdict.guarantees[0];
    assert_eq!(
        (ruling.verdict, ruling.reason.as_str()),
        (expected, reason),
        "{claim}"
    );
}

/// With one thing changed, nobody can tell, or not any more.
#[track_caller]
fn doubted(claim: Claim, change: impl FnOnce(&mut Analysis), reason: &str) {
    let mut of = sound();
    change(&mut of);
    rules(claim, &of, Verdict::Inconclusive, reason);
}

#[track_caller]
fn held(claim: Claim, change: impl FnOnce(&mut Analysis), reason: &str) {
    let mut of = sound();
    change(&mut of);
    rules(claim, &of, Verdict::Held, reason);
}

#[track_caller]
fn violated(claim: Claim, change: impl FnOnce(&mut Analysis), reason: &str) {
    let mut of = sound();
    change(&mut of);
    rules(claim, &of, Verdict::Violated, reason);
}

fn capture(of: &mut Analysis) -> &mut CaptureCoverage {
    of.coverage.capture.as_mut().unwrap()
}

#[test]
fn every_claim_is_held_of_a_sound_analysis() {
    for claim in Claim::ALL {
        let verdict = judge(&contract(*claim), "test", 1, &sound(), Vec::new());
        let ruling = &verdict.guarantees[0];
        assert_eq!(ruling.verdict, Verdict::Held, "{claim}: {}", ruling.reason);
        assert!(verdict.as_expected);
    }
}

#[test]
fn every_claim_is_contradicted_by_each_of_its_anomalies_with_how_many_and_which() {
    // Of reprocessed records it allows some: see its own test.
    let counted = |claim: &&Claim| **claim != Claim::ReprocessedWithinWindow;
    for claim in Claim::ALL.iter().filter(counted) {
        for anomaly in claim.contradicted_by() {
            let among = match anomaly {
                Anomaly::LostWrite => " of 11 acknowledged",
                Anomaly::RowMissing => " of 5 committed",
                _ => "",
            };
            violated(
                *claim,
                |of| of.findings = vec![finding(*anomaly)],
                &format!("3 {anomaly}{among}, first p0 7"),
            );
        }
    }
}

fn finding(anomaly: Anomaly) -> Finding {
    Finding {
        anomaly,
        count: 3,
        ranges: vec![NamedRange {
            of: "p0".to_owned(),
            first: 7,
            last: 9,
        }],
        ranges_complete: true,
        lost_at: Vec::new(),
        examples: Vec::new(),
    }
}

#[test]
fn no_loss_rests_on_every_acknowledged_record_having_been_looked_for() {
    let claim = Claim::NoLoss;
    let both = "11 acknowledged records, all stored; 5 committed changes, all have their event";
    held(claim, |_| (), both);
    doubted(
        claim,
        |of| of.coverage.expired = 1,
        "1 acknowledged records lie below the log start: retention may have taken them",
    );
    doubted(
        claim,
        |of| of.coverage.compacted = 1,
        "1 acknowledged records lie in holes of compacted topics: later ones of their keys may \
         have replaced them",
    );
    doubted(
        claim,
        |of| of.coverage.damaged = 1,
        "damaged records stand where 1 were acknowledged",
    );
    doubted(
        claim,
        |of| of.coverage.settled_acks = 10,
        "only 10 of 11 acknowledged records could be looked for",
    );
    held(claim, |of| of.coverage.settled_acks = 12, both);
    let records = "11 acknowledged records, all stored";
    held(claim, |of| of.coverage.capture = None, records);
    held(claim, |of| capture(of).changes = 0, records);
    held(claim, |of| capture(of).changes = 1, both);
    let changes = "5 committed changes, all have their event";
    held(claim, |of| of.counts.acknowledged = 0, changes);
    held(
        claim,
        |of| of.counts.acknowledged = 1,
        "1 acknowledged records, all stored; 5 committed changes, all have their event",
    );
    let neither = |of: &mut Analysis| {
        of.counts.acknowledged = 0;
        capture(of).changes = 0;
    };
    doubted(claim, neither, "nothing was acknowledged");
    doubted(claim, |of| capture(of).settled = 0, "nothing was committed");
}

#[test]
fn claims_about_what_producers_were_told_rest_on_the_end_of_the_sending() {
    for claim in [Claim::AllAcknowledged, Claim::OutcomesReported] {
        doubted(claim, |of| of.counts.sent = 0, "nothing was sent");
        doubted(
            claim,
            |of| of.completeness.traffic_ended = false,
            "the sending did not come to its end",
        );
    }
    violated(
        Claim::AllAcknowledged,
        |of| {
            of.coverage.unacknowledged = 1;
            of.counts.failed = 2;
            of.counts.unknown = 3;
        },
        "1 of 11 records were not acknowledged: 2 certainly not written, 3 of unknown outcome",
    );
    violated(
        Claim::OutcomesReported,
        |of| of.coverage.untold = (1, Some(id(0, 4))),
        "of 1 of 11 records nothing was ever heard, first p0/4",
    );
}

#[test]
fn claims_about_the_log_rest_on_what_stands_in_it() {
    for claim in [Claim::NoPhantom, Claim::Intact] {
        let nothing = |of: &mut Analysis| {
            of.counts.stored = 0;
            of.counts.change_events = 0;
        };
        doubted(claim, nothing, "nothing is stored");
    }
    held(
        Claim::NoPhantom,
        |of| {
            of.counts.stored = 1;
            of.counts.change_events = 1;
        },
        "1 record and 1 change event stored, every one was sent or is of a change that was \
         committed",
    );
    held(
        Claim::Intact,
        |of| of.counts.stored = 0,
        "6 change events stored, all undamaged",
    );
    doubted(
        Claim::Ordered,
        |of| of.coverage.ordered_pairs = 0,
        "no two records of one producer stand in one partition",
    );
    held(
        Claim::Ordered,
        |of| of.coverage.ordered_pairs = 1,
        "10 records stored in the order of sending",
    );
}

#[test]
fn no_duplicates_rests_on_what_was_made_of_others() {
    let claim = Claim::NoDuplicates;
    doubted(claim, |of| of.counts.stored = 0, "nothing is stored");
    doubted(
        claim,
        |of| of.coverage.derived.unsettled = 1,
        "1 records were made in transactions of unknown outcome",
    );
    doubted(
        claim,
        |of| of.coverage.derived.made = 0,
        "nothing was made of any record, though a group writes",
    );
    held(
        claim,
        |of| of.coverage.derived.groups = 0,
        "12 records stored, each once",
    );
    held(
        claim,
        |_| (),
        "12 records stored, each once; 6 of them were made of others, one of each, and 2 more \
         were aborted",
    );
}

#[test]
fn claims_about_groups_rest_on_each_group() {
    let of_second = |change: fn(&mut GroupCoverage)| {
        move |of: &mut Analysis| change(&mut of.coverage.groups[1])
    };
    let every = [
        Claim::NoGroupGap,
        Claim::GroupComplete,
        Claim::NothingReprocessed,
        Claim::ReprocessedWithinWindow,
        Claim::ReadsInOrder,
        Claim::NoCommitRegression,
    ];
    for claim in every {
        let absent = |of: &mut Analysis| of.coverage.groups[1].name = "x".to_owned();
        doubted(claim, absent, "the group h never came up");
    }
    let unsettled = of_second(|group| group.unsettled = 1);
    let why = "h processed 1 records in transactions of unknown outcome";
    for claim in [
        Claim::NoGroupGap,
        Claim::GroupComplete,
        Claim::NothingReprocessed,
        Claim::ReprocessedWithinWindow,
        Claim::GroupsIndependent,
    ] {
        doubted(claim, unsettled, why);
    }
    let unknown = of_second(|group| group.unknown = 1);
    let why = "h committed past 1 offsets below the log start that were neither acknowledged nor \
               processed";
    for claim in [Claim::NoGroupGap, Claim::GroupComplete] {
        doubted(claim, unknown, why);
    }

    doubted(
        Claim::NoGroupGap,
        of_second(|group| group.below_committed = 0),
        "h committed past no record",
    );
    held(
        Claim::NoGroupGap,
        |of| {
            for group in &mut of.coverage.groups {
                group.below_committed = 1;
                group.made = Some(1);
            }
        },
        "g processed all 1 records below its committed offset, and made something of each; h processed all \
         1 records below its committed offset, and made something of each",
    );

    let complete = Claim::GroupComplete;
    doubted(
        complete,
        of_second(|group| group.stored = 0),
        "there was nothing for h to read",
    );
    doubted(
        complete,
        of_second(|group| group.unstable = 1),
        "1 records stand behind a transaction that was never closed, where h does not get to",
    );
    doubted(
        complete,
        of_second(|group| group.behind = 1),
        "h did not process 1 of 8 records, and the run did not wait for it",
    );
    doubted(
        complete,
        of_second(|group| group.behind_expired = 1),
        "1 acknowledged records were deleted before h came to them",
    );
    doubted(
        complete,
        of_second(|group| {
            group.gaps = 2;
            group.gaps_expired = 1;
        }),
        "h committed past 2 of 9 records without processing them",
    );
    held(
        complete,
        |of| of.coverage.groups[1].stored = 1,
        "g processed all 8 records; h processed all 1 records",
    );

    doubted(
        Claim::NothingReprocessed,
        of_second(|group| group.processed = 0),
        "h processed nothing",
    );
    doubted(
        Claim::ReadsInOrder,
        of_second(|group| group.steps = 0),
        "h never read two records in a row",
    );
    doubted(
        Claim::NoCommitRegression,
        of_second(|group| group.commits = 1),
        "h committed 1 times",
    );
    held(
        Claim::NoCommitRegression,
        of_second(|group| group.commits = 2),
        "g committed 3 times, and never went back; h committed 2 times, and never went back",
    );
}

#[test]
fn a_window_is_as_wide_as_there_were_restarts() {
    let claim = Claim::ReprocessedWithinWindow;
    let again = |again: u64| {
        move |of: &mut Analysis| {
            of.coverage.groups.truncate(1);
            of.coverage.groups[0].name = "h".to_owned();
            of.coverage.groups[0].reprocessed = again;
            of.coverage.groups.insert(0, group("g"));
            of.coverage.groups[0].reprocessed = 0;
        }
    };
    let what = |again: u64| {
        format!("h processed {again} records again, 2 allowed: 1 restart, a commit every 2 records")
    };
    violated(claim, again(3), &what(3));
    held(
        claim,
        again(2),
        &format!(
            "g processed 0 records again, 2 allowed: 1 restart, a commit every 2 records; {}",
            what(2)
        ),
    );
    let never = "h was never interrupted while it was reading";
    doubted(
        claim,
        |of| {
            of.coverage.activity[1].restarts = 0;
            of.coverage.groups[1].reprocessed = 0;
        },
        never,
    );
    doubted(claim, |of| of.coverage.groups[1].processed = 0, never);
}

#[test]
fn groups_are_independent_while_all_of_them_read_what_was_being_sent() {
    let claim = Claim::GroupsIndependent;
    held(
        claim,
        |_| (),
        "g processed all 8 records; h processed all 8 records; all were reading at once for 60 ms \
         while records were sent",
    );
    doubted(
        claim,
        |of| {
            of.coverage.groups.remove(0);
        },
        "there are no two groups",
    );
    let never = "a group, or the sending, was never active";
    doubted(claim, |of| of.coverage.sending = None, never);
    doubted(claim, |of| of.coverage.activity[0].active = None, never);
    doubted(
        claim,
        |of| of.coverage.sending = Some((ms(0), ms(20))),
        "the groups did not read while the others and the producers were active",
    );
}

#[test]
fn recovery_is_in_time_up_to_its_limit() {
    let claim = Claim::RecoversWithin;
    let took =
        |took: u64| move |of: &mut Analysis| of.measurements.groups[0].recovery_ms = Some(took);
    held(
        claim,
        took(ALLOWED_MS),
        "g was back after 1000 ms, 1000 ms allowed",
    );
    violated(
        claim,
        took(ALLOWED_MS + 1),
        "g was back after 1001 ms, 1000 ms allowed",
    );
    let slow_capture = CaptureMeasurements {
        first_event_ms: Some(950),
        ..CaptureMeasurements::default()
    };
    held(
        claim,
        |of| of.measurements.capture = Some(slow_capture),
        "the capture was back after 950 ms, 1000 ms allowed",
    );
    doubted(
        claim,
        |of| of.measurements.groups.clear(),
        "nothing came back after a restart, or nothing was restarted",
    );
}

#[test]
fn claims_about_capture_rest_on_the_tables_and_on_the_wait() {
    let every = [
        Claim::NoRowMissing,
        Claim::NoRowDuplicate,
        Claim::NoRowPhantom,
        Claim::CommitOrder,
        Claim::NoStateDivergence,
    ];
    for claim in every {
        doubted(
            claim,
            |of| of.coverage.capture = None,
            "nothing was captured",
        );
    }
    let late = "1 committed changes have no event, and the last change never came out of the \
                topics: late cannot be told from missing";
    let open = |waited| {
        move |of: &mut Analysis| {
            capture(of).waited = waited;
            capture(of).unsettled = 1;
        }
    };
    let cut = "the topic of public.rows has lost its beginning, and events with it";
    for claim in [Claim::NoRowMissing, Claim::NoStateDivergence] {
        for waited in [None, Some(CaptureResult::TimedOut)] {
            doubted(claim, open(waited), late);
        }
        let lose = |of: &mut Analysis| capture(of).cut.push("public.rows".to_owned());
        doubted(claim, lose, cut);
    }
    doubted(
        Claim::NoRowMissing,
        |of| capture(of).compacted.push("public.rows".to_owned()),
        "the topic of public.rows compacts: an event that is not there may have been replaced",
    );
    doubted(
        Claim::NoStateDivergence,
        |of| capture(of).comparable = 5,
        "only 4 of 5 rows could be compared: of the others events may still come",
    );
    doubted(
        Claim::NoRowMissing,
        |of| capture(of).settled = 0,
        "nothing was committed",
    );
    doubted(
        Claim::CommitOrder,
        |of| capture(of).ordered_pairs = 0,
        "no row has two events",
    );
    doubted(
        Claim::NoStateDivergence,
        |of| capture(of).compared = 0,
        "no table could be compared",
    );
    for claim in [Claim::NoRowDuplicate, Claim::NoRowPhantom] {
        doubted(
            claim,
            |of| capture(of).events = 0,
            "there is no change event",
        );
    }
}

#[test]
fn claims_about_brokers_rest_on_what_was_compared() {
    doubted(
        Claim::NoTruncation,
        |of| of.coverage.truncation.compared = 0,
        "no partition was known to have reached anywhere before it was pinned",
    );
    let agree = Claim::ReplicasAgree;
    let unread = |of: &mut Analysis| of.coverage.replicas.unread.push("t-0 on 1".to_owned());
    doubted(agree, unread, "replicas not read to the end: t-0 on 1");
    let alone = |of: &mut Analysis| of.coverage.replicas.alone.push("t-0".to_owned());
    doubted(agree, alone, "of these only one replica was read: t-0");
    doubted(
        agree,
        |of| of.coverage.replicas.compared = 0,
        "no record stands in two replicas that were read",
    );
}

#[test]
fn no_zombie_rests_on_partitions_that_changed_hands() {
    let hands = |outlived: u64, overtaken: u64| {
        move |of: &mut Analysis| {
            of.coverage.zombies.outlived = outlived;
            of.coverage.zombies.overtaken = overtaken;
        }
    };
    for (outlived, overtaken) in [(1, 0), (0, 1), (1, 1)] {
        held(
            Claim::NoZombie,
            hands(outlived, overtaken),
            &format!(
                "partitions were taken {outlived} times from a member that went on, and went \
                 over {overtaken} times to another before the former had been told; none was \
                 touched by its former member"
            ),
        );
    }
    doubted(
        Claim::NoZombie,
        hands(0, 0),
        "no partition was taken from a member that went on",
    );
}

#[test]
fn read_committed_rests_on_both_kinds_of_transactions() {
    let claim = Claim::ReadCommitted;
    let groups =
        |groups: Vec<IsolationCoverage>| move |of: &mut Analysis| of.coverage.isolation = groups;
    let what = |group: &str, committed: u64, passed: u64| {
        format!(
            "{group} was given {committed} records of committed transactions, and none of the \
             {passed} of aborted ones that it passed"
        )
    };
    held(claim, groups(vec![isolated("g", 1, 1)]), &what("g", 1, 1));
    doubted(claim, groups(vec![isolated("g", 0, 2)]), &what("g", 0, 2));
    doubted(claim, groups(vec![isolated("g", 3, 0)]), &what("g", 3, 0));
    doubted(
        claim,
        groups(vec![isolated("g", 3, 2), isolated("h", 0, 2)]),
        &what("h", 0, 2),
    );
    let plain = IsolationCoverage {
        is_plain: true,
        ..isolated("h", 0, 0)
    };
    held(
        claim,
        groups(vec![isolated("g", 3, 2), plain.clone()]),
        &what("g", 3, 2),
    );
    doubted(claim, groups(vec![plain]), &what("h", 0, 0));
    doubted(
        claim,
        groups(Vec::new()),
        "no group reads committed records only",
    );
    doubted(
        claim,
        |of| of.coverage.isolation[0].unordered = 1,
        "1 readings came too far ahead of their sending to be held against it",
    );
}

#[test]
fn claims_about_transactions_rest_on_what_could_have_gone_wrong() {
    doubted(
        Claim::TransactionsWhole,
        |of| of.coverage.transactions.committed_of_many = 0,
        "no transaction of two records or more was committed",
    );
    doubted(
        Claim::NoCycles,
        |of| of.coverage.cycles.reads = 0,
        "no transaction read what another had written",
    );
    let transactions = [
        Claim::ReadCommitted,
        Claim::TransactionsWhole,
        Claim::NoCycles,
    ];
    for claim in transactions {
        doubted(
            claim,
            |of| of.coverage.transactions.unknown = 1,
            "1 transactions of unknown outcome",
        );
        doubted(
            claim,
            |of| of.coverage.transactions.open = 1,
            "1 transactions not closed by a marker when it was pinned",
        );
        doubted(
            claim,
            |of| of.coverage.transactions.disowned = 1,
            "1 transactions confirmed as committed, and aborted in the log",
        );
    }
}

/// A fault on the traffic of one kind that met so much of it.
fn meets(traffic: Traffic, met: TrafficMet) -> bool {
    let mut of = group_story().check();
    let seen = Evidence {
        observation: "seen".to_owned(),
        found: Found::Yes,
        detail: String::new(),
    };
    let record = FaultRecord {
        triggered: Some(ms(1)),
        injected: Some(ms(1)),
        healed: Some(ms(2)),
        evidence: vec![seen],
        met,
        ..FaultRecord::default()
    };
    of.faults.insert(FAULT, record);
    let contract = Contract {
        faults: vec![FaultContract {
            fault: FAULT,
            kind: "network-cut".to_owned(),
            meets: traffic,
        }],
        ..Contract::default()
    };
    judge(&contract, "test", 1, &of, Vec::new()).faults[0].landed
}

#[test]
fn a_fault_lands_on_whatever_traffic_of_its_kind_met_it() {
    for (outstanding, attempted) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
        let sends = TrafficMet {
            sends_outstanding: outstanding,
            sends_attempted: attempted,
            ..TrafficMet::default()
        };
        assert_eq!(meets(Traffic::Any, sends), outstanding + attempted > 0);
        let others = TrafficMet {
            commits: outstanding,
            changes_committed: attempted,
            ..TrafficMet::default()
        };
        assert_eq!(meets(Traffic::Any, others), outstanding + attempted > 0);
        let changes = TrafficMet {
            changes_waiting: outstanding,
            changes_committed: attempted,
            ..TrafficMet::default()
        };
        assert_eq!(
            meets(Traffic::Changes, changes),
            outstanding + attempted > 0
        );
    }
    for (waiting, acknowledged, processed) in [
        (0, 0, 0),
        (1, 0, 0),
        (0, 1, 0),
        (0, 0, 1),
        (1, 1, 0),
        (1, 0, 1),
        (0, 1, 1),
        (1, 1, 1),
    ] {
        let reads = ReadsMet {
            waiting,
            acknowledged,
            processed,
        };
        let met = TrafficMet {
            reads: [(GroupIx::new(0), reads)].into(),
            ..TrafficMet::default()
        };
        let group = "g".to_owned();
        assert_eq!(
            meets(Traffic::Reads { group }, met),
            waiting + acknowledged + processed > 0
        );
    }
    // Nobody may have been reading what only waited.
    for (waiting, processed) in [(1, 0), (0, 1)] {
        let reads = ReadsMet {
            waiting,
            processed,
            ..ReadsMet::default()
        };
        let met = TrafficMet {
            reads: [(GroupIx::new(0), reads)].into(),
            ..TrafficMet::default()
        };
        assert_eq!(meets(Traffic::Any, met), processed > 0);
    }
    // What one group met says nothing of another.
    let waiting = ReadsMet {
        waiting: 1,
        ..ReadsMet::default()
    };
    let met = TrafficMet {
        reads: [(GroupIx::new(0), waiting)].into(),
        ..TrafficMet::default()
    };
    let group = "h".to_owned();
    assert!(!meets(Traffic::Reads { group }, met));
}

/// What keeps an imported history from being held against any expectation.
#[track_caller]
fn open(change: impl FnOnce(&mut Analysis), reasons: &[&str]) {
    let mut of = sound();
    of.completeness.imported = Some("kafkatest".to_owned());
    change(&mut of);
    for expectation in Expectation::ALL {
        let found = expect(&of, expectation);
        let verdict = match reasons {
            [] => Verdict::Held,
            _ => Verdict::Inconclusive,
        };
        assert_eq!(found.verdict, verdict, "{expectation}: {:?}", found.reasons);
        if !reasons.is_empty() {
            assert_eq!(found.reasons, reasons, "{expectation}");
        }
    }
}

#[test]
fn an_expectation_rests_on_a_whole_history_in_which_something_was_read() {
    open(|_| (), &[]);
    open(
        |of| of.completeness.lacking.push("lines".to_owned()),
        &["the history lacks something: lines"],
    );
    open(
        |of| of.completeness.aborted = Some("no disk".to_owned()),
        &["the recording was given up: no disk"],
    );
    open(|of| of.completeness.completed = false, &[]);
    open(
        |of| {
            of.completeness.imported = None;
            of.completeness.completed = false;
        },
        &["the history ends before the run was completed"],
    );
    open(|of| of.completeness.imported = None, &[]);
    open(
        |of| of.completeness.unread.push("t-0".to_owned()),
        &["not read to the end: t-0"],
    );
    open(
        |of| of.completeness.strays = 1,
        &["1 reads or commits of members that the history does not introduce"],
    );
    open(
        |of| {
            of.coverage.expired = 1;
            of.coverage.compacted = 2;
            of.coverage.damaged = 4;
        },
        &["retention, compaction or damage hides what became of 7 acknowledged records"],
    );
    open(
        |of| of.coverage.isolation[0].unordered = 1,
        &["1 readings came too far ahead of their sending to be held against it"],
    );
    let nothing_acknowledged = |of: &mut Analysis| {
        of.counts.acknowledged = 0;
        of.counts.changes = 0;
    };
    open(nothing_acknowledged, &["nothing was acknowledged"]);
    open(|of| of.counts.acknowledged = 0, &[]);
    open(|of| of.counts.changes = 0, &[]);
    let nothing_read = |of: &mut Analysis| {
        of.coverage.groups.clear();
        of.counts.stored = 0;
        of.counts.change_events = 0;
    };
    open(nothing_read, &["nothing was read"]);
    for read in [
        |of: &mut Analysis| of.counts.stored = 1,
        |of: &mut Analysis| of.counts.change_events = 1,
        |of: &mut Analysis| of.coverage.groups.push(group("g")),
    ] {
        open(
            |of| {
                nothing_read(of);
                read(of);
            },
            &[],
        );
    }
}

#[test]
fn expectations_have_the_names_that_the_command_line_takes() {
    let names = Expectation::ALL.map(|it| it.to_string());
    assert_eq!(
        names,
        ["default", "at-least-once", "exactly-once", "strict"]
    );
}
