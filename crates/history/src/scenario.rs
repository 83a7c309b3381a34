//! The history of one planned scenario: it may be missing, empty or cut off,
//! because runs are interrupted and disks are full, and it must be the one of
//! that scenario. Knows nothing of plans.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use model::event::{Body, Event};
use model::ids::RunId;

use crate::damage::{Damage, Tail};
use crate::layout::HEADER_BYTES;
use crate::prefetch::Prefetch;
use crate::read::Reader;

/// Why a scenario's history cannot be judged.
#[derive(Debug, thiserror::Error)]
pub enum UnfitHistory {
    /// It cannot be read.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// It is complete, but recorded by another run: a verdict on it would be
    /// true of that one.
    #[error(
        "{} is the history of another run or scenario: its records carry {found}, those of this \
         plan {planned}", file.display()
    )]
    Foreign {
        /// The file.
        file: PathBuf,
        /// The run that its records carry.
        found: RunId,
        /// The run that the plan's records carry.
        planned: RunId,
    },
}

/// A scenario's history, which can be read several times.
#[derive(Debug)]
pub struct ScenarioHistory {
    path: PathBuf,
    run: RunId,
    size_bytes: u64,
    presence: Presence,
    cut_off_at: OnceLock<u64>,
}

#[derive(Debug)]
enum Presence {
    /// The scenario never began.
    Missing,
    /// Not even its header was written, as on a full disk.
    Empty,
    Readable,
}

impl ScenarioHistory {
    /// Looks at the file; `run` is the run that its records must carry.
    pub fn find(path: PathBuf, run: RunId) -> Self {
        let presence = match fs::metadata(&path) {
            Ok(found) if found.len() < HEADER_BYTES as u64 => Presence::Empty,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Presence::Missing,
            // Reading it reports any other error.
            Ok(_) | Err(_) => Presence::Readable,
        };
        let size_bytes = size_bytes(&path);
        Self {
            path,
            run,
            size_bytes,
            presence,
            cut_off_at: OnceLock::new(),
        }
    }

    /// The size that it had when it was looked at; 0 for a missing file.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Whether there is no file.
    pub fn is_missing(&self) -> bool {
        matches!(self.presence, Presence::Missing)
    }

    /// Reads it in the caller's thread. A history that is missing or empty has
    /// no events.
    ///
    /// # Errors
    /// When it is not a history, of another version, or unreadable.
    pub fn events(&self) -> Result<ScenarioEvents<'_>, UnfitHistory> {
        let open = || Reader::open(&self.path).map(|reader| Source::Direct(Box::new(reader)));
        self.read(open)
    }

    /// Reads it with a thread that reads ahead.
    ///
    /// # Errors
    /// As for [`Self::events`], and when there is no thread to be had.
    pub fn prefetched_events(&self) -> Result<ScenarioEvents<'_>, UnfitHistory> {
        self.read(|| Ok(Source::Prefetched(Reader::open(&self.path)?.prefetch()?)))
    }

    fn read(
        &self,
        open: impl FnOnce() -> Result<Source, Damage>,
    ) -> Result<ScenarioEvents<'_>, UnfitHistory> {
        let source = match self.presence {
            Presence::Missing | Presence::Empty => Source::Nothing,
            Presence::Readable => open()?,
        };
        Ok(ScenarioEvents { of: self, source })
    }

    /// Why it cannot be the complete history; known once it was read to its end.
    pub fn doubt(&self) -> Option<String> {
        match self.presence {
            Presence::Missing => Some("nothing was recorded: the scenario never began".to_owned()),
            Presence::Empty => Some("nothing was recorded: the history is empty".to_owned()),
            Presence::Readable => self
                .cut_off_at
                .get()
                .map(|at| format!("the history is cut off at byte {at}")),
        }
    }

    /// Refuses an event that says that the history belongs to another run.
    fn own(&self, event: Event) -> Result<Event, UnfitHistory> {
        match event.body {
            Body::RunDeclared { run } if run != self.run => Err(UnfitHistory::Foreign {
                file: self.path.clone(),
                found: run,
                planned: self.run,
            }),
            _ => Ok(event),
        }
    }
}

/// One reading of a scenario's history.
#[derive(Debug)]
pub struct ScenarioEvents<'h> {
    of: &'h ScenarioHistory,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Nothing,
    Prefetched(Prefetch),
    Direct(Box<Reader>),
}

impl Iterator for ScenarioEvents<'_> {
    type Item = Result<Event, UnfitHistory>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (event, tail) = match &mut self.source {
            Source::Nothing => return None,
            Source::Prefetched(reader) => (reader.next(), reader.tail()),
            Source::Direct(reader) => (reader.next(), reader.tail()),
        };
        if event.is_none()
            && let Some(Tail::CutOff { at }) = tail
        {
            // Every reading ends at the same byte.
            let _ = self.of.cut_off_at.set(at);
        }
        let event = event?.map_err(UnfitHistory::from);
        Some(event.and_then(|event| self.of.own(event)))
    }
}

/// The size of a history; 0 for a file that is missing.
pub fn size_bytes(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}
