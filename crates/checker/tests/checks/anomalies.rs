//! Each anomaly in the smallest history that shows it, beside a twin that
//! stays clean.

use crate::story::{
    CHANGES, Slot, Story, TABLE, capture_story, changes, found, group_story, healed, id, injected,
    named, ours, part, story, triggered,
};
use model::anomaly::Anomaly;
use model::event::{
    Body, CaptureResult, ChangeContent, Cleanup, CommitResult, Content, Ending, RowOp, TxOutcome,
};
use model::ids::{ChangeId, Lsn, MemberIx};

#[track_caller]
fn finds(story: &Story, expected: &[(Anomaly, u64)]) {
    assert_eq!(found(&story.check()), expected);
}

#[track_caller]
fn clean(story: &Story) {
    finds(story, &[]);
}

fn of(change: u64) -> ChangeContent {
    ChangeContent::Ours(ChangeId::new(change))
}

const FOREIGN: Slot = Slot::Is(Content::Foreign);
const CORRUPT: Slot = Slot::Is(Content::Corrupt);

// Acknowledgements against the log.

#[test]
fn an_acknowledged_record_that_stands_is_no_loss() {
    clean(&story().sends(3).log(&ours([0, 1, 2])));
}

#[test]
fn an_acknowledged_record_that_stands_nowhere_is_lost() {
    let log = [ours([0]), vec![Slot::Gap], ours([2])].concat();
    let story = story().sends(3).log(&log);
    finds(&story, &[(Anomaly::LostWrite, 1)]);
    assert_eq!(named(&story.check(), Anomaly::LostWrite), ["p0 1-1"]);
}

#[test]
fn an_acknowledgement_above_the_pinned_end_is_a_loss_too() {
    let story = story().sends(3).log(&ours([0]));
    finds(
        &story,
        &[(Anomaly::LostWrite, 2), (Anomaly::LogTruncation, 1)],
    );
    assert_eq!(named(&story.check(), Anomaly::LostWrite), ["p0 1-2"]);
}

#[test]
fn what_lies_below_the_log_start_may_have_been_taken_by_retention() {
    let story = story().sends(3).log_from(1, &ours([1, 2]));
    clean(&story);
    assert_eq!(story.check().coverage.expired, 1);
}

#[test]
fn nothing_is_lost_in_a_partition_that_was_not_read() {
    let story = story().sends(3).pinned(part(0), 0, 3);
    clean(&story);
    assert_eq!(story.check().completeness.unread, ["t-0"]);
}

#[test]
fn an_unknown_outcome_is_neither_lost_nor_wrong() {
    clean(
        &story()
            .send(0)
            .unsure(0)
            .send(1)
            .unsure(1)
            .send(2)
            .log(&ours([1])),
    );
}

#[test]
fn a_damaged_record_where_it_was_acknowledged_is_corrupt_and_not_lost() {
    let story = story().sends(2).log(&[ours([0]), vec![CORRUPT]].concat());
    finds(&story, &[(Anomaly::Corrupt, 1)]);
    assert_eq!(story.check().coverage.damaged, 1);
}

#[test]
fn a_record_at_two_offsets_is_a_duplicate_for_each_extra_copy() {
    let story = story().sends(2).log(&ours([0, 1, 0, 1, 0]));
    finds(&story, &[(Anomaly::Duplicate, 3)]);
    assert_eq!(story.check().counts.distinct, 2);
}

#[test]
fn later_copies_say_nothing_about_order() {
    let story = story().sends(3).log(&ours([0, 1, 2, 0, 1]));
    finds(&story, &[(Anomaly::Duplicate, 2)]);
}

#[test]
fn a_record_behind_one_that_was_sent_later_is_out_of_order() {
    let story = story()
        .send(0)
        .send(1)
        .send(2)
        .ack(1, 0)
        .ack(2, 1)
        .ack(0, 2)
        .log(&ours([1, 2, 0]));
    finds(&story, &[(Anomaly::NonmonotonicSend, 1)]);
    assert_eq!(named(&story.check(), Anomaly::NonmonotonicSend), ["p0 0-0"]);
}

