//! Histories that another tool recorded: what the readers were given is all
//! the truth there is.

use checker::{Expectation, Weight, expect};
use model::anomaly::Anomaly;
use model::event::{Body, Content, Intent, Outcome, TransactionOutcome};
use model::ids::{Offset, ProducerIx};
use model::verdict::Verdict;
use proptest::prelude::*;

use crate::story::{Story, found, group_story, id, named, part, story, transaction};

#[track_caller]
fn finds(story: &Story, expected: &[(Anomaly, u64)]) {
    assert_eq!(found(&story.check()), expected);
}

#[track_caller]
fn clean(story: &Story) {
    finds(story, &[]);
}

fn imported() -> Story {
    group_story().imported("kafkatest")
}

#[test]
fn what_was_acknowledged_and_read_is_clean() {
    let story = imported().sends(3).processes(0, 0..3).commits(0, 3);
    clean(&story);
    assert!(story.check().completeness.unread.is_empty());
}

#[test]
fn what_was_acknowledged_below_the_highest_reading_and_never_read_is_lost() {
    let story = imported().sends(3).processes(0, [0]);
    let story = story.member(1).processes(1, [2]);
    finds(&story, &[(Anomaly::LostWrite, 1)]);
    assert_eq!(named(&story.check(), Anomaly::LostWrite), ["p0 1-1"]);
}

#[test]
fn what_was_acknowledged_above_everything_that_was_read_is_unseen() {
    let story = imported().sends(3).processes(0, [0]);
    finds(&story, &[(Anomaly::Unseen, 2)]);
    let unread = imported().sends(3);
    finds(&unread, &[(Anomaly::Unseen, 3)]);
}

#[test]
fn what_was_acknowledged_exists_for_readers() {
    let jumped = imported().sends(3).processes(0, [0, 2]);
    finds(&jumped, &[(Anomaly::LostWrite, 1), (Anomaly::PollSkip, 1)]);
    assert_eq!(jumped.check().counts.stored, 2);
    let passed = imported()
        .sends(3)
        .processes(0, [0])
        .member(1)
        .processes(1, [2]);
    finds(
        &passed.commits(1, 3),
        &[(Anomaly::LostWrite, 1), (Anomaly::GroupGap, 1)],
    );
}

#[test]
fn a_record_read_at_two_offsets_is_a_duplicate() {
    let story = imported().sends(2).processes(0, 0..2);
    finds(
        &story.processes_as(0, 2, Content::Ours(id(0, 1))),
        &[(Anomaly::Duplicate, 1), (Anomaly::Reprocessed, 1)],
    );
}

#[test]
fn a_record_that_was_acknowledged_in_two_partitions_is_a_duplicate_though_no_reader_had_them() {
    let elsewhere = Outcome::Acknowledged {
        at: part(1),
        offset: Offset::new(0),
    };
    let found = found(&imported().sends(1).complete(0, elsewhere).check());
    assert!(found.contains(&(Anomaly::Duplicate, 1)), "{found:?}");
}

#[test]
fn two_records_at_one_offset_are_inconsistent() {
    let story = imported().sends(1).send(1).unsure(1).processes(0, [0]);
    let story = story.member(1).processes_as(1, 0, Content::Ours(id(0, 1)));
    finds(&story, &[(Anomaly::InconsistentOffsets, 1)]);
}

#[test]
fn an_unknown_outcome_is_settled_by_a_reading_and_a_failure_contradicted() {
    let story = imported().send(0).unsure(0).send(1).fail(1).sends(0);
    clean(&story.clone().processes(0, [0]));
    finds(
        &story.processes(0, 0..2),
        &[(Anomaly::FailedWriteVisible, 1)],
    );
}

#[test]
fn a_record_without_a_send_is_a_phantom_unless_sends_are_unrecorded() {
    let story = imported().processes(0, [0]);
    finds(&story, &[(Anomaly::Phantom, 1)]);
    clean(&story.and(Body::SendsUnrecorded {
        producer: ProducerIx::new(0),
    }));
}

#[test]
fn a_history_that_lacks_something_calls_nothing_lost() {
    let lacking = |story: Story| {
        story.and(Body::Incomplete {
            description: "2 of 5 lines".to_owned(),
        })
    };
    let story = imported().sends(4).processes(0, [0, 2]).commits(0, 3);
    clean(&lacking(story.clone()));
    let again = story.member(1).processes(1, [0]);
    finds(&lacking(again), &[(Anomaly::Reprocessed, 1)]);
}

// Transactions without markers.

fn transacted(outcome: TransactionOutcome) -> Story {
    let story = group_story().imported("jepsen").read_committed();
    let story = story
        .begins(0)
        .sends(2)
        .asks(transaction(0, 0), Intent::Commit);
    story.hears(transaction(0, 0), outcome).send(2).ack(2, 3)
}

