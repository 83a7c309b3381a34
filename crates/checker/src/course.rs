//! The course of a scenario, in one reading of its history and in bounded memory: counts by
//! interval, and the places of what was found. Decides nothing.

use std::collections::BTreeMap;

use model::anomaly::Anomaly;
use model::course::{Course, Mark, MarkKind, Quantity, Series, Strip};
use model::event::{Body, Event, Outcome, TxOutcome};
use model::ids::{GroupIx, Micros, PartitionRef, ProducerIx, RecordId};
use model::verdict::{Finding, NamedRange};

use crate::names::Names;

mod latencies;

use latencies::Latencies;

/// The length of an interval at first, in microseconds. It doubles when there are too many.
const INTERVAL_US: u64 = 100_000;
/// How many intervals there are, at most.
const INTERVALS_MAX: usize = 240;
/// How many ranges of one kind in a partition are kept, at most.
const RANGES_MAX: usize = 100;

/// Computes the course of a scenario with these findings.
///
/// Fails only where a reading of the history does.
pub fn course<E>(
    events: impl IntoIterator<Item = Result<Event, E>>,
    findings: &[Finding],
) -> Result<Course, E> {
    let mut drawn = Drawn::new(findings);
    for event in events {
        drawn.observe(&event?);
    }
    Ok(drawn.finish(findings))
}

/// The values of one quantity. A state is unknown in an interval without an event of it.
type Values = Vec<Option<u64>>;

/// What a series counts, and of which group.
type Key = (Quantity, Option<GroupIx>);

struct Drawn {
    interval_us: u64,
    series: BTreeMap<Key, Values>,
    names: Names,
    in_flight: u64,
    lags: Lags,
    latencies: Latencies,
    readable: BTreeMap<PartitionRef, u64>,
    places: Places,
}

impl Drawn {
    fn new(findings: &[Finding]) -> Self {
        Self {
            interval_us: INTERVAL_US,
            series: BTreeMap::new(),
            names: Names::default(),
            in_flight: 0,
            lags: Lags::default(),
            latencies: Latencies::default(),
            readable: BTreeMap::new(),
            places: Places::new(findings),
        }
    }

    fn observe(&mut self, event: &Event) {
        self.names.observe(&event.body);
        self.latencies.observe(event, &self.names, self.interval_us);
        let at = event.at;
        match &event.body {
            Body::SendInvoked { .. } => {
                self.add(at, (Quantity::Sent, None), 1);
                self.in_flight += 1;
                self.set(at, (Quantity::InFlight, None), self.in_flight);
            }
            Body::SendCompleted { record, outcome } => {
                self.in_flight = self.in_flight.saturating_sub(1);
                self.set(at, (Quantity::InFlight, None), self.in_flight);
                match outcome {
                    Outcome::Acknowledged { at: to, offset } => {
                        self.add(at, (Quantity::Acknowledged, None), 1);
                        if offset.is_given() {
                            self.places.acknowledged(*record, *to, offset.get());
                            self.reach(at, *to, offset.get().saturating_add(1));
                        }
                    }
                    Outcome::Failed { .. } | Outcome::Unknown { .. } => {
                        self.add(at, (Quantity::NotAcknowledged, None), 1);
                    }
                }
            }
            Body::TxCompleted {
                outcome: TxOutcome::Committed,
                ..
            } => self.add(at, (Quantity::Commits, None), 1),
            Body::TailSeen { partition, end } => {
                self.reach(at, *partition, end.get());
                self.seen(at, *partition, u64::try_from(end.get()).unwrap_or(0));
            }
            Body::EventsSeen { partition, events } => self.seen(at, *partition, *events),
            Body::Processed {
                member,
                from,
                offset,
                ..
            } => {
                if let Some(group) = self.names.group_of(*member) {
                    self.add(at, (Quantity::Processed, Some(group)), 1);
                    let next = offset.get().saturating_add(1);
                    let lag = self.lags.read(group, *from, next);
                    self.set(at, (Quantity::Lag, Some(group)), lag);
                }
            }
            Body::Pinned {
                partition,
                log_start,
                end,
            } => {
                let span = (log_start.get(), end.get());
                self.places.pinned.insert(*partition, span);
            }
            Body::Stored {
                partition,
                offset,
                content,
            } => {
                self.places
                    .stored(content.identity(), *partition, offset.get());
            }
            _ => {}
        }
    }

