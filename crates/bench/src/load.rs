//! What a history says of a load: when each record was due, when it was handed over, when it
//! was acknowledged, and when it was processed. Knows nothing of criteria.
//!
//! Latency counts from the moment at which a record was due. A schedule's beginning is not
//! in the history; no record is sent before its moment, so it began at the latest at the
//! earliest of all (moment of sending - place in the schedule). Where the least late record
//! was itself late, latencies are too small by that much; it is microseconds in practice,
//! because the first record is handed over as soon as the schedule begins.

use std::collections::{BTreeMap, HashMap};

use hdrhistogram::Histogram;
use model::event::{Body, Content, Event, Outcome, TxOutcome};
use model::ids::{ChangeId, GroupIx, MemberIx, Micros, ProducerIx, RecordId, TxId};
use model::pace::Moments;
use model::plan::ScenarioPlan;
use serde::{Deserialize, Serialize};

use crate::stats::{per_s, whole};

/// The length of an interval of a section's course.
const INTERVAL_MS: u64 = 1000;

/// Whose records a section is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// A producer of the scenario, by its number from 0.
    Producer(u32),
    /// The writer of the database: row changes, which are due when they are committed.
    Writer,
}

/// Records of one source that are measured together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SectionSpec {
    /// A name for people.
    pub name: String,
    /// Whose records.
    pub source: Source,
    /// The first.
    pub first: u64,
    /// The one behind the last.
    pub end: u64,
}

/// Percentiles of a latency, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Percentiles {
    /// How many were measured.
    pub count: u64,
    /// The mean.
    pub mean_us: u64,
    /// Half of them are not above this.
    pub p50_us: u64,
    /// 90 %.
    pub p90_us: u64,
    /// 95 %.
    pub p95_us: u64,
    /// 99 %.
    pub p99_us: u64,
    /// 99.9 %.
    pub p999_us: u64,
    /// None is above this.
    pub max_us: u64,
}

/// One second of a section, by the moments at which records were due.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Interval {
    /// Its beginning, in milliseconds from that of the section.
    pub from_ms: u64,
    /// Records that were due in it.
    pub due: u64,
    /// Of these, acknowledged.
    pub acknowledged: u64,
    /// From the moment at which they were due to their acknowledgements.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Percentiles>,
}

/// What was measured of a section.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Section {
    /// Its name.
    pub name: String,
    /// Records that were to be sent, or rows to be written.
    pub planned: u64,
    /// The rate at which they were due; 0 for rows.
    pub offered_per_s: u64,
    /// Records handed to the client, or changes committed.
    pub sent: u64,
    /// Records acknowledged.
    pub acknowledged: u64,
    /// Records that were not acknowledged: failed, or of unknown outcome.
    pub not_acknowledged: u64,
    /// Records that groups processed, each as often as it was.
    pub processed: u64,
    /// Records that a transform made of them, and that were acknowledged.
    pub made: u64,
    /// Acknowledged records a second: from the moment at which the first was due to the
    /// last acknowledgement.
    pub acknowledged_per_s: u64,
    /// Processed records a second: to the last one. A transform's: until the last of its
    /// acknowledgements, commits and transactions.
    pub processed_per_s: u64,
    /// When the first record was due, from the beginning of the scenario.
    pub began_us: u64,
    /// The last acknowledgement, or what took effect last.
    pub ended_us: u64,
    /// How much later than due records were handed over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lateness: Option<Percentiles>,
    /// From the moment at which records were due to their acknowledgements.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Percentiles>,
    /// From that moment to their processing. Behind a transform: from the sending of what
    /// it made to the processing of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_to_end: Option<Percentiles>,
    /// By the second.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub course: Vec<Interval>,
}

/// What was measured of one scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// In the order of the specification.
    pub sections: Vec<Section>,
    /// The first acknowledgement, from the beginning of the scenario.
    pub first_acknowledged: Option<Micros>,
    /// The first record that a group processed.
    pub first_processed: Option<Micros>,
    /// When the connector was about to be created.
    pub capture_began: Option<Micros>,
    /// How many records of change topics could be read, whenever that became more.
    pub captured: Vec<(Micros, u64)>,
    /// Whether all traffic had ended in order.
    pub traffic_ended: bool,
}

