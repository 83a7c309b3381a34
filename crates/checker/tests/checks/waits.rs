//! Slow groups, stopped ones, and what clients cannot do.

use checker::judge;
use model::anomaly::Anomaly;
use model::claim::{Claim, QuotaContract};
use model::event::{Body, ClientRef, ErrorCause};
use model::ids::MemberIx;
use model::verdict::{ErrorMeaning, StillReading, Throttling, Verdict};

use crate::story::{
    GROUP, Story, every_claim, found, group_story, healed, injected, ours, required,
};

/// What happens while a group of one member is waited for, which has ten
/// records to read.
#[derive(Clone, Copy)]
enum Step {
    /// Seconds pass.
    Pass(u64),
    /// It processes the record at this offset.
    Read(i64),
    /// Brokers tell it to wait for so many seconds.
    Throttled(u64),
    Fault(fn(model::ids::FaultIx) -> Body),
    Loses,
    Gets,
    Errs(ErrorCause),
}

use Step::{Errs, Fault, Gets, Loses, Pass, Read, Throttled};

const LIMIT_S: u64 = 60;

/// The history in which the group is waited for through these steps, and then
/// as long as the limit allows.
fn waited(steps: &[Step]) -> Story {
    let mut story = group_story()
        .sends(10)
        .and(Body::WaitBegan { group: GROUP });
    let mut passed = 0;
    let member = ClientRef::Member(MemberIx::new(0));
    for step in steps {
        story = match *step {
            Pass(seconds) => {
                passed += seconds;
                story.wait_ms(seconds * 1000)
            }
            Read(offset) => story.processes(0, [offset]),
            Throttled(seconds) => story.and(Body::Throttled {
                client: member,
                throttle_ms: seconds * 1000,
            }),
            Fault(what) => story.fault(what),
            Loses => story.revokes(0),
            Gets => story.assigns(0),
            Errs(cause) => story.and(Body::ClientErred {
                client: member,
                cause,
                error: "NotImplemented".to_owned(),
                reason: "codec 0x4".to_owned(),
                times: 2,
            }),
        };
    }
    story
        .wait_ms((LIMIT_S - passed) * 1000)
        .and(Body::GroupWaited {
            group: GROUP,
            limit_ms: LIMIT_S * 1000,
        })
        .log(&ours([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]))
        .group_offset(Some(0))
        .and(Body::TrafficEnded)
        .and(Body::Completed)
}

/// Reads a record, then lets so many seconds pass, again and again.
fn each(seconds: u64, times: i64) -> Vec<Step> {
    (0..times)
        .flat_map(|offset| [Pass(seconds), Read(offset)])
        .collect()
}

fn joined(parts: &[&[Step]]) -> Vec<Step> {
    parts.concat()
}

#[track_caller]
fn is(steps: &[Step], expected: Verdict, words: &str) {
    let contract = required([Claim::GroupComplete]);
    let analysis = waited(steps).check();
    let verdict = judge(&contract, "t", 1, &analysis, Vec::new());
    let of = &verdict.guarantees[0];
    assert_eq!(of.verdict, expected, "{}", of.reason);
    assert!(of.reason.contains(words), "{}", of.reason);
    let stopped = expected == Verdict::Violated;
    assert_eq!(analysis.count(Anomaly::GroupIncomplete) > 0, stopped);
}

#[test]
fn a_group_that_reads_on_is_slow_and_one_that_stopped_is_incomplete() {
    let slow = |steps: &[Step]| is(steps, Verdict::Inconclusive, "g was still reading");
    let stopped = |steps: &[Step]| is(steps, Verdict::Violated, "group-incomplete");
    // A record each eight seconds, to the end; and up to the half.
    slow(&each(8, 7));
    stopped(&each(6, 5));
    // The silence at the end is no longer than two of those before.
    slow(&joined(&[&each(14, 2), &[Pass(10), Read(2)]]));
    // Never anything.
    stopped(&[]);
    // One record after most of the time, and one before it.
    stopped(&[Pass(58), Read(0)]);
    stopped(&[Read(0)]);
    // It stood still for less than half of the time, and goes on since.
    let goes_on: Vec<Step> = (0..8).flat_map(|at| [Read(at), Pass(4)]).collect();
    slow(&joined(&[&[Pass(28)], &goes_on]));
    // Somebody else has the partition, or nobody.
    stopped(&joined(&[&each(5, 9), &[Loses, Pass(8)]]));
    stopped(&joined(&[&each(6, 8), &[Loses]]));
    // It was taken from it a moment ago.
    slow(&joined(&[&each(7, 8), &[Loses]]));
    slow(&joined(&[&each(7, 8), &[Loses, Pass(1), Gets]]));
}

