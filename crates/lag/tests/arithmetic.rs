//! The arithmetic of lag: cases of every state, and properties against a simulation.
#![allow(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    reason = "a panic is how a test fails, and the numbers are small"
)]

use lag::{
    Consumer, Earlier, GroupLag, GroupSeen, Known, LagReport, LimitOutcome, LogSeen, NextUnread,
    PartitionLag, PartitionSeen, PartitionState, Reason, Retention, Thresholds, UnreadRecord,
    Until,
};
use model::ids::{GroupId, Offset, PartitionIndex, TopicName, TopicPartition};
use proptest::prelude::*;

const NOW_MS: i64 = 1_800_000_000_000;

fn offset(of: i64) -> Offset {
    Offset::new(of)
}

fn unknown<T>() -> Known<T> {
    Err(Reason::new("not asked"))
}

#[allow(clippy::unnecessary_wraps, reason = "as it stands in what was seen")]
fn record(age_ms: i64) -> Known<NextUnread> {
    Ok(NextUnread::Record(UnreadRecord {
        timestamp_ms: Some(NOW_MS - age_ms),
        transactional: false,
    }))
}

/// At 40 of 10..100, the next record 60 s old; in 10 s 5 were written and 2 read.
fn seen() -> PartitionSeen {
    PartitionSeen {
        partition: TopicPartition {
            topic: TopicName::new("orders"),
            partition: PartitionIndex::new(0),
        },
        member: Some("billing-1".to_owned()),
        position: Ok(Some(offset(40))),
        log: Ok(LogSeen {
            start: offset(10),
            end: offset(100),
            stable_end: offset(100),
        }),
        next: record(60_000),
        earlier: Ok(Earlier {
            position: Ok(Some(offset(38))),
            position_ms: 10_000,
            end: Ok(offset(95)),
            end_ms: 10_000,
        }),
        retention: Ok(Retention {
            deletes: true,
            compacts: false,
            ms: Some(600_000),
            bytes: None,
        }),
        log_bytes: unknown(),
        now_ms: NOW_MS,
        shared: false,
    }
}

fn lag_of(change: impl FnOnce(&mut PartitionSeen)) -> PartitionLag {
    let mut it = seen();
    change(&mut it);
    PartitionLag::of(it)
}

fn words<T: std::fmt::Debug>(of: Known<T>) -> String {
    of.unwrap_err().to_string()
}

#[test]
fn a_group_that_falls_behind() {
    let lag = lag_of(|_| {});
    assert_eq!(lag.state, PartitionState::FallingBehind);
    assert_eq!(lag.behind, Ok(60));
    assert_eq!(lag.behind_stable, Ok(60));
    assert_eq!(lag.lost, Ok(0));
    assert_eq!(lag.age_ms, Ok(60_000));
    assert_eq!(lag.produced_per_s, Ok(0.5));
    assert_eq!(lag.consumed_per_s, Ok(0.2));
    assert_eq!(lag.caught_up_in_ms, Ok(Until::Never));
    // 60 offsets in 60 s, of which 0.2 are read per second: the age grows by 0.8 s each
    // second. In 300 s the backlog is read; then it grows by 0.6 s each second, from 300 s.
    assert_eq!(lag.deleted_in_ms, Ok(Until::In(800_000)));
    assert!(!lag.at_most);
}

#[test]
fn a_consumer_that_is_gone_loses_its_next_record_when_that_is_old_enough() {
    let lag = lag_of(|it| it.earlier.as_mut().unwrap().position = Ok(Some(offset(40))));
    assert_eq!(lag.state, PartitionState::Stalled);
    assert_eq!(lag.deleted_in_ms, Ok(Until::In(540_000)));
}

#[test]
fn a_group_that_catches_up_and_one_that_keeps_pace() {
    let lag = lag_of(|it| it.earlier.as_mut().unwrap().position = Ok(Some(offset(5))));
    assert_eq!(lag.state, PartitionState::CatchingUp);
    assert_eq!(lag.caught_up_in_ms, Ok(Until::In(20_000)));
    assert_eq!(lag.deleted_in_ms, Ok(Until::Never));
    let lag = lag_of(|it| it.earlier.as_mut().unwrap().position = Ok(Some(offset(35))));
    assert_eq!(lag.state, PartitionState::KeepingPace);
    assert_eq!(lag.caught_up_in_ms, Ok(Until::Never));
    assert_eq!(lag.deleted_in_ms, Ok(Until::Never));
}

