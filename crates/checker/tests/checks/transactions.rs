//! Each anomaly of transactions in the smallest history that shows it, beside a
//! twin that stays clean.

use model::anomaly::Anomaly;
use model::event::{Body, Content, Intent, TransactionOutcome};
use model::ids::{MemberIx, PartitionRef, RecordId};

use crate::story::{
    Slot, Story, found, group_story, id, inside, named, ours, part, story, transaction,
};

#[track_caller]
fn finds(story: &Story, expected: &[(Anomaly, u64)]) {
    assert_eq!(found(&story.check()), expected);
}

#[track_caller]
fn clean(story: &Story) {
    finds(story, &[]);
}

fn unknown() -> TransactionOutcome {
    TransactionOutcome::Unknown {
        error: "timed out".to_owned(),
    }
}

/// A record that is sent to a partition and acknowledged there.
fn sent(story: Story, record: RecordId, to: PartitionRef, offset: i64) -> Story {
    story
        .and(Body::SendInvoked { record, to })
        .and(Body::SendCompleted {
            record,
            outcome: model::event::Outcome::Acknowledged {
                at: to,
                offset: model::ids::Offset::new(offset),
            },
        })
}

fn of(producer: i64, record: RecordId) -> Slot {
    Slot::In(producer, Content::Ours(record))
}

/// Transaction 0 of records 0 and 1.
fn first() -> Story {
    group_story().read_committed().begins(0).sends(2)
}

/// The log of two records in a transaction, and how it was closed.
fn closed(marker: Slot) -> Vec<Slot> {
    [inside([0, 1]), vec![marker]].concat()
}

const COMMITTED: Slot = Slot::Commit(100);
const ABORTED: Slot = Slot::Abort(100);

// Reading what was not committed.

#[test]
fn reading_a_committed_transaction_is_clean() {
    let story = first().commits_transaction(0).processes(0, 0..2);
    clean(&story.log(&closed(COMMITTED)));
}

#[test]
fn a_record_of_an_aborted_transaction_is_an_aborted_read() {
    let story = first().aborts_transaction(0);
    clean(&story.clone().log(&closed(ABORTED)));
    let read = story.processes(0, 1..2).log(&closed(ABORTED));
    finds(&read, &[(Anomaly::G1a, 1)]);
    assert_eq!(named(&read.check(), Anomaly::G1a), ["t-0 1-1"]);
}

#[test]
fn a_group_that_reads_uncommitted_may_be_given_anything() {
    let story = group_story().begins(0).sends(2).processes(0, 0..2);
    clean(&story.aborts_transaction(0).log(&closed(ABORTED)));
}

#[test]
fn the_markers_overrule_what_the_producer_was_told() {
    let told = |outcome| {
        let story = first().asks(transaction(0, 0), Intent::Commit);
        story.hears(transaction(0, 0), outcome).processes(0, 0..2)
    };
    for outcome in [unknown(), TransactionOutcome::Fenced] {
        clean(&told(outcome.clone()).log(&closed(COMMITTED)));
        finds(&told(outcome).log(&closed(ABORTED)), &[(Anomaly::G1a, 2)]);
    }
}

#[test]
fn a_record_read_before_its_commit_was_asked_for_was_not_committed() {
    let story = first().processes(0, 0..1).commits_transaction(0);
    let early = story.processes(0, 1..2).log(&closed(COMMITTED));
    finds(&early, &[(Anomaly::PrecommittedRead, 1)]);
    assert_eq!(named(&early.check(), Anomaly::PrecommittedRead), ["p0 0-0"]);
}

#[test]
fn a_record_read_while_the_commit_is_under_way_is_clean() {
    let story = first().asks(transaction(0, 0), Intent::Commit);
    let story = story.processes(0, 0..2);
    let story = story.hears(transaction(0, 0), TransactionOutcome::Committed);
    clean(&story.log(&closed(COMMITTED)));
}

/// Both are told by one clock, which may not have moved on between them.
#[test]
fn a_record_read_at_the_moment_at_which_its_commit_was_asked_for_is_clean() {
    let mut story = first().processes(0, 0..2).commits_transaction(0);
    let asked = |event: &&model::event::Event| matches!(event.body, Body::TransactionEnding { .. });
    let asked_at = story.events.iter().find(asked).unwrap().at;
    for event in &mut story.events {
        if matches!(event.body, Body::Processed { .. }) {
            event.at = asked_at;
        }
    }
    clean(&story.log(&closed(COMMITTED)));
}

