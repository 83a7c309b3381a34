//! All files of a recording, told as one history: who is who, then every
//! file's events as its thread reads them, then what the recording lacks.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use model::event::{Body, Event};
use model::ids::{GroupIx, Micros, TopicIx};

use super::consumer::Consuming;
use super::directory::{Directory, Part};
use super::error::Error;
use super::outlet::{BATCHES_MAX, Outlet};
use super::producer::Producing;
use super::reading::{Halt, Halted, read};
use super::source::Source;
use super::summary::{Note, Summary};

/// Threads that read files. More would not keep one checker busier.
const READERS_MAX: usize = 2;

/// What became of a file.
enum Outcome {
    Told(Summary, Vec<i32>),
    Halted(Halted),
}

/// Tells everything; none where that takes a survey first.
pub(super) fn tell(
    sources: &[Source],
    directory: &Directory,
    mut sink: impl FnMut(Event),
) -> Result<Option<Summary>, Error> {
    let mut partitions = Vec::new();
    announce(directory, &mut sink);
    let crew = Crew {
        sources,
        directory,
        order: order(&directory.parts),
        failed: AtomicUsize::new(usize::MAX),
        outcomes: Mutex::new(sources.iter().map(|_| None).collect()),
    };
    thread::scope(|scope| {
        let lanes = (0..READERS_MAX.min(sources.len())).map(|lane| {
            let (queue, batches) = sync_channel(BATCHES_MAX);
            let crew = &crew;
            scope.spawn(move || crew.work(lane, &queue));
            batches
        });
        take_turns(lanes.collect(), &mut sink);
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
    if summary.producer_files == 0 {
        let what = "no producer's file is given: nothing is known to have been sent";
        summary.lacking.push(what.to_owned());
    }
    conclude(directory, &partitions, &summary, &mut sink);
    Ok(Some(summary))
}

/// Takes a batch from each lane that still has any, in turn: whichever thread
/// is faster, the events come in the same order, so that whoever asks for them
/// again is told the same history.
fn take_turns(mut lanes: Vec<Receiver<Vec<Event>>>, sink: &mut impl FnMut(Event)) {
    while !lanes.is_empty() {
        lanes.retain(|lane| match lane.recv() {
            Ok(batch) => {
                batch.into_iter().for_each(&mut *sink);
                true
            }
            Err(_) => false,
        });
    }
}

/// Says who is who.
fn announce(directory: &Directory, sink: &mut impl FnMut(Event)) {
    let mut tell = |body| {
        sink(Event {
            at: Micros::default(),
            body,
        });
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
fn conclude(
    directory: &Directory,
    partitions: &[i32],
    summary: &Summary,
    sink: &mut impl FnMut(Event),
) {
    let mut tell = |body| {
        sink(Event {
            at: Micros::default(),
            body,
        });
    };
    declare_topics(directory, partitions, &mut tell);
    for what in &summary.lacking {
        tell(Body::Lacking { what: what.clone() });
    }
    tell(Body::TrafficEnded);
    tell(Body::Completed);
}

/// Producers' and consumers' files by turns, which go to different lanes, so
/// that acknowledgements and readings of the same records arrive at about the
/// same time.
fn order(parts: &[Part]) -> Vec<usize> {
    let of = |wanted: fn(&Part) -> bool| {
        let files = parts.iter().enumerate();
        files
            .filter(move |(_, part)| wanted(part))
            .map(|(file, _)| file)
    };
    let mut producers = of(|part| !matches!(part, Part::Consumer(..)));
    let mut consumers = of(|part| matches!(part, Part::Consumer(..)));
    let mut order = Vec::with_capacity(parts.len());
    while order.len() < parts.len() {
        order.extend(producers.next());
        order.extend(consumers.next());
    }
    order
}

/// The threads that read files, and what they share.
struct Crew<'r> {
    sources: &'r [Source],
    directory: &'r Directory,
    order: Vec<usize>,
    /// The first file that could not be told: those behind it need not be.
    failed: AtomicUsize,
    outcomes: Mutex<Vec<Option<Outcome>>>,
}

impl Crew<'_> {
    /// Reads every file of a lane: each file has its lane, whatever its length.
    fn work(&self, lane: usize, queue: &SyncSender<Vec<Event>>) {
        for file in self.order.iter().skip(lane).step_by(READERS_MAX) {
            let Some(source) = self.sources.get(*file) else {
                continue;
            };
            let outcome = self.tell_file(*file, source, queue);
            if matches!(outcome, Outcome::Halted(_)) {
                self.failed.fetch_min(*file, Ordering::Relaxed);
            }
            let mut outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(slot) = outcomes.get_mut(*file) {
                *slot = Some(outcome);
            }
        }
    }

    fn tell_file(&self, file: usize, source: &Source, queue: &SyncSender<Vec<Event>>) -> Outcome {
        let mut summary = Summary::default();
        let outlet = Outlet::new(queue.clone());
        let directory = self.directory;
        let (went, counts) = match directory.parts.get(file) {
            Some(Part::Producer) => {
                summary.producer_files = 1;
                let mut producing = Producing::new(directory, source, file, outlet);
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
                    Consuming::new(directory, source, file, (*group, *ordinal), outlet);
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