#[test]
fn caught_up_needs_no_record_and_no_rates() {
    let lag = lag_of(|it| {
        it.position = Ok(Some(offset(100)));
        it.next = unknown();
        it.earlier = unknown();
        it.retention = unknown();
    });
    assert_eq!(lag.state, PartitionState::CaughtUp);
    assert_eq!((lag.behind, lag.age_ms), (Ok(0), Ok(0)));
    assert_eq!(lag.caught_up_in_ms, Ok(Until::In(0)));
    assert_eq!(lag.deleted_in_ms, Ok(Until::Never));
}

#[test]
fn an_empty_partition_has_nothing_unread_wherever_a_consumer_begins() {
    let lag = lag_of(|it| {
        it.position = Ok(None);
        let log = it.log.as_mut().unwrap();
        log.start = log.end;
        it.next = unknown();
    });
    assert_eq!(lag.state, PartitionState::CaughtUp);
    assert_eq!((lag.behind, lag.lost, lag.age_ms), (Ok(0), Ok(0), Ok(0)));
    assert!(words(lag.consumed_per_s).contains("or deleted"));
    let lag = lag_of(|it| {
        it.position = Ok(None);
        it.earlier.as_mut().unwrap().position = Ok(None);
    });
    assert_eq!(lag.consumed_per_s, Ok(0.0));
}

#[test]
fn without_a_position_nothing_is_claimed() {
    let lag = lag_of(|it| it.position = Ok(None));
    assert_eq!(lag.state, PartitionState::NoPosition);
    assert!(words(lag.behind).contains("auto.offset.reset"));
    assert!(lag.age_ms.is_err() && lag.lost.is_err() && lag.deleted_in_ms.is_err());
    assert_eq!(lag.produced_per_s, Ok(0.5));
}

#[test]
fn a_position_before_the_log_has_lost_records_and_is_behind_by_the_rest() {
    let lag = lag_of(|it| it.log.as_mut().unwrap().start = offset(70));
    assert_eq!(lag.state, PartitionState::Lost);
    assert_eq!((lag.lost, lag.behind), (Ok(30), Ok(30)));
    // Everything is deleted: there is nothing to read any more.
    let lag = lag_of(|it| it.log.as_mut().unwrap().start = offset(100));
    assert_eq!(lag.state, PartitionState::Lost);
    assert_eq!((lag.lost, lag.behind, lag.age_ms), (Ok(60), Ok(0), Ok(0)));
}

#[test]
fn a_position_behind_the_end_is_no_lag_of_zero() {
    let lag = lag_of(|it| it.position = Ok(Some(offset(101))));
    assert_eq!(lag.state, PartitionState::PastEnd);
    assert!(words(lag.behind).contains("truncated or made anew"));
    assert!(lag.lost.is_err() && lag.age_ms.is_err());
}

#[test]
fn an_open_transaction_holds_back_what_is_stable() {
    let lag = lag_of(|it| it.log.as_mut().unwrap().stable_end = offset(45));
    assert_eq!((lag.behind, lag.behind_stable), (Ok(60), Ok(5)));
    let lag = lag_of(|it| it.log.as_mut().unwrap().stable_end = offset(30));
    assert_eq!(lag.behind_stable, Ok(0));
    let lag = lag_of(|it| {
        it.next = Ok(NextUnread::Record(UnreadRecord {
            timestamp_ms: Some(NOW_MS),
            transactional: true,
        }));
    });
    assert!(lag.at_most);
}

#[test]
fn markers_and_holes_at_the_end_are_not_unread() {
    let lag = lag_of(|it| it.next = Ok(NextUnread::None));
    assert_eq!(lag.state, PartitionState::CaughtUp);
    assert_eq!((lag.behind, lag.behind_stable), (Ok(0), Ok(0)));
    assert_eq!(lag.age_ms, Ok(0));
}

