//! Many files of one run into one history: by time, each file in its own
//! order, the whole of it in memory at no time.
//!
//! Files of one run share the plan's numbers, so nothing is renumbered: what
//! several files declare alike is kept once, and files that contradict each
//! other, or tell of the same producer, member or partition, are refused. The
//! checker relies on the order within a source only, and a source is in one
//! file.
//!
//! All traffic comes before the observer's final reads, whatever the clocks of the hosts
//! say: no file goes on beyond its `TrafficEnded` before all have reached theirs.
//! `Completed` is the last event, and there is one only where every file has one and none
//! is cut off.

mod declarations;
mod ownership;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use model::event::{Body, Event};
use model::ids::Micros;

use self::declarations::{Declarations, Heard};
use self::ownership::Ownership;
use crate::damage::{Damage, Tail};
use crate::read::Reader;
use crate::write::Recorder;

/// Why histories cannot be merged.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum MergeError {
    /// One of them cannot be read.
    #[error(transparent)]
    Read(#[from] Damage),
    /// They are not of one run, or not of one plan.
    #[error(transparent)]
    Contradiction(#[from] Contradiction),
    /// There is something where the merged history is to go.
    #[error("{} exists already; refusing to overwrite it", file.display())]
    Exists { file: PathBuf },
    /// The merged history cannot be written.
    #[error("cannot write {}", file.display())]
    NotWritable { file: PathBuf, source: io::Error },
}

/// A contradiction between two files of one run.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum Contradiction {
    /// They declare one thing in two ways.
    #[error(
        "{} and {} are not of one run: {first} in the one, and {second} in the other",
        one.display(), other.display()
    )]
    Declared {
        one: PathBuf,
        other: PathBuf,
        first: String,
        second: String,
    },
    /// Both have events of one source, whose order would be lost.
    #[error(
        "{} and {} both tell of {what}, which must be in only one of them",
        one.display(), other.display()
    )]
    Shared {
        one: PathBuf,
        other: PathBuf,
        what: String,
    },
    /// Another tool's history has numbers of its own.
    #[error(
        "{} was imported from {tool}, whose numbers are no plan's: import its files together instead",
        file.display()
    )]
    Imported { file: PathBuf, tool: String },
}

/// The result of a merge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    /// The files, in the order in which they were given.
    pub inputs: Vec<MergedInput>,
    /// Events of the merged history.
    pub events: u64,
}

/// A file that was merged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergedInput {
    /// The file.
    pub file: PathBuf,
    /// How it ended.
    pub tail: Tail,
    /// Whether it says of itself that it is the whole history.
    pub completion: Completion,
}

/// Whether a history has said that it is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completion {
    /// It has: `Completed` is in it, and its file is whole.
    Complete,
    /// It has not.
    Incomplete,
}

impl Merged {
    /// Whether the merged history is complete: all of its files are.
    pub fn completion(&self) -> Completion {
        let all = self
            .inputs
            .iter()
            .all(|input| input.completion == Completion::Complete);
        // Nothing was put together where there was nothing.
        if all && !self.inputs.is_empty() {
            Completion::Complete
        } else {
            Completion::Incomplete
        }
    }
}

/// Merges `files` into a new history at `out`, which is there whole in the end
/// or not at all.
///
/// # Errors
/// When a file is damaged, when files contradict each other, when `out` exists
/// or cannot be written.
pub fn merge(files: &[PathBuf], out: &Path) -> Result<Merged, MergeError> {
    let exists = || MergeError::Exists {
        file: out.to_owned(),
    };
    let not_writable = |source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => exists(),
        _ => MergeError::NotWritable {
            file: out.to_owned(),
            source,
        },
    };
    if fs::symlink_metadata(out).is_ok() {
        return Err(exists());
    }
    let mut merge = Merge::open(files)?;
    let name = out.file_name().unwrap_or_default().to_string_lossy();
    let part = out.with_file_name(format!(".{name}.{}.part", std::process::id()));
    let mut recorder = Recorder::create(&part).map_err(not_writable)?;
    let written = (|| {
        for event in merge.by_ref() {
            recorder.record(&event?).map_err(not_writable)?;
        }
        recorder.sync().map_err(not_writable)?;
        publish(&part, out).map_err(not_writable)
    })();
    // It has its name by now, or it is half a history, which is of no use.
    let _ = fs::remove_file(&part);
    written?;
    Ok(merge.merged())
}