/// Measures a history, which is read twice.
///
/// # Errors
/// Those of reading it.
pub fn measure<E, I>(
    plan: &ScenarioPlan,
    specs: &[SectionSpec],
    mut read: impl FnMut() -> Result<I, E>,
) -> Result<Measured, E>
where
    I: Iterator<Item = Result<Event, E>>,
{
    let wants_changes = specs.iter().any(|it| it.source == Source::Writer);
    let mut survey = Survey::new(plan, wants_changes);
    for event in read()? {
        survey.observe(&event?);
    }
    let mut meter = Meter::new(specs, survey);
    for event in read()? {
        meter.observe(&event?);
    }
    Ok(meter.finish(specs))
}

/// What has to be known before anything is measured.
struct Survey {
    moments: Vec<Moments>,
    /// The beginnings of the schedules.
    starts: Vec<Option<u64>>,
    group_of: HashMap<MemberIx, GroupIx>,
    /// The member that sends as this producer.
    member_of: HashMap<ProducerIx, MemberIx>,
    /// Groups below this number only read.
    first_transform: usize,
    /// Whether row changes are measured.
    wants_changes: bool,
    /// Changes of transactions that are not completed.
    open: HashMap<TxId, Vec<ChangeId>>,
    committed: HashMap<ChangeId, u64>,
}

impl Survey {
    fn new(plan: &ScenarioPlan, wants_changes: bool) -> Self {
        let producers = plan.scenario.producers.iter();
        let moments: Vec<Moments> = producers.map(|it| it.pace().moments()).collect();
        Self {
            starts: vec![None; moments.len()],
            moments,
            group_of: HashMap::new(),
            member_of: HashMap::new(),
            first_transform: plan.scenario.groups.len(),
            wants_changes,
            open: HashMap::new(),
            committed: HashMap::new(),
        }
    }

    fn observe(&mut self, event: &Event) {
        match &event.body {
            Body::SendInvoked { record, .. } => {
                let Some((at, moments)) = self.own(record.producer) else {
                    return;
                };
                let due_us = moments.due_at(record.sequence.get());
                let start = event.at.get().saturating_sub(due_us);
                if let Some(known) = self.starts.get_mut(at) {
                    *known = Some(known.map_or(start, |known| known.min(start)));
                }
            }
            Body::MemberStarted { member, group } => {
                self.group_of.insert(*member, *group);
            }
            Body::MemberNamed {
                member,
                producer: Some(producer),
                ..
            } => {
                self.member_of.insert(*producer, *member);
            }
            Body::ChangeInvoked { tx, change, .. } if self.wants_changes => {
                self.open.entry(*tx).or_default().push(*change);
            }
            Body::TxCompleted { tx, outcome } => {
                let changes = self.open.remove(tx).unwrap_or_default();
                if *outcome == TxOutcome::Committed {
                    let at = event.at.get();
                    self.committed
                        .extend(changes.into_iter().map(|it| (it, at)));
                }
            }
            _ => {}
        }
    }

    /// The schedule of a producer of the scenario.
    fn own(&self, producer: ProducerIx) -> Option<(usize, &Moments)> {
        let at = usize::try_from(producer.get()).ok()?;
        Some((at, self.moments.get(at)?))
    }

    /// When a record was due.
    fn due(&self, record: RecordId) -> Option<u64> {
        let (at, moments) = self.own(record.producer)?;
        let start = self.starts.get(at).copied().flatten()?;
        Some(start.saturating_add(moments.due_at(record.sequence.get())))
    }

    fn transforms(&self, member: MemberIx) -> bool {
        let group = self.group_of.get(&member);
        group.is_some_and(|it| usize::from(it.get()) >= self.first_transform)
    }
}

