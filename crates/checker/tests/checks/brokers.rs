//! What brokers and members answer for: logs that move back, replicas that
//! differ, members that go on. Each in the smallest history that shows it,
//! beside a twin that stays clean.

use model::anomaly::Anomaly;
use model::event::{Body, Cleanup, CommitResult, Content, Ending, TransactionOutcome};
use model::ids::{BrokerId, MemberIx, Micros, Offset};

use crate::story::{Slot, Story, TOPIC, found, group_story, named, ours, part, story, transaction};

#[track_caller]
fn finds(story: &Story, expected: &[(Anomaly, u64)]) {
    assert_eq!(found(&story.check()), expected);
}

#[track_caller]
fn clean(story: &Story) {
    finds(story, &[]);
}

fn tail(story: Story, end: i64) -> Story {
    story.and(Body::TailSeen {
        partition: part(0),
        end: Offset::new(end),
    })
}

const TRUNCATED: [(Anomaly, u64); 1] = [(Anomaly::LogTruncation, 1)];

// Logs that move back.

#[test]
fn an_end_that_was_seen_and_is_above_a_later_one_moved_back() {
    clean(&tail(story().sends(2), 2).log(&ours([0, 1])));
    let back = tail(story().sends(2), 3).log(&ours([0, 1]));
    finds(&back, &TRUNCATED);
    assert_eq!(named(&back.check(), Anomaly::LogTruncation), ["t-0 2-2"]);
}

#[test]
fn an_end_that_was_pinned_twice_must_not_move_back() {
    clean(&story().sends(2).pinned(part(0), 0, 1).log(&ours([0, 1])));
    let back = story().sends(2).pinned(part(0), 0, 9).pinned(part(0), 0, 8);
    finds(&back.log(&ours([0, 1])), &TRUNCATED);
}

#[test]
fn a_log_that_has_grown_again_moved_back_where_a_later_send_stands_at_an_earlier_offset() {
    let lost = (Anomaly::LostWrite, 1);
    let told = || story().send(0).ack(0, 0).send(1).ack(1, 1);
    let grown = told().send(2).ack(2, 1).send(3).ack(3, 2);
    let found = [lost, (Anomaly::LogTruncation, 1)];
    finds(&grown.log(&ours([0, 2, 3])), &found);
    // Sent before the other was acknowledged, it may have been there first.
    let before = story().send(0).ack(0, 0).send(1).send(2);
    let before = before.ack(1, 1).ack(2, 1);
    finds(&before.log(&ours([0, 2])), &[lost]);
    // An acknowledgement that names another offset than the log proves nothing.
    let elsewhere = told().send(2).ack(2, 1);
    let elsewhere = elsewhere.log(&[ours([0]), vec![Slot::Gap], ours([2])].concat());
    let named = (Anomaly::InconsistentOffsets, 1);
    finds(&elsewhere, &[lost, named]);
}

#[test]
fn a_record_read_above_a_later_end_was_there() {
    let story = || group_story().send(0).ack(0, 0).send(1).unsure(1);
    finds(&story().processes(0, 0..2).log(&ours([0])), &TRUNCATED);
    // It may have come behind the pin.
    let mut later = story().log(&ours([0]));
    later = later.processes(0, 1..2);
    clean(&later);
}

#[test]
fn an_acknowledgement_above_the_end_proves_something_only_if_the_record_is_gone() {
    let story = || story().send(0).ack(0, 7);
    finds(
        &story().log(&ours([0])),
        &[(Anomaly::InconsistentOffsets, 1)],
    );
    finds(
        &story().log(&[]),
        &[(Anomaly::LostWrite, 1), (Anomaly::LogTruncation, 1)],
    );
}

// What a topic's policy takes out.

fn cleaned(story: Story, policy: Cleanup) -> Story {
    story.and(Body::TopicCleanup {
        topic: TOPIC,
        policy,
    })
}

#[test]
fn a_hole_in_a_compacted_topic_is_no_loss() {
    let log = [vec![Slot::Gap], ours([1])].concat();
    for policy in [Cleanup::Compact, Cleanup::CompactAndDelete] {
        let story = cleaned(story(), policy).sends(2).log(&log);
        clean(&story);
        assert_eq!(story.check().coverage.compacted, 1);
    }
    let deleting = cleaned(story(), Cleanup::Delete).sends(2).log(&log);
    finds(&deleting, &[(Anomaly::LostWrite, 1)]);
    let above = cleaned(story(), Cleanup::Compact).sends(2).log(&ours([0]));
    finds(
        &above,
        &[(Anomaly::LostWrite, 1), (Anomaly::LogTruncation, 1)],
    );
}