    /// Everything below this offset of a partition was acknowledged, or can be read.
    fn reach(&mut self, at: Micros, partition: PartitionRef, end: i64) {
        self.lags.reach(partition, end);
        for at_group in 0.. {
            let groups = self.names.groups_of(partition.topic);
            let Some(group) = groups.get(at_group).copied() else {
                break;
            };
            if let Some(lag) = self.lags.settle(group, partition) {
                self.set(at, (Quantity::Lag, Some(group)), lag);
            }
        }
    }

    fn seen(&mut self, at: Micros, partition: PartitionRef, readable: u64) {
        let before = self.readable.entry(partition).or_default();
        let more = readable.saturating_sub(*before);
        *before = readable.max(*before);
        self.add(at, (Quantity::Stored, None), more);
    }

    fn add(&mut self, at: Micros, of: Key, count: u64) {
        let value = self.value(at, of);
        *value = Some(value.unwrap_or(0) + count);
    }

    fn set(&mut self, at: Micros, of: Key, state: u64) {
        *self.value(at, of) = Some(state);
    }

    fn value(&mut self, at: Micros, of: Key) -> &mut Option<u64> {
        while at.get() / self.interval_us >= INTERVALS_MAX as u64 {
            self.interval_us = self.interval_us.saturating_mul(2);
            for ((of, _), values) in &mut self.series {
                halve(values, of.is_state());
            }
            self.latencies.halve();
        }
        let index = usize::try_from(at.get() / self.interval_us).unwrap_or(0);
        let values = self.series.entry(of).or_default();
        if values.len() <= index {
            values.resize(index + 1, None);
        }
        &mut values[index]
    }

    fn finish(mut self, findings: &[Finding]) -> Course {
        let len = self.series.values().map(Vec::len).max().unwrap_or(0);
        let latencies = std::mem::take(&mut self.latencies);
        let latencies = latencies.finish(&self.names, self.interval_us, len);
        let series = std::mem::take(&mut self.series)
            .into_iter()
            .map(|((of, group), mut values)| {
                values.resize(len, None);
                let mut state = 0;
                let values = values
                    .into_iter()
                    .map(|value| {
                        if of.is_state() {
                            state = value.unwrap_or(state);
                            state
                        } else {
                            value.unwrap_or(0)
                        }
                    })
                    .collect();
                let group = group.map(|group| self.names.group(group));
                Series { of, group, values }
            })
            .filter(|series| {
                // That a group kept up is worth a line.
                series.of == Quantity::Lag || series.values.iter().any(|value| *value > 0)
            })
            .collect();
        Course {
            interval_ms: self.interval_us / 1000,
            series,
            latencies,
            strips: self.places.strips(&self.names, findings),
        }
    }
}

/// Makes one interval of every two.
fn halve(values: &mut Values, is_state: bool) {
    *values = values
        .chunks(2)
        .map(|pair| match *pair {
            [first, second] if is_state => second.or(first),
            [Some(first), Some(second)] => Some(first + second),
            [first, second] => first.or(second),
            [one] => one,
            _ => None,
        })
        .collect();
}

/// What groups have not come to.
#[derive(Default)]
struct Lags {
    ends: BTreeMap<PartitionRef, i64>,
    /// The next offset of a group in a partition, and its lag there.
    positions: BTreeMap<(GroupIx, PartitionRef), (i64, u64)>,
    totals: BTreeMap<GroupIx, u64>,
}

impl Lags {
    fn reach(&mut self, partition: PartitionRef, end: i64) {
        let known = self.ends.entry(partition).or_insert(end);
        *known = end.max(*known);
    }

    fn read(&mut self, group: GroupIx, partition: PartitionRef, next: i64) -> u64 {
        let position = self.positions.entry((group, partition)).or_default();
        position.0 = next;
        self.settle(group, partition).unwrap_or(0)
    }

    /// The group's lag with that of one partition computed anew; none where it has read
    /// nothing of the partition yet.
    fn settle(&mut self, group: GroupIx, partition: PartitionRef) -> Option<u64> {
        let (next, lag) = self.positions.get_mut(&(group, partition))?;
        let end = self.ends.get(&partition).copied().unwrap_or(*next);
        let now = u64::try_from(end.saturating_sub(*next)).unwrap_or(0);
        let total = self.totals.entry(group).or_default();
        *total = (*total + now).saturating_sub(*lag);
        *lag = now;
        Some(*total)
    }
}