struct Meter {
    survey: Survey,
    /// By source: first, end and place of each section, in order.
    places: BTreeMap<Source, Vec<(u64, u64, usize)>>,
    tallies: Vec<Tally>,
    /// The section of which each member of a transform processed a record last.
    current: HashMap<MemberIx, usize>,
    /// What transforms sent: when, and for which section.
    made: HashMap<RecordId, (u64, usize)>,
    tails: HashMap<(u16, i32), u64>,
    out: Measured,
}

/// What is counted of a section.
#[derive(Default)]
struct Tally {
    sent: u64,
    acknowledged: u64,
    not_acknowledged: u64,
    processed: u64,
    made: u64,
    first_due: Option<u64>,
    last_acknowledged: Option<u64>,
    last_processed: Option<u64>,
    last_effect: Option<u64>,
    lateness: Recorded,
    latency: Recorded,
    end_to_end: Recorded,
    course: BTreeMap<u64, (u64, u64, Recorded)>,
}

impl Meter {
    fn new(specs: &[SectionSpec], survey: Survey) -> Self {
        let mut places: BTreeMap<Source, Vec<(u64, u64, usize)>> = BTreeMap::new();
        for (spec, at) in specs.iter().zip(0..) {
            let of = places.entry(spec.source).or_default();
            of.push((spec.first, spec.end, at));
        }
        for of in places.values_mut() {
            of.sort_unstable();
        }
        let mut tallies: Vec<Tally> = specs.iter().map(|_| Tally::default()).collect();
        for (spec, tally) in specs.iter().zip(&mut tallies) {
            if let Source::Producer(producer) = spec.source {
                let first = RecordId {
                    producer: ProducerIx::new(producer),
                    sequence: model::ids::Sequence::new(spec.first),
                };
                tally.first_due = survey.due(first);
            }
        }
        let mut meter = Self {
            survey,
            places,
            tallies,
            current: HashMap::new(),
            made: HashMap::new(),
            tails: HashMap::new(),
            out: Measured::default(),
        };
        for (change, at) in &meter.survey.committed {
            let section = section_in(&meter.places, Source::Writer, change.get());
            if let Some(tally) = section.and_then(|it| meter.tallies.get_mut(it)) {
                tally.sent += 1;
                tally.first_due = Some(tally.first_due.map_or(*at, |it| it.min(*at)));
            }
        }
        meter
    }

    /// The section of a record, if it is in one.
    fn section(&self, source: Source, number: u64) -> Option<usize> {
        section_in(&self.places, source, number)
    }

    fn section_of(&self, record: RecordId) -> Option<usize> {
        let source = Source::Producer(record.producer.get());
        self.section(source, record.sequence.get())
    }

    fn observe(&mut self, event: &Event) {
        let at = event.at.get();
        match &event.body {
            Body::SendInvoked { record, .. } => self.sent(at, *record),
            Body::SendCompleted { record, outcome } => {
                let is_acknowledged = matches!(outcome, Outcome::Acknowledged { .. });
                if is_acknowledged {
                    let first = &mut self.out.first_acknowledged;
                    *first = Some(first.map_or(event.at, |it| it.min(event.at)));
                }
                self.completed(at, *record, is_acknowledged);
            }
            Body::Processed {
                member, content, ..
            } => {
                let first = &mut self.out.first_processed;
                *first = Some(first.map_or(event.at, |it| it.min(event.at)));
                self.processed(at, *member, *content);
            }
            Body::Committed { member, .. } => self.took_effect(at, *member),
            Body::TransactionCompleted { transaction, .. } => {
                if let Some(member) = self.survey.member_of.get(&transaction.producer).copied() {
                    self.took_effect(at, member);
                }
            }
            Body::CaptureBegan { .. } => {
                self.out.capture_began.get_or_insert(event.at);
            }
            Body::TailSeen { partition, end } => {
                let end = u64::try_from(end.get()).unwrap_or(0);
                self.tail(
                    event.at,
                    (partition.topic.get(), partition.partition.get()),
                    end,
                );
            }
            Body::EventsSeen { partition, events } => {
                let place = (partition.topic.get(), partition.partition.get());
                self.tail(event.at, place, *events);
            }
            Body::TrafficEnded => self.out.traffic_ended = true,
            _ => {}
        }
    }

