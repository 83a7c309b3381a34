//! How long records took, by the interval in which they were sent. Bounded: a histogram for
//! each interval and series, and the times of so many records as
//! [`Outstanding`] keeps.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use model::course::{IntervalLatency, LatencySeries, Span};
use model::event::{Body, Event, Outcome, TxOutcome};
use model::ids::{GroupIx, Micros, RecordId, TableIx, TopicIx, TxId};

use crate::measure::outstanding::Outstanding;
use crate::measure::timeline::Timeline;
use crate::names::Names;

/// Significant digits of a latency: a picture shows no more.
const DIGITS: u8 = 2;

/// Something from which or to which a latency is measured.
enum Moment {
    Sent(RecordId, TopicIx),
    Acknowledged(RecordId),
    /// It is certainly not written, so no group comes to it.
    Failed(RecordId),
    /// It may be written: only its outcome is known.
    Unknown(RecordId),
    /// A change of the database, and where its event goes.
    Committed(RecordId, TopicIx),
    Processed(GroupIx, RecordId),
}

/// A latency of which group, where it is one's.
type Key = (Span, Option<GroupIx>);

/// The latencies of one interval.
type Interval = Option<Histogram<u32>>;

#[derive(Default)]
pub(super) struct Latencies {
    /// Events of several processes come a little out of step.
    timeline: Timeline<Moment>,
    unanswered: Outstanding,
    unprocessed: BTreeMap<GroupIx, Outstanding>,
    /// Changes of transactions that are open.
    open: BTreeMap<TxId, Vec<(RecordId, TableIx)>>,
    series: BTreeMap<Key, Vec<Interval>>,
}

impl Latencies {
    pub(super) fn observe(&mut self, event: &Event, names: &Names, interval_us: u64) {
        let moment = match &event.body {
            Body::SendInvoked { record, to } => Moment::Sent(*record, to.topic),
            Body::SendCompleted { record, outcome } => match outcome {
                Outcome::Acknowledged { .. } => Moment::Acknowledged(*record),
                Outcome::Failed { .. } => Moment::Failed(*record),
                Outcome::Unknown { .. } => Moment::Unknown(*record),
            },
            Body::ChangeInvoked {
                tx, change, table, ..
            } => {
                let changes = self.open.entry(*tx).or_default();
                changes.push((RecordId::of_change(*change), *table));
                return;
            }
            Body::TxCompleted { tx, outcome } => {
                let changes = self.open.remove(tx).unwrap_or_default();
                if *outcome == TxOutcome::Committed {
                    for (record, table) in changes {
                        if let Some(of) = names.tables.get(&table) {
                            let moment = Moment::Committed(record, of.topic);
                            self.push(event.at, moment, names, interval_us);
                        }
                    }
                }
                return;
            }
            Body::Processed {
                member, content, ..
            } => match (names.group_of(*member), content.identity()) {
                (Some(group), Some(record)) => Moment::Processed(group, record),
                _ => return,
            },
            _ => return,
        };
        self.push(event.at, moment, names, interval_us);
    }

    fn push(&mut self, at: Micros, moment: Moment, names: &Names, interval_us: u64) {
        if let Some((at, moment)) = self.timeline.push(at, moment) {
            self.measure(at, &moment, names, interval_us);
        }
    }

    fn measure(&mut self, at: Micros, moment: &Moment, names: &Names, interval_us: u64) {
        match *moment {
            Moment::Sent(record, topic) => {
                self.unanswered.add(record, at);
                self.wait_for(record, topic, at, names);
            }
            Moment::Committed(record, topic) => self.wait_for(record, topic, at, names),
            Moment::Acknowledged(record) => {
                if let Some(sent) = self.unanswered.settle(record) {
                    self.record((Span::SentToAcknowledged, None), sent, at, interval_us);
                }
            }
            Moment::Failed(record) => {
                self.unanswered.settle(record);
                for waiting in self.unprocessed.values_mut() {
                    waiting.settle(record);
                }
            }
            Moment::Unknown(record) => {
                self.unanswered.settle(record);
            }
            Moment::Processed(group, record) => {
                let waiting = self.unprocessed.get_mut(&group);
                if let Some(since) = waiting.and_then(|waiting| waiting.settle(record)) {
                    let of = if record.is_change() {
                        Span::CommittedToProcessed
                    } else {
                        Span::SentToProcessed
                    };
                    self.record((of, Some(group)), since, at, interval_us);
                }
            }
        }
    }