#[test]
fn reading_the_same_again_and_again_is_no_going_on() {
    let again: Vec<Step> = (0..14).flat_map(|at| [Pass(4), Read(at % 2)]).collect();
    is(&again, Verdict::Violated, "group-incomplete");
    let forward: Vec<Step> = (0..7).flat_map(|at| [Pass(8), Read(at)]).collect();
    is(
        &forward,
        Verdict::Inconclusive,
        "g was still reading, 7 of 10 records",
    );
}

/// Where it read before the wait says nothing: it may be reading again.
#[test]
fn a_group_that_was_set_back_goes_on_as_it_comes_back() {
    let mut story = group_story().sends(10).processes(0, [0, 1, 2, 3, 4, 5]);
    story = story.and(Body::WaitBegan { group: GROUP });
    for offset in 0..5 {
        story = story.wait_ms(2000).processes(0, [offset]);
    }
    let story = story
        .and(Body::GroupWaited {
            group: GROUP,
            limit_ms: 10_000,
        })
        .log(&ours([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]));
    assert_eq!(story.check().count(Anomaly::GroupIncomplete), 0);
    assert_eq!(story.check().coverage.groups[0].to_come, 4);
}

#[test]
fn time_in_which_brokers_told_a_client_to_wait_is_no_silence() {
    let throttled: Vec<Step> = (0..4).flat_map(|_| [Throttled(11), Pass(11)]).collect();
    is(
        &throttled,
        Verdict::Inconclusive,
        "brokers throttled it for 44.0 s",
    );
    // Throttled at first, and nothing since.
    is(&[Throttled(11)], Verdict::Violated, "group-incomplete");
    let bursts = joined(&[&[
        Pass(4),
        Read(0),
        Throttled(27),
        Pass(27),
        Read(1),
        Throttled(27),
    ]]);
    is(&bursts, Verdict::Inconclusive, "g was still reading");
}

#[test]
fn time_in_which_a_fault_was_in_force_was_not_given() {
    let hindered = [Pass(5), Fault(injected), Pass(40), Fault(healed)];
    is(
        &hindered,
        Verdict::Inconclusive,
        "faults were in force for most",
    );
    let short = [Pass(5), Fault(injected), Pass(20), Fault(healed)];
    is(&short, Verdict::Violated, "group-incomplete");
}

/// The group had come to the end of what was there: what it lacks nobody is
/// going to bring.
#[test]
fn a_wait_that_was_over_before_its_limit_excuses_nothing() {
    let story = group_story()
        .sends(3)
        .and(Body::WaitBegan { group: GROUP })
        .processes(0, [0, 1])
        .group_waited()
        .log(&ours([0, 1, 2]));
    assert_eq!(found(&story.check()), [(Anomaly::GroupIncomplete, 1)]);
}

#[test]
fn what_a_client_is_not_made_for_is_the_instruments_limit() {
    let limit = "the instrument's limit: g did not process 10 of 10 records, and its client \
                 reported NotImplemented (2 times: codec 0x4)";
    is(&[Errs(ErrorCause::Unable)], Verdict::Inconclusive, limit);
    is(
        &[Errs(ErrorCause::NotAllowed)],
        Verdict::Inconclusive,
        limit,
    );
    // What the configuration does is told, and excuses nothing.
    let told = "10 group-incomplete";
    is(&[Errs(ErrorCause::Pipeline)], Verdict::Violated, told);
    let cause = "; g reported NotImplemented (2 times: codec 0x4)";
    is(&[Errs(ErrorCause::Pipeline)], Verdict::Violated, cause);
    // A fault may have said that it is not allowed, and not what it is made for.
    let amid = |cause| [Fault(injected), Errs(cause), Fault(healed)];
    is(&amid(ErrorCause::NotAllowed), Verdict::Violated, told);
    is(&amid(ErrorCause::Unable), Verdict::Inconclusive, limit);
    // It did not have the partition.
    is(&[Loses, Errs(ErrorCause::Unable)], Verdict::Violated, told);
}