    fn sent(&mut self, at: u64, record: RecordId) {
        let Some(due) = self.survey.due(record) else {
            let member = self.survey.member_of.get(&record.producer);
            let section = member.and_then(|member| self.current.get(member));
            if let Some(section) = section {
                self.made.insert(record, (at, *section));
            }
            return;
        };
        let Some(section) = self.section_of(record) else {
            return;
        };
        if let Some(tally) = self.tallies.get_mut(section) {
            tally.sent += 1;
            tally.lateness.record(at.saturating_sub(due));
            tally.interval(due).0 += 1;
        }
    }

    fn completed(&mut self, at: u64, record: RecordId, is_acknowledged: bool) {
        let Some(due) = self.survey.due(record) else {
            let made = self.made.get(&record).copied();
            let Some((sent, section)) = made.filter(|_| is_acknowledged) else {
                return;
            };
            if let Some(tally) = self.tallies.get_mut(section) {
                tally.made += 1;
                tally.latency.record(at.saturating_sub(sent));
                latest(&mut tally.last_effect, at);
            }
            return;
        };
        let Some(section) = self.section_of(record) else {
            return;
        };
        let Some(tally) = self.tallies.get_mut(section) else {
            return;
        };
        if !is_acknowledged {
            tally.not_acknowledged += 1;
            return;
        }
        tally.acknowledged += 1;
        latest(&mut tally.last_acknowledged, at);
        let latency = at.saturating_sub(due);
        tally.latency.record(latency);
        let (_, acknowledged, latencies) = tally.interval(due);
        *acknowledged += 1;
        latencies.record(latency);
    }

    fn processed(&mut self, at: u64, member: MemberIx, content: Content) {
        if let Content::Change(change) = content {
            let section = self.section(Source::Writer, change.get());
            let committed = self.survey.committed.get(&change).copied();
            if let Some(tally) = section.and_then(|it| self.tallies.get_mut(it)) {
                tally.processed += 1;
                latest(&mut tally.last_processed, at);
                if let Some(committed) = committed {
                    // It may be read before the database's answer to COMMIT is.
                    tally.end_to_end.record(at.saturating_sub(committed));
                }
            }
            return;
        }
        let Content::Ours(record) = content else {
            return;
        };
        let Some(due) = self.survey.due(record) else {
            if let Some((sent, section)) = self.made.get(&record).copied()
                && let Some(tally) = self.tallies.get_mut(section)
            {
                tally.end_to_end.record(at.saturating_sub(sent));
            }
            return;
        };
        let Some(section) = self.section_of(record) else {
            return;
        };
        let transforms = self.survey.transforms(member);
        if let Some(tally) = self.tallies.get_mut(section) {
            tally.processed += 1;
            latest(&mut tally.last_processed, at);
            if !transforms {
                tally.end_to_end.record(at.saturating_sub(due));
            }
        }
        if transforms {
            self.current.insert(member, section);
        }
    }

    /// What a transform did for the records that it processed last is in force.
    fn took_effect(&mut self, at: u64, member: MemberIx) {
        if let Some(section) = self.current.get(&member)
            && let Some(tally) = self.tallies.get_mut(*section)
        {
            latest(&mut tally.last_effect, at);
        }
    }

    fn tail(&mut self, at: Micros, place: (u16, i32), end: u64) {
        if self.out.capture_began.is_none() {
            return;
        }
        self.tails.insert(place, end);
        let total: u64 = self.tails.values().sum();
        if self
            .out
            .captured
            .last()
            .is_none_or(|(_, last)| *last < total)
        {
            self.out.captured.push((at, total));
        }
    }