#[test]
fn compaction_makes_lag_an_upper_bound_and_deletes_nothing() {
    let lag = lag_of(|it| {
        let retention = it.retention.as_mut().unwrap();
        (retention.deletes, retention.compacts) = (false, true);
    });
    assert!(lag.at_most);
    assert_eq!(lag.deleted_in_ms, Ok(Until::Never));
    assert!(lag_of(|it| it.shared = true).at_most);
}

#[test]
fn clocks_may_differ_a_little_and_no_more() {
    assert_eq!(lag_of(|it| it.next = record(-900)).age_ms, Ok(0));
    assert!(words(lag_of(|it| it.next = record(-5000)).age_ms).contains("5000 ms in the future"));
    let lag = lag_of(|it| {
        it.next = Ok(NextUnread::Record(UnreadRecord {
            timestamp_ms: None,
            transactional: false,
        }));
    });
    assert!(words(lag.age_ms).contains("no timestamp"));
    assert!(words(lag.deleted_in_ms).contains("no timestamp"));
}

#[test]
fn what_moves_back_has_no_rate() {
    let lag = lag_of(|it| it.earlier.as_mut().unwrap().position = Ok(Some(offset(60))));
    assert!(words(lag.consumed_per_s).contains("set back from 60 to 40"));
    assert_eq!(lag.state, PartitionState::Behind);
    assert!(lag.caught_up_in_ms.is_err());
    let lag = lag_of(|it| it.earlier.as_mut().unwrap().end = Ok(offset(200)));
    assert!(words(lag.produced_per_s).contains("moved back from 200 to 100"));
    let lag = lag_of(|it| it.earlier.as_mut().unwrap().end_ms = 0);
    assert!(lag.produced_per_s.is_err());
}

#[test]
fn retention_by_size_deletes_when_what_is_unread_is_too_long() {
    let sized = |bytes, log_bytes| {
        move |it: &mut PartitionSeen| {
            let retention = it.retention.as_mut().unwrap();
            (retention.ms, retention.bytes) = (None, Some(bytes));
            it.log_bytes = Ok(log_bytes);
        }
    };
    // 90 offsets are 9000 bytes, 60 are unread, and 0.3 more each second.
    let lag = lag_of(sized(9000, 9000));
    assert_eq!(lag.deleted_in_ms, Ok(Until::In(100_000)));
    let lag = lag_of(sized(6000, 9000));
    assert_eq!(lag.deleted_in_ms, Ok(Until::In(0)));
    let lag = lag_of(|it| {
        sized(9000, 9000)(it);
        it.log_bytes = unknown();
    });
    assert!(lag.deleted_in_ms.is_err());
    // The earlier of the two.
    let lag = lag_of(|it| {
        sized(9000, 9000)(it);
        it.retention.as_mut().unwrap().ms = Some(600_000);
    });
    assert_eq!(lag.deleted_in_ms, Ok(Until::In(100_000)));
}

fn group_of(partitions: Known<Vec<PartitionSeen>>, thresholds: Thresholds) -> GroupLag {
    let seen = GroupSeen {
        group: GroupId::new("billing"),
        group_type: Some("classic".to_owned()),
        state: Ok("Stable".to_owned()),
        members: Ok(1),
        consumer: Consumer::Present,
        partitions,
    };
    GroupLag::of(seen, thresholds)
}

fn limits(max_lag: u64, max_age_ms: u64) -> Thresholds {
    Thresholds {
        max_lag: Some(max_lag),
        max_age_ms: Some(max_age_ms),
    }
}

#[test]
fn a_group_is_the_sum_of_its_partitions_and_the_oldest_of_them() {
    let mut other = seen();
    other.next = record(90_000);
    let group = group_of(Ok(vec![seen(), other]), limits(120, 90_000));
    assert_eq!((&group.behind, &group.age_ms), (&Ok(120), &Ok(90_000)));
    assert_eq!(group.produced_per_s, Ok(1.0));
    assert_eq!(group.outcome(), Some(LimitOutcome::Held));
    let group = group_of(Ok(vec![seen(), seen()]), limits(119, 90_000));
    assert_eq!(group.outcome(), Some(LimitOutcome::Broken));
    assert_eq!(group.checks[0].reason, "120");
}