/// Where the records of findings are.
struct Places {
    /// The records that are looked for: producer, first and last sequence, and why.
    wanted: Vec<(ProducerIx, i64, i64, Anomaly)>,
    found: BTreeMap<PartitionRef, BTreeMap<MarkKind, Ranges>>,
    pinned: BTreeMap<PartitionRef, (i64, i64)>,
}

impl Places {
    fn new(findings: &[Finding]) -> Self {
        let wanted = findings.iter().flat_map(|finding| {
            let of_records = |range: &NamedRange| {
                let producer = range.of.strip_prefix('p')?.parse().ok()?;
                let producer = ProducerIx::new(producer);
                Some((producer, range.first, range.last, finding.anomaly))
            };
            finding.ranges.iter().filter_map(of_records)
        });
        Self {
            wanted: wanted.collect(),
            found: BTreeMap::new(),
            pinned: BTreeMap::new(),
        }
    }

    fn why(&self, record: RecordId) -> Vec<Anomaly> {
        let number = i64::try_from(record.sequence.get()).unwrap_or(i64::MAX);
        let wanted = self.wanted.iter();
        wanted
            .filter(|(of, first, last, _)| {
                *of == record.producer && (*first..=*last).contains(&number)
            })
            .map(|(_, _, _, why)| *why)
            .collect()
    }

    /// A record that is not in the log has only the place that it was acknowledged at.
    fn acknowledged(&mut self, record: RecordId, at: PartitionRef, offset: i64) {
        for why in self.why(record) {
            if matches!(why, Anomaly::LostWrite | Anomaly::Unseen) {
                self.mark(at, MarkKind::Anomaly(why), offset);
            }
        }
    }

    fn stored(&mut self, record: Option<RecordId>, at: PartitionRef, offset: i64) {
        let lost = MarkKind::Anomaly(Anomaly::LostWrite);
        let marks = self.found.get(&at).and_then(|marks| marks.get(&lost));
        if marks.is_some_and(|ranges| ranges.contains(offset)) {
            self.mark(at, MarkKind::Reused, offset);
        }
        for why in record.map_or_else(Vec::new, |record| self.why(record)) {
            if !matches!(why, Anomaly::LostWrite | Anomaly::Unseen) {
                self.mark(at, MarkKind::Anomaly(why), offset);
            }
        }
    }

    fn mark(&mut self, at: PartitionRef, of: MarkKind, offset: i64) {
        let marks = self.found.entry(at).or_default();
        marks.entry(of).or_default().add(offset, offset);
    }

    fn strips(self, names: &Names, findings: &[Finding]) -> Vec<Strip> {
        let mut found: BTreeMap<String, BTreeMap<MarkKind, Ranges>> = BTreeMap::new();
        for (partition, marks) in self.found {
            found.insert(names.partition(partition), marks);
        }
        let pinned = self.pinned.into_iter();
        let pinned: BTreeMap<String, (i64, i64)> = pinned
            .map(|(partition, span)| (names.partition(partition), span))
            .collect();
        // Ranges of offsets are their own places.
        for finding in findings {
            for range in &finding.ranges {
                if pinned.contains_key(&range.of) {
                    let marks = found.entry(range.of.clone()).or_default();
                    let of = MarkKind::Anomaly(finding.anomaly);
                    let ranges = marks.entry(of).or_default();
                    ranges.add(range.first, range.last);
                    ranges.is_cut |= !finding.ranges_complete;
                }
            }
        }
        let strips = found.into_iter().filter_map(|(partition, marks)| {
            let (log_start, end) = *pinned.get(&partition)?;
            let marks = marks.into_iter().map(|(of, ranges)| Mark {
                of,
                is_complete: !ranges.is_cut,
                ranges: ranges.in_order,
            });
            Some(Strip {
                partition,
                log_start,
                end,
                marks: marks.collect(),
            })
        });
        strips.collect()
    }
}

/// Ranges in order, apart from one another, and not too many.
#[derive(Default)]
struct Ranges {
    in_order: Vec<(i64, i64)>,
    is_cut: bool,
}

