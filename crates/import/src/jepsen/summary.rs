//! The summary of an import. Knows nothing of how the history was read.

use std::collections::BTreeMap;
use std::fmt;

/// A file decides how many names there are, and how long they are.
const NAMES_MAX: usize = 256;
const NAME_BYTES_MAX: usize = 64;
/// Under which all others are counted.
const OTHERS: &str = "...";

/// Counts of what was read and skipped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Operations read: invocations and completions, those skipped included.
    pub operations: u64,
    /// Operations that say nothing of records, by their `:f`: those of the
    /// nemesis, and others of unknown kinds.
    pub skipped_operations: BTreeMap<String, u64>,
    /// Fields of operations that mean nothing here, by their names.
    pub skipped_fields: BTreeMap<String, u64>,
    /// The keys: the first one is partition 0.
    pub keys: Vec<String>,
    /// What a reader of the verdict should know.
    pub notes: Vec<Note>,
}

/// Something about a history that is no error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// The input ends inside an operation, which was skipped.
    CutOff {
        /// Where that operation begins.
        line: u64,
    },
    /// The input ends inside the vector, after a whole operation.
    Unclosed,
    /// Completions without an invocation, which were taken to be invoked when
    /// they completed.
    Uninvoked {
        /// How many.
        operations: u64,
    },
    /// Operations that no completion was found for: their outcome is unknown.
    Uncompleted {
        /// How many.
        operations: u64,
    },
    /// Sends that completed with another value than they were invoked with;
    /// the completion counts.
    Renamed {
        /// How many.
        sends: u64,
    },
    /// Operations without a time, which were told right after the one before.
    Timeless {
        /// How many.
        operations: u64,
    },
    /// Reads that do not tell their offset.
    Unplaced {
        /// How many.
        reads: u64,
    },
    /// Acknowledged sends that do not tell their offset, and were never read.
    Unlocated {
        /// How many.
        sends: u64,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CutOff { line } => {
                write!(f, "the operation in line {line} is cut off: skipped")
            }
            Self::Unclosed => f.write_str("the vector of operations is cut off"),
            Self::Uninvoked { operations } => {
                write!(f, "completed without an invocation: {operations}")
            }
            Self::Uncompleted { operations } => {
                write!(f, "never completed, so of unknown outcome: {operations}")
            }
            Self::Renamed { sends } => write!(
                f,
                "sends completed with another value than invoked with: {sends}"
            ),
            Self::Timeless { operations } => write!(
                f,
                "operations without a time, told right after the one before: {operations}"
            ),
            Self::Unplaced { reads } => write!(f, "reads without an offset: {reads}"),
            Self::Unlocated { sends } => {
                write!(f, "acknowledged without an offset, and never read: {sends}")
            }
        }
    }
}

impl Summary {
    pub(super) fn skip_operation(&mut self, name: &[u8]) {
        count(&mut self.skipped_operations, name);
    }

    pub(super) fn skip_field(&mut self, name: &[u8]) {
        count(&mut self.skipped_fields, name);
    }
}

fn count(counts: &mut BTreeMap<String, u64>, name: &[u8]) {
    let name = text(name, NAME_BYTES_MAX);
    if let Some(count) = counts.get_mut(&name) {
        *count += 1;
    } else if counts.len() < NAMES_MAX {
        counts.insert(name, 1);
    } else {
        *counts.entry(OTHERS.to_owned()).or_default() += 1;
    }
}

/// Bytes of a history for people to read: no more than so many of them.
pub(super) fn text(bytes: &[u8], bytes_max: usize) -> String {
    let shown = &bytes[..bytes.len().min(bytes_max)];
    let ellipsis = if shown.len() < bytes.len() { "..." } else { "" };
    format!("{}{ellipsis}", String::from_utf8_lossy(shown))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_counted_and_their_number_is_bounded() {
        let mut summary = Summary::default();
        for number in 0..1000u64 {
            summary.skip_field(format!("field-{}", number % 500).as_bytes());
        }
        let counts = &summary.skipped_fields;
        assert_eq!(counts.len(), NAMES_MAX + 1);
        assert_eq!(counts["field-7"], 2);
        assert_eq!(counts.values().sum::<u64>(), 1000);
    }

    #[test]
    fn a_long_text_is_cut() {
        assert_eq!(text(b"abcdef", 6), "abcdef");
        assert_eq!(text(b"abcdefg", 6), "abcdef...");
        assert_eq!(text("aé".as_bytes(), 2), "a\u{fffd}...");
    }
}