#[test]
fn an_acknowledgement_of_another_offset_than_the_logs_is_inconsistent() {
    let story = story()
        .send(0)
        .ack(0, 1)
        .send(1)
        .ack(1, 0)
        .send(2)
        .ack(2, 2);
    let story = story.log(&ours([0, 1, 2]));
    finds(&story, &[(Anomaly::InconsistentOffsets, 2)]);
}

#[test]
fn of_records_acknowledged_at_one_offset_the_absent_ones_are_lost() {
    // Each had the offset in a life of the log of its own.
    let told = || story().send(0).send(1).send(2).ack(0, 0).ack(1, 0);
    let story = told().ack(2, 0).log(&ours([2]));
    finds(&story, &[(Anomaly::LostWrite, 2)]);
    assert_eq!(named(&story.check(), Anomaly::LostWrite), ["p0 0-1"]);
    // One that stands elsewhere was never there.
    let story = told().ack(2, 2).log(&ours([1, 0, 2]));
    finds(
        &story,
        &[
            (Anomaly::NonmonotonicSend, 1),
            (Anomaly::InconsistentOffsets, 1),
        ],
    );
    assert_eq!(
        named(&story.check(), Anomaly::InconsistentOffsets),
        ["p0 0-0"]
    );
}

#[test]
fn a_reader_and_the_log_must_agree_on_what_stands_at_an_offset() {
    let other = Content::Ours(id(0, 1));
    let story = group_story().sends(2).processes_as(0, 0, other);
    finds(
        &story.log(&ours([0, 1])),
        &[(Anomaly::InconsistentOffsets, 1)],
    );
}

#[test]
fn what_nobody_sent_is_a_phantom() {
    let misplaced = Slot::Is(Content::Misplaced(id(0, 0)));
    let log = [ours([0, 7]), vec![FOREIGN, misplaced]].concat();
    let story = story().sends(1).log(&log);
    finds(&story, &[(Anomaly::Phantom, 3)]);
    assert_eq!(named(&story.check(), Anomaly::Phantom), ["t-0 1-3"]);
}

#[test]
fn a_phantom_that_is_stored_and_read_is_one() {
    let story = group_story()
        .processes_as(0, 0, Content::Foreign)
        .log(&[FOREIGN]);
    finds(&story, &[(Anomaly::Phantom, 1)]);
}

#[test]
fn a_history_that_lacks_the_end_of_the_sending_knows_no_unsent_records() {
    clean(&story().truth(part(0), 0, &ours([0])));
}

#[test]
fn a_failed_record_that_is_stored_is_visible() {
    let failed = story().send(0).fail(0).send(1).fail(1);
    finds(
        &failed.clone().log(&ours([1])),
        &[(Anomaly::FailedWriteVisible, 1)],
    );
    clean(&failed.log(&[]));
}

// Readers and groups.

#[test]
fn a_group_that_reads_everything_in_order_is_clean() {
    let story = group_story()
        .sends(4)
        .processes(0, 0..2)
        .commits(0, 2)
        .ends(0, Ending::Clean)
        .member(1)
        .processes(1, 2..4)
        .commits(1, 4)
        .group_waited()
        .group_offset(Some(4));
    clean(&story.log(&ours([0, 1, 2, 3])));
}

#[test]
fn jumping_over_a_record_is_a_skip_and_over_a_marker_is_none() {
    let story = group_story().sends(2).processes(0, [0, 2]);
    finds(
        &story.log(&ours([0, 1, 2])),
        &[(Anomaly::Phantom, 1), (Anomaly::PollSkip, 1)],
    );
    let marker = group_story()
        .send(0)
        .ack(0, 0)
        .send(2)
        .ack(2, 2)
        .processes(0, [0, 2]);
    clean(&marker.log(&[ours([0]), vec![Slot::Gap], ours([2])].concat()));
}