    fn wait_for(&mut self, record: RecordId, topic: TopicIx, at: Micros, names: &Names) {
        for group in names.groups_of(topic) {
            self.unprocessed.entry(*group).or_default().add(record, at);
        }
    }

    fn record(&mut self, of: Key, since: Micros, at: Micros, interval_us: u64) {
        let index = usize::try_from(since.get() / interval_us.max(1)).unwrap_or(0);
        let intervals = self.series.entry(of).or_default();
        if intervals.len() <= index {
            intervals.resize(index + 1, None);
        }
        let interval = &mut intervals[index];
        if interval.is_none() {
            *interval = Histogram::new(DIGITS).ok();
        }
        if let Some(histogram) = interval {
            // It grows by itself; only a failed allocation could refuse.
            histogram.record(at.since(since).get()).ok();
        }
    }

    /// Makes one interval of every two.
    pub(super) fn halve(&mut self) {
        for intervals in self.series.values_mut() {
            let mut halves = std::mem::take(intervals).into_iter();
            while let Some(first) = halves.next() {
                intervals.push(both(first, halves.next().flatten()));
            }
        }
    }

    /// All series that have a value, of this many intervals.
    pub(super) fn finish(
        mut self,
        names: &Names,
        interval_us: u64,
        len: usize,
    ) -> Vec<LatencySeries> {
        while let Some((at, moment)) = self.timeline.pop() {
            self.measure(at, &moment, names, interval_us);
        }
        let series = self.series.into_iter().map(|((of, group), mut intervals)| {
            intervals.resize(len.max(intervals.len()), None);
            let values = intervals.iter().map(|it| it.as_ref().map(percentiles));
            LatencySeries {
                of,
                group: group.map(|group| names.group(group)),
                values: values.collect(),
            }
        });
        series.collect()
    }
}

fn both(first: Interval, second: Interval) -> Interval {
    match (first, second) {
        (Some(mut first), Some(second)) => {
            // Both grow by themselves.
            first.add(second).ok();
            Some(first)
        }
        (first, second) => first.or(second),
    }
}

fn percentiles(histogram: &Histogram<u32>) -> IntervalLatency {
    IntervalLatency {
        p50_us: histogram.value_at_quantile(0.5),
        p99_us: histogram.value_at_quantile(0.99),
        max_us: histogram.max(),
    }
}

#[cfg(test)]
mod tests {
    use model::event::{Content, RowOp};
    use model::ids::{
        ChangeId, MemberIx, Offset, PartitionIndex, PartitionRef, ProducerIx, RowKey, Sequence,
    };

    use super::*;

    const INTERVAL_US: u64 = 100_000;
    const ORDERS: PartitionRef = PartitionRef {
        topic: TopicIx::new(0),
        partition: PartitionIndex::new(0),
    };
    const ROWS: PartitionRef = PartitionRef {
        topic: TopicIx::new(1),
        ..ORDERS
    };

    fn record(sequence: u64) -> RecordId {
        RecordId {
            producer: ProducerIx::new(0),
            sequence: Sequence::new(sequence),
        }
    }

    fn sent(sequence: u64) -> Body {
        Body::SendInvoked {
            record: record(sequence),
            to: ORDERS,
        }
    }

    fn acknowledged(sequence: u64) -> Body {
        Body::SendCompleted {
            record: record(sequence),
            outcome: Outcome::Acknowledged {
                at: ORDERS,
                offset: Offset::new(0),
            },
        }
    }

    fn processed(from: PartitionRef, content: Content) -> Body {
        Body::Processed {
            member: MemberIx::new(0),
            from,
            offset: Offset::new(0),
            content,
        }
    }

    /// The series of a history in which `billing` reads both topics.
    fn measured(events: &[(u64, Body)], halved: bool) -> Vec<LatencySeries> {
        let mut names = Names::default();
        for (topic, name) in [(ORDERS.topic, "orders"), (ROWS.topic, "rows")] {
            names.observe(&Body::TopicDeclared {
                topic,
                name: name.to_owned(),
                partitions: 1,
            });
        }
        names.observe(&Body::GroupDeclared {
            group: GroupIx::new(0),
            name: "billing".to_owned(),
            topics: vec![ORDERS.topic, ROWS.topic],
        });
        names.observe(&Body::TableDeclared {
            table: TableIx::new(0),
            name: "public.rows".to_owned(),
            topic: ROWS.topic,
        });
        names.observe(&Body::MemberStarted {
            member: MemberIx::new(0),
            group: GroupIx::new(0),
        });
        let mut latencies = Latencies::default();
        for (at, body) in events {
            let event = Event {
                at: Micros::new(*at),
                body: body.clone(),
            };
            latencies.observe(&event, &names, INTERVAL_US);
        }
        // What still waits for its turn is measured by the intervals of then.
        while let Some((at, moment)) = latencies.timeline.pop() {
            latencies.measure(at, &moment, &names, INTERVAL_US);
        }
        if halved {
            latencies.halve();
            return latencies.finish(&names, 2 * INTERVAL_US, 2);
        }
        latencies.finish(&names, INTERVAL_US, 4)
    }