impl Ranges {
    fn contains(&self, offset: i64) -> bool {
        let behind = self.in_order.partition_point(|(first, _)| *first <= offset);
        let before = behind.checked_sub(1).and_then(|at| self.in_order.get(at));
        before.is_some_and(|(_, last)| offset <= *last)
    }

    fn add(&mut self, first: i64, last: i64) {
        let behind = self.in_order.partition_point(|(of, _)| *of <= first);
        let joins_before = behind
            .checked_sub(1)
            .filter(|at| self.in_order[*at].1.saturating_add(1) >= first);
        let at = if let Some(before) = joins_before {
            self.in_order[before].1 = self.in_order[before].1.max(last);
            before
        } else if self.in_order.get(behind).map(|next| next.0) == last.checked_add(1) {
            self.in_order[behind].0 = first;
            behind
        } else if self.in_order.len() < RANGES_MAX {
            self.in_order.insert(behind, (first, last));
            behind
        } else {
            self.is_cut = true;
            return;
        };
        while let Some((next, end)) = self.in_order.get(at + 1).copied() {
            if next > self.in_order[at].1.saturating_add(1) {
                break;
            }
            self.in_order[at].1 = self.in_order[at].1.max(end);
            self.in_order.remove(at + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use model::course::Span;
    use model::event::Content;
    use model::ids::{MemberIx, Offset, PartitionIndex, Sequence, TopicIx};
    use proptest::prelude::*;

    use super::*;

    const AT: PartitionRef = PartitionRef {
        topic: TopicIx::new(0),
        partition: PartitionIndex::new(0),
    };

    fn record(sequence: u64) -> RecordId {
        RecordId {
            producer: ProducerIx::new(0),
            sequence: Sequence::new(sequence),
        }
    }

    /// Three records are acknowledged, the second of which is not stored; a group reads one.
    fn bodies() -> Vec<(u64, Body)> {
        let sent = |sequence| Body::SendInvoked {
            record: record(sequence),
            to: AT,
        };
        let acknowledged = |sequence, offset| Body::SendCompleted {
            record: record(sequence),
            outcome: Outcome::Acknowledged {
                at: AT,
                offset: Offset::new(offset),
            },
        };
        let stored = |sequence, offset| Body::Stored {
            partition: AT,
            offset: Offset::new(offset),
            content: Content::Ours(record(sequence)),
        };
        vec![
            (
                0,
                Body::TopicDeclared {
                    topic: AT.topic,
                    name: String::from("orders"),
                    partitions: 1,
                },
            ),
            (
                0,
                Body::GroupDeclared {
                    group: GroupIx::new(0),
                    name: String::from("billing"),
                    topics: vec![AT.topic],
                },
            ),
            (
                0,
                Body::MemberStarted {
                    member: MemberIx::new(0),
                    group: GroupIx::new(0),
                },
            ),
            (10_000, sent(0)),
            (20_000, sent(1)),
            (110_000, acknowledged(0, 0)),
            (
                130_000,
                Body::Processed {
                    member: MemberIx::new(0),
                    from: AT,
                    offset: Offset::new(0),
                    content: Content::Ours(record(0)),
                },
            ),
            (210_000, acknowledged(1, 1)),
            (220_000, sent(2)),
            (230_000, acknowledged(2, 1)),
            (
                900_000,
                Body::Pinned {
                    partition: AT,
                    log_start: Offset::new(0),
                    end: Offset::new(2),
                },
            ),
            (900_000, stored(0, 0)),
            (900_000, stored(2, 1)),
        ]
    }

    fn drawn(bodies: Vec<(u64, Body)>, findings: &[Finding]) -> Course {
        let events = bodies.into_iter().map(|(at, body)| {
            Ok::<_, std::convert::Infallible>(Event {
                at: Micros::new(at),
                body,
            })
        });
        course(events, findings).unwrap()
    }

    fn lost(sequence: i64) -> Finding {
        Finding {
            anomaly: Anomaly::LostWrite,
            count: 1,
            ranges: vec![NamedRange {
                of: String::from("p0"),
                first: sequence,
                last: sequence,
            }],
            ranges_complete: true,
            lost_at: Vec::new(),
            examples: Vec::new(),
        }
    }

    #[test]
    fn counts_stand_in_their_intervals_and_states_last() {
        let course = drawn(bodies(), &[]);
        assert_eq!(course.interval_ms, 100);
        let of = |quantity| {
            let mut series = course.series.iter();
            series.find(|series| series.of == quantity).unwrap()
        };
        assert_eq!(of(Quantity::Sent).values, [2, 0, 1]);
        assert_eq!(of(Quantity::Acknowledged).values, [0, 1, 2]);
        assert_eq!(of(Quantity::InFlight).values, [2, 1, 0]);
        assert_eq!(of(Quantity::Processed).values, [0, 1, 0]);
        assert_eq!(of(Quantity::Lag).values, [0, 0, 1]);
        assert_eq!(of(Quantity::Lag).group.as_deref(), Some("billing"));
        assert_eq!(course.series.len(), 5);
        assert_eq!(course.strips, []);
    }

    /// A group that keeps up has a lag too.
    #[test]
    fn only_a_lag_may_be_zero_throughout() {
        let bodies = bodies().into_iter();
        let bodies = bodies.filter(|(_, body)| {
            !matches!(body, Body::SendInvoked { .. } | Body::SendCompleted { .. })
        });
        let course = drawn(bodies.collect(), &[]);
        let of: Vec<Quantity> = course.series.iter().map(|series| series.of).collect();
        assert_eq!(of, [Quantity::Processed, Quantity::Lag]);
        assert_eq!(course.series[1].values, [0, 0]);
        assert_eq!(course.latencies, []);
    }

    #[test]
    fn latencies_have_as_many_intervals_as_counts() {
        let course = drawn(bodies(), &[]);
        let of: Vec<_> = course.latencies.iter().map(|series| series.of).collect();
        assert_eq!(of, [Span::SentToAcknowledged, Span::SentToProcessed]);
        for series in &course.latencies {
            assert_eq!(series.values.len(), course.series[0].values.len());
        }
    }

    #[test]
    fn a_lost_record_is_marked_where_it_was_acknowledged() {
        let strips = drawn(bodies(), &[lost(1)]).strips;
        let mark = |of| Mark {
            of,
            ranges: vec![(1, 1)],
            is_complete: true,
        };
        let strip = Strip {
            partition: String::from("orders-0"),
            log_start: 0,
            end: 2,
            marks: vec![
                mark(MarkKind::Anomaly(Anomaly::LostWrite)),
                mark(MarkKind::Reused),
            ],
        };
        assert_eq!(strips, [strip]);
    }

    #[test]
    fn a_long_history_has_longer_intervals_and_the_same_counts() {
        let mut bodies = bodies();
        let late = Body::SendInvoked {
            record: record(3),
            to: AT,
        };
        bodies.push((3_600_000_000, late));
        let course = drawn(bodies, &[]);
        assert!(
            course
                .series
                .iter()
                .all(|it| it.values.len() <= INTERVALS_MAX)
        );
        let mut series = course.series.iter();
        let sent = series.find(|series| series.of == Quantity::Sent).unwrap();
        assert_eq!(sent.values.iter().sum::<u64>(), 4);
        assert_eq!(course.interval_ms, 25_600);
    }

    #[test]
    fn two_intervals_become_one_with_what_happened_in_both_and_the_later_state() {
        let mut counts = vec![Some(1), Some(2), None, Some(4), Some(5)];
        halve(&mut counts, false);
        assert_eq!(counts, [Some(3), Some(4), Some(5)]);
        let mut states = vec![Some(1), Some(2), Some(3), None, None];
        halve(&mut states, true);
        assert_eq!(states, [Some(2), Some(3), None]);
    }

    proptest! {
        #[test]
        fn ranges_hold_exactly_what_was_added(
            added in prop::collection::vec((0i64..200, 0i64..5), 0..60),
        ) {
            let mut ranges = Ranges::default();
            for (first, more) in &added {
                ranges.add(*first, first + more);
            }
            for offset in 0..210 {
                let is_in = added.iter().any(|(first, more)| (*first..=first + more).contains(&offset));
                prop_assert_eq!(ranges.contains(offset), is_in);
            }
            prop_assert!(ranges.in_order.windows(2).all(|two| two[0].1 + 1 < two[1].0));
            prop_assert!(!ranges.is_cut);
        }
    }
}
