//! What is measured in the order of time: silence, latencies, lag, recovery,
//! and whether traffic met each fault. Knows nothing of anomalies; no finding
//! depends on anything here.

pub(crate) mod happened;
pub(crate) mod outstanding;
mod reported;
pub(crate) mod timeline;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use hdrhistogram::Histogram;
use model::event::{BatchKind, Body, Content, Event, Evidence, Found, Outcome, TxOutcome};
use model::ids::{FaultIx, GroupIx, MemberIx, Micros, PartitionRef, ProducerIx, RecordId, TxId};
use model::verdict::{CaptureMeasurements, GroupMeasurements, Latency, Measurements};

use crate::measure::outstanding::Outstanding;
use crate::measure::reported::Reports;
use crate::measure::timeline::Timeline;
use crate::names::Names;
use crate::sets::record_set::RecordSet;
use crate::sets::table::Table;

/// Something that is measured.
#[derive(Clone, Copy)]
enum Moment {
    Sent(RecordId),
    Acknowledged(RecordId, PartitionRef, AckOffset),
    GivenUp(RecordId),
    MemberStarted(MemberIx),
    MemberEnded(MemberIx),
    Processed(MemberIx, Content),
    Committed(TxId),
    Tail(PartitionRef, i64),
    PositionCommitted,
    Triggered(FaultIx),
    Injected(FaultIx),
    Healed(FaultIx),
    /// It is over, and what it broke has not come back.
    Over(FaultIx),
    TrafficEnded,
}

/// Whether an acknowledgement names an offset.
#[derive(Clone, Copy, PartialEq, Eq)]
enum AckOffset {
    Given,
    Unknown,
}

/// What became of one fault, as recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FaultRecord {
    /// When its trigger was reached.
    pub triggered: Option<Micros>,
    /// When it came into force.
    pub injected: Option<Micros>,
    /// When what was broken worked again.
    pub healed: Option<Micros>,
    /// The observations made when it was injected.
    pub evidence: Vec<Evidence>,
    /// What became of what it broke.
    pub aftermath: Vec<Evidence>,
    /// What of it did not come back, where something did not.
    pub lost: Option<String>,
    /// The traffic that met it.
    pub met: TrafficMet,
}

/// The traffic that met one fault.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrafficMet {
    /// Sends without an outcome when it came into force.
    pub sends_outstanding: u64,
    /// Sends attempted while it lasted.
    pub sends_attempted: u64,
    /// By group: records acknowledged and not yet processed when it came into
    /// force, and those acknowledged or processed while it lasted.
    pub reads: BTreeMap<GroupIx, ReadsMet>,
    /// Committed changes without a readable event when it came into force.
    pub changes_waiting: u64,
    /// Changes committed while it lasted.
    pub changes_committed: u64,
    /// Positions of groups whose commit was answered while it lasted.
    pub commits: u64,
}

/// What a fault met of one group's traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadsMet {
    /// Records acknowledged and not yet processed when it came into force.
    pub waiting: u64,
    /// Records acknowledged while it lasted.
    pub acknowledged: u64,
    /// Records processed while it lasted.
    pub processed: u64,
}

impl GroupMeter {
    /// What it is to read and has not processed.
    const fn lag(&self) -> u64 {
        let events = self.events_readable.saturating_sub(self.events_processed);
        self.lag.saturating_add(events)
    }
}

#[derive(Default)]
struct GroupMeter {
    /// Records that it processed, known by their identity: an offset is used
    /// again when a log is cut or made again.
    processed: RecordSet,
    /// Records acknowledged and not processed.
    lag: u64,
    /// Change events of its topics that could be read, and those processed: a
    /// group may be faster than the observer of the ends.
    events_readable: u64,
    events_processed: u64,
    lag_peak: u64,
    lag_sum: u128,
    lag_samples: u64,
    someone_ended: bool,
    /// Ends of members that have no successor yet.
    ended: VecDeque<Micros>,
    /// When a member was started in the place of one, and when that one ended.
    recovering: BTreeMap<MemberIx, (Micros, Option<Micros>)>,
    recovery: Option<Micros>,
    outage: Option<Micros>,
    /// First and last processing.
    active: Option<(Micros, Micros)>,
    /// Every ending, until a record is processed behind it.
    endings_open: u64,
    endings_followed: u64,
}

