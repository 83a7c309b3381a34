//! How often a history has to be read, and that what is settled in bits is
//! settled as if it were looked at one by one.

use std::convert::Infallible;

use checker::{BlockSize, Limits, check};
use model::anomaly::Anomaly;
use model::event::{Body, Content, Ending, Event};
use model::ids::{GroupIx, MemberIx, Micros, Offset};

use crate::story::{Slot, Story, found, group_story, id, ours, part, story};

fn readings_within(story: &Story, limits: Limits) -> u32 {
    let mut readings = 0;
    let Ok(_) = check(limits, |checker| {
        readings += 1;
        for event in &story.events {
            checker.observe(event);
        }
        Ok::<_, Infallible>(())
    });
    readings
}

fn readings(story: &Story) -> u32 {
    readings_within(story, Limits::default())
}

#[test]
fn a_healthy_history_is_read_once() {
    let gaps = |count: u64| -> Vec<Slot> {
        let slots = (0..count).map(|at| match at % 3 {
            2 => Slot::Gap,
            _ => Slot::Is(Content::Ours(id(0, at))),
        });
        slots.collect()
    };
    let mut story = group_story()
        .group(GroupIx::new(1), "h")
        .member_of(GroupIx::new(1), 10);
    for at in (0..300).filter(|at| at % 3 != 2) {
        story = story.send(at).ack(at, at.cast_signed());
    }
    // One group was killed and read a part again, the other only began.
    let offsets = |from: i64, to: i64| (from..to).filter(|at| at % 3 != 2);
    let story = story
        .processes(0, offsets(0, 200))
        .commits(0, 150)
        .ends(0, Ending::Killed)
        .member(1)
        .processes(1, offsets(150, 300))
        .commits(1, 300)
        .processes(10, offsets(0, 100))
        .commits(10, 100)
        .log(&gaps(300));
    assert_eq!(readings(&story), 1);
    assert_eq!(found(&story.check()), [(Anomaly::Reprocessed, 34)]);
}

#[test]
fn copies_and_records_of_unknown_outcome_need_no_other_reading() {
    let story = story()
        .send(0)
        .ack(0, 1)
        .send(1)
        .unsure(1)
        .log(&ours([0, 0, 1]));
    assert_eq!(readings(&story), 1);
    assert_eq!(found(&story.check()), [(Anomaly::Duplicate, 1)]);
}

#[test]
fn outcomes_of_an_import_may_come_before_their_records_were_read_or_after() {
    let acks = |story: Story| (0..700).fold(story, |story, at| story.ack(at, at.cast_signed()));
    let reads = |story: Story| story.processes(0, 0..700).commits(0, 700);
    let imported = || group_story().imported("kafkatest");
    for story in [acks(reads(imported())), reads(acks(imported()))] {
        assert_eq!(readings(&story), 1);
        assert_eq!(found(&story.check()), []);
    }
}

#[test]
fn what_does_not_agree_is_looked_at_in_another_reading() {
    let story = story().sends(100).log(&ours([0, 1, 3, 2]));
    assert_eq!(readings(&story), 2);
}

#[test]
fn what_a_limit_does_not_hold_is_looked_at_in_parts() {
    let story = story().sends(100).log(&ours([]));
    // Records that stand nowhere are told from their acknowledgement alone.
    assert_eq!(readings(&story), 2);
    let shifted: [u64; 100] = std::array::from_fn(|at| (at as u64 + 1) % 100);
    let story = self::story().sends(100).log(&ours(shifted));
    let limits = Limits {
        block: BlockSize::power_of_two(3),
        claims_max: 40,
    };
    let parts = readings_within(&story, limits);
    assert!((6..=12).contains(&parts), "{parts}");
}