/// A client that drops what it cannot read goes on behind it.
#[test]
fn what_a_client_skips_because_it_cannot_read_it_is_neither_skip_nor_gap() {
    let claims = [Claim::NoGroupGap, Claim::ReadsInOrder, Claim::GroupComplete];
    let skipping = |cause| {
        group_story()
            .sends(5)
            .processes(0, [0, 1])
            .and(Body::ClientErred {
                client: ClientRef::Member(MemberIx::new(0)),
                cause,
                error: "BadMessage".to_owned(),
                reason: String::new(),
                times: 1,
            })
            .processes(0, [4])
            .commits(0, 5)
            .group_waited()
            .log(&ours([0, 1, 2, 3, 4]))
            .group_offset(Some(5))
            .and(Body::TrafficEnded)
            .and(Body::Completed)
    };
    let story = skipping(ErrorCause::Unable);
    assert_eq!(found(&story.check()), []);
    let verdict = judge(&required(claims), "t", 1, &story.check(), Vec::new());
    for of in &verdict.guarantees {
        let limit = "the instrument's limit: g did not process 2 of 5 records, and its client \
                     reported BadMessage (once)";
        assert_eq!(
            (of.verdict, of.reason.as_str()),
            (Verdict::Inconclusive, limit)
        );
    }
    let skipped = [(Anomaly::PollSkip, 2), (Anomaly::GroupGap, 2)];
    let told = found(&skipping(ErrorCause::Pipeline).check());
    assert!(skipped.iter().all(|it| told.contains(it)), "{told:?}");
}

#[test]
fn what_clients_reported_is_measured() {
    let analysis = waited(&joined(&[
        &[Errs(ErrorCause::Pipeline), Throttled(3)],
        &each(8, 7),
    ]));
    let analysis = analysis.check();
    let measured = &analysis.measurements;
    let [error] = measured.errors.as_slice() else {
        panic!("{:?}", measured.errors);
    };
    assert_eq!(
        (error.who.as_str(), error.means, error.count),
        ("g", ErrorMeaning::Pipeline, 2)
    );
    let throttled = Throttling {
        who: "g".to_owned(),
        total_ms: 3000,
    };
    assert_eq!(measured.throttled, [throttled]);
    let [still] = measured.still_reading.as_slice() else {
        panic!("{:?}", measured.still_reading);
    };
    let StillReading { left, moved, .. } = still;
    assert_eq!((*left, *moved), (3, 7));
    let needs = still.left * still.waited_ms / still.moved;
    assert_eq!(still.needs_ms, Some(needs));
}

#[test]
fn a_quota_that_throttled_nobody_it_is_for_was_not_put_to_the_test() {
    let mut contract = required([Claim::GroupComplete]);
    let quota = |clients: &[&str]| {
        vec![QuotaContract {
            what: "consumer_byte_rate 20000 of client id billing".to_owned(),
            clients: clients.iter().map(|name| (*name).to_owned()).collect(),
        }]
    };
    let everything: Vec<Step> = (0..10).map(Read).collect();
    let throttled = joined(&[&[Throttled(1)], &everything]);
    let mut doubts = |clients: &[&str], steps: &[Step]| {
        contract.quotas = quota(clients);
        judge(&contract, "t", 1, &waited(steps).check(), Vec::new()).doubts
    };
    assert_eq!(doubts(&["g"], &throttled), [""; 0]);
    let idle = "the quota consumer_byte_rate 20000 of client id billing throttled nobody: the \
                brokers never told p0, g to wait";
    assert_eq!(doubts(&["p0", "g"], &everything), [idle]);
    assert_eq!(doubts(&["p0"], &throttled).len(), 1);
    let nobodys = "the quota consumer_byte_rate 20000 of client id billing is for no client of \
                   the scenario";
    assert_eq!(doubts(&[], &throttled), [nobodys]);
}

/// Nothing is planted where it would be excused, and everything else is found.
#[test]
fn calibration_misses_nothing_in_slow_and_limited_histories() {
    let everything: Vec<Step> = (0..10).map(Read).collect();
    let histories = [
        each(8, 7),
        each(6, 5),
        everything.clone(),
        joined(&[&[Errs(ErrorCause::Unable)], &each(8, 7)]),
        joined(&[&[Errs(ErrorCause::NotAllowed)], &everything]),
        joined(&[&[Fault(injected), Pass(40), Fault(healed)], &each(3, 4)]),
    ];
    for steps in histories {
        let (_, calibration) = waited(&steps).examine(&every_claim());
        assert!(!calibration.is_empty());
        for mutant in calibration {
            assert!(mutant.found, "{}: {}", mutant.anomaly, mutant.mutation);
        }
    }
}