#[test]
fn going_back_is_wrong_within_an_assignment_only() {
    let story = group_story().sends(2).processes(0, [0, 1, 0]);
    finds(
        &story.log(&ours([0, 1])),
        &[(Anomaly::NonmonotonicPoll, 1), (Anomaly::Reprocessed, 1)],
    );
    let restarted = group_story()
        .sends(2)
        .processes(0, [0, 1])
        .member(1)
        .processes(1, [0, 1]);
    finds(&restarted.log(&ours([0, 1])), &[(Anomaly::Reprocessed, 2)]);
}

#[test]
fn a_partition_that_is_given_or_taken_begins_anew() {
    let (member, partitions) = (MemberIx::new(0), vec![part(0)]);
    let again = [(Anomaly::Reprocessed, 2)];
    for moved in [
        Body::Assigned {
            member,
            partitions: partitions.clone(),
        },
        Body::Revoked { member, partitions },
    ] {
        let story = group_story().sends(4).processes(0, 0..2);
        let story = story.and(moved).assigns(0);
        let story = story.processes(0, 0..2).processes(0, 2..4);
        finds(&story.log(&ours([0, 1, 2, 3])), &again);
    }
}

#[test]
fn a_commit_past_an_unprocessed_record_is_a_gap() {
    let story = group_story().sends(3).processes(0, 0..1).commits(0, 1);
    let log = ours([0, 1, 2]);
    clean(&story.clone().log(&log));
    finds(
        &story.clone().commits(0, 2).log(&log),
        &[(Anomaly::GroupGap, 1)],
    );
    finds(
        &story.group_offset(Some(3)).log(&log),
        &[(Anomaly::GroupGap, 2)],
    );
}

#[test]
fn a_refused_or_unknown_commit_passes_nothing() {
    let story = group_story()
        .sends(1)
        .commits_with(0, 1, CommitResult::Refused)
        .commits_with(0, 1, CommitResult::Unknown);
    clean(&story.log(&ours([0])));
}

#[test]
fn a_group_that_was_given_the_time_must_reach_the_end() {
    let story = group_story().sends(3).processes(0, 0..1).commits(0, 1);
    let log = ours([0, 1, 2]);
    clean(&story.clone().log(&log));
    finds(
        &story.group_waited().log(&log),
        &[(Anomaly::GroupIncomplete, 2)],
    );
}

#[test]
fn a_committed_offset_that_goes_back_is_a_regression() {
    let story = group_story().sends(3).processes(0, 0..3).commits(0, 3);
    let log = ours([0, 1, 2]);
    let one = [(Anomaly::CommitRegression, 1)];
    finds(&story.clone().commits(0, 2).log(&log), &one);
    finds(&story.clone().member(1).commits(1, 2).log(&log), &one);
    finds(&story.clone().group_offset(Some(2)).log(&log), &one);
    finds(&story.clone().group_offset(None).log(&log), &one);
    clean(&story.clone().group_offset(Some(3)).log(&log));
    clean(&story.commits_with(0, 2, CommitResult::Refused).log(&log));
}

#[test]
fn a_long_jump_is_a_skip_of_the_last_record_that_it_passes() {
    let (first, gaps) = (ours([0]), vec![Slot::Gap; 98]);
    let sent = |story: Story, at: u64| story.send(at).ack(at, at.cast_signed());
    let story = sent(sent(group_story(), 0), 100);
    let marker = [&first[..], &gaps, &[Slot::Gap], &ours([100])].concat();
    clean(&story.clone().processes(0, [0, 100]).log(&marker));
    let record = [&first[..], &gaps, &ours([99, 100])].concat();
    let story = sent(story, 99).processes(0, [0, 100]).log(&record);
    assert_eq!(story.check().count(Anomaly::PollSkip), 1);
}

/// Not from what was committed when the member came up.
#[test]
fn a_member_starts_from_what_was_committed_when_it_was_given_the_partition() {
    let (member, group) = (MemberIx::new(1), crate::story::GROUP);
    let story = group_story().sends(3).processes(0, 0..3);
    let story = story.and(Body::MemberStarted { member, group });
    let story = story.commits(0, 3).assigns(1);
    let log = ours([0, 1, 2]);
    clean(&story.clone().commits(1, 3).log(&log));
    finds(
        &story.commits(1, 2).log(&log),
        &[(Anomaly::CommitRegression, 1)],
    );
}