#[test]
fn what_was_written_where_an_acknowledged_record_stood_was_not_compacted() {
    let over = cleaned(story(), Cleanup::Compact)
        .sends(1)
        .send(1)
        .unsure(1);
    finds(&over.log(&ours([1])), &[(Anomaly::LostWrite, 1)]);
}

#[test]
fn a_copy_elsewhere_contradicts_nothing_where_the_other_may_have_been_cleaned_up() {
    clean(&story().sends(1).log_from(1, &ours([0])));
    let moved = [vec![Slot::Gap], ours([0])].concat();
    clean(&cleaned(story(), Cleanup::Compact).sends(1).log(&moved));
    let taken = cleaned(story(), Cleanup::Compact)
        .sends(1)
        .send(1)
        .unsure(1);
    let inconsistent = (Anomaly::InconsistentOffsets, 1);
    finds(&story().sends(1).log(&moved), &[inconsistent]);
    finds(
        &taken.log(&ours([1, 0])),
        &[(Anomaly::NonmonotonicSend, 1), inconsistent],
    );
}

// Replicas that differ.

fn replicated(other: &[Slot]) -> Story {
    let story = story().sends(3).replica(1, 0, &ours([0, 1, 2]));
    story.replica(2, 0, other).log(&ours([0, 1, 2]))
}

const DIFFERENT: [(Anomaly, u64); 1] = [(Anomaly::ReplicaDivergence, 1)];

#[test]
fn replicas_that_hold_the_same_agree() {
    let story = replicated(&ours([0, 1, 2]));
    clean(&story);
    assert_eq!(story.check().coverage.replicas.compared, 3);
}

#[test]
fn a_replica_that_holds_another_record_or_none_differs() {
    let other = replicated(&ours([0, 2, 2]));
    finds(&other, &DIFFERENT);
    assert_eq!(
        named(&other.check(), Anomaly::ReplicaDivergence),
        ["t-0 1-1"]
    );
    let missing = [ours([0]), vec![Slot::Gap], ours([2])].concat();
    finds(&replicated(&missing), &DIFFERENT);
    let damaged = [ours([0, 1]), vec![Slot::Is(Content::Corrupt)]].concat();
    finds(&replicated(&damaged), &DIFFERENT);
}

#[test]
fn records_that_agree_by_chance_in_short_still_differ() {
    // The same eight bits.
    finds(&replicated(&ours([0, 257, 2])), &DIFFERENT);
}

#[test]
fn only_the_range_that_all_replicas_hold_is_compared() {
    clean(&replicated(&ours([0, 1])));
    let story = story().sends(3).replica(1, 0, &ours([0, 1, 2]));
    clean(&story.replica(2, 1, &ours([1, 2])).log(&ours([0, 1, 2])));
}

#[test]
fn a_replica_that_was_not_read_to_its_end_differs_from_nothing() {
    let story = story().sends(3).replica(1, 0, &ours([0, 1, 2]));
    let story = story.and(Body::ReplicaPinned {
        partition: part(0),
        broker: BrokerId::new(2),
        log_start: Offset::new(0),
        end: Offset::new(3),
    });
    let story = story.log(&ours([0, 1, 2]));
    clean(&story);
    let coverage = story.check().coverage.replicas;
    assert_eq!(coverage.unread, ["t-0 on broker 2"]);
    assert_eq!(coverage.alone, ["t-0"]);
}

#[test]
fn replicas_of_a_compacted_topic_are_cleaned_at_different_times() {
    let cleaned_replica = [ours([0]), vec![Slot::Gap], ours([2])].concat();
    let story = |other: &[Slot]| {
        let story = cleaned(story(), Cleanup::Compact).sends(3);
        let story = story.replica(1, 0, &ours([0, 1, 2]));
        story.replica(2, 0, other).log(&ours([0, 1, 2]))
    };
    clean(&story(&cleaned_replica));
    finds(&story(&ours([0, 7, 2])), &DIFFERENT);
}

// Members that go on.

fn zombies(count: u64) -> Vec<(Anomaly, u64)> {
    vec![(Anomaly::ZombieProcessing, count)]
}

#[test]
fn a_member_that_goes_on_behind_its_own_revocation_is_a_zombie() {
    let story = || group_story().sends(4).processes(0, 0..2).revokes(0);
    let log = ours([0, 1, 2, 3]);
    clean(&story().assigns(0).processes(0, 2..4).log(&log));
    finds(&story().processes(0, 2..4).log(&log), &zombies(2));
}