/// Gives a whole file its name, and takes it from no other.
fn publish(part: &Path, out: &Path) -> io::Result<()> {
    match fs::hard_link(part, out) {
        // Not every file system has links.
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            if fs::symlink_metadata(out).is_ok() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            fs::rename(part, out)
        }
        linked => linked,
    }
}

/// The events of the merged history.
#[derive(Debug)]
pub struct Merge {
    inputs: Vec<Input>,
    /// The inputs that have an event ready, the earliest on top.
    ready: BinaryHeap<Reverse<(Micros, usize)>>,
    declarations: Declarations,
    ownership: Ownership,
    latest: Micros,
    events: u64,
    stage: Stage,
}

#[derive(Debug)]
struct Input {
    reader: Reader,
    head: Option<Event>,
    traffic: Traffic,
    completed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Traffic {
    Going,
    /// It waits for the others at its `TrafficEnded`.
    Ended,
    /// It has gone on, or come to its end.
    Over,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Traffic,
    Truth,
    /// Missing parts are reported, from this input on.
    Conclusion(usize),
    Over,
}

impl Merge {
    /// Opens the files.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub fn open(files: &[PathBuf]) -> Result<Self, MergeError> {
        let inputs = files
            .iter()
            .map(|file| {
                Ok(Input {
                    reader: Reader::open(file)?,
                    head: None,
                    traffic: Traffic::Going,
                    completed: false,
                })
            })
            .collect::<Result<_, Damage>>()?;
        let mut merge = Self {
            inputs,
            ready: BinaryHeap::new(),
            declarations: Declarations::default(),
            ownership: Ownership::default(),
            latest: Micros::default(),
            events: 0,
            stage: Stage::Traffic,
        };
        for input in 0..merge.inputs.len() {
            merge.advance(input)?;
        }
        Ok(merge)
    }

    /// The result, once there are no more events.
    pub fn merged(&self) -> Merged {
        Merged {
            inputs: self
                .inputs
                .iter()
                .map(|input| MergedInput {
                    file: input.reader.path().to_owned(),
                    tail: input.tail(),
                    completion: input.completion(),
                })
                .collect(),
            events: self.events,
        }
    }

    /// Reads on in a file until it has an event that belongs into the merged
    /// history as it is, waits for the others, or ends.
    fn advance(&mut self, ix: usize) -> Result<(), MergeError> {
        loop {
            let Some(input) = self.inputs.get_mut(ix) else {
                return Ok(());
            };
            let Some(event) = input.reader.next().transpose()? else {
                return Ok(());
            };
            self.latest = self.latest.max(event.at);
            match &event.body {
                Body::TrafficEnded if input.traffic == Traffic::Going => {
                    input.traffic = Traffic::Ended;
                    return Ok(());
                }
                Body::TrafficEnded => continue,
                Body::Completed => {
                    input.completed = true;
                    continue;
                }
                Body::Imported { tool } => {
                    return Err(MergeError::Contradiction(Contradiction::Imported {
                        file: input.reader.path().to_owned(),
                        tool: tool.clone(),
                    }));
                }
                _ => {}
            }
            self.ownership
                .claim(&event.body, ix)
                .map_err(|shared| Contradiction::Shared {
                    one: self.file(shared.with),
                    other: self.file(ix),
                    what: shared.what.to_string(),
                })?;
            self.ready.push(Reverse((event.at, ix)));
            if let Some(input) = self.inputs.get_mut(ix) {
                input.head = Some(event);
            }
            return Ok(());
        }
    }

