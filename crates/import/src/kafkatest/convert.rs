//! Converts all files of a recording to one history: the declarations, then every file's
//! events as its thread reads them, then the recording's gaps.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use model::event::{Body, Cleanup, Event};
use model::ids::{GroupIx, Micros, PartitionRef, TopicIx};

use super::Cleaning;
use super::consumer::ConsumerFile;
use super::error::KafkatestError;
use super::event_channel::{self, EventReceiver, EventSender};
use super::head::Head;
use super::keys::Keys;
use super::lives::Lives;
use super::participants::{FileRole, Participants};
use super::producer::ProducerFile;
use super::reading::{Halt, Halted, read};
use super::source::Source;
use super::summary::{KafkatestNote, KafkatestSummary};

/// Files that are read at the same time, each by a thread of its own.
const LANES_MAX: usize = 16;

/// The result of a file.
enum Outcome {
    Converted(KafkatestSummary, Vec<i32>),
    Halted(Halted),
}

/// The known facts about a recording before its conversion.
#[derive(Clone, Copy)]
pub(super) struct Context<'r> {
    pub(super) participants: &'r Participants,
    /// None where no key was seen so far.
    pub(super) keys: Option<&'r Keys>,
    /// None where no partition has more than one.
    pub(super) lives: Option<&'r Lives>,
    pub(super) cleaning: &'r BTreeMap<String, Cleaning>,
}

impl Context<'_> {
    /// How many lives a partition has.
    fn life_count(&self, of: PartitionRef) -> usize {
        self.lives.map_or(1, |lives| lives.all(of).count())
    }
}

/// Converts everything; none where a survey is needed first.
pub(super) fn convert(
    (sources, heads): (&[Source], &[Head]),
    known: Context<'_>,
    mut sink: impl FnMut(&Event),
) -> Result<Option<KafkatestSummary>, KafkatestError> {
    let participants = known.participants;
    let mut partitions = Vec::new();
    announce(known).iter().for_each(&mut sink);
    let workers = Workers {
        sources,
        known,
        failed: AtomicUsize::new(usize::MAX),
        outcomes: Mutex::new(sources.iter().map(|_| None).collect()),
    };
    thread::scope(|scope| {
        let lanes = lanes(heads).into_iter().map(|files| {
            let (mut out, lane) = event_channel::channel();
            let workers = &workers;
            scope.spawn(move || workers.work(&files, &mut out));
            lane
        });
        merge(lanes.collect(), &mut sink);
    });
    let outcomes = workers.outcomes.into_inner();
    let mut summary = KafkatestSummary::default();
    for outcome in outcomes.unwrap_or_else(PoisonError::into_inner) {
        match outcome {
            Some(Outcome::Converted(of_file, counts)) => {
                summary.add(of_file);
                partitions.resize(partitions.len().max(counts.len()), 0);
                for (all, count) in partitions.iter_mut().zip(counts) {
                    *all = count.max(*all);
                }
            }
            Some(Outcome::Halted(Halted::Error(error))) => return Err(error),
            Some(Outcome::Halted(Halted::Anew | Halted::Enough)) | None => return Ok(None),
        }
    }
    let topics = known.lives.into_iter().flat_map(|lives| &lives.topics);
    for ((topic, _), later) in topics {
        let count = partitions.get(usize::from(topic.get())).copied();
        let later = usize::from(later.get());
        partitions.resize(partitions.len().max(later + 1), 0);
        if let Some(place) = partitions.get_mut(later) {
            *place = count.unwrap_or(0);
        }
    }
    summary
        .lacking
        .extend(known.keys.and_then(|keys| keys.lacking.clone()));
    if summary.producer_files == 0 {
        let what = "no producer's file is given: nothing is known to have been sent";
        summary.lacking.push(what.to_owned());
    }
    conclude(participants, &partitions, &summary)
        .iter()
        .for_each(&mut sink);
    Ok(Some(summary))
}

/// Which files are read at the same time, and which one after the other: in
/// the order in which they begin.
fn lanes(heads: &[Head]) -> Vec<Vec<usize>> {
    let mut files: Vec<usize> = (0..heads.len()).collect();
    files.sort_by_key(|file| heads.get(*file).and_then(|head| head.first_ms));
    let mut lanes = vec![Vec::new(); LANES_MAX.min(files.len())];
    let places = (0..lanes.len()).cycle();
    for (file, place) in files.into_iter().zip(places) {
        if let Some(lane) = lanes.get_mut(place) {
            lane.push(file);
        }
    }
    lanes
}

/// Takes the earliest event that any lane has, and the next, until no lane has one:
/// whichever thread is faster, they come in the same order, so that every conversion gives
/// the same history. Reads of one member come before those of the next owner where their
/// clocks say so.
fn merge(mut lanes: Vec<EventReceiver>, sink: &mut impl FnMut(&Event)) {
    let mut order: Vec<(Micros, usize)> = Vec::new();
    loop {
        order.clear();
        let open = lanes.iter_mut().enumerate();
        order.extend(open.filter_map(|(ix, lane)| Some((lane.next()?.at, ix))));
        order.sort_unstable();
        let Some((_, first)) = order.first().copied() else {
            return;
        };
        let until = order.get(1).copied();
        let Some(lane) = lanes.get_mut(first) else {
            return;
        };
        while let Some(event) = lane.next()
            && until.is_none_or(|until| (event.at, first) < until)
        {
            sink(event);
            lane.advance();
        }
    }
}

