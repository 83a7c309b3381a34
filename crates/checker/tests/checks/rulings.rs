//! What each ruling rests on: an analysis for which every claim is HELD, and one
//! figure at a time that takes it away.

mod capture;
mod clusters;
mod expectations;
mod faults;
mod groups;

use checker::{
    ActiveAlert, AlertCoverage, Analysis, CaptureCoverage, DerivationCoverage, EffectCoverage,
    Expectation, FaultRecord, GroupActivity, GroupCoverage, IsolationCoverage, ReadsMet,
    TrafficMet, WatchedGroup, expect, judge,
};
use model::anomaly::Anomaly;
use model::claim::{
    AlertContract, Claim, Contract, FaultContract, GroupContract, Guarantee, Level, Traffic,
};
use model::event::{AlertRule, CaptureResult, EffectsRead, Evidence, Found};
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
    coverage.alerts = alerts();
    coverage.effects = effects();
    let broken = FaultRecord {
        injected: Some(ms(20)),
        healed: Some(ms(40)),
        ..FaultRecord::default()
    };
    of.faults.insert(FAULT, broken);
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

/// An application that did one thing of each record.
fn effects() -> EffectCoverage {
    EffectCoverage {
        group: Some("app".to_owned()),
        is_topic: true,
        stored: 7,
        effects: 9,
        done: 8,
        ordered_pairs: 5,
        read: Some(EffectsRead {
            effects: 9,
            settled: true,
        }),
        ..EffectCoverage::default()
    }
}

/// An alert that fired of the fault, and was not active before.
fn alerts() -> AlertCoverage {
    AlertCoverage {
        rules: vec![AlertRule {
            alert: "Lag".to_owned(),
            for_ms: 5,
            looks_back_ms: 0,
        }],
        alerts: vec![ActiveAlert {
            alert: "Lag".to_owned(),
            group: Some(GroupIx::new(0)),
            since: ms(22),
            fired: Some(ms(30)),
            ended: None,
        }],
        groups: [(GroupIx::new(0), watched())].into(),
        unread: Vec::new(),
    }
}

fn watched() -> WatchedGroup {
    WatchedGroup {
        name: "g".to_owned(),
        told: Some(ms(5)),
        ..WatchedGroup::default()
    }
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
    let is_of_alerts = [Claim::AlertFires, Claim::NoFalseAlert].contains(&claim);
    Contract {
        alert: is_of_alerts.then(|| AlertContract {
            group: "g".to_owned(),
            fault: Some(FAULT),
            lasts_ms: 20,
            is_limit: false,
            least_behind: 0,
        }),
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

/// With one thing changed, the claim is INCONCLUSIVE.
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
                Anomaly::EffectLost => " of 7 stored records",
                Anomaly::EffectDuplicate => {
                    " (the log holds each of these records once: the application did it)"
                }
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
fn claims_about_an_application_rest_on_everything_it_did_having_been_read() {
    let claims = [
        Claim::EffectsNoneLost,
        Claim::EffectsOnce,
        Claim::EffectsNoneInvented,
        Claim::EffectsInOrderByKey,
    ];
    for claim in claims {
        let of = |change: fn(&mut EffectCoverage), reason: &str| {
            doubted(claim, |of| change(&mut of.coverage.effects), reason);
        };
        of(|of| of.group = None, "there is no application");
        of(
            |of| of.unread = Some("exit code 1".to_owned()),
            "what the application did could not be read: exit code 1",
        );
        of(|of| of.read = None, "what the application did was not read");
        of(
            |of| of.read.as_mut().unwrap().settled = false,
            "the application may still have been at work when what it did was read",
        );
        of(
            |of| of.unrecognised = 2,
            "2 effects without an identity of this run, which may be of any record",
        );
        of(
            |of| of.stored = 0,
            "no record stands in the topic that app reads",
        );
    }
    for claim in &claims[1..] {
        doubted(
            *claim,
            |of| of.coverage.effects.effects = 0,
            "app did nothing",
        );
    }
    doubted(
        Claim::EffectsNoneLost,
        |of| of.coverage.effects.pending = 3,
        "3 of 7 records have no effect, and app has not committed past them: the application has \
         not come to them",
    );
    let order = Claim::EffectsInOrderByKey;
    doubted(
        order,
        |of| of.coverage.effects.ordered_pairs = 0,
        "no two effects of records of one key stand in one partition",
    );
    doubted(
        order,
        |of| of.coverage.effects.split_keys = 1,
        "1 effect in another partition than the one before of their key: their order is not known",
    );
    doubted(
        order,
        |of| of.coverage.effects.disordered = 1,
        "the log itself holds 1 record behind a later one of its producer: the order in which app \
         should have gone is not known",
    );
    for (claim, reason) in [
        (
            Claim::EffectsNoneLost,
            "all 7 stored records have their effect",
        ),
        (Claim::EffectsOnce, "9 effects of 8 records, one of each"),
        (
            Claim::EffectsNoneInvented,
            "9 effects, every one of a record that was sent",
        ),
        (
            order,
            "5 effects, each behind those of earlier records of its key",
        ),
    ] {
        held(claim, |_| (), reason);
    }
    violated(
        Claim::EffectsOnce,
        |of| {
            of.findings = vec![finding(Anomaly::EffectDuplicate)];
            of.coverage.effects.done_as_stored = 2;
        },
        "3 effect-duplicate (2 of the records stand in the log twice themselves), first p0 7",
    );
    violated(
        Claim::EffectsNoneLost,
        |of| {
            of.findings = vec![finding(Anomaly::EffectLost)];
            of.coverage.effects.pending = 2;
        },
        "3 effect-lost of 7 stored records (2 more without an effect are not committed past), \
         first p0 7",
    );
}

#[test]
fn claims_about_alerts_rest_on_what_the_exporter_told() {
    fn group(of: &mut Analysis) -> &mut WatchedGroup {
        of.coverage.alerts.groups.get_mut(&GroupIx::new(0)).unwrap()
    }
    for claim in [Claim::AlertFires, Claim::NoFalseAlert] {
        doubted(
            claim,
            |of| group(of).told = None,
            "the exporter never told of g and its topic",
        );
        doubted(
            claim,
            |of| group(of).told = Some(ms(20)),
            "the exporter did not tell of g before the fault came into force",
        );
        doubted(
            claim,
            |of| {
                of.faults.clear();
                of.coverage.alerts.alerts.clear();
            },
            "the fault was never in force",
        );
    }
    violated(
        Claim::AlertFires,
        |of| of.coverage.alerts.alerts.clear(),
        "the fault lasted 20 ms, and no alert that names g or its topic fired of it; at its end \
         it is not known how far g was behind; 1 alert rule was evaluated",
    );
    violated(
        Claim::NoFalseAlert,
        |of| of.coverage.alerts.alerts[0].since = ms(19),
        "Lag fired, and its condition was true 1 ms before the fault already; it is not known \
         how far g was behind",
    );
}
