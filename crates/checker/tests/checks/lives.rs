//! Offsets that are used again: a log is lost, cut or made again while a group
//! is away or under its hands. What a group processed is known by the record,
//! not by its offset.

use model::anomaly::Anomaly;
use model::event::{Content, Ending};

use crate::story::{GROUP, Slot, Story, found, group_story, id, named, ours, story};

#[track_caller]
fn finds(story: &Story, expected: &[(Anomaly, u64)]) {
    assert_eq!(found(&story.check()), expected);
}

const LOST: (Anomaly, u64) = (Anomaly::LostWrite, 3);
const CUT: (Anomaly, u64) = (Anomaly::LogTruncation, 1);

/// Of five records the first two outlive the cut; the group has read all five.
fn cut() -> Story {
    group_story().sends(5).processes(0, 0..5).commits(0, 5)
}

/// Six more records are sent, to the offsets from 2 on.
fn grows(story: Story) -> Story {
    (5..11u64).fold(story, |story, at| {
        story.send(at).ack(at, at.cast_signed() - 3)
    })
}

/// What the group is given there.
fn reads(story: Story, member: u32, offsets: impl IntoIterator<Item = i64>) -> Story {
    offsets.into_iter().fold(story, |story, offset| {
        let record = if offset < 2 { offset } else { offset + 3 };
        let content = Content::Ours(id(0, record.cast_unsigned()));
        story.processes_as(member, offset, content)
    })
}

fn truth(story: Story) -> Story {
    story.log(&ours([0, 1, 5, 6, 7, 8, 9, 10]))
}

#[test]
fn a_group_that_goes_on_at_its_old_position_has_a_gap() {
    let away = grows(cut().ends(0, Ending::Clean)).member(1);
    let story = truth(reads(away, 1, 5..8).commits(1, 8));
    finds(&story, &[LOST, CUT, (Anomaly::GroupGap, 3)]);
    assert_eq!(named(&story.check(), Anomaly::GroupGap), ["t-0 2-4"]);
    let coverage = &story.check().coverage.groups[0];
    assert_eq!((coverage.stored, coverage.distinct), (8, 5));
}

#[test]
fn a_group_that_goes_on_where_the_log_was_cut_has_none() {
    let away = grows(cut().ends(0, Ending::Clean)).member(1);
    let story = truth(reads(away, 1, 2..8).commits(1, 8));
    finds(&story, &[LOST, CUT]);
    // So has one whose member was there all the while: it went back in offsets,
    // and was given no record twice.
    let story = truth(reads(grows(cut()), 0, 2..8).commits(0, 4).commits(0, 8));
    finds(&story, &[LOST, CUT]);
    let coverage = &story.check().coverage.groups[0];
    assert_eq!((coverage.processed, coverage.reprocessed), (11, 0));
}

#[test]
fn what_outlived_the_cut_is_read_again_and_gone_back_to() {
    let story = truth(reads(grows(cut()), 0, 0..8).commits(0, 8));
    let again = (Anomaly::Reprocessed, 2);
    finds(&story, &[LOST, CUT, (Anomaly::NonmonotonicPoll, 1), again]);
}

#[test]
fn what_is_passed_over_from_what_outlived_the_cut_is_skipped() {
    let story = truth(reads(grows(cut()), 0, 4..8).commits(0, 8));
    finds(
        &story,
        &[LOST, CUT, (Anomaly::PollSkip, 2), (Anomaly::GroupGap, 2)],
    );
    // From one assignment to the next nothing is skipped.
    let story = truth(reads(grows(cut()).member(1), 1, 4..8).commits(1, 8));
    finds(&story, &[LOST, CUT, (Anomaly::GroupGap, 2)]);
}

#[test]
fn a_hole_in_the_old_log_is_no_skip_in_the_new_one() {
    let story = group_story().send(0).ack(0, 0).send(1).ack(1, 4);
    let content = |record| Content::Ours(id(0, record));
    let story = story.processes_as(0, 0, content(0));
    let story = story.processes_as(0, 4, content(1)).commits(0, 5);
    let story = (2..7u64).fold(story, |story, at| {
        story.send(at).ack(at, at.cast_signed() - 1)
    });
    let story = (1..6).fold(story, |story, at| {
        story.processes_as(0, at, content(at.cast_unsigned() + 1))
    });
    let story = story.commits(0, 6).log(&ours([0, 2, 3, 4, 5, 6]));
    finds(&story, &[(Anomaly::LostWrite, 1), CUT]);
}