#[test]
fn an_unknown_partition_decides_nothing_unless_the_others_do() {
    let mut missing = seen();
    missing.log = unknown();
    let of = |max_lag| {
        let both = Ok(vec![seen(), missing.clone()]);
        group_of(both, limits(max_lag, 600_000))
    };
    let group = of(60);
    assert_eq!(group.outcome(), Some(LimitOutcome::Unknown));
    assert!(words(group.behind).contains("orders-0: not asked"));
    let group = of(59);
    assert_eq!(group.outcome(), Some(LimitOutcome::Broken));
    assert_eq!(group.checks[0].reason, "at least 60");
}

#[test]
fn what_was_deleted_unread_breaks_every_limit() {
    let mut lost = seen();
    lost.log.as_mut().unwrap().start = offset(41);
    let group = group_of(Ok(vec![lost]), limits(u64::MAX, u64::MAX));
    let outcomes: Vec<_> = group.checks.iter().map(|it| it.outcome).collect();
    assert_eq!(outcomes, [LimitOutcome::Broken, LimitOutcome::Broken]);
}

#[test]
fn a_group_without_positions_is_unknown_and_never_zero() {
    let group = group_of(Ok(Vec::new()), limits(10, 10));
    assert_eq!(group.outcome(), Some(LimitOutcome::Unknown));
    assert!(words(group.behind).contains("expired"));
    let group = group_of(unknown(), limits(10, 10));
    assert_eq!(words(group.age_ms), "not asked");
    assert_eq!(words(group.lost), "not asked");
}

#[test]
fn groups_that_are_missing_may_be_worse() {
    let held = group_of(Ok(vec![seen()]), limits(100, 100_000));
    let all = limits(100, 100_000);
    let missing = ["the groups of broker 2 are unknown".to_owned()];
    let judge =
        |groups: &[GroupLag], missing: &[String], limits| LagReport::judge(groups, missing, limits);
    assert_eq!(
        judge(std::slice::from_ref(&held), &[], all),
        Some(LimitOutcome::Held)
    );
    assert_eq!(judge(&[held], &missing, all), Some(LimitOutcome::Unknown));
    assert_eq!(judge(&[], &[], all), Some(LimitOutcome::Held));
    assert_eq!(judge(&[], &missing, Thresholds::default()), None);
}

#[test]
fn json_has_numbers_or_reasons() {
    let json = serde_json::to_value(lag_of(|it| it.next = unknown())).unwrap();
    assert_eq!(json["topic"], "orders");
    assert_eq!(json["partition"], 0);
    assert_eq!(json["state"], "falling-behind");
    assert_eq!(json["behind"], 60);
    assert_eq!(json["age_ms"]["unknown"], "not asked");
    assert_eq!(json["caught_up_in_ms"], "never");
    let json = serde_json::to_value(lag_of(|it| it.position = Ok(None))).unwrap();
    assert_eq!(json["position"], serde_json::Value::Null);
}

/// A partition as it goes on: how old the next unread record is after `at_s`, where the
/// backlog was written evenly over its age and later records come at the same rate.
fn age_after(at_s: f64, behind: f64, age_s: f64, produced: f64, consumed: f64) -> Option<f64> {
    let next = consumed * at_s;
    if next < behind {
        return Some(at_s + age_s - next * age_s / behind);
    }
    let written = produced * at_s;
    (next - behind < written).then(|| at_s - (next - behind) / produced)
}

fn any_partition() -> impl Strategy<Value = (i64, i64, i64, i64, i64)> {
    // Behind, age in seconds, written and read in 10 s, retention in seconds.
    (1..500_i64, 1..1000_i64, 0..300_i64, 0..300_i64, 1..3000_i64)
}

fn moving(behind: i64, age_s: i64, written: i64, read: i64) -> PartitionSeen {
    let mut it = seen();
    let end = 10_000;
    it.log = Ok(LogSeen {
        start: offset(0),
        end: offset(end),
        stable_end: offset(end),
    });
    it.position = Ok(Some(offset(end - behind)));
    it.next = record(age_s * 1000);
    let earlier = it.earlier.as_mut().unwrap();
    earlier.position = Ok(Some(offset(end - behind - read)));
    earlier.end = Ok(offset(end - written));
    it
}

