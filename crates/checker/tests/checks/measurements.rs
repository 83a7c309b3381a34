//! What is measured, by histories whose times are known.

use std::collections::BTreeMap;

use checker::{Checker, Pass, ReadsMet, TrafficMet};
use model::event::{Body, Ending, RowOp, TxOutcome};
use model::ids::{GroupIx, Offset, ProducerIx};

use crate::story::{
    CHANGES, FAULT, GROUP, Story, TOPIC, capture_story, changes, group_story, healed, injected,
    ours, story, triggered,
};

/// Every step of a story takes one millisecond.
fn broken() -> Story {
    story()
        .send(0)
        .wait_ms(9)
        .ack(0, 0)
        .send(1)
        .send(2)
        .fault(triggered)
        .fault(injected)
        .wait_ms(99)
        .fault(healed)
        .wait_ms(9)
        .ack(1, 1)
        .ack(2, 2)
        .send(3)
        .wait_ms(4)
        .ack(3, 3)
        .and(Body::ProducerCounted {
            producer: ProducerIx::new(0),
            retries: 2,
        })
        .and(Body::ProducerCounted {
            producer: ProducerIx::new(0),
            retries: 7,
        })
        .log(&ours([0, 1, 2, 3, 3]))
}

#[test]
fn a_fault_shows_in_what_producers_feel() {
    let measured = broken().check().measurements;
    // From sending 1, a millisecond after 0 was acknowledged.
    assert_eq!(measured.silent_longest_ms, Some(113));
    assert_eq!(measured.healed_to_first_ack_ms, Some(10));
    assert_eq!(measured.outstanding_peak, Some(2));
    assert_eq!(measured.retries, Some(7));
    assert_eq!(measured.duplicates, Some(1));
    let p50_us = |latency: Option<model::verdict::Latency>| {
        latency.map(|latency| (latency.count, latency.p50_us / 1000))
    };
    assert_eq!(p50_us(measured.latency_before), Some((1, 10)));
    assert_eq!(p50_us(measured.latency_during), Some((2, 113)));
    assert_eq!(p50_us(measured.latency_after), Some((1, 5)));
}

#[test]
fn idle_time_is_no_silence() {
    let story = story().sends(1).wait_ms(1000).send(1).ack(1, 1);
    let measured = story.log(&ours([0, 1])).check().measurements;
    assert_eq!(measured.silent_longest_ms, Some(1));
}

#[test]
fn a_send_without_an_end_is_silence_until_the_traffic_ended() {
    let measured = story().send(0).wait_ms(50).log(&[]).check().measurements;
    assert_eq!(measured.silent_longest_ms, Some(51));
}

#[test]
fn times_are_sorted_before_they_are_measured() {
    let mut story = broken();
    let expected = story.check().measurements;
    story.events.reverse();
    // Names must precede their use.
    story.events.rotate_right(1);
    assert_eq!(story.check().measurements, expected);
}

#[test]
fn where_nothing_is_stored_nothing_was_doubled_or_was_not() {
    let doubled = |story: Story| story.check().measurements.duplicates;
    assert_eq!(doubled(story().send(0).unsure(0).log(&[])), None);
    assert_eq!(doubled(story().sends(1).log(&ours([0]))), Some(0));
}

fn measured_if(checker: Checker, story: &Story) -> Option<u64> {
    let mut checker = checker;
    loop {
        for event in &story.events {
            checker.observe(event);
        }
        match checker.end_pass() {
            Pass::Done(analysis) => return analysis.measurements.silent_longest_ms,
            Pass::Repeat(next) => checker = *next,
        }
    }
}

#[test]
fn nothing_is_measured_by_clocks_that_tell_too_little() {
    let observed = broken();
    // Who recorded it is said last: it is all read once more.
    let imported = group_story().sends(1).processes(0, [0]).imported("another");
    for story in [observed, imported] {
        assert!(measured_if(Checker::new(), &story).is_some());
        assert_eq!(measured_if(Checker::new().unmeasured(), &story), None);
    }
}

#[test]
fn lag_is_what_was_acknowledged_and_not_yet_processed() {
    let story = group_story()
        .sends(3)
        .processes(0, 0..2)
        .ends(0, Ending::Clean)
        .member(1)
        .wait_ms(10)
        .processes(1, 1..3);
    let measured = &story.log(&ours([0, 1, 2])).check().measurements.groups[0];
    assert_eq!((measured.processed, measured.distinct), (4, 3));
    assert_eq!(measured.reprocessed, 1);
    assert_eq!(measured.lag_peak, 3);
    // 2, 1, 1 and 0 behind.
    assert_eq!(measured.lag_mean, 1);
    assert_eq!(measured.recovery_ms, Some(12));
}

