//! All files of a recording, told as one history: who is who, then every
//! file's events as its thread reads them, then what the recording lacks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use model::event::{Body, Cleanup, Event};
use model::ids::{GroupIx, Micros, PartitionRef, TopicIx};

use super::Cleaning;
use super::consumer::Consuming;
use super::directory::{Directory, Part};
use super::error::Error;
use super::head::Head;
use super::keys::Keys;
use super::lives::Lives;
use super::outlet::{self, Lane, Outlet};
use super::producer::Producing;
use super::reading::{Halt, Halted, read};
use super::source::Source;
use super::summary::{Note, Summary};

/// Files that are read at the same time, each by a thread of its own.
const LANES_MAX: usize = 16;

/// What became of a file.
enum Outcome {
    Told(Summary, Vec<i32>),
    Halted(Halted),
}

/// What is known of a recording before it is told.
#[derive(Clone, Copy)]
pub(super) struct Known<'r> {
    pub(super) directory: &'r Directory,
    /// None where no key was seen so far.
    pub(super) keys: Option<&'r Keys>,
    /// None where no partition has more than one.
    pub(super) lives: Option<&'r Lives>,
    pub(super) cleaning: &'r BTreeMap<String, Cleaning>,
}

impl Known<'_> {
    /// How many lives a partition has.
    fn life_count(&self, of: PartitionRef) -> usize {
        self.lives.map_or(1, |lives| lives.all(of).count())
    }
}

/// Tells everything; none where that takes a survey first.
pub(super) fn tell(
    (sources, heads): (&[Source], &[Head]),
    known: Known<'_>,
    mut sink: impl FnMut(&Event),
) -> Result<Option<Summary>, Error> {
    let directory = known.directory;
    let mut partitions = Vec::new();
    announce(known).iter().for_each(&mut sink);
    let crew = Crew {
        sources,
        known,
        failed: AtomicUsize::new(usize::MAX),
        outcomes: Mutex::new(sources.iter().map(|_| None).collect()),
    };
    thread::scope(|scope| {
        let lanes = lanes(heads).into_iter().map(|files| {
            let (mut outlet, lane) = outlet::pair();
            let crew = &crew;
            scope.spawn(move || crew.work(&files, &mut outlet));
            lane
        });
        merge(lanes.collect(), &mut sink);
    });
    let outcomes = crew.outcomes.into_inner();
    let mut summary = Summary::default();
    for outcome in outcomes.unwrap_or_else(PoisonError::into_inner) {
        match outcome {
            Some(Outcome::Told(of_file, counts)) => {
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
    conclude(directory, &partitions, &summary)
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

/// Takes the earliest event that any lane has, and the next, until no lane has
/// one: whichever thread is faster, they come in the same order, so that
/// whoever asks for them again is told the same history. What one member read
/// before another took over comes first where their clocks say so.
fn merge(mut lanes: Vec<Lane>, sink: &mut impl FnMut(&Event)) {
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

/// Says who is who, and what may be gone.
fn announce(known: Known<'_>) -> Vec<Event> {
    let directory = known.directory;
    let mut events = Vec::new();
    let mut tell = |body| {
        let at = Micros::default();
        events.push(Event { at, body });
    };
    tell(Body::Imported {
        tool: "kafkatest".to_owned(),
    });
    declare_topics(directory, &[], &mut tell);
    for (number, name) in directory.groups.iter() {
        let group = GroupIx::new(number);
        let topics = directory.subscriptions.get(&group);
        tell(Body::GroupDeclared {
            group,
            name: name.to_owned(),
            topics: topics.into_iter().flatten().copied().collect(),
        });
    }
    for producer in directory.unnamed() {
        tell(Body::SendsUnrecorded { producer });
    }
    let restarts = known.lives.into_iter().flat_map(Lives::restarts);
    for (before, since, first, how) in restarts {
        tell(Body::OffsetsGivenAgain {
            before,
            since,
            first,
            how,
        });
    }
    let mut excused: BTreeSet<TopicIx> = BTreeSet::new();
    for (number, name) in directory.topics.iter() {
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
    // Which of two lives a key is of is not told.
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
fn declare_topics(directory: &Directory, partitions: &[i32], tell: &mut impl FnMut(Body)) {
    for (number, name) in directory.topics.iter() {
        tell(Body::TopicDeclared {
            topic: TopicIx::new(number),
            name: name.to_owned(),
            partitions: partitions.get(usize::from(number)).copied().unwrap_or(0),
        });
    }
}

/// Says what is known at the end.
fn conclude(directory: &Directory, partitions: &[i32], summary: &Summary) -> Vec<Event> {
    let mut events = Vec::new();
    let mut tell = |body| {
        let at = Micros::default();
        events.push(Event { at, body });
    };
    declare_topics(directory, partitions, &mut tell);
    for what in &summary.lacking {
        tell(Body::Lacking { what: what.clone() });
    }
    tell(Body::TrafficEnded);
    tell(Body::Completed);
    events
}

/// The threads that read files, and what they share.
struct Crew<'r> {
    sources: &'r [Source],
    known: Known<'r>,
    /// The first file that could not be told: those behind it need not be.
    failed: AtomicUsize,
    outcomes: Mutex<Vec<Option<Outcome>>>,
}

impl Crew<'_> {
    /// Reads every file of a lane.
    fn work(&self, files: &[usize], outlet: &mut Outlet) {
        for file in files {
            let Some(source) = self.sources.get(*file) else {
                continue;
            };
            let outcome = self.tell_file(*file, source, outlet);
            if matches!(outcome, Outcome::Halted(_)) {
                self.failed.fetch_min(*file, Ordering::Relaxed);
            }
            let mut outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(slot) = outcomes.get_mut(*file) {
                *slot = Some(outcome);
            }
        }
    }

    fn tell_file(&self, file: usize, source: &Source, outlet: &mut Outlet) -> Outcome {
        let mut summary = Summary::default();
        let directory = self.known.directory;
        let (went, counts) = match directory.parts.get(file) {
            Some(Part::Producer) => {
                summary.producer_files = 1;
                let mut producing = Producing::new(self.known, source, file, outlet);
                let mut told = Summary::default();
                let went = read(source, &mut summary, |event| {
                    self.go_on(file)?;
                    producing.hear(&event, &mut told)
                });
                summary.add(told);
                (went, producing.finish(&mut summary))
            }
            Some(Part::Consumer(group, ordinal)) => {
                summary.consumer_files = 1;
                let mut consuming =
                    Consuming::new(self.known, source, file, (*group, *ordinal), outlet);
                let went = read(source, &mut summary, |event| {
                    self.go_on(file)?;
                    consuming.hear(&event)
                });
                (went, consuming.finish(&mut summary))
            }
            Some(Part::Silent) | None => {
                let went = read(source, &mut summary, |_| Ok(()));
                summary.notes.push(Note::Silent {
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
            Ok(()) => Outcome::Told(summary, counts),
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