/// When a group was reading, and how often it had to start over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupActivity {
    /// First and last processing.
    pub active: Option<(Micros, Micros)>,
    /// Members that ended before the group processed something more.
    pub restarts: u64,
}

/// Measures a history while it streams by.
#[derive(Default)]
pub(crate) struct Meter {
    timeline: Timeline<Moment>,
    outstanding: Outstanding,
    outstanding_peak: u64,
    any_sent: bool,
    sending: Option<(Micros, Micros)>,
    silent_since: Option<Micros>,
    silent_longest: Option<Micros>,
    healed_waiting: Option<Micros>,
    healed_to_first_ack: Option<Micros>,
    retries: BTreeMap<ProducerIx, u64>,
    before: Latencies,
    during: Latencies,
    after: Latencies,
    acknowledged: RecordSet,
    groups: Table<GroupMeter>,
    faults: BTreeMap<FaultIx, FaultRecord>,
    in_force: BTreeSet<FaultIx>,
    any_injected: bool,
    last_healed: Option<Micros>,
    tx_changes: BTreeMap<TxId, u64>,
    committed_changes: u64,
    tails: BTreeMap<PartitionRef, i64>,
    tail_total: i64,
    capture: CaptureMeter,
    ends: BTreeMap<PartitionRef, i64>,
    reports: Reports,
}

/// How a capture comes back from its restart.
#[derive(Default)]
struct CaptureMeter {
    ordered: Option<Micros>,
    /// The fault by which it was, and when another came into force: what is
    /// silent from then on is not for this one.
    by: Option<FaultIx>,
    until: Option<Micros>,
    /// Each new total since the restart was ordered, and when it was reached.
    totals: Vec<(Micros, i64)>,
    /// What was restarted did not come back: the last events are those of the
    /// task before.
    lost: bool,
}

impl Meter {
    pub(crate) fn observe(&mut self, event: &Event, names: &Names) {
        self.reports.observe(event);
        let moment = match &event.body {
            Body::SendInvoked { record, .. } => Moment::Sent(*record),
            Body::SendCompleted { record, outcome } => match outcome {
                Outcome::Acknowledged { at, offset } => {
                    let place = if offset.is_given() {
                        AckOffset::Given
                    } else {
                        AckOffset::Unknown
                    };
                    Moment::Acknowledged(*record, *at, place)
                }
                Outcome::Failed { .. } | Outcome::Unknown { .. } => Moment::GivenUp(*record),
            },
            Body::ProducerCounted { producer, retries } => {
                let known = self.retries.entry(*producer).or_default();
                *known = (*known).max(*retries);
                return;
            }
            Body::MemberStarted { member, .. } => Moment::MemberStarted(*member),
            Body::MemberEnded { member, .. } => Moment::MemberEnded(*member),
            Body::Processed {
                member, content, ..
            } => Moment::Processed(*member, *content),
            Body::ChangeInvoked { tx, .. } => {
                *self.tx_changes.entry(*tx).or_default() += 1;
                return;
            }
            Body::TxCompleted {
                tx,
                outcome: TxOutcome::Committed,
            } => Moment::Committed(*tx),
            Body::Committed { .. } => Moment::PositionCommitted,
            Body::TailSeen { partition, end } => Moment::Tail(*partition, end.get()),
            Body::EventsSeen { partition, events } => {
                Moment::Tail(*partition, i64::try_from(*events).unwrap_or(i64::MAX))
            }
            Body::Pinned { partition, end, .. } => {
                self.ends.insert(*partition, end.get());
                return;
            }
            Body::StoredBatch {
                partition,
                base_offset,
                last_offset,
                kind: BatchKind::Control | BatchKind::CommitMarker | BatchKind::AbortMarker,
                ..
            } => {
                // A marker has an offset, and is no event.
                let markers = last_offset.get().saturating_sub(base_offset.get()) + 1;
                let end = self.ends.entry(*partition).or_default();
                *end = end.saturating_sub(markers);
                return;
            }
            Body::FaultTriggered { fault } => Moment::Triggered(*fault),
            Body::FaultInjected { fault } => Moment::Injected(*fault),
            Body::FaultHealed { fault } => Moment::Healed(*fault),
            Body::FaultEvidence { fault, evidence } => {
                let record = self.faults.entry(*fault).or_default();
                record.evidence.push(evidence.clone());
                return;
            }
            Body::FaultAftermath { fault, evidence } => {
                let record = self.faults.entry(*fault).or_default();
                record.aftermath.push(evidence.clone());
                return;
            }
            Body::FaultNotHealed { fault, why } => {
                let record = self.faults.entry(*fault).or_default();
                record.aftermath.push(Evidence {
                    observation: "it works again".to_owned(),
                    found: Found::No,
                    detail: why.clone(),
                });
                record.lost = Some(why.clone());
                Moment::Over(*fault)
            }
            Body::TrafficEnded => Moment::TrafficEnded,
            _ => return,
        };
        if let Some((at, moment)) = self.timeline.push(event.at, moment) {
            self.measure(at, moment, names);
        }
    }