#[test]
fn each_group_lags_behind_its_own_topics_alone() {
    let (idle, elsewhere) = (GroupIx::new(1), GroupIx::new(2));
    let declared = |story: Story, group, topics| {
        let name = "other".to_owned();
        story.and(Body::GroupDeclared {
            group,
            name,
            topics,
        })
    };
    let story = declared(group_story(), idle, vec![TOPIC]);
    let story = declared(story, elsewhere, vec![CHANGES]);
    // Said again: the last word counts.
    let story = declared(story, idle, vec![TOPIC]);
    let story = story.sends(3).processes(0, 0..3);
    let measured = story.log(&ours([0, 1, 2])).check().measurements.groups;
    let peaks: Vec<u64> = measured.iter().map(|group| group.lag_peak).collect();
    assert_eq!(peaks, [3, 3, 0]);
}

#[test]
fn a_record_that_is_sent_again_is_timed_from_then() {
    let story = story().send(0).send(1).wait_ms(50).send(0).send(1);
    let story = story.wait_ms(9).ack(1, 1).ack(0, 0).log(&ours([0, 1]));
    let measured = story.check().measurements;
    assert_eq!(measured.outstanding_peak, Some(2));
    let latency = measured.latency_before.unwrap();
    assert_eq!((latency.count, latency.max_us / 1000), (2, 12));
}

#[test]
fn silence_goes_on_while_anything_is_outstanding() {
    let waiting = story().send(0).send(1).ack(0, 0).wait_ms(500);
    let silent = |story: Story| {
        let measured = story.log(&ours([0, 1])).check().measurements;
        measured.silent_longest_ms
    };
    assert_eq!(silent(waiting.ack(1, 1)), Some(501));
    let idle = story().send(0).ack(0, 0).wait_ms(500).send(1).ack(1, 1);
    assert_eq!(silent(idle), Some(1));
}

fn tail(story: Story, end: i64) -> Story {
    story.and(Body::TailSeen {
        partition: changes(),
        end: Offset::new(end),
    })
}

#[test]
fn what_the_old_task_still_delivers_does_not_end_the_silence() {
    let mut story = capture_story()
        .committed(0, 7, RowOp::Insert)
        .committed(1, 8, RowOp::Insert);
    story = story.fault(triggered).fault(injected).wait_ms(20);
    story = tail(story, 1).wait_ms(300).fault(healed);
    story = tail(story, 2);
    let measured = story.captured(2, 0).check().measurements.capture.unwrap();
    assert_eq!(measured.first_event_ms, measured.caught_up_ms);
    assert!(measured.first_event_ms >= Some(320));
}

#[test]
fn a_capture_is_back_with_its_first_event_after_it_was_stopped() {
    let mut story = capture_story()
        .committed(0, 7, RowOp::Insert)
        .committed(1, 8, RowOp::Insert)
        .committed(2, 9, RowOp::Insert);
    story = tail(story, 1).fault(triggered);
    story = tail(story, 1).fault(injected);
    story = tail(story, 1).wait_ms(100).fault(healed);
    story = tail(tail(tail(story, 1), 2).wait_ms(50), 3);
    let measured = story.captured(3, 0).check().measurements.capture.unwrap();
    assert_eq!(measured.first_event_ms, Some(106));
    assert_eq!(measured.caught_up_ms, Some(157));
}

/// What the only fault of a story met.
fn met(story: &Story) -> TrafficMet {
    story.check().faults[&FAULT].met.clone()
}

#[test]
fn a_fault_meets_the_sends_and_readings_between_its_injection_and_its_end() {
    let before = group_story().sends(2).processes(0, [0]).send(2);
    let during = before
        .fault(triggered)
        .send(3)
        .fault(injected)
        .send(4)
        .send(5)
        .ack(2, 2)
        .ack(3, 3)
        .ack(4, 4)
        .processes(0, [1, 2]);
    let after = during.fault(healed).send(6).ack(5, 5).ack(6, 6);
    let story = after.processes(0, [3]).log(&ours([0, 1, 2, 3, 4, 5, 6]));
    let reads = ReadsMet {
        waiting: 1,
        acknowledged: 3,
        processed: 2,
    };
    let expected = TrafficMet {
        sends_outstanding: 2,
        sends_attempted: 2,
        reads: BTreeMap::from([(GROUP, reads)]),
        ..TrafficMet::default()
    };
    assert_eq!(met(&story), expected);
}

#[test]
fn a_fault_meets_the_changes_that_wait_and_those_that_are_committed() {
    let mut story = capture_story()
        .committed(0, 7, RowOp::Insert)
        .committed(1, 8, RowOp::Insert);
    story = tail(story, 1).fault(triggered).fault(injected);
    story = story
        .change(2, 2, 9, RowOp::Insert)
        .change(2, 3, 9, RowOp::Update)
        .tx(2, TxOutcome::Committed)
        .change(3, 4, 9, RowOp::Update)
        .tx(3, TxOutcome::RolledBack)
        .fault(healed)
        .committed(5, 9, RowOp::Delete);
    let expected = TrafficMet {
        changes_waiting: 1,
        changes_committed: 2,
        ..TrafficMet::default()
    };
    assert_eq!(met(&story.captured(5, 2)), expected);
}