fn unknown() -> TransactionOutcome {
    TransactionOutcome::Unknown {
        error: "info".to_owned(),
    }
}

#[test]
fn an_aborted_transaction_need_not_be_read_and_must_not() {
    let story = transacted(TransactionOutcome::Aborted);
    let last = |story: Story| story.processes_as(0, 3, Content::Ours(id(0, 2)));
    clean(&last(story.clone()));
    finds(&last(story.processes(0, [0])), &[(Anomaly::G1a, 1)]);
}

#[test]
fn a_transaction_of_unknown_outcome_has_committed_once_it_was_read() {
    let last = |story: Story| story.processes_as(0, 3, Content::Ours(id(0, 2)));
    clean(&last(transacted(unknown())));
    finds(
        &last(transacted(unknown()).processes(0, [0])),
        &[
            (Anomaly::LostWrite, 1),
            (Anomaly::PollSkip, 1),
            (Anomaly::TornTransaction, 1),
        ],
    );
}

#[test]
fn a_committed_transaction_of_which_no_reader_was_given_anything_is_lost_and_not_torn() {
    let story = transacted(TransactionOutcome::Committed);
    let last = |story: Story| story.processes_as(0, 3, Content::Ours(id(0, 2)));
    finds(&last(story.clone()), &[(Anomaly::LostWrite, 2)]);
    finds(
        &last(story.processes(0, [0])),
        &[
            (Anomaly::LostWrite, 1),
            (Anomaly::PollSkip, 1),
            (Anomaly::TornTransaction, 1),
        ],
    );
}

// Expectations.

#[track_caller]
fn is(story: &Story, expectation: Expectation, verdict: Verdict) {
    assert_eq!(expect(&story.check(), expectation).verdict, verdict);
}

#[test]
fn a_healthy_history_meets_every_expectation() {
    let story = imported().sends(3).processes(0, 0..3);
    for expectation in Expectation::ALL {
        is(&story, expectation, Verdict::Held);
    }
    assert_eq!(
        expect(&story.check(), Expectation::Default).reasons,
        ["3 records acknowledged, 3 read"]
    );
}

#[test]
fn nothing_is_expected_of_an_empty_history() {
    for story in [story().imported("jepsen"), imported().send(0)] {
        for expectation in Expectation::ALL {
            is(&story, expectation, Verdict::Inconclusive);
        }
    }
}

#[test]
fn reading_again_contradicts_only_those_who_expect_once() {
    let story = imported().sends(2).processes(0, 0..2);
    let story = story.member(1).processes(1, 0..2);
    is(&story, Expectation::Default, Verdict::Held);
    is(&story, Expectation::AtLeastOnce, Verdict::Held);
    is(&story, Expectation::ExactlyOnce, Verdict::Violated);
    is(&story, Expectation::Strict, Verdict::Violated);
}

#[test]
fn what_cannot_be_told_is_open_and_a_loss_is_none() {
    let unseen = imported().sends(3).processes(0, 0..2);
    let lost = imported().sends(3).processes(0, [0, 2]);
    let lacking = imported()
        .sends(2)
        .processes(0, 0..2)
        .and(Body::Incomplete {
            description: "a line".to_owned(),
        });
    for expectation in Expectation::ALL {
        is(&unseen, expectation, Verdict::Inconclusive);
        is(&lost, expectation, Verdict::Violated);
        is(&lacking, expectation, Verdict::Inconclusive);
    }
    assert_eq!(
        expect(&lost.check(), Expectation::Default).reasons,
        ["1 lost-write", "1 poll-skip"]
    );
}

fn record(sequence: u64) -> Content {
    Content::Ours(id(0, sequence))
}

#[test]
fn two_records_that_were_read_at_one_offset_both_stand() {
    let story = imported().sends(3).processes(0, 0..2);
    let story = story
        .member(1)
        .processes_as(1, 0, record(0))
        .processes_as(1, 1, record(2));
    // The last one was acknowledged elsewhere.
    let [copy, shared] = [Anomaly::Duplicate, Anomaly::InconsistentOffsets];
    finds(&story, &[(copy, 1), (shared, 1), (Anomaly::Reprocessed, 1)]);
}

/// The same, but that another tool recorded it is said last.
fn said_last(story: &Story) -> Story {
    let mut story = story.clone();
    let (said, mut rest): (Vec<_>, Vec<_>) = story
        .events
        .into_iter()
        .partition(|event| matches!(event.body, Body::Imported { .. }));
    rest.extend(said);
    story.events = rest;
    story
}