    fn measure(&mut self, at: Micros, moment: Moment, names: &Names) {
        match moment {
            Moment::Sent(record) => self.sent(at, record),
            Moment::Acknowledged(record, partition, place) => {
                self.acknowledged(at, record, (partition, place), names);
            }
            Moment::GivenUp(record) => {
                self.outstanding.settle(record);
                if self.outstanding.is_empty() {
                    self.end_silence(at);
                }
            }
            Moment::MemberStarted(member) => {
                if let Some(group) = self.group_of(member, names)
                    && group.someone_ended
                {
                    let ended = group.ended.pop_front();
                    group.recovering.insert(member, (at, ended));
                }
            }
            Moment::MemberEnded(member) => {
                if let Some(group) = self.group_of(member, names) {
                    group.someone_ended = true;
                    group.ended.push_back(at);
                    group.endings_open += 1;
                }
            }
            Moment::Processed(member, content) => self.processed(at, member, content, names),
            Moment::Committed(tx) => {
                let changes = self.tx_changes.get(&tx).copied().unwrap_or(0);
                self.committed_changes += changes;
                for fault in self.in_force() {
                    fault.met.changes_committed += changes;
                }
            }
            Moment::Tail(partition, end) => self.tail(at, partition, end, names),
            Moment::Triggered(fault) => {
                let record = self.faults.entry(fault).or_default();
                record.triggered.get_or_insert(at);
                self.capture.ordered.get_or_insert(at);
                self.capture.by.get_or_insert(fault);
            }
            Moment::Injected(fault) => self.injected(at, fault),
            Moment::Healed(fault) => {
                self.faults.entry(fault).or_default().healed = Some(at);
                self.in_force.remove(&fault);
                self.last_healed = Some(at);
                self.healed_waiting = Some(at);
                self.healed_to_first_ack = None;
            }
            Moment::Over(fault) => {
                self.in_force.remove(&fault);
                self.capture.lost = true;
            }
            Moment::PositionCommitted => {
                for fault in self.in_force() {
                    fault.met.commits += 1;
                }
            }
            Moment::TrafficEnded => self.end_silence(at),
        }
    }

    fn group_of(&mut self, member: MemberIx, names: &Names) -> Option<&mut GroupMeter> {
        let group = names.group_of(member)?;
        Some(self.groups.entry(group.get().into()))
    }

    fn in_force(&mut self) -> impl Iterator<Item = &mut FaultRecord> {
        let in_force = &self.in_force;
        self.faults
            .iter_mut()
            .filter(|(fault, _)| in_force.contains(fault))
            .map(|(_, record)| record)
    }

    fn sent(&mut self, at: Micros, record: RecordId) {
        self.any_sent = true;
        widen(&mut self.sending, at);
        self.outstanding.add(record, at);
        self.outstanding_peak = self.outstanding_peak.max(self.outstanding.len());
        self.silent_since.get_or_insert(at);
        for fault in self.in_force() {
            fault.met.sends_attempted += 1;
        }
    }

    fn acknowledged(
        &mut self,
        at: Micros,
        record: RecordId,
        (partition, place): (PartitionRef, AckOffset),
        names: &Names,
    ) {
        if let Some(sent) = self.outstanding.settle(record) {
            let latency = at.since(sent);
            if !self.any_injected {
                self.before.record(latency);
            } else if self.in_force.is_empty() && self.last_healed.is_some_and(|end| sent >= end) {
                self.after.record(latency);
            } else {
                self.during.record(latency);
            }
        }
        self.end_silence(at);
        if !self.outstanding.is_empty() {
            self.silent_since = Some(at);
        }
        if let Some(healed) = self.healed_waiting.take() {
            self.healed_to_first_ack = Some(at.since(healed));
        }
        // Without an offset it may not be stored, and does not count as a lag.
        let is_placed = place == AckOffset::Given;
        if is_placed && !self.acknowledged.insert(record) {
            return;
        }
        for ix in names.groups_of(partition.topic) {
            let group = self.groups.entry(ix.get().into());
            if is_placed && !group.processed.contains(record) {
                group.lag += 1;
                group.lag_peak = group.lag_peak.max(group.lag);
            }
            for fault in &self.in_force {
                let met = &mut self.faults.entry(*fault).or_default().met;
                met.reads.entry(*ix).or_default().acknowledged += 1;
            }
        }
    }