/// Once one commit went back, all of them are looked at one by one.
#[test]
fn a_position_that_is_committed_again_has_not_gone_back() {
    let story = group_story().sends(3).processes(0, 0..3).commits(0, 3);
    let story = story.commits(0, 2);
    let log = ours([0, 1, 2]);
    let one = [(Anomaly::CommitRegression, 1)];
    finds(&story.clone().commits(0, 2).log(&log), &one);
    finds(&story.clone().member(1).commits(1, 2).log(&log), &one);
    let again = [(Anomaly::CommitRegression, 2)];
    finds(&story.clone().commits(0, 1).log(&log), &again);
    finds(&story.member(1).commits(1, 1).log(&log), &again);
}

#[test]
fn a_member_starts_from_what_was_committed_last_whoever_tells_of_it_first() {
    let story = group_story().sends(3).processes(0, 0..3).member(1);
    let story = story.commits(1, 2).commits(0, 3).member(2);
    let log = ours([0, 1, 2]);
    let told = |offset: i64| story.clone().commits(2, offset).log(&log);
    let told_late = |offset: i64| {
        let mut told = told(offset);
        let is_commit = |event: &model::event::Event| matches!(event.body, Body::Committed { .. });
        let first = told.events.iter().position(is_commit).unwrap();
        told.events.swap(first, first + 1);
        told
    };
    for back in [told(2), told_late(2)] {
        finds(&back, &[(Anomaly::CommitRegression, 1)]);
    }
    for on in [told(3), told_late(3)] {
        clean(&on);
    }
}

#[test]
fn a_late_answer_to_a_member_that_lost_its_partition_is_no_regression() {
    let story = group_story()
        .sends(3)
        .processes(0, 0..3)
        .member(1)
        .commits(1, 3)
        .commits(0, 1);
    clean(&story.log(&ours([0, 1, 2])));
}

// Change data capture.

#[test]
fn a_captured_row_is_clean() {
    let story = capture_story()
        .committed(0, 7, RowOp::Insert)
        .committed(1, 7, RowOp::Update)
        .event(0, 7, RowOp::Insert, of(0))
        .event(1, 7, RowOp::Update, of(1))
        .row(7, of(1));
    clean(&story.captured(2, 1));
}

#[test]
fn a_committed_change_without_an_event_is_missing_once_capture_has_caught_up() {
    let story = capture_story()
        .committed(0, 7, RowOp::Insert)
        .committed(1, 7, RowOp::Update)
        .event(0, 7, RowOp::Update, of(1))
        .row(7, of(1));
    finds(&story.clone().captured(1, 1), &[(Anomaly::RowMissing, 1)]);
    assert_eq!(
        named(&story.clone().captured(1, 1).check(), Anomaly::RowMissing),
        ["public.rows 7-7"]
    );
    clean(&story.waits(CaptureResult::TimedOut).whole(1, 1));
}

#[test]
fn no_event_is_missing_where_the_topic_is_cleaned_up() {
    let compact = Body::TopicCleanup {
        topic: CHANGES,
        policy: Cleanup::Compact,
    };
    let story = capture_story().committed(0, 1, RowOp::Insert);
    let story = story.committed(1, 1, RowOp::Update).row(1, of(1));
    let last = |story: Story| story.event(1, 1, RowOp::Update, of(1));
    finds(
        &last(story.clone()).captured(2, 1),
        &[(Anomaly::RowMissing, 1)],
    );
    clean(&last(story.clone().and(compact.clone())).captured(2, 1));
    // The last event of a row stays, whatever its topic's policy is.
    let gone = story.clone().and(compact).captured(2, 1);
    finds(&gone, &[(Anomaly::StateDivergence, 1)]);
    let cut = story.waits(CaptureResult::CaughtUp).pinned(changes(), 2, 2);
    let cut = cut.read(changes()).and(Body::TableRead {
        table: TABLE,
        rows: 1,
    });
    clean(&cut.and(Body::TrafficEnded).and(Body::Completed));
}