#[test]
fn it_does_not_matter_when_it_is_said_who_recorded_a_history() {
    let read = imported().sends(4).processes(0, [0, 2]);
    let again = read
        .clone()
        .member(1)
        .processes_as(1, 0, record(0))
        .processes_as(1, 2, record(3));
    let transaction = imported().sends(1).begins(0).send(1).ack(1, 1);
    let transaction = transaction.send(2).ack(2, 2).aborts_transaction(0);
    let transaction = transaction.read_committed().processes(0, 0..2);
    for story in [read, again, transaction] {
        assert_eq!(found(&said_last(&story).check()), found(&story.check()));
        assert_ne!(found(&story.check()), []);
    }
}

/// What becomes of a record on its way into a recording.
#[derive(Clone, Copy, Debug)]
struct TxnOutcome {
    /// Where its producer was told it is, if it was told.
    acknowledged: Option<i64>,
    /// Which record the member got where it stands, if it got any.
    read: Option<u64>,
    /// Whether another member read it, too.
    again: bool,
}

fn txn_outcomes() -> impl Strategy<Value = Vec<TxnOutcome>> {
    let odd = |chance: u32| prop::option::weighted(f64::from(chance) / 100.0, -2i64..3);
    let outcome = (odd(4), odd(4), 0u8..60, 0u8..60, 0u8..20);
    prop::collection::vec(outcome, 1..60).prop_map(|txn_outcomes| {
        let txn_outcomes = (0i64..).zip(txn_outcomes);
        let moved = |at: i64, by: Option<i64>| (at + by.unwrap_or(0)).max(0);
        let outcome = |(at, (told, got, untold, unread, again))| TxnOutcome {
            acknowledged: (untold > 0).then(|| moved(at, told)),
            read: (unread > 0).then(|| moved(at, got).unsigned_abs()),
            again: again == 0,
        };
        txn_outcomes.map(outcome).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn it_makes_no_difference_whether_outcomes_or_readings_come_first(txn_outcomes in txn_outcomes()) {
        let outcome = |story: Story, at: usize| match txn_outcomes[at].acknowledged {
            Some(offset) => story.ack(at as u64, offset),
            None => story.send(at as u64).unsure(at as u64),
        };
        let reading = |story: Story, at: usize| {
            let offset = i64::try_from(at).unwrap();
            let Some(record) = txn_outcomes[at].read else {
                return story;
            };
            let content = Content::Ours(id(0, record));
            let story = story.processes_as(0, offset, content);
            if txn_outcomes[at].again {
                story.processes_as(1, offset, content)
            } else {
                story
            }
        };
        let all = || 0..txn_outcomes.len();
        let begin = || imported().member(1);
        let outcomes_first = all().fold(all().fold(begin(), outcome), reading).check();
        let readings_first = all().fold(all().fold(begin(), reading), outcome).check();
        let by_turns = all().fold(begin(), |story, at| {
            if at % 3 == 0 {
                outcome(reading(story, at), at)
            } else {
                reading(outcome(story, at), at)
            }
        });
        // A send that is told by itself makes no difference either.
        let announced = all().fold(begin(), |story, at| story.send(at as u64));
        let announced = all().fold(all().fold(announced, reading), outcome);
        for other in [readings_first, by_turns.check(), announced.check()] {
            prop_assert_eq!(found(&other), found(&outcomes_first));
            prop_assert_eq!(other.counts, outcomes_first.counts);
            for finding in &other.findings {
                let anomaly = finding.anomaly;
                prop_assert_eq!(named(&other, anomaly), named(&outcomes_first, anomaly));
            }
        }
    }
}

/// `ackproof check` without `--expect`.
#[test]
fn by_default_everything_violates_but_what_is_only_reported_or_open() {
    let jepsens = [
        Anomaly::G0,
        Anomaly::IntSendSkip,
        Anomaly::TornTransaction,
        Anomaly::FailedWriteVisible,
    ];
    for tool in [None, Some("kafkatest"), Some("jepsen")] {
        for anomaly in Anomaly::ALL {
            let expected = match anomaly {
                Anomaly::Reprocessed => Weight::Reported,
                Anomaly::Unseen => Weight::Doubts,
                of if tool == Some("jepsen") && jepsens.contains(of) => Weight::Reported,
                _ => Weight::Violates,
            };
            let weight = Expectation::Default.weigh(*anomaly, tool);
            assert_eq!(weight, expected, "{anomaly} of {tool:?}");
        }
    }
}

#[test]
fn required_claims_are_judged_in_every_history() {
    let asked = [
        Expectation::AtLeastOnce,
        Expectation::ExactlyOnce,
        Expectation::Strict,
    ];
    for expectation in asked {
        for anomaly in Anomaly::ALL {
            let anyone = expectation.weigh(*anomaly, None);
            let jepsen = expectation.weigh(*anomaly, Some("jepsen"));
            assert_eq!(jepsen, anyone, "{anomaly} under {expectation}");
        }
    }
    let strict = Expectation::Strict.weigh(Anomaly::G0, Some("jepsen"));
    assert_eq!(strict, Weight::Violates);
}
