//! The summary of an import. Knows nothing of how the files were read.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use crate::name_counts;

const NAMES_MAX: usize = 64;
const NAME_CHARS_MAX: usize = 64;

/// Counts of what was read and skipped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KafkatestSummary {
    /// Producers' files, by their content.
    pub producer_files: u64,
    /// Consumers' files, by their content.
    pub consumer_files: u64,
    /// Lines read, all included.
    pub lines: u64,
    /// Events of unknown kinds, by their `name`.
    pub unknown_events: BTreeMap<String, u64>,
    /// Fields that no client prints.
    pub unknown_fields: u64,
    /// Lines of other programs.
    pub notices: u64,
    /// Of these, how many hold what looks like an event behind other text.
    pub torn_lines: u64,
    /// Notes for readers of the verdict.
    pub notes: Vec<KafkatestNote>,
    /// Reasons why no record may be called lost.
    pub lacking: Vec<String>,
}

/// Something about a recording that is no error.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum KafkatestNote {
    /// The file ends inside a line, which was skipped.
    CutOff {
        path: PathBuf,
        /// The line, from 1.
        line: u64,
    },
    /// The file holds no event that tells whose it is.
    Silent { path: PathBuf },
    /// A consumer's file in which nothing was read.
    Idle { path: PathBuf },
    /// A producer that did not say how much it sent (`tool_data`): killed, or
    /// still at work.
    Unfinished {
        path: PathBuf,
        /// Which of the producers that wrote it, from 1.
        incarnation: usize,
    },
}

impl fmt::Display for KafkatestNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CutOff { path, line } => {
                let path = path.display();
                write!(f, "{path}:{line}: the last line is cut off: skipped")
            }
            Self::Silent { path } => {
                let path = path.display();
                write!(f, "{path}: no producer or consumer events found in it")
            }
            Self::Idle { path } => write!(f, "{}: nothing was read in it", path.display()),
            Self::Unfinished { path, incarnation } => write!(
                f,
                "{}: producer {incarnation} did not end by itself: it may have sent more than it says",
                path.display()
            ),
        }
    }
}

impl KafkatestSummary {
    pub(super) fn skip_event(&mut self, name: &str) {
        let shown = name.chars().take(NAME_CHARS_MAX).collect();
        name_counts::count(&mut self.unknown_events, shown, NAMES_MAX);
    }

    /// Adds the summary of another file.
    pub(super) fn add(&mut self, other: Self) {
        self.producer_files += other.producer_files;
        self.consumer_files += other.consumer_files;
        self.lines += other.lines;
        self.unknown_fields += other.unknown_fields;
        self.notices += other.notices;
        self.torn_lines += other.torn_lines;
        for (name, count) in other.unknown_events {
            *self.unknown_events.entry(name).or_default() += count;
        }
        self.notes.extend(other.notes);
        self.lacking.extend(other.lacking);
    }
}