    fn finish(mut self, specs: &[SectionSpec]) -> Measured {
        let tallies = std::mem::take(&mut self.tallies);
        let sections = specs.iter().zip(tallies);
        self.out.sections = sections
            .map(|(spec, tally)| {
                let offered_per_s = self.offered_per_s(spec);
                tally.finish(spec, offered_per_s)
            })
            .collect();
        self.out
    }

    /// How many records a second were due, by the schedule alone.
    fn offered_per_s(&self, spec: &SectionSpec) -> u64 {
        let Source::Producer(producer) = spec.source else {
            return 0;
        };
        let Some((_, moments)) = self.survey.own(ProducerIx::new(producer)) else {
            return 0;
        };
        let last = spec.end.saturating_sub(1);
        let took_us = moments
            .due_at(last)
            .saturating_sub(moments.due_at(spec.first));
        per_s(last.saturating_sub(spec.first), took_us)
    }
}

impl Tally {
    /// Of the second in which a record was due.
    fn interval(&mut self, due: u64) -> &mut (u64, u64, Recorded) {
        let from = due.saturating_sub(self.first_due.unwrap_or(due));
        let interval = from / (INTERVAL_MS * 1000);
        self.course.entry(interval).or_default()
    }

    fn finish(self, spec: &SectionSpec, offered_per_s: u64) -> Section {
        let began = self.first_due.unwrap_or(0);
        let took = |until: Option<u64>| until.map_or(0, |until| until.saturating_sub(began));
        let processed_until = self.last_effect.or(self.last_processed);
        let ended = self.last_effect.or(self.last_acknowledged);
        let course = self.course.into_iter();
        let course = course.map(|(interval, (due, acknowledged, latency))| Interval {
            from_ms: interval * INTERVAL_MS,
            due,
            acknowledged,
            latency: latency.finish(),
        });
        Section {
            name: spec.name.clone(),
            planned: spec.end.saturating_sub(spec.first),
            offered_per_s,
            sent: self.sent,
            acknowledged: self.acknowledged,
            not_acknowledged: self.not_acknowledged,
            processed: self.processed,
            made: self.made,
            acknowledged_per_s: per_s(self.acknowledged, took(self.last_acknowledged)),
            processed_per_s: per_s(self.processed, took(processed_until)),
            began_us: began,
            ended_us: ended.or(processed_until).unwrap_or(began),
            lateness: self.lateness.finish(),
            latency: self.latency.finish(),
            end_to_end: self.end_to_end.finish(),
            course: course.collect(),
        }
    }
}

/// The place of the section that a record is in.
fn section_in(
    places: &BTreeMap<Source, Vec<(u64, u64, usize)>>,
    source: Source,
    number: u64,
) -> Option<usize> {
    let places = places.get(&source)?;
    let at = places.partition_point(|(first, _, _)| *first <= number);
    let (_, end, section) = places.get(at.checked_sub(1)?)?;
    (number < *end).then_some(*section)
}

fn latest(of: &mut Option<u64>, at: u64) {
    *of = Some(of.map_or(at, |it| it.max(at)));
}

/// A histogram of bounded size, to three digits.
#[derive(Default)]
struct Recorded {
    histogram: Option<Histogram<u64>>,
    max: u64,
}

impl Recorded {
    fn record(&mut self, us: u64) {
        self.max = self.max.max(us);
        if self.histogram.is_none() {
            self.histogram = Histogram::new(3).ok();
        }
        if let Some(histogram) = &mut self.histogram {
            // It grows by itself; only a failed allocation could refuse.
            histogram.record(us).ok();
        }
    }

    fn finish(self) -> Option<Percentiles> {
        let histogram = self.histogram?;
        // A histogram's values are the upper ends of its steps.
        let at = |quantile| histogram.value_at_quantile(quantile).min(self.max);
        Some(Percentiles {
            count: histogram.len(),
            mean_us: whole(histogram.mean()),
            p50_us: at(0.5),
            p90_us: at(0.9),
            p95_us: at(0.95),
            p99_us: at(0.99),
            p999_us: at(0.999),
            max_us: self.max,
        })
    }
}