    fn largest(series: &LatencySeries) -> Vec<Option<u64>> {
        let values = series.values.iter();
        values.map(|value| value.map(|it| it.max_us)).collect()
    }

    #[test]
    fn a_record_counts_where_it_was_sent_until_the_end_of_the_outage() {
        let events = [
            (0, sent(0)),
            (1_000, acknowledged(0)),
            (150_000, sent(1)),
            (350_000, acknowledged(1)),
            (360_000, sent(2)),
        ];
        let series = measured(&events, false);
        assert_eq!(series.len(), 1);
        assert_eq!(series[0].of, Span::SentToAcknowledged);
        let found = largest(&series[0]);
        assert_eq!(found[2..], [None, None]);
        assert!(found[0].is_some_and(|it| it.abs_diff(1_000) <= 10));
        assert!(found[1].is_some_and(|it| it.abs_diff(200_000) <= 2_000));
    }

    /// The first time counts, and what was never sent, or failed, has no latency.
    #[test]
    fn a_group_is_measured_to_its_first_processing_of_a_record() {
        let ours = |sequence| processed(ORDERS, Content::Ours(record(sequence)));
        let failed = Body::SendCompleted {
            record: record(1),
            outcome: Outcome::Failed {
                error: "InvalidRecord".to_owned(),
            },
        };
        let events = [
            // The group's process was faster with its words than the producer's.
            (20_000, ours(0)),
            (10_000, sent(0)),
            (11_000, sent(1)),
            (12_000, failed),
            (30_000, ours(1)),
            (90_000, ours(0)),
            (91_000, ours(7)),
        ];
        let series = measured(&events, false);
        assert_eq!(series.len(), 1, "{series:?}");
        assert_eq!(series[0].of, Span::SentToProcessed);
        assert_eq!(series[0].group.as_deref(), Some("billing"));
        let found = largest(&series[0]);
        assert!(found[0].is_some_and(|it| it.abs_diff(10_000) <= 100));
        assert_eq!(found[1..], [None, None, None]);
    }

    #[test]
    fn a_change_is_measured_from_its_commit() {
        let change = |tx, change| Body::ChangeInvoked {
            tx: TxId::new(tx),
            change: ChangeId::new(change),
            table: TableIx::new(0),
            key: RowKey::new(1),
            op: RowOp::Insert,
        };
        let completed = |tx, outcome| Body::TxCompleted {
            tx: TxId::new(tx),
            outcome,
        };
        let read = |change| processed(ROWS, Content::Change(ChangeId::new(change)));
        let events = [
            (0, change(0, 0)),
            (1_000, change(1, 1)),
            (110_000, completed(0, TxOutcome::Committed)),
            (120_000, completed(1, TxOutcome::RolledBack)),
            (160_000, read(0)),
            (170_000, read(1)),
        ];
        let series = measured(&events, false);
        assert_eq!(series.len(), 1, "{series:?}");
        assert_eq!(series[0].of, Span::CommittedToProcessed);
        let found = largest(&series[0]);
        assert_eq!((found[0], found[2]), (None, None));
        assert!(found[1].is_some_and(|it| it.abs_diff(50_000) <= 500));
    }

    #[test]
    fn two_intervals_become_one_with_the_records_of_both() {
        let events = [
            (0, sent(0)),
            (1_000, acknowledged(0)),
            (150_000, sent(1)),
            (159_000, acknowledged(1)),
            (250_000, sent(2)),
            (252_000, acknowledged(2)),
        ];
        let series = measured(&events, true);
        let of = |at: usize| series[0].values[at].map(|it| (it.p50_us, it.max_us));
        let near = |found: Option<(u64, u64)>, median: u64, max: u64| {
            found.is_some_and(|(a, b)| {
                a.abs_diff(median) * 100 <= median && b.abs_diff(max) * 100 <= max
            })
        };
        assert!(near(of(0), 1_000, 9_000), "{series:?}");
        assert!(near(of(1), 2_000, 2_000), "{series:?}");
    }
}