#[test]
fn where_the_log_names_no_transaction_its_producer_alone_tells_of_it() {
    let log = ours([0, 1]);
    let other = transaction(1, 0);
    let story = first().begins_of(other);
    let story = sent(story, id(1, 5), part(0), 2).commits_of(other);
    let log = [log, vec![Slot::Is(Content::Ours(id(1, 5)))]].concat();
    let read = |story: Story| {
        let story = story.processes(0, 0..1);
        story.processes_as(0, 2, Content::Ours(id(1, 5))).log(&log)
    };
    let aborted = read(story.clone().aborts_transaction(0));
    finds(&aborted, &[(Anomaly::PollSkip, 1), (Anomaly::G1a, 1)]);
    assert_eq!(named(&aborted.check(), Anomaly::G1a), ["p0 0-0"]);
    finds(
        &read(story.commits_transaction(0)),
        &[(Anomaly::PollSkip, 1)],
    );
}

/// What never asked for its commit has aborted, if nothing of it is left open
/// anywhere: known only where everything was read.
#[test]
fn what_became_of_a_transaction_that_never_asked_is_known_where_all_was_read() {
    let story = story().begins(0).send(0).unsure(0);
    let told = |story: Story| {
        let of = story.check().coverage.transactions;
        (of.aborted, of.unknown)
    };
    assert_eq!(told(story.clone().log(&[])), (1, 0));
    assert_eq!(told(story.clone().pinned(part(0), 0, 1)), (0, 1));
    // It may have written to another partition, of which nobody has read all.
    assert_eq!(told(story.log(&[]).pinned(part(1), 0, 1)), (0, 1));
}

#[test]
fn a_transaction_that_never_asked_was_not_committed() {
    let fenced = TransactionOutcome::Fenced;
    let story = first().hears(transaction(0, 0), fenced).processes(0, 0..2);
    finds(
        &story.clone().log(&inside([0, 1])),
        &[(Anomaly::PrecommittedRead, 2)],
    );
    // The log says more: it is the same reading, and only one anomaly.
    finds(&story.log(&closed(ABORTED)), &[(Anomaly::G1a, 2)]);
}

#[test]
fn readings_may_reach_the_recorder_before_the_sending() {
    let mut story = first().commits_transaction(0).processes(0, 0..2);
    let readings = story.events.split_off(story.events.len() - 2);
    let begun = story
        .events
        .iter()
        .position(|event| matches!(event.body, Body::TransactionBegun { .. }))
        .unwrap();
    story.events.splice(begun..begun, readings);
    clean(&story.clone().log(&closed(COMMITTED)));
    for event in &mut story.events {
        if matches!(event.body, Body::Processed { .. }) {
            event.at = model::ids::Micros::new(0);
        }
    }
    let early = [(Anomaly::PrecommittedRead, 2)];
    finds(&story.log(&closed(COMMITTED)), &early);
}

// What such a group need not be given.

#[test]
fn aborted_records_are_expected_of_nobody_who_reads_committed() {
    let story = first().aborts_transaction(0).send(2).ack(2, 3);
    let log = [closed(ABORTED), ours([2])].concat();
    // Record 2 stands at offset 3.
    let read_there = |story: Story| {
        let record = Content::Ours(id(0, 2));
        story
            .processes_as(0, 3, record)
            .commits(0, 4)
            .group_waited()
    };
    clean(&read_there(story).log(&log));
    let uncommitted = read_there(group_story().begins(0).sends(2).aborts_transaction(0));
    let uncommitted = uncommitted.send(2).ack(2, 3).log(&log);
    finds(&uncommitted, &[(Anomaly::GroupGap, 2)]);
}