    fn processed(&mut self, at: Micros, member: MemberIx, content: Content, names: &Names) {
        let Some(ix) = names.group_of(member) else {
            return;
        };
        for fault in &self.in_force {
            let met = &mut self.faults.entry(*fault).or_default().met;
            met.reads.entry(ix).or_default().processed += 1;
        }
        let group = self.groups.entry(ix.get().into());
        if let Some(record) = content.identity()
            && group.processed.insert(record)
        {
            if record.is_change() {
                group.events_processed += 1;
            } else if self.acknowledged.contains(record) {
                group.lag = group.lag.saturating_sub(1);
            }
        }
        group.lag_sum += u128::from(group.lag());
        group.lag_samples += 1;
        group.endings_followed += std::mem::take(&mut group.endings_open);
        widen(&mut group.active, at);
        if !group.recovering.is_empty()
            && let Some((started, ended)) = group.recovering.remove(&member)
        {
            group.recovery = group.recovery.max(Some(at.since(started)));
            group.outage = group.outage.max(ended.map(|ended| at.since(ended)));
        }
    }

    /// Ends the time without an acknowledgement that began when the last one
    /// came, or when a record was sent after all others had their outcome.
    fn end_silence(&mut self, at: Micros) {
        if let Some(since) = self.silent_since.take() {
            self.silent_longest = self.silent_longest.max(Some(at.since(since)));
        }
    }

    fn injected(&mut self, at: Micros, fault: FaultIx) {
        self.any_injected = true;
        self.in_force.insert(fault);
        if self.capture.by.is_some_and(|by| by != fault) {
            self.capture.until.get_or_insert(at);
        }
        let readable = self.tail_total.max(0).cast_unsigned();
        let record = self.faults.entry(fault).or_default();
        record.injected.get_or_insert(at);
        record.met.sends_outstanding = self.outstanding.len();
        record.met.changes_waiting = self.committed_changes.saturating_sub(readable);
        for (ix, group) in self.groups.iter() {
            let ix = GroupIx::new(u16::try_from(ix).unwrap_or_default());
            record.met.reads.entry(ix).or_default().waiting = group.lag();
        }
    }

    fn tail(&mut self, at: Micros, partition: PartitionRef, end: i64, names: &Names) {
        let known = self.tails.entry(partition).or_default();
        let more = end.saturating_sub(*known);
        self.tail_total = self.tail_total.saturating_add(more);
        *known = end;
        let came = more.max(0).cast_unsigned();
        for ix in names.groups_of(partition.topic) {
            let group = self.groups.entry(ix.get().into());
            group.events_readable = group.events_readable.saturating_add(came);
            group.lag_peak = group.lag_peak.max(group.lag());
            for fault in &self.in_force {
                let met = &mut self.faults.entry(*fault).or_default().met;
                let reads = met.reads.entry(*ix).or_default();
                reads.acknowledged = reads.acknowledged.saturating_add(came);
            }
        }
        let total = self.tail_total;
        let capture = &mut self.capture;
        if capture.ordered.is_none() {
            return;
        }
        if capture.totals.last().is_none_or(|(_, last)| total > *last) {
            capture.totals.push((at, total));
        }
    }