#[test]
fn what_a_snapshot_found_overwritten_needs_no_event() {
    let story = capture_story()
        .committed(0, 7, RowOp::Insert)
        .committed(1, 7, RowOp::Update)
        .event(0, 7, RowOp::Snapshot, of(1))
        .row(7, of(1));
    clean(&story.captured(1, 1));
}

#[test]
fn a_rolled_back_change_needs_no_event_and_must_have_none() {
    let story = capture_story()
        .committed(0, 7, RowOp::Insert)
        .change(1, 1, 7, RowOp::Update)
        .tx(1, TxOutcome::RolledBack)
        .event(0, 7, RowOp::Insert, of(0))
        .row(7, of(0));
    clean(&story.clone().captured(1, 1));
    let told = story
        .event(1, 7, RowOp::Update, of(1))
        .event(2, 7, RowOp::Insert, of(0));
    finds(
        &told.captured(3, 1),
        &[(Anomaly::RowDuplicate, 1), (Anomaly::RowPhantom, 1)],
    );
}

#[test]
fn an_unknown_transaction_is_settled_by_the_row_it_left() {
    let story = capture_story()
        .committed(0, 7, RowOp::Insert)
        .change(1, 1, 7, RowOp::Update)
        .tx(1, TxOutcome::Unknown)
        .event(0, 7, RowOp::Insert, of(0));
    clean(&story.clone().row(7, of(0)).captured(1, 1));
    let committed = story.clone().row(7, of(1)).captured(1, 1);
    finds(
        &committed,
        &[(Anomaly::RowMissing, 1), (Anomaly::StateDivergence, 1)],
    );
    let told = story.event(1, 7, RowOp::Update, of(1)).row(7, of(0));
    finds(
        &told.captured(2, 1),
        &[(Anomaly::RowPhantom, 1), (Anomaly::StateDivergence, 1)],
    );
}

#[test]
fn a_row_settles_its_transaction_where_no_other_is_known() {
    let story = capture_story()
        .change(0, 0, 7, RowOp::Insert)
        .tx(0, TxOutcome::Unknown)
        .row(7, of(0));
    let told = story.clone().event(0, 7, RowOp::Insert, of(0));
    clean(&told.captured(1, 1));
    finds(
        &story.captured(0, 1),
        &[(Anomaly::RowMissing, 1), (Anomaly::StateDivergence, 1)],
    );
}

/// Only a row that is still as an earlier change left it refutes a change.
#[test]
fn a_change_of_unknown_outcome_is_not_refuted_by_a_later_one_or_an_unread_row() {
    let story = capture_story()
        .committed(0, 7, RowOp::Insert)
        .change(1, 1, 7, RowOp::Update)
        .tx(1, TxOutcome::Unknown)
        .event(0, 7, RowOp::Insert, of(0))
        .event(1, 7, RowOp::Update, of(1));
    let later = story.clone().committed(2, 7, RowOp::Update);
    let later = later.event(2, 7, RowOp::Update, of(2)).row(7, of(2));
    clean(&later.captured(3, 1));
    // The table says that it has two rows: what the other holds is not known.
    let unread = story.clone().row(7, of(0)).captured(2, 2);
    clean(&unread);
    finds(
        &story.row(7, of(0)).captured(2, 1),
        &[(Anomaly::RowPhantom, 1), (Anomaly::StateDivergence, 1)],
    );
}

#[test]
fn a_change_told_twice_is_a_duplicate() {
    let story = capture_story()
        .committed(0, 7, RowOp::Insert)
        .event(0, 7, RowOp::Insert, of(0))
        .event(1, 7, RowOp::Insert, of(0))
        .row(7, of(0));
    finds(&story.captured(2, 1), &[(Anomaly::RowDuplicate, 1)]);
}

#[test]
fn an_event_of_nothing_that_was_done_is_a_phantom() {
    let story = capture_story()
        .committed(0, 7, RowOp::Insert)
        .event(0, 7, RowOp::Insert, ChangeContent::Foreign)
        .event(1, 7, RowOp::Insert, of(9))
        .event(2, 7, RowOp::Delete, ChangeContent::Absent)
        .event(3, 7, RowOp::Insert, of(0))
        .row(7, of(0));
    finds(&story.captured(4, 1), &[(Anomaly::RowPhantom, 3)]);
}