#[test]
fn aborted_records_do_not_count_for_those_who_read_committed() {
    let story = group_story().read_committed().begins(0).sends(2);
    let story = story.commits_transaction(0).processes(0, 0..2);
    let story = (2..5).fold(story.commits(0, 2).begins(1), |story, at: u64| {
        story.send(at).ack(at, at.cast_signed() + 1)
    });
    let log = [
        inside([0, 1]),
        vec![COMMITTED],
        inside([2, 3, 4]),
        vec![ABORTED],
    ];
    let story = story.aborts_transaction(1).log(&log.concat());
    clean(&story);
    let group = &story.check().coverage.groups[0];
    let counted = (group.stored, group.below_committed, group.distinct);
    assert_eq!(counted, (2, 2, 2));
}

#[test]
fn a_reader_may_jump_over_what_was_aborted() {
    let story = group_story().read_committed().send(0).ack(0, 0);
    let story = story.begins(0).send(1).ack(1, 1).aborts_transaction(0);
    let story = story.send(2).ack(2, 3).processes(0, [0]);
    let story = story.processes_as(0, 3, Content::Ours(id(0, 2)));
    let log = [ours([0]), inside([1]), vec![ABORTED], ours([2])].concat();
    clean(&story.log(&log));
}

/// Of what was deleted nobody knows whether its transaction was aborted.
#[test]
fn what_was_deleted_is_a_gap_of_those_who_read_committed_only_if_nothing_was_transacted() {
    let story = group_story().read_committed().sends(3);
    let passed = |story: Story| {
        let story = story.processes(0, 0..1).commits(0, 3);
        story.log_from(2, &ours([2]))
    };
    let unknown = |story: &Story| story.check().coverage.groups[0].unknown;
    let plain = passed(story.clone());
    finds(&plain, &[(Anomaly::GroupGap, 2)]);
    assert_eq!(unknown(&plain), 0);
    assert_eq!(plain.check().coverage.groups[0].gaps, 2);
    let other = transaction(1, 0);
    let transacted = passed(story.begins_of(other).commits_of(other));
    finds(&transacted, &[(Anomaly::GroupGap, 1)]);
    assert_eq!(unknown(&transacted), 1);
}

#[test]
fn nothing_behind_a_transaction_that_was_never_closed_is_expected() {
    let story = first().send(2).ack(2, 2).group_waited();
    let log = [inside([0, 1]), ours([2])].concat();
    clean(&story.clone().log(&log));
    assert_eq!(story.log(&log).check().coverage.groups[0].unstable, 3);
}

// Transactions as a whole.

/// A transaction with a record in each of two partitions.
fn spread(first: Slot, second: Slot) -> Story {
    let story = story().and(Body::TopicDeclared {
        topic: crate::story::TOPIC,
        name: "t".to_owned(),
        partitions: 2,
    });
    let story = sent(story.begins(0), id(0, 0), part(0), 0);
    let story = sent(story, id(0, 1), part(1), 0).commits_transaction(0);
    let story = story.and(Body::TrafficEnded);
    let in_both = [(part(0), 0, first), (part(1), 1, second)];
    let story = in_both
        .into_iter()
        .fold(story, |story, (at, sequence, marker)| {
            story.truth(at, 0, &[of(100, id(0, sequence)), marker])
        });
    story.and(Body::Completed)
}

#[test]
fn a_transaction_that_is_committed_everywhere_is_whole() {
    clean(&spread(COMMITTED, COMMITTED));
    clean(&spread(ABORTED, ABORTED));
}

#[test]
fn a_transaction_that_is_committed_here_and_aborted_or_open_there_is_torn() {
    let torn = [(Anomaly::TornTransaction, 1)];
    finds(&spread(COMMITTED, ABORTED), &torn);
    finds(&spread(Slot::Gap, COMMITTED), &torn);
    let analysis = spread(COMMITTED, ABORTED).check();
    assert_eq!(named(&analysis, Anomaly::TornTransaction), ["p0/t 0-0"]);
}