/// Emits the declarations, and the offsets of records that may be gone.
fn announce(known: Context<'_>) -> Vec<Event> {
    let participants = known.participants;
    let mut events = Vec::new();
    let mut tell = |body| {
        let at = Micros::default();
        events.push(Event { at, body });
    };
    tell(Body::Imported {
        tool: "kafkatest".to_owned(),
    });
    declare_topics(participants, &[], &mut tell);
    for (number, name) in participants.groups.iter() {
        let group = GroupIx::new(number);
        let topics = participants.subscriptions.get(&group);
        tell(Body::GroupDeclared {
            group,
            name: name.to_owned(),
            topics: topics.into_iter().flatten().copied().collect(),
        });
    }
    for producer in participants.unnamed() {
        tell(Body::SendsUnrecorded { producer });
    }
    let restarts = known.lives.into_iter().flat_map(Lives::restarts);
    for (before, since, first, how) in restarts {
        tell(Body::OffsetsReused {
            before,
            since,
            first,
            how,
        });
    }
    let mut excused: BTreeSet<TopicIx> = BTreeSet::new();
    for (number, name) in participants.topics.iter() {
        let topic = TopicIx::new(number);
        let cleaning = known.cleaning.get(name);
        if let Some(Cleaning::Policy(policy)) = cleaning.copied() {
            tell(Body::TopicCleanup { topic, policy });
        }
        if !matches!(
            cleaning,
            Some(Cleaning::Nothing | Cleaning::Policy(Cleanup::Delete))
        ) {
            excused.insert(topic);
        }
    }
    let replaceable = known.keys.into_iter().flat_map(|keys| &keys.replaceable);
    let replaceable = replaceable.filter(|(of, _)| excused.contains(&of.topic));
    // Which of two lives a key belongs to is unknown.
    for (partition, runs) in replaceable.filter(|(of, _)| known.life_count(**of) == 1) {
        for (first, last) in runs {
            let (partition, first, last) = (*partition, *first, *last);
            tell(Body::Replaceable {
                partition,
                first,
                last,
            });
        }
    }
    events
}

/// Gives topics their numbers. How many partitions they have is known when
/// everything was read: they are declared again then.
fn declare_topics(participants: &Participants, partitions: &[i32], tell: &mut impl FnMut(Body)) {
    for (number, name) in participants.topics.iter() {
        tell(Body::TopicDeclared {
            topic: TopicIx::new(number),
            name: name.to_owned(),
            partitions: partitions.get(usize::from(number)).copied().unwrap_or(0),
        });
    }
}

/// Emits the events at the end.
fn conclude(
    participants: &Participants,
    partitions: &[i32],
    summary: &KafkatestSummary,
) -> Vec<Event> {
    let mut events = Vec::new();
    let mut tell = |body| {
        let at = Micros::default();
        events.push(Event { at, body });
    };
    declare_topics(participants, partitions, &mut tell);
    for what in &summary.lacking {
        tell(Body::Incomplete {
            description: what.clone(),
        });
    }
    tell(Body::TrafficEnded);
    tell(Body::Completed);
    events
}

/// The threads that read files, with their shared state.
struct Workers<'r> {
    sources: &'r [Source],
    known: Context<'r>,
    /// The first file that could not be told: those behind it need not be.
    failed: AtomicUsize,
    outcomes: Mutex<Vec<Option<Outcome>>>,
}

impl Workers<'_> {
    /// Reads every file of a lane.
    fn work(&self, files: &[usize], out: &mut EventSender) {
        for file in files {
            let Some(source) = self.sources.get(*file) else {
                continue;
            };
            let outcome = self.convert_file(*file, source, out);
            if matches!(outcome, Outcome::Halted(_)) {
                self.failed.fetch_min(*file, Ordering::Relaxed);
            }
            let mut outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(slot) = outcomes.get_mut(*file) {
                *slot = Some(outcome);
            }
        }
    }

    fn convert_file(&self, file: usize, source: &Source, out: &mut EventSender) -> Outcome {
        let mut summary = KafkatestSummary::default();
        let participants = self.known.participants;
        let (went, counts) = match participants.parts.get(file) {
            Some(FileRole::Producer) => {
                summary.producer_files = 1;
                let mut producer_file = ProducerFile::new(self.known, source, file, out);
                let mut told = KafkatestSummary::default();
                let went = read(source, &mut summary, |event| {
                    self.go_on(file)?;
                    producer_file.take(&event, &mut told)
                });
                summary.add(told);
                (went, producer_file.finish(&mut summary))
            }
            Some(FileRole::Consumer(group, ordinal)) => {
                summary.consumer_files = 1;
                let mut consumer_file =
                    ConsumerFile::new(self.known, source, file, (*group, *ordinal), out);
                let went = read(source, &mut summary, |event| {
                    self.go_on(file)?;
                    consumer_file.take(&event)
                });
                (went, consumer_file.finish(&mut summary))
            }
            Some(FileRole::Silent) | None => {
                let went = read(source, &mut summary, |_| Ok(()));
                summary.notes.push(KafkatestNote::Silent {
                    path: source.name.clone(),
                });
                (went, Vec::new())
            }
        };
        if summary.torn_lines > 0 {
            let lines = summary.torn_lines;
            summary.lacking.push(format!(
                "{}: {lines} lines of other programs have an event in them",
                source.name.display()
            ));
        }
        match went {
            Ok(()) => Outcome::Converted(summary, counts),
            Err(halted) => Outcome::Halted(halted),
        }
    }

    /// Whether a file's events still matter.
    fn go_on(&self, file: usize) -> Result<(), Halt> {
        if self.failed.load(Ordering::Relaxed) < file {
            return Err(Halt::Enough);
        }
        Ok(())
    }
}