proptest! {
    #[test]
    fn retention_reaches_a_simulated_partition_when_it_was_foretold(
        (behind, age_s, written, read, retention_s) in any_partition(),
    ) {
        let mut it = moving(behind, age_s, written, read);
        it.retention.as_mut().unwrap().ms = Some(retention_s as u64 * 1000);
        let foretold = PartitionLag::of(it).deleted_in_ms.unwrap();
        let (produced, consumed) = (written as f64 / 10.0, read as f64 / 10.0);
        let age = |at_s: f64| age_after(at_s, behind as f64, age_s as f64, produced, consumed);
        let limit = retention_s as f64;
        let until_s = match foretold {
            Until::In(ms) => ms as f64 / 1000.0,
            Until::Never => 50_000.0,
        };
        // Never before, at any moment.
        for step in 0..200 {
            let at_s = (until_s - 0.01) * f64::from(step) / 200.0;
            if at_s > 0.0 {
                let age = age(at_s);
                prop_assert!(age.is_none_or(|it| it < limit + 0.01), "{at_s}: {age:?}");
            }
        }
        // And then: at that millisecond, or in the rest of it. A record that is old already
        // may be read at once.
        if let Until::In(_) = foretold {
            let ages = [age(until_s), age(until_s + 0.01)];
            let is_reached = ages.iter().flatten().any(|it| *it > limit - 0.1);
            prop_assert!(is_reached, "{until_s}: {ages:?}");
        }
    }

    #[test]
    fn catching_up_is_when_the_simulated_lag_is_gone(
        (behind, age_s, written, read, _) in any_partition(),
    ) {
        let lag = PartitionLag::of(moving(behind, age_s, written, read));
        match lag.caught_up_in_ms.unwrap() {
            Until::In(ms) => {
                let left = behind as f64 - (read - written) as f64 / 10.0 * ms as f64 / 1000.0;
                prop_assert!((-0.001..0.1).contains(&left), "{left}");
                prop_assert_eq!(lag.state, PartitionState::CatchingUp);
            }
            Until::Never => prop_assert!(read <= written),
        }
    }

    #[test]
    fn every_offset_is_read_or_unread_or_lost(
        position in 0..300_i64, start in 0..200_i64, held in 0..200_i64, open in 0..200_i64,
    ) {
        let end = start + held;
        let lag = lag_of(|it| {
            it.position = Ok(Some(offset(position)));
            it.log = Ok(LogSeen {
                start: offset(start),
                end: offset(end),
                stable_end: offset((end - open).max(start)),
            });
        });
        if position > end {
            prop_assert!(lag.behind.is_err() && lag.lost.is_err());
        } else {
            let (behind, lost) = (lag.behind.unwrap(), lag.lost.unwrap());
            prop_assert_eq!(behind + lost, (end - position) as u64);
            prop_assert!(lag.behind_stable.unwrap() <= behind);
        }
    }

    #[test]
    fn more_knowledge_never_turns_broken_into_held(
        lags in prop::collection::vec((0..100_i64, any::<bool>()), 1..6),
        max_lag in 0..300_u64,
    ) {
        let partition = |behind: i64, known: bool| {
            let mut it = moving(behind, 10, 0, 0);
            if !known {
                it.log = unknown();
            }
            it
        };
        let some = lags.iter().map(|(behind, known)| partition(*behind, *known));
        let all = lags.iter().map(|(behind, _)| partition(*behind, true));
        let limit = Thresholds { max_lag: Some(max_lag), max_age_ms: None };
        let some = group_of(Ok(some.collect()), limit).outcome().unwrap();
        let all = group_of(Ok(all.collect()), limit).outcome().unwrap();
        prop_assert!(some == all || some == LimitOutcome::Unknown, "{some:?} {all:?}");
        let sum: i64 = lags.iter().map(|(behind, _)| behind).sum();
        prop_assert_eq!(all == LimitOutcome::Broken, sum as u64 > max_lag);
    }
}