/// The test of wholeness is a transaction of many; how high its records are
/// numbered makes none of them many.
#[test]
fn transactions_of_one_record_are_told_apart_from_those_of_more() {
    let one = |story: Story, number: u64, sequence: u64, at: i64| {
        let record = id(0, sequence);
        let story = sent(story.begins(number), record, part(0), at);
        story.commits_transaction(number)
    };
    let story = one(group_story(), 0, 0, 0);
    let story = one(story, 1, 1, 2);
    let slot = |sequence| of(0, id(0, sequence));
    let log = [slot(0), Slot::Commit(0), slot(1), Slot::Commit(0)];
    let covered = story.clone().log(&log).check().coverage.transactions;
    assert_eq!((covered.committed, covered.committed_of_many), (2, 0));

    let story = sent(story.begins(2), id(0, 2), part(0), 4);
    let story = sent(story, id(0, 3), part(0), 5).commits_transaction(2);
    let more = [slot(2), slot(3), Slot::Commit(0)];
    let covered = story.log(&[&log[..], &more].concat()).check();
    let covered = covered.coverage.transactions;
    assert_eq!((covered.committed, covered.committed_of_many), (3, 1));
}

#[test]
fn a_lost_record_tears_its_transaction_once() {
    let story = story().begins(0).sends(4).commits_transaction(0);
    let kept = [
        inside([0]),
        vec![Slot::Gap, Slot::Gap],
        inside([3]),
        vec![COMMITTED],
    ]
    .concat();
    finds(
        &story.clone().log(&kept),
        &[(Anomaly::LostWrite, 2), (Anomaly::TornTransaction, 1)],
    );
    let nothing_kept = [Slot::Gap; 5];
    finds(&story.log(&nothing_kept), &[(Anomaly::LostWrite, 4)]);
}

// Offsets and processing inside transactions.

/// A member that reads two records for a transaction, which then ends.
fn consumes(intent: Intent, outcome: TransactionOutcome) -> Story {
    group_story()
        .sends(2)
        .begins(0)
        .joins(0, transaction(0, 0))
        .processes(0, 0..2)
        .sends_offset(transaction(0, 0), 2)
        .asks(transaction(0, 0), intent)
        .hears(transaction(0, 0), outcome)
}

#[test]
fn what_was_processed_in_a_committed_transaction_counts() {
    let story = consumes(Intent::Commit, TransactionOutcome::Committed).group_waited();
    clean(&story.clone().log(&ours([0, 1])));
    let again = story.member(1).processes(1, 0..2);
    finds(&again.log(&ours([0, 1])), &[(Anomaly::Reprocessed, 2)]);
}

#[test]
fn what_was_processed_in_an_aborted_transaction_is_undone() {
    let story = consumes(Intent::Abort, TransactionOutcome::Aborted);
    let again = story.clone().processes(0, 0..2).group_waited();
    clean(&again.log(&ours([0, 1])));
    let never = story.group_waited();
    finds(&never.log(&ours([0, 1])), &[(Anomaly::GroupIncomplete, 2)]);
}

#[test]
fn what_was_processed_in_a_transaction_of_unknown_outcome_is_open() {
    let story = consumes(Intent::Commit, unknown()).group_waited();
    clean(&story.clone().log(&ours([0, 1])));
    clean(
        &story
            .clone()
            .member(1)
            .processes(1, 0..2)
            .log(&ours([0, 1])),
    );
    let analysis = story.log(&ours([0, 1])).check();
    assert_eq!(analysis.coverage.groups[0].unsettled, 2);
}

#[test]
fn an_offset_passes_nothing_until_its_transaction_commits() {
    let passes = |outcome| {
        let story = group_story().sends(2).begins(0);
        let story = story.sends_offset(transaction(0, 0), 2);
        story.hears(transaction(0, 0), outcome).log(&ours([0, 1]))
    };
    finds(
        &passes(TransactionOutcome::Committed),
        &[(Anomaly::GroupGap, 2)],
    );
    clean(&passes(TransactionOutcome::Aborted));
    clean(&passes(unknown()));
}

#[test]
fn a_committed_offset_that_goes_back_is_a_regression() {
    let story = consumes(Intent::Commit, TransactionOutcome::Committed).begins(1);
    let back = story.clone().sends_offset(transaction(0, 1), 1);
    let one = [(Anomaly::CommitRegression, 1)];
    finds(
        &back.clone().commits_transaction(1).log(&ours([0, 1])),
        &one,
    );
    clean(&back.aborts_transaction(1).log(&ours([0, 1])));
    let other = transaction(1, 0);
    let other = story
        .begins_of(other)
        .sends_offset(other, 1)
        .commits_of(other);
    finds(&other.clone().log(&ours([0, 1])), &one);
    let reported = consumes(Intent::Commit, TransactionOutcome::Committed);
    finds(&reported.group_offset(Some(1)).log(&ours([0, 1])), &one);
}