#[test]
fn a_damaged_row_image_is_corrupt() {
    let story = capture_story()
        .committed(0, 7, RowOp::Insert)
        .event(0, 7, RowOp::Insert, ChangeContent::Corrupt)
        .event(1, 7, RowOp::Insert, of(0))
        .row(7, of(0));
    let story = story.captured(2, 1);
    finds(&story, &[(Anomaly::Corrupt, 1)]);
    // Damage is named by where it stands, as that of any record is.
    assert_eq!(
        named(&story.check(), Anomaly::Corrupt),
        ["server.public.rows-0 0-0"]
    );
}

#[test]
fn deletes_are_told_by_their_place_among_the_events_of_the_row() {
    let story = capture_story()
        .committed(0, 7, RowOp::Insert)
        .committed(1, 7, RowOp::Delete)
        .committed(2, 7, RowOp::Insert)
        .committed(3, 7, RowOp::Delete)
        .event(0, 7, RowOp::Insert, of(0))
        .event(1, 7, RowOp::Delete, ChangeContent::Absent)
        .event(2, 7, RowOp::Insert, of(2));
    let last = |story: Story, offset| story.event(offset, 7, RowOp::Delete, ChangeContent::Absent);
    clean(&last(story.clone(), 3).captured(4, 0));
    finds(
        &story.clone().captured(3, 0),
        &[(Anomaly::RowMissing, 1), (Anomaly::StateDivergence, 1)],
    );
    // Told again after a restart: the same place in the log, or behind the
    // insert told again.
    let again = story
        .clone()
        .event_at(3, 7, RowOp::Delete, ChangeContent::Absent, Lsn::new(1001))
        .event(4, 7, RowOp::Insert, of(2));
    finds(
        &last(again, 5).captured(6, 0),
        &[(Anomaly::RowDuplicate, 2)],
    );
}

#[test]
fn another_delete_tells_of_another_deletion_even_where_nothing_tells_of_the_insert_between() {
    let story = capture_story()
        .committed(0, 7, RowOp::Insert)
        .committed(1, 7, RowOp::Delete)
        .committed(2, 7, RowOp::Insert)
        .committed(3, 7, RowOp::Delete)
        .event(0, 7, RowOp::Insert, of(0))
        .event(1, 7, RowOp::Delete, ChangeContent::Absent)
        .event(2, 7, RowOp::Delete, ChangeContent::Absent);
    finds(&story.captured(3, 0), &[(Anomaly::RowMissing, 1)]);
}

#[test]
fn events_of_one_place_in_the_write_ahead_log_or_of_none_are_in_order() {
    let story = capture_story()
        .committed(0, 7, RowOp::Insert)
        .committed(1, 7, RowOp::Update)
        .event(0, 7, RowOp::Insert, of(0))
        .row(7, of(1));
    let told_at = |lsn: u64| {
        story
            .clone()
            .event_at(1, 7, RowOp::Update, of(1), Lsn::new(lsn))
    };
    for lsn in [0, 1000, 1001] {
        clean(&told_at(lsn).captured(2, 1));
    }
    finds(&told_at(999).captured(2, 1), &[(Anomaly::CommitOrder, 1)]);
}

#[test]
fn changes_events_and_rows_are_counted() {
    let story = capture_story()
        .committed(0, 7, RowOp::Insert)
        .committed(1, 7, RowOp::Update)
        .committed(2, 8, RowOp::Insert)
        .change(3, 3, 8, RowOp::Update)
        .tx(3, TxOutcome::RolledBack)
        .event(0, 7, RowOp::Insert, of(0))
        .event(1, 7, RowOp::Update, of(1))
        .event(2, 8, RowOp::Insert, of(2))
        .row(7, of(1))
        .row(8, of(2));
    let counted = |story: &Story| {
        let analysis = story.check();
        let counts = analysis.counts;
        let doubled = analysis.measurements.capture.map(|it| it.duplicates);
        ((counts.changes, counts.change_events, counts.rows), doubled)
    };
    let once = story.clone().captured(3, 2);
    assert_eq!(counted(&once), ((3, 3, 2), Some(0)));
    let again = story.event(3, 8, RowOp::Insert, of(2)).captured(4, 2);
    assert_eq!(counted(&again), ((3, 4, 2), Some(1)));
}