#[test]
fn a_late_answer_to_a_commit_is_no_zombie_and_a_new_commit_is() {
    let story = || group_story().sends(4).processes(0, 0..2).revokes(0);
    let log = ours([0, 1, 2, 3]);
    clean(&story().commits(0, 2).log(&log));
    // A marker may stand at 2: the position behind it could be committed.
    let marker = [ours([0, 1]), vec![Slot::Gap]].concat();
    clean(
        &group_story()
            .sends(2)
            .processes(0, 0..2)
            .revokes(0)
            .commits(0, 3)
            .log(&marker),
    );
    let beyond = story().commits(0, 3).log(&log);
    finds(
        &beyond,
        &[(Anomaly::GroupGap, 1), (Anomaly::ZombieProcessing, 1)],
    );
}

/// Member 0 was never told; member 1 is given the partition and goes on.
fn taken_over() -> Story {
    group_story()
        .sends(4)
        .processes(0, 0..2)
        .commits(0, 2)
        .member(1)
        .processes(1, 2..3)
}

#[test]
fn a_member_that_goes_on_behind_its_successors_commit_is_a_zombie() {
    let log = ours([0, 1, 2, 3]);
    let story = taken_over().commits(1, 3).processes(0, 2..3).log(&log);
    let again = (Anomaly::Reprocessed, 1);
    finds(&story, &[&[again][..], &zombies(1)].concat());
    let told = taken_over().commits(1, 3).revokes(0);
    clean(&told.log(&log));
}

#[test]
fn a_successor_that_committed_nothing_may_itself_be_the_stale_one() {
    let log = ours([0, 1, 2, 3]);
    let again = [(Anomaly::Reprocessed, 1)];
    finds(&taken_over().processes(0, 2..3).log(&log), &again);
    let refused = taken_over().commits_with(1, 3, CommitResult::Refused);
    finds(&refused.processes(0, 2..3).log(&log), &again);
    // An answer to what it committed when it had the partition before.
    let stale = group_story()
        .member(1)
        .sends(4)
        .processes(1, 0..2)
        .revokes(1);
    let stale = stale.assigns(0).processes(0, 2..3).assigns(1);
    let stale = stale.processes(1, 1..2).commits(1, 2).processes(0, 3..4);
    finds(&stale.log(&log), &again);
}

#[test]
fn a_slow_report_of_what_was_done_before_is_no_zombie() {
    let mut story = taken_over().commits(1, 3);
    let late = story.clone().processes(0, 2..3).events.pop().unwrap();
    story.events.push(model::event::Event {
        at: Micros::new(1),
        ..late
    });
    let again = [(Anomaly::Reprocessed, 1)];
    finds(&story.log(&ours([0, 1, 2, 3])), &again);
}

#[test]
fn what_a_fenced_transaction_undoes_is_no_zombie() {
    let processed = |outcome| {
        let story = group_story().sends(2).processes(0, 0..1).revokes(0);
        let story = story
            .begins(0)
            .joins(0, transaction(0, 0))
            .processes(0, 1..2);
        story.hears(transaction(0, 0), outcome).log(&ours([0, 1]))
    };
    clean(&processed(TransactionOutcome::Fenced));
    finds(&processed(TransactionOutcome::Committed), &zombies(1));
}

/// As if the last events had all come at that moment.
fn last_at(mut story: Story, events: usize, at: Micros) -> Story {
    for event in story.events.iter_mut().rev().take(events) {
        event.at = at;
    }
    story
}

fn given_to(story: &Story, member: u32) -> Micros {
    let mut given = story.events.iter().filter(
        |event| matches!(&event.body, Body::Assigned { member: to, .. } if to.get() == member),
    );
    given.next().unwrap().at
}

#[test]
fn an_assignment_that_was_not_known_then_or_began_no_later_proves_no_takeover() {
    let log = ours([0, 1, 2, 3]);
    let again = [(Anomaly::Reprocessed, 1)];
    // Member 1 may be the stale one, and member 2 is heard of afterwards.
    let story = group_story().sends(4).processes(0, 0..1).member(1);
    let between = Micros::new(given_to(&story, 1).get() + 1);
    let story = story.processes(0, 1..2);
    let late = last_at(story.member(2), 2, between);
    let late = late.processes(2, 2..3).commits(2, 3);
    clean(&late.log(&log));

    let story = taken_over().commits(1, 3);
    let began = given_to(&story, 0);
    let mut at_once = story.clone();
    for event in &mut at_once.events {
        if matches!(&event.body, Body::Assigned { member, .. } if member.get() == 1) {
            event.at = began;
        }
    }
    finds(&at_once.processes(0, 2..3).log(&log), &again);
    let later = story.processes(0, 2..3).log(&log);
    finds(&later, &[&again[..], &zombies(1)].concat());
}