#[test]
fn a_position_behind_the_end_passes_nothing() {
    let lost = group_story().sends(5).processes(0, 0..5).commits(0, 5);
    let lost = lost.ends(0, Ending::Clean);
    let grown = (5..8u64).fold(lost, |story, at| {
        story.send(at).ack(at, at.cast_signed() - 5)
    });
    let story = grown.log(&ours([5, 6, 7])).group_offset(Some(5));
    let all = (Anomaly::LostWrite, 5);
    finds(&story, &[all, CUT]);
    finds(
        &story.clone().group_waited(),
        &[all, CUT, (Anomaly::GroupIncomplete, 3)],
    );
    assert_eq!(story.check().coverage.groups[0].gaps, 0);
}

#[test]
fn commits_go_back_with_the_log_and_no_farther() {
    // Behind 4 of the old log, then behind 2 of the new one.
    let story = truth(reads(grows(cut()), 0, 2..3).commits(0, 3));
    finds(&story, &[LOST, CUT]);
    // A new member, which commits before it has read anything.
    let story = grows(cut().ends(0, Ending::Killed)).member(1);
    finds(&truth(story.commits(1, 2)), &[LOST, CUT]);
    // In the new log they go forward.
    let story = truth(reads(grows(cut()), 0, 2..6).commits(0, 6).commits(0, 4));
    finds(&story, &[LOST, CUT, (Anomaly::CommitRegression, 1)]);
    // And so they did in the old one.
    let story = truth(grows(cut().commits(0, 4)));
    finds(
        &story,
        &[
            LOST,
            CUT,
            (Anomaly::GroupGap, 2),
            (Anomaly::CommitRegression, 1),
        ],
    );
}

#[test]
fn positions_of_a_log_that_is_gone_are_not_forgotten_by_the_group() {
    let lost = group_story().sends(3).processes(0, 0..3).commits(0, 3);
    let again = lost.send(3).ack(3, 0);
    let gone = again.clone().log(&ours([3])).group_offset(None);
    finds(&gone, &[LOST, CUT]);
    let kept = group_story().sends(3).processes(0, 0..3).commits(0, 3);
    finds(
        &kept.log(&ours([0, 1, 2])).group_offset(None),
        &[(Anomaly::CommitRegression, 1)],
    );
}

#[test]
fn two_lives_of_a_log_have_one_offset_each_and_contradict_nothing() {
    // Three records were acknowledged at offset 0, one after the other.
    let story = group_story().send(0).ack(0, 0).processes(0, 0..1);
    let story = story.send(1).ack(1, 0);
    let story = story.processes_as(0, 0, Content::Ours(id(0, 1)));
    let story = story.send(2).ack(2, 0);
    let story = story.processes_as(0, 0, Content::Ours(id(0, 2)));
    let story = story.log(&ours([2]));
    finds(&story, &[(Anomaly::LostWrite, 2), CUT]);
    assert_eq!(story.check().coverage.groups[0].reprocessed, 0);
}

#[test]
fn a_record_that_stands_twice_is_processed_twice() {
    let twice = story().group(GROUP, "g").member(0).sends(2);
    let twice = twice.processes(0, 0..2);
    let copy = Content::Ours(id(0, 1));
    let log = ours([0, 1, 1]);
    let duplicate = (Anomaly::Duplicate, 1);
    let both = twice.clone().processes_as(0, 2, copy).commits(0, 3);
    let both = both.log(&log);
    finds(&both, &[duplicate, (Anomaly::Reprocessed, 1)]);
    let coverage = &both.check().coverage.groups[0];
    assert_eq!((coverage.reprocessed, coverage.copies), (1, 1));
    // Processed once, wherever, it is no gap.
    finds(&twice.commits(0, 3).log(&log), &[duplicate]);
}

#[test]
fn an_aborted_record_was_not_read_where_another_stood_before() {
    let story = group_story().read_committed().sends(1).processes(0, 0..1);
    let story = story.begins(0).send(1).ack(1, 0).aborts_transaction(0);
    let aborted = [Slot::In(100, Content::Ours(id(0, 1))), Slot::Abort(100)];
    let lost = (Anomaly::LostWrite, 1);
    finds(&story.clone().log(&aborted), &[lost, CUT]);
    let given = story.processes_as(0, 0, Content::Ours(id(0, 1)));
    finds(&given.log(&aborted), &[lost, CUT, (Anomaly::G1a, 1)]);
}