#[test]
fn the_events_of_a_row_follow_its_commits() {
    let story = capture_story()
        .committed(0, 7, RowOp::Insert)
        .committed(1, 7, RowOp::Update)
        .committed(2, 7, RowOp::Update)
        .row(7, of(2));
    let swapped = story
        .clone()
        .event(0, 7, RowOp::Update, of(1))
        .event(1, 7, RowOp::Insert, of(0))
        .event(2, 7, RowOp::Update, of(2));
    finds(&swapped.captured(3, 1), &[(Anomaly::CommitOrder, 1)]);
    let back = story
        .event(0, 7, RowOp::Insert, of(0))
        .event_at(1, 7, RowOp::Update, of(1), Lsn::new(999))
        .event(2, 7, RowOp::Update, of(2));
    finds(&back.captured(3, 1), &[(Anomaly::CommitOrder, 1)]);
}

#[test]
fn the_topic_must_replay_to_the_table() {
    let story = capture_story()
        .committed(0, 7, RowOp::Insert)
        .committed(1, 8, RowOp::Insert)
        .event(0, 7, RowOp::Insert, of(0))
        .event(1, 8, RowOp::Insert, of(1));
    clean(&story.clone().row(7, of(0)).row(8, of(1)).captured(2, 2));
    let lost = story.clone().row(7, of(0)).captured(2, 1);
    finds(&lost, &[(Anomaly::StateDivergence, 1)]);
    assert_eq!(lost.check().coverage.capture.unwrap().disowned, 1);
    let altered = story
        .row(7, ChangeContent::Corrupt)
        .row(8, ChangeContent::Foreign);
    finds(&altered.captured(2, 2), &[(Anomaly::StateDivergence, 2)]);
}

#[test]
fn a_table_that_was_not_read_whole_diverges_from_nothing() {
    let story = capture_story()
        .committed(0, 7, RowOp::Insert)
        .event(0, 7, RowOp::Insert, of(0));
    let story = story.captured(1, 1);
    clean(&story);
    let capture = story.check().coverage.capture.unwrap();
    assert_eq!(capture.unread, ["public.rows"]);
}

// Hostile and odd histories.

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
    let contract = model::claim::Contract::default();
    story.examine(&contract);
}

#[test]
fn named_ranges_are_bounded_and_counts_are_exact() {
    let story = (0..12_000).fold(story(), |story, at| {
        story.send(at * 2).ack(at * 2, at.cast_signed())
    });
    let (analysis, _) = story.log(&[]).examine(&model::claim::Contract::default());
    let finding = &analysis.findings[0];
    assert_eq!(finding.count, 12_000);
    assert_eq!(finding.named.len(), 10_000);
    assert!(!finding.named_all);
    assert_eq!(finding.examples.len(), 5);
}

#[test]
fn an_example_tells_the_whole_story_of_a_loss() {
    let story = group_story().send(0).ack(0, 0).processes(0, [0]).log(&[]);
    let (analysis, _) = story.examine(&model::claim::Contract::default());
    let example = &analysis.findings[0].examples[0];
    let told: Vec<String> = example
        .operations
        .iter()
        .map(|operation| format!("{} {}", operation.who, operation.what))
        .collect();
    assert_eq!(example.what, "p0/0, acknowledged at t-0@0");
    assert_eq!(
        told,
        [
            "p0 sent p0/0 to t-0",
            "p0 p0/0 was acknowledged at t-0@0",
            "g member 0 processed p0/0 at t-0@0",
            "observer nothing stands at t-0@0; the log reaches from 0 up to, and without, 0",
        ]
    );
    assert_eq!(example.operations[1].at_us, Some(6000));
}