// Order inside one transaction.

#[test]
fn order_inside_a_transaction_is_told_apart_from_order_across() {
    let one = story().begins(0).send(0).send(1).ack(1, 0).ack(0, 1);
    let one = one.commits_transaction(0);
    let log = [inside([1, 0]), vec![COMMITTED]].concat();
    finds(&one.log(&log), &[(Anomaly::IntNonmonotonicSend, 1)]);
    let two = story().begins(0).send(0).ack(0, 2).commits_transaction(0);
    let two = two.begins(1).send(1).ack(1, 0).commits_transaction(1);
    let log = [inside([1]), vec![COMMITTED], inside([0]), vec![COMMITTED]].concat();
    finds(&two.log(&log), &[(Anomaly::NonmonotonicSend, 1)]);
}

#[test]
fn skips_and_steps_back_inside_a_transaction_are_told_apart() {
    let reads = |offsets: [i64; 2], others: [i64; 2]| {
        let story = group_story().sends(4).begins(0).joins(0, transaction(0, 0));
        let story = story.processes(0, offsets).commits_transaction(0);
        let story = story.begins(1).joins(0, transaction(0, 1));
        story
            .processes(0, others)
            .commits_transaction(1)
            .log(&ours([0, 1, 2, 3]))
    };
    clean(&reads([0, 1], [2, 3]));
    finds(
        &reads([0, 2], [3, 1]),
        &[(Anomaly::IntPollSkip, 1), (Anomaly::IntNonmonotonicPoll, 1)],
    );
    finds(
        &reads([0, 1], [3, 2]),
        &[(Anomaly::PollSkip, 1), (Anomaly::IntNonmonotonicPoll, 1)],
    );
    finds(
        &reads([1, 2], [0, 3]),
        &[(Anomaly::NonmonotonicPoll, 1), (Anomaly::IntPollSkip, 2)],
    );
}

#[test]
fn others_records_between_those_of_a_transaction_are_reported() {
    let story = || sent(story().begins(0).send(0).ack(0, 0), id(1, 0), part(0), 1);
    let story = story().send(1).ack(1, 2).commits_transaction(0);
    let other = Slot::Is(Content::Ours(id(1, 0)));
    let log = [inside([0]), vec![other], inside([1]), vec![COMMITTED]].concat();
    finds(&story.clone().log(&log), &[(Anomaly::IntSendSkip, 1)]);
    let apart = [
        inside([0]),
        vec![Slot::Gap],
        inside([1]),
        vec![COMMITTED, other],
    ]
    .concat();
    let moved = [(Anomaly::InconsistentOffsets, 1)];
    finds(&story.log(&apart), &moved);
}

#[test]
fn what_an_abort_rewinds_is_read_again_in_order() {
    let story = consumes(Intent::Abort, TransactionOutcome::Aborted);
    let story = story.begins(1).joins(0, transaction(0, 1));
    let story = story.processes(0, 0..2).commits_transaction(1);
    clean(&story.log(&ours([0, 1])));
}

#[test]
fn a_position_that_was_set_is_where_the_next_reading_starts() {
    let set = |next: Option<i64>| {
        group_story()
            .sends(4)
            .processes(0, 0..2)
            .and(Body::Repositioned {
                member: MemberIx::new(0),
                partition: part(0),
                next: next.map(model::ids::Offset::new),
            })
    };
    let log = ours([0, 1, 2, 3]);
    clean(&set(Some(3)).processes(0, [3]).log(&log));
    clean(&set(None).processes(0, [3]).log(&log));
    finds(
        &set(Some(2)).processes(0, [3]).log(&log),
        &[(Anomaly::PollSkip, 1)],
    );
    let again = set(Some(1)).processes(0, [1]).log(&log);
    finds(&again, &[(Anomaly::Reprocessed, 1)]);
}

// Circles.