#[test]
fn what_was_done_at_the_moment_of_the_takeover_proves_none() {
    let log = ours([0, 1, 2, 3]);
    let again = [(Anomaly::Reprocessed, 1)];
    let story = taken_over().commits(1, 3);
    let given = given_to(&story, 1);
    let story = story.processes(0, 2..3);
    let at_once = last_at(story.clone(), 1, given).log(&log);
    finds(&at_once, &again);
    let later = last_at(story, 1, Micros::new(given.get() + 1)).log(&log);
    finds(&later, &[&again[..], &zombies(1)].concat());
}

/// The clocks of another tool's members may be those of several hosts.
#[test]
fn no_takeover_is_proven_by_clocks_that_are_not_known_to_be_one() {
    let story = taken_over().commits(1, 3).processes(0, 2..3);
    let zombies = |story: Story| story.check().count(Anomaly::ZombieProcessing);
    assert_eq!(zombies(story.clone().imported("another")), 0);
    assert_eq!(zombies(story.log(&ours([0, 1, 2, 3]))), 1);
}

/// A member that lost a partition is a test of zombies once it went on, be it
/// with a commit.
#[test]
fn a_member_that_commits_behind_its_revocation_has_outlived_its_partition() {
    let taken = group_story().sends(2).processes(0, 0..1).revokes(0);
    let outlived = |story: Story| {
        let story = story.log(&ours([0, 1]));
        clean(&story);
        story.check().coverage.zombies.outlived
    };
    assert_eq!(outlived(taken.clone()), 0);
    assert_eq!(outlived(taken.commits(0, 1)), 1);
}

/// The test of a zombie: another's confirmed assignment, while the first member
/// had not been told and was still there.
#[test]
fn a_partition_is_overtaken_while_its_first_member_is_there_and_does_not_know() {
    let log = ours([0, 1, 2, 3]);
    let overtaken = |story: Story| story.log(&log).check().coverage.zombies.overtaken;
    // What it does afterwards concerns another partition.
    let goes_on = |story: Story| {
        story.and(Body::Committed {
            member: MemberIx::new(0),
            partition: part(1),
            offset: Offset::new(0),
            result: CommitResult::Accepted,
        })
    };
    let committed = || taken_over().commits(1, 3);
    assert_eq!(overtaken(goes_on(committed())), 1);
    assert_eq!(overtaken(committed()), 0, "it did nothing any more");
    let unconfirmed = goes_on(taken_over());
    assert_eq!(overtaken(unconfirmed), 0, "nothing shows that it took over");
    let told = goes_on(committed().revokes(0));
    assert_eq!(overtaken(told), 0, "it was told");
    let before = group_story().sends(4).processes(0, 0..1).commits(0, 1);
    assert_eq!(overtaken(goes_on(before)), 0, "it has no successor");
}

#[test]
fn a_member_that_died_is_no_test_of_zombies() {
    let story = group_story()
        .sends(2)
        .processes(0, 0..1)
        .ends(0, Ending::Killed);
    let story = story.member(1).processes(1, 1..2).commits(1, 2);
    let analysis = story.log(&ours([0, 1])).check();
    assert_eq!(
        analysis.coverage.zombies,
        checker::ZombieCoverage::default()
    );
}

/// A claim that no end moved back rests on the partitions of which anything was
/// known before the end.
#[test]
fn an_end_is_compared_where_anything_was_known_of_the_partition_before() {
    let compared = |story: Story| {
        let covered = story.check().coverage.truncation;
        (covered.pinned, covered.compared)
    };
    let truth = |story: Story| story.log(&ours([0]));
    assert_eq!(compared(truth(story().send(0))), (1, 0), "nothing");
    assert_eq!(compared(truth(story().send(0).ack(0, 0))), (1, 1), "told");
    let read = group_story().send(0).processes(0, [0]);
    assert_eq!(compared(truth(read)), (1, 1), "read");
    let seen = tail(story().send(0), 1);
    assert_eq!(compared(truth(seen)), (1, 1), "seen");
    let pinned = story().send(0).pinned(part(0), 0, 1);
    assert_eq!(compared(truth(pinned)), (1, 1), "pinned before");
}

#[test]
fn an_end_moved_back_even_if_the_log_has_grown_to_its_old_end_since() {
    let cut = tail(story().sends(3), 3).pinned(part(0), 0, 2);
    let moved = |story: Story| {
        let story = story.truth(part(0), 0, &ours([0, 1, 2]));
        story.check().count(Anomaly::LogTruncation)
    };
    assert_eq!(moved(tail(cut, 3)), 1);
    let grown = story().sends(2).pinned(part(0), 0, 2).send(2).ack(2, 2);
    assert_eq!(moved(tail(grown, 3)), 0);
}