    /// Whether a file declares something new.
    fn is_news(&mut self, body: &Body, ix: usize) -> Result<bool, MergeError> {
        match self.declarations.hear(body, ix) {
            Heard::News => Ok(true),
            Heard::Before => Ok(false),
            Heard::Otherwise { from, first } => {
                Err(MergeError::Contradiction(Contradiction::Declared {
                    one: self.file(from),
                    other: self.file(ix),
                    first,
                    second: declarations::describe(body),
                }))
            }
        }
    }

    fn file(&self, ix: usize) -> PathBuf {
        self.inputs
            .get(ix)
            .map_or_else(PathBuf::new, |input| input.reader.path().to_owned())
    }

    fn next_event(&mut self) -> Result<Option<Event>, MergeError> {
        loop {
            if let Some(Reverse((_, ix))) = self.ready.pop() {
                let event = self.inputs.get_mut(ix).and_then(|input| input.head.take());
                self.advance(ix)?;
                if let Some(event) = event
                    && self.is_news(&event.body, ix)?
                {
                    return Ok(Some(event));
                }
                continue;
            }
            match self.stage {
                Stage::Traffic => {
                    self.stage = Stage::Truth;
                    if let Some(event) = self.end_traffic()? {
                        return Ok(Some(event));
                    }
                }
                Stage::Truth => self.stage = Stage::Conclusion(0),
                Stage::Conclusion(ix) => {
                    if let Some(input) = self.inputs.get(ix) {
                        self.stage = Stage::Conclusion(ix + 1);
                        if let Some(description) = input.lack() {
                            return Ok(Some(self.concluding(Body::Incomplete { description })));
                        }
                        continue;
                    }
                    self.stage = Stage::Over;
                    if self.merged().completion() == Completion::Complete {
                        return Ok(Some(self.concluding(Body::Completed)));
                    }
                }
                Stage::Over => return Ok(None),
            }
        }
    }

    /// Lets all go on; says that the traffic has ended where all have said so.
    fn end_traffic(&mut self) -> Result<Option<Event>, MergeError> {
        let ended = self
            .inputs
            .iter()
            .all(|input| input.traffic == Traffic::Ended);
        let event = (ended && !self.inputs.is_empty()).then(|| self.concluding(Body::TrafficEnded));
        for ix in 0..self.inputs.len() {
            let waits = self
                .inputs
                .get_mut(ix)
                .map(|input| std::mem::replace(&mut input.traffic, Traffic::Over));
            if waits == Some(Traffic::Ended) {
                self.advance(ix)?;
            }
        }
        Ok(event)
    }

    /// An event of the merged history itself, at its latest moment so far.
    fn concluding(&self, body: Body) -> Event {
        Event {
            at: self.latest,
            body,
        }
    }
}

impl Input {
    fn tail(&self) -> Tail {
        self.reader.tail().unwrap_or(Tail::Whole)
    }

    fn completion(&self) -> Completion {
        if self.completed && self.tail() == Tail::Whole {
            Completion::Complete
        } else {
            Completion::Incomplete
        }
    }

    /// The reason why it is not the whole history.
    fn lack(&self) -> Option<String> {
        let file = self.reader.path().display();
        match (self.tail(), self.completion()) {
            (Tail::CutOff { at }, _) => {
                Some(format!("the history {file} was cut off at byte {at}"))
            }
            (Tail::Whole, Completion::Incomplete) => {
                Some(format!("the history {file} was not completed"))
            }
            (Tail::Whole, Completion::Complete) => None,
        }
    }
}

impl Iterator for Merge {
    type Item = Result<Event, MergeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.next_event().transpose();
        match &next {
            Some(Ok(_)) => self.events += 1,
            Some(Err(_)) => {
                self.stage = Stage::Over;
                self.ready.clear();
            }
            None => {}
        }
        next
    }
}