    /// Everything measured. What the checker counts itself (duplicates,
    /// groups' records) is filled in by it.
    pub(crate) fn finish(mut self, names: &Names) -> Measured {
        while let Some((at, moment)) = self.timeline.pop() {
            self.measure(at, moment, names);
        }
        let groups = names.groups.iter().map(|(ix, declared)| {
            let meter = self.groups.remove(ix.get().into()).unwrap_or_default();
            let activity = GroupActivity {
                active: meter.active,
                restarts: meter.endings_followed,
            };
            let mean = meter.lag_sum / u128::from(meter.lag_samples.max(1));
            let measured = GroupMeasurements {
                group: declared.name.clone(),
                processed: 0,
                distinct: 0,
                reprocessed: 0,
                recovery_ms: meter.recovery.map(Micros::as_millis),
                outage_ms: meter.outage.map(Micros::as_millis),
                lag_peak: meter.lag_peak,
                lag_mean: u64::try_from(mean).unwrap_or(u64::MAX),
            };
            (measured, activity)
        });
        let (groups, activity) = groups.unzip();
        let capture = (!names.tables.is_empty()).then(|| self.capture.finish(&self.ends, names));
        let millis = |micros: Option<Micros>| micros.map(Micros::as_millis);
        Measured {
            measurements: Measurements {
                silent_longest_ms: millis(self.silent_longest),
                healed_to_first_ack_ms: millis(self.healed_to_first_ack),
                outstanding_peak: self.any_sent.then_some(self.outstanding_peak),
                retries: (!self.retries.is_empty()).then(|| self.retries.values().sum()),
                duplicates: None,
                latency_before: self.before.finish(),
                latency_during: self.during.finish(),
                latency_after: self.after.finish(),
                groups,
                capture,
                errors: self.reports.errors(names),
                throttled: self.reports.throttled(names),
                still_reading: Vec::new(),
            },
            activity,
            sending: self.sending,
            faults: self.faults,
        }
    }
}

/// What the meter hands back.
pub(crate) struct Measured {
    pub(crate) measurements: Measurements,
    /// In the order of the groups.
    pub(crate) activity: Vec<GroupActivity>,
    /// First and last send.
    pub(crate) sending: Option<(Micros, Micros)>,
    pub(crate) faults: BTreeMap<FaultIx, FaultRecord>,
}

impl CaptureMeter {
    /// When the longest silence since the restart was ordered ended. The old
    /// task goes on for a moment after the order, so the first event after it
    /// need not be one of the new task's; the one that ends the silence is.
    fn end_of_silence(&self) -> Option<Micros> {
        let mut before = self.ordered?;
        let in_time = |at: &Micros| self.until.is_none_or(|until| *at <= until);
        let totals = self.totals.iter().filter(|(at, _)| in_time(at));
        let silences = totals.map(|(at, _)| {
            let silent = at.since(std::mem::replace(&mut before, *at));
            (silent, std::cmp::Reverse(*at))
        });
        silences.max().map(|(_, std::cmp::Reverse(at))| at)
    }

    fn finish(&self, ends: &BTreeMap<PartitionRef, i64>, names: &Names) -> CaptureMeasurements {
        let topics: BTreeSet<_> = names.tables.values().map(|table| table.topic).collect();
        let total: i64 = ends
            .iter()
            .filter(|(partition, _)| topics.contains(&partition.topic))
            .fold(0, |sum, (_, end)| i64::saturating_add(sum, *end));
        let reached = self.totals.iter().find(|(_, seen)| *seen >= total);
        let from_order = |at: Micros| Some(at.since(self.ordered?).as_millis());
        CaptureMeasurements {
            first_event_ms: self
                .end_of_silence()
                .filter(|_| !self.lost)
                .and_then(from_order),
            caught_up_ms: reached.and_then(|(at, _)| from_order(*at)),
            duplicates: 0,
        }
    }
}

/// A latency histogram of bounded size, to three digits.
#[derive(Default)]
struct Latencies {
    histogram: Option<Histogram<u64>>,
    max: Micros,
}

impl Latencies {
    fn record(&mut self, latency: Micros) {
        self.max = self.max.max(latency);
        if self.histogram.is_none() {
            self.histogram = Histogram::new(3).ok();
        }
        if let Some(histogram) = &mut self.histogram {
            // It grows by itself; only a failed allocation could refuse.
            histogram.record(latency.get()).ok();
        }
    }

    fn finish(self) -> Option<Latency> {
        let histogram = self.histogram?;
        Some(Latency {
            count: histogram.len(),
            p50_us: histogram.value_at_quantile(0.5),
            p95_us: histogram.value_at_quantile(0.95),
            p99_us: histogram.value_at_quantile(0.99),
            max_us: self.max.get(),
        })
    }
}

/// Makes an interval reach to a moment.
fn widen(interval: &mut Option<(Micros, Micros)>, at: Micros) {
    *interval = Some(match *interval {
        None => (at, at),
        Some((first, last)) => (first.min(at), last.max(at)),
    });
}