/// Two transactions of two producers, each with a record in two partitions.
fn crossing(second: [Slot; 2]) -> Story {
    let story = story().and(Body::TopicDeclared {
        topic: crate::story::TOPIC,
        name: "t".to_owned(),
        partitions: 2,
    });
    let (one, two) = (transaction(0, 0), transaction(1, 0));
    let story = story.begins_of(one).begins_of(two);
    let story = [id(0, 0), id(1, 0)]
        .into_iter()
        .fold(story, |story, record| {
            story.and(Body::SendInvoked {
                record,
                to: part(0),
            })
        });
    let story = [id(0, 1), id(1, 1)]
        .into_iter()
        .fold(story, |story, record| {
            story.and(Body::SendInvoked {
                record,
                to: part(1),
            })
        });
    let story = story
        .commits_of(one)
        .commits_of(two)
        .and(Body::TrafficEnded);
    let markers = [Slot::Commit(100), Slot::Commit(200)];
    let first = [of(100, id(0, 0)), of(200, id(1, 0))];
    let story = story.truth(part(0), 0, &[first, markers].concat());
    let story = story.truth(part(1), 0, &[second, markers].concat());
    story.and(Body::Completed)
}

#[test]
fn transactions_in_different_orders_in_two_partitions_are_a_circle_of_writes() {
    let (one, two) = (of(100, id(0, 1)), of(200, id(1, 1)));
    clean(&crossing([one, two]));
    let circle = crossing([two, one]);
    finds(&circle, &[(Anomaly::G0, 1)]);
    let analysis = circle.check();
    assert_eq!(named(&analysis, Anomaly::G0), ["p0/t 0-0", "p1/t 0-0"]);
    assert_eq!(
        analysis.findings[0].examples[0].what,
        "p1/t0 wrote t-0@1 behind p0/t0; p0/t0 wrote t-1@1 behind p1/t0"
    );
}

/// Two transactions, of which each may read what the other wrote.
fn reading(one_reads: &[i64], two_reads: &[i64]) -> Story {
    let (one, two) = (transaction(0, 0), transaction(1, 0));
    let story = group_story().begins_of(one).begins_of(two);
    let story = sent(story, id(0, 0), part(0), 0);
    let story = sent(story, id(1, 0), part(0), 1);
    let story = story.joins(0, one);
    let story = one_reads.iter().fold(story, |story, at| {
        let record = if *at == 0 { id(0, 0) } else { id(1, 0) };
        story.processes_as(0, *at, Content::Ours(record))
    });
    let story = story.member(1).joins(1, two);
    let story = two_reads.iter().fold(story, |story, at| {
        let record = if *at == 0 { id(0, 0) } else { id(1, 0) };
        story.processes_as(1, *at, Content::Ours(record))
    });
    let story = story.commits_of(one).commits_of(two);
    let log = [
        of(100, id(0, 0)),
        of(200, id(1, 0)),
        COMMITTED,
        Slot::Commit(200),
    ];
    story.log(&log)
}

#[test]
fn transactions_that_read_one_another_are_a_circle() {
    clean(&reading(&[], &[0]));
    clean(&reading(&[0], &[1]));
    // One reads what two wrote behind it: the log says two came later.
    let story = reading(&[1], &[]);
    finds(&story, &[(Anomaly::G1c, 1)]);
    assert_eq!(
        story.check().findings[0].examples[0].what,
        "p0/t0 read t-0@1, which p1/t0 wrote; p1/t0 wrote t-0@1 behind p0/t0"
    );
    finds(&reading(&[1], &[0]), &[(Anomaly::G1c, 1)]);
}

#[test]
fn an_example_tells_how_a_transaction_went() {
    let story = first().aborts_transaction(0).processes(0, 1..2);
    let (analysis, _) = story
        .log(&closed(ABORTED))
        .examine(&model::claim::Contract::default());
    let told: Vec<String> = analysis.findings[0].examples[0]
        .operations
        .iter()
        .map(|operation| format!("{} {}", operation.who, operation.what))
        .collect();
    assert_eq!(
        told,
        [
            "p0 began p0/t0",
            "p0 p0/1 was acknowledged at t-0@1",
            "p0 asked for p0/t0 to be aborted",
            "p0 p0/t0 was aborted",
            "g member 0 processed p0/1 at t-0@1",
            "observer p0/0 stands at t-0@0, the nearest below",
            "observer p0/1 stands at t-0@1",
        ]
    );
}