#[test]
fn however_often_an_offset_was_read_each_time_is_held_against_the_log() {
    let story = story().group(crate::story::GROUP, "g").sends(2);
    let readers = |story: Story, count: u32| {
        (0..count).fold(story, |story, member| {
            story.member(member).processes(member, [0])
        })
    };
    let wrong = Content::Ours(id(0, 1));
    for before in [0, 1, 5, 15, 16, 17, 40] {
        let story = readers(story.clone(), before)
            .member(99)
            .processes_as(99, 0, wrong)
            .and(Body::TrafficEnded)
            .truth(part(0), 0, &ours([0, 1]));
        let found = found(&story.check());
        assert!(
            found.contains(&(Anomaly::InconsistentOffsets, 1)),
            "{before}"
        );
    }
}

#[test]
fn an_acknowledgement_without_an_offset_is_held_against_the_whole_log() {
    let story = story().send(0).ack(0, -1).send(1).ack(1, -1).ack(1, -1);
    let story = story.log(&ours([0]));
    let analysis = story.check();
    assert_eq!(found(&analysis), [(Anomaly::LostWrite, 1)]);
    assert_eq!(analysis.coverage.settled_acks, 2);
}

/// It may have stood in what was deleted, and that is unknown.
#[test]
fn an_acknowledgement_without_an_offset_is_not_held_against_a_log_that_lost_its_beginning() {
    let sent = || story().send(0).ack(0, -1).send(1).ack(1, 5);
    let analysis = sent().log_from(5, &ours([1])).check();
    assert_eq!(found(&analysis), []);
    assert_eq!(analysis.coverage.expired, 1);
    let whole = [vec![Slot::Gap; 5], ours([1])].concat();
    let analysis = sent().log(&whole).check();
    assert_eq!(found(&analysis), [(Anomaly::LostWrite, 1)]);
    assert_eq!(analysis.coverage.expired, 0);
}

/// A claim that records are in order rests on these; a copy tells nothing.
#[test]
fn two_records_of_a_producer_have_an_order_and_two_copies_of_one_have_none() {
    let pairs = |slots: &[Slot]| {
        let sent = story().send(0).ack(0, 0).send(1).ack(1, 1);
        sent.log(slots).check().coverage.ordered_pairs
    };
    assert_eq!(pairs(&ours([0, 1])), 1);
    assert_eq!(pairs(&ours([0, 0])), 0);
    assert_eq!(pairs(&ours([1, 0])), 1);
}

#[test]
fn however_often_readers_jump_each_record_they_jump_over_is_skipped() {
    let mut slots = vec![Slot::Gap; 500];
    for (sequence, at) in [0, 100, 250, 400].into_iter().enumerate() {
        slots[at] = Slot::Is(Content::Ours(id(0, sequence as u64)));
    }
    let sends = (0..4).zip([0, 100, 250, 400]);
    let story = sends.fold(group_story(), |story, (record, at)| {
        story.send(record).ack(record, at)
    });
    let content = |at| Content::Ours(id(0, u64::from(at != 0)));
    let story = (0..600)
        .map(|at| (at % 2) * 100)
        .fold(story, |story, at| story.processes_as(0, at, content(at)));
    let story = story.processes_as(0, 400, Content::Ours(id(0, 3)));
    let found = found(&story.log(&slots).check());
    assert!(found.contains(&(Anomaly::PollSkip, 1)), "{found:?}");
}

/// Readings whose send was not seen yet are remembered up to a number;
/// those beyond it are counted, and no claim about them is HELD.
#[test]
fn readings_beyond_those_that_can_wait_are_counted() {
    const WAITING_MAX: u64 = 1 << 20;
    let story = group_story().read_committed();
    let from = part(0);
    let reading = |sequence: u64| Event {
        at: Micros::new(9000),
        body: Body::Processed {
            member: MemberIx::new(0),
            from,
            offset: Offset::new(sequence.cast_signed()),
            content: Content::Ours(id(0, sequence)),
        },
    };
    let Ok(analysis) = check(Limits::default(), |checker| {
        for event in &story.events {
            checker.observe(event);
        }
        for sequence in 0..WAITING_MAX + 2 {
            checker.observe(&reading(sequence));
        }
        Ok::<_, Infallible>(())
    });
    assert_eq!(analysis.coverage.isolation[0].unordered, 2);
}
